//! What the command says, on standard output and standard error: the only module that writes there.
//!
//! **Text is shown, not obeyed.** Names, cells of files and words of other parties are not ours, so every
//! character that a terminal obeys or that turns text around is written as an escape.
//!
//! **A reader that has gone is no mistake** (`tern inspect … | head`): the command ends quietly, with the
//! status of a program that SIGPIPE has ended. A device that takes nothing (`> /dev/full`) is one, and ends it
//! with an error. What concerns standard error alone is dropped.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, IsTerminal, Write};

use tern_bytecode::validate::names::shows;

/// The status of a process that SIGPIPE has ended, as shells give it.
const PIPE: i32 = 128 + 13;

/// Writes to standard output as it is given, without a line's end. Does not return if nobody reads it any more.
pub fn out(text: impl Display) {
    if let Err(error) = to_stdout(&printable(&text.to_string())) {
        if error.kind() != ErrorKind::BrokenPipe {
            errln(format_args!("error: cannot write to standard output: {error}"));
            std::process::exit(1);
        }
        std::process::exit(PIPE);
    }
}

/// A table for standard output: where that is a terminal, lines end at its edge instead of going on below it.
#[must_use]
pub fn fitted(table: &str) -> String {
    let columns = || console::Term::stdout().size_checked().map(|(_, columns)| columns.into());
    match io::stdout().is_terminal().then(columns).flatten() {
        Some(columns) => cut(table, columns),
        None => table.to_owned(),
    }
}

/// Lines of at most so many columns, those that were longer with a mark at their end.
fn cut(table: &str, columns: usize) -> String {
    table.split_inclusive('\n').fold(String::new(), |all, line| {
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
        all + &console::truncate_str(text, columns, "…") + end
    })
}

/// [`out`], with a line's end.
pub fn outln(text: impl Display) {
    out(format_args!("{text}\n"));
}

/// Writes a line of JSON to standard output, at once.
///
/// # Errors
/// Those of standard output; a reader that has gone is none.
pub fn event(json: &str) -> io::Result<()> {
    let escaped = |c: char| format!("\\u{:04x}", u32::from(c));
    tolerant(to_stdout(&(escape(json, escaped) + "\n")))
}

/// Writes lines to standard output, at once, while something goes on that does not depend on them.
///
/// # Errors
/// Those of standard output; a reader that has gone is none.
pub fn note(text: impl Display) -> io::Result<()> {
    tolerant(to_stdout(&(printable(&text.to_string()) + "\n")))
}

/// Writes lines to standard error.
pub fn errln(text: impl Display) {
    // There is nowhere left to say that this fails.
    let _ = io::stderr().lock().write_all((printable(&text.to_string()) + "\n").as_bytes());
}

/// Writes to standard error text that may have colours, if it is a terminal.
pub fn styled(text: &str) {
    let text = if io::stderr().is_terminal() { printable_in_colour(text) } else { printable(text) };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The text with escapes in place of what a terminal would obey: controls other than line ends and tabs, and
/// characters that change the direction of others.
pub fn printable(text: &str) -> String {
    escape(text, |c| match c {
        '\n' | '\t' => c.to_string(),
        _ => c.escape_default().to_string(),
    })
}

/// The same of a piece of a line, which shall not begin a new one.
pub fn printable_in_line(text: &str) -> String {
    escape(text, |c| c.escape_default().to_string())
}

fn escape(text: &str, escaped: impl Fn(char) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if shows(c) { shown.push(c) } else { shown.push_str(&escaped(c)) }
    }
    shown
}

/// [`printable`], except for sequences that set colours.
fn printable_in_colour(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let mut shown = printable(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(|b| b.is_ascii_digit() || *b == b';').count();
        let is_colour = piece.as_bytes().get(digits) == Some(&b'm');
        let _ = write!(shown, "{}{}", if is_colour { "\x1b[" } else { "\\u{1b}[" }, printable(piece));
    }
    shown
}

fn to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn tolerant(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_end_at_the_edge() {
        assert_eq!(cut("short\n1234567890\n\näöüäöüäöü ß", 9), "short\n12345678…\n\näöüäöüäö…");
        assert_eq!(cut("1234567890\n", 10), "1234567890\n");
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(printable("a\x1b]0;b\x07\n\tc\u{9b}d\r"), "a\\u{1b}]0;b\\u{7}\n\tc\\u{9b}d\\r");
        assert_eq!(printable("ä…日 \u{202e}x"), "ä…日 \\u{202e}x");
        assert_eq!(printable_in_line("a\nerror: b"), "a\\nerror: b");
    }

    #[test]
    fn colours_stay_and_nothing_else() {
        let text = "\x1b[1;31merror\x1b[0m \x1b[2J \x1b]8;;x\x07";
        assert_eq!(printable_in_colour(text), "\x1b[1;31merror\x1b[0m \\u{1b}[2J \\u{1b}]8;;x\\u{7}");
    }
}
