//! The compiler of tern: from `.mpc` source to bytecode. It is pure: sources in, artefact and diagnostics out.
//!
//! [`syntax`] parses, [`lower`] checks and specialises into the intermediate representation ([`ir`]), [`passes`] improve that, [`schedule`]
//! and [`emit`] turn it into bytecode. [`compile`] does all of it.

pub mod diagnostics;
mod driver;
pub mod emit;
pub mod ir;
pub mod lower;
pub mod passes;
pub mod schedule;
pub mod syntax;

pub use driver::{Compilation, Request, compile, compile_with_room};
pub use ir::Settings;
pub use lower::{ASSERT, Entry, rows_wanted, tests_of};
