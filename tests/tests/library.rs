//! The standard library against double precision: values in the emulator over the whole range that each function declares, with the accuracy that is promised,
//! and derivatives in the interpreter against central differences.

use std::f64::consts::LN_2;

use tern_compiler::ir::Rounding;
use tern_tests::random::Random;
use tern_tests::run::{Values, WAYS, compiled, emulated, interpreted, settings};

/// How far a result may be from the exact one, at f fraction bits.
#[derive(Clone, Copy)]
enum Error {
    /// The larger of 2^-(f-4) of the result and 16 units of 2^-f.
    Relative,
    /// 2^-(f-4).
    Absolute,
    /// The larger of this part of the result and 16 units of 2^-f.
    Part(f64),
    /// 2^-(f-4), and as much of the argument.
    Sized,
}

impl Error {
    fn allowed(self, x: f64, exact: f64, f: u32) -> f64 {
        let unit = 2f64.powi(4 - f as i32);
        match self {
            Error::Sized => unit * (1.0 + x.abs()),
            Error::Relative => unit * exact.abs().max(1.0),
            Error::Absolute => unit,
            Error::Part(part) => unit.max(part * exact.abs()),
        }
    }
}

const SEED: u64 = 7;
const BOTH: [Rounding; 2] = [Rounding::Probabilistic, Rounding::Nearest];

/// A number with f fraction bits.
fn rounded(x: f64, f: u32) -> f64 {
    let scale = 2f64.powi(f as i32);
    (x * scale).round() / scale
}

/// Numbers from lo to hi: both ends, powers of two with their neighbours, and many at random, half of them spread evenly, half by magnitude.
fn samples(lo: f64, hi: f64, f: u32) -> Vec<f64> {
    let mut random = Random::new(SEED);
    let unit = 2f64.powi(-(f as i32));
    let mut all = vec![lo, lo + unit, hi - unit, hi];
    for k in -(f as i32)..f as i32 {
        let power = 2f64.powi(k);
        all.extend([-1.0, 1.0].into_iter().flat_map(|s| [-unit, 0.0, unit].map(|d| s * (power + d))));
    }
    let mut uniform = || random.below(1 << 30) as f64 / (1u64 << 30) as f64;
    for _ in 0..1000 {
        all.push(lo + (hi - lo) * uniform());
        let size = unit * (hi.abs().max(lo.abs()) / unit).powf(uniform());
        all.extend([size, -size]);
    }
    all.into_iter().map(|x| rounded(x, f)).filter(|x| (lo..=hi).contains(x)).collect()
}

/// Compares a function of one number with the exact one, at both precisions and both roundings.
fn check(call: &str, range: fn(i32) -> [f64; 2], exact: fn(f64) -> f64, error: Error) {
    for f in [16, 32] {
        let [lo, hi] = range(f as i32);
        let x = samples(lo, hi, f);
        let source = format!(
            "use math\nuse nn\ninput x: fix[{}] from party 0\nfn main() {{ output y = {call} to party 0 }}\n",
            x.len()
        );
        for rounding in BOTH {
            let compilation = compiled(&source, settings(f, rounding));
            let inputs = Values::from([("x".to_string(), x.clone())]);
            let program = compilation.program.expect("compiled");
            let found = &emulated(&program, &inputs, SEED)["y"];
            let worst = x.iter().zip(found).map(|(&x, &y)| {
                let exact = exact(x);
                ((y - exact).abs() / error.allowed(x, exact, f), x, y, exact)
            });
            let (ratio, x, y, exact) = worst.max_by(|a, b| a.0.total_cmp(&b.0)).expect("samples");
            println!("{call}, f = {f}, {rounding:?}: {ratio:.3} of what is allowed, at {x}");
            assert!(ratio <= 1.0, "{call}, f = {f}, {rounding:?}: {y} at {x}, exactly {exact}");
        }
    }
}

fn power(k: i32) -> f64 {
    2f64.powi(k)
}

#[test]
fn reciprocals() {
    check("math::reciprocal(x)", |f| [power(1 - f), power(f - 1) - 1.0], |x| 1.0 / x, Error::Relative);
    check("math::reciprocal(-x)", |f| [power(1 - f), power(f - 1) - 1.0], |x| -1.0 / x, Error::Relative);
    check("math::reciprocal_within(x, 1/4, 20)", |_| [0.25, 20.0], |x| 1.0 / x, Error::Relative);
}

/// Quotients against exact ones, of numbers of all sizes whose quotient is in range.
#[test]
fn quotients() {
    for f in [16, 32] {
        let range = power(f as i32 - 1) - 1.0;
        let x = samples(-range, range, f);
        let y = samples(power(1 - f as i32), range, f);
        let y = (0..x.len()).map(|i| y[(i * 31 + 7) % y.len()]);
        let pairs: Vec<(f64, f64)> =
            x.iter().copied().zip(y).filter(|(x, y)| (x / y).abs() < range).collect();
        let source = format!(
            "use math\ninput x: fix[{n}] from party 0\ninput y: fix[{n}] from party 1\n\
             fn main() {{ output q = math::divide(x, y) to party 0 }}\n",
            n = pairs.len()
        );
        let (x, y) = pairs.into_iter().unzip();
        let inputs = Values::from([("x".to_string(), x), ("y".to_string(), y)]);
        for rounding in BOTH {
            let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
            let found = &emulated(&program, &inputs, SEED)["q"];
            for ((x, y), q) in inputs["x"].iter().zip(&inputs["y"]).zip(found) {
                let allowed = Error::Relative.allowed(*x, x / y, f);
                assert!((q - x / y).abs() <= allowed, "{x} / {y}, f = {f}: {q}, exactly {}", x / y);
            }
            println!("{} quotients, f = {f}", found.len());
            assert!(found.len() > 1000);
        }
    }
}

#[test]
fn exponentials() {
    check("math::exp2_negative(x)", |f| [0.0, power(f - 1) - 1.0], |x| (-x).exp2(), Error::Relative);
    check("math::exp_negative(x)", |f| [-power(f - 2), 0.0], f64::exp, Error::Relative);
    check("math::exp2(x)", |f| [-power(f - 2), f64::from(f - 1) - power(-f)], f64::exp2, Error::Relative);
    check("math::exp(x)", |f| [-power(f - 2), (LN_2 - 1e-6) * f64::from(f - 1)], f64::exp, Error::Relative);
}

#[test]
fn roots() {
    check("math::inv_sqrt(x)", |f| [power(-f), power(f - 1) - 1.0], |x| 1.0 / x.sqrt(), Error::Relative);
    check("math::inv_sqrt_coarse(x)", |_| [power(-8), power(8)], |x| 1.0 / x.sqrt(), Error::Part(0.0025));
    check("math::sqrt(x)", |f| [0.0, power(f - 1) - 1.0], f64::sqrt, Error::Relative);
}

#[test]
fn logarithms() {
    check("math::ln(x)", |f| [power(-f), power(f - 1) - 1.0], f64::ln, Error::Absolute);
    check("math::log(x, 10)", |f| [power(-f), power(f - 1) - 1.0], f64::log10, Error::Absolute);
    check("math::log2(x)", |f| [power(-f), power(f - 1) - 1.0], f64::log2, Error::Absolute);
    check("math::ln_within(x, 1, 11)", |_| [1.0, 11.0], f64::ln, Error::Absolute);
}

#[test]
fn sigmoids() {
    check(
        "math::sigmoid(x)",
        |f| [-power(f - 2), power(f - 2)],
        |x| 1.0 / (1.0 + (-x).exp()),
        Error::Absolute,
    );
}

#[test]
fn hyperbolic_and_circular_functions() {
    check("math::tanh(x)", |f| [-power(f - 1) + 1.0, power(f - 1) - 1.0], f64::tanh, Error::Absolute);
    check("math::cos(x)", |f| [-power(f - 1) + 1.0, power(f - 1) - 1.0], f64::cos, Error::Absolute);
    check("math::sin(x)", |f| [-power(f - 1) + 1.0, power(f - 1) - 1.0], f64::sin, Error::Absolute);
}

/// The normal distribution function, by its series: erf(z) is 2 / sqrt(pi) e^(-z^2) times the sum of 2^n z^(2n+1) / (2n+1)!!.
fn normal(x: f64) -> f64 {
    let z = (x / 2f64.sqrt()).clamp(-7.0, 7.0);
    let (mut term, mut sum) = (z, 0.0);
    for n in 1..400 {
        sum += term;
        term *= 2.0 * z * z / f64::from(2 * n + 1);
    }
    0.5 + sum * (-z * z).exp() / std::f64::consts::PI.sqrt()
}

#[test]
fn smooth_rectifiers() {
    assert!((normal(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
    let all: fn(i32) -> [f64; 2] = |f| [-power(f - 2), power(f - 2)];
    check("nn::gelu(x)", all, |x| if x < -30.0 { 0.0 } else { x * normal(x) }, Error::Absolute);
    check("nn::silu(x)", all, |x| x / (1.0 + (-x).exp()), Error::Sized);
    check(
        "nn::gelu_tanh(x)",
        all,
        |x| {
            let inner = 8f64.min(x.abs()).copysign(x);
            x / (1.0
                + (-2.0 * (2.0 / std::f64::consts::PI).sqrt() * (inner + 0.044715 * inner.powi(3))).exp())
        },
        Error::Sized,
    );
}

/// Rows of logits: of all sizes, close together, far apart, equal.
fn logits(n: usize, f: u32) -> Vec<f64> {
    let mut random = Random::new(SEED);
    let top = power(f as i32 - 3);
    let mut rows = vec![vec![0.0; n], vec![top; n], vec![-top; n]];
    rows.push((0..n).map(|i| if i % 2 == 0 { top } else { -top }).collect());
    for k in 0..200 {
        let size = [0.01, 1.0, 10.0, top][k % 4];
        rows.push((0..n).map(|_| rounded(size * random.between(-1000, 1000) as f64 / 1000.0, f)).collect());
    }
    rows.concat()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = row.iter().map(|z| (z - top).exp()).sum();
    row.iter().map(|z| (z - top).exp() / total).collect()
}

/// Minus the logarithm of the first class's probability.
fn cross_entropy(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = row.iter().map(|z| (z - top).exp()).sum();
    vec![total.ln() + (top - row[0])]
}

fn largest(row: &[f64]) -> Vec<f64> {
    vec![row.iter().copied().fold(f64::MIN, f64::max)]
}

fn argmax(row: &[f64]) -> Vec<f64> {
    let top = largest(row)[0];
    vec![row.iter().position(|z| *z == top).expect("it is one of them") as f64]
}

/// Compares a function of rows with the exact one.
fn check_rows(call: &str, exact: fn(&[f64]) -> Vec<f64>, allowed: fn(u32) -> f64) {
    for ((f, rounding), n) in WAYS.into_iter().flat_map(|way| [1, 2, 3, 10, 21].map(|n| (way, n))) {
        let z = logits(n, f);
        let rows = z.len() / n;
        let source = format!(
            "use math\nuse nn\ninput z: fix[{rows}, {n}] from party 0\ninput y: fix[{rows}, {n}] from party 1\n\
             fn main() {{ output result = {call} to party 0 }}\n",
        );
        let compilation = compiled(&source, settings(f, rounding));
        let program = compilation.program.expect("compiled");
        let first_class = (0..z.len()).map(|i| f64::from(i % n == 0)).collect();
        let inputs = Values::from([("z".to_string(), z.clone()), ("y".to_string(), first_class)]);
        let found = &emulated(&program, &inputs, SEED)["result"];
        let exact: Vec<f64> = z.chunks(n).flat_map(exact).collect();
        assert_eq!(found.len(), exact.len());
        // Doubles themselves are not exact.
        let error = |(y, e): (&f64, &f64)| (y - e).abs() - e.abs() * f64::EPSILON;
        let worst = found.iter().zip(&exact).map(error).fold(0.0, f64::max);
        println!("{call}, {n} per row, f = {f}: {:.3} of what is allowed", worst / allowed(f));
        assert!(worst <= allowed(f), "{call}, {n} per row, f = {f}: off by {worst}");
    }
}

#[test]
fn rows_of_logits() {
    check_rows("nn::softmax(z)", softmax, |f| power(4 - f as i32));
    check_rows("nn::cross_entropy(z, y)", cross_entropy, |f| 2.0 * power(4 - f as i32));
    check_rows("math::largest(z)", largest, |_| 0.0);
    check_rows("math::argmax(z)", argmax, |_| 0.0);
    check_rows("math::argmin(-z)", argmax, |_| 0.0);
    check_rows("math::sort(z)", sorted, |_| 0.0);
    check_rows("math::top_k(z, 1)", largest, |_| 0.0);
}

fn sorted(row: &[f64]) -> Vec<f64> {
    let mut row = row.to_vec();
    row.sort_by(f64::total_cmp);
    row
}

/// The payload goes with its key, and the places are those of the keys, at any length and with equal keys.
#[test]
fn orders_and_their_places() {
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    for n in [1, 2, 5, 8, 33] {
        let source = format!(
            "use math\ninput x: fix[40, {n}] from party 0\ninput y: fix[40, {n}] from party 1\nfn main() {{\n    \
             output places = math::argsort(x) to party 0\n    let (keys, payload) = math::sort_with(x, y)\n    \
             output keys = keys to party 0\n    output payload = payload to party 0\n    \
             output sums = math::cumulative_sum(x) to party 0\n}}\n"
        );
        for (f, rounding) in WAYS {
            let x: Vec<f64> = (0..40 * n).map(|_| random.between(-12, 12) as f64 / 4.0).collect();
            let y: Vec<f64> = x.iter().map(|x| 1.0 - 2.0 * x).collect();
            let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
            let found =
                emulated(&program, &Values::from([("x".to_string(), x.clone()), ("y".to_string(), y)]), SEED);
            for row in 0..40 {
                let part = |values: &[f64]| values[row * n..(row + 1) * n].to_vec();
                let (keys, places) = (part(&found["keys"]), part(&found["places"]));
                assert_eq!(keys, sorted(&part(&x)));
                let mut sum = 0.0;
                let sums: Vec<f64> = part(&x)
                    .iter()
                    .map(|x| {
                        sum += x;
                        sum
                    })
                    .collect();
                assert_eq!(part(&found["sums"]), sums);
                assert_eq!(part(&found["payload"]), keys.iter().map(|x| 1.0 - 2.0 * x).collect::<Vec<_>>());
                assert_eq!(keys, places.iter().map(|i| x[row * n + *i as usize]).collect::<Vec<_>>());
                assert_eq!(sorted(&places), (0..n).map(|i| i as f64).collect::<Vec<_>>());
            }
        }
    }
}

/// Central differences of the weighted sum of a call's results by every element of `x`, in double precision, against `grad`.
fn check_gradient(call: &str, shape: &[usize], x: &[f64]) {
    check_gradient_with("", call, shape, x);
}

/// The same for a call that uses functions of the test's own.
fn check_gradient_with(functions: &str, call: &str, shape: &[usize], x: &[f64]) {
    let dims = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let source = format!(
        "use math\nuse nn\ninput x: fix[{dims}] from party 0\nfn main() {{\n    let r = {call}\n    \
         let loss = sum(weighted(reshape(r, [size(shape(r))])))\n    output loss = loss to party 0\n    \
         output g = grad(loss, x) to party 0\n}}\n\
         fn size(const s: int[n]) -> int {{ product(s) }}\n\
         fn weighted(r: fix[n]) -> fix[n] {{ r * [1 + i / 7 for i in 0..n] }}\n{functions}",
    );
    let compilation = compiled(&source, settings(64, Rounding::Nearest));
    let program = compilation.ir.expect("compiled");
    let at = |x: &[f64]| interpreted(&program, &Values::from([("x".to_string(), x.to_vec())]), SEED);
    let gradient = &at(x)["g"];
    for i in 0..x.len() {
        let step = 1e-4 * x[i].abs();
        let loss = |by: f64| {
            let mut x = x.to_vec();
            x[i] += by;
            at(&x)["loss"][0]
        };
        let difference = (loss(step) - loss(-step)) / (2.0 * step);
        let close = (difference - gradient[i]).abs() <= 2e-5 * difference.abs().max(1.0);
        assert!(close, "{call}: {} by element {i} of {x:?}, by differences {difference}", gradient[i]);
    }
    println!("{call}: {} derivatives", x.len());
}

#[test]
fn gradients_agree_with_differences() {
    let positive = [0.01, 0.3, 0.77, 1.1, 2.9, 17.3, 250.0];
    let within = [1.05, 1.5, 2.2, 3.9, 7.7, 10.8];
    let negative = positive.map(|x| -x / 20.0);
    let mixed = [-7.7, -2.2, -0.31, 0.4, 1.3, 3.9];
    for call in ["math::reciprocal(x)", "math::inv_sqrt(x)", "math::sqrt(x)", "math::ln(x)", "math::log2(x)"]
    {
        check_gradient(call, &[7], &positive);
    }
    for call in ["math::reciprocal_within(x, 1, 11)", "math::ln_within(x, 1, 11)"] {
        check_gradient(call, &[6], &within);
    }
    check_gradient("math::exp_negative(x)", &[7], &negative);
    for call in ["math::exp(x)", "math::sigmoid(x)", "math::polynomial(x, [1/2, -1, 1/3, 0, 1/10])"] {
        check_gradient(call, &[6], &mixed);
    }
    for call in
        ["nn::relu(x)", "nn::squared_error(x, 1 - x)", "nn::binary_cross_entropy(x, [0, 1, 0, 1, 1/3, 0])"]
    {
        check_gradient(call, &[6], &mixed);
    }
    for call in [
        "nn::softmax(x)",
        "math::largest(x)",
        "math::product(x)",
        "nn::cross_entropy(x, [[0, 1, 0], [1/2, 1/4, 1/4]])",
    ] {
        check_gradient(call, &[2, 3], &mixed);
    }
    // As a weight, a bias and an input of a dense layer.
    check_gradient(
        "nn::dense(x, nn::Dense(3, 2, weight=[[1, 2, -1], [1/2, 0, 3]], bias=[1, 2]))",
        &[2, 3],
        &mixed,
    );
    check_gradient(
        "nn::dense([[1, 2, -1], [1/2, 0, 3]], nn::Dense(3, 2, weight=x, bias=[1, 2]))",
        &[2, 3],
        &mixed,
    );
    check_gradient(
        "nn::dense([[1, 2, -1], [1/2, 0, 3]], nn::Dense(3, 1, weight=[[1, 0, 2]], bias=x[0..1]))",
        &[6],
        &mixed,
    );
    check_gradient("math::divide(x, secret([3, 1/2, -7, 2, 5/4, 1/9]))", &[6], &mixed);
    check_gradient("secret([3, 1/2, -7, 2, 5/4, 1/9]) / x", &[6], &mixed);
    check_gradient("math::clip(x, -2, 1)", &[6], &mixed);
}

/// What it approximates is what is differentiated: the polynomial's own derivative would be off by several percent.
#[test]
fn the_coarse_inverse_root_has_the_derivative_of_the_exact_one() {
    let source = "use math\ninput x: fix[5] from party 0\nfn main() {\n    \
                  output g = grad(sum(math::inv_sqrt_coarse(x)), x) to party 0\n}\n";
    let program = compiled(source, settings(64, Rounding::Nearest)).ir.expect("compiled");
    let x = [0.01, 0.3, 1.1, 17.3, 250.0];
    let gradient = &interpreted(&program, &Values::from([("x".to_string(), x.to_vec())]), SEED)["g"];
    for (x, g) in x.iter().zip(gradient) {
        let exact = -0.5 * x.powf(-1.5);
        assert!((g / exact - 1.0).abs() <= 3.0 * 0.0025, "{g} at {x}, not {exact}");
    }
}

/// Different numbers, both signs, none close to another or to zero.
fn image(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 37 + 11) % n) as f64 / n as f64 * 4.0 - 1.93).collect()
}

/// What a layer rounds, it rounds once: below one unit.
#[test]
fn layers_round_once() {
    let calls = [
        ("nn::dense(x, nn::Dense(4, 2, weight=w, bias=[1/2, -3]))", "2, 4"),
        (
            "nn::conv2d(v, nn::Conv2d(2, 1, 2, weight=reshape(w, [1, 2, 2, 2]), bias=[1/4]), padding=\"same\")",
            "2, 4",
        ),
        ("nn::average_pool(v)", "1"),
        ("nn::max_pool(v)", "1"),
        ("nn::squared_error(x, 1 - x)", "1"),
        (
            "nn::convolve(v, reshape(w, [2, 1, 2, 2]), stride=[2, 1], pad=1, dilation=[1, 2], groups=2)",
            "2, 4",
        ),
        ("nn::average_pool2d(v, 2, 1, 1)", "1"),
        ("nn::max_pool2d(v, 3, 2, 1)", "1"),
    ];
    for (call, weight) in calls {
        for (f, rounding) in WAYS {
            let source = format!(
                "use nn\ninput x: fix[12, 4] from party 0\ninput w: fix[{weight}] from party 1\nfn main() {{\n    \
                 let v = reshape(x, [1, 2, 4, 6])\n    output y = {call} to party 0\n}}\n"
            );
            let numbers = |n| image(n).into_iter().map(|x| rounded(x, f)).collect::<Vec<f64>>();
            let weights = if weight == "1" { 1 } else { 8 };
            let inputs = Values::from([("x".to_string(), numbers(48)), ("w".to_string(), numbers(weights))]);
            let compilation = compiled(&source, settings(f, rounding));
            let exact = interpreted(&compilation.ir.expect("compiled"), &inputs, SEED);
            let found = emulated(&compilation.program.expect("compiled"), &inputs, SEED);
            assert!(!found["y"].is_empty());
            for (y, e) in found["y"].iter().zip(&exact["y"]) {
                assert!((y - e).abs() < power(-(f as i32)), "{call}, f = {f}: {y}, exactly {e}");
            }
        }
    }
}

#[test]
fn gradients_of_convolutions_and_pooling() {
    let filters = "[[[[1, -1/2, 1/3]], [[2, 0, -1]]], [[[0, 1, 1/4]], [[-1, 1/5, 1/2]]]]";
    let conv = |size: &str| {
        format!("nn::Conv2d(2, 2, {size}, weight=broadcast({filters}, [2, 2, {size}, {size}]), bias=[1, -1])")
    };
    for options in ["", ", stride=2", ", padding=\"same\"", ", stride=2, padding=\"same\""] {
        let by_image = format!("nn::conv2d(x, {}{options})", conv("3"));
        check_gradient(&by_image, &[2, 2, 5, 4], &image(80));
        // The images are constants that the program makes shared: only the filters change.
        let by_weight = format!(
            "nn::conv2d(secret(reshape([i / 7 - 2 for i in 0..40], [1, 2, 5, 4])), nn::Conv2d(2, 3, 3, weight=x, bias=[1, 2, 3]){options})"
        );
        check_gradient(&by_weight, &[3, 2, 3, 3], &image(54));
    }
    let even = "nn::conv2d(x, nn::Conv2d(2, 1, 2, weight=[[[[1, -1/2], [3, 2]], [[0, 1/3], [-1, 1/7]]]], bias=[1]), padding=\"same\")";
    check_gradient(even, &[2, 2, 3, 4], &image(48));
    check_gradient(
        "nn::conv2d(secret(reshape([i / 7 - 2 for i in 0..40], [1, 2, 5, 4])), nn::Conv2d(2, 3, 1, weight=full(1/2, [3, 2, 1, 1]), bias=x))",
        &[3],
        &image(3),
    );
    for call in ["nn::max_pool(x)", "nn::average_pool(x)", "nn::max_pool(nn::relu(x))", "nn::flatten(x)"] {
        check_gradient(call, &[2, 2, 4, 6], &image(96));
    }
    check_gradient("nn::max_pool(x, 3)", &[1, 2, 6, 3], &image(36));
    check_gradient("nn::max_pool2d(x, [3, 2], [2, 1], 1)", &[2, 2, 4, 6], &image(96));
    check_gradient("nn::average_pool2d(x, 3, 2, 1)", &[2, 2, 4, 6], &image(96));
    check_gradient("nn::adaptive_average_pool(x, 3, 4)", &[2, 2, 4, 6], &image(96));
    for options in [
        "",
        ", stride=2, pad=1",
        ", dilation=2, pad=2",
        ", stride=[1, 2], pad=[0, 1]",
        ", stride=3, dilation=[1, 2], pad=2",
    ] {
        let by_image =
            format!("nn::convolve(x, [[[[1, -1/2], [2, 0]]], [[[0, 1], [-1, 1/5]]]], groups=2{options})");
        check_gradient(&by_image, &[1, 2, 4, 5], &image(40));
        let by_weight = format!(
            "nn::convolve(secret(reshape([i / 7 - 2 for i in 0..40], [1, 2, 4, 5])), x, groups=2{options})"
        );
        check_gradient(&by_weight, &[4, 1, 2, 2], &image(16));
    }
    check_gradient("nn::cubic(x)", &[6], &image(6));
    check_gradient("nn::mean_squared_error(x, 1 - x)", &[2, 3], &image(6));
}

#[test]
fn gradients_of_batch_normalisation() {
    let layer = "nn::BatchNorm(3, weight=[1, 2, -1/2], bias=[0, 1, 2])";
    for train in ["true", "false"] {
        let call = format!("normalised(x, {layer}, {train})");
        check_gradient_with(NORMALISED, &call, &[2, 3, 2, 1], &image(12));
        let by_weight = format!(
            "normalised(secret(reshape([1, 5, 2, 8, 3, 9, 4], [7, 1])), nn::BatchNorm(1, weight=x), {train})"
        );
        check_gradient_with(NORMALISED, &by_weight, &[1], &[0.7]);
    }
}

/// The first of what batch normalisation returns.
const NORMALISED: &str = "fn normalised(x: fix[b, c, ..s], p: nn::BatchNorm(c), const train: bool) -> fix[b, c, ..s] {\n    \
                          let (y, _) = nn::batch_norm(x, p, train)\n    y\n}\n";

/// Where several inputs of a window are the largest, the derivative goes to one of them, whatever the others are.
#[test]
fn ties_of_max_pooling_have_one_winner() {
    for (k, n) in [(2, 4), (3, 9)] {
        // Every way in which some of a window's inputs are equally large, and the others smaller.
        let windows = (1usize << n) - 1;
        let x: Vec<f64> = (1..=windows)
            .flat_map(|tied| (0..n).map(move |i| if tied >> i & 1 == 1 { 1.5 } else { -0.25 }))
            .collect();
        for rectified in [false, true] {
            let call = if rectified { "nn::max_pool(nn::relu(x), K)" } else { "nn::max_pool(x, K)" };
            let source = format!(
                "use nn\ninput x: fix[{windows}, 1, {k}, {k}] from party 0\nfn main() {{\n    \
                 output g = grad(sum({}), x) to party 0\n}}\n",
                call.replace('K', &k.to_string())
            );
            let program = compiled(&source, settings(16, Rounding::Probabilistic)).program.expect("compiled");
            let inputs = Values::from([("x".to_string(), x.clone())]);
            let gradient = &emulated(&program, &inputs, SEED)["g"];
            for (x, g) in x.chunks(n).zip(gradient.chunks(n)) {
                let winners: Vec<usize> = (0..n).filter(|i| g[*i] != 0.0).collect();
                let [winner] = winners.as_slice() else { panic!("{x:?}: {g:?}") };
                assert_eq!((g[*winner], x[*winner]), (1.0, 1.5), "{x:?}: {g:?}");
            }
        }
    }
}
