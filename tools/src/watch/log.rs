//! The log of a server: one line per event, with its time, on standard error. Of values, it has those that the program reports, which all
//! parties learn; nothing else in it depends on data.

use clap::ValueEnum;
use serde_json::Value;
use tern_host::Event;
use tern_host::events::Aborted;
use tern_host::run::Forecast;
use tern_tools::say;
use tracing::{error, info, warn};

/// What a line looks like.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Time, level, what, and fields as name=value.
    Text,
    /// A JSON object.
    Json,
}

/// From now on, events are lines.
pub(crate) fn begin(format: Format) {
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    // one that is there already is as good
    let _ = match format {
        Format::Text => lines.try_init().ok(),
        Format::Json => lines.json().flatten_event(true).try_init().ok(),
    };
}

/// What happens in a run.
pub(crate) fn event(event: &Event) {
    match event {
        Event::Metric { name, value, iteration } => {
            info!(name, value = value.to_string(), ?iteration, "metric");
        }
        Event::Progress { done, of } => info!(done, of, "progress"),
        Event::Warning { message } => warning(message),
        Event::Note { message } => info!("{}", one_line(message)),
        Event::Loss { message } => failure(message),
        Event::Output { name, file } => info!(name, file, "output"),
        Event::Debug { label, shape, .. } => info!(label, ?shape, "debug"),
        Event::Waiting { missing, seconds, why, refused } => {
            let refused = refused.as_deref().unwrap_or_default();
            info!(missing = missing.join(", "), seconds, why = why.join("; "), refused, "waiting");
        }
        Event::Met {} => info!("met"),
        Event::Forecast { forecast } => {
            let Forecast { memory, rounds, bytes, round, rate, seconds, computing } = *forecast;
            info!(memory, rounds, bytes, round, rate, seconds, computing, "forecast");
        }
        Event::Begun {} => info!("begun"),
        Event::Checkpoint { number, bytes, seconds } => info!(number, bytes, seconds, "checkpoint"),
        Event::Resumed { metrics } => info!(metrics = metrics.len(), "resumed"),
        Event::Aborted { aborted } => info!(fields = %aborted_fields(aborted), "aborted"),
        Event::Ready { .. } | Event::Share { .. } | Event::Over {} | Event::Failed { .. } => {}
    }
}

/// What happens to a link.
pub(crate) fn link(line: &str) {
    info!("{}", one_line(line));
}

/// An event that has fields of its own: the first and the last of a run.
pub(crate) fn object(object: &Value) {
    let name = object["event"].as_str().unwrap_or_default();
    let mut fields = object.clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("event");
        fields.remove("by_line"); // a table, for people
    }
    info!(fields = %fields, "{name}");
}

/// What there is of a run that was aborted.
fn aborted_fields(aborted: &Aborted) -> Value {
    serde_json::to_value(aborted).expect("texts and numbers")
}

/// Something is not as it should be.
pub(crate) fn warning(message: &str) {
    warn!("{}", one_line(message));
}

/// Something failed.
pub(crate) fn failure(message: &str) {
    error!("{}", one_line(message));
}

/// A message without line breaks, so that a line is an event.
fn one_line(message: &str) -> String {
    say::printable_in_line(&message.split_whitespace().collect::<Vec<_>>().join(" "))
}
