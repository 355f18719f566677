//! A program on secret shares.
//!
//! | module | what it holds |
//! |---|---|
//! | `party` | one party's part of a run, wherever the others are |
//! | `local` | a process for each party on this machine, and the one view of them |
//! | `pace` | how fast the links are, and what that means for a run |
//! | `seat` | a party's place in the world: who the others are, and its key |
//! | `measured` | what a run has cost |

mod local;
mod measured;
mod pace;
mod party;
mod seat;

pub use local::{Job, Success, take_part};
pub use measured::{LineShare, Measured, Share, Spent};
pub use pace::{Forecast, Pace};
pub(crate) use party::net_error;
pub use party::{Blame, Own, Part, blame, describe, listen};
pub use seat::Seat;
pub(crate) use seat::{certificate_beside, check_parties, key_beside};
