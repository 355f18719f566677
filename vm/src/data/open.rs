//! From a file to its tensor. Formats are told by how a file begins, never by its name.

use super::array::Array;
use super::error::{DataError, Problem};
use super::spec::Source;
use super::stream::Stream;
use super::{csv, idx, npy, npz, safetensors};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};

/// Enough of a file to tell what it is.
const HEAD: usize = 16;

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
    read_any(Cursor::new(bytes), bytes.len() as u64, source.member.as_deref(), name)
}

pub(super) fn read_file(source: &Source, name: &str) -> Result<Array, Problem> {
    let file = File::open(&source.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Unreadable(error),
    })?;
    let about = file.metadata().map_err(Problem::Unreadable)?;
    if about.is_dir() {
        return Err(Problem::Unreadable(io::ErrorKind::IsADirectory.into()));
    }
    read_any(BufReader::new(file), about.len(), source.member.as_deref(), name)
}

fn read_any(
    mut file: impl Read + Seek,
    length: u64,
    member: Option<&str>,
    name: &str,
) -> Result<Array, Problem> {
    let (head, stream) = Stream::plain(&mut file, length).peek(HEAD)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(BufReader::new(stream.into_reader()));
        let (head, mut stream) = Stream::packed(unpacked, "gzip", length).peek(HEAD)?;
        if is_zip(&head) {
            let bytes = stream.rest()?;
            let length = bytes.len() as u64;
            return npz::read(Cursor::new(bytes), length, member, name);
        }
        return read_stream(&head, stream, member, name);
    }
    if is_zip(&head) {
        drop(stream);
        file.rewind().map_err(Problem::Unreadable)?;
        return npz::read(file, length, member, name);
    }
    read_stream(&head, stream, member, name)
}

fn read_stream(head: &[u8], stream: Stream<'_>, member: Option<&str>, name: &str) -> Result<Array, Problem> {
    if safetensors::is_safetensors(head) {
        return safetensors::read(stream, member, name);
    }
    if let Some(member) = member {
        return Err(Problem::NotAContainer { member: member.into() });
    }
    match head {
        _ if npy::is_npy(head) => npy::read(stream),
        _ if idx::is_idx(head) => idx::read(stream),
        _ if csv::is_text(head) => csv::read(stream),
        _ => Err(Problem::UnknownFormat { start: head.iter().copied().take(8).collect() }),
    }
}

/// A local header, or the end of an archive without members.
fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Which of several tensors is meant: the one that the user named, the only one, or the one called like the input.
pub(super) fn choose<'a>(names: &[&'a str], member: Option<&str>, name: &str) -> Result<&'a str, Problem> {
    let found = match (member, names) {
        (Some(member), _) => names.iter().find(|&&known| known == member),
        (None, [only]) => Some(only),
        (None, _) => names.iter().find(|&&known| known == name),
    };
    found.copied().ok_or_else(|| Problem::NoMember {
        wanted: member.map(str::to_string),
        present: names.iter().map(|known| known.to_string()).collect(),
    })
}
