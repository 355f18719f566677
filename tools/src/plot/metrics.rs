//! The metrics that a run has written.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use tern_host::events::number_of;
use tern_pages::figure::Metrics;

/// Reads a run's `metrics.jsonl`. Metrics that are lists of numbers are left out; a line that is not complete, as the last one of a run that was
/// interrupted, ends the file.
///
/// # Errors
/// A file that cannot be read, or a line that is no event.
pub(crate) fn read(path: &Path) -> anyhow::Result<Metrics> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut metrics = Metrics::new();
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        let unfinished = lines.peek().is_none() && !line.ends_with('\n');
        let event: Value = match serde_json::from_str(line) {
            Ok(event) => event,
            Err(_) if unfinished => break,
            Err(_) => bail!("{}, line {}: this is no JSON object", path.display(), i + 1),
        };
        let Some(name) = event["name"].as_str().filter(|_| event["event"] == "metric") else {
            // `--json` writes other events as well
            if event["event"].is_string() {
                continue;
            }
            bail!("{}, line {}: this is no event of a run", path.display(), i + 1);
        };
        if let Some(value) = number_of(&event["value"]) {
            metrics.entry(name.to_string()).or_default().push(value);
        }
    }
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> anyhow::Result<Metrics> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn what_an_interrupted_run_has_written() {
        let text = r#"{"event":"start"}
{"event":"metric","name":"loss","value":0.5,"iteration":[0]}
{"event":"metric","name":"each","value":[1,2],"iteration":[0]}
{"event":"metric","name":"loss","value":0.25,"iteration":[1]}
{"event":"metric","name":"lo"#;
        let metrics = of(text).unwrap();
        assert_eq!(metrics.len(), 1);
        assert_eq!(metrics["loss"], [0.5, 0.25]);
        assert!(of("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_event() {
        for text in ["epoch,loss\n1,0.5\n", "{}\n", "[1, 2]\n", "{\"event\":3}\n"] {
            assert!(of(text).unwrap_err().to_string().contains("line 1"), "{text}");
        }
    }
}
