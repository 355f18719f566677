//! Loops, branches, faults, figures.

use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Reg, cost};
use tern_vm::ring::{Ring, Z64};
use tern_vm::{Fault, Options, emulate};

use super::build::{Build, Memo, ROUTE, seeded};

fn new() -> Build {
    Build::new(64, Rounding::Nearest)
}

fn scalar(b: &mut Build) -> Reg {
    b.reg(Kind::Int, &[])
}

/// Reports the register under the name "seen".
fn report(b: &mut Build, a: Reg) {
    let name = b.name("seen");
    b.op(Instr::Metric { name, a });
}

fn seen(b: &Build) -> Vec<(f64, Vec<u32>)> {
    let (host, _) = b.run::<Z64>(&[], &seeded(1)).expect("it runs");
    host.metrics.into_iter().map(|(_, values, loops)| (values[0], loops)).collect()
}

#[test]
fn loops_count() {
    let mut b = new();
    let (i, j, n) = (scalar(&mut b), scalar(&mut b), scalar(&mut b));
    b.op(Instr::Loop { counter: i, trips: 2 });
    b.op(Instr::Loop { counter: j, trips: 3 });
    b.op(Instr::IntBinary { dst: n, op: tern_bytecode::instr::IntBinary::Add, a: i, b: j });
    report(&mut b, n);
    b.op(Instr::End {});
    b.op(Instr::End {});
    let expected: Vec<(f64, Vec<u32>)> =
        (0..2u32).flat_map(|i| (0..3u32).map(move |j| (f64::from(i + j), vec![i, j]))).collect();
    assert_eq!(seen(&b), expected);
}

#[test]
fn loops_without_trips_are_skipped() {
    let mut b = new();
    let (i, j) = (scalar(&mut b), scalar(&mut b));
    b.op(Instr::Loop { counter: i, trips: 0 });
    b.op(Instr::Loop { counter: j, trips: 9 });
    report(&mut b, i);
    b.op(Instr::End {});
    b.op(Instr::End {});
    report(&mut b, i);
    assert_eq!(seen(&b), [(0.0, vec![])]);
}

#[test]
fn a_break_ends_the_innermost_loop() {
    let mut b = new();
    let (i, j, stop, two) = (scalar(&mut b), scalar(&mut b), scalar(&mut b), scalar(&mut b));
    b.ints(two, &[2]);
    b.op(Instr::Loop { counter: i, trips: 2 });
    b.op(Instr::Loop { counter: j, trips: 100 });
    report(&mut b, j);
    b.op(Instr::Compare { dst: stop, op: tern_bytecode::instr::Comparison::Eq, a: j, b: two });
    b.op(Instr::BreakIf { cond: stop });
    b.op(Instr::End {});
    b.op(Instr::End {});
    let expected: Vec<(f64, Vec<u32>)> =
        (0..2).flat_map(|i| (0..3u32).map(move |j| (f64::from(j), vec![i, j]))).collect();
    assert_eq!(seen(&b), expected);
}

#[test]
fn branches() {
    for (cond, expected) in [(1, vec![10.0, 99.0]), (0, vec![20.0, 99.0]), (-7, vec![10.0, 99.0])] {
        let mut b = new();
        let (c, x) = (scalar(&mut b), scalar(&mut b));
        b.ints(c, &[cond]);
        b.op(Instr::If { cond: c });
        b.ints(x, &[10]);
        report(&mut b, x);
        b.op(Instr::Else {});
        b.ints(x, &[20]);
        report(&mut b, x);
        b.op(Instr::End {});
        b.op(Instr::If { cond: x });
        b.ints(x, &[99]);
        report(&mut b, x);
        b.op(Instr::End {});
        assert_eq!(seen(&b).into_iter().map(|(x, _)| x).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn figures_are_those_of_the_cost_model() {
    let mut b = new();
    let (x, y, i) = (b.reg(Kind::Shared, &[9]), b.reg(Kind::Shared, &[9]), scalar(&mut b));
    b.input(x);
    b.op(Instr::Loop { counter: i, trips: 5 });
    let truncate = b.op(Instr::Truncate { dst: y, a: x, bits: 16, route: ROUTE });
    b.op(Instr::End {});
    b.output(y);
    let (_, report) =
        b.run::<Z64>(&[&[Z64::ONE; 9]], &Options { profile: true, ..seeded(1) }).expect("it runs");
    let bytes = |at: u32| -> u64 { cost::bytes(&cost::traffic(&b.program, &b.program.code[at as usize])) };
    let last = b.program.code.iter().rposition(|instr| matches!(instr, Instr::Output { .. })).unwrap() as u32;
    assert_eq!(report.bits(), 8 * (bytes(0) + 5 * bytes(truncate) + bytes(last)));
    let rounds = u64::from(cost::rounds(&b.program, &b.program.code[truncate as usize]));
    assert_eq!(report.rounds, 1 + 5 * rounds + 1);
    assert_eq!(report.executions[truncate as usize], 5);
    assert_eq!(report.times.len(), b.program.code.len());
    assert!(report.times[truncate as usize] <= report.elapsed);
    assert_eq!(report.memory, 9 * 8 * 2 + 8);
}

#[test]
fn an_index_out_of_range_is_located() {
    for (index, scatter) in [(4, false), (-1, false), (i64::MIN, true), (4, true)] {
        let mut b = new();
        let (table, rows) = (b.reg(Kind::Shared, &[4, 2]), b.reg(Kind::Shared, &[2, 2]));
        let at = b.reg(Kind::Int, &[2]);
        b.ints(at, &[3, index]);
        let here = b.op(match scatter {
            true => Instr::Scatter { dst: table, a: rows, index: at },
            false => Instr::Gather { dst: rows, a: table, index: at },
        });
        let error = b.run::<Z64>(&[], &seeded(1)).unwrap_err();
        assert!(matches!(error.fault, Fault::Index { index: i, rows: 4 } if i == index));
        assert_eq!(error.at, Some(here));
        let line = here + 1;
        assert_eq!(
            error.to_string(),
            format!("test.mpc:{line}: index {index} is not a row of a tensor of 4 rows (instruction {here})")
        );
    }
}

#[test]
fn inputs_that_the_host_does_not_have() {
    let mut b = new();
    let x = b.reg(Kind::Shared, &[4]);
    b.input(x);
    let missing = b.run::<Z64>(&[], &seeded(1)).unwrap_err();
    assert_eq!(missing.to_string(), "test.mpc:1: input x0: not given (instruction 0)");
    let short = b.run::<Z64>(&[&[Z64::ONE]], &seeded(1)).unwrap_err();
    assert_eq!(short.to_string(), "test.mpc:1: input x0: too short (instruction 0)");
}

#[test]
fn memory_has_a_limit() {
    let mut b = new();
    let x = b.reg(Kind::Shared, &[100]);
    let wide = b.alias(x, 0, &[(1 << 20, 0), (1 << 19, 0)]);
    let limited = Options { memory_limit: 799, ..seeded(1) };
    let error = b.run::<Z64>(&[], &limited).unwrap_err();
    assert!(matches!(error.fault, Fault::Memory { needed: 800, limit: 799 }));
    assert!(b.run::<Z64>(&[], &Options { memory_limit: 800, ..seeded(1) }).is_ok());
    // a view that repeats its elements is as large as it says when it is copied out
    b.output(wide);
    let error = b.run::<Z64>(&[], &Options { memory_limit: 1 << 30, ..seeded(1) }).unwrap_err();
    assert!(matches!(error.fault, Fault::Memory { needed, .. } if needed == 800 + (8 << 39)));
    assert_eq!(error.place, Some(("test.mpc".into(), 1)));
}

#[test]
fn the_host_can_cancel() {
    let mut b = new();
    let (i, j) = (scalar(&mut b), scalar(&mut b));
    b.op(Instr::Loop { counter: i, trips: u32::MAX });
    b.op(Instr::Loop { counter: j, trips: u32::MAX });
    b.op(Instr::End {});
    b.op(Instr::End {});
    let mut host = Memo::<Z64> { stop_at: Some(1000), ..Memo::default() };
    let error = emulate(&b.program, &mut host, &seeded(1)).unwrap_err();
    assert!(matches!(error.fault, Fault::Cancelled));
    assert_eq!(host.ticks, 1000);
}

#[test]
fn invalid_programs_do_not_run() {
    let mut b = new();
    let x = b.reg(Kind::Shared, &[4]);
    b.program.views[x.0 as usize].offset = 1;
    assert!(matches!(b.run::<Z64>(&[], &seeded(1)).unwrap_err().fault, Fault::Invalid(_)));
    let mut b = new();
    b.program.header.ring = 65;
    assert!(matches!(b.run::<Z64>(&[], &seeded(1)).unwrap_err().fault, Fault::Invalid(_)));
}

#[test]
fn debug_shows_values() {
    let mut b = new();
    let x = b.reg(Kind::Shared, &[2]);
    let bits = b.reg(Kind::Bit, &[2]);
    let label = b.name("x");
    b.input(x);
    b.op(Instr::Sign { dst: bits, a: x, width: 32, route: ROUTE });
    b.op(Instr::Debug { label, a: x, frac: 1 });
    b.op(Instr::Debug { label, a: bits, frac: 0 });
    let (host, _) = b.run::<Z64>(&[&[Z64::from_i128(-3), Z64::from_u64(5)]], &seeded(1)).expect("it runs");
    let expected = [("x".into(), vec![2], vec![-1.5, 2.5]), ("x".into(), vec![2], vec![1.0, 0.0])];
    assert_eq!(host.shown, expected);
}
