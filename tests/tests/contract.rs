//! The contract of `fix`: within it, for every argument within ±2^(total - f - 1) whose result is within it too, every elementary function has the
//! accuracy that it documents, at every f, total, ring and rounding that are accepted; where a function has no answer, the range mode says so.
//!
//! Settings are random, from a printed seed (`TERN_TEST_SEED` takes another). References are whole numbers with 320 binary places.

use std::fmt::Write;
use std::path::Path;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, Zero};
use tern_bytecode::rings;
use tern_compiler::ir::{Rounding, Settings};
use tern_tests::random::Random;
use tern_tests::reference::{PLACES, exp, ln, ln_2, over, power, scaled, sqrt, times};
use tern_tests::run::{self, Integers, Values, compiled, emulated, watched};

/// How far a result may be from the exact one.
#[derive(Clone, Copy)]
enum Error {
    /// The larger of 2^-(f-4) of the result and 16 units of 2^-f.
    Relative,
    /// 16 units of 2^-f.
    Absolute,
    /// The larger of 1/400 of the result and 16 units of 2^-f.
    Coarse,
}

/// A function of one number.
struct Function {
    call: &'static str,
    /// The smallest and the largest argument whose results are within the contract with what they may be off, given f and the contract's end.
    domain: fn(i64, &BigInt) -> (BigInt, BigInt),
    exact: fn(&BigInt) -> BigInt,
    error: Error,
}

const FUNCTIONS: &[Function] = &[
    of("math::exp_negative(x)", |_, end| (-end, BigInt::zero()), exp, Error::Absolute),
    of("math::exp2_negative(-x)", |_, end| (-end, BigInt::zero()), exp2, Error::Absolute),
    of("math::exp(x)", |f, end| (-end, ln(end) - power(5 - f)), exp, Error::Relative),
    of("math::exp2(x)", |f, end| (-end, over(&ln(end), &ln_2()) - power(6 - f)), exp2, Error::Relative),
    of("math::sigmoid(x)", |_, end| (-end, end.clone()), sigmoid, Error::Absolute),
    of("math::tanh(x)", |_, end| (-end, end.clone()), |x| 2 * sigmoid(&(2 * x)) - power(0), Error::Absolute),
    of(
        "math::reciprocal(x)",
        |f, end| (inverse(&(end - margin(f, end))), end.clone()),
        inverse,
        Error::Relative,
    ),
    of(
        "math::reciprocal(-x)",
        |f, end| (-end, -inverse(&(end - margin(f, end)))),
        |x| inverse(&-x),
        Error::Relative,
    ),
    of("math::reciprocal_within(x, 1/2, 7)", |_, _| (power(-1), 7 * power(0)), inverse, Error::Relative),
    of("math::sqrt(x)", |_, end| (BigInt::zero(), end.clone()), sqrt, Error::Relative),
    of(
        "math::inv_sqrt(x)",
        |f, end| (least_root(f, end), end.clone()),
        |x| inverse(&sqrt(x)),
        Error::Relative,
    ),
    of(
        "math::inv_sqrt_coarse(x)",
        |f, end| (least_root(f, end), end.clone()),
        |x| inverse(&sqrt(x)),
        Error::Coarse,
    ),
    of("math::ln(x)", |f, end| (exp(&(power(5 - f) - end)).max(power(-f)), end.clone()), ln, Error::Absolute),
    of(
        "math::log2(x)",
        |f, end| (exp2(&(power(5 - f) - end)).max(power(-f)), end.clone()),
        |x| over(&ln(x), &ln_2()),
        Error::Absolute,
    ),
    of(
        "math::log(x, 10)",
        |f, end| (exp(&(-end * 2)).max(power(-f)), end.clone()),
        |x| over(&ln(x), &ln(&(10 * power(0)))),
        Error::Absolute,
    ),
    of("math::ln_within(x, 1, 7)", |_, _| (power(0), 7 * power(0)), ln, Error::Absolute),
];

const fn of(
    call: &'static str,
    domain: fn(i64, &BigInt) -> (BigInt, BigInt),
    exact: fn(&BigInt) -> BigInt,
    error: Error,
) -> Function {
    Function { call, domain, exact, error }
}

fn exp2(x: &BigInt) -> BigInt {
    exp(&times(x, &ln_2()))
}

fn inverse(x: &BigInt) -> BigInt {
    over(&power(0), x)
}

fn sigmoid(x: &BigInt) -> BigInt {
    let smaller = exp(&-x.abs());
    let larger = inverse(&(power(0) + &smaller));
    if x.is_negative() { times(&smaller, &larger) } else { larger }
}

/// Twice what a result near the contract's end may be off.
fn margin(f: i64, end: &BigInt) -> BigInt {
    (times(end, &power(5 - f)) + power(5 - f)).min(end >> 1)
}

fn least_root(f: i64, end: &BigInt) -> BigInt {
    let most = end - margin(f, end);
    inverse(&times(&most, &most))
}

/// What may be off.
fn allowed(error: Error, f: i64, exact: &BigInt) -> BigInt {
    let unit = power(4 - f);
    match error {
        Error::Relative => unit.max(times(&power(4 - f), &exact.abs())),
        Error::Absolute => unit,
        Error::Coarse => unit.max(exact.abs() / 400),
    }
}

fn seed() -> u64 {
    let given = std::env::var("TERN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(20_261);
    println!("TERN_TEST_SEED={seed}");
    seed
}

fn arithmetic(ring: u32, frac: u32, total: u32, rounding: Rounding) -> Settings {
    Settings { ring, total, ..run::settings(frac, rounding) }
}

/// Settings that are accepted: the usual twice f bits, few more than f, or many; the smallest ring, or one with room for products of products.
fn settings(random: &mut Random) -> Settings {
    let frac = random.between(4, 64) as u32;
    let most = (128 - frac).min(128);
    let total = match random.below(4) {
        0 => 2 * frac.max(4),
        1 => frac + random.between(4, 8) as u32,
        2 => frac + random.between(4, i64::from(frac.max(5))) as u32,
        _ => frac + random.between(4, i64::from(most)) as u32,
    };
    let total = total.min(128);
    let larger = if random.below(2) == 0 { 4 * frac } else { 0 };
    let ring = rings::at_least(rings::needed(frac, total).max(larger)).expect("a ring");
    let rounding = if random.below(2) == 0 { Rounding::Probabilistic } else { Rounding::Nearest };
    arithmetic(ring, frac, total, rounding)
}

/// Numbers in low..=high, of so many bits: the ends, powers of two with their neighbours, and others by magnitude.
fn samples(random: &mut Random, low: &BigInt, high: &BigInt, bits: u32, count: usize) -> Vec<BigInt> {
    let mut all = vec![low.clone(), low + 1, (low + high) / 2, high - 1, high.clone()];
    for _ in 0..count {
        let power = BigInt::one() << random.below(bits as usize) as u32;
        let fraction = BigInt::from(random.below(1 << 30));
        let near = &power + random.between(-1, 1);
        let between = &power + ((&power * fraction) >> 30u32);
        all.extend([
            near.clone(),
            -near,
            between.clone(),
            -between,
            low + (high - low) * random.below(1 << 30) / (1 << 30),
        ]);
    }
    all.retain(|x| low <= x && x <= high);
    all
}

/// A program that applies every function to numbers of its own.
fn program(functions: &[&Function], counts: &[usize]) -> String {
    let mut source = "use math\n".to_string();
    for (i, n) in counts.iter().enumerate() {
        writeln!(source, "input x{i}: fix[{n}] from party 0").expect("a string");
    }
    source += "fn main() {\n";
    for (i, function) in functions.iter().enumerate() {
        let call = function.call.replace("x,", &format!("x{i},")).replace("x)", &format!("x{i})"));
        writeln!(source, "    output y{i} = {call} to party 0").expect("a string");
    }
    source + "}\n"
}

#[test]
fn the_library_keeps_the_contract() {
    let seed = seed();
    let mut random = Random::new(seed);
    let wide = arithmetic(64, 16, 40, Rounding::Probabilistic);
    let tight = arithmetic(64, 26, 34, Rounding::Nearest);
    let widest = arithmetic(256, 64, 128, Rounding::Probabilistic);
    let random_settings: Vec<Settings> = (0..16).map(|_| settings(&mut random)).collect();
    for settings in [wide, tight, widest].into_iter().chain(random_settings) {
        check(&settings, &mut random, seed);
    }
}

fn check(settings: &Settings, random: &mut Random, seed: u64) {
    let (f, total) = (i64::from(settings.frac), i64::from(settings.total));
    let end = power(total - f - 1) - power(-f);
    // Whole numbers of units in the domain.
    let unit = power(-f);
    let domain = |function: &Function| {
        let (low, high) = (function.domain)(f, &end);
        (low.div_ceil(&unit).max(-&end / &unit), high.div_floor(&unit).min(&end / &unit))
    };
    let functions: Vec<&Function> =
        FUNCTIONS.iter().filter(|function| domain(function).0 <= domain(function).1).collect();
    let mut inputs = Integers::new();
    for (i, function) in functions.iter().enumerate() {
        let (low, high) = domain(function);
        inputs.insert(format!("x{i}"), samples(random, &low, &high, settings.total - 1, 10));
    }
    let counts: Vec<usize> = (0..functions.len()).map(|i| inputs[&format!("x{i}")].len()).collect();
    let source = program(&functions, &counts);
    let program = compiled(&source, *settings).program.expect("compiled");
    let (outputs, ranges) = watched(&program, &inputs, seed);
    println!("{settings:?}: {} functions", functions.len());
    for (i, function) in functions.iter().enumerate() {
        for (x, y) in inputs[&format!("x{i}")].iter().zip(&outputs[&format!("y{i}")]) {
            let number = |n: &BigInt| scaled(n, -f);
            let exact = (function.exact)(&number(x));
            let off = (number(y) - &exact).abs();
            let call = function.call;
            assert!(
                off <= allowed(function.error, f, &exact),
                "{settings:?}: {call} of {x} units: {y}, exactly {}",
                exact >> (i64::from(PLACES) - f) as u32
            );
        }
    }
    let outside: Vec<String> = ranges.outside.iter().map(ToString::to_string).collect();
    assert!(
        outside.is_empty(),
        "{settings:?}: of arguments in the contract:\n{}\n{source}",
        outside.join("\n")
    );
}

/// Where there is no answer, or none within the contract, the range mode has a line.
#[test]
fn leaving_a_domain_is_noticed() {
    let calls = [
        "math::ln(x)",
        "math::log2(x)",
        "math::log(x, 10)",
        "math::sqrt(x - EPSILON)",
        "math::inv_sqrt(x)",
        "math::inv_sqrt_coarse(x)",
        "math::reciprocal(x)",
        "1 / x",
        "(1 - x) / x",
        "math::reciprocal_within(x, 1, 2)",
        "math::ln_within(x, 1, 2)",
        "math::ln_within(x + 3, 1, 2)",
        "math::exp_negative(x + 1)",
        "math::exp2_negative(x - 1)",
        "math::exp(x + exact::ln(BOUND) + 1)",
        "math::exp2(x + log2(BOUND) + 1)",
        "math::ln(x - 1)",
        "math::sqrt(x - 1)",
    ];
    let seed = seed();
    let mut random = Random::new(seed);
    for settings in (0..4).map(|_| settings(&mut random)) {
        for call in calls {
            let source = format!(
                "use math\ninput x: fix[1] from party 0\nfn main() {{\n    output y = {call} to party 0\n}}\n"
            );
            let program = compiled(&source, settings).program.expect("compiled");
            let inputs = Integers::from([("x".to_string(), vec![BigInt::zero()])]);
            let (outputs, ranges) = watched(&program, &inputs, seed);
            assert!(
                ranges.violations() > 0,
                "{settings:?}: {call} of 0 is {:?}, and nobody says so",
                outputs["y"]
            );
        }
    }
}

/// A program of `tests/cases`.
fn case(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a program's metrics should be, to 16 units of 2^-f or of the number.
fn check_metrics(source: &str, settings: Settings, right: &[(&str, &[f64])]) {
    let program = compiled(source, settings).program.expect("compiled");
    let found = emulated(&program, &Values::new(), 1);
    for (name, numbers) in right {
        assert_eq!(found[*name].len(), numbers.len(), "{name}");
        for (y, exact) in found[*name].iter().zip(*numbers) {
            let allowed = 2f64.powi(4 - settings.frac as i32) * exact.abs().max(1.0);
            assert!((y - exact).abs() <= allowed, "{settings:?}: {name} is {y}, not {exact}");
        }
    }
}

fn probabilistic(frac: u32, total: u32) -> Settings {
    arithmetic(64, frac, total, Rounding::Probabilistic)
}

#[test]
fn functions_of_numbers_beyond_twice_the_fraction_bits() {
    check_metrics(
        &case("wide_total.mpc"),
        probabilistic(16, 40),
        &[
            ("sqrt", &[653.246_125]),
            ("inv_sqrt", &[0.001_530_817_7]),
            ("ln", &[12.963_909_9]),
            ("40000 / 40000", &[1.0]),
            ("40000 / 80000", &[0.5]),
            ("reciprocal(65621)", &[0.000_015_239]),
        ],
    );
    let probabilities: &[f64] = &[1.0, 0.0, 0.0];
    check_metrics(
        &case("wide_softmax.mpc"),
        probabilistic(8, 24),
        &[("softmax", probabilities), ("loss", &[0.0])],
    );
}

#[test]
fn logits_that_are_far_apart() {
    for (frac, far) in [(16, "22714.0"), (8, "89.0"), (16, "-22714.0"), (16, "32767.0"), (8, "-127.0")] {
        let positive = f64::from(u8::from(!far.starts_with('-')));
        let source = case("far_logits.mpc").replace("arg(22714.0)", far);
        let right: [(&str, &[f64]); 2] = [("sigmoid", &[positive]), ("softmax", &[positive, 1.0 - positive])];
        check_metrics(&source, probabilistic(frac, 2 * frac), &right);
    }
}

/// Rows of logits over the whole contract, and rows in which many small probabilities add up.
fn logits(random: &mut Random, n: usize, f: u32, top: f64) -> Vec<f64> {
    let unit = 2f64.powi(-(f as i32));
    let spread = |size: f64, random: &mut Random| {
        (0..n).map(|_| size * random.between(-1 << 30, 1 << 30) as f64 / (1u64 << 30) as f64).collect()
    };
    let mut rows: Vec<Vec<f64>> =
        vec![vec![0.0; n], vec![top; n], (0..n).map(|i| if i % 2 == 0 { top } else { -top }).collect()];
    for below in [0.5, 0.6, 0.7] {
        rows.push((0..n).map(|i| if i == 0 { 0.0 } else { -below * f64::from(f) }).collect());
    }
    for size in [0.01, 1.0, 10.0, top] {
        rows.push(spread(size.min(top), random));
    }
    rows.concat().into_iter().map(|x: f64| (x / unit).round() * unit).collect()
}

#[test]
fn softmax_of_few_and_many_classes() {
    let seed = seed();
    let mut random = Random::new(seed);
    for (frac, total, n) in
        [(16, 32, 2), (16, 32, 10), (16, 32, 100), (8, 24, 10), (13, 26, 30), (24, 40, 7), (16, 22, 10)]
    {
        let top = 2f64.powi((total - frac - 1) as i32) / 2.0 - 1.0;
        let z = logits(&mut random, n, frac, top);
        let rows = z.len() / n;
        let source = format!(
            "use nn\ninput z: fix[{rows}, {n}] from party 0\nfn main() {{\n    output p = nn::softmax(z) to party 0\n    \
             output loss = nn::cross_entropy(z, broadcast([if i == 0 {{ 1 }} else {{ 0 }} for i in 0..{n}], [{rows}, {n}])) to party 0\n}}\n"
        );
        let ring = run::ring(frac, total);
        for rounding in [Rounding::Probabilistic, Rounding::Nearest] {
            let program =
                compiled(&source, arithmetic(ring, frac, total, rounding)).program.expect("compiled");
            let inputs = Values::from([("z".to_string(), z.clone())]);
            let found = emulated(&program, &inputs, seed);
            let unit = 2f64.powi(-(frac as i32));
            for (i, row) in z.chunks(n).enumerate() {
                let most = row.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
                for (x, p) in row.iter().zip(&found["p"][i * n..]) {
                    let off = (p - (x - most).exp() / sum).abs() / unit;
                    assert!(
                        off <= 4.0,
                        "f = {frac} of {total}, {n} classes, row {i}: {p} is off by {off} units"
                    );
                }
                let off = (found["loss"][i] - (sum.ln() + (most - row[0]))).abs() / unit;
                assert!(
                    off <= 16.0,
                    "f = {frac} of {total}, {n} classes, row {i}: the loss is off by {off} units"
                );
            }
        }
    }
}
