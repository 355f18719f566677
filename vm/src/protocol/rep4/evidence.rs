//! The first message about which two parties disagree, after a comparison that has failed.
//!
//! Every receiver and every checker keeps hashes of the messages since the last comparison, up to [`LIMIT`] per sender, receiver and checker. When a comparison fails, which
//! all parties that follow the protocol see in the same round, each tells the others these lists: those that both keep, as they are, and those in which the other has no part,
//! hidden by a stream that it does not know and both that keep the list do, as the digests of [`super::check`] are. So two that tell the same list are seen to differ,
//! and from which message on, and nothing else.
//!
//! Only what the comparison disputed counts, and of that the earliest message: what comes after it may follow from it. A party that lies here
//! can only say that it disagrees itself, and is named for that.

use tern_bytecode::{Program, Route as Order};

use super::World;
use super::check::{Disagreement, Route, direct, indirect, named};
use super::draw::Draw;
use super::op::Op;
use crate::machine::{Address, Fault, place};
use crate::net::{Party, Peers};
use crate::protocol::party::{PartyError, When};
use crate::ring::Ring;

/// The most messages of a list; the older half is forgotten beyond.
const LIMIT: usize = 1 << 14;
/// Bytes of an entry as it is told: round, instruction, digest.
const ENTRY: usize = 8 + 4 + DIGEST;
/// Bytes of a message's digest.
const DIGEST: usize = 8;

/// A message as one who keeps a list knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// In which round it came, counted from 1.
    pub(super) round: u64,
    /// What it was for.
    pub(super) instruction: u32,
    pub(super) digest: [u8; DIGEST],
}

/// The messages since the last comparison.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many were forgotten.
    first: u64,
    entries: Vec<Entry>,
}

impl Log {
    pub(super) fn add(&mut self, entry: Entry) {
        if self.entries.len() == LIMIT {
            self.forget(self.first + LIMIT as u64 / 2);
        }
        self.entries.push(entry);
    }

    /// The number of messages ever.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Forgets the messages before one.
    pub(super) fn forget(&mut self, first: u64) {
        let count = first.saturating_sub(self.first).min(self.entries.len() as u64);
        self.entries.drain(..count as usize);
        self.first += count;
    }
}

/// A comparison that has failed.
#[derive(Debug)]
pub(super) struct Dispute {
    /// What is disputed.
    pub(super) disputed: Vec<Route>,
    /// Where it took place.
    pub(super) address: Address,
}

/// Names the first message that is disputed, if the parties find it.
pub(super) fn explain<R: Ring>(
    world: &World<R>,
    program: &Program,
    fault: Fault,
    exchange: impl FnOnce(&Peers<Vec<u8>>) -> Peers<Option<Vec<u8>>>,
) -> Fault {
    let Some(Dispute { disputed, address }) = world.checks.borrow_mut().dispute.take() else { return fault };
    let Ok(op) = Op::new(world, address, Order(0)) else { return fault };
    let told = exchange(&Peers::new(world.me, world.parties, |other| evidence(op, other)));
    let mut found = Vec::new();
    let mut heard: Vec<(Route, Vec<Entry>)> = Vec::new();
    let checks = world.checks.borrow();
    for (other, bytes) in told.iter() {
        let lists = bytes.as_deref().and_then(|bytes| lists(world.me, other, bytes)).unwrap_or_default();
        for (route, theirs) in lists {
            if let Some((_, ours)) = heard.iter().find(|(known, _)| *known == route) {
                found.extend(first_difference(ours, &theirs).map(|entry| (route, entry)));
            } else if [route.to, route.checker].contains(&world.me) {
                let ours = &checks.log(route).entries;
                found.extend(first_difference(ours, &theirs).map(|entry| (route, entry)));
            } else {
                heard.push((route, theirs));
            }
        }
    }
    found.retain(|(route, _)| disputed.contains(route));
    let Some(round) = found.iter().map(|(_, entry)| entry.round).min() else { return fault };
    found.retain(|(_, entry)| entry.round == round);
    let routes: Vec<Route> = found.iter().map(|(route, _)| *route).collect();
    let Some(route) = named(world.me, &routes) else { return fault };
    let instruction = found.iter().find(|(other, _)| *other == route).map(|(_, entry)| entry.instruction);
    let place = instruction.and_then(|at| place(program, at));
    let cause = Disagreement::seen_by(world.me, route);
    PartyError::Disagreement { cause, when: When::In { round, place } }.into()
}

/// The first message in which two lists differ, as the first has it.
fn first_difference(ours: &[Entry], theirs: &[Entry]) -> Option<Entry> {
    ours.iter().zip(theirs).find(|(one, other)| one != other).map(|(one, _)| *one)
}

/// What one of the others is told: of each list how long it is, and its entries.
fn evidence<R: Ring>(op: Op<'_, R>, other: Party) -> Vec<u8> {
    let (me, checks) = (op.world.me, op.world.checks.borrow());
    let mut bytes = Vec::new();
    let routes = direct(me, other).map(|route| (route, false));
    for (route, hidden) in routes.chain(indirect(me, other).map(|route| (route, true))) {
        let entries = &checks.log(route).entries;
        bytes.extend((entries.len() as u64).to_le_bytes());
        let mut masks = vec![0; entries.len() * DIGEST];
        if hidden {
            let stream = op.stream_without(op.role_of(other), Draw::Evidence);
            stream.fill_bytes((route.slot() * LIMIT * DIGEST) as u64, &mut masks);
        }
        for (entry, mask) in entries.iter().zip(masks.as_chunks::<DIGEST>().0) {
            bytes.extend(entry.round.to_le_bytes());
            bytes.extend(entry.instruction.to_le_bytes());
            bytes.extend(entry.digest.iter().zip(mask).map(|(digest, mask)| digest ^ mask));
        }
    }
    bytes
}

/// The lists that another party has told; none if they are malformed.
fn lists(me: Party, other: Party, bytes: &[u8]) -> Option<Vec<(Route, Vec<Entry>)>> {
    let mut rest = bytes;
    let mut lists = Vec::new();
    for route in direct(other, me).chain(indirect(other, me)) {
        let (count, more) = rest.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok().filter(|count| *count <= LIMIT)?;
        let (entries, more) = more.split_at_checked(count * ENTRY)?;
        rest = more;
        let entry = |bytes: &[u8; ENTRY]| {
            let [a, b, c, d, e, f, g, h, i, j, k, l, digest @ ..] = *bytes;
            Entry {
                round: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
                instruction: u32::from_le_bytes([i, j, k, l]),
                digest,
            }
        };
        lists.push((route, entries.as_chunks::<ENTRY>().0.iter().map(entry).collect()));
    }
    rest.is_empty().then_some(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(round: u64) -> Entry {
        Entry { round, instruction: 3, digest: [round as u8; DIGEST] }
    }

    #[test]
    fn logs_are_bounded_and_forget_what_was_compared() {
        let mut log = Log::default();
        for round in 0..3 * LIMIT as u64 {
            log.add(entry(round));
            assert!(log.entries.len() <= LIMIT);
        }
        assert_eq!(log.end(), 3 * LIMIT as u64);
        assert_eq!(log.entries.last(), Some(&entry(log.end() - 1)));
        assert_eq!(log.entries[0].round, log.first);
        let end = log.end();
        log.add(entry(end));
        log.forget(end);
        assert_eq!(log.entries, [entry(end)]);
        log.forget(0);
        assert_eq!(log.entries, [entry(end)]);
    }

    /// Whatever a cheater tells, it is lists or nothing.
    #[test]
    fn malformed_evidence_is_nothing() {
        let [one, other] = [Party::P0, Party::P1];
        let whole = [0; 8 * 8];
        assert_eq!(lists(one, other, &whole).map(|lists| lists.len()), Some(8));
        for cut in 0..whole.len() {
            assert_eq!(lists(one, other, &whole[..cut]), None);
        }
        let mut long = whole;
        long[7] = 255;
        assert_eq!(lists(one, other, &long), None);
        assert_eq!(lists(one, other, &[&whole[..], &[1]].concat()), None);
    }
}
