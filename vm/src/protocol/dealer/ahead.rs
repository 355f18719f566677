//! Dealing ahead of time: what the dealer would send, in a file for each party.
//!
//! A file holds the key that the party has in common with the dealer, the public seed, and what it is dealt, in the order of the program. **It is used once**: two runs with the
//! same material open two values under one mask, which tells their difference to whoever saw both. So a file says whether it was used, and that is on disk before the first
//! value is opened: a run that is killed has used it as well. A copy of a file is beyond what a program can see; whoever deals gives each party one.
//!
//! Layout, little-endian: `TERNDEAL`, version (4 bytes), 0 or, once used, 1 (4 bytes), bytes of the head (4), the head (JSON), what is dealt, SHA-256 of all from the head's length on.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tern_bytecode::{Program, container};
use zeroize::Zeroizing;

use crate::net::Party;

const MAGIC: [u8; 8] = *b"TERNDEAL";
const VERSION: u32 = 1;
/// Where the file says whether it was used.
const USED: u64 = 12;
/// Bytes before the head's length.
const BEFORE: u64 = 16;
const HASH: u64 = 32;
/// Bytes of a head at most.
const MAX_HEAD: u32 = 1 << 20;
/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// What a file is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    program: String,
    /// The hash of the bytecode, in hexadecimal digits.
    bytecode: String,
    args: Vec<(String, String)>,
    party: u8,
    /// Names the dealing: the same in the files of both parties.
    dealing: String,
    /// The key that this party has in common with the dealer.
    key: [u8; 16],
    /// The seed that everybody knows.
    public: [u8; 32],
}

/// Why a file of what was dealt cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message of the variant says")]
pub enum DealtError {
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("{} is no file of what was dealt: it does not begin with TERNDEAL", path.display())]
    Magic { path: PathBuf },
    #[error("{} is of version {found}; this program reads version {VERSION}", path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("{} is damaged: {cause}", path.display())]
    Damaged { path: PathBuf, cause: String },
    #[error("{} was dealt for another program: {what} is {theirs}, not {ours}", path.display())]
    Program { path: PathBuf, what: String, theirs: String, ours: String },
    #[error("{} was dealt for party {found}, this is {expected}", path.display())]
    Party { path: PathBuf, found: u8, expected: Party },
    #[error(
        "{} was used before: two values under one mask tell their difference; deal anew with tern deal",
        path.display()
    )]
    Used { path: PathBuf },
    #[error("{} is in use by another run", path.display())]
    Busy { path: PathBuf },
}

/// What a party was dealt, not used yet.
#[derive(Debug)]
pub struct Dealt {
    path: PathBuf,
    head: Head,
    file: BufReader<File>,
    /// Bytes that are left.
    left: u64,
}

/// The name of a party's file.
pub fn file_name(party: Party) -> String {
    format!("dealt-{}.tern", party.index())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Dealt {
    /// Opens the file of a party in a folder, and checks that it is for this program, and whole. Nothing is marked.
    ///
    /// # Errors
    /// Whatever keeps it from being used.
    pub fn open(folder: &Path, program: &Program, me: Party) -> Result<Dealt, DealtError> {
        let path = folder.join(file_name(me));
        let io = |cause| DealtError::Io { path: path.clone(), cause };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        if file.try_lock().is_err() {
            return Err(DealtError::Busy { path });
        }
        let length = file.metadata().map_err(io)?.len();
        let mut file = BufReader::with_capacity(PIECE, file);
        let (head, start) = read_head(&path, &mut file, length)?;
        check(&path, &head, program, me)?;
        let left = length - start - HASH;
        check_hash(&path, &mut file, length)?;
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        Ok(Dealt { path, head, file, left })
    }

    /// Names the dealing: both parties must have files of one.
    pub(crate) fn dealing(&self) -> &str {
        &self.head.dealing
    }

    /// The key in common with the dealer.
    pub(crate) fn key(&self) -> [u8; 16] {
        self.head.key
    }

    /// The seed that everybody knows.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.head.public
    }

    /// Marks the file as used. When this has returned, that is on disk.
    pub(crate) fn mark(&mut self) -> Result<(), DealtError> {
        let file = self.file.get_ref();
        let marked = file.write_all_at(&1u32.to_le_bytes(), USED).and_then(|()| file.sync_all());
        marked.map_err(|cause| DealtError::Io { path: self.path.clone(), cause })
    }

    /// The next bytes.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<(), DealtError> {
        let path = || self.path.clone();
        let Some(left) = self.left.checked_sub(into.len() as u64) else {
            return Err(DealtError::Damaged { path: path(), cause: "it ends before the program".into() });
        };
        self.left = left;
        self.file.read_exact(into).map_err(|cause| DealtError::Io { path: self.path.clone(), cause })
    }
}

/// The head, and where what is dealt begins.
fn read_head(path: &Path, file: &mut impl Read, length: u64) -> Result<(Head, u64), DealtError> {
    let damaged = |cause: &str| DealtError::Damaged { path: path.into(), cause: cause.into() };
    let mut before = [0; BEFORE as usize + 4];
    file.read_exact(&mut before).map_err(|_| DealtError::Magic { path: path.into() })?;
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| before[at + i]));
    if before[..8] != MAGIC {
        return Err(DealtError::Magic { path: path.into() });
    }
    if number(8) != VERSION {
        return Err(DealtError::Version { path: path.into(), found: number(8) });
    }
    match number(USED as usize) {
        0 => {}
        1 => return Err(DealtError::Used { path: path.into() }),
        _ => return Err(damaged("it says neither that it was used nor that it was not")),
    }
    let size = number(BEFORE as usize);
    let start = BEFORE + 4 + u64::from(size);
    if size > MAX_HEAD || length < start + HASH {
        return Err(damaged("it is too short"));
    }
    let mut head = Zeroizing::new(vec![0; size as usize]);
    file.read_exact(&mut head).map_err(|cause| DealtError::Io { path: path.into(), cause })?;
    let head = serde_json::from_slice(&head).map_err(|error| damaged(&error.to_string()))?;
    Ok((head, start))
}

/// Whether the file is for this program and party.
fn check(path: &Path, head: &Head, program: &Program, me: Party) -> Result<(), DealtError> {
    let own = &program.header;
    let text = |args: &[(String, String)]| {
        let all: Vec<String> = args.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if all.is_empty() { "none".to_string() } else { all.join(" ") }
    };
    let pairs = [
        ("the program", head.program.clone(), own.name.clone()),
        ("its arguments", text(&head.args), text(&own.args)),
        ("its bytecode", head.bytecode.clone(), hexadecimal(&container::identity(program))),
    ];
    if let Some((what, theirs, ours)) = pairs.into_iter().find(|(_, theirs, ours)| theirs != ours) {
        return Err(DealtError::Program { path: path.into(), what: what.into(), theirs, ours });
    }
    match usize::from(head.party) == me.index() {
        true => Ok(()),
        false => Err(DealtError::Party { path: path.into(), found: head.party, expected: me }),
    }
}

fn check_hash(path: &Path, file: &mut BufReader<File>, length: u64) -> Result<(), DealtError> {
    let io = |cause| DealtError::Io { path: path.into(), cause };
    file.seek(SeekFrom::Start(BEFORE)).map_err(io)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    let mut left = length - BEFORE - HASH;
    while left > 0 {
        let now = left.min(PIECE as u64) as usize;
        file.read_exact(&mut piece[..now]).map_err(io)?;
        hash.update(&piece[..now]);
        left -= now as u64;
    }
    let mut written = [0; HASH as usize];
    file.read_exact(&mut written).map_err(io)?;
    match hash.finalize()[..] == written {
        true => Ok(()),
        false => {
            let cause = "the hash at its end is not that of what is before it".into();
            Err(DealtError::Damaged { path: path.into(), cause })
        }
    }
}

/// A party's file while it is written.
pub(crate) struct Dealing {
    path: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
}

impl Dealing {
    /// Begins the file of a party in a folder, which must not be there yet.
    pub(crate) fn begin(
        folder: &Path,
        program: &Program,
        party: Party,
        dealing: &str,
        key: [u8; 16],
        public: [u8; 32],
    ) -> Result<Dealing, DealtError> {
        let path = folder.join(file_name(party));
        let failed = |cause| DealtError::Io { path: path.clone(), cause };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        let mut out = BufWriter::with_capacity(PIECE, file);
        let head = Head {
            program: program.header.name.clone(),
            bytecode: hexadecimal(&container::identity(program)),
            args: program.header.args.clone(),
            party: party.into(),
            dealing: dealing.into(),
            key,
            public,
        };
        let head = Zeroizing::new(serde_json::to_vec(&head).map_err(|error| failed(error.into()))?);
        let before = [&MAGIC[..], &VERSION.to_le_bytes(), &0u32.to_le_bytes()].concat();
        out.write_all(&before).map_err(failed)?;
        let mut begun = Dealing { path: path.clone(), out, hash: Sha256::new() };
        begun.write(&(head.len() as u32).to_le_bytes())?;
        begun.write(&head)?;
        Ok(begun)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DealtError> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(|cause| DealtError::Io { path: self.path.clone(), cause })
    }

    /// Ends the file. When this has returned, it is on disk.
    pub(crate) fn end(mut self) -> Result<PathBuf, DealtError> {
        let hash = self.hash.finalize_reset();
        let written = self.out.write_all(&hash).and_then(|()| self.out.flush());
        let written = written.and_then(|()| self.out.get_ref().sync_all());
        match written {
            Ok(()) => Ok(self.path),
            Err(cause) => Err(DealtError::Io { path: self.path, cause }),
        }
    }
}
