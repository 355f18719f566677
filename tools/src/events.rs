//! Events of a run: for people as lines and a progress bar, for machines as JSON lines on standard output.
//!
//! Every event is one object with `event`; docs/json.md lists them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tern_bytecode::Program;
use tern_tools::say;
use tern_vm::machine::Trip;
use tern_vm::net::Waiting;

use crate::results::METRICS;

/// Between two moves of the progress bar.
const FRAME: Duration = Duration::from_millis(100);
/// Between two lines that say who is missing, where there is no terminal.
const REMINDER: Duration = Duration::from_secs(10);

/// Who follows a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person: text, and a progress bar on a terminal.
    Person,
    /// A program that reads JSON lines.
    Machine,
    /// Nobody.
    Nobody,
    /// The process that started this one as a party of a local run: JSON lines, and how far the run is.
    Leader,
}

impl Audience {
    /// Who reads, depending on `--json`.
    pub(crate) fn of(json: bool) -> Audience {
        if json { Audience::Machine } else { Audience::Person }
    }
}

/// The file in which metrics are kept, as JSON lines.
enum Log {
    None,
    /// It is begun when the run begins: what an earlier one has left stays until then.
    Later(PathBuf),
    Open(File),
}

/// Where events go.
pub(crate) struct Events {
    audience: Audience,
    bar: ProgressBar,
    log: Log,
    last: BTreeMap<String, f64>,
    shown: Option<Instant>,
    /// What could not be written where it should be, and why: one line each.
    losses: Vec<String>,
    /// Metrics that are not in the log.
    unlogged: u64,
    /// Whether standard output has failed.
    is_mute: bool,
}

impl Events {
    /// Metrics go to a log in the directory given.
    pub(crate) fn new(audience: Audience, log: Option<&Path>) -> Events {
        let visible = audience == Audience::Person && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let log = log.map_or(Log::None, |directory| Log::Later(directory.join(METRICS)));
        let (last, losses) = (BTreeMap::new(), Vec::new());
        Events { audience, bar, log, last, shown: None, losses, unlogged: 0, is_mute: false }
    }

    /// The run begins: so does its log.
    ///
    /// # Errors
    /// If there can be no log.
    pub(crate) fn begin(&mut self) -> anyhow::Result<()> {
        if let Log::Later(path) = &self.log {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            self.log = Log::Open(file);
        }
        if self.audience == Audience::Leader {
            self.emit(&json!({"event": "begun"}), None);
        }
        Ok(())
    }

    /// Whether this process is a party of a local run.
    pub(crate) fn are_for_leader(&self) -> bool {
        self.audience == Audience::Leader
    }

    /// Emits an event; `text` is what a person sees. A reader that follows the run gets it at once; if it has gone, the run goes on.
    pub(crate) fn emit(&mut self, event: &Value, text: Option<&str>) {
        let written = match (self.audience, text) {
            (Audience::Machine | Audience::Leader, _) => self.bar.suspend(|| say::event(&event.to_string())),
            (Audience::Person, Some(text)) => self.bar.suspend(|| say::note(text)),
            (Audience::Person, None) | (Audience::Nobody, _) => return,
        };
        if let Err(error) = written
            && !std::mem::replace(&mut self.is_mute, true)
        {
            self.lose(format!("what it said could not be written to standard output: {error}"));
        }
    }

    /// Says something that is not as it should be.
    pub(crate) fn warn(&mut self, text: &str) {
        let event = json!({"event": "warning", "message": text});
        match self.audience {
            Audience::Leader => self.emit(&event, None),
            Audience::Machine => {
                self.emit(&event, None);
                self.bar.suspend(|| say::errln(format_args!("warning: {text}")));
            }
            Audience::Person | Audience::Nobody => {
                self.bar.suspend(|| say::errln(format_args!("warning: {text}")));
            }
        }
    }

    /// Says at once, and again at the end, what could not be written where it should be.
    pub(crate) fn lose(&mut self, text: String) {
        match self.audience {
            Audience::Leader => self.emit(&json!({"event": "loss", "message": text}), None),
            Audience::Person | Audience::Machine | Audience::Nobody => {
                self.warn(&text);
                self.losses.push(text);
            }
        }
    }

    /// Everything has been said.
    ///
    /// # Errors
    /// If something could not be written where it should be.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if self.unlogged > 0 {
            let lost = format!("{} metrics are not in {METRICS}", self.unlogged);
            self.losses.push(lost);
        }
        match self.losses.as_slice() {
            [] => Ok(()),
            losses => bail!("the run came to its end, but {}", losses.join("; ")),
        }
    }

    /// A value that the program reports.
    pub(crate) fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]) {
        let iteration: Vec<u32> = loops.iter().map(|t| t.now).collect();
        let value = match values {
            [one] => number(*one),
            many => many.iter().copied().map(number).collect(),
        };
        self.relay(&json!({"event": "metric", "name": name, "value": value, "iteration": iteration}));
    }

    /// Passes on an event that another process emitted.
    pub(crate) fn relay(&mut self, event: &Value) {
        match event["event"].as_str() {
            Some("metric") => self.relay_metric(event),
            Some("progress") => self.progress(&event["done"], &event["of"]),
            Some("warning") => self.warn(&text(&event["message"])),
            Some("loss") => self.lose(text(&event["message"])),
            Some("output") => {
                let text = format!("{}: {}", text(&event["name"]), text(&event["file"]));
                self.emit(event, Some(&text));
            }
            _ => self.emit(event, None),
        }
    }

    fn relay_metric(&mut self, event: &Value) {
        let (name, value) = (text(&event["name"]), &event["value"]);
        if let Some(one) = number_of(value) {
            self.last.insert(name.clone(), one);
            let all: Vec<String> = self.last.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
            self.bar.set_message(say::printable_in_line(&all.join("  ")));
        }
        if let Log::Open(log) = &mut self.log {
            // A full disk must not end a long run.
            let written = writeln!(log, "{event}");
            self.unlogged += u64::from(written.is_err());
            if let (Err(error), 1) = (written, self.unlogged) {
                self.warn(&format!("metrics cannot be written to {METRICS}: {error}"));
            }
        }
        let iteration = event["iteration"].as_array().map_or(&[][..], Vec::as_slice);
        let iteration: Vec<String> = iteration.iter().map(Value::to_string).collect();
        let place = if iteration.is_empty() { String::new() } else { format!("[{}] ", iteration.join(", ")) };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let shown: Vec<String> =
            values.iter().map(|v| number_of(v).map_or("?".to_string(), |v| format!("{v:.5}"))).collect();
        let name = say::printable_in_line(&name);
        self.emit(event, Some(&format!("{place}{name} {}", shown.join(" "))));
    }

    /// Moves the progress bar, at most ten times a second.
    pub(crate) fn tick(&mut self, loops: &[Trip]) {
        if !self.is_due(FRAME) {
            return;
        }
        let total = loops.iter().fold(1u64, |n, t| n.saturating_mul(u64::from(t.trips)));
        if let Some(inner) = loops.last() {
            let event = json!({"event": "progress", "done": inner.iteration, "of": total});
            match self.audience {
                Audience::Leader => self.emit(&event, None),
                Audience::Person | Audience::Machine | Audience::Nobody => self.relay(&event),
            }
        }
    }

    fn progress(&mut self, done: &Value, of: &Value) {
        self.bar.set_length(of.as_u64().unwrap_or(0));
        self.bar.set_position(done.as_u64().unwrap_or(0));
    }

    /// Says who is missing, and for how much longer they are waited for.
    pub(crate) fn waiting(&mut self, waiting: &Waiting) {
        let often = if self.bar.is_hidden() { REMINDER } else { FRAME };
        if self.audience == Audience::Leader || !self.is_due(often) {
            return;
        }
        let missing: Vec<String> = waiting.missing.iter().map(ToString::to_string).collect();
        let mut text = format!("waiting for {}, {} s left", missing.join(" and "), waiting.left.as_secs());
        if missing.is_empty() {
            text = format!("waiting, {} s left", waiting.left.as_secs());
        }
        for trouble in &waiting.trouble {
            text.push_str(&format!("; {trouble}"));
        }
        if let Some(refused) = &waiting.refused {
            text.push_str(&format!("; turned away: {refused}"));
        }
        if self.audience == Audience::Machine {
            let seconds = waiting.left.as_secs_f64();
            let event =
                json!({"event": "waiting", "for": missing, "seconds": seconds, "why": waiting.trouble});
            self.emit(&event, None);
        } else if self.bar.is_hidden() {
            say::errln(format_args!("{text}"));
        } else {
            self.bar.set_message(say::printable_in_line(&text));
        }
    }

    /// Everybody is there.
    pub(crate) fn met(&mut self) {
        self.shown = None;
        self.bar.set_message("");
    }

    /// Whether the last time was long enough ago; if so, it is now.
    fn is_due(&mut self, often: Duration) -> bool {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= often);
        if due {
            self.shown = Some(Instant::now());
        }
        due
    }

    /// The last value of each metric.
    pub(crate) fn metrics(&self) -> Value {
        self.last.iter().map(|(name, value)| (name.clone(), number(*value))).collect()
    }

    /// Takes the progress bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A number as JSON has it. What JSON has no number for is a text: `NaN`, `Infinity`, `-Infinity`.
pub(crate) fn number(value: f64) -> Value {
    match value {
        _ if value.is_finite() => json!(value),
        _ if value.is_nan() => json!("NaN"),
        _ if value > 0.0 => json!("Infinity"),
        _ => json!("-Infinity"),
    }
}

/// The number that [`number`] wrote.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

/// A JSON string without its quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// The largest resident size of this process so far, in bytes; 0 where the system does not tell.
pub(crate) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    line.and_then(|l| l.split_whitespace().nth(1))
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// The first event of a run.
pub(crate) fn start(program: &Program, seed: Option<u64>) -> Value {
    let header = &program.header;
    json!({
        "event": "start", "program": header.name, "ring": header.ring, "fixed": [header.frac, header.total],
        "rounding": header.rounding.name(), "insecure_seed": seed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let mut state = 1u64;
        for i in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = if i % 2 == 0 { f64::from_bits(state) } else { (state >> 11) as f64 / 65_536.0 };
            let written = number(value).to_string();
            let read = number_of(&serde_json::from_str(&written).unwrap()).unwrap();
            assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan(), "{written}");
        }
    }
}
