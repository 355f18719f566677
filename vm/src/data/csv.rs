//! Comma-separated values: numbers, with or without a line of headings.

use super::array::{Array, Values};
use super::error::Problem;
use super::stream::Stream;
use ::csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};

/// The first line is looked for within so many bytes.
const FIRST_LINE: usize = 1 << 16;

/// Whether a file that begins like this is a text.
pub(super) fn is_text(head: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !b"\t\r\n".contains(byte);
    !head.is_empty() && !head.iter().any(control)
}

/// Reads it: `[rows, columns]`, or `[rows]` if there is one column. Whole numbers throughout make it i64, otherwise it
/// is f64.
///
/// The first line is taken for headings if none of its cells is a number. Had one such cell been enough, then a
/// missing value in the first line would silently cost a row.
pub(super) fn read(stream: Stream<'_>) -> Result<Array, Problem> {
    let (start, mut stream) = stream.peek(FIRST_LINE)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter(&start))
        .from_reader(stream.reader());
    let mut record = ByteRecord::new();
    let mut table = Table::default();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => table.push_line(&record)?,
            Ok(false) => break,
            Err(error) => {
                let reason = error.to_string();
                drop(reader);
                return Err(match error.into_kind() {
                    ErrorKind::Io(error) => stream.problem(error),
                    _ => Problem::Malformed { format: "csv", reason },
                });
            }
        }
    }
    table.into_array()
}

/// Whichever of comma, semicolon and tab the first line has most of, outside quotation marks. Where there are as many
/// semicolons as commas, the commas stand before fractions.
fn delimiter(start: &[u8]) -> u8 {
    let mut counts = [(b'\t', 0), (b',', 0), (b';', 0)];
    let mut quoted = false;
    for &byte in start.iter().skip_while(|byte| byte.is_ascii_whitespace()).take_while(|&&byte| byte != b'\n')
    {
        quoted ^= byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == *delimiter);
        }
    }
    // Of equal counts the last one is taken.
    let most = counts.into_iter().filter(|&(_, count)| count > 0).max_by_key(|&(_, count)| count);
    most.map_or(b',', |(delimiter, _)| delimiter)
}

/// The lines so far.
#[derive(Default)]
struct Table {
    headings: Option<Vec<String>>,
    columns: Option<usize>,
    cells: Cells,
}

impl Table {
    fn push_line(&mut self, record: &ByteRecord) -> Result<(), Problem> {
        let line = record.position().map_or(0, |place| place.line());
        let Some(expected) = self.columns else {
            self.columns = Some(record.len());
            if record.iter().all(|cell| number(cell).is_none()) {
                self.headings = Some(record.iter().map(text).collect());
                return Ok(());
            }
            return self.push_cells(record, line);
        };
        if record.len() != expected {
            return Err(Problem::Ragged { line, cells: record.len(), expected });
        }
        self.push_cells(record, line)
    }

    fn push_cells(&mut self, record: &ByteRecord, line: u64) -> Result<(), Problem> {
        for (column, cell) in record.iter().enumerate() {
            let Some(value) = number(cell) else {
                let heading = self.headings.as_ref().map(|headings| headings[column].clone());
                return Err(Problem::NotANumber { line, column: column + 1, heading, cell: text(cell) });
            };
            self.cells.push(value);
        }
        Ok(())
    }

    fn into_array(self) -> Result<Array, Problem> {
        let columns = self.columns.unwrap_or(0);
        let values = match self.cells {
            Cells::Whole(values) => Values::I64(values),
            Cells::Real(values) => Values::F64(values),
        };
        // So it may be no table at all: one line without a number passes for headings.
        let none = || Problem::Malformed { format: "csv", reason: "it has no line of numbers".into() };
        let rows = values.len().checked_div(columns).filter(|&rows| rows > 0).ok_or_else(none)?;
        let shape = if columns == 1 { vec![rows] } else { vec![rows, columns] };
        Ok(Array::new(shape, values))
    }
}

/// A cell's value.
#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Real(f64),
}

/// The cells so far: whole numbers until the first that is none.
enum Cells {
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

impl Default for Cells {
    fn default() -> Cells {
        Cells::Whole(Vec::new())
    }
}

impl Cells {
    fn push(&mut self, value: Number) {
        match (&mut *self, value) {
            (Cells::Whole(values), Number::Whole(value)) => values.push(value),
            (Cells::Real(values), Number::Whole(value)) => values.push(value as f64),
            (Cells::Real(values), Number::Real(value)) => values.push(value),
            (Cells::Whole(values), Number::Real(value)) => {
                let mut real: Vec<f64> = values.iter().map(|&whole| whole as f64).collect();
                real.push(value);
                *self = Cells::Real(real);
            }
        }
    }
}

fn number(cell: &[u8]) -> Option<Number> {
    let cell = std::str::from_utf8(cell).ok()?;
    let whole = cell.parse().ok().map(Number::Whole);
    whole.or_else(|| cell.parse().ok().map(Number::Real))
}

fn text(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text.into_owned() }
}
