//! Events of a run: for people as lines and a progress bar, for machines as JSON lines on standard output.
//!
//! Every event is one object with `event`:
//!
//! | event | further fields |
//! |---|---|
//! | `start` | `program`, `ring`, `fixed`, `rounding`, `insecure_seed` |
//! | `metric` | `name`, `value` (a number, or a list of them), `iteration` (loop counters, outermost first) |
//! | `debug` | `label`, `shape`, `values` |
//! | `output` | `name`, `file` |
//! | `range` | `message`: a value outside its declared range |
//! | `done` | `seconds`, `rounds`, `bits`, `peak_memory` (bytes), `metrics` (last value by name) |

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tern_vm::machine::Trip;

/// Where events go.
pub(crate) struct Events {
    json: bool,
    bar: ProgressBar,
    /// Metrics are also kept in this file, as JSON lines.
    log: Option<std::fs::File>,
    last: BTreeMap<String, f64>,
    shown: Instant,
}

impl Events {
    pub(crate) fn new(json: bool, log: Option<std::fs::File>) -> Events {
        let visible = !json && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Events { json, bar, log, last: BTreeMap::new(), shown: Instant::now() }
    }

    /// Emits an event; `text` is what a person sees.
    pub(crate) fn emit(&mut self, event: &Value, text: Option<&str>) {
        if self.json {
            println!("{event}");
            // A reader that follows the run wants the line now; if it has gone, the run goes on.
            let _ = std::io::stdout().flush();
        } else if let Some(text) = text {
            self.bar.suspend(|| println!("{text}"));
        }
    }

    pub(crate) fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]) {
        let iteration: Vec<u32> = loops.iter().map(|t| t.now).collect();
        let value = match values {
            [one] => json!(one),
            many => json!(many),
        };
        if let [one] = values {
            self.last.insert(name.to_string(), *one);
            self.bar.set_message(
                self.last.iter().map(|(n, v)| format!("{n} {v:.4}")).collect::<Vec<_>>().join("  "),
            );
        }
        let event = json!({"event": "metric", "name": name, "value": value, "iteration": iteration});
        if let Some(log) = &mut self.log {
            // The log is a convenience; a full disk must not end a long run.
            let _ = writeln!(log, "{event}");
        }
        let place = if iteration.is_empty() { String::new() } else { format!("{iteration:?} ") };
        let shown: Vec<String> = values.iter().map(|v| format!("{v:.5}")).collect();
        self.emit(&event, Some(&format!("{place}{name} {}", shown.join(" "))));
    }

    /// Moves the progress bar, at most ten times a second.
    pub(crate) fn tick(&mut self, loops: &[Trip]) {
        if self.shown.elapsed() < Duration::from_millis(100) {
            return;
        }
        self.shown = Instant::now();
        let total = loops.iter().fold(1u64, |n, t| n.saturating_mul(u64::from(t.trips)));
        if let Some(inner) = loops.last() {
            self.bar.set_length(total);
            self.bar.set_position(inner.iteration);
        }
    }

    pub(crate) fn metrics(&self) -> &BTreeMap<String, f64> {
        &self.last
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The largest resident size of this process so far, in bytes; 0 where the system does not tell.
pub(crate) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    line.and_then(|l| l.split_whitespace().nth(1))
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}
