//! Range mode.

use tern_bytecode::program::{Line, RangeCheck, Rounding};
use tern_bytecode::{Instr, Kind};
use tern_vm::Options;
use tern_vm::machine::{RangeReport, Watch, Wrong};
use tern_vm::ring::{Ring, Z64};

use super::build::{Build, ROUTE, seeded};

fn watched(b: &Build, inputs: &[&[Z64]]) -> RangeReport {
    let (_, report) = b.run(inputs, &Options { ranges: Watch::Everything, ..seeded(1) }).expect("it runs");
    report.ranges.expect("ranges were asked for")
}

fn fixed(x: f64) -> Z64 {
    Z64::from_f64(x * 65536.0)
}

#[test]
fn the_largest_value_of_a_line_and_the_first_outside_its_range() {
    let mut b = Build::new(64, Rounding::Nearest);
    let (x, sum, i) = (b.reg(Kind::Shared, &[2]), b.reg(Kind::Shared, &[2]), b.reg(Kind::Int, &[]));
    b.input(x);
    b.op(Instr::Loop { counter: i, trips: 5 });
    let at = b.op(Instr::Add { dst: sum, a: sum, b: x });
    b.op(Instr::End {});
    b.program.ranges.push(RangeCheck {
        at,
        frac: 16,
        low: -4.0,
        high: 4.0,
        line: Line { file: 0, line: 77 },
        inner: Line { file: 0, line: 77 },
    });
    let report = watched(&b, &[&[fixed(0.5), fixed(-1.25)]]);
    assert_eq!(report.lines.len(), 1);
    assert_eq!(report.lines[0].largest, 6.25);
    assert_eq!(report.lines[0].place, Some(("test.mpc".into(), at + 1)));
    assert_eq!(report.violations(), 2); // -5 and -6.25
    let [first] = &report.outside[..] else { panic!("one line") };
    assert_eq!((first.at, first.loops.clone(), first.times), (at, vec![3], 2));
    assert_eq!(first.wrong, Wrong::Range { value: -6.25, low: -4.0, high: 4.0 });
    // Where the range is declared, not where the value was computed.
    assert_eq!(
        first.to_string(),
        "test.mpc:77: a number reaches -6.25, and is said to be within -4..4; 2 times, first in iteration 3"
    );
    assert!(b.run::<Z64>(&[&[Z64::ONE; 2]], &seeded(1)).expect("it runs").1.ranges.is_none());
}

#[test]
fn truncations_beyond_the_ring() {
    let quarter = 1i128 << 62;
    for (rounding, value, fits) in [
        (Rounding::Probabilistic, quarter, true),
        (Rounding::Probabilistic, -quarter, true),
        (Rounding::Probabilistic, quarter + 1, false),
        (Rounding::Probabilistic, -quarter - 1, false),
        (Rounding::Nearest, quarter - (1 << 15) - 1, true),
        (Rounding::Nearest, 1 - quarter + (1 << 15), true),
        (Rounding::Nearest, quarter - (1 << 15), false),
        (Rounding::Nearest, (1 << 15) - quarter, false),
    ] {
        let mut b = Build::new(64, rounding);
        let (x, y) = (b.reg(Kind::Shared, &[1]), b.reg(Kind::Shared, &[1]));
        b.input(x);
        b.op(Instr::Truncate { dst: y, a: x, bits: 16, route: ROUTE });
        let report = watched(&b, &[&[Z64::from_i128(value)]]);
        assert_eq!(report.outside.is_empty(), fits, "{value}, {rounding:?}: {:?}", report.outside);
        assert_eq!(report.violations(), u64::from(!fits));
    }
}

#[test]
fn signs_of_values_that_are_too_wide() {
    for (value, fits) in [(127, true), (-128, true), (128, false), (-129i32, false)] {
        let mut b = Build::new(64, Rounding::Nearest);
        let (x, y) = (b.reg(Kind::Shared, &[3]), b.reg(Kind::Bit, &[3]));
        b.input(x);
        b.op(Instr::Sign { dst: y, a: x, width: 8, route: ROUTE });
        let report = watched(&b, &[&[Z64::ZERO, Z64::from_i128(value.into()), Z64::ONE]]);
        let expected = (!fits).then_some(Wrong::Comparison { factor: f64::from(value.abs()) / 128.0 });
        assert_eq!(report.outside.first().map(|first| first.wrong), expected);
    }
}

#[test]
fn products_that_vanish() {
    let mut b = Build::new(64, Rounding::Nearest);
    let (x, tiny, y) = (b.reg(Kind::Shared, &[2]), b.reg(Kind::Shared, &[2]), b.reg(Kind::Shared, &[2]));
    b.input(x);
    b.input(tiny);
    b.op(Instr::Truncate { dst: y, a: x, bits: 16, route: ROUTE });
    let at = b.op(Instr::Truncate { dst: y, a: tiny, bits: 16, route: ROUTE });
    let report = watched(&b, &[&[fixed(1.0), Z64::ONE], &[Z64::ONE, Z64::ZERO]]);
    assert_eq!(report.vanished.iter().map(|line| line.at).collect::<Vec<_>>(), [at]);
    assert_eq!(report.violations(), 0);
}
