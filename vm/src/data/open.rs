//! From a file to its tensor. Formats are told by how a file begins, never by its name; only the folder of CIFAR-10 is
//! told by what is in it.

use super::array::Array;
use super::error::{DataError, Problem};
use super::source::{Reading, Source};
use super::spec::InputSpec;
use super::stream::Stream;
use super::{cifar, csv, foreign, idx, npy, npz, safetensors};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// Enough of a file to tell what it is.
const HEAD: usize = 512;

/// What a file is read for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Which of its tensors are wanted.
    pub(super) wanted: Wanted<'a>,
    /// What the user says about it.
    pub(super) reading: &'a Reading,
    /// How many rows it should have.
    pub(super) rows: Expected,
}

/// How many rows a file should have, where that helps to understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Nobody has said.
    Unknown,
    /// More than are used, perhaps.
    Any,
    /// So many.
    Exactly(usize),
}

impl Expected {
    fn of(spec: &InputSpec, source: &Source) -> Expected {
        match spec.shape.first() {
            _ if source.reading.transpose.is_some() => Expected::Unknown,
            _ if source.reading.rows.is_some() || spec.options.first_rows => Expected::Any,
            Some(&rows) => Expected::Exactly(rows),
            None => Expected::Exactly(1),
        }
    }
}

/// Which tensors of a file are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// One: that which the user named, or else the only one, or else the one with the input's name.
    One {
        /// What the user named.
        member: Option<&'a str>,
        /// The input's name.
        name: &'a str,
    },
    /// All that there are, one of which is expected to have this name.
    All(&'a str),
}

impl Wanted<'_> {
    /// The names of those among the present ones.
    pub(super) fn of<'a>(&self, present: &[&'a str]) -> Result<Vec<&'a str>, Problem> {
        let (member, found) = match (*self, present) {
            (Wanted::All(_), _) => return Ok(present.to_vec()),
            (Wanted::One { member: None, .. }, [only]) => (None, Some(only)),
            (Wanted::One { member, name }, _) => {
                (member, present.iter().find(|&&known| known == member.unwrap_or(name)))
            }
        };
        found.map(|&found| vec![found]).ok_or_else(|| Problem::NoMember {
            wanted: member.map(str::to_string),
            present: present.iter().map(|known| known.to_string()).collect(),
        })
    }
}

/// Reads a tensor from a file. Where the file holds several and the source names none, it is the one called `name`.
///
/// # Errors
/// Whatever is wrong with the file; [`DataError::input`] is not set.
pub fn read(source: &Source, name: &str) -> Result<Array, DataError> {
    read_source(source, name, Expected::Unknown).map_err(|problem| problem.at(None, source))
}

/// The same for a file whose bytes are in memory already; the source is for messages and names the tensor.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8], source: &Source, name: &str) -> Result<Array, DataError> {
    let read = read_one(Cursor::new(bytes), bytes.len() as u64, source, name, Expected::Unknown);
    read.map_err(|problem| problem.at(None, source))
}

/// The tensor for an input, from bytes in memory.
pub(super) fn read_slice(bytes: &[u8], source: &Source, spec: &InputSpec) -> Result<Array, Problem> {
    read_one(Cursor::new(bytes), bytes.len() as u64, source, &spec.name, Expected::of(spec, source))
}

/// The tensor for an input, from its file.
pub(super) fn read_file(source: &Source, spec: &InputSpec) -> Result<Array, Problem> {
    read_source(source, &spec.name, Expected::of(spec, source))
}

fn read_source(source: &Source, name: &str, rows: Expected) -> Result<Array, Problem> {
    if cifar::is_cifar(&source.path) {
        let wanted = Wanted::One { member: source.member.as_deref(), name };
        Asked { wanted, reading: &source.reading, rows }.no_text()?;
        return arranged(cifar::read(&source.path, wanted)?, &source.reading);
    }
    let (file, length) = open(&source.path)?;
    read_one(file, length, source, name, rows)
}

/// Every tensor of an npz or safetensors file, with its name.
///
/// # Errors
/// Whatever is wrong with the file.
pub fn read_all(source: &Source) -> Result<Vec<(String, Array)>, DataError> {
    read_tensors(source, "").map_err(|problem| problem.at(None, source))
}

/// Reads every tensor of an npz or safetensors file, with its name; `expected` is one of them, for the message about other files.
pub(super) fn read_tensors(source: &Source, expected: &str) -> Result<Vec<(String, Array)>, Problem> {
    if let Some(option) = source.reading.any() {
        return Err(Problem::Option { option, reason: "the tensors of a model are used as they are" });
    }
    let (file, length) = open(&source.path)?;
    let reading = &source.reading;
    read_any(file, length, &Asked { wanted: Wanted::All(expected), reading, rows: Expected::Unknown })
}

fn open(path: &Path) -> Result<(BufReader<File>, u64), Problem> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Unreadable(error),
    })?;
    let about = file.metadata().map_err(Problem::Unreadable)?;
    if about.is_dir() {
        return Err(Problem::Unreadable(io::ErrorKind::IsADirectory.into()));
    }
    Ok((BufReader::new(file), about.len()))
}

/// The tensor that a source means, arranged as it says.
fn read_one(
    file: impl Read + Seek,
    length: u64,
    source: &Source,
    name: &str,
    rows: Expected,
) -> Result<Array, Problem> {
    let wanted = Wanted::One { member: source.member.as_deref(), name };
    let tensors = read_any(file, length, &Asked { wanted, reading: &source.reading, rows })?;
    let nothing = || Problem::NoMember { wanted: None, present: Vec::new() };
    let (_, array) = tensors.into_iter().next().ok_or_else(nothing)?;
    arranged(array, &source.reading)
}

/// First the axes, then the rows.
fn arranged(mut array: Array, reading: &Reading) -> Result<Array, Problem> {
    if let Some(axes) = &reading.transpose {
        if axes.len() != array.shape().len() {
            return Err(Problem::Axes { found: array.to_string(), axes: axes.len() });
        }
        array = array.transposed(axes);
    }
    let Some(rows) = reading.rows else { return Ok(array) };
    let present = array.shape().first().copied().unwrap_or(0);
    let end = rows.end.unwrap_or(present);
    if rows.start > end || end > present {
        return Err(Problem::NoRows { found: array.to_string(), wanted: rows, present });
    }
    // A tensor without axes has no rows, of which none can be left out.
    Ok(if array.shape().is_empty() { array } else { array.rows(rows.start, end) })
}

fn read_any(
    mut file: impl Read + Seek,
    length: u64,
    asked: &Asked<'_>,
) -> Result<Vec<(String, Array)>, Problem> {
    let (head, stream) = Stream::plain(&mut file, length).peek(HEAD)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(BufReader::new(stream.into_reader()));
        let (head, mut stream) = Stream::packed(unpacked, "gzip", length).peek(HEAD)?;
        if is_zip(&head) {
            let bytes = stream.rest()?;
            let length = bytes.len() as u64;
            return npz::read(Cursor::new(bytes), length, asked);
        }
        return read_stream(&head, stream, asked);
    }
    if is_zip(&head) {
        drop(stream);
        file.rewind().map_err(Problem::Unreadable)?;
        return npz::read(file, length, asked);
    }
    read_stream(&head, stream, asked)
}

fn read_stream(head: &[u8], stream: Stream<'_>, asked: &Asked<'_>) -> Result<Vec<(String, Array)>, Problem> {
    if safetensors::is_safetensors(head) {
        asked.no_text()?;
        return safetensors::read(stream, asked.wanted);
    }
    if let Some(foreign) = foreign::of_bytes(head) {
        return Err(foreign.into());
    }
    if let Wanted::One { member: Some(member), .. } | Wanted::All(member) = asked.wanted {
        return Err(Problem::NotAContainer { member: member.into() });
    }
    let text = !npy::is_npy(head) && !idx::is_idx(head) && csv::is_text(head);
    if !text {
        asked.no_text()?;
    }
    let array = match head {
        _ if npy::is_npy(head) => npy::read(stream),
        _ if idx::is_idx(head) => idx::read(stream),
        _ if text => csv::read(stream, asked),
        _ => Err(Problem::UnknownFormat { start: head.iter().copied().take(8).collect() }),
    }?;
    Ok(vec![(String::new(), array)])
}

impl Asked<'_> {
    /// Makes sure that nothing is said that only texts have.
    pub(super) fn no_text(&self) -> Result<(), Problem> {
        match self.reading.of_text() {
            Some(option) => Err(Problem::Option { option, reason: "the file is no text" }),
            None => Ok(()),
        }
    }
}

/// A local header, or the end of an archive without members.
fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}
