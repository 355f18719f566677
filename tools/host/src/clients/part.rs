//! A file of shares that is arriving at a server. It is on disk as far as it has come, so a sending that breaks off goes on there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tern_vm::data::shares::Head;
use tern_vm::net::Stream;

use super::store::Store;
use super::wire::{Answer, CHUNK, say};

/// Bytes of a file's hash.
const HASH: usize = 32;

/// The head of a file of shares, if it is there.
pub(super) fn head_of(path: &Path) -> Option<Head> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    Head::read(BufReader::new(file), length).ok()
}

/// Why a file was not taken.
pub(super) enum Lost {
    /// The client is gone.
    Link(io::Error),
    /// It cannot be written.
    Disk(io::Error),
    /// It is not what it should be.
    Damaged(String),
}

/// A file that has arrived, with its hash.
pub(super) struct Part {
    path: PathBuf,
    length: u64,
    is_whole: bool,
}

impl Part {
    /// Takes what is missing of a file. What has arrived is on disk, whatever happens.
    pub(super) fn receive(
        store: &Store,
        client: &str,
        head: &Head,
        length: u64,
        stream: &mut Stream,
    ) -> Result<Part, Lost> {
        let path = store.part(client, &head.name, &head.set).map_err(Lost::Disk)?;
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).append(true).create(true).mode(0o600).open(&path).map_err(Lost::Disk)?;
        let mut have = file.metadata().map_err(Lost::Disk)?.len();
        if have > length {
            file.set_len(0).map_err(Lost::Disk)?;
            have = 0;
        }
        let mut hash = Ending::new(length);
        let mut room = vec![0; CHUNK];
        let mut left = have;
        while left > 0 {
            let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut room[..most];
            file.read_exact(piece).map_err(Lost::Disk)?;
            hash.update(piece);
            left -= most as u64;
        }
        say(stream, &Answer::From(have)).map_err(Lost::Link)?;
        while have < length {
            let most = room.len().min(usize::try_from(length - have).unwrap_or(usize::MAX));
            let count = stream.read(&mut room[..most]).map_err(Lost::Link)?;
            if count == 0 {
                return Err(Lost::Link(io::ErrorKind::UnexpectedEof.into()));
            }
            file.write_all(&room[..count]).map_err(Lost::Disk)?;
            hash.update(&room[..count]);
            have += count as u64;
        }
        file.sync_all().map_err(Lost::Disk)?;
        Ok(Part { path, length, is_whole: hash.agrees() })
    }

    /// Whether it is the file that was announced; one that is not is removed.
    pub(super) fn check(&self, announced: &Head) -> Result<(), String> {
        let outcome = match head_of(&self.path) {
            None => Err("is no file of shares".to_string()),
            Some(_) if !self.is_whole => Err("is damaged".to_string()),
            Some(head) if head.set != announced.set => Err("is of another set than announced".to_string()),
            Some(head) => match &head.differences(announced)[..] {
                [] => Ok(()),
                differences => Err(format!("is not what was announced: {}", differences.join("; "))),
            },
        };
        if outcome.is_err() {
            // What is wrong is not gone on with.
            let _ = fs::remove_file(&self.path);
        }
        outcome
    }

    /// Puts it where it belongs.
    pub(super) fn settle(&self, place: &Path) -> io::Result<()> {
        debug_assert!(fs::metadata(&self.path).is_ok_and(|there| there.len() == self.length));
        fs::rename(&self.path, place)?;
        place.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

/// The hash of all but the last bytes, which are to be that hash.
struct Ending {
    hash: Sha256,
    /// Bytes before the hash that have not passed.
    before: u64,
    ending: Vec<u8>,
}

impl Ending {
    fn new(length: u64) -> Ending {
        Ending { hash: Sha256::new(), before: length.saturating_sub(HASH as u64), ending: Vec::new() }
    }

    fn update(&mut self, bytes: &[u8]) {
        let count = usize::try_from(self.before).unwrap_or(usize::MAX).min(bytes.len());
        self.hash.update(&bytes[..count]);
        self.before -= count as u64;
        self.ending.extend_from_slice(&bytes[count..]);
    }

    fn agrees(self) -> bool {
        self.before == 0 && self.hash.finalize()[..] == self.ending[..]
    }
}
