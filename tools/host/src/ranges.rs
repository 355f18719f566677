//! What the emulator found about ranges, in the program's own terms: which lines, by how much, how often, and what to do.

use std::collections::BTreeSet;

use crate::source::Loaded;
use serde_json::{Value, json};
use tern_bytecode::program::Header;
use tern_bytecode::rings;
use tern_compiler::lower::modules::LIBRARY;
use tern_vm::machine::{RangeReport, Violation, Wrong};

/// Lines that are named one by one without `--ranges`.
const SHOWN: usize = 8;

/// The paragraph at the end of a run; none if everything kept its range. `long` names every line.
pub fn paragraph(loaded: &Loaded, report: &RangeReport, long: bool) -> Option<String> {
    if report.outside.is_empty() {
        return None;
    }
    let lines = lines(report);
    let count = match lines {
        1 => "1 source line left its range".to_string(),
        n => format!("{n} source lines left their range"),
    };
    let mut text = format!(
        "{count}: there three parties may compute something else, and results are not to be relied on"
    );
    let shown = if long { report.outside.len() } else { SHOWN };
    for violation in report.outside.iter().take(shown) {
        text.push_str(&format!("\n   {}", sentence(violation)));
        if let Some(source) = violation.place.as_ref().and_then(|(file, line)| loaded.line(file, *line)) {
            text.push_str(&format!("\n      {source}"));
        }
    }
    if report.outside.len() > shown {
        text.push_str(&format!("\n   and {} more (--ranges)", report.outside.len() - shown));
    }
    for help in helps(&loaded.program.header, report) {
        text.push_str(&format!("\n   = help: {help}"));
    }
    Some(text)
}

/// How many source lines left their range.
pub fn lines(report: &RangeReport) -> usize {
    let places: BTreeSet<_> =
        report.outside.iter().map(|v| v.place.as_ref().map_or((None, v.at), |p| (Some(p), 0))).collect();
    places.len()
}

/// One event for every line and way of leaving a range.
pub fn event(violation: &Violation) -> Value {
    let place = violation.place.as_ref().map(|(file, line)| format!("{file}:{line}"));
    let mut event = json!({
        "event": "range", "message": sentence(violation), "place": place, "times": violation.times,
    });
    if let Wrong::Contract { value, .. } | Wrong::Range { value, .. } = violation.wrong {
        event["value"] = json!(value);
    }
    event
}

/// A violation, with the function of the library in which it happened.
fn sentence(violation: &Violation) -> String {
    let Some((file, line)) = &violation.inside else { return violation.to_string() };
    let (function, said) = match function(file, *line) {
        Some((function, said)) => (function, said),
        None => (format!("{file}:{line}"), String::new()),
    };
    let domain = match violation.wrong {
        Wrong::Range { .. } if said.starts_with("require") => format!(" asks for it: `{said}`"),
        Wrong::Range { .. } => " assumes it: its argument is beyond what it is made for".to_string(),
        _ => " computes it".to_string(),
    };
    format!("{violation}; {function}{domain}")
}

/// The function of the library around a line, and the line itself.
fn function(file: &str, line: u32) -> Option<(String, String)> {
    let module = file.rsplit('/').next()?.strip_suffix(".mpc")?;
    let (_, text) = LIBRARY.iter().find(|(name, _)| *name == module)?;
    let lines: Vec<&str> = text.lines().take(line as usize).collect();
    let head = lines.iter().rev().find_map(|line| line.strip_prefix("fn "))?;
    let name = head.split(['(', '<']).next()?;
    Some((format!("{module}::{name}"), lines.last()?.trim().to_string()))
}

/// Ways out, each once.
fn helps(header: &Header, report: &RangeReport) -> Vec<String> {
    let wrongs = || report.outside.iter().map(|v| v.wrong);
    let mut helps = Vec::new();
    let beyond = wrongs().filter_map(|wrong| match wrong {
        Wrong::Contract { value, whole, .. } => Some((value.abs(), if whole { 0 } else { header.frac })),
        _ => None,
    });
    let needed = beyond.map(|(value, frac)| value.log2().floor() as u32 + 2 + frac).max();
    match needed {
        Some(total) if total <= 128 => helps.push(format!(
            "more bits in all, --fixed {},{total}, or smaller numbers: scale the inputs, the weights or the rate",
            header.frac
        )),
        Some(_) => helps.push("smaller numbers: scale the inputs, the weights or the rate".to_string()),
        None => {}
    }
    if report.outside.iter().any(|v| matches!(v.wrong, Wrong::Range { .. }) && v.inside.is_none()) {
        helps.push("correct what the line says of its numbers, or the numbers".to_string());
    }
    if report.outside.iter().any(|v| matches!(v.wrong, Wrong::Range { .. }) && v.inside.is_some()) {
        helps.push(
            "tern doc says for which arguments a function of the library is made: scale or clip them"
                .to_string(),
        );
    }
    if wrongs().any(|wrong| matches!(wrong, Wrong::Truncation { .. } | Wrong::Wrapped { .. })) {
        helps.push(match rings::at_least(header.ring + 1) {
            Some(more) => format!("a larger ring, --ring {more}, or smaller factors"),
            None => "smaller factors".to_string(),
        });
    }
    if needed.is_none() && wrongs().any(|wrong| matches!(wrong, Wrong::Comparison { .. })) {
        helps.push("numbers that are closer together, or more bits in all (--fixed)".to_string());
    }
    helps
}
