//! The three parties, and where they stand relative to each other.
//!
//! Parties form a ring: 0 → 1 → 2 → 0. Seen from one of them the other two are its [`Side::Next`] and its
//! [`Side::Prev`], and everything that exists once per neighbour (links, keys, counters) is a [`Pair`].

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// One of the three parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Party {
    /// Party 0.
    P0,
    /// Party 1.
    P1,
    /// Party 2.
    P2,
}

impl Party {
    /// The parties in order.
    pub const ALL: [Self; 3] = [Self::P0, Self::P1, Self::P2];

    /// The party after this one on the ring.
    pub fn next(self) -> Self {
        match self {
            Self::P0 => Self::P1,
            Self::P1 => Self::P2,
            Self::P2 => Self::P0,
        }
    }

    /// The party before this one on the ring.
    pub fn prev(self) -> Self {
        self.next().next()
    }

    /// 0, 1 or 2.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The party with this index, if there is one.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The party that stands on `side` of this one.
    pub fn at(self, side: Side) -> Self {
        match side {
            Side::Next => self.next(),
            Side::Prev => self.prev(),
        }
    }

    /// The side of this party on which `other` stands; none for the party itself.
    pub fn side_of(self, other: Self) -> Option<Side> {
        Side::BOTH.into_iter().find(|&side| self.at(side) == other)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "party {}", self.index())
    }
}

/// One of the two neighbours of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The following party on the ring.
    Next,
    /// The preceding party on the ring.
    Prev,
}

impl Side {
    /// Both sides, in the order in which everything that walks over them does so.
    pub const BOTH: [Self; 2] = [Self::Next, Self::Prev];

    /// The other side.
    pub fn other(self) -> Self {
        match self {
            Self::Next => Self::Prev,
            Self::Prev => Self::Next,
        }
    }
}

/// One value for each neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair<T> {
    /// What belongs to [`Side::Next`].
    pub next: T,
    /// What belongs to [`Side::Prev`].
    pub prev: T,
}

impl<T> Pair<T> {
    /// A pair from its two members.
    pub fn new(next: T, prev: T) -> Self {
        Self { next, prev }
    }

    /// A pair whose members are computed from their side.
    pub fn from_fn(mut of: impl FnMut(Side) -> T) -> Self {
        Self { next: of(Side::Next), prev: of(Side::Prev) }
    }

    /// The pair of the images of both members.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Pair<U> {
        Pair { next: f(self.next), prev: f(self.prev) }
    }

    /// A pair of borrows.
    pub fn as_ref(&self) -> Pair<&T> {
        Pair { next: &self.next, prev: &self.prev }
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
        for party in Party::ALL {
            assert_eq!(party.next().prev(), party);
            assert_eq!(party.next().next().next(), party);
            assert_eq!(Party::from_index(party.index()), Some(party));
            assert_eq!(party.side_of(party), None);
            for side in Side::BOTH {
                let other = party.at(side);
                assert_eq!(party.side_of(other), Some(side));
                assert_eq!(other.side_of(party), Some(side.other()));
            }
        }
        assert_eq!(Party::from_index(3), None);
    }
}
