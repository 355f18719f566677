//! Keys for common randomness, agreed upon inside TLS.
//!
//! **Pairwise keys.** Both ends of a link send 32 random bytes; the key is a hash (BLAKE3, key derivation) of both, that of the party with the
//! lower index first. The third party sees neither.
//!
//! **The public seed.** Each party draws 32 bytes. First everybody sends a commitment, the hash of its index and its bytes, to both others; when all
//! commitments are here, everybody opens. So nobody chooses its bytes after seeing others'. The index keeps a party from committing to a copy of another's
//! commitment. The seed is a hash of all three, in order; at last the parties compare a hash of it, which differs if somebody told the other two different things.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::NetError;
use super::links::Links;
use super::party::{Pair, Party, Side};

const PAIRWISE: &str = "tern v1 pairwise key";
const COMMITMENT: &str = "tern v1 commitment to a contribution to the public seed";
const SEED: &str = "tern v1 public seed";
const CHECK: &str = "tern v1 check of the public seed";

/// Bytes of a contribution, a commitment, a seed.
const BYTES: usize = 32;
type Secret = Zeroizing<[u8; BYTES]>;

/// What a party shares with its neighbours.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Keys {
    /// The AES-128 key shared with the next party only.
    pub next: [u8; 16],
    /// The AES-128 key shared with the previous party only.
    pub prev: [u8; 16],
    /// The seed that all three parties know.
    pub public: [u8; BYTES],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Agrees on new keys with both neighbours. All three parties do so at the same time.
///
/// # Errors
/// [`NetError::Seed`] for a neighbour that does not follow the protocol, [`NetError::Entropy`], and whatever the links say.
pub fn agree(links: &mut Links) -> Result<Keys, NetError> {
    let me = links.me();
    let ours = Pair::new(random()?, random()?);
    let theirs = trade(links, ours.as_ref().map(|bytes| &**bytes))?;
    let key = |side: Side| {
        let (mine, other) = (&*ours[side], &*theirs[side]);
        let (first, second) = if me < me.at(side) { (mine, other) } else { (other, mine) };
        let key = Zeroizing::new(derive(PAIRWISE, &[first, second]));
        std::array::from_fn(|i| key[i])
    };
    let keys = Keys { next: key(Side::Next), prev: key(Side::Prev), public: public_seed(links)? };
    links.wipe();
    Ok(keys)
}

fn public_seed(links: &mut Links) -> Result<[u8; BYTES], NetError> {
    let me = links.me();
    let bad = |links: &Links, side, cause| Err(NetError::Seed { who: links.who(side).clone(), cause });

    let ours = random()?;
    let commitments = trade(links, both(&commit(me, &ours)))?;
    let theirs = trade(links, both(&ours))?;
    for side in Side::BOTH {
        if commit(me.at(side), &theirs[side]) != *commitments[side] {
            return bad(links, side, "it opened another value than it had committed to");
        }
    }

    let contribution = |party| me.side_of(party).map_or(&*ours, |side| &*theirs[side]);
    let seed = derive(SEED, &Party::ALL.map(contribution));
    let check = derive(CHECK, &[&seed]);
    let checks = trade(links, both(&check))?;
    for side in Side::BOTH {
        if *checks[side] != check {
            return bad(links, side, "its seed is another one");
        }
    }
    Ok(seed)
}

fn commit(party: Party, contribution: &[u8; BYTES]) -> [u8; BYTES] {
    let mut index = [0; BYTES];
    index[0] = party as u8;
    derive(COMMITMENT, &[&index, contribution])
}

/// A hash for one purpose of parts whose lengths are fixed, so that they cannot run into each other.
fn derive(purpose: &str, parts: &[&[u8; BYTES]]) -> [u8; BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(*part);
    }
    let hash = *hasher.finalize().as_bytes();
    hasher.zeroize();
    hash
}

fn trade(links: &mut Links, ours: Pair<&[u8; BYTES]>) -> Result<Pair<Secret>, NetError> {
    let mut theirs = Pair::<Secret>::default();
    let into = Pair::new(&mut theirs.next[..], &mut theirs.prev[..]);
    links.trade(ours.map(|bytes| &bytes[..]), into)?;
    Ok(theirs)
}

fn both<T>(value: &T) -> Pair<&T> {
    Pair::new(value, value)
}

fn random() -> Result<Secret, NetError> {
    let mut bytes = Secret::default();
    getrandom::fill(&mut *bytes).map_err(|error| NetError::Entropy(error.to_string()))?;
    Ok(bytes)
}
