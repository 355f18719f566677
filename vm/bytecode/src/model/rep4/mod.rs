//! Four parties, replicated shares, one malicious corruption, with abort: `vm/src/protocol/rep4`.

mod traffic;

use super::{Forms, Held, Model, Prices};
use crate::instr::Route;

pub(super) use self::traffic::Rounds;

/// The four-party protocol as others see it.
pub const MODEL: Model = Model {
    parties: PARTIES,
    owners: PARTIES,
    routes: 24,
    parts: &[6, 2],
    prices: Prices { reshare: 6, collect: 4, replicate: 4 },
    held: Held { shared: 3, additive: 3, bits: 3, half: 3 },
    summands: PARTIES,
    filed: |party| (0..PARTIES).filter(|summand| *summand != party).collect(),
    forms: Forms::Replicated,
    tested: 0,
    divides: false,
    dealer: None,
    route: |route| Cast(route).parties().map(|party| party.to_string()).concat(),
};

const PARTIES: usize = 4;

/// Bytes of the digest of what one party has sent to another, as a third knows it.
pub const DIGEST: usize = 16;

/// Bytes that every party sends to every other in the comparison that precedes an opening: four digests that both can compute, and
/// four of what the other has no part in.
pub const COMPARISON: usize = 8 * DIGEST;

/// A route of this protocol: which party plays which role, one of 24 orders.
///
/// The roles are 0 to 3. A value is the sum of two addends: one that both of [`Cast::H`] know, and one that both of [`Cast::L`] know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cast(pub Route);

/// A message: who sends it, who checks it, who receives it, all by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The sender.
    pub from: usize,
    /// The other role that knows it.
    pub checker: usize,
    /// The receiver.
    pub to: usize,
}

impl Way {
    /// The role that has no part in the message.
    pub const fn bystander(self) -> usize {
        6 - self.from - self.checker - self.to
    }
}

const fn way(from: usize, checker: usize, to: usize) -> Way {
    Way { from, checker, to }
}

impl Cast {
    /// The roles that know the addend b.
    pub const L: [usize; 2] = [0, 1];
    /// The roles that know the addend a.
    pub const H: [usize; 2] = [2, 3];

    /// What is shared of a: from one of H to one of L. In a second message of the same round the others do so.
    pub const OF_A: [Way; 2] = [way(2, 3, 0), way(3, 2, 1)];
    /// What is shared of b, the same way.
    pub const OF_B: [Way; 2] = [way(1, 0, 3), way(0, 1, 2)];
    /// The second round of a product of an addend's shares with the other's: a message per pair of one of L and one of H.
    pub const BILINEAR: [Way; 4] = [way(1, 3, 0), way(2, 1, 3), way(3, 0, 2), way(0, 2, 1)];
    /// Additive to two addends: a message per pair of one of L and one of H, to the partner of the one that does not send.
    pub const COLLECT: [Way; 4] = [way(0, 2, 3), way(3, 0, 1), way(2, 1, 0), way(1, 3, 2)];
    /// Additive to replicated: a message per pair. Two orders of the parties together load all links equally.
    pub const RESHARE: [Way; 6] =
        [way(0, 1, 2), way(2, 3, 0), way(1, 2, 3), way(3, 0, 1), way(0, 2, 3), way(3, 1, 0)];
    /// An opening to everybody: to each role the summand that it misses.
    pub const OPEN: [Way; 4] = [way(1, 2, 0), way(2, 3, 1), way(3, 0, 2), way(0, 1, 3)];
    /// An opening to both of H.
    pub const OPEN_TO_H: [Way; 2] = [way(0, 1, 2), way(1, 0, 3)];

    /// The parties in the order of their roles.
    pub fn parties(self) -> [usize; PARTIES] {
        let mut left: Vec<usize> = (0..PARTIES).collect();
        let mut code = usize::from(self.0.0);
        [4, 3, 2, 1].map(|choices| {
            let party = left.remove(code % choices);
            code /= choices;
            party
        })
    }

    /// The three others in the order of their roles: the first has no part in an input of `party`'s, the second and third receive
    /// it; of an output to `party`, the first sends it and the second checks it.
    pub fn others(self, party: usize) -> [usize; 3] {
        let mut others = self.parties().into_iter().filter(|other| *other != party);
        [(); 3].map(|()| others.next().unwrap_or(party))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_all_orders_of_the_parties() {
        let mut orders: Vec<_> = MODEL.all_routes().map(|route| Cast(route).parties()).collect();
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), 24);
        for order in orders {
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn the_four_roles_of_a_message_are_different() {
        let lists: [&[Way]; 7] = [
            &Cast::OF_A,
            &Cast::OF_B,
            &Cast::BILINEAR,
            &Cast::COLLECT,
            &Cast::RESHARE,
            &Cast::OPEN,
            &Cast::OPEN_TO_H,
        ];
        for way in lists.concat() {
            let mut roles = [way.from, way.checker, way.to, way.bystander()];
            roles.sort_unstable();
            assert_eq!(roles, [0, 1, 2, 3], "{way:?}");
        }
    }

    /// Of each pair of parties, the messages of a list that its members could send or check.
    fn pairs(ways: &[Way]) -> Vec<[usize; 2]> {
        let mut pairs: Vec<_> = ways.iter().map(|w| [w.from.min(w.checker), w.from.max(w.checker)]).collect();
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn every_pair_has_its_message() {
        let cross = vec![[0, 2], [0, 3], [1, 2], [1, 3]];
        assert_eq!(pairs(&Cast::BILINEAR), cross);
        assert_eq!(pairs(&Cast::COLLECT), cross);
        assert_eq!(pairs(&Cast::RESHARE), vec![[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(pairs(&Cast::OF_A), vec![Cast::H; 2]);
        assert_eq!(pairs(&Cast::OF_B), vec![Cast::L; 2]);
    }

    /// Some other order sends a resharing over exactly the links that the first leaves free.
    #[test]
    fn two_reshares_load_all_links() {
        let links = |route: Route| {
            let parties = Cast(route).parties();
            let mut links: Vec<_> = Cast::RESHARE.map(|way| [parties[way.from], parties[way.to]]).into();
            links.sort_unstable();
            links
        };
        let first = links(Route(0));
        assert!(MODEL.all_routes().any(|route| {
            let mut both = [first.clone(), links(route)].concat();
            both.sort_unstable();
            both.dedup();
            both.len() == 12
        }));
    }
}
