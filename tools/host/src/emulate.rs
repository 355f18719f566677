//! A program on clear data, as the secure computation would compute.

use anyhow::Error;
use tern_bytecode::Program;
use tern_vm::machine::{Report, Seeds, Watch};
use tern_vm::protocol::emulator::{emulate, emulate_with};

use crate::cores::cores;
use crate::events::Events;
use crate::file_host::{FileHost, Results};
use crate::inputs::Inputs;
use crate::keeping::Keeping;
use crate::outputs::Outputs;
use crate::stop::Stop;

/// How to emulate.
#[derive(Clone, Debug)]
pub struct Emulation<'a> {
    /// Where all randomness comes from; fresh if it is not given.
    pub seed: Option<u64>,
    /// Whether programs with the same seed draw the same, so that a longer training begins like a shorter one.
    pub alike: bool,
    /// Threads of the kernels.
    pub threads: usize,
    /// How closely ranges are watched.
    pub ranges: Watch,
    /// Whether the time of every instruction is measured.
    pub profile: bool,
    /// Where outputs go; without it they stay in memory.
    pub outputs: Option<&'a Outputs>,
    /// Whether checkpoints are kept.
    pub keeping: Option<&'a Keeping>,
    /// Asks it to end.
    pub stop: Stop,
}

/// What came of it.
pub struct Emulated {
    /// Rounds, traffic, times, ranges.
    pub report: Report,
    /// The outputs that stayed in memory.
    pub results: Results,
}

impl Default for Emulation<'_> {
    fn default() -> Self {
        let (seed, outputs, keeping, stop) = (None, None, None, Stop::default());
        Emulation {
            seed,
            alike: false,
            threads: cores(),
            ranges: Watch::Limits,
            profile: false,
            outputs,
            keeping,
            stop,
        }
    }
}

impl Emulation<'_> {
    /// Runs a program.
    ///
    /// # Errors
    /// The first fault, in one line with its place.
    pub fn run(
        &self,
        program: &Program,
        inputs: Inputs,
        events: &mut Events<'_>,
    ) -> anyhow::Result<Emulated> {
        let mut host = FileHost::new(program, None, inputs, self.outputs, events).until(self.stop.clone());
        if let Some(keeping) = self.keeping {
            host = host.keeping(&keeping.directory);
            self.stop.put_off(true);
        }
        let options = tern_vm::Options {
            seed: self.seed,
            threads: self.threads,
            ranges: self.ranges,
            profile: self.profile,
            checkpoints: self.keeping.map(Keeping::checkpoints),
            ..tern_vm::Options::default()
        };
        let outcome = match self.seed.filter(|_| self.alike) {
            Some(seed) => {
                let seeds = Seeds::alike(seed, program.header.protocol);
                emulate_with(program, &mut host, &options, &seeds)
            }
            None => emulate(program, &mut host, &options),
        };
        let report = outcome.map_err(|error| {
            host.aborted(Some(&error));
            // It says itself what its cause says.
            Error::msg(error)
        })?;
        Ok(Emulated { report, results: host.into_results() })
    }
}
