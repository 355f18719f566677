//! A few batches of a network in three local processes over TLS, and what one of them takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_vm::net::TIMEOUT;

use super::kept::Kept;
use super::training::{Training, program};
use super::{BATCH, ReproduceArgs};
use crate::events::{Audience, Events};
use crate::host::{Files, Outputs};
use crate::run::{Job, Share};

/// What one batch of training takes, without the input of data.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct PerBatch {
    pub(super) seconds: f64,
    /// On all links together.
    pub(super) bits: f64,
    pub(super) rounds: f64,
}

/// Measures a network; `None` if that cannot be done, or is not to be, with a line that says so.
///
/// Two runs on the same few samples differ in one epoch: the difference is so many batches and nothing else.
pub(super) fn per_batch(args: &ReproduceArgs, training: &Training) -> anyhow::Result<Option<PerBatch>> {
    let compiled = |epochs: u32| {
        let own = [
            format!("EPOCHS={epochs}"),
            format!("N={}", args.batches * BATCH),
            "TEST=0".into(),
            "LOSS=false".into(),
            format!("OPTIMIZER={}", training.optimizer),
            format!("RATE={}", training.rate),
        ];
        program(&training.name, &training.source(args, own.into()))
    };
    let Some(long) = compiled(2)? else { return Ok(None) };
    let files = Files::of_directory(args.mnist()?);
    let name = format!("secure-{}", training.directory());
    let kept = Kept::new(&args.out, &name, &long, &files.used(&long)?, training.seed)?;
    if let Some(known) = kept.result() {
        return Ok(Some(known));
    }
    if args.kept {
        println!("{}: not run securely", training.name);
        return Ok(None);
    }
    let Some(short) = compiled(1)? else { return Ok(None) };
    println!("{}: {} batches in three processes", training.name, args.batches);
    let outputs = Outputs::to_directory(kept.path(""));
    let (one, two) = (run(&short, &files, &outputs)?, run(&long, &files, &outputs)?);
    let batches = f64::from(args.batches);
    let measured = PerBatch {
        seconds: (two.seconds - one.seconds) / batches,
        bits: (two.bits - one.bits) / batches,
        rounds: (two.rounds - one.rounds) / batches,
    };
    kept.finish(&measured)?;
    Ok(Some(measured))
}

/// What a whole run takes.
fn run(program: &Program, files: &Files, outputs: &Outputs) -> anyhow::Result<PerBatch> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let job = Job {
        program,
        files,
        outputs,
        seed: None,
        threads: (cores / 3).max(1),
        network: None,
        timeout: TIMEOUT.max(Duration::from_secs(120)),
    };
    let shares = job.run(&mut Events::new(Audience::Nobody, None))?;
    let most = |of: fn(&Share) -> f64| shares.iter().map(of).fold(0.0, f64::max);
    Ok(PerBatch {
        seconds: most(|share| share.seconds),
        bits: shares.iter().flat_map(|share| share.sent).sum::<u64>() as f64,
        rounds: most(|share| share.rounds as f64),
    })
}
