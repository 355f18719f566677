//! `tern emulate`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tern_bytecode::Program;
use tern_host::cores::cores;
use tern_host::events::peak_memory;
use tern_host::results::{self, Directory};
use tern_host::{Emulation, Events, Loaded, Stop, ranges, read_inputs};
use tern_tools::say;
use tern_vm::machine::{Report, Watch};

use crate::SourceArgs;
use crate::args::{FileArgs, KeepArgs, OutputArgs};
use crate::compile::load_sized;
use crate::screen::{Audience, Screen, sent, start};
use crate::{emulated, stop};

/// What to run, on which data, and what to tell.
#[derive(Args, Clone)]
pub(crate) struct EmulateArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    keep: KeepArgs,
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
    let Some(loaded) = load_sized(&args.source, &args.files.files())? else { return Ok(ExitCode::FAILURE) };
    let (program, outputs) = (&loaded.program, args.outputs.outputs());
    let directory = Directory::claim(&outputs.out)?;
    directory.try_out(results::size(program, None))?;
    let screen = Screen::new(Audience::of(args.json));
    let mut events = Events::new(screen.clone(), Some(&outputs.out));
    directory.warning().into_iter().for_each(|warning| events.warn(warning));
    screen.emit(&start(program, args.seed), None);
    let inputs = read_inputs(program, &args.files.files(), None, &mut events)?;
    let keeping = args.keep.keeping(None);
    // without checkpoints there is nothing to end with
    let stop = if keeping.is_some() { stop::on_signals()? } else { Stop::default() };
    let emulation = Emulation {
        seed: args.seed,
        threads: args.threads.unwrap_or_else(cores),
        ranges: if args.ranges { Watch::Everything } else { Watch::Limits },
        profile: args.profile,
        outputs: Some(&outputs),
        keeping: keeping.as_ref(),
        stop,
        ..Emulation::default()
    };
    let report = emulation.run(program, inputs, &mut events)?.report;
    screen.finish();
    finish(&screen, &events, &report, &loaded, args.ranges);
    if args.profile {
        profile(program, &report);
    }
    screen.close(&mut events)?;
    let outside = report.ranges.as_ref().map_or(0, ranges::lines);
    emulated::remember(program, outside);
    Ok(if outside == 0 || !args.ranges { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn finish(screen: &Screen, events: &Events<'_>, report: &Report, loaded: &Loaded, long: bool) {
    if let Some(ranges) = &report.ranges {
        for line in &ranges.lines {
            let place = line.place.as_ref().map_or("-".to_string(), |(f, l)| format!("{f}:{l}"));
            let event = json!({"event": "largest", "place": place, "value": line.largest});
            screen.emit(&event, Some(&format!("largest at {place}: {}", line.largest)));
        }
        for outside in &ranges.outside {
            screen.emit(&ranges::event(outside), None);
        }
    }
    let seconds = report.elapsed.as_secs_f64();
    let done = json!({
        "event": "done", "seconds": seconds, "rounds": report.rounds, "bits": report.bits(),
        "peak_memory": peak_memory(), "metrics": events.metrics(),
    });
    let text = format!(
        "{seconds:.1} s; {} parties would take {} rounds and send {}",
        in_words(loaded.program.header.protocol.model().parties),
        report.rounds,
        sent(report.bits() as f64 / 8.0)
    );
    screen.emit(&done, Some(&text));
    // Last, where it is read; on standard error, which stays when the results go elsewhere.
    if let Some(text) = report.ranges.as_ref().and_then(|found| ranges::paragraph(loaded, found, long)) {
        say::errln(format_args!("warning: {text}"));
    }
}

/// A number of parties in words.
pub(crate) fn in_words(parties: usize) -> &'static str {
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
