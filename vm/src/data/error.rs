//! What can be wrong with a data file, as data, and how it is said.
//!
//! Readers and checks return a [`Problem`]; whoever knows the file and the input adds them and has a [`DataError`].

use super::code::Code;
use super::csv::{Doubt, Line};
use super::foreign::Foreign;
use super::message::Hints;
use super::model::Mismatch;
use super::source::{Rows, Source};
use super::spec::InputSpec;
use std::fmt;
use std::io;
use std::path::Path;

/// A file that cannot be used: which input it was for, which file, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.message().one_line())]
pub struct DataError {
    /// The input it was for, if it was for one.
    pub input: Option<Box<InputSpec>>,
    /// The input whose field that is, if it was for a model.
    pub model: Option<String>,
    /// The file.
    pub file: Box<Source>,
    /// What is wrong with it.
    pub problem: Box<Problem>,
}

/// What is wrong with a file. Indices are those of the file's tensor and count from 0, as in NumPy; lines and columns
/// of text files count from 1, as in an editor.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are what the message of the variant says")]
pub enum Problem {
    /// There is no such file.
    Missing,
    /// The operating system does not let us read it.
    Unreadable(io::Error),
    /// None of the known formats begins like this.
    UnknownFormat { start: Vec<u8> },
    /// A format that is known, but not read.
    Foreign { format: Foreign },
    /// A known format with elements that cannot be used.
    UnsupportedType { found: String },
    /// The header does not make sense.
    Malformed { format: &'static str, reason: String },
    /// The compressed data are damaged.
    Corrupt { format: &'static str, reason: String },
    /// The header promises more bytes than there are.
    Short { format: &'static str, promised: u64, found: u64 },
    /// There are more bytes than the header promises.
    TooLong { format: &'static str, promised: u64 },
    /// The header promises more than any machine holds.
    Absurd { shape: Vec<u64> },
    /// Several tensors to choose from, or none with this name.
    NoMember { wanted: Option<String>, present: Vec<String> },
    /// A member of a file that holds a single tensor.
    NotAContainer { member: String },
    /// A cell of a CSV file is no number.
    NotANumber { line: u64, column: usize, heading: Option<String>, cell: String, kind: NoNumber },
    /// A line of a CSV file has too many or too few cells.
    Ragged { line: u64, cells: usize, expected: usize },
    /// A number that is none, or has no end.
    NotFinite { index: Vec<usize>, value: f64 },
    /// A whole number beyond 63 bits.
    TooLarge { element: usize, value: u64 },
    /// A line of a text that can be understood in two ways.
    Doubtful { line: Line, doubt: Doubt },
    /// The rows have the wrong number of elements.
    WrongShape { found: String, shape: Vec<usize> },
    /// The sizes are the declared ones in another order, which these axes would give.
    OtherOrder { found: String, shape: Vec<usize>, axes: Vec<usize> },
    /// More or fewer rows than the program declares.
    OtherRows { found: String, rows: usize, declared: usize },
    /// Rows are asked for that the file does not have.
    NoRows { found: String, wanted: Rows, present: usize },
    /// An order of more or fewer axes than the file has.
    Axes { found: String, axes: usize },
    /// The file's type does not go into the declared one.
    WrongType { found: String },
    /// Labels where the program expects one number per class.
    NotOneHot { found: String, distinct: usize },
    /// A number per class, one-hot or not, where labels are to be made so.
    NoLabels { found: String, hot: bool },
    /// A single row is to be standardised.
    OneRow,
    /// A label that is none of the classes.
    BadLabel { index: Vec<usize>, value: String, classes: usize },
    /// A value outside what the program declares.
    OutOfRange { index: Vec<usize>, value: String, becomes: Option<String>, low: String, high: String },
    /// A value that the program's precision cannot hold.
    Overflow { index: Vec<usize>, value: String, precision: Box<Precision> },
    /// An option that means nothing for this input.
    Option { option: &'static str, reason: &'static str },
    /// The tensors of a file are not those of a model.
    Model { mismatches: Vec<Mismatch> },
    /// A single tensor where a model is expected.
    OneOfModel,
}

/// The precision that was too small, and the one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision {
    /// Fraction bits of `fix`.
    pub frac: u32,
    /// Bits of a number in all, with sign.
    pub bits: u32,
    /// Bits that all values of the input fit; more than 127 if none are enough.
    pub needed: u32,
}

/// What a cell is instead of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoNumber {
    /// Nothing, or a word for nothing.
    Missing,
    /// Any other text.
    Text,
}

/// An error in the form of the compiler's messages, to be rendered like them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub code: Code,
    /// One sentence that stands alone.
    pub title: String,
    /// What was found and what was expected.
    pub notes: Vec<String>,
    /// Ways out, which can be pasted.
    pub helps: Vec<String>,
}

impl Message {
    /// The title and the notes without line breaks.
    pub fn one_line(&self) -> String {
        let notes = self.notes.iter().map(|note| format!(": {note}"));
        std::iter::once(self.title.clone()).chain(notes).collect()
    }
}

impl fmt::Display for Message {
    /// The plain form, for where nothing renders it better.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code.name(), self.title)?;
        for note in &self.notes {
            write!(f, "\n   {note}")?;
        }
        for help in &self.helps {
            write!(f, "\n   = help: {help}")?;
        }
        Ok(())
    }
}

impl DataError {
    /// The code, for `tern explain`.
    pub fn code(&self) -> Code {
        self.problem.code()
    }

    /// Ways out.
    pub fn help(&self) -> Vec<String> {
        // A field has no declaration of its own that could be changed.
        let input = self.input.as_deref().filter(|_| self.model.is_none());
        let hints = Hints { source: &self.file, input, model: self.model.as_deref() };
        self.problem.helps(&hints)
    }

    /// Everything there is to say.
    pub fn message(&self) -> Message {
        let what = match (&self.input, &self.model) {
            (Some(input), _) => input.name.clone(),
            (None, Some(model)) => model.clone(),
            (None, None) => short_name(&self.file.path),
        };
        let facts = self.problem.facts();
        let mut notes: Vec<String> = facts.iter().map(|fact| format!("{} {fact}", self.file)).collect();
        if let Some(input) = &self.input {
            notes[0].push_str(&format!(
                ", {} is declared {}{}",
                input.name,
                input.type_text(),
                input.options
            ));
        }
        Message { code: self.code(), title: self.problem.title(&what), notes, helps: self.help() }
    }
}

impl Problem {
    pub(super) fn at(mut self, input: Option<&InputSpec>, file: &Source) -> DataError {
        // Rows are counted as in the file, also where only later ones are used.
        if let Some(rows) = file.reading.rows
            && let Some(row) = self.index_mut().and_then(|index| index.first_mut())
        {
            *row += rows.start;
        }
        DataError {
            input: input.cloned().map(Box::new),
            model: None,
            file: Box::new(file.clone()),
            problem: Box::new(self),
        }
    }

    fn index_mut(&mut self) -> Option<&mut Vec<usize>> {
        match self {
            Problem::NotFinite { index, .. }
            | Problem::BadLabel { index, .. }
            | Problem::OutOfRange { index, .. }
            | Problem::Overflow { index, .. } => Some(index),
            _ => None,
        }
    }

    fn code(&self) -> Code {
        match self {
            Problem::Missing => Code::D001,
            Problem::Unreadable(_) => Code::D002,
            Problem::NotOneHot { .. } => Code::D003,
            Problem::WrongShape { .. } | Problem::OtherOrder { .. } | Problem::Axes { .. } => Code::D004,
            Problem::NoLabels { .. } => Code::D020,
            Problem::OtherRows { .. } | Problem::NoRows { .. } => Code::D005,
            Problem::OneRow => Code::D021,
            Problem::Doubtful { .. } => Code::D022,
            Problem::Foreign { .. } => Code::D023,
            Problem::WrongType { .. } | Problem::UnsupportedType { .. } => Code::D006,
            Problem::UnknownFormat { .. } => Code::D007,
            Problem::Malformed { .. } | Problem::Absurd { .. } => Code::D008,
            Problem::Short { .. } | Problem::TooLong { .. } => Code::D009,
            Problem::Corrupt { .. } => Code::D010,
            Problem::NoMember { .. } | Problem::NotAContainer { .. } => Code::D011,
            Problem::NotANumber { .. } => Code::D012,
            Problem::Ragged { .. } => Code::D013,
            Problem::NotFinite { .. } => Code::D014,
            Problem::BadLabel { .. } => Code::D015,
            Problem::OutOfRange { .. } => Code::D016,
            Problem::Overflow { .. } | Problem::TooLarge { .. } => Code::D017,
            Problem::Option { .. } => Code::D018,
            Problem::Model { .. } | Problem::OneOfModel => Code::D019,
        }
    }
}

fn short_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
