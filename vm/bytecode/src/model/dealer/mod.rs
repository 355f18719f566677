//! Two parties with additive shares and a dealer that only sends, one semi-honest corruption: `vm/src/protocol/dealer`.

mod traffic;

use super::{Forms, Held, Model, Prices};

pub(super) use self::traffic::{Rounds, dealt};

/// The protocol with a dealer as others see it.
pub const MODEL: Model = Model {
    parties: 3,
    owners: COMPUTING,
    dealer: Some(DEALER),
    routes: 1,
    parts: &[],
    prices: Prices { reshare: 2, collect: 2, replicate: 2 },
    held: Held { shared: 2, additive: 1, bits: 1, half: 2 },
    summands: COMPUTING,
    filed: |party| (0..COMPUTING).filter(|summand| *summand == party).collect(),
    forms: Forms::Opened,
    tested: 0,
    divides: false,
    route: |_| "-".into(),
};

/// The parties that compute are 0 to one less.
pub const COMPUTING: usize = 2;

/// The party that deals.
pub const DEALER: usize = 2;

/// How many of `n` elements party 1 is sent its shares of: of these party 0 draws its shares from its key, of the rest party 1 does. So a
/// dealing loads both of the dealer's links alike.
pub fn first(n: u64) -> u64 {
    n.div_ceil(2)
}

/// The same of planes of `n` bits, which are cut between words.
pub fn first_bits(n: u64) -> u64 {
    (first(n.div_ceil(64)) * 64).min(n)
}
