//! Events of a run: for people as lines and a progress bar, for machines as JSON lines on standard output.
//!
//! Every event is one object with `event`; docs/json.md lists them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tern_bytecode::Program;
use tern_vm::machine::Trip;
use tern_vm::net::Waiting;

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

/// Where events go.
pub(crate) struct Events {
    audience: Audience,
    bar: ProgressBar,
    /// Metrics are also kept in this file, as JSON lines.
    log: Option<File>,
    last: BTreeMap<String, f64>,
    shown: Option<Instant>,
}

impl Events {
    pub(crate) fn new(audience: Audience, log: Option<File>) -> Events {
        let visible = audience == Audience::Person && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Events { audience, bar, log, last: BTreeMap::new(), shown: None }
    }

    /// Whether this process is a party of a local run.
    pub(crate) fn are_for_leader(&self) -> bool {
        self.audience == Audience::Leader
    }

    /// Emits an event; `text` is what a person sees.
    pub(crate) fn emit(&mut self, event: &Value, text: Option<&str>) {
        let line = match self.audience {
            Audience::Machine | Audience::Leader => event.to_string(),
            Audience::Person => match text {
                Some(text) => text.to_string(),
                None => return,
            },
            Audience::Nobody => return,
        };
        self.bar.suspend(|| {
            let mut out = std::io::stdout().lock();
            // A reader that follows the run wants the line now; if it has gone, the run goes on.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        });
    }

    /// A value that the program reports.
    pub(crate) fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]) {
        let iteration: Vec<u32> = loops.iter().map(|t| t.now).collect();
        let value = match values {
            [one] => json!(one),
            many => json!(many),
        };
        self.relay(&json!({"event": "metric", "name": name, "value": value, "iteration": iteration}));
    }

    /// Passes on an event that another process emitted.
    pub(crate) fn relay(&mut self, event: &Value) {
        match event["event"].as_str() {
            Some("metric") => self.relay_metric(event),
            Some("progress") => self.progress(&event["done"], &event["of"]),
            Some("output") => {
                let text = format!("{}: {}", text(&event["name"]), text(&event["file"]));
                self.emit(event, Some(&text));
            }
            _ => self.emit(event, None),
        }
    }

    fn relay_metric(&mut self, event: &Value) {
        let (name, value) = (text(&event["name"]), &event["value"]);
        if let Some(one) = value.as_f64() {
            self.last.insert(name.clone(), one);
            let all: Vec<String> = self.last.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
            self.bar.set_message(all.join("  "));
        }
        if let Some(log) = &mut self.log {
            // The log is a convenience; a full disk must not end a long run.
            let _ = writeln!(log, "{event}");
        }
        let iteration = event["iteration"].as_array().map_or(&[][..], Vec::as_slice);
        let iteration: Vec<String> = iteration.iter().map(Value::to_string).collect();
        let place = if iteration.is_empty() { String::new() } else { format!("[{}] ", iteration.join(", ")) };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let shown: Vec<String> =
            values.iter().map(|v| v.as_f64().map_or("?".to_string(), |v| format!("{v:.5}"))).collect();
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
        if self.audience == Audience::Leader || waiting.missing.is_empty() || !self.is_due(often) {
            return;
        }
        let missing: Vec<String> = waiting.missing.iter().map(ToString::to_string).collect();
        let mut text = format!("waiting for {}, {} s left", missing.join(" and "), waiting.left.as_secs());
        if let Some(refused) = &waiting.refused {
            text.push_str(&format!("; turned away: {refused}"));
        }
        if self.audience == Audience::Machine {
            let seconds = waiting.left.as_secs_f64();
            self.emit(&json!({"event": "waiting", "for": missing, "seconds": seconds}), None);
        } else if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.set_message(text);
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

    pub(crate) fn metrics(&self) -> &BTreeMap<String, f64> {
        &self.last
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
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

/// The file of a run's metrics, in the directory of its outputs.
pub(crate) fn open_log(out: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let log = out.join("metrics.jsonl");
    File::create(&log).with_context(|| format!("cannot write {}", log.display()))
}

/// The first event of a run.
pub(crate) fn start(program: &Program, seed: Option<u64>) -> Value {
    let header = &program.header;
    json!({
        "event": "start", "program": header.name, "ring": header.ring, "fixed": [header.frac, header.total],
        "rounding": header.rounding.name(), "insecure_seed": seed,
    })
}
