//! Files of shares: what one party holds of values that stay shared from one run to the next, or that somebody shares who is no party.
//! docs/shares.md describes the format for others to write.
//!
//! A file says everything by which it can be taken for another: protocol, ring, precision, party, and the set
//! that it belongs to, which the files of one sharing have in common and no other files. The hash at
//! its end is over all that is before it.
//!
//! A summand is either in the file or drawn from a key that is: who shares a value chooses all summands but one at random,
//! so it needs to give everybody only that one, and keys ([`Sharing`]). [`open`](fn@open) is the way back.

mod open;
mod sharing;
mod stored;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tern_bytecode::model::Model;
use tern_bytecode::{Protocol, rings};

pub use open::{OpenError, Opened, open};
pub use sharing::Sharing;
pub use stored::Stored;

use crate::prg::{Key, Stream};
use crate::scarce;

/// How every file begins.
pub const MAGIC: [u8; 8] = *b"TERNSHAR";
/// The version of the format; files of a later one are refused.
pub const VERSION: u32 = 2;
/// The version without keys.
const WITHOUT_KEYS: u32 = 1;
/// Bytes of the head at most.
const MAX_HEAD: u32 = 16 << 20;
/// Bytes of the hash at the end.
const HASH: usize = 32;
/// Tensors of a file at most, and words of a summand: what a random stream has.
const MAX_TENSORS: usize = 1 << 20;
const MAX_WORDS: u128 = 1 << 36;
/// Words that are read and hashed at a time.
const PIECE: usize = 1 << 16;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// `rep3`: replicated shares among three parties; `rep4`: among four.
    pub protocol: String,
    /// Whose shares these are: 0, 1, ….
    pub party: u8,
    /// 32 hexadecimal digits, in common with the files of the other parties.
    pub set: String,
    /// The name of the output, or whatever the value is called.
    pub name: String,
    /// Bits of the ring.
    pub ring: u32,
    /// Fraction bits of `fix`, and all its bits.
    pub fixed: [u32; 2],
    /// Of each summand of this party, in their order, the key from which it is drawn, as 32 hexadecimal digits; none if it is in the data. Without
    /// it all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Vec<Option<String>>>,
    /// The tensors, in the order of the data.
    pub tensors: Vec<Tensor>,
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// The field of a model, or the name of the value.
    pub name: String,
    /// `fix`, `int` or `bool`.
    pub element: String,
    /// Fraction bits of the shared numbers.
    pub frac: u32,
    /// Sizes of the axes.
    pub shape: Vec<u64>,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareFile {
    /// What it is.
    pub head: Head,
    /// By tensor: little-endian limbs of the elements in row-major order, first of all summands in common with the next party,
    /// then of those in common with the previous one; with a dealer, this party's; of four parties, those that party 0 lacks, then party 1, and so on without this one.
    pub words: Vec<Vec<u64>>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message of the variant says")]
pub enum ShareError {
    /// The operating system does not let us read it.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Another format.
    #[error("is no file of shares: it does not begin with TERNSHAR (docs/shares.md describes the format)")]
    Magic,
    /// Another version of the format.
    #[error("is a file of shares of version {found}; this program reads versions up to {VERSION}")]
    Version { found: u32 },
    /// The head is not what it should be.
    #[error("is a damaged file of shares: {0}")]
    Head(String),
    /// There are fewer or more bytes than the head says.
    #[error("is a damaged file of shares: it has {found} bytes, its head says {expected}")]
    Length { found: u64, expected: u128 },
    /// Something is not as it was written.
    #[error("is a damaged file of shares: the hash at its end is not that of what is before it")]
    Hash,
    /// The system has no room for it.
    #[error("holds more than there is memory for: {bytes} bytes")]
    Memory { bytes: u64 },
}

impl Tensor {
    /// Words of one summand, modulo 2^`ring`.
    fn words(&self, ring: u32) -> u128 {
        let elements = self.shape.iter().fold(1u128, |n, size| n.saturating_mul(u128::from(*size)));
        elements.saturating_mul(u128::from(rings::limbs(ring)))
    }

    /// For messages: `fix[2, 3]`.
    fn text(&self) -> String {
        format!("{}{:?}", self.element, self.shape)
    }
}

impl Head {
    /// What the protocol says of parties and summands; of one that is not known, whatever will do to read on and name it.
    fn model(&self) -> &'static Model {
        Protocol::from_name(&self.protocol).unwrap_or(Protocol::Rep3).model()
    }

    /// Summands of a value that a party has.
    fn summands(&self) -> usize {
        (self.model().filed)(self.party.into()).len()
    }

    /// The keys of summands that are drawn.
    fn keys(&self) -> Vec<Option<[u8; 16]>> {
        match &self.drawn {
            Some(keys) => keys.iter().map(|key| key.as_deref().and_then(key_of)).collect(),
            None => vec![None; self.summands()],
        }
    }

    /// Words of the data.
    fn words(&self) -> u128 {
        let given = self.keys().iter().filter(|key| key.is_none()).count() as u128;
        let one = self.tensors.iter().fold(0u128, |n, t| n.saturating_add(t.words(self.ring)));
        one.saturating_mul(given)
    }

    /// Bytes of all summands of a party.
    pub fn bytes(&self) -> u64 {
        let one = self.tensors.iter().fold(0u128, |n, t| n.saturating_add(t.words(self.ring)));
        u64::try_from(one.saturating_mul(8 * self.summands() as u128)).unwrap_or(u64::MAX)
    }

    fn check(&self, version: u32) -> Result<(), ShareError> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let fault = |text: String| Err(ShareError::Head(text));
        if !rings::is_ring(self.ring) {
            return fault(format!("a ring of {} bits", self.ring));
        }
        if usize::from(self.party) >= self.model().parties {
            return fault(format!("there is no party {}", self.party));
        }
        if self.set.len() != 32 || !self.set.bytes().all(is_digit) {
            return fault("its set is not 32 hexadecimal digits".into());
        }
        if self.drawn.is_some() != (version > WITHOUT_KEYS) {
            return fault(format!("`drawn` belongs to version {VERSION}"));
        }
        if let Some(keys) = &self.drawn
            && (keys.len() != self.summands() || keys.iter().flatten().any(|key| key_of(key).is_none()))
        {
            return fault(format!("it has not {} keys of 32 hexadecimal digits, or null", self.summands()));
        }
        let one = self.tensors.iter().fold(0u128, |n, t| n.saturating_add(t.words(self.ring)));
        if self.tensors.len() > MAX_TENSORS || one > MAX_WORDS {
            return fault("it has more numbers than there can be".into());
        }
        Ok(())
    }

    /// What keeps the file from being the one that is `expected`, the set aside: an empty list if nothing does.
    pub fn differences(&self, expected: &Head) -> Vec<String> {
        let mut all = Vec::new();
        let mut differ = |what: &str, found: String, wanted: String| {
            if found != wanted {
                all.push(format!("{what} is {found}, not {wanted}"));
            }
        };
        differ("its protocol", self.protocol.clone(), expected.protocol.clone());
        differ("its party", self.party.to_string(), expected.party.to_string());
        differ("its ring", format!("2^{}", self.ring), format!("2^{}", expected.ring));
        let fixed = |head: &Head| format!("{},{}", head.fixed[0], head.fixed[1]);
        differ("its precision (--fixed)", fixed(self), fixed(expected));
        for tensor in &expected.tensors {
            match self.tensors.iter().find(|t| t.name == tensor.name) {
                None => all.push(format!("it has no {}", tensor.name)),
                Some(found) if found.text() != tensor.text() => {
                    all.push(format!("{} is {}, declared {}", tensor.name, found.text(), tensor.text()));
                }
                Some(found) if found.frac != tensor.frac => {
                    all.push(format!("{} has {} fraction bits, not {}", tensor.name, found.frac, tensor.frac))
                }
                Some(_) => {}
            }
        }
        let extra = self.tensors.iter().filter(|t| !expected.tensors.iter().any(|e| e.name == t.name));
        all.extend(extra.map(|tensor| format!("it has {}, which is not declared", tensor.name)));
        all
    }
}

impl ShareFile {
    /// Writes a file, with all summands in the data.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let head = Head { drawn: None, ..self.head.clone() };
        let mut out = Hashed::begin(out, &head)?;
        for piece in self.words.iter().flat_map(|words| words.chunks(PIECE)) {
            out.words(piece)?;
        }
        out.end()
    }

    /// Reads a file. Memory is set aside for no more than the file holds, and for nothing before `check` has seen what it is.
    ///
    /// # Errors
    /// Whatever is wrong with it, and what `check` says.
    pub fn read<E: From<ShareError>>(
        path: &Path,
        check: impl FnOnce(&Head) -> Result<(), E>,
    ) -> Result<ShareFile, E> {
        let (file, length) = plain(path)?;
        Self::read_from(buffered(file), length, check)
    }

    /// Reads a file of so many bytes.
    ///
    /// # Errors
    /// As [`ShareFile::read`].
    pub fn read_from<E: From<ShareError>>(
        input: impl Read,
        length: u64,
        check: impl FnOnce(&Head) -> Result<(), E>,
    ) -> Result<ShareFile, E> {
        let mut input = Hashing { input, hash: Sha256::new() };
        let head = input.head(length)?;
        check(&head)?;
        Ok(input.rest(head)?)
    }
}

impl Head {
    /// What a file of so many bytes is that begins here.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn read(input: impl Read, length: u64) -> Result<Head, ShareError> {
        Hashing { input, hash: Sha256::new() }.head(length)
    }
}

/// A file, and how many bytes it has.
fn plain(path: &Path) -> Result<(File, u64), ShareError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(ShareError::Head("it is not a plain file".into())),
    }
}

fn buffered<I: Read>(file: I) -> BufReader<I> {
    BufReader::with_capacity(1 << 20, file)
}

/// The key of these digits.
fn key_of(digits: &str) -> Option<[u8; 16]> {
    let plain = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)).flatten()
}

/// The stream of the summand that a key stands for, of the tensor of this index.
fn stream(key: &Key, tensor: usize) -> Stream<'_> {
    Stream::new(key, 0, tensor as u32, 0).expect("the first iteration of any")
}

/// A writer that hashes what passes.
struct Hashed<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Hashed<W> {
    /// Writes all that is before the data.
    fn begin(out: W, head: &Head) -> io::Result<Hashed<W>> {
        let mut out = Hashed { out, hash: Sha256::new() };
        let version = if head.drawn.is_some() { VERSION } else { WITHOUT_KEYS };
        let head = serde_json::to_vec(head)?;
        out.bytes(&MAGIC)?;
        out.bytes(&version.to_le_bytes())?;
        out.bytes(&u32::try_from(head.len()).map_err(io::Error::other)?.to_le_bytes())?;
        out.bytes(&head)?;
        Ok(out)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }

    /// Little-endian words: the machine's own.
    fn words(&mut self, words: &[u64]) -> io::Result<()> {
        self.bytes(bytemuck::cast_slice(words))
    }

    fn end(mut self) -> io::Result<()> {
        let hash = self.hash.finalize();
        self.out.write_all(&hash)?;
        self.out.flush()
    }
}

/// A reader that hashes what passes.
struct Hashing<I> {
    input: I,
    hash: Sha256,
}

impl<I: Read> Hashing<I> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ShareError> {
        self.input.read_exact(bytes)?;
        self.hash.update(&*bytes);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ShareError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn head(&mut self, length: u64) -> Result<Head, ShareError> {
        let magic: [u8; 8] = self.take().map_err(|_| ShareError::Magic)?;
        if magic != MAGIC {
            return Err(ShareError::Magic);
        }
        let found = u32::from_le_bytes(self.take()?);
        if !(WITHOUT_KEYS..=VERSION).contains(&found) {
            return Err(ShareError::Version { found });
        }
        let size = u32::from_le_bytes(self.take()?);
        if size > MAX_HEAD || u64::from(size) > length {
            return Err(ShareError::Head(format!("a head of {size} bytes")));
        }
        let mut bytes = vec![0; size as usize];
        self.fill(&mut bytes)?;
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| ShareError::Head(e.to_string()))?;
        head.check(found)?;
        let expected = head.words() * 8 + 16 + u128::from(size) + HASH as u128;
        if expected != u128::from(length) {
            return Err(ShareError::Length { found: length, expected });
        }
        Ok(head)
    }

    /// The hash of all that has passed.
    fn end(mut self) -> Result<(), ShareError> {
        let computed = self.hash.clone().finalize();
        let written: [u8; HASH] = self.take()?;
        if computed[..] == written[..] { Ok(()) } else { Err(ShareError::Hash) }
    }

    /// The data and the hash; what is drawn is drawn.
    fn rest(mut self, mut head: Head) -> Result<ShareFile, ShareError> {
        let keys: Vec<Option<Key>> = head.keys().iter().map(|key| key.as_ref().map(Key::new)).collect();
        let mut words = Vec::new();
        for (tensor, one) in head.tensors.iter().map(|t| t.words(head.ring) as usize).enumerate() {
            let refused = |_| ShareError::Memory { bytes: 8 * (one * keys.len()) as u64 };
            let mut all = scarce::zeros::<u64>(one * keys.len()).map_err(refused)?;
            for (words, key) in all.chunks_mut(one.max(1)).zip(&keys) {
                match key {
                    Some(key) => stream(key, tensor).fill_bytes(0, bytemuck::cast_slice_mut(words)),
                    None => {
                        words.chunks_mut(PIECE).try_for_each(|p| self.fill(bytemuck::cast_slice_mut(p)))?
                    }
                }
            }
            words.push(all);
        }
        self.end()?;
        head.drawn = None;
        Ok(ShareFile { head, words })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file() -> ShareFile {
        let tensor = |name: &str, shape: &[u64]| Tensor {
            name: name.into(),
            element: "fix".into(),
            frac: 16,
            shape: shape.to_vec(),
        };
        let head = Head {
            protocol: "rep3".into(),
            party: 1,
            set: "0123456789abcdef0123456789abcdef".into(),
            name: "w".into(),
            ring: 128,
            fixed: [16, 32],
            drawn: None,
            tensors: vec![tensor("a", &[2, 3]), tensor("b", &[]), tensor("none", &[0, 4])],
        };
        let words = |n: usize| (0..n as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        ShareFile { head, words: vec![words(24), words(4), words(0)] }
    }

    fn bytes(file: &ShareFile) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.write(&mut bytes).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<ShareFile, ShareError> {
        ShareFile::read_from(bytes, bytes.len() as u64, |_| Ok(()))
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&bytes(&file())).unwrap(), file());
    }

    #[test]
    fn differences_are_named() {
        let expected = file().head;
        assert!(expected.differences(&expected).is_empty());
        let mut found = expected.clone();
        (found.party, found.ring, found.fixed) = (2, 64, [12, 24]);
        found.set.replace_range(0..1, "f");
        found.tensors[0].shape = vec![3, 2];
        found.tensors[1].name = "c".into();
        found.tensors[2].frac = 0;
        assert_eq!(
            found.differences(&expected),
            [
                "its party is 2, not 1",
                "its ring is 2^64, not 2^128",
                "its precision (--fixed) is 12,24, not 16,32",
                "a is fix[3, 2], declared fix[2, 3]",
                "it has no b",
                "none has 0 fraction bits, not 16",
                "it has c, which is not declared",
            ]
        );
    }

    #[test]
    fn heads_that_make_no_sense() {
        let refused = |change: fn(&mut Head), text: &str| {
            let mut file = file();
            change(&mut file.head);
            let error = read(&bytes(&file)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        };
        refused(|head| head.ring = 96, "a ring of 96 bits");
        refused(|head| head.party = 3, "no party 3");
        refused(|head| head.set = "x".into(), "hexadecimal");
        refused(|head| head.tensors[0].shape = vec![u64::MAX; 9], "more numbers than there can be");
        refused(|head| head.tensors[0].shape = vec![1 << 20], "its head says");
        refused(|head| head.tensors.clear(), "its head says");
    }

    proptest! {
        /// Whatever is changed, cut off or added, is noticed.
        #[test]
        fn damage_is_noticed(at in any::<prop::sample::Index>(), change in 1u8.., more in 1..9usize) {
            let good = bytes(&file());
            let mut changed = good.clone();
            let i = at.index(good.len());
            changed[i] ^= change;
            prop_assert!(read(&changed).is_err());
            prop_assert!(read(&good[..i]).is_err());
            prop_assert!(read(&[&good[..], &vec![change; more]].concat()).is_err());
        }

        #[test]
        fn no_bytes_do_harm(mut random in prop::collection::vec(any::<u8>(), 0..200), with_head: bool) {
            if with_head {
                random.splice(0..0, bytes(&file())[..16].iter().copied());
            }
            prop_assert!(read(&random).is_err());
        }
    }
}
