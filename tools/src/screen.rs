//! A run as it is seen: for people as lines and a progress bar, for machines as JSON lines on standard output.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tern_bytecode::Program;
use tern_bytecode::report::group;
use tern_host::events::{Aborted, number_of};
use tern_host::run::Forecast;
use tern_host::{Event, Events, Sink};
use tern_tools::say;

use crate::watch::log;

/// Between two moves of the progress bar.
const FRAME: Duration = Duration::from_millis(100);
/// Between two lines that say who is missing or how far a run is, where there is no terminal.
const REMINDER: Duration = Duration::from_secs(10);

/// Who follows a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person: text, and a progress bar on a terminal.
    Person,
    /// A program that reads JSON lines.
    Machine,
    /// Whoever keeps a server's log.
    Log,
}

impl Audience {
    /// Who reads, depending on `--json`.
    pub(crate) fn of(json: bool) -> Audience {
        if json { Audience::Machine } else { Audience::Person }
    }
}

/// What shows a run. Clones show on the same screen.
#[derive(Clone)]
pub(crate) struct Screen(Rc<RefCell<Shown>>);

struct Shown {
    audience: Audience,
    bar: ProgressBar,
    last: BTreeMap<String, f64>,
    since: Option<Instant>,
    /// Of the loops in progress: when the first of these iterations was seen, its number, and how many there are.
    pace: Option<(Instant, u64, u64)>,
    /// Why standard output takes nothing any more.
    mute: Option<String>,
}

impl Screen {
    pub(crate) fn new(audience: Audience) -> Screen {
        let visible = audience == Audience::Person && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template(
            "{bar:30} iteration {pos} of {len}, {elapsed_precise} since the start, {prefix} left of this loop  {msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Screen(Rc::new(RefCell::new(Shown {
            audience,
            bar,
            last: BTreeMap::new(),
            since: None,
            pace: None,
            mute: None,
        })))
    }

    /// Emits an event; `text` is what a person sees. A reader that follows the run gets it at once; if it has gone, the run goes on.
    pub(crate) fn emit(&self, event: &Value, text: Option<&str>) {
        self.0.borrow_mut().emit(event, text);
    }

    /// Says something that is not as it should be.
    pub(crate) fn warn(&self, text: &str) {
        self.0.borrow_mut().warn(text);
    }

    /// What says lines from other threads.
    pub(crate) fn voice(&self) -> Voice {
        let shown = self.0.borrow();
        Voice { audience: shown.audience, bar: shown.bar.clone() }
    }

    /// Says why the run has failed.
    pub(crate) fn fail(&self, text: &str) {
        match self.0.borrow().audience {
            Audience::Log => log::failure(text),
            Audience::Person | Audience::Machine => say::errln(format_args!("error: {text}")),
        }
    }

    /// Takes the progress bar away.
    pub(crate) fn finish(&self) {
        self.0.borrow().bar.finish_and_clear();
    }

    /// Everything has been said.
    ///
    /// # Errors
    /// If something could not be written where it should be.
    pub(crate) fn close(&self, events: &mut Events<'_>) -> anyhow::Result<()> {
        self.finish();
        let closed = events.close();
        match (closed, &self.0.borrow().mute) {
            (closed, None) => closed,
            (Ok(()), Some(mute)) => bail!("the run came to its end, but {mute}"),
            (Err(error), Some(mute)) => bail!("{error}; {mute}"),
        }
    }
}

/// Says lines on the same screen from another thread.
pub(crate) struct Voice {
    audience: Audience,
    bar: ProgressBar,
}

impl Voice {
    /// Says what happens to a link.
    pub(crate) fn say(&self, line: &str) {
        match self.audience {
            Audience::Log => log::link(line),
            Audience::Machine => {
                let event = json!({"event": "link", "message": line});
                // A reader that has gone is noticed by what else is said.
                let _ = say::event(&event.to_string());
            }
            Audience::Person => self.bar.suspend(|| say::errln(format_args!("{line}"))),
        }
    }
}

impl Sink for Screen {
    fn event(&mut self, event: &Event) {
        self.0.borrow_mut().show(event);
    }
}

impl Shown {
    fn emit(&mut self, event: &Value, text: Option<&str>) {
        let written = match (self.audience, text) {
            (Audience::Log, _) => return log::object(event),
            (Audience::Machine, _) => self.bar.suspend(|| say::event(&event.to_string())),
            (Audience::Person, Some(text)) => self.bar.suspend(|| say::note(text)),
            (Audience::Person, None) => return,
        };
        if let Err(error) = written
            && self.mute.is_none()
        {
            let lost = format!("what it said could not be written to standard output: {error}");
            self.bar.suspend(|| say::errln(format_args!("warning: {lost}")));
            self.mute = Some(lost);
        }
    }

    fn warn(&mut self, text: &str) {
        if self.audience == Audience::Log {
            return log::warning(text);
        }
        if self.audience == Audience::Machine {
            self.emit(&json!({"event": "warning", "message": text}), None);
        }
        self.bar.suspend(|| say::errln(format_args!("warning: {text}")));
    }

    fn show(&mut self, event: &Event) {
        if self.audience == Audience::Log {
            return self.log(event);
        }
        match event {
            Event::Metric { name, value, iteration } => self.metric(event, (name, value), iteration),
            Event::Progress { done, of } => self.progress(event, *done, *of),
            Event::Warning { message } | Event::Loss { message } => self.warn(message),
            Event::Note { message } => self.bar.suspend(|| say::errln(format_args!("{message}"))),
            Event::Output { name, file } => self.emit(&event.to_json(), Some(&format!("{name}: {file}"))),
            Event::Debug { label, shape, values } => {
                let shown: Vec<String> = values.iter().take(12).map(|v| format!("{v:.5}")).collect();
                let more = if values.len() > 12 { ", …" } else { "" };
                let text = format!("{label} {shape:?} = {}{more}", shown.join(", "));
                self.emit(&event.to_json(), Some(&text));
            }
            Event::Checkpoint { .. } => self.emit(&event.to_json(), None),
            Event::Resumed { metrics } => self.resumed(event, metrics),
            Event::Forecast { forecast } => self.emit(&event.to_json(), Some(&forecast_text(forecast))),
            Event::Aborted { aborted } => self.aborted(event, aborted),
            Event::Waiting { .. } => self.waiting(event),
            Event::Met {} => {
                self.since = None;
                self.bar.set_message("");
            }
            Event::Begun {}
            | Event::Ready { .. }
            | Event::Share { .. }
            | Event::Over {}
            | Event::Failed { .. } => {}
        }
    }

    /// How far the loops in progress are, and how long the rest of them takes if it goes on like this.
    fn progress(&mut self, event: &Event, done: u64, of: u64) {
        if self.audience == Audience::Machine {
            return self.emit(&event.to_json(), None);
        }
        self.bar.set_length(of);
        self.bar.set_position(done);
        let (began, first) = match self.pace {
            Some((began, first, all)) if all == of && first <= done => (began, first),
            _ => (Instant::now(), done),
        };
        self.pace = Some((began, first, of));
        let left = (done > first)
            .then(|| began.elapsed().as_secs_f64() / (done - first) as f64 * of.saturating_sub(done) as f64);
        let left = left.map_or("not known yet".to_string(), |left| format!("about {}", time(left)));
        self.bar.set_prefix(left);
    }

    /// Logs an event; what comes several times a second, now and then.
    fn log(&mut self, event: &Event) {
        let often = matches!(event, Event::Waiting { .. } | Event::Progress { .. });
        if !often || self.is_due(REMINDER) {
            log::event(event);
        }
    }

    /// What was reported before is shown in short.
    fn resumed(&mut self, event: &Event, metrics: &[Event]) {
        let last = metrics.iter().rev().find_map(|metric| match metric {
            Event::Metric { iteration, .. } if !iteration.is_empty() => Some(iteration.clone()),
            _ => None,
        });
        let counters = |last: Vec<u32>| last.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let place = last.map_or(String::new(), |last| format!(", behind [{}]", counters(last)));
        self.emit(&event.to_json(), Some(&format!("going on from a checkpoint{place}")));
    }

    /// What there is of a run that has failed, and how to go on.
    fn aborted(&mut self, event: &Event, aborted: &Aborted) {
        match self.audience {
            Audience::Machine => self.emit(&event.to_json(), None),
            _ => self.bar.suspend(|| say::errln(format_args!("{}", aborted_text(aborted)))),
        }
    }

    fn metric(&mut self, event: &Event, (name, value): (&str, &Value), iteration: &[u32]) {
        if let Some(one) = number_of(value) {
            self.last.insert(name.to_string(), one);
            let all: Vec<String> = self.last.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
            self.bar.set_message(say::printable_in_line(&all.join("  ")));
        }
        let iteration: Vec<String> = iteration.iter().map(u32::to_string).collect();
        let place = if iteration.is_empty() { String::new() } else { format!("[{}] ", iteration.join(", ")) };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let shown: Vec<String> =
            values.iter().map(|v| number_of(v).map_or("?".to_string(), |v| format!("{v:.5}"))).collect();
        let name = say::printable_in_line(name);
        self.emit(&event.to_json(), Some(&format!("{place}{name} {}", shown.join(" "))));
    }

    /// Says who is missing, and for how much longer they are waited for.
    fn waiting(&mut self, event: &Event) {
        let Event::Waiting { missing, seconds, why, refused } = event else { return };
        if !self.is_due(if self.bar.is_hidden() { REMINDER } else { FRAME }) {
            return;
        }
        let left = *seconds as u64;
        let mut text = format!("waiting for {}, {left} s left", missing.join(" and "));
        if missing.is_empty() {
            text = format!("waiting, {left} s left");
        }
        for trouble in why {
            text.push_str(&format!("; {trouble}"));
        }
        if let Some(refused) = refused {
            text.push_str(&format!("; turned away: {refused}"));
        }
        if self.audience == Audience::Machine {
            let event = json!({"event": "waiting", "for": missing, "seconds": seconds, "why": why});
            self.emit(&event, None);
        } else if self.bar.is_hidden() {
            say::errln(format_args!("{text}"));
        } else {
            self.bar.set_message(say::printable_in_line(&text));
        }
    }

    /// Whether the last time was long enough ago; if so, it is now.
    fn is_due(&mut self, often: Duration) -> bool {
        let due = self.since.is_none_or(|since| since.elapsed() >= often);
        if due {
            self.since = Some(Instant::now());
        }
        due
    }
}

/// What a run needs, and how roughly that is known.
fn forecast_text(forecast: &Forecast) -> String {
    let Forecast { memory, rounds, bytes, round, rate, seconds, computing } = *forecast;
    format!(
        "needs {} of memory per party besides data; {} rounds of {:.2} ms and {} at {}/s, as measured now: at least {} of communication, and about {} of computing",
        sized(memory as f64),
        group(rounds),
        1e3 * round,
        sized(bytes as f64),
        sized(rate),
        time(seconds),
        time(computing)
    )
}

/// Bytes, to two or three digits.
fn sized(bytes: f64) -> String {
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.0} kB", bytes / 1e3),
    }
}

/// Bytes that are sent, in a unit that shows them.
pub(crate) fn sent(bytes: f64) -> String {
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.1} MB", bytes / 1e6),
        1e3.. => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes:.0} bytes"),
    }
}

/// Seconds, in the unit that people take.
fn time(seconds: f64) -> String {
    match seconds {
        7200.0.. => format!("{:.1} h", seconds / 3600.0),
        120.0.. => format!("{:.0} min", seconds / 60.0),
        10.0.. => format!("{seconds:.0} s"),
        _ => format!("{seconds:.1} s"),
    }
}

/// A summary of what there is of a run.
fn aborted_text(aborted: &Aborted) -> String {
    let Aborted { loops, place, outputs, metrics, checkpoint } = aborted;
    let mut text = "the run was aborted".to_string();
    if !loops.is_empty() {
        let of: Vec<String> = loops.iter().map(|[now, trips]| format!("{} of {trips}", now + 1)).collect();
        text.push_str(&format!(" in iteration {}", of.join(", in it ")));
    }
    text.push_str(&place.as_ref().map_or(String::new(), |place| format!(", at {place}")));
    if let Some((file, count)) = metrics {
        text.push_str(&format!("\n  metrics: {count} in {file}"));
    }
    match outputs.as_slice() {
        [] => text.push_str("\n  results: none"),
        [.., last] => {
            let others =
                if outputs.len() > 1 { format!(" and {} more", outputs.len() - 1) } else { String::new() };
            text.push_str(&format!("\n  results: {last}{others}, each of them whole"));
        }
    }
    let command: Vec<String> = std::env::args().map(|word| quoted(&word)).collect();
    let command = command.join(" ");
    text.push_str(&match checkpoint {
        Some((directory, Some(point))) => {
            format!("\n  checkpoint: of iteration {point}, in {directory}\n  to go on from it: {command}")
        }
        Some((directory, None)) => {
            format!("\n  checkpoint: none yet in {directory}\n  to begin anew: {command}")
        }
        None => format!("\n  checkpoint: none is kept without --checkpoint DIR\n  to begin anew: {command}"),
    });
    say::printable(&text)
}

/// A word of a command line, as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The first event of a run.
pub(crate) fn start(program: &Program, seed: Option<u64>) -> Value {
    let header = &program.header;
    json!({
        "event": "start", "program": header.name, "ring": header.ring, "fixed": [header.frac, header.total],
        "rounding": header.rounding.name(), "insecure_seed": seed,
    })
}
