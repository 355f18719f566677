//! What both ends of a link say when it is to go on over another connection: that they are the same two processes, and how much each has received.
//!
//! When two parties meet, each sends the other 32 random bytes inside the session; from both follows a *secret* that only these two processes know and
//! that nobody writes to disk. A connection that is to carry their link later is opened by mutual TLS with the certificates of the start, in a
//! session of its own. In it the end that listens sends a challenge, the end that dials answers with a *claim*: that it has given up the connection
//! before, with a number that grows with each attempt and a hash of everything keyed by the secret. The end that listens answers with a hash of its own.
//! So neither a second process with the same key, nor a recording, nor an attempt that was overtaken takes the place of a link.
//!
//! Behind these words the connection carries the bytes of the first session, from where each end has them. Whatever anybody does to them is noticed
//! by that session: it goes on with its keys and its count of records.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The protocol's name in the handshake.
pub(super) const NAME: &[u8] = b"tern/3 link";
/// Bytes of a challenge, and of what each end adds to the secret.
pub(super) const RANDOM: usize = 32;
/// Bytes of a claim: the number of the attempt, bytes received, random ones, and the hash.
pub(super) const CLAIM: usize = 16 + RANDOM + 32;
/// Bytes of an answer: a verdict, 7 zeros, bytes received, and the hash.
pub(super) const ANSWER: usize = 16 + 32;

/// What only the two processes at the ends of a link know.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Secret([u8; 32]);

/// What the end that dials claims.
pub(super) struct Claim {
    /// Grows with each attempt of a process.
    pub(super) attempt: u64,
    /// Bytes that it has received.
    pub(super) received: u64,
    challenge: [u8; RANDOM],
    random: [u8; RANDOM],
}

/// What the end that listens answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The link goes on; so many bytes were received.
    Go(u64),
    /// This is another process, which knows nothing of the link.
    Another,
    /// Nothing that the other end of the link would say.
    Wrong,
}

impl Secret {
    /// From what the end that dials and the end that listens have sent.
    pub(super) fn agree(dialing: &[u8; RANDOM], listening: &[u8; RANDOM]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tern: the two ends of a link");
        hasher.update(dialing).update(listening);
        Self(hasher.finalize().into())
    }

    /// A claim in answer to a challenge, and its bytes.
    pub(super) fn claim(
        &self,
        challenge: [u8; RANDOM],
        random: [u8; RANDOM],
        attempt: u64,
        received: u64,
    ) -> (Claim, [u8; CLAIM]) {
        let claim = Claim { attempt, received, challenge, random };
        let mut bytes = [0; CLAIM];
        bytes[..8].copy_from_slice(&attempt.to_le_bytes());
        bytes[8..16].copy_from_slice(&received.to_le_bytes());
        bytes[16..16 + RANDOM].copy_from_slice(&random);
        bytes[16 + RANDOM..].copy_from_slice(self.hash(b"dialing", &claim, received).as_bytes());
        (claim, bytes)
    }

    /// The claim in these bytes, if it is one of the other end in answer to this challenge.
    pub(super) fn check(&self, challenge: [u8; RANDOM], bytes: &[u8; CLAIM]) -> Option<Claim> {
        let (attempt, rest) = bytes.split_first_chunk::<8>()?;
        let (received, rest) = rest.split_first_chunk::<8>()?;
        let (random, hash) = rest.split_first_chunk::<RANDOM>()?;
        let (attempt, received) = (u64::from_le_bytes(*attempt), u64::from_le_bytes(*received));
        let claim = Claim { attempt, received, challenge, random: *random };
        // The comparison of hashes takes as long whatever they are.
        (self.hash(b"dialing", &claim, received) == *hash).then_some(claim)
    }

    /// The answer to a claim that is accepted.
    pub(super) fn accept(&self, claim: &Claim, received: u64) -> [u8; ANSWER] {
        let mut bytes = [0; ANSWER];
        bytes[0] = 1;
        bytes[8..16].copy_from_slice(&received.to_le_bytes());
        bytes[16..].copy_from_slice(self.hash(b"listening", claim, received).as_bytes());
        bytes
    }

    /// What an answer to a claim says.
    pub(super) fn judge(&self, claim: &Claim, bytes: &[u8; ANSWER]) -> Answer {
        if *bytes == another() {
            return Answer::Another;
        }
        let received = bytes[8..16].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let hash = self.hash(b"listening", claim, received);
        if bytes[..8] == [1, 0, 0, 0, 0, 0, 0, 0] && hash == bytes[16..] {
            return Answer::Go(received);
        }
        Answer::Wrong
    }

    fn hash(&self, end: &[u8], claim: &Claim, received: u64) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&claim.challenge).update(&claim.random);
        hasher.update(&claim.attempt.to_le_bytes()).update(&claim.received.to_le_bytes());
        hasher.update(&received.to_le_bytes()).update(end);
        hasher.finalize()
    }
}

/// The answer of a process that knows nothing of a link.
pub(super) fn another() -> [u8; ANSWER] {
    let mut bytes = [0; ANSWER];
    bytes[0] = 2;
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(of: u8) -> Secret {
        Secret::agree(&[of; RANDOM], &[9; RANDOM])
    }

    #[test]
    fn the_two_ends_of_a_link_understand_each_other() {
        let ours = secret(1);
        let (claim, bytes) = ours.claim([3; RANDOM], [4; RANDOM], 5, 6);
        let seen = secret(1).check([3; RANDOM], &bytes).expect("it is the other end");
        assert_eq!((seen.attempt, seen.received), (5, 6));
        assert_eq!(ours.judge(&claim, &secret(1).accept(&seen, 7)), Answer::Go(7));
        assert_eq!(ours.judge(&claim, &another()), Answer::Another);
    }

    #[test]
    fn nobody_else_does() {
        let ours = secret(1);
        let (claim, bytes) = ours.claim([3; RANDOM], [4; RANDOM], 5, 6);
        assert!(secret(2).check([3; RANDOM], &bytes).is_none(), "another process");
        assert!(ours.check([7; RANDOM], &bytes).is_none(), "a recording");
        let seen = ours.check([3; RANDOM], &bytes).unwrap();
        assert_eq!(ours.judge(&claim, &secret(2).accept(&seen, 7)), Answer::Wrong);
        let (other, _) = ours.claim([3; RANDOM], [5; RANDOM], 5, 6);
        assert_eq!(ours.judge(&other, &ours.accept(&seen, 7)), Answer::Wrong);
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in 0..CLAIM, place in 0..ANSWER, change in 1u8..) {
            let ours = secret(1);
            let (claim, mut bytes) = ours.claim([3; RANDOM], [4; RANDOM], 5, 6);
            let mut answer = ours.accept(&claim, 7);
            bytes[at] ^= change;
            answer[place] ^= change;
            prop_assert!(ours.check([3; RANDOM], &bytes).is_none());
            prop_assert_eq!(ours.judge(&claim, &answer), Answer::Wrong);
        }
    }
}
