//! The virtual machine: control flow, public values, and the protocol back-end's cue.
//!
//! - [`run`] executes a program: loops and branches here ([`control`]), public arithmetic in [`public`], what of it may have no result in
//!   [`checked`], whatever moves or adds values that
//!   everybody knows in [`local`], the rest by the back-end.
//! - [`memory`] holds what everybody knows, and in the emulator everything.
//! - [`checkpoint`] keeps points of a run on disk, and goes on from them.
//! - [`Host`] is the outside: data, results, progress.
//! - [`Report`] is what a run was: rounds, traffic, time; with the emulator on request the ranges of values ([`range`]).

mod checked;
pub mod checkpoint;
mod context;
mod control;
mod error;
mod host;
pub mod limits;
pub mod local;
pub mod memory;
mod public;
mod range;
mod report;
mod seed;
mod speed;

pub use checkpoint::{Checkpoints, Ending, Every, Point, Registers};
pub use context::{Address, Context};
pub use control::{Options, run};
pub use error::{Fault, HostError, RunError, place};
pub use host::{Elements, ElementsMut, Host, RunId, Trip};
pub use memory::Memory;
pub use range::{LineRange, RangeReport, Violation, Watch, Wrong};
pub use report::{Measured, Report};
pub use seed::{Purpose, Seeds};
pub use speed::Speed;
