//! Table 1: single operations, what they cost and how exact they are.

use std::fmt;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_compiler::Entry;
use tern_vm::data::{Array, Source, Values, read, write_npy};

use super::ReproduceArgs;
use super::kept::Kept;
use super::table::{Table, number};
use crate::bench::{Operation, measure, operation};
use crate::compile::{compile_text, show};
use crate::emulate::describe;
use crate::events::{Audience, Events};
use crate::host::{FileHost, Files, Outputs, read_inputs};
use crate::{RoundingArg, SourceArgs};

/// Elements of an operation, unless told otherwise.
const ELEMENTS: u32 = 20_000;

/// A row of the table.
struct Row {
    /// What is measured: `z` and `y` are shared, `z` becomes the result.
    operation: Operation,
    /// Rounds at f = 32 of the paper's system as it is today.
    system_rounds: Option<u32>,
    accuracy: Accuracy,
}

/// How an operation is compared with double precision.
struct Accuracy {
    /// In `x` and `y`.
    expression: &'static str,
    element: &'static str,
    x: Span,
    y: Span,
    /// Nothing where results are random.
    exact: Option<fn(f64, f64) -> f64>,
}

/// Where arguments lie.
#[derive(Clone, Copy)]
enum Span {
    /// Evenly between these.
    Even(f64, f64),
    /// Evenly in their logarithms.
    Log(f64, f64),
}

impl Accuracy {
    fn arguments(&self) -> String {
        match (self.exact, self.expression.contains('y')) {
            (None, _) => String::new(),
            (Some(_), false) => format!("x in {}", self.x),
            (Some(_), true) => format!("x in {}; y in {}", self.x, self.y),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Span::Even(low, high) | Span::Log(low, high)) = self;
        write!(f, "{low}..{high}")
    }
}

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
    let head = [
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
        "arguments of errors",
    ];
    let mut table = Table::new(
        "Operations, per element, modulo 2^(4f), three processes on this machine with a thread each",
        &head,
    );
    for fixed in [16, 32] {
        for row in rows() {
            let name = format!("{} f={fixed}", row.operation.name);
            if !args.wants(&name) {
                continue;
            }
            let figures = figures(args, &row, fixed).with_context(|| name.clone())?;
            match figures {
                Some(figures) => table.row(cells(&row, fixed, &figures)),
                None => println!("{name}: not run"),
            }
        }
    }
    table.note("Bits are those of all parties together. Errors are against double precision, of the emulator with the same arithmetic: absolute, and beyond the rounding of the arguments.");
    table.note("paper: Keller and Sun, Secure Quantized Training for Deep Learning, Table 1 (f = 32); system: theirs, measured in 2026.");
    args.publish("table1", &table)
}

fn rows() -> Vec<Row> {
    let nearest = |of: Operation| Operation { rounding: RoundingArg::Nearest, ..of };
    let row = |operation, system_rounds, expression, x, y, exact: fn(f64, f64) -> f64| Row {
        operation,
        system_rounds,
        accuracy: Accuracy { expression, element: "fix", x, y, exact: Some(exact) },
    };
    let heavy = |name, expression, paper, system| Operation {
        heavy: true,
        paper,
        system,
        ..operation(name, expression)
    };
    let (unit, few) = (Span::Even(-1.0, 1.0), Span::Even(-30.0, 30.0));
    let wide = Span::Log(0.01, 1000.0);
    let truncation = |name, paper| Operation { paper: Some(paper), ..operation(name, "z * 0.9") };
    let division = |name, paper, system| heavy(name, "y / z", Some(paper), system);
    let exponential = |name, paper, system| heavy(name, "exp(-z)", Some(paper), system);
    let inverse_root = |name, paper, system| heavy(name, "inv_sqrt(z)", Some(paper), system);
    let product = |name| Operation { paper: Some(384), ..operation(name, "from_raw(raw(z) * raw(y))") };
    let comparison =
        Operation { paper: Some(1369), system: Some([541, 1115]), ..operation("comparison", "fix(z < 0.5)") };
    let divide = |x, y| x / y;
    let ratio = Span::Log(0.5, 100.0);
    vec![
        Row {
            operation: product("integer multiplication"),
            system_rounds: None,
            accuracy: Accuracy {
                element: "int",
                expression: "x * y",
                x: few,
                y: few,
                exact: Some(|x, y| x * y),
            },
        },
        row(truncation("probabilistic truncation", 1536), None, "x * y", few, few, |x, y| x * y),
        row(nearest(truncation("nearest truncation", 4462)), None, "x * y", few, few, |x, y| x * y),
        row(comparison, None, "fix(x < y)", unit, unit, |x, y| f64::from(u8::from(x < y))),
        row(division("division", 29_866, Some([7252, 16522])), Some(58), "x / y", few, ratio, divide),
        row(nearest(division("division (nearest)", 57_798, None)), None, "x / y", few, ratio, divide),
        row(
            exponential("exponentiation", 77_684, Some([10424, 37379])),
            Some(28),
            "exp(x)",
            Span::Even(-8.0, 4.0),
            unit,
            |x, _| x.exp(),
        ),
        row(
            nearest(exponential("exponentiation (nearest)", 171_638, None)),
            None,
            "exp(x)",
            Span::Even(-8.0, 4.0),
            unit,
            |x, _| x.exp(),
        ),
        row(
            inverse_root("inverse square root", 20_073, Some([6608, 13430])),
            Some(49),
            "inv_sqrt(x)",
            wide,
            unit,
            |x, _| 1.0 / x.sqrt(),
        ),
        row(
            nearest(inverse_root("inverse square root (nearest)", 27_699, None)),
            None,
            "inv_sqrt(x)",
            wide,
            unit,
            |x, _| 1.0 / x.sqrt(),
        ),
        row(
            heavy("square root", "sqrt(z)", None, Some([36452, 129_552])),
            Some(114),
            "sqrt(x)",
            wide,
            unit,
            |x, _| x.sqrt(),
        ),
        row(
            heavy("log2", "log2(1 + z)", None, Some([32643, 122_024])),
            Some(102),
            "log2(x)",
            wide,
            unit,
            |x, _| x.log2(),
        ),
        Row {
            operation: Operation {
                system: Some([1208, 1910]),
                ..operation("random fraction", "z + random::uniform(0, 1, shape=[N])")
            },
            system_rounds: Some(10),
            accuracy: Accuracy {
                expression: "x + random::uniform(0, 1, shape=[N])",
                element: "fix",
                x: unit,
                y: unit,
                exact: None,
            },
        },
        row(
            heavy("sigmoid", "sigmoid(z)", None, None),
            None,
            "sigmoid(x)",
            Span::Even(-12.0, 12.0),
            unit,
            |x, _| 1.0 / (1.0 + (-x).exp()),
        ),
    ]
}

/// Measures an operation, unless that has been done before; `None` if it is not to be done.
fn figures(args: &ReproduceArgs, row: &Row, fixed: u32) -> anyhow::Result<Option<Figures>> {
    let elements = args.samples.unwrap_or(ELEMENTS).max(1) as usize;
    let program = accuracy_program(row, fixed, elements)?;
    let name = format!("table1-f{fixed}-{}", row.operation.name.replace(' ', "-"));
    let kept = Kept::new(&args.out, &name, &program, &[], args.seed)?;
    if let Some(known) = kept.result() {
        return Ok(Some(known));
    }
    if args.kept {
        return Ok(None);
    }
    println!("{} f={fixed}", row.operation.name);
    let cost = measure(&row.operation, fixed, elements)?;
    let errors = match row.accuracy.exact {
        Some(exact) => Some(errors(args, &program, &row.accuracy, fixed, exact)?),
        None => None,
    };
    let figures = Figures { bits: cost.bits, rounds: cost.rounds, nanoseconds: cost.nanoseconds, errors };
    kept.finish(&figures)?;
    Ok(Some(figures))
}

fn accuracy_program(row: &Row, fixed: u32, elements: usize) -> anyhow::Result<Program> {
    let Accuracy { expression, element, .. } = row.accuracy;
    let text = format!(
        "use math::{{inv_sqrt, sigmoid}}
const N = {elements}
input x: {element}[N] from party 0
input y: {element}[N] from party 1
fn main() {{
    output z = {expression} to party 2
}}
"
    );
    let args = SourceArgs {
        program: "accuracy.mpc".into(),
        args: Vec::new(),
        fixed: Some(fixed.to_string()),
        ring: None,
        rounding: Some(row.operation.rounding),
    };
    let compilation = compile_text(&args, text, &|_| None, Entry::Main, None)?;
    show(&compilation.diagnostics, &compilation.sources);
    compilation.program.context("it does not compile")
}

/// The largest and the mean error in the emulator.
fn errors(
    args: &ReproduceArgs,
    program: &Program,
    accuracy: &Accuracy,
    fixed: u32,
    exact: fn(f64, f64) -> f64,
) -> anyhow::Result<(f64, f64)> {
    let count = program.inputs.first().and_then(|input| input.shape.first()).map_or(0, |n| *n as usize);
    let whole = accuracy.element == "int";
    let frac = if whole { 0 } else { fixed };
    let x = arguments(accuracy.x, count, 1, frac);
    // a step that is no multiple of anything meets every x with many a y
    let y = arguments(accuracy.y, count, 7919, frac);
    let directory = tempfile::tempdir()?;
    for (name, values) in [("x", &x), ("y", &y)] {
        let array = match whole {
            true => Array::new([count], values.iter().map(|v| *v as i64).collect::<Vec<i64>>()),
            false => Array::new([count], values.clone()),
        };
        write_npy(File::create(directory.path().join(format!("{name}.npy")))?, &array)?;
    }
    let results = run(args, program, directory.path())?;
    let errors = || results.iter().zip(x.iter().zip(&y)).map(|(z, (x, y))| (z - exact(*x, *y)).abs());
    Ok((errors().fold(0.0, f64::max), errors().sum::<f64>() / count.max(1) as f64))
}

/// Numbers in a span, in steps of so many places, rounded as inputs are.
fn arguments(span: Span, count: usize, step: usize, frac: u32) -> Vec<f64> {
    let unit = 2f64.powi(frac as i32);
    let at = |i: usize| {
        let part = ((i * step) % count) as f64 / (count.max(2) - 1) as f64;
        let value = match span {
            Span::Even(low, high) => low + part * (high - low),
            Span::Log(low, high) => low * (high / low).powf(part),
        };
        (value * unit + 0.5).floor() / unit
    };
    (0..count).map(at).collect()
}

/// The output in the emulator.
fn run(args: &ReproduceArgs, program: &Program, directory: &Path) -> anyhow::Result<Vec<f64>> {
    let files = Files::of_directory(directory.to_path_buf());
    let mut events = Events::new(Audience::Nobody, None);
    let mut host = FileHost::new(program, None, read_inputs(program, &files, None)?, &mut events);
    let options = tern_vm::Options { seed: Some(args.seed), ..tern_vm::Options::default() };
    tern_vm::emulate(program, &mut host, &options).map_err(describe)?;
    host.write_outputs(&Outputs::to_directory(directory.to_path_buf()))?;
    let array = read(&Source::from(directory.join("z.npz").as_path()), "z")?;
    Ok(match array.into_values() {
        Values::F64(values) => values,
        Values::F32(values) => values.into_iter().map(f64::from).collect(),
        Values::I64(values) => values.into_iter().map(|v| v as f64).collect(),
        Values::I32(values) => values.into_iter().map(f64::from).collect(),
        Values::U8(values) => values.into_iter().map(f64::from).collect(),
    })
}

fn cells(row: &Row, fixed: u32, figures: &Figures) -> Vec<String> {
    let column = if fixed == 16 { 0 } else { 1 };
    let at_32 = |value: Option<u32>| number(value.filter(|_| fixed == 32).map(f64::from), 0);
    let error = |value: Option<f64>| match value {
        Some(0.0) => "0".to_string(),
        Some(value) => format!("{value:.1e}"),
        None => String::new(),
    };
    vec![
        row.operation.name.into(),
        fixed.to_string(),
        number(Some(figures.bits), 0),
        number(Some(figures.rounds), 0),
        number(Some(figures.nanoseconds), 0),
        error(figures.errors.map(|(largest, _)| largest)),
        error(figures.errors.map(|(_, mean)| mean)),
        at_32(row.operation.paper),
        number(row.operation.system.map(|system| f64::from(system[column])), 0),
        at_32(row.system_rounds),
        row.accuracy.arguments(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_cover_their_span() {
        let even = arguments(Span::Even(-1.0, 1.0), 5, 1, 16);
        assert_eq!(even, [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(arguments(Span::Even(-1.0, 1.0), 5, 2, 16), [-1.0, 0.0, 1.0, -0.5, 0.5]);
        assert_eq!(arguments(Span::Log(0.25, 4.0), 3, 1, 16), [0.25, 1.0, 4.0]);
        assert_eq!(arguments(Span::Even(0.3, 0.3), 1, 1, 1), [0.5]);
    }
}
