//! Shares from files: before anything is computed, neighbours see whether they hold the same summands.
//!
//! A summand stands in the files of two parties. If those are not of one set, by a mix-up or since one is an older
//! one, the value would be noise. The sets have names, which are compared with the other [terms](super::terms);
//! names are only claims, so neighbours compare digests of the summands that they have in common.
//!
//! **Who learns what.** A digest goes to the one neighbour that should have the same summand, under a key of the two. If both have
//! it, it tells nothing new; the third party sees nothing, and would learn from a digest of the summand that it lacks. If they
//! differ, the neighbour has a digest of another summand, against which it can hold guesses, and the run is over: nothing was computed, and
//! a summand of another sharing says nothing about the value without the rest of that sharing.

use tern_bytecode::Program;
use tern_bytecode::program::{Input, Place};

use super::PartyError;
use crate::machine::{ElementsMut, Fault, Host, RunError};
use crate::net::keys::Keys;
use crate::net::{Links, Pair, Side};
use crate::ring::Ring;

/// Bytes of a digest.
const DIGEST: usize = 32;
/// Elements that are read at a time.
const PIECE: usize = 1 << 16;

/// The inputs that come from files of shares, with their indices.
pub(super) fn inputs(program: &Program) -> impl Iterator<Item = (usize, &Input)> {
    program.inputs.iter().enumerate().filter(|(_, input)| input.from == Place::Shares)
}

/// Compares the summands of all inputs from shares with both neighbours. Nothing is sent if there are none.
pub(super) fn compare<R: Ring>(
    program: &Program,
    host: &mut dyn Host,
    links: &mut Links,
    keys: &Keys,
) -> Result<(), RunError> {
    let given: Vec<(usize, &Input)> = inputs(program).collect();
    if given.is_empty() {
        return Ok(());
    }
    let mut ours = Pair::new(Vec::new(), Vec::new());
    for (index, input) in &given {
        for side in Side::BOTH {
            ours[side].extend(digest::<R>(host, (*index, input), side, keys)?);
        }
    }
    let mut theirs = ours.as_ref().map(|digests| vec![0; digests.len()]);
    let into = Pair::new(&mut theirs.next[..], &mut theirs.prev[..]);
    links.trade(ours.as_ref().map(|digests| &digests[..]), into).map_err(PartyError::Net)?;
    for side in Side::BOTH {
        let pairs = ours[side].chunks(DIGEST).zip(theirs[side].chunks(DIGEST));
        if let Some((_, (_, input))) = pairs.zip(&given).find(|((ours, theirs), _)| ours != theirs) {
            let who = links.who(side).clone();
            return Err(PartyError::Shares { who, name: input.name.clone() }.into());
        }
    }
    Ok(())
}

/// The digest of the summand that stands on a side.
fn digest<R: Ring>(
    host: &mut dyn Host,
    (index, input): (usize, &Input),
    side: Side,
    keys: &Keys,
) -> Result<[u8; DIGEST], RunError> {
    let secret = match side {
        Side::Next => &keys.next,
        Side::Prev => &keys.prev,
    };
    let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key("tern v1 check of common shares", secret));
    hasher.update(&(index as u64).to_le_bytes());
    let len = input.shape.iter().map(|size| *size as usize).product::<usize>();
    let first = if side == Side::Next { 0 } else { len };
    let mut room = vec![R::ZERO; PIECE.min(len)];
    for start in (0..len).step_by(PIECE) {
        let piece = &mut room[..PIECE.min(len - start)];
        host.input(index, (first + start) as u64, ElementsMut::new(piece))
            .map_err(|cause| Fault::Input { name: input.name.clone(), cause })?;
        hasher.update(bytemuck::cast_slice(piece));
    }
    Ok(*hasher.finalize().as_bytes())
}
