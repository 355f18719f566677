//! A few batches of a network in local processes over TLS, and what one of them takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_host::cores::cores_each;
use tern_host::run::{Job, Spent};
use tern_host::{Events, Files, Outputs};
use tern_tools::say;
use tern_vm::net::TIMEOUT;

use super::kept::Kept;
use super::training::{Training, program};
use super::{BATCH, ReproduceArgs};
use crate::run::local_command;

/// What one batch of training takes, without the input of data.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct PerBatch {
    pub(super) seconds: f64,
    /// On all links together.
    pub(super) bits: f64,
    pub(super) rounds: f64,
}

/// Every sample is used so often: lines that are executed once per batch are told from others by that, however few batches there are.
const EPOCHS: u32 = 2;

/// Measures a network; `None` if that cannot be done, or is not to be, with a line that says so.
///
/// What counts are the source lines that every batch executes, so that the input of data and the start are left out.
pub(super) fn per_batch(args: &ReproduceArgs, training: &Training) -> anyhow::Result<Option<PerBatch>> {
    let own = [
        format!("EPOCHS={EPOCHS}"),
        format!("N={}", args.batches.saturating_mul(BATCH)),
        "TEST=0".into(),
        "LOSS=false".into(),
        format!("OPTIMIZER={}", training.optimizer),
        format!("RATE={}", training.rate),
    ];
    let Some(program) = program(&training.name, &training.source(args, own.into()))? else { return Ok(None) };
    let files = Files::of_directory(args.mnist()?);
    let name = format!("secure-{}", training.directory());
    let kept = Kept::new(&args.out, &name, &[&program], &files.used(&program)?, training.seed)?;
    if let Some(known) = kept.result() {
        return Ok(Some(known));
    }
    if args.kept {
        say::outln(format_args!("{}: not run securely", training.name));
        return Ok(None);
    }
    let batches = u64::from(EPOCHS) * u64::from(args.batches);
    say::outln(format_args!("{}: {batches} batches in {} processes", training.name, args.processes()));
    let outputs = Outputs::to_directory(kept.path(""));
    let measured = measure(&program, &files, &outputs, batches)?;
    kept.finish(&measured)?;
    Ok(Some(measured))
}

fn measure(program: &Program, files: &Files, outputs: &Outputs, batches: u64) -> anyhow::Result<PerBatch> {
    let job = Job {
        program,
        files,
        outputs,
        seed: None,
        threads: cores_each(program.header.protocol.model().parties),
        network: None,
        dealt: None,
        timeout: TIMEOUT.max(Duration::from_secs(120)),
        keeping: None,
        stop: Default::default(),
    };
    let shares = job.run(&local_command()?, &mut Events::unheard())?;
    let Spent { bits, rounds, seconds } = Spent::of(&shares, |line| line.executions >= batches);
    let each = batches as f64;
    Ok(PerBatch { seconds: seconds / each, bits: bits as f64 / each, rounds: rounds as f64 / each })
}
