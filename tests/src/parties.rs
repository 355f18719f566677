//! A program on shares, by the parties in threads, and in the emulator: what is put out, bit for bit, and what the links count.

use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tern_bytecode::Program;
use tern_bytecode::report::report;
use tern_vm::machine::{Checkpoints, Elements, ElementsMut, Every, HostError, Point, Trip, Watch};
use tern_vm::net::{Links, memory};
use tern_vm::{Fault, Host, Options, Report, RunError, emulate, run_party};

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
    let mut host = Tensors::new(program, inputs);
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
                let mut host = Tensors::new(program, inputs);
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

/// A run that is interrupted and goes on, again and again: the iterations, counted from 1 in each attempt, with which one party ends it.
pub struct Interruptions<'a> {
    /// Who, and when, of each attempt; behind the last one it comes to its end.
    pub ends: &'a [(usize, u64)],
    /// How points are kept: of each party in a directory of its own in this one.
    pub directory: &'a Path,
    /// How often.
    pub every: Every,
    /// Chooses what a crash leaves of the last point, if it is not whole everywhere.
    pub crashes: Option<u64>,
}

impl Interruptions<'_> {
    fn checkpoints(&self, me: usize) -> Checkpoints {
        Checkpoints::new(self.directory.join(me.to_string()), self.every, false)
    }

    fn options(&self, me: usize, seed: u64) -> Options {
        Options { seed: Some(seed), checkpoints: Some(self.checkpoints(me)), ..Options::default() }
    }

    /// Undoes what a party does last where it keeps a point, at some of the parties: as if all had been killed in between.
    fn crash(&self, parties: usize, attempt: usize) {
        let Some(seed) = self.crashes.map(|seed| (seed as usize).wrapping_mul(31) + attempt) else { return };
        let (kind, whom) = (seed % 4, |party: usize| (seed / 4) >> party & 1 == 1);
        // The last one, if it is settled: at a party that was ended while it settled one, it may be pending.
        let last = |party: usize| {
            let files = fs::read_dir(self.directory.join(party.to_string())).into_iter().flatten().flatten();
            let last = files.map(|file| file.path()).max()?;
            last.extension().is_some_and(|suffix| suffix == "checkpoint").then_some(last)
        };
        let files: Vec<_> = (0..parties).filter_map(last).collect();
        let number = |file: &Path| file.file_name().map(|name| name.to_string_lossy()[8..].to_string());
        if kind == 0 || files.len() < parties || files.iter().any(|file| number(file) != number(&files[0])) {
            return;
        }
        for (party, file) in files.iter().enumerate() {
            let pending = file.with_extension("pending");
            match (kind, whom(party)) {
                // not all have come to know that all have it
                (1, true) => fs::rename(file, pending).expect("a point"),
                (1, false) => {}
                // not all have written it, so nobody has heard that all have
                (_, true) => fs::remove_file(file).expect("a point"),
                (_, false) => fs::rename(file, pending).expect("a point"),
            }
        }
    }
}

/// The emulator's results of a run that is interrupted, and how many of its attempts went on from a point.
///
/// # Panics
/// If it fails otherwise; with `name`.
pub fn emulated_again(
    program: &Program,
    inputs: &Values,
    (seed, name): (u64, &str),
    how: &Interruptions<'_>,
) -> (Seen, usize) {
    let mut resumed = 0;
    for end in how.ends.iter().map(Some).chain([None]) {
        let mut host = Tensors::new(program, inputs);
        host.end = end.map(|(_, at)| *at);
        let options = Options { ranges: Watch::Everything, ..how.options(0, seed) };
        let run = emulate(program, &mut host, &options);
        resumed += usize::from(host.resumed);
        match run {
            Ok(_) => return (host.seen, resumed),
            Err(error) => {
                assert!(matches!(error.fault, Fault::Cancelled | Fault::Finish(_)), "{error}\n{name}");
            }
        }
    }
    unreachable!("the last attempt comes to its end")
}

/// How many iterations of loops begin in a run.
///
/// # Panics
/// If it fails.
pub fn iterations(program: &Program, inputs: &Values, seed: u64) -> u64 {
    let mut host = Tensors::new(program, inputs);
    let options = Options { seed: Some(seed), ..Options::default() };
    emulate(program, &mut host, &options).expect("a run that has come to its end before");
    host.begun
}

/// The same of the parties in threads.
///
/// # Panics
/// As [`shared`].
pub fn shared_again(
    program: &Program,
    inputs: &Values,
    (seed, name): (u64, &str),
    how: &Interruptions<'_>,
) -> (Seen, usize) {
    let mut resumed = 0;
    for (attempt, end) in how.ends.iter().map(Some).chain([None]).enumerate() {
        let links = memory::mesh(program.header.protocol.model().parties, STALL);
        let runs: Vec<_> = thread::scope(|scope| {
            let party = |mut links: Links| {
                let options = how.options(links.me().index(), seed);
                let end = end.filter(|(who, _)| *who == links.me().index()).map(|(_, at)| *at);
                scope.spawn(move || {
                    let mut host = Tensors::new(program, inputs);
                    host.end = end;
                    let run = run_party(program, &mut links, &mut host, &options);
                    (links, host, run)
                })
            };
            let parties: Vec<_> = links.into_iter().map(party).collect();
            parties.into_iter().map(|party| party.join().expect("a party's thread")).collect()
        });
        resumed += usize::from(runs[0].1.resumed);
        if runs.iter().any(|(.., run)| run.is_err()) {
            let of_own = |error: &RunError| {
                matches!(error.fault, Fault::Cancelled | Fault::Finish(_) | Fault::Protocol(_))
            };
            let all = runs.iter().all(|(.., run)| run.as_ref().is_err_and(of_own));
            let told: Vec<_> =
                runs.iter().map(|(.., run)| run.as_ref().err().map(ToString::to_string)).collect();
            assert!(all && end.is_some(), "{told:?}\n{name}");
            how.crash(runs.len(), attempt);
            continue;
        }
        let mut seen = Seen::default();
        for (links, host, run) in runs {
            check_traffic(program, &links, &run.expect("none has failed"), name);
            how.checkpoints(links.me().index()).forget(links.me());
            seen.outputs.extend(host.seen.outputs);
            seen.metrics = host.seen.metrics;
        }
        return (seen, resumed);
    }
    unreachable!("the last attempt comes to its end")
}

/// Surroundings with tensors in memory.
struct Tensors<'a> {
    program: &'a Program,
    inputs: &'a Values,
    seen: Seen,
    /// Iterations that have begun, and with which one the run ends.
    begun: u64,
    end: Option<u64>,
    /// Whether it goes on from a point.
    resumed: bool,
}

impl<'a> Tensors<'a> {
    fn new(program: &'a Program, inputs: &'a Values) -> Self {
        Self { program, inputs, seen: Seen::default(), begun: 0, end: None, resumed: false }
    }
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

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        self.begun += 1;
        if self.end == Some(self.begun) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn save(&mut self) -> Vec<u8> {
        postcard::to_stdvec(&(&self.seen.outputs, &self.seen.metrics)).expect("numbers and names")
    }

    fn finish(&mut self) -> Result<(), HostError> {
        if self.end == Some(self.begun + 1) { Err("it was ended at its end".into()) } else { Ok(()) }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), HostError> {
        (self.seen.outputs, self.seen.metrics) = postcard::from_bytes(state)?;
        self.resumed = true;
        Ok(())
    }

    fn point(&mut self, point: &Point) {
        assert!(point.outcome.is_ok(), "{point:?}");
    }
}
