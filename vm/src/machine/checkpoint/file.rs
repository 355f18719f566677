//! The file of a party's state at a point.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `TERNCP03` |
//! | 8 + n | length and bytes of what it is of: [`Head`] |
//! | 8 + n | length and bytes of all but registers: [`State`] |
//! | | the live elements of buffers: the machine's, then the back-end's; the program says which ([`tern_bytecode::live`]) |
//! | 32 | BLAKE3 of everything before |
//!
//! Numbers are little-endian, head and state are in postcard's format. The checksum tells damage, not malice: whoever can write the file can also
//! write the party's shares.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tern_bytecode::live::Live;

use super::Registers;
use crate::data::{Access, write_atomically};
use crate::machine::host::Trip;
use crate::machine::memory::Memory;
use crate::protocol::Terms;
use crate::ring::Ring;

const MAGIC: &[u8; 8] = b"TERNCP03";
const SUM: usize = 32;
/// Bytes that head or state have at most.
const LIMIT: u64 = 1 << 32;
/// Bytes that are read at a time to sum them up.
const PIECE: usize = 1 << 20;

/// What a file is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The program, its arguments, ring and precision, the protocol, the seed.
    pub(super) terms: Terms,
    /// `party 1`, or `the emulator`.
    pub(super) whose: String,
    /// The run.
    pub(super) run: [u8; 16],
    /// The point.
    pub(super) point: u64,
    /// What the parties of this attempt have in common: the run, if it is the first, else what stands for their new keys.
    pub(super) attempt: [u8; 16],
}

/// All of a machine's state but the registers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The loops in progress, outermost first: the run goes on with the first instruction of the innermost.
    pub(crate) trips: Vec<Trip>,
    /// How often every instruction was executed, and how long it took.
    pub(crate) executions: Vec<u64>,
    pub(crate) times: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// What was seen of ranges.
    pub(crate) ranges: Vec<u8>,
    /// What the links have counted.
    pub(crate) progress: Vec<u8>,
    /// What the host has put out so far.
    pub(crate) host: Vec<u8>,
}

/// A file that does not serve.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the fields are what the message says they are
pub enum Refusal {
    /// It is of something else.
    #[error("{} is of another run: there {what} = {theirs}, here {ours}\n   = help: give this run a directory of its own, or empty that one", .file.display())]
    Differs { file: PathBuf, what: String, theirs: String, ours: String },
    /// It cannot be used.
    #[error("{} is damaged: {cause}\n   = help: remove it; the run then goes on from an older point, or begins anew", .file.display())]
    Damaged { file: PathBuf, cause: String },
    /// There is none.
    #[error("there is nothing in {} to go on from\n   = help: without --resume the run begins", .directory.display())]
    Nothing { directory: PathBuf },
    /// The directory cannot be used.
    #[error("checkpoints cannot be kept in {}: {cause}", .directory.display())]
    Directory { directory: PathBuf, cause: io::Error },
}

/// Registers of machine and back-end.
pub(super) struct All<'a, R> {
    pub(super) memory: &'a Memory<R>,
    pub(super) backend: Option<&'a dyn Registers>,
    pub(super) live: &'a Live,
}

/// Writes a file, which is there completely or not at all; its bytes.
pub(super) fn write<R: Ring>(
    path: &Path,
    head: &Head,
    state: &State,
    registers: All<'_, R>,
) -> io::Result<u64> {
    let mut bytes = 0;
    write_atomically(path, Access::Owner, |file| {
        let mut out = Summing::new(file);
        out.write_all(MAGIC)?;
        for part in [encode(head)?, encode(state)?] {
            out.write_all(&(part.len() as u64).to_le_bytes())?;
            out.write_all(&part)?;
        }
        registers.memory.write_live(registers.live, &mut out)?;
        if let Some(backend) = registers.backend {
            backend.write(registers.live, &mut out)?;
        }
        let (sum, n) = out.finish();
        file.write_all(&sum)?;
        bytes = n + SUM as u64;
        Ok::<(), io::Error>(())
    })?;
    // the new name lasts when its directory does
    path.parent().map_or(Ok(()), sync)?;
    Ok(bytes)
}

/// What has been done to the names of a directory lasts.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn encode(part: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(part).map_err(io::Error::other)
}

/// What a file says that it is of, if all of it is as it was written.
pub(super) fn check(path: &Path) -> Result<Head, Refusal> {
    let damaged = |cause: String| Refusal::Damaged { file: path.into(), cause };
    let head = whole(path).map_err(|error| damaged(error.to_string()))?;
    head.ok_or_else(|| damaged("its checksum is another".into()))
}

fn whole(path: &Path) -> io::Result<Option<Head>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(summed) = length.checked_sub(SUM as u64) else { return Ok(None) };
    let mut input = BufReader::new(file);
    let mut hash = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut left = summed;
    while left > 0 {
        let n = left.min(PIECE as u64) as usize;
        input.read_exact(&mut piece[..n])?;
        hash.update(&piece[..n]);
        left -= n as u64;
    }
    let mut sum = [0; SUM];
    input.read_exact(&mut sum)?;
    if *hash.finalize().as_bytes() != sum {
        return Ok(None);
    }
    let mut input = BufReader::new(File::open(path)?);
    begin(&mut input, length).map(Some)
}

/// The beginning of a file, up to the state.
fn begin(input: &mut impl Read, length: u64) -> io::Result<Head> {
    let mut magic = [0; 8];
    input.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(io::Error::other("it is no checkpoint of this version"));
    }
    part(input, length)
}

fn part<T: DeserializeOwned>(input: &mut impl Read, length: u64) -> io::Result<T> {
    let mut n = [0; 8];
    input.read_exact(&mut n)?;
    let n = u64::from_le_bytes(n);
    if n > length.min(LIMIT) {
        return Err(io::Error::other("a part is longer than the file"));
    }
    let mut bytes = vec![0; n as usize];
    input.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}

/// A file that was checked, up to its registers.
pub(crate) struct Restored {
    path: PathBuf,
    input: BufReader<File>,
    pub(crate) state: State,
}

impl Restored {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Restored, Refusal> {
        let read = || {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut input = BufReader::with_capacity(PIECE, file);
            begin(&mut input, length)?;
            let state = part(&mut input, length)?;
            Ok(Restored { path: path.into(), input, state })
        };
        read().map_err(|error: io::Error| damaged(path, &error))
    }

    /// Reads the registers.
    pub(crate) fn registers<R: Ring>(
        &mut self,
        live: &Live,
        memory: &mut Memory<R>,
        backend: Option<&mut dyn Registers>,
    ) -> Result<(), Refusal> {
        let input = &mut self.input;
        let read = memory.read_live(live, input).and_then(|()| match backend {
            Some(backend) => backend.read(live, input),
            None => Ok(()),
        });
        read.map_err(|error| damaged(&self.path, &error))
    }

    /// The refusal of a file whose state is not one of this program.
    pub(crate) fn is_strange(&self) -> Refusal {
        damaged(&self.path, &io::Error::other("its state is not one of this program"))
    }
}

fn damaged(path: &Path, error: &io::Error) -> Refusal {
    Refusal::Damaged { file: path.into(), cause: error.to_string() }
}

/// Sums up what passes.
struct Summing<'a> {
    to: &'a mut BufWriter<File>,
    hash: blake3::Hasher,
    bytes: u64,
}

impl<'a> Summing<'a> {
    fn new(to: &'a mut BufWriter<File>) -> Self {
        Self { to, hash: blake3::Hasher::new(), bytes: 0 }
    }

    fn finish(self) -> ([u8; SUM], u64) {
        (*self.hash.finalize().as_bytes(), self.bytes)
    }
}

impl Write for Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // in pieces, so that what is summed up is still in the cache when it is written
        let n = self.to.write(&bytes[..bytes.len().min(PIECE)])?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
