//! What happens in a run, told to whoever follows it.
//!
//! An [`Event`] is data: a front-end shows it, passes it on or drops it ([`Sink`]). As JSON every event is one object
//! with `event`; docs/json.md lists those that the command prints. [`Events`] stands between a run and its sink: it keeps the log of
//! metrics, and remembers what could not be written where it should be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tern_vm::machine::Trip;
use tern_vm::net::Waiting;

use crate::results::METRICS;
use crate::run::{Blame, Forecast, Share};

/// Between two events that say how far a run is.
const FRAME: Duration = Duration::from_millis(100);

/// What happens in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A value that the program reports.
    Metric {
        /// Its name in the program.
        name: String,
        /// A number, or a list of them, as [`number`] writes them.
        value: Value,
        /// Counters of the loops around it, outermost first.
        iteration: Vec<u32>,
    },
    /// How far the run is.
    Progress {
        /// Iterations that have begun.
        done: u64,
        /// All of the loops in progress.
        of: u64,
    },
    /// Something is not as it should be.
    Warning {
        /// What.
        message: String,
    },
    /// Something that is good to know.
    Note {
        /// What.
        message: String,
    },
    /// Something could not be written where it should be.
    Loss {
        /// What, and where it is instead.
        message: String,
    },
    /// A result was written.
    Output {
        /// The output's name in the program.
        name: String,
        /// Its file.
        file: String,
    },
    /// A value that the program shows while debugging.
    Debug {
        /// What the program calls it.
        label: String,
        /// Its shape.
        shape: Vec<u32>,
        /// Its elements, in row-major order.
        values: Vec<f64>,
    },
    /// Others are waited for. Emitted several times per second.
    Waiting {
        /// Who is missing.
        #[serde(rename = "for")]
        missing: Vec<String>,
        /// Seconds that are left.
        seconds: f64,
        /// What keeps the parties apart, as far as this one sees.
        why: Vec<String>,
        /// The last connection that was turned away, and why.
        refused: Option<String>,
    },
    /// Everybody is there.
    Met {},
    /// What the run needs, as far as can be said before it begins.
    Forecast {
        /// Memory, and time of communication.
        forecast: Forecast,
    },
    /// The run begins, perhaps once more.
    Begun {},
    /// The run has been kept on disk, by all parties.
    Checkpoint {
        /// Iterations that had begun, those of loops within others counted too.
        number: u64,
        /// Bytes of the party's file.
        bytes: u64,
        /// How long it took.
        seconds: f64,
    },
    /// The run goes on from a checkpoint.
    Resumed {
        /// What was reported before it: events of metrics.
        metrics: Vec<Event>,
    },
    /// The run was aborted after it had begun.
    Aborted {
        /// Where, and what there is of it.
        aborted: Aborted,
    },
    /// Of a party of a local run: how it can be met.
    Ready {
        /// Where.
        address: String,
        /// Of its certificate.
        fingerprint: String,
    },
    /// Of a party of a local run: it has come to its end.
    Share {
        /// What it has measured.
        share: Share,
    },
    /// Of a party of a local run: the run had come to its end before.
    Over {},
    /// Of a party of a local run: it has failed.
    Failed {
        /// Whose fault it is.
        blame: Blame,
        /// Why.
        message: String,
    },
}

/// What there is of a run that was aborted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aborted {
    /// Counters of the loops in progress and how often each runs, outermost first.
    pub loops: Vec<[u32; 2]>,
    /// The source line, as `FILE:LINE`, if it is known.
    pub place: Option<String>,
    /// Files of results, which are whole.
    pub outputs: Vec<String>,
    /// The file of metrics, and how many are in it.
    pub metrics: Option<(String, u64)>,
    /// The directory of checkpoints, and the iteration of the last one, if there is one.
    pub checkpoint: Option<(String, Option<u64>)>,
}

impl Event {
    /// As one JSON object.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("events are objects of texts and numbers")
    }
}

/// Who follows a run.
pub trait Sink {
    /// Takes an event, at once. The run waits meanwhile, and goes on whatever becomes of it.
    fn event(&mut self, event: &Event);
}

/// For runs that nobody follows.
#[derive(Debug, Default)]
pub struct Nobody;

impl Sink for Nobody {
    fn event(&mut self, _: &Event) {}
}

/// All events, for tests and for front-ends that look at them afterwards.
impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(event.clone());
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }
}

/// Events as JSON lines; a reader that has gone is none.
pub struct JsonLines<W>(pub W);

impl<W: Write> Sink for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        let _ = writeln!(self.0, "{}", event.to_json()).and_then(|()| self.0.flush());
    }
}

/// Where events go.
pub struct Events<'a> {
    sink: Box<dyn Sink + 'a>,
    /// The file in which metrics are kept, as JSON lines. It is begun when the run begins: what an earlier one has left stays until then.
    path: Option<PathBuf>,
    log: Option<File>,
    last: BTreeMap<String, f64>,
    moved: Option<Instant>,
    /// What could not be written where it should be, and why: one line each.
    losses: Vec<String>,
    /// Metrics that are in the log, and that are not.
    logged: u64,
    unlogged: u64,
}

impl<'a> Events<'a> {
    /// Metrics go to a log in the directory given.
    pub fn new(sink: impl Sink + 'a, log: Option<&Path>) -> Events<'a> {
        let path = log.map(|directory| directory.join(METRICS));
        let (last, losses) = (BTreeMap::new(), Vec::new());
        Events { sink: Box::new(sink), path, log: None, last, moved: None, losses, logged: 0, unlogged: 0 }
    }

    /// Nobody follows, and nothing is kept.
    pub fn unheard() -> Events<'a> {
        Events::new(Nobody, None)
    }

    /// The run begins: so does its log.
    ///
    /// # Errors
    /// If there can be no log.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        self.last.clear();
        self.logged = 0;
        if let Some(path) = &self.path {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            self.log = Some(file);
        }
        self.sink.event(&Event::Begun {});
        Ok(())
    }

    /// Says something that is not as it should be.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.emit(Event::Warning { message: message.into() });
    }

    /// Says something that is good to know.
    pub fn note(&mut self, message: impl Into<String>) {
        self.emit(Event::Note { message: message.into() });
    }

    /// Says at once, and again at the end, what could not be written where it should be.
    pub fn lose(&mut self, message: impl Into<String>) {
        self.emit(Event::Loss { message: message.into() });
    }

    /// Everything has been said.
    ///
    /// # Errors
    /// If something could not be written where it should be.
    pub fn close(&mut self) -> anyhow::Result<()> {
        if self.unlogged > 0 {
            self.losses.push(format!("{} metrics are not in {METRICS}", self.unlogged));
            self.unlogged = 0;
        }
        match std::mem::take(&mut self.losses).as_slice() {
            [] => Ok(()),
            losses => bail!("the run came to its end, but {}", losses.join("; ")),
        }
    }

    /// A value that the program reports, with the counters of the loops around it.
    pub fn metric(&mut self, name: &str, values: &[f64], iteration: Vec<u32>) {
        self.emit(metric_event(name, values, iteration));
    }

    /// Passes on an event, of this process or another.
    pub fn emit(&mut self, event: Event) {
        match &event {
            Event::Metric { name, value, .. } => self.keep_metric(name, value, &event),
            Event::Resumed { metrics, .. } => {
                for metric in metrics {
                    if let Event::Metric { name, value, .. } = metric {
                        self.keep_metric(name, value, metric);
                    }
                }
            }
            Event::Loss { message } => self.losses.push(message.clone()),
            _ => {}
        }
        self.sink.event(&event);
    }

    fn keep_metric(&mut self, name: &str, value: &Value, event: &Event) {
        if let Some(one) = number_of(value) {
            self.last.insert(name.to_string(), one);
        }
        let Some(log) = &mut self.log else { return };
        // A line at a time: whoever is killed leaves whole ones. A full disk must not end a long run.
        let written = log.write_all(format!("{}\n", event.to_json()).as_bytes());
        self.unlogged += u64::from(written.is_err());
        self.logged += u64::from(written.is_ok());
        if let (Err(error), 1) = (written, self.unlogged) {
            self.warn(format!("metrics cannot be written to {METRICS}: {error}"));
        }
    }

    /// Says how far the run is, at most ten times a second.
    pub(crate) fn tick(&mut self, loops: &[Trip]) {
        if self.moved.is_some_and(|moved| moved.elapsed() < FRAME) {
            return;
        }
        self.moved = Some(Instant::now());
        let of = loops.iter().fold(1u64, |n, t| n.saturating_mul(u64::from(t.trips)));
        if let Some(inner) = loops.last() {
            self.emit(Event::Progress { done: inner.iteration, of });
        }
    }

    /// Says who is missing, and for how much longer they are waited for.
    pub fn waiting(&mut self, waiting: &Waiting) {
        let missing = waiting.missing.iter().map(ToString::to_string).collect();
        let (seconds, why) = (waiting.left.as_secs_f64(), waiting.trouble.clone());
        self.emit(Event::Waiting { missing, seconds, why, refused: waiting.refused.clone() });
    }

    /// Everybody is there.
    pub fn met(&mut self) {
        self.emit(Event::Met {});
    }

    /// The log of metrics of the run that has begun, and how many are in it.
    pub(crate) fn logged(&self) -> Option<(String, u64)> {
        let path = self.log.as_ref().and(self.path.as_ref())?;
        Some((path.display().to_string(), self.logged))
    }

    /// The last value of each metric.
    pub fn last(&self) -> &BTreeMap<String, f64> {
        &self.last
    }

    /// The same as JSON.
    pub fn metrics(&self) -> Value {
        self.last.iter().map(|(name, value)| (name.clone(), number(*value))).collect()
    }
}

impl Sink for Events<'_> {
    fn event(&mut self, event: &Event) {
        self.emit(event.clone());
    }
}

/// The event of values that the program reports.
pub(crate) fn metric_event(name: &str, values: &[f64], iteration: Vec<u32>) -> Event {
    let value = match values {
        [one] => number(*one),
        many => many.iter().copied().map(number).collect(),
    };
    Event::Metric { name: name.to_string(), value, iteration }
}

/// A number as JSON has it. What JSON has no number for is a text: `NaN`, `Infinity`, `-Infinity`.
pub fn number(value: f64) -> Value {
    match value {
        _ if value.is_finite() => json!(value),
        _ if value.is_nan() => json!("NaN"),
        _ if value > 0.0 => json!("Infinity"),
        _ => json!("-Infinity"),
    }
}

/// The number that [`number`] wrote.
pub fn number_of(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

/// The largest resident size of this process so far, in bytes; 0 where the system does not tell.
pub fn peak_memory() -> u64 {
    resident("VmHWM:")
}

/// The resident size of this process, in bytes; 0 where the system does not tell.
pub fn memory() -> u64 {
    resident("VmRSS:")
}

fn resident(which: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(which));
    line.and_then(|l| l.split_whitespace().nth(1))
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
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
