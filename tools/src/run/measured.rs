//! What a run has cost, as text and as the last event.

use std::path::Path;

use anyhow::Context;
use serde_json::json;
use tern_bytecode::report::{group, report};
use tern_host::Loaded;
use tern_host::run::{LineShare, Measured};
use tern_pages::{Line, Run, Time, run_page};
use tern_tools::say;
use tern_vm::data::{Access, write_atomically};

use crate::screen::{Screen, sent};

/// The run had come to its end when this process was killed: it is not begun again.
pub(super) fn over(screen: &Screen, out: &Path) {
    let text = format!(
        "The run had come to its end before, and all parties have their results: see {}.\nNothing was begun; the same command begins anew now.",
        out.display()
    );
    screen.emit(&json!({"event": "over", "out": out.display().to_string()}), Some(&text));
}

/// Emits the last event of a run.
pub(super) fn tell(measured: &Measured, screen: &Screen, loaded: &Loaded) {
    let all = sent(measured.bits() as f64 / 8.0);
    let sent = match measured.shares() {
        [one] => format!("party {} sent {all}", one.party),
        _ => all,
    };
    let announced = match measured.is_as_announced(&loaded.program) {
        Some(true) => ", as announced",
        None => "",
        Some(false) => " (tern cost says something else: please report this)",
    };
    let mut text = say::fitted(&table(&measured.by_line(), loaded));
    text.push_str(&format!(
        "\n{:.1} s, of which up to {:.1} s waiting; {} rounds, {sent}{announced}; at most {:.0} MB of memory per party",
        measured.seconds(),
        measured.waited(),
        group(measured.rounds()),
        measured.peak_memory() as f64 / 1e6,
    ));
    if let Some(model) = measured.network() {
        text.push_str(&format!("\nThe network was a simulation: {model}."));
    }
    if let Some(seed) = measured.seed() {
        text.push_str(&format!("\nAll randomness came from the seed {seed}: nothing of this run is secret."));
    }
    screen.emit(&measured.to_json(&loaded.program), Some(&text));
}

/// The file of a run's page.
const PAGE: &str = "run.html";

/// Leaves a page about the run beside its results.
pub(super) fn leave_page(measured: &Measured, loaded: &Loaded, out: &Path) -> anyhow::Result<()> {
    let line = |l: LineShare| Line {
        file: l.file,
        line: l.line,
        bits: l.bits,
        rounds: l.rounds,
        executions: l.executions,
        time: Some(Time { compute: l.compute, waited: l.waited }),
    };
    let run = Run {
        lines: measured.by_line().into_iter().map(line).collect(),
        rounds: measured.rounds(),
        bits: measured.bits(),
        party: if let [one] = measured.shares() { Some(one.party) } else { None },
        seconds: measured.seconds(),
        waited: measured.waited(),
        peak_memory: measured.peak_memory(),
    };
    let program = &loaded.program;
    let page = run_page(&run, &report(program), &program.header, &loaded.messages.sources);
    let path = out.join(PAGE);
    write_atomically(&path, Access::Owner, |file| std::io::Write::write_all(file, page.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The table of `tern cost`, measured.
fn table(lines: &[LineShare], loaded: &Loaded) -> String {
    let mut out = format!(
        "\n{:>20} {:>12} {:>10} {:>10} {:>10}  line\n",
        "bits", "rounds", "compute", "waiting", "times"
    );
    for l in lines {
        let text = loaded.line(&l.file, l.line).unwrap_or_default();
        let place = if l.file.is_empty() { "-".to_string() } else { format!("{}:{}", l.file, l.line) };
        let row = format!(
            "{:>20} {:>12} {:>8.3} s {:>8.3} s {:>10}  {place}  {text}",
            group(l.bits),
            group(l.rounds),
            l.compute,
            l.waited,
            group(l.executions),
        );
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}
