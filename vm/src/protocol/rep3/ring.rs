//! The ring of three parties, and where they stand relative to each other.
//!
//! 0 → 1 → 2 → 0. Seen from one of them the other two are its [`Side::Next`] and its [`Side::Prev`], and what exists once per
//! neighbour (keys, summands) is a [`Pair`].

use std::ops::{Index, IndexMut};

use tern_bytecode::model::rep3::MODEL;

use crate::net::Party;

/// Where a party stands on the ring.
pub(super) trait OnRing: Sized {
    /// The party after this one.
    fn next(self) -> Self;
    /// The party before this one.
    fn prev(self) -> Self;
    /// The party that stands on `side` of this one.
    fn at(self, side: Side) -> Self;
}

impl OnRing for Party {
    fn next(self) -> Self {
        Party::from_index((self.index() + 1) % MODEL.parties).expect("one of three")
    }

    fn prev(self) -> Self {
        self.next().next()
    }

    fn at(self, side: Side) -> Self {
        match side {
            Side::Next => self.next(),
            Side::Prev => self.prev(),
        }
    }
}

/// One of the two neighbours of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// The following party on the ring.
    Next,
    /// The preceding party on the ring.
    Prev,
}

impl Side {
    /// Both sides, in the order in which everything that walks over them does so.
    pub(super) const BOTH: [Self; 2] = [Self::Next, Self::Prev];

    /// The other side.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Next => Self::Prev,
            Self::Prev => Self::Next,
        }
    }
}

/// One value for each neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pair<T> {
    /// What belongs to [`Side::Next`].
    pub(super) next: T,
    /// What belongs to [`Side::Prev`].
    pub(super) prev: T,
}

impl<T> Pair<T> {
    /// A pair from its two members.
    pub(super) fn new(next: T, prev: T) -> Self {
        Self { next, prev }
    }

    /// A pair whose members are computed from their side.
    pub(super) fn from_fn(mut of: impl FnMut(Side) -> T) -> Self {
        Self { next: of(Side::Next), prev: of(Side::Prev) }
    }
}

/// By side, in the order of [`Side::BOTH`].
impl<T> From<[T; 2]> for Pair<T> {
    fn from([next, prev]: [T; 2]) -> Self {
        Self { next, prev }
    }
}

impl<T> From<Pair<T>> for [T; 2] {
    fn from(Pair { next, prev }: Pair<T>) -> Self {
        [next, prev]
    }
}

impl<T> Index<Side> for Pair<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Next => &self.next,
            Side::Prev => &self.prev,
        }
    }
}

impl<T> IndexMut<Side> for Pair<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Next => &mut self.next,
            Side::Prev => &mut self.prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_closes_and_sides_are_inverse() {
        for party in Party::all(MODEL.parties) {
            assert_eq!(party.next().prev(), party);
            assert_eq!(party.next().next().next(), party);
            for side in Side::BOTH {
                assert_eq!(party.at(side).at(side.other()), party);
                assert_ne!(party.at(side), party);
            }
        }
    }
}
