//! `tern bench`: what operations cost, measured.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use tern_bytecode::{Program, Protocol};
use tern_host::run::{Job, LineShare, Spent};
use tern_host::{Events, Files, Outputs};
use tern_tools::say;
use tern_vm::data::{Array, write_npy};
use tern_vm::net::TIMEOUT;

use crate::operations::{MATRIX, MODULES, OPERATIONS, Operation, SIDES, compiled};
use crate::protocol_named;
use crate::run::local_command;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Bits, rounds and time of every operation, with local processes of one thread each.
    Protocols {
        /// Elements of a vector.
        #[arg(long, default_value_t = 100_000)]
        elements: usize,
        /// Only operations whose name contains this.
        filter: Option<String>,
        /// One JSON object per operation instead of a table.
        #[arg(long)]
        json: bool,
        /// rep3 or rep4.
        #[arg(long, value_parser = protocol_named, default_value = "rep3")]
        protocol: Protocol,
    },
}

/// Repetitions within a run, and of heavy operations: enough for the steady state.
const TIMES: usize = 64;
const HEAVY_TIMES: usize = 16;
/// The name of the program in messages and measurements.
const FILE: &str = "bench.mpc";

/// What was measured.
pub(crate) struct Figures {
    /// Per element.
    pub(crate) bits: f64,
    /// Per execution.
    pub(crate) rounds: f64,
    /// Per element.
    pub(crate) nanoseconds: f64,
}

/// `tern bench`.
pub(crate) fn bench(what: &Bench) -> anyhow::Result<ExitCode> {
    let Bench::Protocols { elements, filter, json, protocol } = what;
    for (column, frac) in [16, 32].into_iter().enumerate() {
        if !json {
            say::outln(format_args!("f = {frac}, modulo 2^{}, vectors of {elements}\n", 4 * frac));
            say::outln(format_args!(
                "{:<28} {:>10} {:>8} {:>12} {:>12} {:>12} {:>14}",
                "operation", "bits", "rounds", "ns", "paper bits", "system bits", "system ns"
            ));
        }
        let wanted =
            OPERATIONS.iter().filter(|o| filter.as_ref().is_none_or(|filter| o.name.contains(filter)));
        for operation in wanted {
            let measured = Measurement::new(operation, frac, *elements, *protocol)
                .and_then(|measurement| measurement.run());
            let figures = measured.with_context(|| operation.name)?;
            let paper = operation.paper.filter(|_| frac == 32);
            let system = operation.system.map(|system| system[column]);
            let system_time = operation.system_time.filter(|_| frac == 16);
            if *json {
                let event = json!({
                    "operation": operation.name, "frac": frac, "bits": figures.bits, "rounds": figures.rounds,
                    "nanoseconds": figures.nanoseconds, "paper_bits": paper, "system_bits": system,
                    "system_nanoseconds": system_time,
                });
                say::outln(format_args!("{event}"));
            } else {
                let shown = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.0}"));
                say::outln(format_args!(
                    "{:<28} {:>10.1} {:>8} {:>12.1} {:>12} {:>12} {:>14}",
                    operation.name,
                    figures.bits,
                    figures.rounds,
                    figures.nanoseconds,
                    shown(paper.map(f64::from)),
                    shown(system.map(f64::from)),
                    shown(system_time),
                ));
            }
        }
        if !json {
            say::outln("");
        }
    }
    if !json {
        say::outln(format_args!(
            "Bits are those of all parties together, per element; of the matrix product, per element of the result, but its time is that of all of it."
        ));
        say::outln(format_args!(
            "paper: Keller and Sun, Secure Quantized Training for Deep Learning, Table 1; system: theirs, measured in 2026."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// An operation that is to be measured.
pub(crate) struct Measurement<'a> {
    operation: &'a Operation,
    /// The operation again and again.
    pub(crate) program: Program,
    /// The source line on which it stands.
    line: u32,
    elements: usize,
}

impl<'a> Measurement<'a> {
    /// Compiles the operation with `frac` fraction bits on so many elements, a tenth of them if it is heavy.
    pub(crate) fn new(
        operation: &'a Operation,
        frac: u32,
        elements: usize,
        protocol: Protocol,
    ) -> anyhow::Result<Measurement<'a>> {
        let elements = if operation.heavy { elements.div_ceil(10) } else { elements };
        let (text, line) = source(operation, elements);
        let program = compiled(FILE, text, frac, operation.rounding, protocol)?;
        Ok(Measurement { operation, program, line, elements })
    }

    /// Runs it in a process for each party.
    pub(crate) fn run(&self) -> anyhow::Result<Figures> {
        let directory = tempfile::tempdir()?;
        let files = Files::of_directory(write_inputs(&self.program, directory.path())?);
        let job = Job {
            program: &self.program,
            files: &files,
            outputs: &Outputs::to_directory(directory.path().to_path_buf()),
            seed: None,
            threads: 1,
            network: None,
            dealt: None,
            timeout: TIMEOUT.max(Duration::from_secs(120)),
            keeping: None,
            stop: Default::default(),
        };
        let shares = job.run(&local_command()?, &mut Events::unheard())?;
        let count = match self.operation.name {
            MATRIX => SIDES[0] * SIDES[2],
            _ => self.elements,
        };
        let here = |line: &LineShare| line.line == self.line && line.file == FILE;
        let Spent { bits, rounds, seconds } = Spent::of(&shares, here);
        let times = times(self.operation) as f64;
        let each = times * count as f64;
        Ok(Figures {
            bits: bits as f64 / each,
            rounds: rounds as f64 / times,
            nanoseconds: 1e9 * seconds / if self.operation.name == MATRIX { times } else { each },
        })
    }
}

fn times(operation: &Operation) -> usize {
    if operation.heavy { HEAVY_TIMES } else { TIMES }
}

/// The program, and the line on which the operation stands.
fn source(operation: &Operation, elements: usize) -> (String, u32) {
    let [n, inner, m] = SIDES;
    let times = times(operation);
    let expression = operation.expression;
    let (inputs, assignment) = match operation.name {
        // The result takes the place of a part of the factor; entries are small so that it stays so.
        MATRIX => (
            format!(
                "input a: fix[{n}, {inner}] from party 0, scale = 1/1000\ninput x: fix[{inner}, {m}] from party 1"
            ),
            format!("z[0 .. +{n}] = {expression}"),
        ),
        _ => (
            "input x: fix[N] from party 0\ninput y: fix[N] from party 1".to_string(),
            format!("z = {expression}"),
        ),
    };
    let text = format!(
        "{MODULES}const N = {elements}
{inputs}
fn main() {{
    var z = x
    for i in 0..{times} {{
        {assignment}
    }}
    output z = z to party 1
}}
"
    );
    let line = text.lines().position(|line| line.trim() == assignment).expect("it was just written");
    (text, line as u32 + 1)
}

/// Numbers between 0.5 and 1.5, which every operation takes.
fn write_inputs(program: &Program, directory: &Path) -> anyhow::Result<PathBuf> {
    for input in &program.inputs {
        let shape: Vec<usize> = input.shape.iter().map(|size| *size as usize).collect();
        let values: Vec<f64> =
            (0..shape.iter().product()).map(|i: usize| 0.5 + (i % 1009) as f64 / 1009.0).collect();
        let file = File::create(directory.join(format!("{}.npy", input.name)))?;
        write_npy(file, &Array::new(shape, values))?;
    }
    Ok(directory.to_path_buf())
}
