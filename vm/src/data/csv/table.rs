//! The numbers of a text, line by line.

use super::super::array::{Array, Dtype, Values};
use super::super::error::{NoNumber, Problem};
use super::super::source::Reading;
use super::cell::Cell;
use super::first::{Doubt, Layout};
use super::lines::Cells;
use super::{Line, no_numbers, shown};

/// The lines so far.
pub(super) struct Table<'a> {
    layout: Layout,
    reading: &'a Reading,
    cells: Cells,
    /// The line of headings, and how many there are.
    headings: Option<(Vec<u8>, usize)>,
    /// How many cells a line has, with the index.
    width: Option<usize>,
    rows: usize,
    numbers: Numbers,
    commas: Commas,
}

/// What is known about commas in numbers.
#[derive(Default)]
struct Commas {
    /// The first cell with one.
    first: Option<Line>,
    /// Whether one of them surely stands before a fraction.
    sure: bool,
    /// The first cell with a point.
    point: Option<Line>,
}

impl<'a> Table<'a> {
    pub(super) fn new(layout: Layout, cells: Cells, reading: &'a Reading) -> Table<'a> {
        let (numbers, commas) = (Numbers::Truth(Vec::new()), Commas::default());
        Table { layout, reading, cells, headings: None, width: None, rows: 0, numbers, commas }
    }

    pub(super) fn set_headings(&mut self, line: Vec<u8>) {
        let Ok(count) = self.cells.each(&line, |_, _| Ok::<(), std::convert::Infallible>(()));
        self.headings = Some((line, count));
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes a line. Where rows have one cell, a blank line before it is a missing value: that is how DuckDB, Polars and
    /// Arrow write one.
    pub(super) fn push(&mut self, text: &[u8], line: u64, blank: Option<u64>) -> Result<(), Problem> {
        let Table { layout, reading, cells, numbers, commas, .. } = self;
        let mut stopped = None;
        let each = |column: usize, cell: &[u8]| {
            if layout.index && column == 0 {
                return Ok(());
            }
            let value = Cell::read(cell, reading.decimal);
            match value {
                Cell::Comma(_, sure) => {
                    commas.sure |= sure;
                    commas.first.get_or_insert_with(|| Line { number: line, text: shown(cell) });
                }
                Cell::Real(_) if commas.point.is_none() && cell.contains(&b'.') => {
                    commas.point = Some(Line { number: line, text: shown(cell) });
                }
                _ => {}
            }
            numbers.push(value).map_err(|kind| stopped = Some((column, shown(cell), kind)))
        };
        let Ok(count) = cells.each(text, each) else {
            let (column, cell, kind) = stopped.unwrap_or((0, String::new(), NoNumber::Text));
            let heading = self.heading(column);
            return Err(Problem::NotANumber { line, column: column + 1, heading, cell, kind });
        };
        self.check_width(count, line)?;
        if let Some(line) = blank.filter(|_| count == 1) {
            let (heading, kind) = (self.heading(0), NoNumber::Missing);
            return Err(Problem::NotANumber { line, column: 1, heading, cell: String::new(), kind });
        }
        self.rows += 1;
        Ok(())
    }

    fn check_width(&mut self, count: usize, line: u64) -> Result<(), Problem> {
        let headings = self.headings.as_ref().map(|(_, count)| *count);
        let expected = match (self.width, headings) {
            (Some(width), _) => width,
            // R writes no heading above the names of rows.
            (None, Some(headings)) if self.layout.index && count == headings + 1 => count,
            (None, Some(headings)) => headings,
            (None, None) => count,
        };
        if count != expected {
            return Err(Problem::Ragged { line, cells: count, expected });
        }
        self.width = Some(count);
        Ok(())
    }

    /// The heading of a column.
    fn heading(&mut self, column: usize) -> Option<String> {
        let (line, count) = self.headings.as_ref()?;
        // Above names of rows there may be none.
        let place = (column + count).checked_sub(self.width.unwrap_or(*count))?;
        let mut heading = None;
        let each = |column: usize, cell: &[u8]| {
            heading = (column == place).then(|| shown(cell)).or(heading.take());
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(_) = self.cells.each(line, each);
        heading
    }

    /// What the commas mean, as far as there are any.
    pub(super) fn check_commas(&self) -> Result<(), Problem> {
        match (&self.commas.first, &self.commas.point) {
            (Some(_), Some(point)) => {
                Err(Problem::Doubtful { line: point.clone(), doubt: Doubt::PointAndComma })
            }
            (Some(first), None) if !self.commas.sure => {
                Err(Problem::Doubtful { line: first.clone(), doubt: Doubt::Comma })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn into_array(self) -> Result<Array, Problem> {
        let columns = self.width.unwrap_or(0) - usize::from(self.layout.index && self.width.is_some());
        if self.rows == 0 || columns == 0 {
            return Err(no_numbers());
        }
        let shape = if columns == 1 { vec![self.rows] } else { vec![self.rows, columns] };
        Ok(match self.numbers {
            Numbers::Truth(values) => Array::with_dtype(Dtype::Bool, shape, Values::U8(values)),
            Numbers::Whole(values) => Array::new(shape, values),
            Numbers::Real(values) => Array::new(shape, values),
        })
    }
}

/// The values so far, of the narrowest type that holds them.
enum Numbers {
    Truth(Vec<u8>),
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

impl Numbers {
    fn push(&mut self, cell: Cell) -> Result<(), NoNumber> {
        match (&mut *self, cell) {
            (_, Cell::Missing) => return Err(NoNumber::Missing),
            (_, Cell::Text) => return Err(NoNumber::Text),
            (Numbers::Truth(values), Cell::Truth(truth)) => values.push(u8::from(truth)),
            (Numbers::Whole(values), Cell::Truth(truth)) => values.push(i64::from(truth)),
            (Numbers::Whole(values), Cell::Whole(value)) => values.push(value),
            (Numbers::Real(values), Cell::Truth(truth)) => values.push(f64::from(u8::from(truth))),
            (Numbers::Real(values), Cell::Whole(value)) => values.push(value as f64),
            (Numbers::Real(values), Cell::Real(value) | Cell::Comma(value, _)) => values.push(value),
            (Numbers::Truth(values), Cell::Whole(_)) => {
                *self = Numbers::Whole(values.iter().map(|&truth| i64::from(truth)).collect());
                return self.push(cell);
            }
            (Numbers::Truth(values), Cell::Real(_) | Cell::Comma(..)) => {
                *self = Numbers::Real(values.iter().map(|&truth| f64::from(truth)).collect());
                return self.push(cell);
            }
            (Numbers::Whole(values), Cell::Real(_) | Cell::Comma(..)) => {
                *self = Numbers::Real(values.iter().map(|&whole| whole as f64).collect());
                return self.push(cell);
            }
        }
        Ok(())
    }
}
