//! Programs run on ring integers: nothing is lost on the way in and out, so values may be the very ends of a precision.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use tern_bytecode::Program;
use tern_bytecode::program::Protocol;
use tern_compiler::ir::{Optimise, Rounding, Settings};
use tern_vm::machine::{Elements, ElementsMut, HostError, RangeReport, Trip, Watch};
use tern_vm::net::{Links, memory};
use tern_vm::{Host, Options, emulate, run_party};

use crate::run;

/// Ring integers by name, in row-major order.
pub type Integers = BTreeMap<String, Vec<i128>>;

/// Longer than any round takes on a busy machine.
const STALL: Duration = Duration::from_secs(60);

/// A precision in the ring that `--ring auto` chooses for it.
pub fn precision(frac: u32, total: u32, rounding: Rounding) -> Settings {
    Settings {
        ring: run::ring(frac, total),
        frac,
        total,
        rounding,
        optimise: Optimise::Balanced,
        protocol: Protocol::Rep3,
    }
}

/// The outputs of the emulator, and what left its range.
///
/// # Panics
/// If the run fails.
pub fn emulated(program: &Program, inputs: &Integers, seed: u64) -> (Integers, RangeReport) {
    let mut host = Tensors { program, inputs, outputs: Integers::new() };
    let options = Options { seed: Some(seed), ranges: Watch::Limits, ..Options::default() };
    let report = emulate(program, &mut host, &options).unwrap_or_else(|error| panic!("{error}"));
    (host.outputs, report.ranges.expect("ranges are watched"))
}

/// The outputs of three parties in three threads.
///
/// # Panics
/// If a party fails.
pub fn shared(program: &Program, inputs: &Integers, seed: u64) -> Integers {
    let options = Options { seed: Some(seed), ..Options::default() };
    thread::scope(|scope| {
        let party = |mut links: Links| {
            let options = &options;
            scope.spawn(move || {
                let mut host = Tensors { program, inputs, outputs: Integers::new() };
                let run = run_party(program, &mut links, &mut host, options);
                run.unwrap_or_else(|error| panic!("{}: {error}", links.me()));
                host.outputs
            })
        };
        let links = memory::mesh(program.header.protocol.model().parties, STALL);
        let parties: Vec<_> = links.into_iter().map(party).collect();
        parties.into_iter().flat_map(|party| party.join().expect("a party's thread")).collect()
    })
}

/// Surroundings that hold ring integers.
struct Tensors<'a> {
    program: &'a Program,
    inputs: &'a Integers,
    outputs: Integers,
}

impl Host for Tensors<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let values = &self.inputs[&self.program.inputs[input].name][start as usize..];
        for (limbs, value) in elements.words.chunks_exact_mut(elements.limbs).zip(values) {
            limbs.fill((value >> 127) as u64);
            for (i, limb) in limbs.iter_mut().enumerate().take(2) {
                *limb = (value >> (64 * i)) as u64;
            }
        }
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let number = |limbs: &[u64]| match *limbs {
            [low] => i128::from(low as i64),
            [low, high, ..] => (i128::from(high as i64) << 64) | i128::from(low),
            [] => 0,
        };
        let numbers = elements.words.chunks_exact(elements.limbs).map(number).collect();
        self.outputs.insert(self.program.outputs[output].name.clone(), numbers);
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}
}
