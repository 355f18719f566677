//! The lines of a text, each with its number, and the cells of a line.

use super::super::source::Separator;
use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use std::io::{self, BufRead, BufReader, Read};

/// A text line by line. A line break within quotation marks does not end a line.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    /// Physical lines so far.
    count: u64,
    /// The current line, without its end.
    pub(super) text: Vec<u8>,
    /// The number of its first physical line.
    pub(super) number: u64,
    /// Whether a quotation mark in it is never closed.
    pub(super) open: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines { reader: BufReader::new(reader), count: 0, text: Vec::new(), number: 0, open: false }
    }

    /// Goes to the next line; `false` if there is none.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.number = self.count + 1;
        self.open = false;
        if !self.physical()? {
            return Ok(false);
        }
        if self.number == 1 && self.text.starts_with(b"\xef\xbb\xbf") {
            self.text.drain(..3);
        }
        let mut quotes = Quotes::default();
        let mut seen = 0;
        loop {
            quotes.pass(&self.text[seen..]);
            if !quotes.open {
                return Ok(true);
            }
            seen = self.text.len();
            self.text.push(b'\n');
            if !self.physical()? {
                self.open = true;
                return Ok(true);
            }
        }
    }

    /// Appends a physical line, which ends with `\n`, `\r\n` or `\r`.
    fn physical(&mut self) -> io::Result<bool> {
        let mut some = false;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            some = true;
            let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.text.extend_from_slice(&buffer[..end.unwrap_or(buffer.len())]);
            let Some(end) = end else {
                let all = buffer.len();
                self.reader.consume(all);
                continue;
            };
            let carriage = buffer[end] == b'\r';
            self.reader.consume(end + 1);
            if carriage && self.reader.fill_buf()?.first() == Some(&b'\n') {
                self.reader.consume(1);
            }
            break;
        }
        self.count += u64::from(some);
        Ok(some)
    }
}

/// Whether a place is within quotation marks. They count at the beginning of a cell only: 5' 10" is no quotation.
#[derive(Default)]
struct Quotes {
    open: bool,
    /// The byte before.
    before: Option<u8>,
}

impl Quotes {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let begins = self.before.is_none_or(|before| b",;\t| \n\"".contains(&before));
            if byte == b'"' && (self.open || begins) {
                self.open = !self.open;
            }
            self.before = Some(byte);
        }
    }
}

/// Divides lines into cells.
pub(super) struct Cells {
    reader: Reader,
    separator: Separator,
    /// The cell, without quotation marks.
    cell: Vec<u8>,
}

impl Cells {
    pub(super) fn new(separator: Separator) -> Cells {
        let reader = ReaderBuilder::new().delimiter(separator.byte()).build();
        Cells { reader, separator, cell: vec![0; 64] }
    }

    /// Gives the cells of a line from the first on, with their numbers, without blanks around them, until `each` fails.
    /// Returns how many there are.
    pub(super) fn each<E>(
        &mut self,
        line: &[u8],
        mut each: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        self.reader.reset();
        let blanks = self.separator == Separator::Blanks;
        let (mut rest, mut length, mut count) = (line, 0, 0);
        loop {
            let (result, read, written) = self.reader.read_field(rest, &mut self.cell[length..]);
            rest = &rest[read..];
            length += written;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => self.cell.resize(2 * self.cell.len(), 0),
                ReadFieldResult::End => return Ok(count),
                ReadFieldResult::Field { record_end } => {
                    let cell = self.cell[..length].trim_ascii();
                    length = 0;
                    // Any number of blanks is one separator.
                    if !blanks || !cell.is_empty() {
                        each(count, cell)?;
                        count += 1;
                    }
                    // A quotation mark behind blanks hides a line break from `Lines` and not from this reader: what
                    // follows are cells too many, which is noticed.
                    if record_end && rest.is_empty() {
                        return Ok(count);
                    }
                }
            }
        }
    }
}

/// Makes tabulators blanks, where both separate.
pub(super) fn unify_blanks(line: &mut [u8]) {
    line.iter_mut().filter(|byte| **byte == b'\t').for_each(|byte| *byte = b' ');
}

/// What separates the cells of this line: the first separator of the list that stands in it outside quotation marks. With
/// `commas`, those stand before fractions.
pub(super) fn separator(line: &[u8], commas: bool) -> Option<Separator> {
    let line = line.trim_ascii();
    let mut found = [false; 256];
    let mut quotes = Quotes::default();
    for byte in line {
        quotes.pass(&[*byte]);
        found[usize::from(*byte)] |= !quotes.open;
    }
    let mut known = Separator::ALL.into_iter().filter(|separator| !commas || *separator != Separator::Comma);
    known.find(|separator| found[usize::from(separator.byte())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text.as_bytes());
        let mut all = Vec::new();
        while lines.advance().unwrap() {
            all.push((lines.number, String::from_utf8(lines.text.clone()).unwrap()));
        }
        all
    }

    fn cells(separator: Separator, line: &str) -> Vec<String> {
        let mut all = Vec::new();
        let each = |_, cell: &[u8]| {
            all.push(String::from_utf8(cell.to_vec()).unwrap());
            Ok::<(), ()>(())
        };
        Cells::new(separator).each(line.as_bytes(), each).unwrap();
        all
    }

    #[test]
    fn lines_have_numbers_and_any_end() {
        let found = lines("\u{feff}a\r\nb\r\rc,\"two\nlines\",5' 10\"\n\nd");
        let text = |n, text: &str| (n, text.to_string());
        assert_eq!(
            found,
            [
                text(1, "a"),
                text(2, "b"),
                text(3, ""),
                text(4, "c,\"two\nlines\",5' 10\""),
                text(6, ""),
                text(7, "d")
            ]
        );
    }

    #[test]
    fn cells_of_lines() {
        assert_eq!(cells(Separator::Comma, "a,\"b,\"\"c\"\"\",,"), ["a", "b,\"c\"", "", ""]);
        assert_eq!(cells(Separator::Blanks, "  1   -2 \"a b\"  "), ["1", "-2", "a b"]);
        assert_eq!(cells(Separator::Semicolon, &"x".repeat(1000)), ["x".repeat(1000)]);
        assert_eq!(cells(Separator::Semicolon, ""), [""; 0]);
        assert_eq!(cells(Separator::Comma, "a, \"b\n1,2\""), ["a", "\"b", "1", "2\""]);
    }

    #[test]
    fn separators_of_lines() {
        let found = |line: &str| separator(line.as_bytes(), false);
        assert_eq!(found("1,5;2,5"), Some(Separator::Semicolon));
        assert_eq!(found("1,5\t2,5"), Some(Separator::Tab));
        assert_eq!(found("1, 5"), Some(Separator::Comma));
        assert_eq!(found("\"a;b\",c"), Some(Separator::Comma));
        assert_eq!(found("  1   2 "), Some(Separator::Blanks));
        assert_eq!(found(" \"a b\" "), None);
        assert_eq!(separator(b"1,5 2,5", true), Some(Separator::Blanks));
    }
}
