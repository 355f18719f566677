//! Which programs were emulated on this machine, with which outcome; so a secure run can say that its program never was.
//!
//! A program is its bytecode's hash, which covers the source's meaning, its arguments, precision and rounding. The record is a short text file in the user's
//! state directory (`$XDG_STATE_HOME/tern/emulated`, by default `~/.local/state/tern/emulated`): a hash and how many source lines left their range, one
//! program a line, the latest last. It holds neither names nor data, and losing it loses nothing.

use std::fmt::Write;
use std::path::PathBuf;

use tern_bytecode::Program;
use tern_vm::data::{Access, write_atomically};

/// Programs that are remembered.
const KEPT: usize = 1000;

/// Where the record is; nowhere if the user has no home.
fn record() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("tern").join("emulated"))
}

fn name(program: &Program) -> String {
    tern_bytecode::container::hash(program).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Remembers that a program was emulated to its end, and how many of its lines left their range. Nothing depends on it, so a record that cannot be
/// written is left as it is.
pub(crate) fn remember(program: &Program, outside: usize) {
    let Some(path) = record() else { return };
    let name = name(program);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(&name)).collect();
    let line = format!("{name} {outside}");
    lines.push(&line);
    let kept = lines[lines.len().saturating_sub(KEPT)..].join("\n") + "\n";
    if let Some(directory) = path.parent() {
        let _ = std::fs::create_dir_all(directory);
    }
    let _ = write_atomically(&path, Access::Owner, |file| std::io::Write::write_all(file, kept.as_bytes()));
}

/// What a secure run says of its program, if there is something to say.
pub(crate) fn note(program: &Program) -> Option<String> {
    let text = std::fs::read_to_string(record()?).unwrap_or_default();
    let name = name(program);
    let known = text.lines().rev().find_map(|line| line.strip_prefix(name.as_str()));
    match known.map(|outside| outside.trim().parse::<usize>().unwrap_or(0)) {
        None => Some(
            "note: this program was never emulated here with these arguments and this precision; `tern emulate` \
             says whether its numbers keep their ranges"
                .to_string(),
        ),
        Some(0) => None,
        Some(1) => Some("note: when this program was emulated, 1 source line left its range".to_string()),
        Some(n) => Some(format!("note: when this program was emulated, {n} source lines left their range")),
    }
}
