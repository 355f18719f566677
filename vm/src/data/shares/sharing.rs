//! Sharing a value among parties: what its owner writes for each of them.
//!
//! **Who learns what.** All summands but one are drawn from keys, the last one is what is missing to the value. A party gets the keys of the drawn
//! summands that it has, and the last one if it has that: random words, as long as it lacks the key of one drawn
//! summand, which each party does.
//!
//! **The same again, or something else altogether.** Keys and the name of the set come from a secret of the owner's and
//! from all that is shared. Whoever shares the same value once more with the same secret writes the same files, so that one which was
//! sent in part can be sent to its end; another value gets other keys, and two values never have their masks in common.

use std::io::{self, Write};

use tern_bytecode::model::GIVEN;
use zeroize::Zeroizing;

use super::{Hashed, Head, PIECE, stream};
use crate::data::Encoded;
use crate::par::Threads;
use crate::prg::Key;
use crate::ring::Ring;
use crate::rings::in_ring;

/// A value and what it is shared with. All summands but [`GIVEN`] are drawn.
pub struct Sharing<'a> {
    head: Head,
    tensors: Vec<&'a Encoded>,
    /// By summand.
    keys: Zeroizing<Vec<[u8; 16]>>,
}

impl<'a> Sharing<'a> {
    /// Shares tensors, whose heads are in `head` in the same order; its party and its set do not matter.
    #[must_use]
    pub fn new(head: Head, tensors: Vec<&'a Encoded>, secret: &[u8; 32]) -> Sharing<'a> {
        let mut hash = blake3::Hasher::new_keyed(&blake3::derive_key("tern v1 what is shared", secret));
        let same = Head { party: 0, set: String::new(), drawn: None, ..head };
        hash.update(&serde_json::to_vec(&same).expect("text and numbers"));
        let mut room = Zeroizing::new(vec![0i128; PIECE]);
        for tensor in &tensors {
            for start in (0..tensor.len()).step_by(PIECE) {
                let end = tensor.len().min(start + PIECE);
                tensor.fill(start..end, |i, value| room[i] = value);
                hash.update(bytemuck::cast_slice(&room[..end - start]));
            }
        }
        let summands = same.model().summands;
        let mut derived = Zeroizing::new(vec![0; 16 * (1 + summands)]);
        hash.finalize_xof().fill(&mut derived);
        let (set, keys) = derived.split_at(16);
        let set = set.iter().map(|byte| format!("{byte:02x}")).collect();
        let keys = Zeroizing::new(keys.as_chunks::<16>().0.to_vec());
        Sharing { head: Head { set, ..same }, tensors, keys }
    }

    /// The name of the set.
    pub fn set(&self) -> &str {
        &self.head.set
    }

    /// The head of a party's file.
    pub fn head(&self, party: usize) -> Head {
        let digits = |summand: &usize| {
            (*summand != GIVEN)
                .then(|| self.keys[*summand].iter().map(|byte| format!("{byte:02x}")).collect())
        };
        let drawn = (self.head.model().filed)(party).iter().map(digits).collect();
        Head { party: party as u8, drawn: Some(drawn), ..self.head.clone() }
    }

    /// Bytes of a party's file.
    ///
    /// # Errors
    /// A head that cannot be written.
    pub fn length(&self, party: usize) -> io::Result<u64> {
        let head = self.head(party);
        let size = serde_json::to_vec(&head)?.len() as u128;
        u64::try_from(head.words() * 8 + size + 48).map_err(io::Error::other)
    }

    /// Writes a party's file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, party: usize, out: impl Write) -> io::Result<()> {
        let mut out = Hashed::begin(out, &self.head(party))?;
        if (self.head.model().filed)(party).contains(&GIVEN) {
            in_ring!(self.head.ring, R => self.last_summand::<R>(&mut out)?);
        }
        out.end()
    }

    /// The summand that is missing to the values: the values less all that is drawn.
    fn last_summand<R: Ring>(&self, out: &mut Hashed<impl Write>) -> io::Result<()> {
        let threads = Threads::new(1).map_err(io::Error::other)?;
        let drawn = self.keys.iter().enumerate().filter(|(summand, _)| *summand != GIVEN);
        let keys: Vec<Key> = drawn.map(|(_, key)| Key::new(key)).collect();
        let mut room = Zeroizing::new(vec![0u64; 2 * PIECE * R::LIMBS]);
        let (values, masks) = bytemuck::cast_slice_mut::<u64, R>(&mut room).split_at_mut(PIECE);
        for (index, tensor) in self.tensors.iter().enumerate() {
            for start in (0..tensor.len()).step_by(PIECE) {
                let end = tensor.len().min(start + PIECE);
                let (values, masks) = (&mut values[..end - start], &mut masks[..end - start]);
                tensor.fill(start..end, |i, value| values[i] = R::from_i128(value));
                for key in &keys {
                    stream(key, index).fill_bits(&threads, R::BITS, start as u64, masks);
                    values.iter_mut().zip(&*masks).for_each(|(value, mask)| *value -= *mask);
                }
                out.words(bytemuck::cast_slice(values))?;
            }
        }
        Ok(())
    }
}
