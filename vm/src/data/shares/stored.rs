//! A file of shares whose words are read when they are needed: a party's data never stand in memory twice, beside its registers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::{HASH, Hashing, Head, PIECE, ShareError, buffered, plain, stream};
use crate::prg::Key;

/// A file that was whole when it was opened.
#[derive(Debug)]
pub struct Stored {
    /// What it is.
    pub head: Head,
    /// Of each summand the key, or the number of those before it that are in the data.
    summands: Vec<Result<Key, u64>>,
    /// Summands that are in the data.
    given: u64,
    /// Where the data begin.
    data: u64,
    file: Mutex<File>,
}

impl Stored {
    /// Reads a file through, and keeps it open.
    ///
    /// # Errors
    /// Whatever is wrong with it, and what `check` says.
    pub fn open<E: From<ShareError>>(
        path: &Path,
        check: impl FnOnce(&Head) -> Result<(), E>,
    ) -> Result<Stored, E> {
        let (file, length) = plain(path)?;
        let mut input = Hashing { input: buffered(&file), hash: Sha256::new() };
        let mut head = input.head(length)?;
        check(&head)?;
        let bytes = u64::try_from(head.words() * 8).expect("no more than the file has");
        input.pass(bytes)?;
        let mut given = 0;
        let summands = head.keys().into_iter().map(|key| {
            key.map(|key| Key::new(&key)).ok_or_else(|| {
                given += 1;
                given - 1
            })
        });
        let summands = summands.collect();
        // The keys are here now.
        head.drawn = None;
        let data = length - HASH as u64 - bytes;
        Ok(Stored { head, summands, given, data, file: Mutex::new(file) })
    }

    /// Words of a tensor, from one on: as [`super::ShareFile::words`] has them.
    ///
    /// # Errors
    /// Words that it does not have; those of the file system.
    pub fn read(&self, tensor: usize, start: usize, words: &mut [u64]) -> Result<(), ShareError> {
        let of = |tensor: usize| self.head.tensors[tensor].words(self.head.ring) as usize;
        let (one, have) = (of(tensor), of(tensor) * self.summands.len());
        if start.checked_add(words.len()).is_none_or(|end| end > have) {
            let found = format!("{} words from {start} are asked for, there are {have}", words.len());
            return Err(ShareError::Head(found));
        }
        let before: usize = (0..tensor).map(of).sum();
        let (mut at, mut left) = (start, words);
        while !left.is_empty() {
            let (summand, within) = (at / one, at % one);
            let (part, rest) = left.split_at_mut(left.len().min(one - within));
            at += part.len();
            match &self.summands[summand] {
                Ok(key) => {
                    let bytes = bytemuck::cast_slice_mut(part);
                    stream(key, tensor).fill_bytes(8 * within as u64, bytes);
                }
                Err(number) => {
                    let word = before as u64 * self.given + number * one as u64 + within as u64;
                    let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    file.seek(SeekFrom::Start(self.data + 8 * word))?;
                    file.read_exact(bytemuck::cast_slice_mut(part))?;
                }
            }
            left = rest;
        }
        Ok(())
    }
}

impl<I: Read> Hashing<I> {
    /// Lets so many bytes pass, and the hash behind them.
    fn pass(mut self, mut bytes: u64) -> Result<(), ShareError> {
        let mut room = vec![0; 8 * PIECE];
        while bytes > 0 {
            let n = bytes.min(room.len() as u64) as usize;
            self.fill(&mut room[..n])?;
            bytes -= n as u64;
        }
        self.end()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{ShareFile, Tensor};
    use super::*;

    /// A file with a summand that is drawn and one that is given; its bytes.
    fn bytes(drawn: Option<Vec<Option<String>>>) -> Vec<u8> {
        let tensor = |name: &str, shape: &[u64]| Tensor {
            name: name.into(),
            element: "fix".into(),
            frac: 16,
            shape: shape.to_vec(),
        };
        let head = Head {
            protocol: "rep3".into(),
            party: 2,
            set: "0123456789abcdef0123456789abcdef".into(),
            name: "w".into(),
            ring: 128,
            fixed: [16, 32],
            drawn,
            tensors: vec![tensor("a", &[5, 7]), tensor("none", &[0]), tensor("b", &[3])],
        };
        let mut out = Vec::new();
        let mut hashed = super::super::Hashed::begin(&mut out, &head).unwrap();
        let words: Vec<u64> =
            (0..head.words() as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        hashed.words(&words).unwrap();
        hashed.end().unwrap();
        out
    }

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn pieces_are_those_of_the_whole_file() {
        let key = || Some("00112233445566778899aabbccddeeff".to_string());
        for drawn in [None, Some(vec![key(), None]), Some(vec![None, key()]), Some(vec![key(), key()])] {
            let file = written(&bytes(drawn.clone()));
            let whole = ShareFile::read(file.path(), |_| Ok::<_, ShareError>(())).unwrap();
            let stored = Stored::open(file.path(), |_| Ok::<_, ShareError>(())).unwrap();
            assert_eq!(stored.head, whole.head);
            for (tensor, words) in whole.words.iter().enumerate() {
                for start in 0..=words.len() {
                    for end in [start, words.len().min(start + 1), words.len().min(start + 75), words.len()] {
                        let mut found = vec![0; end - start];
                        stored.read(tensor, start, &mut found).unwrap();
                        assert_eq!(found, words[start..end], "{drawn:?} {tensor} {start}..{end}");
                    }
                }
                assert!(stored.read(tensor, words.len(), &mut [0]).is_err());
            }
        }
    }

    #[test]
    fn every_byte_counts() {
        let bytes = bytes(None);
        for at in (0..bytes.len()).step_by(13) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let opened = Stored::open(written(&damaged).path(), |_| Ok::<_, ShareError>(()));
            assert!(opened.is_err(), "{at}");
        }
    }
}
