//! A program on shares, by the parties in threads, and in the emulator: what is put out, bit for bit, and what the links count.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use tern_bytecode::Program;
use tern_bytecode::report::report;
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip, Watch};
use tern_vm::net::{Links, memory};
use tern_vm::{Host, Options, Report, emulate, run_party};

use crate::run::Values;

/// Longer than any round takes on a busy machine.
const STALL: Duration = Duration::from_secs(60);

/// What a run shows: outputs, and metrics as bits, which compare exactly.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// Ring elements by the number of the output.
    pub outputs: HashMap<usize, Vec<u64>>,
    /// Names and numbers.
    pub metrics: Vec<(String, Vec<u64>)>,
}

/// The emulator's results; none if a value leaves its range or the program fails.
pub fn emulated(program: &Program, inputs: &Values, seed: u64) -> Option<Seen> {
    let mut host = Tensors { program, inputs, seen: Seen::default() };
    let options = Options { seed: Some(seed), ranges: Watch::Everything, ..Options::default() };
    let report = emulate(program, &mut host, &options).ok()?;
    report.ranges.is_some_and(|ranges| ranges.outside.is_empty()).then_some(host.seen)
}

/// The results of the parties in threads, all outputs together.
///
/// # Panics
/// If a party fails, if the parties see different metrics, or if the links count anything else than the cost model says; with `name`.
pub fn shared(program: &Program, inputs: &Values, seed: u64, name: &str) -> Seen {
    let options = Options { seed: Some(seed), ..Options::default() };
    let runs: Vec<Seen> = thread::scope(|scope| {
        let party = |mut links: Links| {
            let options = &options;
            scope.spawn(move || {
                let mut host = Tensors { program, inputs, seen: Seen::default() };
                let run = run_party(program, &mut links, &mut host, options);
                let run = run.unwrap_or_else(|error| panic!("{}: {error}\n{name}", links.me()));
                check_traffic(program, &links, &run, name);
                host.seen
            })
        };
        let links = memory::mesh(program.header.protocol.model().parties, STALL);
        let parties: Vec<_> = links.into_iter().map(party).collect();
        parties.into_iter().map(|party| party.join().expect("a party's thread")).collect()
    });
    let computing = &runs[..program.header.protocol.model().owners];
    assert!(computing.iter().all(|run| run.metrics == runs[0].metrics), "{name}");
    let metrics = runs[0].metrics.clone();
    Seen { outputs: runs.into_iter().flat_map(|run| run.outputs).collect(), metrics }
}

/// What the links counted is what the cost model says, before the run and after it.
fn check_traffic(program: &Program, links: &Links, run: &Report, name: &str) {
    let (announced, counted, me) = (report(program), links.traffic(), links.me());
    let computes = program.header.protocol.model().computes(me.index());
    let rounds = if computes { announced.rounds } else { 0 };
    assert!(counted.rounds == rounds || announced.at_most, "rounds\n{name}");
    for other in links.peers() {
        let bits = announced.bits_by_link[me.index()][other.index()];
        assert!(8 * counted.sent[other] == bits || announced.at_most, "{me} to {other}\n{name}");
        let [links, dealt] = [run.links, run.dealt].map(|links| links[me.index()][other.index()]);
        assert_eq!(counted.sent[other], links + dealt, "{me} to {other}\n{name}");
        assert!(computes || counted.received[other] == 0, "a dealer receives nothing\n{name}");
    }
}

/// Surroundings with tensors in memory.
struct Tensors<'a> {
    program: &'a Program,
    inputs: &'a Values,
    seen: Seen,
}

impl Host for Tensors<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let declared = &self.program.inputs[input];
        let values = &self.inputs[&declared.name][start as usize..];
        for (limbs, value) in elements.words.chunks_exact_mut(elements.limbs).zip(values) {
            let number = (value * 2f64.powi(declared.frac as i32)) as i64;
            limbs.fill((number >> 63) as u64);
            limbs[0] = number as u64;
        }
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        self.seen.outputs.insert(output, elements.words.to_vec());
        Ok(())
    }

    fn metric(&mut self, name: &str, values: &[f64], _: &[Trip]) {
        self.seen.metrics.push((name.to_string(), values.iter().map(|value| value.to_bits()).collect()));
    }
}
