//! End-to-end tests live in `tests/tests/`; this crate holds what they and the tests of other crates share.

pub mod exact;
pub mod losses;
pub mod parties;
pub mod programs;
pub mod random;
pub mod reference;
pub mod run;
