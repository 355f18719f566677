//! A client gives an input to all servers.
//!
//! A sending that was interrupted goes on where it was: the secret that all shares come from is on the client's disk until every server has its
//! file, so the files are the same at the second attempt, and a server says how much of its own it has.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, anyhow};
use tern_vm::data::shares::{Head, Sharing};
use tern_vm::data::{Access, write_atomically};
use tern_vm::net::{Party, Stream};

use super::talk::Talk;
use super::wire::{Answer, CHUNK, Request, hear};
use super::{Client, Failure, identity, is_of};
use crate::sharing::{Owned, secret};

/// What the shares of a sending come from, on disk until it is over.
pub struct Secret {
    path: PathBuf,
    bytes: [u8; 32],
    /// Whether an earlier attempt has left it.
    pub is_old: bool,
}

impl Secret {
    /// The secret of a sending: that of an earlier attempt that was not completed, or a new one.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn keep(path: PathBuf) -> anyhow::Result<Secret> {
        let cannot = || format!("cannot keep {}", path.display());
        if let Some(bytes) = read(&path).with_context(cannot)? {
            return Ok(Secret { path, bytes, is_old: true });
        }
        let bytes = secret()?;
        let write = |out: &mut BufWriter<fs::File>| out.write_all(&bytes);
        write_atomically(&path, Access::Owner, write).with_context(cannot)?;
        Ok(Secret { path, bytes, is_old: false })
    }

    /// Removes it when nothing is left to send.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn forget(self) -> anyhow::Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

fn read(path: &Path) -> io::Result<Option<[u8; 32]>> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| io::Error::other("it is not 32 bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives an input to every server: which of them has it then, and after how many bytes in this attempt.
///
/// # Errors
/// An input that is not this client's.
pub fn send(
    client: &Client<'_>,
    owned: &Owned<'_>,
    secret: &Secret,
    replace: bool,
    said: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Vec<(Party, anyhow::Result<u64>)>> {
    let from = client.program.inputs.iter().find(|input| input.name == owned.name()).map(|input| input.from);
    let from = from.ok_or_else(|| anyhow!("the program has no input {}", owned.name()))?;
    is_of(client.program, &client.name, owned.name(), "comes from", from).map_err(Error::msg)?;
    let sharing = owned.sharing(&secret.bytes);
    Ok(client.with_each(|party| attempt(client, &sharing, party, replace), said))
}

fn attempt(client: &Client<'_>, sharing: &Sharing<'_>, party: Party, replace: bool) -> Result<u64, Failure> {
    let mut talk = Talk::begin(client, party)?;
    let head = Box::new(Head { drawn: None, ..sharing.head(party.index()) });
    let length = sharing.length(party.index()).map_err(|error| Failure::Final(error.into()))?;
    let program = identity(client.program);
    let offset = match talk.ask(&Request::Give { program, head, length, replace })? {
        Answer::From(offset) => offset,
        Answer::Kept => return Ok(0),
        _ => return Err(talk.nonsense()),
    };
    if offset > length {
        return Err(Failure::Final(anyhow!("{} has more than there is", talk.who)));
    }
    let written = rest(sharing, party, offset, &mut talk.stream);
    // If it has broken off, it may have said why.
    let answer = hear(&mut talk.stream).map_err(|error| talk.broken(&written.err().unwrap_or(error)))?;
    match talk.granted(answer)? {
        Answer::Kept => Ok(length - offset),
        _ => Err(talk.nonsense()),
    }
}

/// Sends what a server lacks of its file.
fn rest(sharing: &Sharing<'_>, party: Party, offset: u64, stream: &mut Stream) -> io::Result<()> {
    let mut out = Behind { out: BufWriter::with_capacity(CHUNK, stream), skip: offset };
    sharing.write(party.index(), &mut out)?;
    out.flush()
}

/// Lets pass what comes behind so many bytes.
struct Behind<W> {
    out: W,
    skip: u64,
}

impl<W: Write> Write for Behind<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.out.write_all(&bytes[skipped..])?;
        self.skip -= skipped as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
