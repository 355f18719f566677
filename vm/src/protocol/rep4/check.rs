//! What makes a deviation visible: running hashes of everything that travels, and their comparison.
//!
//! **Hashes.** For each sender s, receiver m and checker t there is a hash of all that s has sent to m and that t knows too, kept by m and by t: keyed BLAKE3, under
//! a key derived from the one that s does not know, of which 16 bytes are compared. It is taken of the messages' tags, which are kept for a while so that
//! the first that differs can be found ([`super::evidence`]). Both add a message when its round is over, in the order of the
//! operations, so honest ones have the same at any time. Of an input both receivers of a summand know it without its owner, and each is the other's checker.
//!
//! **Tags.** The tag of a message is GMAC (AES-256-GCM of no text), under another key derived from the one that s does not know, and a nonce of its own: which sender,
//! receiver and checker, and its number among their messages. s would have to find another message with the same tag without the key, which
//! succeeds with a probability of (blocks of the message) / 2^128 (decision 0023).
//!
//! **Comparison.** Everybody sends everybody digests of what both know: to each other, those of what they check for each other, as they are (each knows
//! the messages and the key); and those in which the other has no part, hidden by a stream that it does not know but sender, receiver and
//! checker do, new for every comparison: so it sees whether the two agree and nothing else.
//!
//! **Why all honest parties notice in the same round.** Let s send m something else than t computes. Then m and t are honest, since one party is not at
//! most, and both tell all others their digests; these differ. So no honest party takes part in the opening that the comparison
//! precedes. A party that lies about digests only makes others stop: every opening is of the right value.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use tern_bytecode::model::rep4::{COMPARISON, DIGEST};

use zeroize::Zeroizing;

use super::draw::Draw;
use super::evidence::{Dispute, Entry, Log};
use super::op::Op;
use crate::net::{Links, NetError, Party, Peers};
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// A digest.
pub(super) type Digest = [u8; DIGEST];

const KEY: &str = "tern v1 rep4 key of digests";
const TAG_KEY: &str = "tern v1 rep4 key of a message's tag";
/// What a hash begins with.
const RUNNING: u8 = 1;
const OPENING: u8 = 2;

/// The hashes of one party.
pub(super) struct Checks {
    me: Party,
    /// By the party that does not know it.
    keys: [[u8; 32]; 4],
    tag_keys: [LessSafeKey; 4],
    /// By sender, receiver and checker, of which this party is one of the latter.
    running: Vec<Option<Running>>,
    /// The comparison that has failed.
    pub(super) dispute: Option<Dispute>,
}

/// All that a party has sent to another as a third knows it.
struct Running {
    hasher: blake3::Hasher,
    log: Log,
}

/// A message as others than its sender know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) checker: Party,
}

/// Two parties know different things of what a third has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} and {} disagree about what {from} sent to {to}", .suspects[0], .suspects[1])]
pub struct Disagreement {
    from: Party,
    to: Party,
    /// Who disagree, as far as the one who says so knows. If this is the first message that was wrong, one of these has not followed the protocol, or the
    /// sender; it may also follow from an earlier one.
    suspects: [Party; 2],
}

impl Disagreement {
    /// As it looks to `me`, who has done nothing wrong.
    pub(super) fn seen_by(me: Party, Route { from, to, checker }: Route) -> Self {
        let suspects = match me {
            me if me == to => [from, checker],
            me if me == checker => [from, to],
            _ => [to, checker],
        };
        Self { from, to, suspects }
    }
}

impl Checks {
    /// `keys` are those that a party lacks, by that party.
    pub(super) fn new(me: Party, keys: &[[u8; 16]; 4]) -> Self {
        let tag_keys = keys.map(|key| tag_key(&key));
        let keys = keys.map(|key| blake3::derive_key(KEY, &key));
        let mut running: Vec<Option<Running>> = (0..64).map(|_| None).collect();
        for from in Party::all(4).filter(|from| *from != me) {
            for (to, checker) in pairs(from).filter(|(to, checker)| [*to, *checker].contains(&me)) {
                let hasher = begun(&keys, RUNNING, Route { from, to, checker });
                running[slot(from, to, checker)] = Some(Running { hasher, log: Log::default() });
            }
        }
        Self { me, keys, tag_keys, running, dispute: None }
    }

    /// Adds a message that this party has received or checked, of an instruction, when its round has ended.
    pub(super) fn add(&mut self, route: Route, (round, instruction): (u64, u32), message: &[u8]) {
        let key = &self.tag_keys[route.from.index()];
        if let Some(running) = &mut self.running[route.slot()] {
            let tag = tag(key, (route, running.log.end()), message);
            let bytes = tag.as_ref();
            running.hasher.update(bytes);
            let digest = *bytes.first_chunk().unwrap_or(&[0; 8]);
            running.log.add(Entry { round, instruction, digest });
        }
    }

    fn running(&self, route: Route) -> &Running {
        self.running[route.slot()].as_ref().expect("a receiver or a checker of the messages asks")
    }

    /// The digest of all that was added so far.
    fn digest(&self, route: Route) -> Digest {
        shortened(self.running(route).hasher.finalize())
    }

    /// The messages that were added and not yet compared.
    pub(super) fn log(&self, route: Route) -> &Log {
        &self.running(route).log
    }

    /// How much of each log there is.
    fn mark(&self) -> Vec<u64> {
        self.running.iter().map(|running| running.as_ref().map_or(0, |running| running.log.end())).collect()
    }

    /// Everything up to this mark has been compared.
    fn forget(&mut self, mark: &[u64]) {
        for (running, end) in self.running.iter_mut().zip(mark) {
            running.iter_mut().for_each(|running| running.log.forget(*end));
        }
    }

    /// The digest of a single message, for one that comes with it.
    pub(super) fn of_opening(&self, route: Route, message: &[u8]) -> Digest {
        let mut hasher = begun(&self.keys, OPENING, route);
        hasher.update(message);
        shortened(hasher.finalize())
    }

    /// Whether the digest that came with an opened summand is its own.
    pub(super) fn verify(&self, route: Route, message: &[u8], digest: &[u8]) -> Result<(), Disagreement> {
        match self.of_opening(route, message) == digest {
            true => Ok(()),
            false => Err(Disagreement::seen_by(self.me, route)),
        }
    }
}

fn tag_key(key: &[u8; 16]) -> LessSafeKey {
    let key = Zeroizing::new(blake3::derive_key(TAG_KEY, key));
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).expect("a key of 32 bytes"))
}

/// The tag of the message that has this number among those of its route.
fn tag(key: &LessSafeKey, (route, number): (Route, u64), message: &[u8]) -> Tag {
    let mut nonce = [0; 12];
    nonce[0] = route.slot() as u8;
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_separate_tag(nonce, Aad::from(message), &mut [])
        .expect("a message in memory is not too long")
}

fn begun(keys: &[[u8; 32]; 4], kind: u8, Route { from, to, checker }: Route) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_keyed(&keys[from.index()]);
    hasher.update(&[kind, from.into(), to.into(), checker.into()]);
    hasher
}

fn shortened(hash: blake3::Hash) -> Digest {
    std::array::from_fn(|i| hash.as_bytes()[i])
}

impl Route {
    /// Its number among all.
    pub(super) fn slot(self) -> usize {
        slot(self.from, self.to, self.checker)
    }
}

fn slot(from: Party, to: Party, checker: Party) -> usize {
    from.index() * 16 + to.index() * 4 + checker.index()
}

/// Receiver and checker in all orders, of what `from` sends.
fn pairs(from: Party) -> impl Iterator<Item = (Party, Party)> {
    let others = move || Party::all(4).filter(move |party| *party != from);
    others().flat_map(move |to| others().filter(move |c| *c != to).map(move |checker| (to, checker)))
}

/// What `one` and `other` compare directly: each receives or checks it.
pub(super) fn direct(one: Party, other: Party) -> impl Iterator<Item = Route> {
    let senders = Party::all(4).filter(move |from| *from != one && *from != other);
    senders.flat_map(move |from| {
        let mut both = [one, other];
        both.sort_unstable();
        let [low, high] = both;
        [Route { from, to: low, checker: high }, Route { from, to: high, checker: low }]
    })
}

/// What `judge` compares of others, of which `teller` is one: neither is the sender.
pub(super) fn indirect(teller: Party, judge: Party) -> impl Iterator<Item = Route> {
    let thirds = Party::all(4).filter(move |third| *third != teller && *third != judge);
    thirds.flat_map(move |third| direct(teller, third).filter(move |route| route.from != judge))
}

/// Hides a digest from the party that is no part of it, who does not know the stream.
fn hide<R: Ring>(op: Op<'_, R>, judge: Party, route: Route, digest: &mut Digest) {
    let mut mask = [0; DIGEST];
    let position = route.slot() * DIGEST;
    op.stream_without(op.role_of(judge), Draw::Compare).fill_bytes(position as u64, &mut mask);
    digest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// The digests for one of the others.
fn digests_for<R: Ring>(op: Op<'_, R>, other: Party) -> Vec<u8> {
    let (me, checks) = (op.world.me, op.world.checks.borrow());
    let mut bytes = Vec::with_capacity(COMPARISON);
    for route in direct(me, other) {
        bytes.extend(checks.digest(route));
    }
    for route in indirect(me, other) {
        let mut digest = checks.digest(route);
        hide(op, other, route, &mut digest);
        bytes.extend(digest);
    }
    bytes
}

/// Compares everything that has travelled so far, outside the program's rounds. `op` has an address of its own.
pub(super) fn compare_now<R: Ring>(
    op: Op<'_, R>,
    links: &mut Links,
) -> Result<Result<(), Disagreement>, NetError> {
    let me = op.world.me;
    let others = others(me);
    let sent: Vec<Vec<u8>> = others.iter().map(|other| digests_for(op, *other)).collect();
    let mark = op.world.checks.borrow().mark();
    let of = |party: Party| others.iter().position(|other| *other == party).expect("one of the others");
    let mut received = Peers::new(me, 4, |_| vec![0; COMPARISON]);
    links.trade(Peers::new(me, 4, |to| &sent[of(to)][..]), received.as_mut().map(|_, room| &mut room[..]))?;
    let received: Vec<Vec<u8>> = received.into_values().map(|(_, bytes)| bytes).collect();
    Ok(verdict(op, &mark, &sent, &received))
}

fn others(me: Party) -> Vec<Party> {
    Party::all(4).filter(|party| *party != me).collect()
}

/// Compares everything that has travelled before this round. One round.
pub(super) async fn compare<R: Ring>(op: Op<'_, R>) -> Result<(), Disagreement> {
    let me = op.world.me;
    let others = others(me);
    let sent: Vec<Vec<u8>> = others.iter().map(|other| digests_for(op, *other)).collect();
    let send = others.iter().zip(&sent).map(|(to, bytes)| (*to, Message::Bytes(bytes.clone()))).collect();
    let mark = op.world.checks.borrow().mark();
    let receive = others.iter().map(|from| (*from, Message::bytes(COMPARISON))).collect();
    let (_, received) = op.round_of(send, receive).await;
    let received: Vec<Vec<u8>> = received.into_iter().map(Message::into_bytes).collect();
    verdict(op, &mark, &sent, &received)
}

/// What the digests say that were sent to the others, and received from them, in their order; `mark` is how much was compared.
fn verdict<R: Ring>(
    op: Op<'_, R>,
    mark: &[u64],
    sent: &[Vec<u8>],
    received: &[Vec<u8>],
) -> Result<(), Disagreement> {
    let me = op.world.me;
    let others = others(me);
    let mut disputed = Vec::new();
    for ((other, ours), theirs) in others.iter().zip(sent).zip(received) {
        // those that both can compute come first, and are the same in both directions
        let pairs = ours.chunks(DIGEST).zip(theirs.chunks(DIGEST));
        let differ = direct(me, *other).zip(pairs).filter(|(_, (ours, theirs))| ours != theirs);
        disputed.extend(differ.map(|(route, _)| route));
    }
    let mut told: Vec<(Route, &[u8])> = Vec::new();
    for (other, theirs) in others.iter().zip(received) {
        let digests = theirs.chunks(DIGEST).skip(direct(me, *other).count());
        for (route, digest) in indirect(*other, me).zip(digests) {
            match told.iter().find(|(known, _)| *known == route) {
                Some((_, first)) if *first != digest => disputed.push(route),
                Some(_) => {}
                None => told.push((route, digest)),
            }
        }
    }
    let mut checks = op.world.checks.borrow_mut();
    match named(me, &disputed) {
        None => {
            checks.forget(mark);
            Ok(())
        }
        Some(route) => {
            checks.dispute = Some(Dispute { disputed, address: op.address() });
            Err(Disagreement::seen_by(me, route))
        }
    }
}

/// Which of the disputed messages is named. A wrong message makes honest parties differ in what they compute from it, so later ones can be disputed
/// that nobody has changed; if one of the others has a part in all of them, what it has sent comes first.
pub(super) fn named(me: Party, disputed: &[Route]) -> Option<Route> {
    let in_all = |party: &Party| disputed.iter().all(|r| [r.from, r.to, r.checker].contains(party));
    let suspect = Party::all(4).filter(|party| *party != me).find(in_all);
    disputed.iter().find(|route| Some(route.from) == suspect).or(disputed.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receiver and checker keep the same, which tells every bit, length, order and route of the messages.
    #[test]
    fn every_message_counts() {
        let keys = [1, 2, 3, 4].map(|i| [i; 16]);
        let [route, other] = [(1, 2), (2, 1)].map(|(to, checker)| Route {
            from: Party::P0,
            to: Party::from_index(to).unwrap(),
            checker: Party::from_index(checker).unwrap(),
        });
        let kept = |by: Party, route: Route, messages: &[&[u8]]| {
            let mut checks = Checks::new(by, &keys);
            messages.iter().for_each(|message| checks.add(route, (1, 0), message));
            checks.digest(route)
        };
        let message: Vec<u8> = (0..100).collect();
        let of = |messages: &[&[u8]]| kept(Party::P1, route, messages);
        let digest = of(&[&message, b"next"]);
        assert_eq!(kept(Party::P2, route, &[&message, b"next"]), digest);
        assert_ne!(kept(Party::P1, other, &[&message, b"next"]), digest);
        assert_ne!(of(&[b"next", &message]), digest);
        assert_ne!(of(&[&message[..99], b"next"]), digest);
        assert_ne!(of(&[&message, b"next", b""]), digest);
        for bit in 0..8 * message.len() {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(of(&[&changed, b"next"]), digest);
        }
    }

    #[test]
    fn digests_fill_a_comparison_and_everything_is_told_to_everybody() {
        for me in Party::all(4) {
            for other in Party::all(4).filter(|other| *other != me) {
                assert_eq!((direct(me, other).count() + indirect(me, other).count()) * DIGEST, COMPARISON);
                let (ours, theirs): (Vec<_>, Vec<_>) =
                    (direct(me, other).collect(), direct(other, me).collect());
                assert_eq!(ours, theirs);
            }
            // of whatever this party is no part of, it hears from both
            let others: Vec<_> = Party::all(4).filter(|other| *other != me).collect();
            let told: Vec<_> = others.iter().flat_map(|other| indirect(*other, me)).collect();
            for from in others {
                for (to, checker) in pairs(from).filter(|(to, checker)| *to != me && *checker != me) {
                    let route = Route { from, to, checker };
                    assert_eq!(told.iter().filter(|other| **other == route).count(), 2);
                }
            }
        }
    }
}
