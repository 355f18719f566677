//! `tern emulate`.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tern_bytecode::program::Rounding;
use tern_vm::machine::Report;

use crate::SourceArgs;
use crate::compile::load;
use crate::events::{Events, peak_memory};
use crate::host::FileHost;

/// What to run, on which data, and what to tell.
#[derive(Args, Clone)]
pub(crate) struct EmulateArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Data of an input: NAME=FILE, NAME=FILE.npz:MEMBER. May be given several times.
    #[arg(long = "input", value_name = "NAME=FILE")]
    inputs: Vec<String>,
    /// A directory (or npz file) in which inputs are found by name; MNIST's own file names are known.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where outputs and metrics go: NAME.npz, metrics.jsonl.
    #[arg(long, default_value = "tern-out")]
    out: PathBuf,
    /// Fix all randomness.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads that kernels use; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
    /// Watch ranges: the largest value per source line and the first outside its declared range.
    #[arg(long)]
    ranges: bool,
    /// Report the time per source line.
    #[arg(long)]
    profile: bool,
    /// Events as JSON lines on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn emulate(args: &EmulateArgs) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.source)? else { return Ok(ExitCode::FAILURE) };
    let program = &loaded.program;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let log = args.out.join("metrics.jsonl");
    let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut events = Events::new(args.json, Some(log));
    let header = &program.header;
    let rounding = if header.rounding == Rounding::Nearest { "nearest" } else { "probabilistic" };
    let start = json!({
        "event": "start", "program": header.name, "ring": header.ring, "fixed": [header.frac, header.total],
        "rounding": rounding, "insecure_seed": args.seed,
    });
    events.emit(&start, None);
    let mut host = FileHost::new(program, &args.inputs, args.data.as_deref(), events)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let options = tern_vm::Options {
        seed: args.seed,
        threads: args.threads.unwrap_or(cores),
        ranges: args.ranges,
        profile: args.profile,
        ..tern_vm::Options::default()
    };
    let report = tern_vm::emulate(program, &mut host, &options).map_err(describe)?;
    host.events.finish();
    host.write_outputs(&args.out)?;
    finish(&mut host, &report);
    if args.profile {
        profile(program, &report);
    }
    Ok(ExitCode::SUCCESS)
}

/// A fault of a run in one line, with its place.
pub(crate) fn describe(error: tern_vm::RunError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn finish(host: &mut FileHost<'_>, report: &Report) {
    if let Some(ranges) = &report.ranges {
        for line in &ranges.lines {
            let place = line.place.as_ref().map_or("-".to_string(), |(f, l)| format!("{f}:{l}"));
            let event = json!({"event": "largest", "place": place, "value": line.largest});
            host.events.emit(&event, Some(&format!("largest at {place}: {}", line.largest)));
        }
        if let Some(first) = &ranges.first {
            let text = format!("{first}; {} in all", ranges.violations);
            host.events
                .emit(&json!({"event": "range", "message": text}), Some(&format!("out of range: {text}")));
        }
    }
    let seconds = report.elapsed.as_secs_f64();
    let done = json!({
        "event": "done", "seconds": seconds, "rounds": report.rounds, "bits": report.bits(),
        "peak_memory": peak_memory(), "metrics": host.events.metrics(),
    });
    let text = format!(
        "{seconds:.1} s; three parties would take {} rounds and send {:.1} MB",
        report.rounds,
        report.bits() as f64 / 8e6
    );
    host.events.emit(&done, Some(&text));
}

/// Time by source line, the slowest first.
fn profile(program: &tern_bytecode::Program, report: &Report) {
    let mut lines = std::collections::BTreeMap::new();
    for ((time, line), instr) in report.times.iter().zip(&program.lines).zip(&program.code) {
        *lines.entry((*line, instr.name())).or_insert(0.0) += time.as_secs_f64();
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by(|a, b| b.1.total_cmp(&a.1));
    for ((line, name), seconds) in lines.into_iter().take(25) {
        let file = program.files.get(line.file as usize).map_or("?", String::as_str);
        eprintln!("{seconds:9.3} s  {name:<12} {file}:{}", line.line);
    }
}
