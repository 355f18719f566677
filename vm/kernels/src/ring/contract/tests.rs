use proptest::prelude::*;

use super::inner::Inner;
use super::*;
use crate::ring::tests::{elements, positions, random_layout, targets};
use crate::ring::{Z, Z64, Z128};

/// Sizes of the axes in each group.
#[derive(Clone, Debug)]
struct Sizes {
    batch: Vec<usize>,
    rows: Vec<usize>,
    inner: Vec<usize>,
    cols: Vec<usize>,
}

impl Sizes {
    fn axes(&self) -> Axes {
        let [batch, rows, inner, cols] = [&self.batch, &self.rows, &self.inner, &self.cols].map(Vec::len);
        Axes { batch, rows, inner, cols }
    }

    fn shapes(&self) -> [Vec<usize>; 3] {
        let Self { batch, rows, inner, cols } = self;
        [[&batch[..], rows, cols], [batch, rows, inner], [batch, inner, cols]].map(|groups| groups.concat())
    }
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let group = |max: usize| prop::collection::vec(prop_oneof![9 => 1..max, 1 => Just(0)], 0..3);
    let size = || prop_oneof![3 => 1..40usize, 1 => Just(0), 1 => Just(1)];
    let small = (group(4), group(6), group(6), group(6));
    let matrices = (size(), prop_oneof![4 => 1..50usize, 1 => 250..600usize, 1 => Just(0)], size());
    // Long runs along one axis of a group, broken by the other.
    let pair = |runs: std::ops::Range<usize>| (1..5usize, runs).prop_map(|(outer, run)| vec![outer, run]);
    let runs = (pair(3..10), pair(6..30), pair(3..18));
    prop_oneof![
        small.prop_map(|(batch, rows, inner, cols)| Sizes { batch, rows, inner, cols }),
        matrices.prop_map(|(m, k, n)| Sizes { batch: vec![], rows: vec![m], inner: vec![k], cols: vec![n] }),
        runs.prop_map(|(rows, inner, cols)| Sizes { batch: vec![], rows, inner, cols }),
    ]
}

/// Uniformly random values of `bits` signed bits, the extreme ones among them.
fn values<R: Ring>(seed: u64, len: usize, bits: u32) -> Vec<R> {
    let mut values = elements::<R>(seed, len);
    for (i, value) in values.iter_mut().enumerate() {
        *value = match i % 5 {
            3 => R::MAX,
            4 => R::MIN,
            _ => *value,
        };
        *value = value.sar(R::BITS - bits);
    }
    values
}

struct Case<R> {
    axes: Axes,
    layouts: [Layout; 3],
    before: Vec<R>,
    a: [Vec<R>; 2],
    b: [Vec<R>; 2],
}

/// Which sum of products of the two buffers of either factor.
#[derive(Clone, Copy)]
enum What {
    One,
    Shares,
    Term { minus: bool },
}

impl<R: Ring> Case<R> {
    fn new(sizes: &Sizes, seed: u64, bits: u32) -> Self {
        let shapes = sizes.shapes();
        let (dl, dn) = random_layout(&shapes[0], false, seed);
        let (al, an) = random_layout(&shapes[1], true, seed + 1);
        let (bl, bn) = random_layout(&shapes[2], true, seed + 2);
        let factor = |seed: u64, len: usize| [seed, !seed].map(|seed| values(seed, len, bits));
        let (a, b) = (factor(seed ^ 8, an), factor(seed ^ 9, bn));
        Self { axes: sizes.axes(), layouts: [dl, al, bl], before: elements(seed, dn), a, b }
    }

    /// The sum of the given products, by the definition.
    fn naive(&self, terms: &[(&[R], Vec<R>)], write: Write) -> Vec<R> {
        let mut dst = self.before.clone();
        let [d, a, b] = &self.layouts;
        let Axes { batch, rows, inner, .. } = self.axes;
        // A group's own positions may be negative; they wrap around and come back when the offset is added.
        let group = |layout: &Layout, from: usize, to: usize| {
            positions(&Layout { offset: 0, axes: layout.axes[from..to].into() })
        };
        let pairs = |x: Vec<usize>, y: Vec<usize>| x.into_iter().zip(y).collect::<Vec<_>>();
        let sum = |parts: [usize; 4]| parts.into_iter().fold(0, usize::wrapping_add);
        let batches = pairs(group(a, 0, batch), group(b, 0, batch));
        let inners = pairs(group(a, batch + rows, a.axes.len()), group(b, batch, batch + inner));
        let row_pairs = pairs(group(d, batch, batch + rows), group(a, batch, batch + rows));
        let col_pairs = pairs(group(d, batch + rows, d.axes.len()), group(b, batch + inner, b.axes.len()));
        for (d_batch, (a_batch, b_batch)) in group(d, 0, batch).into_iter().zip(batches) {
            for &(d_row, a_row) in &row_pairs {
                for &(d_col, b_col) in &col_pairs {
                    let to = sum([d.offset, d_batch, d_row, d_col]);
                    let mut total = if write == Write::Add { dst[to] } else { R::ZERO };
                    for &(a_inner, b_inner) in &inners {
                        let x = sum([a.offset, a_batch, a_row, a_inner]);
                        let y = sum([b.offset, b_batch, b_inner, b_col]);
                        terms.iter().for_each(|(a, b)| total += a[x] * b[y]);
                    }
                    dst[to] = total;
                }
            }
        }
        dst
    }

    fn run(&self, target: Target, threads: &Threads, what: What, clear: bool, write: Write) -> Vec<R> {
        let mut dst = self.before.clone();
        let [d, a, b] = &self.layouts;
        let [a0, a1, b0, b1] = [&self.a[0], &self.a[1], &self.b[0], &self.b[1]].map(Vec::as_slice);
        let terms = match what {
            What::One => smallvec![[a0.into(), b0.into()]],
            What::Shares => {
                let both = Factor { data: b0, other: Some((Sign::Plus, b1)) };
                smallvec![[a0.into(), both], [a1.into(), b0.into()]]
            }
            What::Term { minus } => smallvec![factors_of_term([a0, a1], [b0, b1], minus)],
        };
        let clear = clear.then(|| Values::Clear([View::new(a0, a), View::new(b0, b)]));
        let job = Job::new(threads, ViewMut::new(&mut dst, d), [a, b], self.axes, terms, write);
        execute(job, target, clear.unwrap_or(Values::Any));
        dst
    }

    fn check(&self, threads: &Threads, write: Write) -> Result<(), TestCaseError> {
        let product = self.naive(&[(&self.a[0], self.b[0].clone())], write);
        let both = self.b[0].iter().zip(&self.b[1]).map(|(&x, &y)| x + y).collect();
        let shares = self.naive(&[(&self.a[0], both), (&self.a[1], self.b[0].clone())], write);
        let joined = |x: &[Vec<R>; 2], minus: bool| -> Vec<R> {
            x[0].iter().zip(&x[1]).map(|(&x, &y)| if minus { x - y } else { x + y }).collect()
        };
        let negative = |x: Vec<R>| -> Vec<R> { x.into_iter().map(|x| -x).collect() };
        let plus = self.naive(&[(&joined(&self.a, false), joined(&self.b, false))], write);
        let minus = self.naive(&[(&joined(&self.a, true), negative(joined(&self.b, true)))], write);
        for target in targets() {
            for (minus, expected) in [(false, &plus), (true, &minus)] {
                let found = self.run(target, threads, What::Term { minus }, false, write);
                prop_assert_eq!(found, &expected[..], "term, minus: {}, {:?}", minus, target);
            }
            prop_assert_eq!(
                self.run(target, threads, What::One, true, write),
                &product[..],
                "exact, {:?}",
                target
            );
            prop_assert_eq!(
                self.run(target, threads, What::One, false, write),
                &product[..],
                "mod, {:?}",
                target
            );
            prop_assert_eq!(
                self.run(target, threads, What::Shares, false, write),
                &shares[..],
                "shares, {:?}",
                target
            );
        }
        Ok(())
    }
}

fn check<const N: usize, const B: u32>(sizes: &Sizes, seed: u64, bits: &[u32]) -> Result<(), TestCaseError> {
    for &bits in bits {
        for write in [Write::Replace, Write::Add] {
            Case::<Z<N, B>>::new(sizes, seed, bits).check(&Threads::single(), write)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn modulo_52(sizes in sizes(), seed in any::<u32>()) { check::<1, 52>(&sizes, seed.into(), &[20, 32, 33, 52])?; }
    #[test]
    fn modulo_104(sizes in sizes(), seed in any::<u32>()) { check::<2, 104>(&sizes, seed.into(), &[40, 52, 53, 64, 104])?; }
    #[test]
    fn modulo_64(sizes in sizes(), seed in any::<u32>()) { check::<1, 64>(&sizes, seed.into(), &[20, 32, 33, 64])?; }
    #[test]
    fn modulo_128(sizes in sizes(), seed in any::<u32>()) { check::<2, 128>(&sizes, seed.into(), &[40, 52, 53, 64, 104, 128])?; }
    #[test]
    fn modulo_192(sizes in sizes(), seed in any::<u32>()) { check::<3, 192>(&sizes, seed.into(), &[52, 104, 105, 192])?; }
    #[test]
    fn modulo_256(sizes in sizes(), seed in any::<u32>()) { check::<4, 256>(&sizes, seed.into(), &[52, 104, 156, 157, 256])?; }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn threads_do_not_matter(m in 20..60usize, k in 40..60usize, n in 50..90usize, batch in 1..3usize, count in 2..5usize, seed in any::<u32>()) {
        let threads = Threads::new(count).unwrap();
        let sizes = Sizes { batch: vec![batch], rows: vec![m, 2], inner: vec![k], cols: vec![n] };
        Case::<Z64>::new(&sizes, seed.into(), 64).check(&threads, Write::Add)?;
        Case::<Z128>::new(&sizes, seed.into(), 50).check(&threads, Write::Replace)?;
    }
}

/// More rows, columns and inner indices than a block holds, on one thread and on two.
#[test]
fn several_blocks() {
    let matrices = |m, k, n| Sizes { batch: vec![], rows: vec![m], inner: vec![k], cols: vec![n] };
    for threads in [Threads::single(), Threads::new(2).unwrap()] {
        Case::<Z64>::new(&matrices(137, 260, 270), 1, 64).check(&threads, Write::Replace).unwrap();
        Case::<Z64>::new(&matrices(300, 513, 20), 1, 64).check(&threads, Write::Add).unwrap();
        Case::<Z256>::new(&matrices(30, 260, 60), 2, 104).check(&threads, Write::Add).unwrap();
    }
}

/// Every inner index is packed, and those that are packed together are neighbours.
#[test]
fn runs_of_inner_indices() {
    let broken =
        [0..3, 10..18, 30..39, 50..61, 70..86, 100..125].into_iter().flatten().collect::<Vec<usize>>();
    let backwards: Vec<usize> = broken.iter().rev().map(|x| x.wrapping_sub(60)).collect();
    for (offsets, falls) in [(broken, false), (backwards, true)] {
        let inner = Inner::new(&offsets);
        let mut packed = inner.ones.clone();
        for eight in &inner.eights {
            assert_eq!(eight.falling, falls);
            for i in 0..8 {
                assert_eq!(offsets[eight.index(i)], eight.lowest.wrapping_add(i));
                packed.push(eight.index(i));
            }
        }
        packed.sort_unstable();
        packed.dedup();
        assert_eq!(packed, (0..offsets.len()).collect::<Vec<_>>());
        assert_eq!((inner.eights.len(), inner.ones.len()), (9, 5));
    }
}

/// All values at the end of what a kernel takes, over the longest panels.
#[test]
fn extreme_values() {
    fn all<const N: usize, const B: u32>(bits: u32, value: Z<N, B>) {
        let sizes = Sizes { batch: vec![], rows: vec![9], inner: vec![kernel::MAX_DEPTH], cols: vec![17] };
        let mut case = Case::<Z<N, B>>::new(&sizes, 3, bits);
        case.a.iter_mut().chain(&mut case.b).flatten().for_each(|x| *x = value);
        case.check(&Threads::single(), Write::Replace).unwrap();
    }
    fn ends<const N: usize, const B: u32>(bits: &[u32]) {
        for &bits in bits {
            for value in [Z::<N, B>::MAX, Z::MIN, -Z::ONE] {
                all(bits, value.sar(B - bits));
            }
        }
    }
    ends::<1, 52>(&[1, 32, 52]);
    ends::<2, 104>(&[52, 64, 104]);
    ends::<1, 64>(&[1, 32, 64]);
    ends::<2, 128>(&[52, 64, 104, 128]);
    ends::<3, 192>(&[52, 104, 192]);
    ends::<4, 256>(&[52, 104, 156, 256]);
}

/// A convolution through overlapping windows, its gradient by the kernel through a reversed view, on small images.
#[test]
fn convolution_windows() {
    let (images, channels, size, filters, window) = (3, 2, 9, 5, 3);
    let out = size - window + 1;
    let x = elements::<Z64>(1, images * channels * size * size);
    let w = elements::<Z64>(2, filters * channels * window * window);
    let mut y = vec![Z64::ZERO; images * filters * out * out];
    let s = size as isize;
    let (o, v) = (out as isize, window as isize);
    let xl = Layout::strided(
        0,
        &[(images, 2 * s * s), (out, s), (out, 1), (channels, s * s), (window, s), (window, 1)],
    );
    // The kernel turned around: [channels, window, window, filters].
    let last = (window * window - 1) as isize;
    let wl = Layout::strided(
        last as usize,
        &[(channels, v * v), (window, -v), (window, -1), (filters, 2 * v * v)],
    );
    let yl = Layout::strided(0, &[(images, 5 * o * o), (out, o), (out, 1), (filters, o * o)]);
    let axes = Axes { batch: 0, rows: 3, inner: 3, cols: 1 };
    let (dst, xv, wv) = (ViewMut::new(&mut y, &yl), View::new(&x, &xl), View::new(&w, &wl));
    contract_exact(&Threads::single(), dst, xv, wv, axes, Write::Replace);
    for (at, &y) in y.iter().enumerate() {
        let (image, filter, row, col) =
            (at / (filters * out * out), at / (out * out) % filters, at / out % out, at % out);
        let mut sum = Z64::ZERO;
        for c in 0..channels {
            for i in 0..window {
                for j in 0..window {
                    let pixel = x[((image * channels + c) * size + row + i) * size + col + j];
                    let weight =
                        ((filter * channels + c) * window + window - 1 - i) * window + window - 1 - j;
                    sum += pixel * w[weight];
                }
            }
        }
        assert_eq!(y, sum);
    }
}

#[test]
fn magnitudes_are_exact() {
    for target in targets() {
        for bits in 1..=64 {
            let mut data = vec![Z64::ZERO; 50];
            let layout = Layout::strided(3, &[(9, 5)]);
            data[8] = Z64::MIN.sar(64 - bits);
            data[4] = Z64::MAX; // not in view
            assert_eq!(signed_bits(target, View::new(&data, &layout)), bits);
            data[8] = Z64::MAX.sar(64 - bits);
            assert_eq!(signed_bits(target, View::new(&data, &layout)), bits);
            assert_eq!(signed_bits(target, View::new(&data, &Layout::contiguous(&[50]))), 64);
        }
        assert_eq!(signed_bits(target, View::new(&[Z128::ZERO; 0], &Layout::contiguous(&[0, 3]))), 1);
    }
}
