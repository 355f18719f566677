//! Where the user says that an input is, and how its file is to be read.
//!
//! ```text
//! FILE [:TENSOR] [ '[' START : END ']' ] [,OPTION=VALUE]…
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

/// A file, which of its tensors where it holds several, and how it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The name of a tensor inside.
    pub member: Option<String>,
    /// What the file does not say itself.
    pub reading: Reading,
}

/// What the user says about a file. What is `None` follows from the file, or is an error that asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Which rows are used; otherwise all, of which there must be as many as the program declares.
    pub rows: Option<Rows>,
    /// Of a text: whether its first line holds headings.
    pub header: Option<bool>,
    /// Of a text: whether its first column names or counts the rows, and is left out.
    pub index: Option<bool>,
    /// Of a text: what stands between cells.
    pub separator: Option<Separator>,
    /// Of a text: what stands before a fraction.
    pub decimal: Option<Decimal>,
    /// The file's axes in the order in which they are used, as `numpy.transpose` takes them.
    pub transpose: Option<Vec<usize>>,
}

/// Rows from `start` up to `end`, which is not one of them, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first one.
    pub start: usize,
    /// The first one that is not used any more, if the file goes on.
    pub end: Option<usize>,
}

/// What stands between the cells of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// One comma.
    Comma,
    /// One semicolon.
    Semicolon,
    /// One tabulator.
    Tab,
    /// One vertical bar.
    Bar,
    /// Any number of spaces and tabulators.
    Blanks,
}

/// What stands before the fractions of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// 1.5
    Point,
    /// 1,5
    Comma,
}

/// An option, rows or a value that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such option.
    #[error(
        "there is no option {name}; there are header, index, separator, decimal and transpose \
         (a file whose own name has a comma before an equals sign needs another name)"
    )]
    Unknown {
        /// What was written before the equals sign.
        name: String,
    },
    /// The option does not take this value.
    #[error("{name}={value}: write {expected}")]
    Value {
        /// The option.
        name: &'static str,
        /// What was written.
        value: String,
        /// What can be written.
        expected: &'static str,
    },
    /// The option stands there twice.
    #[error("{name} is given twice")]
    Twice {
        /// The option.
        name: &'static str,
    },
    /// The rows end before they begin.
    #[error("[{start}:{end}] are no rows: write [START:END], counted from 0, without the row END")]
    Rows {
        /// Where they should begin.
        start: usize,
        /// Where they should end.
        end: usize,
    },
}

/// What separates a file from the name of a tensor in it: only these formats hold several.
const CONTAINERS: [&str; 4] = [".npz:", ".npz.gz:", ".safetensors:", ".safetensors.gz:"];

impl Source {
    /// A file that is read as it is.
    pub fn file(path: impl Into<PathBuf>) -> Source {
        Source { path: path.into(), ..Source::default() }
    }

    /// One tensor of a file.
    pub fn member(path: impl Into<PathBuf>, name: impl Into<String>) -> Source {
        Source { member: Some(name.into()), ..Source::file(path) }
    }

    /// Reads what a user writes: `images.idx.gz`, `weights.npz:conv1.weight`, `table.csv[:1000],header=yes`.
    ///
    /// # Errors
    /// Options that there are not, or values that they do not take.
    pub fn parse(text: &str) -> Result<Source, SourceError> {
        let (mut text, mut reading) = (text, Reading::default());
        while let Some((before, name, value)) = last_option(text) {
            reading.set(name, value)?;
            text = before;
        }
        if let Some((before, rows)) = trailing_rows(text) {
            reading.rows = Some(rows?);
            text = before;
        }
        let container = CONTAINERS.iter().filter_map(|end| Some((text.rfind(end)?, end.len()))).max();
        let Some((at, length)) = container else { return Ok(Source { reading, ..Source::file(text) }) };
        let (path, member) = text.split_at(at + length - 1);
        Ok(Source { reading, ..Source::member(path, &member[1..]) })
    }

    /// The argument that gives this source to an input, ready to be pasted into a shell.
    pub(super) fn argument(&self, input: &str) -> String {
        let argument = format!("{input}={self}{}", self.reading);
        let plain = |c: char| c.is_alphanumeric() || "_-+=:,./@%^".contains(c);
        match argument.chars().all(plain) {
            true => format!("--input {argument}"),
            false => format!("--input '{}'", argument.replace('\'', "'\\''")),
        }
    }

    /// The same with another reading.
    pub(super) fn with(&self, change: impl FnOnce(&mut Reading)) -> Source {
        let mut changed = self.clone();
        change(&mut changed.reading);
        changed
    }
}

/// `text,name=value` in its parts. A slash or another character that options do not have makes it a part of a path.
fn last_option(text: &str) -> Option<(&str, &str, &str)> {
    let (before, option) = text.rsplit_once(',')?;
    let (name, value) = option.split_once('=')?;
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (word(name) && word(value) && !name.is_empty()).then_some((before, name, value))
}

/// `text[start:end]` in its parts.
fn trailing_rows(text: &str) -> Option<(&str, Result<Rows, SourceError>)> {
    let (before, inner) = text.strip_suffix(']')?.rsplit_once('[')?;
    let (start, end) = inner.split_once(':')?;
    let number = |text: &str| if text.is_empty() { Some(None) } else { Some(Some(text.parse().ok()?)) };
    let (start, end): (Option<usize>, Option<usize>) = (number(start)?, number(end)?);
    let start = start.unwrap_or(0);
    Some((
        before,
        match end {
            Some(end) if end < start => Err(SourceError::Rows { start, end }),
            end => Ok(Rows { start, end }),
        },
    ))
}

impl Reading {
    fn set(&mut self, name: &str, value: &str) -> Result<(), SourceError> {
        match name {
            "header" => put(&mut self.header, "header", value, YES_NO, yes_no),
            "index" => put(&mut self.index, "index", value, YES_NO, yes_no),
            "separator" => put(&mut self.separator, "separator", value, SEPARATORS, separator),
            "decimal" => put(&mut self.decimal, "decimal", value, "point or comma", decimal),
            "transpose" => put(&mut self.transpose, "transpose", value, AXES, axes),
            _ => Err(SourceError::Unknown { name: name.to_string() }),
        }
    }

    /// An option that only texts have, if one is given.
    pub(super) fn of_text(&self) -> Option<&'static str> {
        let given = [
            ("header", self.header.is_some()),
            ("index", self.index.is_some()),
            ("separator", self.separator.is_some()),
            ("decimal", self.decimal.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Any option that is given.
    pub(super) fn any(&self) -> Option<&'static str> {
        let rows = self.rows.map(|_| "[START:END]");
        self.of_text().or(rows).or(self.transpose.as_ref().map(|_| "transpose"))
    }
}

const YES_NO: &str = "yes or no";
const SEPARATORS: &str = "comma, semicolon, tab, bar or blanks";
const AXES: &str =
    "the file's axes in the order that is wanted, a digit each: 0312 for numpy.transpose(x, (0, 3, 1, 2))";

fn put<T>(
    slot: &mut Option<T>,
    name: &'static str,
    value: &str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<(), SourceError> {
    let wrong = || SourceError::Value { name, value: value.to_string(), expected };
    match slot.replace(read(value).ok_or_else(wrong)?) {
        None => Ok(()),
        Some(_) => Err(SourceError::Twice { name }),
    }
}

fn yes_no(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn separator(value: &str) -> Option<Separator> {
    Separator::ALL.into_iter().find(|known| known.name() == value)
}

fn decimal(value: &str) -> Option<Decimal> {
    match value {
        "point" => Some(Decimal::Point),
        "comma" => Some(Decimal::Comma),
        _ => None,
    }
}

/// Digits, each of 0, 1, … once.
fn axes(value: &str) -> Option<Vec<usize>> {
    let axes: Option<Vec<usize>> = value.chars().map(|c| Some(c.to_digit(10)? as usize)).collect();
    axes.filter(|axes| !axes.is_empty() && (0..axes.len()).all(|axis| axes.contains(&axis)))
}

impl Separator {
    /// All of them, those first that stand in no number and no name.
    pub(super) const ALL: [Separator; 5] =
        [Separator::Semicolon, Separator::Tab, Separator::Bar, Separator::Comma, Separator::Blanks];

    /// The byte, of which blanks take any number and tabulators too.
    pub(super) fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
            Separator::Bar => b'|',
            Separator::Blanks => b' ',
        }
    }

    fn name(self) -> &'static str {
        match self {
            Separator::Comma => "comma",
            Separator::Semicolon => "semicolon",
            Separator::Tab => "tab",
            Separator::Bar => "bar",
            Separator::Blanks => "blanks",
        }
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Source {
        Source::file(path)
    }
}

impl fmt::Display for Source {
    /// The file and the tensor, without how it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.member {
            Some(member) => write!(f, ":{member}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: usize| if n == 0 { String::new() } else { n.to_string() };
        let end = self.end.map_or(String::new(), |end| end.to_string());
        write!(f, "[{}:{end}]", number(self.start))
    }
}

impl fmt::Display for Reading {
    /// As it follows a file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rows) = self.rows {
            write!(f, "{rows}")?;
        }
        for (name, value) in [("header", self.header), ("index", self.index)] {
            if let Some(value) = value {
                write!(f, ",{name}={}", if value { "yes" } else { "no" })?;
            }
        }
        if let Some(separator) = self.separator {
            write!(f, ",separator={}", separator.name())?;
        }
        match self.decimal {
            Some(Decimal::Point) => f.write_str(",decimal=point")?,
            Some(Decimal::Comma) => f.write_str(",decimal=comma")?,
            None => {}
        }
        if let Some(axes) = &self.transpose {
            let digits: String = axes.iter().map(usize::to_string).collect();
            write!(f, ",transpose={digits}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, Option<String>, Reading) {
        let source = Source::parse(text).unwrap();
        (source.path.display().to_string(), source.member, source.reading)
    }

    #[test]
    fn files_and_tensors() {
        let plain = |text| {
            let (path, member, reading) = parts(text);
            assert_eq!(reading, Reading::default());
            (path, member)
        };
        assert_eq!(plain("a/b.idx.gz"), ("a/b.idx.gz".into(), None));
        assert_eq!(plain("w.npz:fc1.weight"), ("w.npz".into(), Some("fc1.weight".into())));
        assert_eq!(plain("w.npz.gz:a"), ("w.npz.gz".into(), Some("a".into())));
        assert_eq!(plain("C:\\w.npz:a:b"), ("C:\\w.npz".into(), Some("a:b".into())));
        assert_eq!(plain("odd:name.npz"), ("odd:name.npz".into(), None));
        assert_eq!(plain("odd, name.csv"), ("odd, name.csv".into(), None));
        assert_eq!(plain("odd,b=c/name.csv"), ("odd,b=c/name.csv".into(), None));
        assert_eq!(plain("x[1].csv"), ("x[1].csv".into(), None));
    }

    #[test]
    fn what_is_written_about_a_file_is_read_and_written_again() {
        for text in [
            "x.csv[:1000]",
            "x.csv[5:]",
            "x.csv[5:7],header=no,index=yes",
            "w.npz:a[:],transpose=0312",
            "x.txt,separator=blanks,decimal=comma",
            "x.txt,separator=bar,decimal=point",
        ] {
            let source = Source::parse(text).unwrap();
            assert_eq!(format!("{source}{}", source.reading), text);
        }
        let source = Source::parse("x y.csv[:9],header=no").unwrap();
        assert_eq!(source.argument("x"), "--input 'x=x y.csv[:9],header=no'");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let error = |text: &str| Source::parse(text).unwrap_err().to_string();
        assert!(error("x.csv,heder=yes").starts_with("there is no option heder; there are header,"));
        assert_eq!(error("x.csv,header=true"), "header=true: write yes or no");
        assert_eq!(error("x.csv,header=no,header=no"), "header is given twice");
        assert!(error("x.npy,transpose=0322").starts_with("transpose=0322: write the file's axes"));
        assert!(error("x.npy[7:5]").starts_with("[7:5] are no rows"));
    }
}
