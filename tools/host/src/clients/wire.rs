//! What a client and a server say to each other: a question and answers, as lengths and JSON; files of shares follow as they are.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tern_vm::data::shares::Head;

/// Bytes of a word at most: heads of models have many tensors.
const MOST: u32 = 32 << 20;
/// Bytes of a file that are sent at a time.
pub(super) const CHUNK: usize = 256 << 10;

/// What a client wants.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// To give this file of an input.
    Give {
        /// The program that it is for.
        program: String,
        /// What the file is, without keys.
        head: Box<Head>,
        /// Its bytes.
        length: u64,
        /// Whether it may take the place of another one.
        replace: bool,
    },
    /// To take the file of a result.
    Take {
        /// The program whose result it is.
        program: String,
        /// The result.
        name: String,
        /// Of which execution, if it is put out in a loop.
        #[serde(default)]
        number: Option<u64>,
    },
}

/// What a server says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// So many bytes of the file are on disk: the others are to follow.
    From(u64),
    /// The whole file is there.
    Kept,
    /// So many bytes follow.
    Here(u64),
    /// Not now, for this reason.
    Later(String),
    /// Never, for this reason.
    Refused(String),
}

/// Says a word.
pub(super) fn say(stream: &mut impl Write, word: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(word)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Hears one.
pub(super) fn hear<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a word that is too long"));
    }
    let mut bytes = Vec::new();
    // Memory for what comes, not for what is promised.
    stream.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}
