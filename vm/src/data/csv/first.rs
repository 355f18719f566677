//! Whether the first line of a text holds headings, and its first column an index.
//!
//! A wrong guess is a row too many or too few, or a feature that only counts, and training goes on without a word. So
//! what is doubtful is an error. Headings are words, of which none begins like a number and none stands for a missing
//! value; a row is nothing but numbers that do not just count from 0.

use super::super::open::Expected;
use super::super::source::{Reading, Separator};
use super::cell::{Cell, begins_like_number};
use super::lines::Cells;
use std::convert::Infallible;

/// What of a text can be understood in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The first line counts its columns from 0, as pandas writes it above an array.
    Counts {
        /// With an empty cell in front, as above an index.
        index: bool,
    },
    /// Some cells of the first line are numbers, or begin like numbers, others are not.
    Mixed,
    /// A cell of the first line is empty or stands for a missing value.
    Missing,
    /// The first line is a number too, but there is one row more than declared.
    OneMore,
    /// The first column has no heading.
    Unnamed,
    /// The headings are one fewer than the cells below.
    OneFewer {
        /// Commas stand between the cells, so that they may stand before fractions instead.
        commas: bool,
    },
    /// A comma may stand before a fraction or between thousands.
    Comma,
    /// Some numbers have a point, others a comma.
    PointAndComma,
}

/// What the cells of a line are.
#[derive(Default)]
pub(super) struct Summary {
    /// All of them.
    pub(super) cells: usize,
    /// The first one.
    first: Option<Cell>,
    /// Whether that is called as pandas calls an index which it has not recognised as one.
    unnamed: bool,
    /// From `start` on, which leaves out an index: values, other words, those that begin like numbers, missing values.
    values: usize,
    words: usize,
    spoilt: usize,
    missing: usize,
    /// Whether the values are 0, 1, 2, …
    counts: bool,
}

impl Summary {
    /// Of a line's cells from `start` on.
    fn of(line: &[u8], cells: &mut Cells, reading: &Reading, start: usize) -> Summary {
        let mut summary = Summary { counts: true, ..Summary::default() };
        let each = |column: usize, text: &[u8]| {
            let cell = Cell::read(text, reading.decimal);
            if column == 0 {
                summary.first = Some(cell);
                summary.unnamed = text.is_empty() || text.starts_with(b"Unnamed: 0");
            }
            if column < start {
                return Ok(());
            }
            match cell {
                _ if cell.is_value() => {
                    summary.counts &= cell == Cell::Whole(summary.values as i64);
                    summary.values += 1;
                }
                // The cell above an index is empty, and only that one.
                Cell::Missing if text.is_empty() && column == 0 => {}
                Cell::Missing => summary.missing += 1,
                _ if begins_like_number(text) => summary.spoilt += 1,
                _ => summary.words += 1,
            }
            Ok::<(), Infallible>(())
        };
        let Ok(count) = cells.each(line, each);
        summary.cells = count;
        summary
    }

    fn above_index(&self) -> bool {
        self.cells > 1 && self.unnamed
    }
}

/// How the lines are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The first line holds headings.
    pub(super) header: bool,
    /// The first column is left out.
    pub(super) index: bool,
    /// What remains doubtful until the rows have been counted.
    pub(super) later: Option<Later>,
}

/// What the number of rows says about a first line of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// It is a row unless there is one too many.
    Row,
    /// It counts, but it is short enough to be a row if there are as many as declared.
    Counting,
}

impl Layout {
    /// What the first line and the next one say, of which the latter may be missing.
    pub(super) fn of(
        lines: (&[u8], Option<&[u8]>),
        cells: &mut Cells,
        separator: Option<Separator>,
        reading: &Reading,
    ) -> Result<Layout, Doubt> {
        let start = usize::from(reading.index == Some(true));
        let first = Summary::of(lines.0, cells, reading, start);
        let second = lines.1.map(|line| (line, Summary::of(line, cells, reading, start)));
        let (header, later) = match reading.header {
            Some(header) => (header, None),
            // Where the headings are one fewer, the first one stands above the second column.
            None if start == 1 && second.as_ref().is_some_and(|(_, row)| row.cells == first.cells + 1) => {
                headings(&Summary::of(lines.0, cells, reading, 0))?
            }
            None => headings(&first)?,
        };
        let index = match (reading.index, &second) {
            (Some(index), _) => index,
            (None, Some((line, row))) if header && row.cells == first.cells + 1 => {
                let quoted = line.trim_ascii_start().starts_with(b"\"");
                let named = quoted || row.first == Some(Cell::Text);
                let blanks = matches!(separator, Some(Separator::Blanks | Separator::Tab));
                if !named && !blanks {
                    return Err(Doubt::OneFewer { commas: matches!(separator, Some(Separator::Comma)) });
                }
                true
            }
            (None, _) if header && first.above_index() => return Err(Doubt::Unnamed),
            (None, _) => false,
        };
        Ok(Layout { header, index, later })
    }

    /// What the number of rows says.
    pub(super) fn counted(&self, rows: usize, expected: Expected) -> Result<(), Doubt> {
        match (self.later, expected) {
            (None, _) | (_, Expected::Unknown) => Ok(()),
            (Some(Later::Counting), Expected::Any) => Err(Doubt::Counts { index: false }),
            (Some(Later::Row), Expected::Any) => Ok(()),
            (Some(_), Expected::Exactly(declared)) if Some(rows) == declared.checked_add(1) => {
                Err(Doubt::OneMore)
            }
            (Some(_), Expected::Exactly(_)) => Ok(()),
        }
    }
}

/// Whether a line holds headings.
fn headings(line: &Summary) -> Result<(bool, Option<Later>), Doubt> {
    let Summary { values, words, spoilt, missing, counts, .. } = *line;
    match () {
        () if words > 0 && values == 0 && spoilt == 0 && missing == 0 => Ok((true, None)),
        () if line.above_index() && values > 0 && words + spoilt + missing == 0 => {
            Err(Doubt::Counts { index: true })
        }
        () if words == 0 && missing == 0 && spoilt == 0 && values > 0 => match counts {
            true if values > 2 => Err(Doubt::Counts { index: false }),
            true => Ok((false, Some(Later::Counting))),
            false => Ok((false, Some(Later::Row))),
        },
        () if missing > 0 || values + words + spoilt == 0 => Err(Doubt::Missing),
        () => Err(Doubt::Mixed),
    }
}
