//! Checkpoints as Python asks for them.

use std::path::PathBuf;

use serde_json::{Value, json};
use tern_host::{Events, Keeping};
use tern_vm::machine::checkpoint::duration;

/// The directory of the points; how often one is kept; whether there has to be one; how long a party that is gone is waited for, and how often.
pub(crate) type Kept = (PathBuf, String, bool, Option<String>, u32);

/// What the library calls it.
///
/// # Errors
/// Times that are none.
pub(crate) fn keeping(kept: Option<Kept>) -> anyhow::Result<Option<Keeping>> {
    let Some((directory, every, resume, wait, retries)) = kept else { return Ok(None) };
    let every = every.parse().map_err(|error| anyhow::anyhow!("every={every:?}: {error}"))?;
    let wait = time("wait", wait)?.unwrap_or(Keeping::WAIT);
    Ok(Some(Keeping { directory, every, resume, wait, retries }))
}

/// A time like `10min`, if one is given as this argument.
///
/// # Errors
/// What is none.
pub(crate) fn time(argument: &str, text: Option<String>) -> anyhow::Result<Option<std::time::Duration>> {
    let read =
        |text: String| duration(&text).map_err(|error| anyhow::anyhow!("{argument}={text:?}: {error}"));
    text.map(read).transpose()
}

/// What is reported of a run that had come to its end before, when its process was killed.
pub(crate) fn over(events: &mut Events<'_>) -> Value {
    events.warn(
        "the run had come to its end before, and all parties have their results; nothing was begun, and the same call begins anew now",
    );
    json!({ "over": true, "seconds": 0.0, "rounds": 0, "bits": 0, "by_line": [], "as_announced": null })
}
