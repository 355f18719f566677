//! `tern emulate`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tern_bytecode::Program;
use tern_tools::say;
use tern_vm::machine::{Report, Watch};

use crate::SourceArgs;
use crate::compile::{Loaded, load};
use crate::cores::cores;
use crate::events::{Audience, Events, peak_memory, start};
use crate::host::{FileHost, Files, Outputs, read_inputs};
use crate::results::{self, Directory};
use crate::{emulated, ranges};

/// What to run, on which data, and what to tell.
#[derive(Args, Clone)]
pub(crate) struct EmulateArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    outputs: Outputs,
    /// Fix all randomness.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads that kernels use; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
    /// The long form of what is said about ranges: the largest number per source line, and every line that left its range.
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
    let directory = Directory::claim(&args.outputs.out)?;
    directory.try_out(results::size(program, None))?;
    let mut events = Events::new(Audience::of(args.json), Some(&args.outputs.out));
    events.emit(&start(program, args.seed), None);
    let inputs = read_inputs(program, &args.files, None)?;
    let mut host = FileHost::new(program, None, inputs, &args.outputs, &mut events);
    let options = tern_vm::Options {
        seed: args.seed,
        threads: args.threads.unwrap_or_else(cores),
        ranges: if args.ranges { Watch::Everything } else { Watch::Limits },
        profile: args.profile,
        ..tern_vm::Options::default()
    };
    let report = tern_vm::emulate(program, &mut host, &options).map_err(describe)?;
    host.events.finish();
    finish(&mut host, &report, &loaded, args.ranges);
    if args.profile {
        profile(program, &report);
    }
    host.events.close()?;
    let outside = report.ranges.as_ref().map_or(0, ranges::lines);
    emulated::remember(program, outside);
    Ok(if outside == 0 || !args.ranges { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A fault of a run in one line, with its place.
pub(crate) fn describe(error: tern_vm::RunError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn finish(host: &mut FileHost<'_>, report: &Report, loaded: &Loaded, long: bool) {
    if let Some(ranges) = &report.ranges {
        for line in &ranges.lines {
            let place = line.place.as_ref().map_or("-".to_string(), |(f, l)| format!("{f}:{l}"));
            let event = json!({"event": "largest", "place": place, "value": line.largest});
            host.events.emit(&event, Some(&format!("largest at {place}: {}", line.largest)));
        }
        for outside in &ranges.outside {
            host.events.emit(&ranges::event(outside), None);
        }
    }
    let seconds = report.elapsed.as_secs_f64();
    let done = json!({
        "event": "done", "seconds": seconds, "rounds": report.rounds, "bits": report.bits(),
        "peak_memory": peak_memory(), "metrics": host.events.metrics(),
    });
    let text = format!(
        "{seconds:.1} s; {} parties would take {} rounds and send {:.1} MB",
        in_words(host.parties()),
        report.rounds,
        report.bits() as f64 / 8e6
    );
    host.events.emit(&done, Some(&text));
    // Last, where it is read; on standard error, which stays when the results go elsewhere.
    if let Some(text) = report.ranges.as_ref().and_then(|found| ranges::paragraph(loaded, found, long)) {
        say::errln(format_args!("warning: {text}"));
    }
}

/// A number of parties in words.
fn in_words(parties: usize) -> &'static str {
    match parties {
        2 => "two",
        3 => "three",
        _ => "four",
    }
}

/// Time by source line, the slowest first.
fn profile(program: &Program, report: &Report) {
    let mut lines = std::collections::BTreeMap::new();
    for ((time, line), instr) in report.times.iter().zip(&program.lines).zip(&program.code) {
        *lines.entry((*line, instr.name())).or_insert(0.0) += time.as_secs_f64();
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by(|a, b| b.1.total_cmp(&a.1));
    for ((line, name), seconds) in lines.into_iter().take(25) {
        let file = program.files.get(line.file as usize).map_or("?", String::as_str);
        say::errln(format_args!("{seconds:9.3} s  {name:<12} {file}:{}", line.line));
    }
}
