//! Shares from files: before anything is computed, parties see whether they hold the same summands.
//!
//! A summand stands in the files of a group of parties. If those are not of one set, by a mix-up or since one is an older
//! one, the value would be noise. The sets have names, which are compared with the other [terms](super::terms);
//! names are only claims, so parties compare digests of the summands that they have in common.
//!
//! **Who learns what.** A digest goes to those that should have the same summand, under a key of theirs. If they have
//! it, it tells nothing new; others see nothing, and would learn from a digest of a summand that they lack. If they
//! differ, the other has a digest of another summand, against which it can hold guesses, and the run is over: nothing was computed, and
//! a summand of another sharing says nothing about the value without the rest of that sharing.

use tern_bytecode::Program;
use tern_bytecode::program::Input;

use super::party::PartyError;
use super::registers::given;
use crate::machine::{Fault, Host, RunError};
use crate::net::Links;
use crate::net::Party;
use crate::net::keys::Keys;
use crate::ring::Ring;

/// Bytes of a digest.
const DIGEST: usize = 32;
/// Elements that are read at a time.
const PIECE: usize = 1 << 16;

/// The inputs that come from files of shares, with their indices.
pub(super) fn inputs(program: &Program) -> impl Iterator<Item = (usize, &Input)> {
    program.inputs.iter().enumerate().filter(|(_, input)| input.from.is_shared())
}

/// Compares the summands of all inputs from shares with those who have them too. Nothing is sent if there are none. `held` are the groups whose summands this
/// party has, in the order of its files.
pub(super) fn compare<R: Ring>(
    program: &Program,
    host: &mut dyn Host,
    links: &mut Links,
    keys: &Keys,
    (groups, held): (&[Vec<Party>], &[usize]),
) -> Result<(), RunError> {
    let given: Vec<(usize, &Input)> = inputs(program).collect();
    if given.is_empty() {
        return Ok(());
    }
    let mut digests = Vec::new();
    for (position, &group) in held.iter().enumerate() {
        for &(index, input) in &given {
            digests.push((group, input, digest::<R>(host, (index, input), position, keys, group)?));
        }
    }
    // in the order of groups, which is the same at both ends of a link
    digests.sort_by_key(|(group, ..)| *group);
    let common = |party: Party| digests.iter().filter(move |(group, ..)| groups[*group].contains(&party));
    let ours = links
        .each_peer()
        .map(|party, ()| common(party).flat_map(|(_, _, digest)| *digest).collect::<Vec<u8>>());
    let mut theirs = ours.as_ref().map(|_, digests| vec![0; digests.len()]);
    let send = ours.as_ref().map(|_, digests| &digests[..]);
    links.trade(send, theirs.as_mut().map(|_, theirs| &mut theirs[..])).map_err(PartyError::Net)?;
    for (party, theirs) in theirs.iter() {
        let pairs = ours[party].chunks(DIGEST).zip(theirs.chunks(DIGEST));
        if let Some((_, (_, input, _))) = pairs.zip(common(party)).find(|((ours, theirs), _)| ours != theirs)
        {
            let who = links.who(party).clone();
            return Err(PartyError::Shares { who, name: input.name.clone() }.into());
        }
    }
    Ok(())
}

/// The digest of the summand at a position in this party's file, which a group has in common.
fn digest<R: Ring>(
    host: &mut dyn Host,
    (index, input): (usize, &Input),
    position: usize,
    keys: &Keys,
    group: usize,
) -> Result<[u8; DIGEST], RunError> {
    let secret = keys.common[group].expect("a party has the keys of the summands that it has");
    let mut hasher =
        blake3::Hasher::new_keyed(&blake3::derive_key("tern v1 check of common shares", &secret));
    hasher.update(&(index as u64).to_le_bytes());
    let len = input.shape.iter().map(|size| *size as usize).product::<usize>();
    let first = position * len;
    let mut room = vec![R::ZERO; PIECE.min(len)];
    for start in (0..len).step_by(PIECE) {
        let piece = &mut room[..PIECE.min(len - start)];
        given(host, index as u32, first + start, piece)
            .map_err(|cause| Fault::Input { name: input.name.clone(), cause })?;
        hasher.update(bytemuck::cast_slice(piece));
    }
    Ok(*hasher.finalize().as_bytes())
}
