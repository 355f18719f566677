//! What both ends of a new connection say first: which process of which party it is, and in which order its hosts file lists the parties.
//!
//! Roles, sides and keys follow from the order, so parties whose files differ in it must not compute together; nor may a party take part as two
//! processes at once, of which each neighbour knows another one. Names and addresses may differ: a party can be called and reached in several ways.

use tern_bytecode::model::MAX_PARTIES;

use super::error::Who;
use super::hosts::Hosts;
use super::identity::Fingerprint;
use super::party::Party;

/// Bytes of a greeting: the index of the party, 7 zeros, the number of the process, and all fingerprints, zeros for parties that there are not.
pub(super) const GREETING: usize = 16 + MAX_PARTIES * 32;
/// In the place of a party that there is not.
const NOBODY: Fingerprint = Fingerprint([0; 32]);

/// The greeting of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// Which party it takes itself for.
    pub(super) party: Party,
    /// A random number that tells this process from others of the same party.
    pub(super) instance: u64,
    /// The certificates of the parties in the order of its hosts file.
    pub(super) order: [Fingerprint; MAX_PARTIES],
}

impl Greeting {
    pub(super) fn new(party: Party, instance: u64, hosts: &Hosts) -> Self {
        let mut order = [NOBODY; MAX_PARTIES];
        for (place, host) in order.iter_mut().zip(&hosts.parties) {
            *place = host.fingerprint;
        }
        Self { party, instance, order }
    }

    pub(super) fn encode(&self) -> [u8; GREETING] {
        let mut bytes = [0; GREETING];
        bytes[0] = self.party.into();
        bytes[8..16].copy_from_slice(&self.instance.to_le_bytes());
        for (place, fingerprint) in bytes[16..].chunks_exact_mut(32).zip(&self.order) {
            place.copy_from_slice(&fingerprint.0);
        }
        bytes
    }

    /// None for what no party writes.
    pub(super) fn decode(bytes: &[u8; GREETING]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let (instance, rest) = rest.split_first_chunk::<8>()?;
        let [party, 0, 0, 0, 0, 0, 0, 0] = *head else { return None };
        let mut order = [NOBODY; MAX_PARTIES];
        for (fingerprint, bytes) in order.iter_mut().zip(rest.chunks_exact(32)) {
            fingerprint.0.copy_from_slice(bytes);
        }
        Some(Self { party: Party::from_index(party.into())?, instance: u64::from_le_bytes(*instance), order })
    }

    /// What is different in the hosts file of `who`, whose greeting this is.
    pub(super) fn difference(&self, who: &Who, hosts: &Hosts) -> Option<String> {
        let listed = self.order.iter().filter(|fingerprint| **fingerprint != NOBODY).count();
        if listed != hosts.count() {
            return Some(format!("its hosts file lists {listed} parties, this one {}", hosts.count()));
        }
        let differs = |party: &Party| hosts.host(*party).fingerprint != self.order[party.index()];
        let party = Party::all(hosts.count()).find(differs);
        let Some(party) = party else {
            let other = self.party;
            return (other != who.party).then(|| format!("it takes itself for {other}"));
        };
        let (ours, theirs) = (hosts.who(party), self.order[party.index()]);
        Some(match hosts.find(theirs) {
            Some(other) => format!(
                "there {party} is the one that is {} here, and here it is {ours}; the order must be the same in all \
                 hosts files",
                hosts.who(other)
            ),
            None => {
                format!("there {ours} has the certificate {theirs}, here {}", hosts.host(party).fingerprint)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::hosts::{Host, Timeouts};
    use super::*;

    fn hosts() -> Hosts {
        let parties = Party::all(3).map(|party| Host {
            name: ["alice", "bob", "carol"][party.index()].to_owned(),
            address: format!("127.0.0.1:700{}", party.index()),
            fingerprint: Fingerprint([1 + party.index() as u8; 32]),
            clients: None,
        });
        Hosts { parties: parties.collect(), timeouts: Timeouts::default(), clients: Default::default() }
    }

    #[test]
    fn differences_are_named() {
        let hosts = hosts();
        let who = hosts.who(Party::P1);
        let same = Greeting::new(Party::P1, 7, &hosts);
        assert_eq!(same.difference(&who, &hosts), None);

        let mut swapped = same;
        swapped.order.swap(0, 1);
        swapped.party = Party::P0;
        let difference = swapped.difference(&who, &hosts).unwrap();
        assert!(
            difference.starts_with(
                "there party 0 is the one that is party 1 (bob) here, and here it is party 0 (alice)"
            ),
            "{difference}"
        );

        let mut renewed = same;
        renewed.order[2] = Fingerprint([9; 32]);
        let difference = renewed.difference(&who, &hosts).unwrap();
        assert!(
            difference.starts_with("there party 2 (carol) has the certificate sha256:0909"),
            "{difference}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_greeting_that_is_written_the_same_or_none(
            bytes in prop::array::uniform(any::<u8>()), party in 0..3u8, plain: bool
        ) {
            let mut bytes: [u8; GREETING] = bytes;
            if plain {
                bytes[..8].fill(0);
                bytes[0] = party;
            }
            let greeting = Greeting::decode(&bytes);
            prop_assert!(greeting.is_some() || !plain);
            if let Some(greeting) = greeting {
                prop_assert_eq!(greeting.encode(), bytes);
            }
        }
    }
}
