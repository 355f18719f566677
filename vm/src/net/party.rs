//! The parties, by number, and what there is once for each of the others.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};
use tern_bytecode::model::MAX_PARTIES;

/// One of the parties of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Party(u8);

impl Party {
    /// Party 0.
    pub const P0: Self = Self(0);
    /// Party 1.
    pub const P1: Self = Self(1);
    /// Party 2.
    pub const P2: Self = Self(2);
    /// Party 3.
    pub const P3: Self = Self(3);

    /// The parties of a protocol that has so many, in order.
    ///
    /// # Panics
    /// If no protocol has so many.
    pub fn all(parties: usize) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + Clone {
        assert!(parties <= MAX_PARTIES, "no protocol has {parties} parties");
        (0..parties as u8).map(Self)
    }

    /// The number.
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// The party with this number, if a protocol has so many.
    pub fn from_index(index: usize) -> Option<Self> {
        (index < MAX_PARTIES).then_some(Self(index as u8))
    }
}

impl From<Party> for u8 {
    fn from(party: Party) -> u8 {
        party.0
    }
}

impl TryFrom<u8> for Party {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        Self::from_index(number.into()).ok_or_else(|| format!("there is no party {number}"))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "party {}", self.0)
    }
}

/// One value for each of the other parties, indexed by party.
///
/// Indexing panics for the party itself and for one that the protocol does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peers<T> {
    items: [Option<T>; MAX_PARTIES],
}

impl<T> Peers<T> {
    /// A value for each of `parties` parties but `me`.
    pub fn new(me: Party, parties: usize, mut of: impl FnMut(Party) -> T) -> Self {
        let mut items = [const { None }; MAX_PARTIES];
        for party in Party::all(parties).filter(|party| *party != me) {
            items[party.index()] = Some(of(party));
        }
        Self { items }
    }

    /// The other parties, in order.
    pub fn parties(&self) -> impl DoubleEndedIterator<Item = Party> + Clone + use<T> {
        let here = self.items.each_ref().map(Option::is_some);
        (0..MAX_PARTIES as u8).filter(move |i| here[usize::from(*i)]).map(Party)
    }

    /// The value of a party, if it is one of the others.
    pub fn get(&self, party: Party) -> Option<&T> {
        self.items[party.index()].as_ref()
    }

    /// The same to change.
    pub fn get_mut(&mut self, party: Party) -> Option<&mut T> {
        self.items[party.index()].as_mut()
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = (Party, &T)> {
        let numbered = (0u8..).map(Party).zip(&self.items);
        numbered.filter_map(|(party, item)| Some((party, item.as_ref()?)))
    }

    /// All values in order, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Party, &mut T)> {
        let numbered = (0u8..).map(Party).zip(&mut self.items);
        numbered.filter_map(|(party, item)| Some((party, item.as_mut()?)))
    }

    /// The images of all values.
    pub fn map<U>(self, mut f: impl FnMut(Party, T) -> U) -> Peers<U> {
        let mut number = 0u8;
        let items = self.items.map(|item| {
            let party = Party(number);
            number += 1;
            item.map(|item| f(party, item))
        });
        Peers { items }
    }

    /// All values, in order.
    pub fn into_values(self) -> impl Iterator<Item = (Party, T)> {
        (0u8..).map(Party).zip(self.items).filter_map(|(party, item)| Some((party, item?)))
    }

    /// Borrows of all values.
    pub fn as_ref(&self) -> Peers<&T> {
        Peers { items: self.items.each_ref().map(Option::as_ref) }
    }

    /// Borrows of all values, to change.
    pub fn as_mut(&mut self) -> Peers<&mut T> {
        Peers { items: self.items.each_mut().map(Option::as_mut) }
    }
}

impl<T> Index<Party> for Peers<T> {
    type Output = T;

    fn index(&self, party: Party) -> &T {
        self.items[party.index()].as_ref().expect("one of the other parties")
    }
}

impl<T> IndexMut<Party> for Peers<T> {
    fn index_mut(&mut self, party: Party) -> &mut T {
        self.items[party.index()].as_mut().expect("one of the other parties")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_the_others() {
        for parties in 2..=MAX_PARTIES {
            for me in Party::all(parties) {
                let peers = Peers::new(me, parties, |party| party.index() * 10);
                assert_eq!(peers.parties().count(), parties - 1);
                assert_eq!(peers.get(me), None);
                for party in Party::all(parties).filter(|party| *party != me) {
                    assert_eq!(peers[party], party.index() * 10);
                }
                let doubled = peers.map(|party, value| (party, 2 * value));
                assert!(
                    doubled
                        .iter()
                        .all(|(party, (same, value))| { party == *same && *value == 20 * party.index() })
                );
            }
        }
        assert_eq!(Party::from_index(MAX_PARTIES), None);
        assert_eq!(Party::try_from(3), Ok(Party::P3));
        assert!(Party::try_from(4).is_err());
    }
}
