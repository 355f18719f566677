//! Derivatives of every function of the library: in the emulator, at random precisions and with both roundings, against double precision. Of
//! functions of one number over the whole range that each declares, against the exact derivative; of the others against central differences of
//! the function itself. What is allowed stands in the library's comments (`Derivative: within 32 units`).

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::{LN_2, PI};

use tern_compiler::ir::Rounding;
use tern_tests::random::Random;
use tern_tests::run::{Values, WAYS, compiled, emulated, interpreted, messages, settings};

const SEED: u64 = 11;

/// Units of 2^-f where a function's comment does not say anything else.
const UNITS: f64 = 16.0;

const SOURCES: [(&str, &str); 4] = [
    ("math", include_str!("../../stdlib/math.mpc")),
    ("nn", include_str!("../../stdlib/nn.mpc")),
    ("optim", include_str!("../../stdlib/optim.mpc")),
    ("table", include_str!("../../stdlib/table.mpc")),
];

/// A function of the library, as its source declares it.
struct Declared {
    module: &'static str,
    name: &'static str,
    signature: &'static str,
    comment: Vec<&'static str>,
}

fn declared() -> Vec<Declared> {
    let mut all = Vec::new();
    for (module, source) in SOURCES {
        let source = source.split("// ---- tests").next().expect("a part before the tests");
        let mut comment = Vec::new();
        for (at, line) in source.match_indices('\n').map(|(at, _)| (at + 1, &source[at + 1..])) {
            let line = line.lines().next().unwrap_or_default();
            if let Some(text) = line.strip_prefix("/// ") {
                comment.push(text);
            } else if let Some(rest) = line.strip_prefix("fn ") {
                let name = rest.split('(').next().expect("a name");
                let signature = source[at..].split(" {\n").next().expect("a signature");
                all.push(Declared { module, name, signature, comment: std::mem::take(&mut comment) });
            } else {
                comment.clear();
            }
        }
    }
    all
}

impl Declared {
    /// Whether numbers go in that are not constants, and numbers come out.
    fn has_derivative(&self) -> bool {
        let number = |text: &str| !["bool", "int", "str"].iter().any(|ty| text.trim().starts_with(ty));
        let (params, result) = self.signature.rsplit_once("->").expect("a result");
        let params = params.split_once('(').expect("parameters").1;
        let inputs = params.split(": ").zip(params.split(": ").skip(1));
        let secret = |(before, ty): (&str, &str)| {
            let name = before.rsplit(", ").next().expect("a name").trim();
            !name.trim_start_matches('(').starts_with("const ") && number(ty)
        };
        number(result) && inputs.into_iter().any(secret)
    }

    /// `Derivative: within 32 units`, and more about it.
    fn units(&self) -> f64 {
        let line = self.comment.iter().find_map(|line| line.strip_prefix("Derivative: within "));
        line.map_or(UNITS, |line| {
            let number = line.split(' ').next().expect("a number");
            number.parse().unwrap_or_else(|_| panic!("{}: {line}", self.name))
        })
    }
}

/// Functions of the library that stand behind one of the test's own.
const BEHIND: [(&str, &str); 18] = [
    ("grouped(", "table::group_by("),
    ("rows_in_order(", "table::sort_rows("),
    ("joined(", "table::join("),
    ("top(", "math::tournament("),
    ("paired(", "math::neighbours("),
    ("exponents(", "nn::exp_of_logits("),
    ("both_moments(", "nn::moments("),
    ("trained(", "nn::batch_norm("),
    ("updated(", "nn::batch_norm("),
    ("by_sgd(", "optim::sgd("),
    ("by_step(", "optim::step("),
    ("by_adam(", "optim::adam("),
    ("by_adamw(", "optim::adamw("),
    ("pulled(", "optim::pull("),
    ("clipped(", "optim::clip_norm("),
    ("sorted(", "math::sort_with("),
    ("scaled(", "math::normalised("),
    ("square_scaled(", "math::normalised_square("),
];

/// Whether a call tests the function of this path.
fn tests(call: &str, path: &str) -> bool {
    let path = format!("{path}(");
    call.contains(&path) || BEHIND.iter().any(|(own, behind)| *behind == path && call.starts_with(own))
}

/// The units that all functions in a call may have together.
fn units(call: &str) -> f64 {
    let all = declared();
    let called = all.iter().filter(|f| tests(call, &format!("{}::{}", f.module, f.name)));
    called.map(Declared::units).sum::<f64>().max(UNITS)
}

fn power(k: f64) -> f64 {
    k.exp2()
}

fn rounded(x: f64, f: u32) -> f64 {
    let scale = power(f64::from(f));
    (x * scale).round() / scale
}

/// Precisions to test at: the usual ones, and as many at random.
fn precisions(random: &mut Random) -> Vec<u32> {
    [8, 16, 32, 64].into_iter().chain((0..5).map(|_| 8 + random.below(57) as u32)).collect()
}

/// Numbers from lo to hi: both ends, half of them spread evenly, half by magnitude.
fn samples(random: &mut Random, [lo, hi]: [f64; 2], f: u32) -> Vec<f64> {
    let unit = power(-f64::from(f));
    let mut uniform = || random.below(1 << 30) as f64 / (1u64 << 30) as f64;
    let mut all = vec![lo, lo + unit, hi - unit, hi];
    for _ in 0..150 {
        all.push(lo + (hi - lo) * uniform());
        let size = unit * (hi.abs().max(lo.abs()) / unit).powf(uniform());
        all.extend([size, -size]);
    }
    all.into_iter().map(|x| rounded(x, f)).filter(|x| (lo..=hi).contains(x)).collect()
}

/// The exact derivative.
type Slope = fn(f64) -> f64;

/// A function of one number.
struct Elementary {
    call: &'static str,
    /// Where it is defined, from f.
    range: fn(f64) -> [f64; 2],
    slope: Slope,
}

/// How much further the derivative may be off, as a part of itself.
fn coarse(call: &str) -> f64 {
    if call.contains("coarse") { 3.0 * 0.0025 } else { 0.0 }
}

const ELEMENTARY: &[Elementary] = &[
    Elementary {
        call: "math::remainder_of_fix(x, 3/8)",
        range: |f| [-power(f - 3.0), power(f - 3.0)],
        slope: |_| 1.0,
    },
    Elementary { call: "math::exp2(x)", range: |f| [-f - 3.0, f - 3.0], slope: |x| LN_2 * x.exp2() },
    Elementary {
        call: "math::exp2_negative(x)",
        range: |f| [0.0, power(f - 3.0)],
        slope: |x| -LN_2 * (-x).exp2(),
    },
    Elementary { call: "math::exp_negative(x)", range: |f| [-power(f - 3.0), 0.0], slope: f64::exp },
    Elementary { call: "math::exp(x)", range: |f| [-power(f - 3.0), (f - 3.0) * LN_2], slope: f64::exp },
    Elementary {
        call: "math::reciprocal_within(x, 1/2, 20)",
        range: |_| [0.5, 20.0],
        slope: |x| -1.0 / (x * x),
    },
    Elementary {
        call: "math::reciprocal(x)",
        range: |f| [power(2.0 - f / 2.0), power(f - 3.0)],
        slope: |x| -1.0 / (x * x),
    },
    Elementary {
        call: "math::reciprocal(-x)",
        range: |f| [power(2.0 - f / 2.0), power(f - 3.0)],
        slope: |x| 1.0 / (x * x),
    },
    Elementary {
        call: "math::divide(3 + 0 * x, x)",
        range: |f| [power(2.0 - f / 2.0), power(f - 3.0)],
        slope: |x| -3.0 / (x * x),
    },
    Elementary {
        call: "math::inv_sqrt(x)",
        range: |f| [power(2.0 - f / 2.0), power(f - 3.0)],
        slope: |x| -0.5 * x.powf(-1.5),
    },
    Elementary {
        call: "math::inv_sqrt_coarse(x)",
        range: |f| [power(2.0 - f / 2.0), power(f - 3.0)],
        slope: |x| -0.5 * x.powf(-1.5),
    },
    Elementary { call: "math::sqrt(x)", range: |f| [power(-f), power(f - 3.0)], slope: |x| 0.5 / x.sqrt() },
    Elementary {
        call: "math::sigmoid(x)",
        range: |f| [-power(f - 3.0), power(f - 3.0)],
        slope: |x| {
            let e = (-x.abs()).exp();
            e / ((1.0 + e) * (1.0 + e))
        },
    },
    Elementary { call: "math::ln(x)", range: |f| [power(3.0 - f), power(f - 3.0)], slope: |x| 1.0 / x },
    Elementary {
        call: "math::ln_times(x, 1/2)",
        range: |f| [power(3.0 - f), power(f - 3.0)],
        slope: |x| 0.5 / x,
    },
    Elementary {
        call: "math::log2(x)",
        range: |f| [power(3.0 - f), power(f - 3.0)],
        slope: |x| 1.0 / (LN_2 * x),
    },
    Elementary {
        call: "math::log(x, 10)",
        range: |f| [power(3.0 - f), power(f - 3.0)],
        slope: |x| 1.0 / (x * 10f64.ln()),
    },
    Elementary { call: "math::ln_within(x, 1, 11)", range: |_| [1.0, 11.0], slope: |x| 1.0 / x },
    Elementary { call: "math::exp2_fraction(x)", range: |_| [-1.0, 1.0], slope: |x| LN_2 * x.exp2() },
    Elementary {
        call: "fix(math::exponent(x))",
        range: |f| [-power(f - 3.0), power(f - 3.0) * LN_2],
        slope: |_| 1.0 / LN_2,
    },
    Elementary {
        call: "math::inverse(x, 1/2, 20, math::finer(6), math::FRAC)",
        range: |_| [0.5, 20.0],
        slope: |x| -1.0 / (x * x),
    },
    Elementary {
        call: "math::reciprocal_of_normalised(x, math::FRAC)",
        range: |_| [0.5, 1.0],
        slope: |x| -1.0 / (x * x),
    },
    Elementary {
        call: "math::polynomial(x, [1/2, -1, 1/3, 0, 1/10])",
        range: |_| [-2.0, 2.0],
        slope: |x| -1.0 + 2.0 / 3.0 * x + 0.4 * x.powi(3),
    },
    Elementary {
        call: "math::abs(x)",
        range: |f| [-power(f - 3.0), power(f - 3.0)],
        slope: |x| if x == 0.0 { 0.0 } else { x.signum() },
    },
    Elementary {
        call: "math::clip(x, -1, 1/2)",
        range: |_| [-2.0, 1.0],
        slope: |x| f64::from(x > -1.0 && x < 0.5),
    },
    Elementary { call: "nn::relu(x)", range: |_| [-2.0, 2.0], slope: |x| f64::from(x > 0.0) },
    Elementary {
        call: "math::tanh(x)",
        range: |f| [-power(f - 3.0), power(f - 3.0)],
        slope: |x| 1.0 - x.tanh().powi(2),
    },
    Elementary {
        call: "math::cos(x)",
        range: |f| [-power(f - 3.0).min(1e6), power(f - 3.0).min(1e6)],
        slope: |x| -x.sin(),
    },
    Elementary {
        call: "math::sin(x)",
        range: |f| [-power(f - 3.0).min(1e6), power(f - 3.0).min(1e6)],
        slope: f64::cos,
    },
    Elementary {
        call: "nn::silu(x)",
        range: |_| [-20.0, 20.0],
        slope: |x| {
            let sigma = 1.0 / (1.0 + (-x).exp());
            sigma + x * sigma * (1.0 - sigma)
        },
    },
    Elementary { call: "nn::gelu(x)", range: |_| [-20.0, 20.0], slope: gelu_slope },
    Elementary { call: "nn::gelu_tanh(x)", range: |_| [-7.0, 7.0], slope: gelu_tanh_slope },
    Elementary { call: "nn::cubic(x)", range: |_| [-2.0, 2.0], slope: |x| 0.5 + 15.0 / 16.0 * x },
    Elementary {
        call: "nn::binary_cross_entropy(x, 1/4 + 0 * x)",
        range: |f| [-power(f - 3.0), power(f - 3.0)],
        slope: |x| 1.0 / (1.0 + (-x).exp()) - 0.25,
    },
    Elementary {
        call: "nn::squared_error(x, 1/2 + 0 * x)",
        range: |_| [-9.0, 9.0],
        slope: |x| 2.0 * x - 1.0,
    },
];

/// Phi(x) + x phi(x), of the normal distribution.
fn gelu_slope(x: f64) -> f64 {
    let z = (x / 2f64.sqrt()).clamp(-7.0, 7.0);
    let (mut term, mut sum) = (z, 0.0);
    for n in 1..400 {
        sum += term;
        term *= 2.0 * z * z / f64::from(2 * n + 1);
    }
    0.5 + sum * (-z * z).exp() / PI.sqrt() + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt()
}

fn gelu_tanh_slope(x: f64) -> f64 {
    let a = 2.0 * (2.0 / PI).sqrt();
    let sigma = 1.0 / (1.0 + (-a * (x + 0.044715 * x.powi(3))).exp());
    sigma + x * sigma * (1.0 - sigma) * a * (1.0 + 3.0 * 0.044715 * x * x)
}

/// The derivative of every element, times what is multiplied with it, in the emulator.
fn check(case: &Elementary, f: u32, rounding: Rounding, random: &mut Random) {
    let most = power(f64::from(f) - 3.0);
    let mut x = samples(random, (case.range)(f64::from(f)), f);
    x.retain(|x| (case.slope)(*x).abs() <= most);
    let d: Vec<f64> = x.iter().map(|_| rounded(random.between(-200, 200) as f64 / 100.0, f)).collect();
    let source = format!(
        "use math\nuse nn\ninput x: fix[{n}] from party 0\ninput d: fix[{n}] from party 1\nfn main() {{\n    \
         output g = grad(sum({} * d), x) to party 0\n}}\n",
        case.call,
        n = x.len()
    );
    let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
    let inputs = Values::from([("x".to_string(), x.clone()), ("d".to_string(), d.clone())]);
    let found = &emulated(&program, &inputs, SEED)["g"];
    let allowed = units(case.call) * power(-f64::from(f)) + 1e-14;
    let mut worst = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((x, d), found) in x.iter().zip(&d).zip(found) {
        let slope = (case.slope)(*x);
        let exact = d * slope;
        let error = (found - exact).abs() - coarse(case.call) * exact.abs();
        let ratio = error / ((1.0 + d.abs()) * (1.0 + slope.abs()) * allowed);
        if ratio > worst.0 {
            worst = (ratio, *x, *d, *found, exact);
        }
    }
    let (ratio, x, d, found, exact) = worst;
    println!("{}, f = {f}, {rounding:?}: {ratio:.3} of what is allowed, at {x}", case.call);
    assert!(ratio <= 1.0, "{}, f = {f}, {rounding:?}: {found} at {x} times {d}, exactly {exact}", case.call);
}

#[test]
fn of_one_number_over_the_whole_range() {
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    for case in ELEMENTARY {
        for f in precisions(&mut random) {
            for rounding in [Rounding::Probabilistic, Rounding::Nearest] {
                check(case, f, rounding, &mut random);
            }
        }
    }
}

/// A call of `x`, by differences.
struct Differences {
    call: &'static str,
    shape: &'static [usize],
    x: fn(usize) -> f64,
}

/// Different numbers, both signs, none close to another or to zero.
fn mixed(i: usize) -> f64 {
    ((i * 37 + 11) % 97) as f64 / 97.0 * 4.0 - 1.93
}

/// Different numbers from 1/2 to 1.
fn half_to_one(i: usize) -> f64 {
    0.5 + ((i * 37 + 11) % 97) as f64 / 194.0
}

const fn by(call: &'static str, shape: &'static [usize]) -> Differences {
    Differences { call, shape, x: mixed }
}

/// Functions of the test's own: the first of what a function returns, models with one tensor.
const OWN: &str = "\
fn trained(x: fix[b, c, ..s], p: nn::BatchNorm(c), const train: bool) -> fix[b, c, ..s] {\n    let (y, _) = nn::batch_norm(x, p, train)\n    y\n}\n\
fn updated(x: fix[b, c, ..s], p: nn::BatchNorm(c)) -> fix[2, c] {\n    let (_, p) = nn::batch_norm(x, p, true)\n    \
reshape(concat(p.running_mean, p.running_var, axis=0), [2, c])\n}\n\
fn both_moments(x: fix[b, c, m]) -> fix[2, c] {\n    let (a, b) = nn::moments(x)\n    reshape(concat(a, b, axis=0), [2, c])\n}\n\
fn top(x: fix[..s, n]) -> fix[..s, 1] {\n    let (top, _) = math::tournament(x)\n    top\n}\n\
fn paired(x: fix[..s, n]) -> fix[..s, floor(n / 2)] {\n    let (a, b) = math::neighbours(x)\n    a * b\n}\n\
model P { at: fix[6] = zeros() }\n\
fn by_sgd(x: fix[6]) -> fix[6] {\n    let p = P(at=x)\n    let (q, _) = optim::sgd(p, P(at=x * x), optim::start(p), 1/8)\n    q.at\n}\n\
fn by_step(x: fix[6]) -> fix[6] {\n    let p = P(at=x)\n    let (q, _) = optim::step(\"sgd\", p, P(at=x * x), optim::start(p), 1/8, 2)\n    q.at\n}\n\
fn by_adam(x: fix[6]) -> fix[6] {\n    let p = P(at=x)\n    let (q, s) = optim::adam(p, P(at=x * x), optim::start(p), 1/8, 0.9, 0.999, false, false, 1)\n    \
let (r, _) = optim::adam(q, P(at=3 * x), s, 1/8, 0.9, 0.999, false, false, 1)\n    r.at\n}\n\
fn clipped(x: fix[6]) -> fix[6] {\n    let g = optim::clip_norm(P(at=x), 1)\n    g.at\n}\n\
fn grouped(x: fix[4, 2]) -> fix[4, 2] {\n    let (_, sums, _) = table::group_by(secret([3, 1, 3, 2]), x)\n    sums\n}\n\
fn rows_in_order(x: fix[4, 2]) -> fix[4, 2] {\n    let (_, rows) = table::sort_rows(secret([3, 1, 4, 2]), x)\n    rows\n}\n\
fn joined(x: fix[4, 2]) -> fix[3, 2] {\n    let (rows, _) = table::join(secret([3, 7, 1]), secret([1, 3, 3, 2]), x)\n    rows\n}\n\
fn sorted(x: fix[..s, n]) -> fix[2, ..s, n] {\n    let (a, b) = math::sort_with(x, x * x)\n    \
concat(expand(a, axis=0), expand(b, axis=0), axis=0)\n}\n";

const DIFFERENCES: &[Differences] = &[
    by("math::product(x)", &[2, 3]),
    by("math::largest(x)", &[3, 4]),
    by("math::tree(x)", &[5, 2]),
    by("math::heads(x, 1)", &[4, 2]),
    by("math::tails(x, 1)", &[4, 2]),
    by("math::first_axis(x)", &[2, 3]),
    by("top(x)", &[2, 20]),
    by("paired(x)", &[2, 5]),
    by("math::divide(x, secret([3, 1/2, -7, 2, 5/4, 1/9]))", &[6]),
    by("fix(math::exactly(x, 3/8, 4))", &[6]),
    by("fix(math::both(x, 1 - x))", &[6]),
    Differences { call: "math::chebyshev(assume(x, 0, 1), 5)", shape: &[1, 6], x: half_to_one },
    by("fix(math::combined(x, [1, 2, -1/2], 4))", &[2, 3]),
    Differences {
        call: "fix(math::folded(assume(x, 0, 1), [1, 1/2, 1/4, -1/8, 1/16]))",
        shape: &[2, 3],
        x: half_to_one,
    },
    // Eight coefficients by half of the polynomials, twenty by a third of them.
    Differences {
        call: "fix(math::series(assume(x, 0, 1), [1 / 2 ** k for k in 0..8]))",
        shape: &[6],
        x: half_to_one,
    },
    Differences {
        call: "fix(math::series(assume(x, 0, 1), [(3 / 4) ** k for k in 0..20]))",
        shape: &[6],
        x: half_to_one,
    },
    Differences {
        call: "math::sums_product(assume(x, 0, 1), assume(x - 3/4, -1, 1), 3/2, 2, 0, math::FRAC)",
        shape: &[6],
        x: half_to_one,
    },
    by("math::scaled_inverse(x, secret(full(2 ** (math::TOTAL - 1 - math::FRAC), [6])))", &[6]),
    Differences {
        call: "math::logarithm(assume(x, -1, 1), secret([0, 1, 2, 3, 2, 1]), 1/2, 1)",
        shape: &[6],
        x: half_to_one,
    },
    Differences {
        call: "math::over_sqrt(raw(x), math::FRAC, secret(full(3/4, [6])), secret(full(8/7, [6])), 4, 1)",
        shape: &[6],
        x: half_to_one,
    },
    Differences {
        call: "math::over_sqrt(raw(secret(full(3/2, [6]))), math::FRAC, x, secret(full(8/7, [6])), 4, 2)",
        shape: &[6],
        x: half_to_one,
    },
    Differences { call: "math::inv_sqrt_fine(assume(x, 0, 1))", shape: &[6], x: half_to_one },
    Differences { call: "math::inv_sqrt_start(x, false)", shape: &[6], x: half_to_one },
    Differences { call: "math::inv_sqrt_start(x, true)", shape: &[6], x: half_to_one },
    by("nn::dense(x, nn::Dense(3, 2, weight=[[1, 2, -1], [1/2, 0, 3]], bias=[1, 2]))", &[2, 3]),
    by("nn::dense([[1, 2, -1], [1/2, 0, 3]], nn::Dense(3, 2, weight=x, bias=[1, 2]))", &[2, 3]),
    by("nn::dense([[1, 2, -1], [1/2, 0, 3]], nn::Dense(3, 1, weight=[[1, 0, 2]], bias=x[0..1]))", &[6]),
    by(
        "nn::conv2d(x, nn::Conv2d(1, 2, 2, weight=[[[[1, -1/2], [3, 2]]], [[[0, 1/3], [-1, 1/7]]]], bias=[1, 0]))",
        &[2, 1, 3, 4],
    ),
    by(
        "nn::conv2d(secret(reshape([i / 7 - 2 for i in 0..40], [1, 2, 5, 4])), nn::Conv2d(2, 3, 3, weight=x, bias=[1, 2, 3]), stride=2, padding=\"same\")",
        &[3, 2, 3, 3],
    ),
    by("nn::max_pool(x)", &[1, 2, 4, 6]),
    by("nn::average_pool(x)", &[1, 2, 4, 6]),
    by("nn::average_pool(x, 3)", &[1, 2, 3, 6]),
    by("nn::tiles(x, 2)", &[1, 2, 4, 6]),
    by("nn::flatten(x)", &[2, 3, 2]),
    Differences {
        call: "nn::quotients(x, sum(x, axis=-1, keep=true), math::FRAC)",
        shape: &[2, 3],
        x: half_to_one,
    },
    by("nn::softmax(x)", &[3, 4]),
    by("nn::cross_entropy(x, [[0, 1, 0], [1/2, 1/4, 1/4]])", &[2, 3]),
    by("nn::cross_entropy(secret([[0, 1, 0], [1/2, 1/4, 2]]), x)", &[2, 3]),
    by("nn::binary_cross_entropy(secret([[0, 1, 0], [1/2, 1/4, -2]]), x)", &[2, 3]),
    by("nn::mean_squared_error(x, 1 - x)", &[2, 3]),
    by("nn::squared_error(x, 1 - x)", &[2, 3]),
    by("nn::correct(secret([[0, 1, 0], [1/2, 1/4, 2]]), x)", &[2, 3]),
    by("nn::confusion(secret([[0, 1, 0], [1/2, 1/4, 2]]), x)", &[2, 3]),
    by("both_moments(x)", &[3, 2, 2]),
    by("trained(x, nn::BatchNorm(3, weight=[1, 2, -1/2], bias=[0, 1, 2]), true)", &[2, 3, 2, 1]),
    by("trained(x, nn::BatchNorm(3, weight=[1, 2, -1/2], bias=[0, 1, 2]), false)", &[2, 3, 2, 1]),
    by("updated(x, nn::BatchNorm(3, weight=[1, 2, -1/2], bias=[0, 1, 2]))", &[2, 3, 2, 1]),
    by("math::smallest(x)", &[3, 4]),
    by("table::look_up(secret([[2, 0], [2, 1]]), x)", &[3, 2]),
    by("table::median(x)", &[2, 4]),
    by("table::quantiles(x, [1/5, 3/4])", &[2, 5]),
    by("table::group_sums(x, secret([2, 0, 2, 1]), 4)", &[4, 2]),
    by("table::group_means(x, secret([2, 0, 2, 1]), 4)", &[4, 2]),
    by("table::fold(x, 2, 0)", &[3, 2]),
    by("table::without_fold(x, 2, 0)", &[3, 2]),
    by("grouped(x)", &[4, 2]),
    by("rows_in_order(x)", &[4, 2]),
    by("joined(x)", &[4, 2]),
    by("math::cumulative_sum(x)", &[2, 3]),
    by("math::sort(x)", &[2, 5]),
    by("math::top_k(x, 2)", &[2, 5]),
    by("sorted(x)", &[2, 4]),
    by(
        "nn::convolve(x, [[[[1, -1/2], [3, 2]]], [[[0, 1/3], [-1, 1/7]]]], groups=2, dilation=2, pad=1)",
        &[1, 2, 3, 4],
    ),
    by(
        "nn::convolve(secret(reshape([i / 7 - 2 for i in 0..40], [1, 2, 5, 4])), x, stride=[2, 1], pad=[1, 0])",
        &[3, 2, 3, 2],
    ),
    by("nn::convolve1d(x, [[[1, -1/2]], [[3, 2]]], groups=2, stride=2, pad=1)", &[2, 2, 5]),
    by("nn::max_pool2d(x, 3, 2, 1)", &[1, 2, 4, 5]),
    by("nn::average_pool2d(x, [2, 3], 1, [0, 1])", &[1, 2, 4, 5]),
    by("nn::adaptive_average_pool(x, 3, 2)", &[1, 2, 4, 5]),
    by("nn::offsets_first(windows(x, 2))", &[1, 2, 3, 4]),
    by("nn::layer_norm(x, nn::LayerNorm(3, weight=[1, 2, -1/2], bias=[0, 1, 2]))", &[2, 3]),
    by("nn::embedding(secret([[2, 0], [1, 2]]), nn::Embedding(3, 2, weight=x))", &[3, 2]),
    by("nn::attention(x, x[.., 0..2], 1 - x[.., 0..2])", &[2, 3, 2]),
    by("nn::in_heads(x, 2)", &[2, 3, 4]),
    by(
        "nn::multihead_attention(x, x[.., 1..3], nn::MultiheadAttention(2, in_proj_weight=[[1, 0], [1/2, 1], [0, 1], [1, 1], [-1, 1/2], [1, 2]], out_proj=nn::Dense(2, 2, weight=[[1, 1/2], [-1, 2]])), 2)",
        &[1, 3, 2],
    ),
    by("nn::gru(x, [[1, 0], [1/2, 1], [0, 1]], [[1/2], [1], [-1]], [0, 1/2, 1], [1, 0, 1/4])", &[1, 2, 2]),
    by(
        "nn::lstm(x, [[1, 0], [1/2, 1], [0, 1], [1, 1/3]], [[1/2], [1], [-1], [1]], [0, 1/2, 1, 1], [1, 0, 1/4, 0])",
        &[1, 2, 2],
    ),
    by("optim::half_square(x)", &[6]),
    by("clipped(x)", &[6]),
    by("optim::norm2(P(at=x))", &[6]),
    by("optim::running_mean(x, x * x, 0.9, 0.81)", &[6]),
    by("by_sgd(x)", &[6]),
    by("by_step(x)", &[6]),
    // The step does not depend on the size of a gradient, only that of a small one is rounded.
    Differences { call: "by_adam(x)", shape: &[6], x: half_to_one },
];

/// A program that outputs the weighted sum of a call's results, and the gradient of it by x.
fn weighted(case: &Differences) -> String {
    let dims = case.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "use math\nuse nn\nuse optim\nuse table\ninput x: fix[{dims}] from party 0\nfn main() {{\n    let r = {}\n    \
         let loss = sum(weighted(reshape(r, [size(shape(r))])))\n    output loss = loss to party 0\n    \
         output g = grad(loss, x) to party 0\n}}\n\
         fn size(const s: int[n]) -> int {{ product(s) }}\n\
         fn weighted(r: fix[n]) -> fix[n] {{ r * [1 + i / 8 for i in 0..n] }}\n{OWN}",
        case.call
    )
}

#[test]
fn of_all_others_by_differences() {
    let mut random = Random::new(SEED);
    println!("seed {SEED}");
    for case in DIFFERENCES {
        let source = weighted(case);
        let ir = compiled(&source, settings(64, Rounding::Nearest)).ir.expect("compiled");
        let loss =
            |x: &[f64]| interpreted(&ir, &Values::from([("x".to_string(), x.to_vec())]), SEED)["loss"][0];
        let drawn = |random: &mut Random, f| (f, WAYS[random.below(2)].1);
        let other = 8 + random.below(57) as u32;
        let others = [8, other].map(|f| drawn(&mut random, f));
        for (f, rounding) in WAYS.into_iter().chain(others) {
            let x: Vec<f64> = (0..case.shape.iter().product()).map(|i| rounded((case.x)(i), f)).collect();
            let differences: Vec<f64> = (0..x.len())
                .map(|i| {
                    let moved = |by: f64| {
                        let mut x = x.clone();
                        x[i] += by;
                        loss(&x)
                    };
                    let step = 1e-4;
                    let (near, far) = (moved(step) - moved(-step), moved(2.0 * step) - moved(-2.0 * step));
                    (8.0 * near - far) / (12.0 * step)
                })
                .collect();
            let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
            let found = &emulated(&program, &Values::from([("x".to_string(), x.clone())]), SEED)["g"];
            // Results are weighted by up to 1 + n / 8, and up to n of them depend on one element.
            let weight = 1.0 + x.len() as f64 / 8.0;
            let allowed = units(case.call) * power(-f64::from(f)) * (1.0 + weight) + 1e-8;
            let off =
                found.iter().zip(&differences).map(|(g, e)| (g - e).abs() / ((1.0 + e.abs()) * allowed));
            let worst = off.fold(0.0, f64::max);
            println!("{}, f = {f}, {rounding:?}: {worst:.3} of what is allowed", case.call);
            assert!(
                worst <= 1.0,
                "{}, f = {f}, {rounding:?}: {found:?}, by differences {differences:?}",
                case.call
            );
        }
    }
}

/// Calls whose derivative is refused, since a part of it would be missing, and with which message.
const REFUSED: &[(&str, &str)] = &[
    ("scaled(x)", "bits have no derivative"),
    ("square_scaled(x)", "bits have no derivative"),
    ("fix(math::halvings(x, 4, 16))", "bits have no derivative"),
    ("fix(math::exp_of_negative(-x, 16))", "bits have no derivative"),
    ("math::doublings(x, -4)", "bits have no derivative"),
    ("math::ln_of(x, 4)", "bits have no derivative"),
    ("exponents(x)", "bits have no derivative"),
    ("math::stop_gradient(x)", "the loss does not depend on this"),
    ("math::cosine_after(x, 1/8)", "the loss does not depend on this"),
    ("math::random_fraction(x)", "the loss does not depend on this"),
    ("x * fix(x > 0)", "of this comparison a number is made"),
    ("x * math::argmax(x)", "of this comparison a number is made"),
    ("x + from_raw(word(bits(x, 3, 9)))", "bits have no derivative"),
    ("x * reveal(x)", "this is revealed"),
    ("x * (1 + secret(reveal(sum(x))))", "this is revealed"),
    ("unnamed(2 * x)", "leaves out something"),
    ("pulled(x)", "a derivative of a derivative"),
    ("by_adamw(x)", "a derivative of a derivative"),
];

#[test]
fn a_missing_part_is_an_error() {
    for (call, expected) in REFUSED {
        let source = format!(
            "use math\nuse nn\nuse optim\ninput x: fix[4] from party 0\nmodel P {{ at: fix[4] = zeros() }}\n\
             fn pulled(x: fix[4]) -> fix[4] {{ let g = optim::pull(P(at=x), 3/8)\n    g.at }}\n\
             fn by_adamw(x: fix[4]) -> fix[4] {{ let p = P(at=x)\n    \
             let (q, _) = optim::adamw(p, P(at=x * x), optim::start(p), 1/8)\n    q.at }}\n\
             fn main() {{\n    let y = {call}\n    \
             output g = grad(sum(y), x) to party 0\n}}\n\
             fn scaled(x: fix[n]) -> fix[n] {{ let (c, _) = math::normalised(x, math::FRAC)\n    c }}\n\
             fn square_scaled(x: fix[n]) -> fix[n] {{ let (c, _, _, _) = math::normalised_square(x, math::FRAC)\n    c }}\n\
             fn exponents(x: fix[n]) -> fix[1] {{ let (_, total) = nn::exp_of_logits(x)\n    fix(total) }}\n\
             fn unnamed(y: fix[n]) -> fix[n] {{ x[0..n] * y }} grad(d) {{ d * x[0..n] }}\n"
        );
        let found = messages(&source, settings(16, Rounding::Nearest));
        assert!(found.contains("error[G00") && found.contains(expected), "{call}:\n{found}");
    }
}

/// Conditions are choices, and what is said to be constant is.
#[test]
fn choices_and_constants_are_none() {
    let cases: [(&str, Slope); 8] = [
        ("where(x > 0, x, 0.25 * x)", |x| if x > 0.0 { 1.0 } else { 0.25 }),
        ("x * where(x > 0, 1, 0.25)", |x| if x > 0.0 { 1.0 } else { 0.25 }),
        ("x * where(x > 0, 1, -1)", f64::signum),
        ("where(reveal(x > 0), x, 0)", |x| f64::from(x > 0.0)),
        ("x * fix(math::stop_gradient(x) > 0)", |x| f64::from(x > 0.0)),
        ("x * reveal(math::stop_gradient(x))", |x| x),
        ("from_raw(2 * raw(x))", |_| 2.0),
        ("where(bits(x, 15, 16)[..., 0], x, 3 * x)", |x| {
            if (x * 65536.0) as i64 >> 15 & 1 == 1 { 1.0 } else { 3.0 }
        }),
    ];
    let x: Vec<f64> = (0..20).map(|i| rounded(mixed(i), 16)).collect();
    for (call, slope) in cases {
        let source = format!(
            "use math\ninput x: fix[20] from party 0\nfn main() {{\n    output g = grad(sum({call}), x) to party 0\n}}\n"
        );
        let program = compiled(&source, settings(16, Rounding::Nearest)).program.expect("compiled");
        let found = &emulated(&program, &Values::from([("x".to_string(), x.clone())]), SEED)["g"];
        for (x, g) in x.iter().zip(found) {
            assert!((g - slope(*x)).abs() <= 4.0 / 65536.0, "{call} at {x}: {g}");
        }
    }
}

/// What is dropped has no part in the gradient, and what stays has its share.
#[test]
fn dropout_passes_on_what_it_keeps() {
    let source = "use nn\ninput x: fix[400] from party 0\nfn main() {\n    let y = nn::dropout(x, 1/4, true)\n    \
                  output y = y to party 0\n    output g = grad(sum(y), x) to party 0\n}\n";
    let program = compiled(source, settings(16, Rounding::Nearest)).program.expect("compiled");
    let found = emulated(&program, &Values::from([("x".to_string(), vec![3.0; 400])]), SEED);
    for (y, g) in found["y"].iter().zip(&found["g"]) {
        assert!((y - 3.0 * g).abs() < 1e-4 && (*g == 0.0 || (g - 4.0 / 3.0).abs() < 1e-4), "{y}, {g}");
    }
    let kept = found["g"].iter().filter(|g| **g > 0.0).count();
    assert!((250..350).contains(&kept), "{kept} of 400");
}

/// Functions that only make values to start from.
const LEAVES: [&str; 1] = ["optim::start"];

#[test]
fn no_function_is_forgotten() {
    let tested = ELEMENTARY.iter().map(|case| case.call).chain(DIFFERENCES.iter().map(|case| case.call));
    let tested = tested.chain(REFUSED.iter().map(|(call, _)| *call)).chain(["nn::dropout("]);
    let tested: Vec<&str> = tested.collect();
    let mut missing = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for function in declared() {
        let path = format!("{}::{}", function.module, function.name);
        let needed = function.has_derivative() && !LEAVES.contains(&path.as_str());
        *counts.entry(needed).or_insert(0) += 1;
        if needed && !tested.iter().any(|call| tests(call, &path)) {
            missing.insert(path);
        }
    }
    assert!(missing.is_empty(), "without a test: {missing:?}");
    println!("{counts:?}");
    assert!(counts[&true] > 50 && counts[&false] > 20, "{counts:?}");
}
