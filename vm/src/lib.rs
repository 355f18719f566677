//! vm

pub mod data;
pub mod machine;
pub mod net;
pub mod protocol;
mod purposes;
mod rings;
mod rounds;

pub use tern_kernels::{bits, erase, pages, par, prg, ring, scarce};

pub use machine::{Fault, Host, Options, Report, RunError};
pub use net::Party;
pub use protocol::emulator::emulate;
pub use protocol::{Dealt, DealtError, PartyError, Terms, deal, run_dealt, run_party};
