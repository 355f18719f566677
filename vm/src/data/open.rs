//! From a file to its tensor. Formats are told by how a file begins, never by its name.

use super::array::Array;
use super::error::{DataError, Problem};
use super::spec::Source;
use super::stream::Stream;
use super::{csv, idx, npy, npz, safetensors};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// Enough of a file to tell what it is.
const HEAD: usize = 16;

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
    read_file(source, name).map_err(|problem| problem.at(None, source))
}

/// The same for a file whose bytes are in memory already; the source is for messages and names the tensor.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8], source: &Source, name: &str) -> Result<Array, DataError> {
    read_slice(bytes, source, name).map_err(|problem| problem.at(None, source))
}

pub(super) fn read_slice(bytes: &[u8], source: &Source, name: &str) -> Result<Array, Problem> {
    let wanted = Wanted::One { member: source.member.as_deref(), name };
    only(read_any(Cursor::new(bytes), bytes.len() as u64, wanted)?)
}

pub(super) fn read_file(source: &Source, name: &str) -> Result<Array, Problem> {
    let (file, length) = open(&source.path)?;
    only(read_any(file, length, Wanted::One { member: source.member.as_deref(), name })?)
}

/// Reads every tensor of an npz or safetensors file, with its name; `expected` is one of them, for the message about other files.
pub(super) fn read_tensors(path: &Path, expected: &str) -> Result<Vec<(String, Array)>, Problem> {
    let (file, length) = open(path)?;
    read_any(file, length, Wanted::All(expected))
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

/// The tensor that was asked for.
fn only(tensors: Vec<(String, Array)>) -> Result<Array, Problem> {
    let nothing = || Problem::NoMember { wanted: None, present: Vec::new() };
    tensors.into_iter().next().map(|(_, array)| array).ok_or_else(nothing)
}

fn read_any(
    mut file: impl Read + Seek,
    length: u64,
    wanted: Wanted<'_>,
) -> Result<Vec<(String, Array)>, Problem> {
    let (head, stream) = Stream::plain(&mut file, length).peek(HEAD)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(BufReader::new(stream.into_reader()));
        let (head, mut stream) = Stream::packed(unpacked, "gzip", length).peek(HEAD)?;
        if is_zip(&head) {
            let bytes = stream.rest()?;
            let length = bytes.len() as u64;
            return npz::read(Cursor::new(bytes), length, wanted);
        }
        return read_stream(&head, stream, wanted);
    }
    if is_zip(&head) {
        drop(stream);
        file.rewind().map_err(Problem::Unreadable)?;
        return npz::read(file, length, wanted);
    }
    read_stream(&head, stream, wanted)
}

fn read_stream(head: &[u8], stream: Stream<'_>, wanted: Wanted<'_>) -> Result<Vec<(String, Array)>, Problem> {
    if safetensors::is_safetensors(head) {
        return safetensors::read(stream, wanted);
    }
    if let Wanted::One { member: Some(member), .. } | Wanted::All(member) = wanted {
        return Err(Problem::NotAContainer { member: member.into() });
    }
    let array = match head {
        _ if npy::is_npy(head) => npy::read(stream),
        _ if idx::is_idx(head) => idx::read(stream),
        _ if csv::is_text(head) => csv::read(stream),
        _ => Err(Problem::UnknownFormat { start: head.iter().copied().take(8).collect() }),
    }?;
    Ok(vec![(String::new(), array)])
}

/// A local header, or the end of an archive without members.
fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}
