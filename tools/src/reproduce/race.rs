//! The race: three parties train network C until it recognises enough of the test images, and a line is written at each evaluation.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use tern_bytecode::report::group;
use tern_host::cores::{cores, cores_each};
use tern_host::events::number_of;
use tern_host::run::{Job, Measured};
use tern_host::{Event, Events, Files, Outputs, Sink};
use tern_tools::say;
use tern_vm::net::TIMEOUT;

use super::training::program;
use super::{MNIST, ReproduceArgs, suffix};
use crate::run::local_command;
use crate::{SettingArgs, SourceArgs};

/// Trains, and writes the log.
///
/// # Errors
/// A network that does not become as good in all its epochs, and whatever ends a run.
pub(super) fn race(args: &ReproduceArgs) -> anyhow::Result<()> {
    let Some(program) = program("the race", &source(args))? else {
        bail!("there is no race without its program")
    };
    let model = program.header.protocol.model();
    let name = format!("race{}", suffix(args.protocol));
    let files = Files::of_directory(args.mnist()?);
    let outputs = Outputs::to_directory(args.out.join(&name));
    std::fs::create_dir_all(args.out.join(&name))?;
    let job = Job {
        program: &program,
        files: &files,
        outputs: &outputs,
        seed: None,
        threads: args.threads.unwrap_or_else(|| cores_each(model.parties)),
        network: None,
        dealt: None,
        timeout: TIMEOUT.max(Duration::from_secs(120)),
        keeping: None,
        stop: Default::default(),
    };
    let mut log = Log::begin(args, args.out.join(format!("{name}.txt")))?;
    let shares = job.run(&local_command()?, &mut Events::new(&mut log, None))?;
    log.end(args.target, &Measured::new(shares, Default::default(), None, None))
}

/// The program, with what it does not choose itself.
fn source(args: &ReproduceArgs) -> SourceArgs {
    let epochs = args.epochs.map(|epochs| format!("EPOCHS={epochs}"));
    let own = [
        format!("TARGET={}", args.target),
        format!("N={}", args.samples.unwrap_or(MNIST)),
        format!("TEST={}", args.test),
    ];
    SourceArgs {
        program: args.programs.join("mnist_race.mpc"),
        args: own.into_iter().chain(epochs).collect(),
        settings: SettingArgs {
            fixed: Some(args.fixed.to_string()),
            protocol: Some(args.protocol),
            ..SettingArgs::default()
        },
    }
}

/// What is shown, and is in the file at all times.
struct Log {
    path: PathBuf,
    text: String,
    /// When the command began to start the parties.
    begun: Instant,
    /// How many epochs the next evaluation is after.
    epochs: f64,
    best: f64,
    /// Why the file is not as it should be.
    lost: Option<anyhow::Error>,
}

impl Log {
    fn begin(args: &ReproduceArgs, path: PathBuf) -> anyhow::Result<Log> {
        let begun = Instant::now();
        let mut log = Log { path, text: String::new(), begun, epochs: 0.0, best: 0.0, lost: None };
        log.line(&format!(
            "Network C, f = {}, trained by {} processes on this machine over TLS ({}, {} cores) until it recognises {} % of the test images",
            args.fixed,
            args.processes(),
            args.protocol.name(),
            cores(),
            100.0 * args.target,
        ));
        log.line("");
        log.line("epochs  seconds  accuracy %");
        log.lost.take().map_or(Ok(log), Err)
    }

    fn line(&mut self, line: &str) {
        say::outln(format_args!("{line}"));
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
        if let Err(error) = super::write(&self.path, &self.text) {
            self.lost.get_or_insert(error);
        }
    }

    /// The last lines.
    fn end(mut self, target: f64, run: &Measured) -> anyhow::Result<()> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let reached = self.best >= target;
        self.line("");
        self.line(&format!(
            "{} after {:.2} epochs and {seconds:.0} s, of which {:.0} s between the first instruction and the last: {} rounds, {:.1} GB on all links, at most {:.0} MB of memory per party",
            if reached { "reached" } else { "not reached" },
            self.epochs,
            run.seconds(),
            group(run.rounds()),
            run.bits() as f64 / 8e9,
            run.peak_memory() as f64 / 1e6,
        ));
        if let Some(error) = self.lost {
            return Err(error);
        }
        match reached {
            true => Ok(()),
            false => {
                bail!("network C recognises {:.2} % at best; more --epochs give it longer", 100.0 * self.best)
            }
        }
    }
}

impl Sink for &mut Log {
    fn event(&mut self, event: &Event) {
        let Event::Metric { name, value, .. } = event else { return };
        let Some(value) = number_of(value) else { return };
        match name.as_str() {
            "epochs" => self.epochs = value,
            "accuracy" => {
                self.best = self.best.max(value);
                let seconds = self.begun.elapsed().as_secs_f64();
                let line = format!("{:6.2}  {seconds:7.0}  {:10.2}", self.epochs, 100.0 * value);
                self.line(&line);
            }
            _ => {}
        }
    }
}
