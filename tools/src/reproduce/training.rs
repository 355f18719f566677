//! A network trained in the emulator: what it reports per epoch, and its weights.

use anyhow::Context;
use std::path::PathBuf;
use std::time::Duration;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Program, Protocol};
use tern_host::cores::cores;
use tern_host::results::Directory;
use tern_host::{Emulation, Events, Files, Keeping, Outputs, read_inputs};
use tern_pages::figure::Metrics;
use tern_tools::say;
use tern_vm::machine::Watch;

use super::kept::Kept;
use super::{BATCH, MNIST, Network, ReproduceArgs, suffix};
use crate::compile::load;
use crate::plot::metrics::read;
use crate::screen::{Audience, Screen};
use crate::{RoundingArg, SettingArgs, SourceArgs};

/// Where a run that is not finished has its metrics.
const RUNNING: &str = "running";

/// How a network is trained.
#[derive(Clone)]
pub(super) struct Training {
    /// For people: `A f=16`.
    pub(super) name: String,
    /// The network's letter.
    pub(super) network: String,
    pub(super) fixed: u32,
    pub(super) rounding: RoundingArg,
    /// For whose parties it is compiled.
    pub(super) protocol: Protocol,
    pub(super) optimizer: &'static str,
    pub(super) rate: &'static str,
    pub(super) epochs: u32,
    pub(super) seed: u64,
}

/// What a training has reported.
pub(super) struct Report {
    pub(super) metrics: Metrics,
    /// Whether it came to its end.
    pub(super) finished: bool,
}

impl Training {
    /// As in the paper's tables.
    pub(super) fn of(network: &Network, fixed: u32, epochs: u32, args: &ReproduceArgs) -> Training {
        Training {
            name: format!("{} f={fixed}", network.letter.to_uppercase()),
            network: network.letter.into(),
            fixed,
            rounding: RoundingArg::Probabilistic,
            protocol: args.protocol,
            optimizer: "sgd",
            rate: "0.01",
            epochs,
            seed: args.seed,
        }
    }

    /// Trains, unless that has been done before; `None` with a line that says why if it cannot be done.
    ///
    /// What happens in an epoch does not depend on how many there are, so a run serves for every shorter one.
    pub(super) fn report(&self, args: &ReproduceArgs) -> anyhow::Result<Option<Report>> {
        let Some(shortest) = self.program(args, 1)? else { return Ok(None) };
        let files = Files::of_directory(args.mnist()?);
        let data = files.used(&shortest)?;
        let kept = Kept::new(&args.out, &self.directory(), &[&shortest], &data, self.seed)?;
        // The last metric of an epoch.
        let last = if args.test > 0 { "accuracy" } else { "loss" };
        let epochs = |metrics: &Metrics| metrics.get(last).map_or(0, Vec::len);
        let log = kept.path("metrics.jsonl");
        let mut metrics = Metrics::new();
        for log in [&log, &kept.path(RUNNING).join("metrics.jsonl")] {
            let other = if log.exists() { read(log)? } else { continue };
            if epochs(&other) >= epochs(&metrics) {
                metrics = other;
            }
        }
        let wanted = self.epochs as usize;
        let mut finished = epochs(&metrics) >= wanted;
        if !finished && args.kept {
            say::outln(format_args!("{}: not finished", self.name));
        } else if !finished {
            let Some(program) = self.program(args, self.epochs)? else { return Ok(None) };
            self.train(args, &program, &files, &kept)?;
            metrics = read(&log)?;
            finished = true;
        }
        metrics.values_mut().for_each(|values| values.truncate(wanted));
        Ok(Some(Report { metrics, finished }))
    }

    fn program(&self, args: &ReproduceArgs, epochs: u32) -> anyhow::Result<Option<Program>> {
        let own = [
            format!("EPOCHS={epochs}"),
            format!("N={}", args.samples.unwrap_or(MNIST)),
            format!("TEST={}", args.test),
            format!("OPTIMIZER={}", self.optimizer),
            format!("RATE={}", self.rate),
        ];
        program(&self.name, &self.source(args, own.into()))
    }

    fn train(
        &self,
        args: &ReproduceArgs,
        program: &Program,
        files: &Files,
        kept: &Kept,
    ) -> anyhow::Result<()> {
        say::outln(format_args!("{}: training in the emulator, {} epochs", self.name, self.epochs));
        // What an earlier run has left stays until this one has come to its end.
        let running = kept.path(RUNNING);
        let _directory = Directory::claim(&running)?;
        let screen = Screen::new(Audience::Person);
        let mut events = Events::new(screen.clone(), Some(&running));
        let outputs = Outputs::to_directory(kept.path(""));
        let inputs = read_inputs(program, files, None, &mut events)?;
        // One that is interrupted goes on where it was, if it is to be as long as before.
        let keeping = Keeping {
            directory: running.join(format!("{}-epochs", self.epochs)),
            every: args.every,
            resume: false,
            wait: Duration::ZERO,
            retries: 0,
        };
        let emulation = Emulation {
            seed: Some(self.seed),
            alike: true,
            threads: args.threads.unwrap_or_else(cores),
            ranges: Watch::Nothing,
            outputs: Some(&outputs),
            keeping: Some(&keeping),
            ..Emulation::default()
        };
        emulation.run(program, inputs, &mut events)?;
        screen.close(&mut events)?;
        let (from, to) = (running.join("metrics.jsonl"), kept.path("metrics.jsonl"));
        std::fs::rename(&from, &to).with_context(|| format!("cannot move {}", from.display()))
    }

    /// The program with these arguments and those of the paper.
    pub(super) fn source(&self, args: &ReproduceArgs, own: Vec<String>) -> SourceArgs {
        SourceArgs {
            program: args.programs.join(format!("mnist_{}.mpc", self.network)),
            args: own.into_iter().chain([format!("BATCH={BATCH}")]).collect(),
            settings: SettingArgs {
                fixed: Some(self.fixed.to_string()),
                rounding: Some(self.rounding),
                protocol: Some(self.protocol),
                ..SettingArgs::default()
            },
        }
    }

    /// The beginning of the name of its directory.
    pub(super) fn directory(&self) -> String {
        let Training { network, fixed, optimizer, rate, seed, .. } = self;
        let rounding = Rounding::from(self.rounding).name();
        let suffix = suffix(self.protocol);
        format!("mnist_{network}-f{fixed}-{rounding}-{optimizer}-{rate}-seed{seed}{suffix}")
    }
}

/// Compiles; `None` with a line that says why if there is no such program, or it has errors, which have been shown.
pub(super) fn program(name: &str, source: &SourceArgs) -> anyhow::Result<Option<Program>> {
    let path: &PathBuf = &source.program;
    if !path.is_file() {
        say::outln(format_args!(
            "{name} is left out: there is no {}; --programs says where the programs are",
            path.display()
        ));
        return Ok(None);
    }
    let loaded = load(source)?;
    if loaded.is_none() {
        say::outln(format_args!(
            "{name} is left out: {} does not compile with {}",
            path.display(),
            source.args.join(" ")
        ));
    }
    Ok(loaded.map(|loaded| loaded.program))
}
