//! Speed of the arithmetic kernels on this machine, one thread: `cargo bench -p tern-kernels --bench kernels [FILTER]`.
//!
//! Each figure is the best of several runs. Products are counted as multiply-adds of whole ring elements.

use std::time::Instant;

use tern_kernels::bits::{self, planes};
use tern_kernels::par::Threads;
use tern_kernels::prg::{Key, Stream, Values};
use tern_kernels::ring::contract::{Axes, SharesView, Write, contract_exact, contract_mod, contract_shares};
use tern_kernels::ring::{Layout, Ring, View, ViewMut, Z52, Z64, Z104, Z128, Z192, Z256, pack, views};

fn main() {
    let bench = Bench { filter: std::env::args().skip(1).find(|arg| !arg.starts_with("--")) };
    matrices(&bench);
    convolutions(&bench);
    dense_gradients(&bench);
    elements(&bench);
    random(&bench);
    bits(&bench);
    packed::<Z64>(&bench, 52);
    packed::<Z128>(&bench, 104);
}

struct Bench {
    filter: Option<String>,
}

impl Bench {
    fn skips(&self, name: &str) -> bool {
        self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str()))
    }

    /// Prints how many units of work are done per nanosecond, and how long each of them takes.
    fn run(&self, name: &str, units: usize, mut work: impl FnMut()) {
        if self.skips(name) {
            return;
        }
        work();
        let start = Instant::now();
        let mut best = f64::INFINITY;
        while start.elapsed().as_millis() < 300 {
            let run = Instant::now();
            work();
            best = best.min(run.elapsed().as_nanos() as f64);
        }
        let per_unit = best / units as f64;
        println!("{name:<60} {:>8.3} per ns {per_unit:>9.3} ns each {:>10.1} µs", 1.0 / per_unit, best / 1e3);
    }
}

/// Pseudo-random values of at most `bits` signed bits.
fn values<R: Ring>(len: usize, bits: u32) -> Vec<R> {
    let mut x = R::from_u64(0x9e3779b97f4a7c15);
    let factor =
        R::from_limbs(&[0xd1342543de82ef95, 0x2545f4914f6cdd1d, 0x9e6c63d0876a9a47, 0xda942042e4dd58b5]);
    let mut next = || {
        x = x * factor + R::ONE;
        x.sar(R::BITS - bits)
    };
    (0..len).map(|_| next()).collect()
}

fn matrices(bench: &Bench) {
    for (m, k, n) in
        [(128, 784, 128), (784, 128, 128), (128, 128, 10), (512, 512, 512), (128, 512, 512), (500, 784, 128)]
    {
        clear::<Z52>(bench, m, k, n, 20);
        shares::<Z52>(bench, m, k, n);
        clear::<Z64>(bench, m, k, n, 20);
        shares::<Z64>(bench, m, k, n);
    }
    for (m, k, n) in [(128, 784, 128), (128, 128, 10)] {
        clear::<Z104>(bench, m, k, n, 40);
        shares::<Z104>(bench, m, k, n);
        clear::<Z128>(bench, m, k, n, 40);
        clear::<Z128>(bench, m, k, n, 60);
        shares::<Z128>(bench, m, k, n);
        clear::<Z192>(bench, m, k, n, 52);
        shares::<Z192>(bench, m, k, n);
        clear::<Z256>(bench, m, k, n, 80);
        shares::<Z256>(bench, m, k, n);
    }
}

const MATRIX: Axes = Axes { batch: 0, rows: 1, inner: 1, cols: 1 };

fn clear<R: Ring>(bench: &Bench, m: usize, k: usize, n: usize, bits: u32) {
    let threads = Threads::single();
    let (a, b) = (values::<R>(m * k, bits), values::<R>(k * n, bits));
    let mut dst = vec![R::ZERO; m * n];
    let [dl, al, bl] = [[m, n], [m, k], [k, n]].map(|shape| Layout::contiguous(&shape));
    let name = format!("matrix {m}x{k}x{n} 2^{} clear {bits} bits", R::BITS);
    bench.run(&name, m * k * n, || {
        let (a, b) = (View::new(&a, &al), View::new(&b, &bl));
        contract_exact(&threads, ViewMut::new(&mut dst, &dl), a, b, MATRIX, Write::Replace);
    });
    let name = format!("matrix {m}x{k}x{n} 2^{} any", R::BITS);
    bench.run(&name, m * k * n, || {
        let (a, b) = (View::new(&a, &al), View::new(&b, &bl));
        contract_mod(&threads, ViewMut::new(&mut dst, &dl), a, b, MATRIX, Write::Replace);
    });
}

fn shares<R: Ring>(bench: &Bench, m: usize, k: usize, n: usize) {
    let threads = Threads::single();
    let (a, b) =
        ([(); 2].map(|()| values::<R>(m * k, R::BITS)), [(); 2].map(|()| values::<R>(k * n, R::BITS)));
    let mut dst = vec![R::ZERO; m * n];
    let [dl, al, bl] = [[m, n], [m, k], [k, n]].map(|shape| Layout::contiguous(&shape));
    let name = format!("matrix {m}x{k}x{n} 2^{} shares (two products)", R::BITS);
    bench.run(&name, 2 * m * k * n, || {
        let a = SharesView { data: [&a[0], &a[1]], layout: &al };
        let b = SharesView { data: [&b[0], &b[1]], layout: &bl };
        contract_shares(&threads, ViewMut::new(&mut dst, &dl), a, b, MATRIX, Write::Replace);
    });
}

/// A convolution of square images by square filters, at stride 1.
#[derive(Clone, Copy)]
struct Convolution {
    images: usize,
    channels: usize,
    size: usize,
    filters: usize,
    window: usize,
}

/// Both convolutions of LeNet, with all their gradients.
fn convolutions(bench: &Bench) {
    let first = Convolution { images: 128, channels: 1, size: 28, filters: 20, window: 5 };
    let second = Convolution { images: 128, channels: 20, size: 12, filters: 50, window: 5 };
    convolution::<Z52>(bench, first);
    convolution::<Z64>(bench, first);
    convolution::<Z52>(bench, second);
    convolution::<Z64>(bench, second);
    convolution::<Z104>(bench, second);
    convolution::<Z128>(bench, second);
}

fn convolution<R: Ring>(bench: &Bench, shape: Convolution) {
    forwards::<R>(bench, shape);
    gradient_by_weights::<R>(bench, shape);
    if shape.channels > 1 {
        gradient_by_inputs::<R>(bench, shape);
    }
}

impl Convolution {
    fn out(self) -> usize {
        self.size - self.window + 1
    }

    fn products(self) -> usize {
        let Self { images, channels, filters, window, .. } = self;
        images * self.out() * self.out() * filters * channels * window * window
    }

    fn name<R: Ring>(self, what: &str) -> String {
        let Self { images, channels, size, filters, window } = self;
        let bits = R::BITS;
        format!("{what} {images}x{channels}x{size}x{size} by {filters}x{channels}x{window}x{window} 2^{bits}")
    }

    /// An image's channels: images, channels, rows, columns.
    fn strides(channels: usize, size: usize) -> [isize; 4] {
        [channels * size * size, size * size, size, 1].map(|stride| stride as isize)
    }
}

fn forwards<R: Ring>(bench: &Bench, shape: Convolution) {
    let Convolution { images, channels, size, filters, window } = shape;
    let out = shape.out();
    let [[xi, xc, xr, _], [yi, yf, ..], [wf, wc, wr, _]] =
        [(channels, size), (filters, out), (channels, window)]
            .map(|(channels, size)| Convolution::strides(channels, size));
    let al = [(images, xi), (out, xr), (out, 1), (channels, xc), (window, xr), (window, 1)];
    let bl = [(channels, wc), (window, wr), (window, 1), (filters, wf)];
    let dl = [(images, yi), (out, out as isize), (out, 1), (filters, yf)];
    let layouts = [Layout::strided(0, &dl), Layout::strided(0, &al), Layout::strided(0, &bl)];
    let axes = Axes { batch: 0, rows: 3, inner: 3, cols: 1 };
    product::<R>(bench, shape.name::<R>("convolution"), shape.products(), layouts, axes);
}

/// Every image's gradient beside its windows, summed over the images.
fn gradient_by_weights<R: Ring>(bench: &Bench, shape: Convolution) {
    let Convolution { images, channels, size, filters, window } = shape;
    let out = shape.out();
    let [xi, xc, xr, _] = Convolution::strides(channels, size);
    let [yi, yf, yr, _] = Convolution::strides(filters, out);
    let al = [(filters, yf), (images, yi), (out, yr), (out, 1)];
    let bl = [(images, xi), (out, xr), (out, 1), (channels, xc), (window, xr), (window, 1)];
    let dl = Layout::contiguous(&[filters, channels, window, window]);
    let axes = Axes { batch: 0, rows: 1, inner: 3, cols: 3 };
    let layouts = [dl, Layout::strided(0, &al), Layout::strided(0, &bl)];
    product::<R>(bench, shape.name::<R>("gradient by weights"), shape.products(), layouts, axes);
}

/// The gradient with zeros around it, in windows, by the filters turned around.
fn gradient_by_inputs<R: Ring>(bench: &Bench, shape: Convolution) {
    let Convolution { images, channels, size, filters, window } = shape;
    let [yi, yf, yr, _] = Convolution::strides(filters, size + window - 1);
    let [wf, wc, wr, _] = Convolution::strides(channels, window);
    let [xi, xc, xr, _] = Convolution::strides(channels, size);
    let al = [(images, yi), (size, yr), (size, 1), (filters, yf), (window, yr), (window, 1)];
    let bl = [(filters, wf), (window, -wr), (window, -1), (channels, wc)];
    let dl = [(images, xi), (size, xr), (size, 1), (channels, xc)];
    let axes = Axes { batch: 0, rows: 3, inner: 3, cols: 1 };
    let last = window * window - 1;
    let layouts = [Layout::strided(0, &dl), Layout::strided(0, &al), Layout::strided(last, &bl)];
    let products = images * size * size * filters * channels * window * window;
    product::<R>(bench, shape.name::<R>("gradient by inputs"), products, layouts, axes);
}

/// The gradients of dense layers: either factor of a product is transposed.
fn dense_gradients(bench: &Bench) {
    for (batch, inputs, outputs) in [(128, 800, 500), (128, 500, 10)] {
        dense_gradient::<Z52>(bench, batch, inputs, outputs);
        dense_gradient::<Z64>(bench, batch, inputs, outputs);
    }
}

fn dense_gradient<R: Ring>(bench: &Bench, batch: usize, inputs: usize, outputs: usize) {
    let turned = |rows: usize, cols: usize| Layout::strided(0, &[(cols, 1), (rows, cols as isize)]);
    let [x, y, w] = [[batch, inputs], [batch, outputs], [inputs, outputs]].map(|s| Layout::contiguous(&s));
    let name = |what: &str| format!("dense gradient by {what} {batch}x{inputs}x{outputs} 2^{}", R::BITS);
    let products = batch * inputs * outputs;
    let by_weights = [w, turned(batch, inputs), y.clone()];
    product::<R>(bench, name("weights"), products, by_weights, MATRIX);
    product::<R>(bench, name("inputs"), products, [x, y, turned(inputs, outputs)], MATRIX);
}

/// A product of random elements under the layouts of the destination and the factors.
fn product<R: Ring>(bench: &Bench, name: String, products: usize, layouts: [Layout; 3], axes: Axes) {
    if bench.skips(&name) {
        return;
    }
    let buffer = |layout: &Layout| values::<R>(layout.span().expect("a small view").end, R::BITS);
    let [mut dst, a, b] = layouts.each_ref().map(buffer);
    let ([dl, al, bl], threads) = (&layouts, Threads::single());
    bench.run(&name, products, || {
        let (a, b) = (View::new(&a, al), View::new(&b, bl));
        contract_mod(&threads, ViewMut::new(&mut dst, dl), a, b, axes, Write::Replace);
    });
}

fn elements(bench: &Bench) {
    element_wise::<Z64>(bench);
    element_wise::<Z128>(bench);
    element_wise::<Z256>(bench);
    let n = 1000;
    let (a, mut dst) = (values::<Z64>(n * n, 64), vec![Z64::ZERO; n * n]);
    let (dense, turned) = (Layout::contiguous(&[n, n]), Layout::strided(0, &[(n, 1), (n, n as isize)]));
    let threads = Threads::single();
    bench.run("transposed copy 1000x1000 2^64", n * n, || {
        views::copy(&threads, ViewMut::new(&mut dst, &dense), View::new(&a, &turned));
    });
    bench.run("sum over rows 1000x1000 2^64", n * n, || {
        let sums = Layout::strided(0, &[(n, 0), (n, 1)]);
        views::sum(&threads, ViewMut::new(&mut dst[..n], &sums), View::new(&a, &dense));
    });
    bench.run("sum over columns 1000x1000 2^64", n * n, || {
        let sums = Layout::strided(0, &[(n, 1), (n, 0)]);
        views::sum(&threads, ViewMut::new(&mut dst[..n], &sums), View::new(&a, &dense));
    });
}

fn element_wise<R: Ring>(bench: &Bench) {
    let n = 10_000;
    let [a, b, c, d] = [(); 4].map(|()| values::<R>(n, R::BITS));
    let mut dst = vec![R::ZERO; n];
    let layout = Layout::contiguous(&[n]);
    let threads = Threads::single();
    let view = |data| View::new(data, &layout);
    bench.run(&format!("add 10000 2^{}", R::BITS), n, || {
        views::add(&threads, ViewMut::new(&mut dst, &layout), view(&a), view(&b));
    });
    bench.run(&format!("multiply 10000 2^{}", R::BITS), n, || {
        views::mul(&threads, ViewMut::new(&mut dst, &layout), view(&a), view(&b));
    });
    bench.run(&format!("multiply shares 10000 2^{}", R::BITS), n, || {
        let src = [view(&a), view(&b), view(&c), view(&d)];
        views::apply(&threads, ViewMut::new(&mut dst, &layout), src, |_, [a, b, c, d]| a * (b + c) + d * b);
    });
}

fn random(bench: &Bench) {
    let (n, threads, key) = (100_000, Threads::single(), Key::new(&[7; 16]));
    let stream = Stream::new(&key, 1, 2, 3).expect("a small counter");
    let mut dst = vec![Z64::ZERO; n];
    bench.run("draw 100000 2^64", n, || stream.fill(&threads, 0, &mut dst));
    bench.run("draw 100000 of 16 bits 2^64", n, || stream.fill_bits(&threads, 16, 0, &mut dst));
    bench.run("mask 100000 by two streams 2^64", n, || {
        let values = [stream.values(Z64::BITS); 2];
        Values::combine(&threads, &mut dst, values, [], |x, [r, s], []| x + r - s);
    });
    bench.run("permutation of 60000", 60_000, || {
        std::hint::black_box(stream.permutation(60_000));
    });
}

fn bits(bench: &Bench) {
    let (n, threads) = (100_000, Threads::single());
    let stride = bits::words(n);
    split::<Z64>(bench, n, 0, 32);
    split::<Z64>(bench, n, 63, 64);
    split::<Z128>(bench, n, 0, 64);
    let (src, mut dst) = (vec![5; 64 * stride], vec![Z64::ZERO; n]);
    bench.run("join 32 planes of 100000 2^64", n, || planes::join(&threads, &mut dst, &src, stride, 32));
    let mut dst = vec![0; stride];
    let [a, b, c, d] = [0, 1, 2, 3].map(|j| &src[j * stride..][..stride]);
    bench.run("and shares of 100000 bits", n, || {
        bits::apply(&threads, &mut dst, [a, b, c, d], |_, [a, b, c, d]| a & (b ^ c) ^ d & b);
    });
    let (whole, shifted) = (Layout::strided(0, &[(n - 64, 1)]), Layout::strided(13, &[(n - 64, 1)]));
    bench.run("copy 100000 bits from an odd place", n, || {
        bits::views::copy(&threads, ViewMut::new(&mut dst, &whole), View::new(&src, &shifted));
    });
    let [spread, dense] = [Layout::strided(0, &[(n / 10, 10)]), Layout::strided(0, &[(n / 10, 1)])];
    bench.run("copy every tenth of 100000 bits", n / 10, || {
        bits::views::copy(&threads, ViewMut::new(&mut dst, &dense), View::new(&src, &spread));
    });
}

fn split<R: Ring>(bench: &Bench, n: usize, low: u32, high: u32) {
    let (src, stride) = (values::<R>(n, R::BITS), bits::words(n));
    let mut dst = vec![0; stride * 64];
    bench.run(&format!("split {n} into planes {low}..{high} 2^{}", R::BITS), n, || {
        planes::split(&Threads::single(), &mut dst, stride, &src, low, high);
    });
}

fn packed<R: Ring>(bench: &Bench, bits: u32) {
    // in the nearest caches, and beyond them
    for n in [1000, 1_000_000] {
        let (src, mut bytes) = (values::<R>(n, R::BITS), vec![0; pack::packed(n, bits)]);
        let name = format!("{n} of {bits} bits 2^{}", R::BITS);
        bench.run(&format!("pack {name}"), n, || pack::pack_into(&src, bits, &mut bytes));
        let mut dst = vec![R::ZERO; n];
        bench.run(&format!("unpack {name}"), n, || pack::unpack(&bytes, bits, &mut dst));
    }
}
