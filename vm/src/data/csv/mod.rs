//! Tables of numbers in a text: comma-separated values and their relatives, with or without a line of headings.
//!
//! A table is read in one pass. What it leaves open ([`Doubt`]) is an error which says how to settle it.

mod cell;
mod first;
mod lines;
mod table;

use super::array::Array;
use super::error::Problem;
use super::open::Asked;
use super::source::{Decimal, Separator};
use super::stream::Stream;
pub use first::Doubt;
use first::Layout;
use lines::{Cells, Lines};
use std::io::{self, Read};
use table::Table;

/// A line of a text, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Its text, or how that begins.
    pub text: String,
}

/// Whether a file that begins like this is a text.
pub(super) fn is_text(head: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !b"\t\r\n".contains(byte);
    !head.is_empty() && !head.iter().any(control)
}

/// Reads it: `[rows, columns]`, or `[rows]` if there is one column. Truth values throughout make it bool, whole numbers
/// i64, otherwise it is f64.
pub(super) fn read(mut stream: Stream<'_>, asked: &Asked<'_>) -> Result<Array, Problem> {
    let table = Text::new(stream.reader()).and_then(|text| text.table(asked));
    table.map_err(|fault| match fault {
        Fault::Problem(problem) => *problem,
        Fault::Io(error) => stream.problem(error),
    })
}

/// Why a text cannot be read.
enum Fault {
    Problem(Box<Problem>),
    Io(io::Error),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Fault {
        Fault::Problem(Box::new(problem))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Io(error)
    }
}

/// A text whose first line is known.
struct Text<R> {
    /// The lines, of which the next one is current.
    lines: Lines<R>,
    /// Whether there is a current one.
    more: bool,
    first: Line,
    /// The first line, whole.
    start: Vec<u8>,
    /// What a line `sep=;` before it says, as Excel reads it.
    separator: Option<Separator>,
    /// Blank lines before the first line, and between it and the current one: the last of them.
    blanks: [Option<u64>; 2],
}

impl<R: Read> Text<R> {
    /// Skips comments (`# `) and blank lines before the first line.
    fn new(reader: R) -> Result<Text<R>, Fault> {
        let mut lines = Lines::new(reader);
        let (mut separator, mut blank) = (None, None);
        while lines.advance()? {
            if lines.open {
                return Err(unclosed(lines.number).into());
            }
            match lines.text.trim_ascii() {
                [] => blank = Some(lines.number),
                [b'#'] | [b'#', b' ' | b'\t', ..] => {}
                [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] if lines.number == 1 => {
                    separator = Separator::ALL.into_iter().find(|known| known.byte() == *byte);
                }
                text => {
                    let first = Line { number: lines.number, text: shown(text) };
                    let start = std::mem::take(&mut lines.text);
                    let mut between = None;
                    let more = advance(&mut lines, &mut between)?;
                    return Ok(Text { lines, more, first, start, separator, blanks: [blank, between] });
                }
            }
        }
        Err(no_numbers().into())
    }

    fn table(mut self, asked: &Asked<'_>) -> Result<Array, Fault> {
        let reading = asked.reading;
        // Headings may have blanks, so a line of numbers is asked first.
        let telling = if self.more { &self.lines.text } else { &self.start };
        let commas = reading.decimal == Some(Decimal::Comma);
        let found = || lines::separator(telling, commas);
        let separator = reading.separator.or(self.separator).or_else(found);
        let blanks = separator == Some(Separator::Blanks);
        if blanks {
            lines::unify_blanks(&mut self.start);
            lines::unify_blanks(&mut self.lines.text);
        }
        // Where nothing separates there is one cell.
        let alone = if commas { Separator::Tab } else { Separator::Comma };
        let mut cells = Cells::new(separator.unwrap_or(alone));
        let second = self.more.then_some(self.lines.text.as_slice());
        let first = self.first;
        let doubtful = |doubt| Problem::Doubtful { line: first.clone(), doubt };
        let layout = Layout::of((&self.start, second), &mut cells, separator, reading).map_err(doubtful)?;
        let mut table = Table::new(layout, cells, reading);
        match layout.header {
            true => table.set_headings(self.start),
            false => table.push(&self.start, first.number, self.blanks[0])?,
        }
        let (mut lines, mut more, mut blank) = (self.lines, self.more, self.blanks[1]);
        while more {
            table.push(&lines.text, lines.number, blank.take())?;
            more = advance(&mut lines, &mut blank)?;
            if blanks {
                lines::unify_blanks(&mut lines.text);
            }
        }
        table.check_commas()?;
        layout.counted(table.rows(), asked.rows).map_err(doubtful)?;
        Ok(table.into_array()?)
    }
}

/// Goes to the next line that is not blank, and notes those that are.
fn advance<R: Read>(lines: &mut Lines<R>, blank: &mut Option<u64>) -> Result<bool, Fault> {
    while lines.advance()? {
        if lines.open {
            return Err(unclosed(lines.number).into());
        }
        if !lines.text.trim_ascii().is_empty() {
            return Ok(true);
        }
        *blank = Some(lines.number);
    }
    Ok(false)
}

/// It may be no table at all: one line without a number passes for headings.
fn no_numbers() -> Problem {
    Problem::Malformed { format: "csv", reason: "it has no line of numbers".into() }
}

fn unclosed(line: u64) -> Problem {
    let reason = format!("a quotation mark that is opened in line {line} is never closed");
    Problem::Malformed { format: "csv", reason }
}

/// A text as it is shown: its beginning.
fn shown(text: &[u8]) -> String {
    // Bytes that are no characters become one each, of up to three bytes.
    let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
    if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text.into_owned() }
}
