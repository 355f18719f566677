//! Loops that are bounded by the counters of loops around them, against the same loops in Rust, and against what `unroll` gives.
#![allow(clippy::needless_range_loop)] // the loops are those of the programs

use std::collections::BTreeMap;

use tern_bytecode::instr::Instr;
use tern_bytecode::report::report;
use tern_compiler::ir::Rounding;
use tern_tests::run::{compiled, interpreted, messages, settings};

const X: [f64; 7] = [1.5, -2.0, 0.25, 3.0, -0.5, 4.0, 1.0];

/// A program whose `w` is a sum that the loops make of the numbers `X`.
fn program(functions: &str, loops: &str) -> String {
    format!(
        "input x: fix[7] from party 0\n{functions}fn main() {{\n    var w = x[0] * 0\n{loops}\n    output w = w to party 0\n}}\n"
    )
}

#[track_caller]
fn gives(functions: &str, loops: &str, expected: f64) {
    let ir = compiled(&program(functions, loops), settings(16, Rounding::Nearest)).ir.expect("compiled");
    let inputs = BTreeMap::from([("x".to_string(), X.to_vec())]);
    let found = interpreted(&ir, &inputs, 1)["w"][0];
    assert!((found - expected).abs() < 1e-9, "{found}, exactly {expected}: {loops}");
}

#[test]
fn every_pair_once() {
    let mut expected = 0.0;
    for i in 0..7 {
        for j in i + 1..7 {
            expected += X[i] * X[j] * (i + 2 * j) as f64;
        }
    }
    gives("", "for i in 0..7 { for j in i + 1..7 { w += x[i] * x[j] * (i + 2 * j) } }", expected);
    let pair = "fn pair(x: fix[n], i: int) -> fix { var w = 0.0\n for j in i+1..n { w += x[i] * x[j] * (i + 2 * j) }\n w }\n";
    gives(pair, "for i in 0..7 { w += pair(x, i) }", expected);
}

/// Bounds at both ends, with steps and through functions of counters, beside loops that stay run-time loops.
#[test]
fn bounds_of_several_counters() {
    let mut expected = 0.0;
    for i in (1..7).step_by(2) {
        for rows in 0..3 {
            for j in (i / 2..i).step_by(2) {
                for k in (i - j).min(5)..7 {
                    expected += X[k] + X[rows] * j as f64;
                }
            }
        }
    }
    let loops = "for i in 1..7 by 2 { for row in 0..3 { for j in div(i, 2)..i by 2 { let from = min(i - j, 5)\n\
                 for k in from..7 { w += x[k] + x[row] * j } } } }";
    gives("", loops, expected);
    let lists: f64 = (0..7).map(|i| (0..i).map(|j| X[i] * j as f64).sum::<f64>()).sum();
    gives("", "for i in 1..7 { w += sum([j * x[i] for j in 0..i]) }", lists);
    gives("", "for i in 0..7 { for j in i..i { w += x[j] } }", 0.0);
    gives("", "for i in 3..3 { for j in i..7 { w += x[j] } }", 0.0);
}

/// Only the loops that a bound depends on are expanded, and cost what they cost under `unroll`.
#[test]
fn nothing_else_is_expanded() {
    let code = |outer: &str| {
        let loops =
            format!("for epoch in 0..9 {{ {outer} i in 0..7 {{ for j in i+1..7 {{ w += x[i] * x[j] }} }} }}");
        compiled(&program("", &loops), settings(16, Rounding::Nearest)).program.expect("compiled")
    };
    let (bare, unrolled) = (code("for"), code("unroll for"));
    assert_eq!(bare.code, unrolled.code);
    assert_eq!(report(&bare).rounds, report(&unrolled).rounds);
    let loops = bare.code.iter().filter(|instr| matches!(instr, Instr::Loop { .. }));
    assert_eq!(loops.count(), 1 + 6, "of epochs, and one for each i but the last");
}

/// A line in loops that were expanded runs as often as all of them together.
#[test]
fn executions_are_those_of_all_loops() {
    let source =
        program("", "for epoch in 0..9 {\nfor i in 0..7 {\nfor j in i+1..7 {\nw += x[i] * x[j]\n}\n}\n}");
    let line = source.lines().position(|line| line.starts_with("w += ")).expect("the line") as u32 + 1;
    let report = report(&compiled(&source, settings(16, Rounding::Nearest)).program.expect("compiled"));
    let spent = report.by_line.iter().find(|spent| spent.line == line).expect("it costs something");
    assert_eq!(spent.executions, 9 * (6 + 5 + 4 + 3 + 2 + 1));
}

/// A bound that is known at run time only stays an error, whatever else it depends on.
#[test]
fn other_bounds_are_refused() {
    for bound in ["floor(reveal(x[0]))", "i + floor(reveal(x[0]))", "n"] {
        let loops = format!("var n = 0\nfor i in 0..7 {{ n += 1\n for j in 0..{bound} {{ w += x[j] }} }}");
        let said = messages(&program("", &loops), settings(16, Rounding::Nearest));
        assert!(said.contains("error[T004]: a constant whole number is needed here"), "{bound}: {said}");
        assert_eq!(said.matches("error[").count(), 1, "{said}");
    }
}
