//! Table 1: single operations, what they cost and how exact they are.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_host::{Emulation, Events, inputs_of_arrays};
use tern_tools::say;
use tern_vm::data::{Array, Values};
use tern_vm::machine::Watch;

use super::kept::Kept;
use super::table::{Table, number};
use super::{ReproduceArgs, suffix};
use crate::RoundingArg;
use crate::bench::Measurement;
use crate::operations::{Check, MATRIX, MODULES, OPERATIONS, Operation, compiled};

/// Elements of an operation, unless told otherwise.
const ELEMENTS: u32 = 20_000;

/// What was measured.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Figures {
    bits: f64,
    rounds: f64,
    nanoseconds: f64,
    /// The largest and the mean error.
    errors: Option<(f64, f64)>,
}

pub(super) fn table1(args: &ReproduceArgs) -> anyhow::Result<()> {
    let title = format!(
        "Operations, per element, modulo 2^(4f), {} processes on this machine with a thread each{}",
        args.processes(),
        args.under()
    );
    let mut table = Table::new(
        &title,
        &[
            "operation",
            "f",
            "bits",
            "rounds",
            "ns",
            "largest error",
            "mean error",
            "paper bits",
            "system bits",
            "system rounds",
            "errors with",
        ],
    );
    for fixed in [16, 32] {
        // the matrix product has no elements like the others
        for operation in OPERATIONS.iter().filter(|operation| operation.name != MATRIX) {
            let name = format!("{} f={fixed}", operation.name);
            if !args.wants(&name) {
                continue;
            }
            match figures(args, operation, fixed, &name).with_context(|| name.clone())? {
                Some(figures) => table.row(cells(operation, fixed, &figures)),
                None => say::outln(format_args!("{name}: not run")),
            }
        }
    }
    table.note("Bits are those of all parties together. Errors are against double precision, of the emulator with the same arithmetic: absolute, and beyond the rounding of the arguments.");
    table.note("paper: Keller and Sun, Secure Quantized Training for Deep Learning, Table 1 (f = 32); system: theirs, measured in 2026; its inverse square root is off by up to 0.36 %, ours by 0.25 % if coarse.");
    args.publish(&format!("table1{}", suffix(args.protocol)), &table)
}

/// Measures an operation, unless that has been done before; `None` if it is not to be done.
fn figures(
    args: &ReproduceArgs,
    operation: &Operation,
    fixed: u32,
    name: &str,
) -> anyhow::Result<Option<Figures>> {
    let elements = args.samples.unwrap_or(ELEMENTS).max(1) as usize;
    let cost = Measurement::new(operation, fixed, elements, args.protocol)?;
    let check = match operation.check {
        Some(check) => Some((check, program(args, &check, operation.rounding, fixed, elements)?)),
        None => None,
    };
    let programs: Vec<&Program> =
        std::iter::once(&cost.program).chain(check.as_ref().map(|(_, program)| program)).collect();
    let directory = format!("table1-{}{}", name.replace(' ', "-"), suffix(args.protocol));
    let kept = Kept::new(&args.out, &directory, &programs, &[], args.seed)?;
    if let Some(known) = kept.result() {
        return Ok(Some(known));
    }
    if args.kept {
        return Ok(None);
    }
    say::outln(format_args!("{name}"));
    let cost = cost.run()?;
    let errors = match &check {
        Some((check, program)) => Some(errors(args, program, check, fixed, elements)?),
        None => None,
    };
    let figures = Figures { bits: cost.bits, rounds: cost.rounds, nanoseconds: cost.nanoseconds, errors };
    kept.finish(&figures)?;
    Ok(Some(figures))
}

/// The operation once on each element.
fn program(
    args: &ReproduceArgs,
    check: &Check,
    rounding: RoundingArg,
    fixed: u32,
    elements: usize,
) -> anyhow::Result<Program> {
    let element = if check.whole { "int" } else { "fix" };
    let expression = check.expression;
    let text = format!(
        "{MODULES}const N = {elements}
input x: {element}[N] from party 0
input y: {element}[N] from party 1
fn main() {{
    output z = {expression} to party 1
}}
"
    );
    compiled("errors.mpc", text, fixed, rounding, args.protocol)
}

/// The largest and the mean error in the emulator.
fn errors(
    args: &ReproduceArgs,
    program: &Program,
    check: &Check,
    fixed: u32,
    count: usize,
) -> anyhow::Result<(f64, f64)> {
    let frac = if check.whole { 0 } else { fixed };
    // a step that shares no factor with the count meets every x with another y
    let (x, y) = (check.x.numbers(count, 1, frac), check.y.numbers(count, 7919, frac));
    let array = |values: &[f64]| match check.whole {
        true => Array::new([count], values.iter().map(|v| *v as i64).collect::<Vec<i64>>()),
        false => Array::new([count], values.to_vec()),
    };
    let arrays = BTreeMap::from([("x".to_string(), array(&x)), ("y".to_string(), array(&y))]);
    let results = run(args, program, &arrays)?;
    let errors = || results.iter().zip(x.iter().zip(&y)).map(|(z, (x, y))| (z - (check.exact)(*x, *y)).abs());
    Ok((errors().fold(0.0, f64::max), errors().sum::<f64>() / count as f64))
}

/// The output in the emulator.
fn run(
    args: &ReproduceArgs,
    program: &Program,
    arrays: &BTreeMap<String, Array>,
) -> anyhow::Result<Vec<f64>> {
    let inputs = inputs_of_arrays(program, arrays)?;
    let emulation = Emulation {
        seed: Some(args.seed),
        alike: true,
        threads: 1,
        ranges: Watch::Nothing,
        ..Emulation::default()
    };
    let mut results = emulation.run(program, inputs, &mut Events::unheard())?.results;
    let (_, array) = results.remove("z").unwrap_or_default().pop().context("the program has no result")?;
    Ok(match array.into_values() {
        Values::F64(values) => values,
        Values::F32(values) => values.into_iter().map(f64::from).collect(),
        Values::I64(values) => values.into_iter().map(|v| v as f64).collect(),
        Values::I32(values) => values.into_iter().map(f64::from).collect(),
        Values::U8(values) => values.into_iter().map(f64::from).collect(),
    })
}

fn cells(operation: &Operation, fixed: u32, figures: &Figures) -> Vec<String> {
    let column = if fixed == 16 { 0 } else { 1 };
    let at_32 = |value: Option<u32>| number(value.filter(|_| fixed == 32).map(f64::from), 0);
    let error = |value: Option<f64>| match value {
        Some(0.0) => "0".to_string(),
        Some(value) => format!("{value:.1e}"),
        None => String::new(),
    };
    let arguments = operation.check.map_or(String::new(), |check| match check.expression.contains('y') {
        true => format!("x in {}; y in {}", check.x, check.y),
        false => format!("x in {}", check.x),
    });
    vec![
        operation.name.into(),
        fixed.to_string(),
        number(Some(figures.bits), 0),
        number(Some(figures.rounds), 0),
        number(Some(figures.nanoseconds), 0),
        error(figures.errors.map(|(largest, _)| largest)),
        error(figures.errors.map(|(_, mean)| mean)),
        at_32(operation.paper),
        number(operation.system.map(|system| f64::from(system[column])), 0),
        at_32(operation.system_rounds),
        arguments,
    ]
}
