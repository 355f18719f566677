//! Public values.

use proptest::prelude::*;
use tern_bytecode::instr::{Comparison, IntBinary, RealBinary, RealUnary};
use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Reg};
use tern_vm::Fault;
use tern_vm::ring::{Ring, Z64, Z128, Z192};

use super::build::{Build, seeded};

/// What a register of public numbers holds at the end.
fn value(b: &mut Build, a: Reg) -> Vec<f64> {
    let name = b.name("value");
    b.op(Instr::Metric { name, a });
    b.run::<Z64>(&[], &seeded(1)).expect("it runs").0.metrics[0].1.clone()
}

fn new() -> Build {
    Build::new(64, Rounding::Nearest)
}

fn integers() -> impl Strategy<Value = i64> {
    prop_oneof![2 => any::<i64>(), 3 => -9..10i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

/// A precision in which every whole number of 64 bits has room.
fn wide() -> Build {
    let mut build = Build::new(128, Rounding::Nearest);
    build.program.header.total = 100;
    build
}

/// How a run of public numbers ends, which has to be a fault, and on which line.
fn fault(build: &Build) -> (Fault, u32) {
    let error = build.run::<Z64>(&[], &seeded(1)).unwrap_err();
    (error.fault, error.place.expect("a line").1)
}

/// The meaning of an operation, in 128 bits; none beyond 64.
fn integer_meaning(op: IntBinary, a: i128, b: i128) -> Option<i64> {
    let floor = |a: i128, b: i128| {
        (a - a.rem_euclid(b.abs())) / b.abs() * b.signum() - i128::from(b < 0 && a.rem_euclid(b.abs()) != 0)
    };
    let quotient = |a, b| floor(a, b);
    i64::try_from(match op {
        IntBinary::Add => a + b,
        IntBinary::Sub => a - b,
        IntBinary::Mul => a * b,
        IntBinary::Div => quotient(a, b),
        IntBinary::Rem => a - b * quotient(a, b),
        IntBinary::And => a & b,
        IntBinary::Or => a | b,
        IntBinary::Xor => a ^ b,
        IntBinary::Min => a.min(b),
        IntBinary::Max => a.max(b),
    })
    .ok()
}

proptest! {
    #[test]
    fn integers_are_exact_or_a_fault(op in 0..IntBinary::ALL.len(), a in integers(), b in integers()) {
        let op = IntBinary::ALL[op].0;
        let mut build = wide();
        let [x, y, dst] = [0; 3].map(|_| build.reg(Kind::Int, &[1]));
        build.ints(x, &[a]);
        build.ints(y, &[b]);
        build.op(Instr::IntBinary { dst, op, a: x, b: y });
        build.output_ints(dst);
        let divides = matches!(op, IntBinary::Div | IntBinary::Rem);
        if divides && b == 0 {
            let error = build.run::<Z128>(&[], &seeded(1)).unwrap_err();
            prop_assert!(matches!(error.fault, Fault::DivisionByZero));
            prop_assert_eq!(error.place, Some(("test.mpc".into(), 3)));
        } else if let Some(expected) = integer_meaning(op, a.into(), b.into()) {
            prop_assert_eq!(build.outputs::<Z128>(&[])[0][0], Z128::from_i128(expected.into()));
        } else {
            let error = build.run::<Z128>(&[], &seeded(1)).unwrap_err();
            prop_assert!(matches!(error.fault, Fault::IntegerOverflow));
            prop_assert_eq!(error.place, Some(("test.mpc".into(), 3)));
        }
    }

    #[test]
    fn reals(op in 0..RealBinary::ALL.len(), a in -1e6..1e6f64, b in -3.0..3.0f64) {
        let op = RealBinary::ALL[op].0;
        let mut build = new();
        let [x, y, dst] = [0; 3].map(|_| build.reg(Kind::Real, &[1]));
        build.reals(x, &[a]);
        build.reals(y, &[b]);
        build.op(Instr::RealBinary { dst, op, a: x, b: y });
        let expected = match op {
            RealBinary::Add => a + b,
            RealBinary::Sub => a - b,
            RealBinary::Mul => a * b,
            RealBinary::Div => a / b,
            RealBinary::Pow => a.powf(b),
            RealBinary::Min => if a < b { a } else { b },
            RealBinary::Max => if a > b { a } else { b },
        };
        prop_assert_eq!(value(&mut build, dst)[0].to_bits(), expected.to_bits());
    }

    #[test]
    fn comparisons(a in integers(), b in integers()) {
        for (op, expected) in [(Comparison::Lt, a < b), (Comparison::Le, a <= b), (Comparison::Eq, a == b), (Comparison::Ne, a != b)] {
            let mut build = new();
            let [x, y, dst] = [0; 3].map(|_| build.reg(Kind::Int, &[1]));
            build.ints(x, &[a]);
            build.ints(y, &[b]);
            build.op(Instr::Compare { dst, op, a: x, b: y });
            prop_assert_eq!(value(&mut build, dst), [f64::from(u8::from(expected))]);
            let (p, q) = (a as f64, b as f64);
            let mut build = new();
            let [x, y] = [0; 2].map(|_| build.reg(Kind::Real, &[1]));
            let dst = build.reg(Kind::Int, &[1]);
            build.reals(x, &[p]);
            build.reals(y, &[q]);
            build.op(Instr::Compare { dst, op, a: x, b: y });
            let expected = match op {
                Comparison::Lt => p < q,
                Comparison::Le => p <= q,
                Comparison::Eq => p == q,
                Comparison::Ne => p != q,
            };
            prop_assert_eq!(value(&mut build, dst), [f64::from(u8::from(expected))]);
        }
    }

    #[test]
    fn encoding_is_nearest(x in -32767.0..32767.0f64, halves in -1000..1000i64, frac in 0..30u32) {
        // any number, and a tie
        for x in [x, (halves as f64 + 0.5) * 2f64.powi(-(frac as i32))] {
            let mut b = new();
            let (real, plain) = (b.reg(Kind::Real, &[1]), b.reg(Kind::Plain, &[1]));
            b.reals(real, &[x]);
            b.op(Instr::Encode { dst: plain, a: real, frac });
            b.output_plain(plain);
            let found = b.outputs::<Z64>(&[])[0][0].to_i128().unwrap() as f64;
            let scaled = x * 2f64.powi(frac as i32);
            prop_assert!((found - scaled).abs() <= 0.5);
            prop_assert!((found - scaled).abs() < 0.5 || found.abs() > scaled.abs(), "a tie goes away from zero");
        }
    }
}

#[test]
fn functions_of_one_real() {
    let cases: [(RealUnary, f64, f64); 10] = [
        (RealUnary::Neg, 1.5, -1.5),
        (RealUnary::Abs, -2.0, 2.0),
        (RealUnary::Sqrt, 2.25, 1.5),
        (RealUnary::Exp, 0.0, 1.0),
        (RealUnary::Ln, 1.0, 0.0),
        (RealUnary::Floor, -1.5, -2.0),
        (RealUnary::Ceil, -1.5, -1.0),
        (RealUnary::Sin, 0.0, 0.0),
        (RealUnary::Cos, 0.0, 1.0),
        (RealUnary::Exp, 1.0, std::f64::consts::E),
    ];
    assert_eq!(RealUnary::ALL.len(), 9);
    for (op, a, expected) in cases {
        let mut b = new();
        let x = b.reg(Kind::Real, &[3]);
        b.reals(x, &[a]);
        b.op(Instr::RealUnary { dst: x, op, a: x });
        assert_eq!(value(&mut b, x), [expected; 3], "{op}");
    }
}

#[test]
fn decoding_reads_signed_values() {
    let mut b = Build::new(192, Rounding::Nearest);
    let values = [Z192::from_i128(-3), Z192::from_i128(5), Z192::MIN, Z192::MAX];
    let (plain, real, int) = (b.reg(Kind::Plain, &[4]), b.reg(Kind::Real, &[4]), b.reg(Kind::Int, &[2]));
    let small = b.alias(plain, 0, &[(2, 1)]);
    let (name, whole) = (b.name("real"), b.name("int"));
    b.plain(plain, &values);
    b.op(Instr::Decode { dst: real, a: plain, frac: 1 });
    b.op(Instr::Decode { dst: int, a: small, frac: 1 });
    b.op(Instr::Metric { name, a: real });
    b.op(Instr::Metric { name: whole, a: int });
    let metrics = b.run::<Z192>(&[], &seeded(1)).expect("it runs").0.metrics;
    let top = 2f64.powi(190);
    assert_eq!(metrics[0].1, [-1.5, 2.5, -top, top]);
    // whole numbers are rounded down, and those beyond 64 bits are a fault
    assert_eq!(metrics[1].1, [-2.0, 2.0]);
    let large = b.alias(plain, 1, &[(2, 1)]);
    b.op(Instr::Decode { dst: int, a: large, frac: 1 });
    let error = b.run::<Z192>(&[], &seeded(1)).unwrap_err();
    assert!(matches!(error.fault, Fault::NotWhole { value } if value == -top), "{error}");
}

#[test]
fn constants_fill_and_extend_their_sign() {
    use tern_bytecode::program::Constant;
    let mut b = Build::new(192, Rounding::Nearest);
    let (one, many) = (b.reg(Kind::Plain, &[2, 2]), b.reg(Kind::Plain, &[3]));
    b.program.constants.push(Constant::Ring { width: 2, bytes: vec![0xfe, 0xff] });
    b.program.constants.push(Constant::Ring { width: 1, bytes: vec![1, 0x80, 0x7f] });
    b.op(Instr::Constant { dst: one, pool: 0 });
    b.op(Instr::Constant { dst: many, pool: 1 });
    b.output_plain(one);
    b.output_plain(many);
    let found = b.outputs::<Z192>(&[]);
    assert_eq!(found[0], [Z192::from_i128(-2); 4]);
    assert_eq!(found[1], [1, -128, 127].map(Z192::from_i128));
}

#[test]
fn numbers_without_a_whole_part_of_64_bits_are_a_fault() {
    let mut b = new();
    let (real, int, back) = (b.reg(Kind::Real, &[4]), b.reg(Kind::Int, &[4]), b.reg(Kind::Real, &[4]));
    let end = 2f64.powi(63);
    b.reals(real, &[-1.5, 1.5, -end, -0.0]);
    b.op(Instr::RealToInt { dst: int, a: real });
    b.op(Instr::IntToReal { dst: back, a: int });
    assert_eq!(value(&mut b, back), [-2.0, 1.0, -end, 0.0]);
    for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, end] {
        let mut b = new();
        let (real, int) = (b.reg(Kind::Real, &[2]), b.reg(Kind::Int, &[2]));
        b.reals(real, &[1.0, none]);
        b.op(Instr::RealToInt { dst: int, a: real });
        let (fault, line) = fault(&b);
        let Fault::NotWhole { value } = fault else { panic!("{none}: {fault}") };
        assert_eq!((value.to_bits(), line), (none.to_bits(), 2));
    }
}

/// What meets secrets keeps the contract: below 2^15 with 16 fraction bits of 32, whole numbers below 2^31.
#[test]
fn public_numbers_beyond_the_precision_are_a_fault() {
    let top = 32768.0 - 2f64.powi(-16);
    for (value, frac, fits) in [
        (top, 16, true),
        (-top, 16, true),
        (32768.0, 16, false),
        (-32768.0, 16, false),
        (top + 2f64.powi(-17), 16, false), // rounded up
        (f64::NAN, 16, false),
        (f64::INFINITY, 16, false),
        (f64::NEG_INFINITY, 0, false),
        (2147483647.0, 0, true),
        (2147483648.0, 0, false),
        (32767.9, 20, true),
        (32768.0, 20, false),
    ] {
        let mut b = new();
        let (real, plain) = (b.reg(Kind::Real, &[2]), b.reg(Kind::Plain, &[2]));
        b.reals(real, &[0.0, value]);
        b.op(Instr::Encode { dst: plain, a: real, frac });
        b.output_plain(plain);
        let run = b.run::<Z64>(&[], &seeded(1));
        assert_eq!(run.is_ok(), fits, "{value}, {frac}");
        if let Err(error) = run {
            assert!(matches!(error.fault, Fault::Unrepresentable { .. }), "{error}");
            assert_eq!(error.place, Some(("test.mpc".into(), 2)));
        }
    }
    for (value, frac, fits) in [
        (32767, 16, true),
        (32768, 16, false),
        (-(1 << 31), 0, false),
        (1 - (1 << 31), 0, true),
        (i64::MAX, 3, false),
    ] {
        let mut b = new();
        let (int, plain) = (b.reg(Kind::Int, &[1]), b.reg(Kind::Plain, &[1]));
        b.ints(int, &[value]);
        b.op(Instr::Encode { dst: plain, a: int, frac });
        b.output_plain(plain);
        assert_eq!(b.run::<Z64>(&[], &seeded(1)).is_ok(), fits, "{value}, {frac}");
    }
}

#[test]
fn choices() {
    let mut b = new();
    let (cond, start) = (b.reg(Kind::Int, &[2, 2]), b.reg(Kind::Int, &[2, 2]));
    let (x, y) = (b.reg(Kind::Real, &[4]), b.reg(Kind::Real, &[2, 2]));
    let chosen = b.reg(Kind::Real, &[2, 2]);
    let transposed = b.alias(x, 0, &[(2, 1), (2, 2)]);
    b.ints(cond, &[0, 1, -1, 0]);
    b.op(Instr::Iota { dst: start, start: 10, step: -3 });
    b.op(Instr::IntToReal { dst: y, a: start });
    b.reals(x, &[0.0, 1.0, 2.0, 3.0]);
    b.op(Instr::Choose { dst: chosen, cond, a: transposed, b: y });
    assert_eq!(value(&mut b, chosen), [10.0, 2.0, 1.0, 1.0]);
}

#[test]
fn sums_of_public_numbers() {
    let mut b = new();
    let (x, sums) = (b.reg(Kind::Real, &[2, 3]), b.reg(Kind::Real, &[3]));
    b.reals(x, &[1.0, 2.0, 3.0, 1e16, -2.0, 0.5]);
    b.op(Instr::Sum { dst: sums, a: x, axes: 0b01 });
    let (n, total) = (b.reg(Kind::Int, &[4]), b.reg(Kind::Int, &[]));
    b.ints(n, &[1 << 30, 1, 5, 6]);
    b.op(Instr::Sum { dst: total, a: n, axes: 1 });
    b.output_ints(total);
    assert_eq!(value(&mut b, sums), [1e16 + 1.0, 0.0, 3.5]);
    assert_eq!(b.outputs::<Z64>(&[])[0][0], Z64::from_i128((1 << 30) + 12));
    let mut b = new();
    let (n, total) = (b.reg(Kind::Int, &[2]), b.reg(Kind::Int, &[]));
    b.ints(n, &[i64::MAX, 1]);
    b.op(Instr::Sum { dst: total, a: n, axes: 1 });
    assert!(matches!(fault(&b), (Fault::IntegerOverflow, 2)));
}

#[test]
fn permutations_are_permutations() {
    let mut b = new();
    let (order, counter) = (b.reg(Kind::Int, &[130]), b.reg(Kind::Int, &[]));
    let name = b.name("order");
    b.op(Instr::Loop { counter, trips: 2 });
    b.op(Instr::Shuffle { dst: order, n: 100 });
    b.op(Instr::Metric { name, a: order });
    b.op(Instr::End {});
    let draw = |seed| b.run::<Z64>(&[], &seeded(seed)).expect("it runs").0.metrics;
    let orders = draw(1);
    assert_eq!(orders, draw(1));
    assert_ne!(orders[0].1, orders[1].1);
    assert_ne!(orders[0].1, draw(2)[0].1);
    for (_, order, _) in &orders {
        let mut rows = order[..100].to_vec();
        assert!(rows.windows(2).any(|pair| pair[1] < pair[0]), "it is shuffled");
        rows.sort_by(f64::total_cmp);
        assert_eq!(rows, (0..100).map(f64::from).collect::<Vec<_>>());
        assert!(order[100..].iter().all(|row| (0.0..100.0).contains(row) && row.fract() == 0.0));
    }
}

#[test]
fn permutations_are_uniform() {
    // 3! orders of three rows, 6,000 draws: chi-square with 5 degrees of freedom below its 1 - 10^-6 quantile
    let mut b = new();
    let (order, counter) = (b.reg(Kind::Int, &[4]), b.reg(Kind::Int, &[]));
    let name = b.name("order");
    b.op(Instr::Loop { counter, trips: 6000 });
    b.op(Instr::Shuffle { dst: order, n: 3 });
    b.op(Instr::Metric { name, a: order });
    b.op(Instr::End {});
    let draws = b.run::<Z64>(&[], &seeded(1)).expect("it runs").0.metrics;
    let mut orders = std::collections::BTreeMap::new();
    let mut picks = [0; 3];
    for (_, order, _) in &draws {
        *orders.entry([0, 1, 2].map(|i| order[i] as usize)).or_insert(0) += 1;
        picks[order[3] as usize] += 1;
    }
    let chi = |counts: &[i32], expected: f64| -> f64 {
        counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum()
    };
    let counts: Vec<i32> = orders.into_values().collect();
    assert_eq!(counts.len(), 6);
    assert!(chi(&counts, 1000.0) < 35.9, "{counts:?}");
    assert!(chi(&picks, 2000.0) < 27.6, "{picks:?}");
}

#[test]
fn public_uniform_numbers() {
    let mut b = new();
    let x = b.reg(Kind::Real, &[100, 100]);
    b.op(Instr::PublicUniform { dst: x });
    let values = value(&mut b, x);
    assert!(values.iter().all(|x| (0.0..1.0).contains(x)));
    let mean = values.iter().sum::<f64>() / 1e4;
    let square = values.iter().map(|x| x * x).sum::<f64>() / 1e4;
    assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0f64).sqrt() / 100.0);
    assert!((square - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0f64).sqrt() / 100.0);
}
