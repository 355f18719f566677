//! Keys for common randomness, agreed upon inside TLS.
//!
//! A *group* is some of the parties, which are to have a key in common that the others do not know. Everybody draws 32 bytes for each group that it is in, and for the
//! public seed, which is the key of all. First everybody sends each member of a group a commitment, the hash of the group, its index and its bytes; when all
//! commitments are here, everybody opens. So nobody chooses its bytes after seeing others'. The index keeps a party from committing to a copy of another's
//! commitment. A key is a hash of its members' bytes, in order; at last the members compare a hash of it, which differs if somebody told the others different
//! things.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::NetError;
use super::links::Links;
use super::party::Party;

const GROUP: &str = "tern v1 key of a group";
const COMMITMENT: &str = "tern v1 commitment to a contribution to a key";
const SEED: &str = "tern v1 public seed";
const CHECK: &str = "tern v1 check of a key";

/// Bytes of a contribution, a commitment, a seed.
const BYTES: usize = 32;
type Secret = Zeroizing<[u8; BYTES]>;

/// What a party has in common with others.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Keys {
    /// By group: the AES-128 key of its members, if this party is one.
    pub common: Vec<Option<[u8; 16]>>,
    /// The seed that all parties know.
    pub public: [u8; BYTES],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Agrees on new keys for groups of parties, and on the public seed. All parties do so at the same time.
///
/// # Errors
/// [`NetError::Seed`] for a party that does not follow the protocol, [`NetError::Entropy`], and whatever the links say.
pub fn agree(links: &mut Links, groups: &[Vec<Party>]) -> Result<Keys, NetError> {
    let me = links.me();
    let everybody: Vec<Party> = Party::all(links.parties()).collect();
    let groups: Vec<&[Party]> = groups.iter().map(Vec::as_slice).chain([&everybody[..]]).collect();
    let ours = groups.iter().map(|_| random()).collect::<Result<Vec<Secret>, _>>()?;
    let own = |of: &dyn Fn(usize) -> [u8; BYTES]| {
        Zeroizing::new((0..groups.len()).map(of).collect::<Vec<[u8; BYTES]>>())
    };
    let commitments = trade(links, &groups, &own(&|group| commit(group, me, &ours[group])))?;
    let theirs = trade(links, &groups, &own(&|group| *ours[group]))?;
    for (group, party, opened) in &theirs {
        let committed = commitments.iter().find(|(g, p, _)| (g, p) == (group, party));
        if committed.is_none_or(|(_, _, committed)| **committed != commit(*group, *party, opened)) {
            let cause = "it opened another value than it had committed to";
            return Err(NetError::Seed { who: links.who(*party).clone(), cause });
        }
    }
    let key = |group: usize| {
        let of = |party: &Party| {
            let theirs = theirs.iter().find(|(g, p, _)| *g == group && p == party);
            if *party == me { *ours[group] } else { theirs.map_or([0; BYTES], |(_, _, opened)| **opened) }
        };
        let contributions: Zeroizing<Vec<[u8; BYTES]>> =
            Zeroizing::new(groups[group].iter().map(of).collect());
        let purpose = if group + 1 == groups.len() { SEED } else { GROUP };
        derive(purpose, &[&[numbered(group)], &contributions[..]].concat())
    };
    let keys = own(&key);
    let check = |group: usize| derive(CHECK, &[numbered(group), keys[group]]);
    for (group, party, theirs) in trade(links, &groups, &own(&check))? {
        if *theirs != check(group) {
            let cause = "its seed is another one";
            return Err(NetError::Seed { who: links.who(party).clone(), cause });
        }
    }
    let common = groups
        .iter()
        .zip(&**keys)
        .map(|(group, key)| group.contains(&me).then(|| std::array::from_fn(|i| key[i])));
    let common = common.take(groups.len() - 1).collect();
    links.wipe();
    Ok(Keys { common, public: keys[groups.len() - 1] })
}

/// What a party hears of its groups' members: the group, the member, and what it says.
type Heard = Vec<(usize, Party, Secret)>;

/// Sends every member of every group this party's bytes for the group, and hears theirs.
fn trade(links: &mut Links, groups: &[&[Party]], ours: &[[u8; BYTES]]) -> Result<Heard, NetError> {
    let me = links.me();
    let common = |party: Party| {
        let both = |group: &usize| groups[*group].contains(&me) && groups[*group].contains(&party);
        (0..groups.len()).filter(both).collect::<Vec<usize>>()
    };
    let peers = links.each_peer();
    let send = peers.map(|party, ()| {
        Zeroizing::new(common(party).iter().flat_map(|group| ours[*group]).collect::<Vec<u8>>())
    });
    let mut into = send.as_ref().map(|_, bytes| Zeroizing::new(vec![0; bytes.len()]));
    links.trade(send.as_ref().map(|_, bytes| &bytes[..]), into.as_mut().map(|_, bytes| &mut bytes[..]))?;
    let mut heard = Vec::new();
    for (party, bytes) in into.iter() {
        for (group, bytes) in common(party).into_iter().zip(bytes.as_chunks::<BYTES>().0) {
            heard.push((group, party, Zeroizing::new(*bytes)));
        }
    }
    Ok(heard)
}

fn commit(group: usize, party: Party, contribution: &[u8; BYTES]) -> [u8; BYTES] {
    derive(COMMITMENT, &[numbered(group), numbered(party.index()), *contribution])
}

/// A small number as a part of a hash.
fn numbered(number: usize) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[0] = number as u8;
    bytes
}

/// A hash for one purpose of parts whose lengths are fixed, so that they cannot run into each other.
fn derive(purpose: &str, parts: &[[u8; BYTES]]) -> [u8; BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(part);
    }
    let hash = *hasher.finalize().as_bytes();
    hasher.zeroize();
    hash
}

fn random() -> Result<Secret, NetError> {
    let mut bytes = Secret::default();
    getrandom::fill(&mut *bytes).map_err(|error| NetError::Entropy(error.to_string()))?;
    Ok(bytes)
}
