//! Everything between a front-end and the compiler and machine of tern: programs from files, data in, runs, results out. The `tern` command is
//! one front-end; others bind to this crate and need nothing of the command.
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | from files to bytecode, with the compiler's messages |
//! | [`files`], [`inputs`], [`shares`] | which file holds what, and its data; or tensors in memory |
//! | [`sharing`], [`clients`] | data and results of those who run none of the servers, as files and over the network |
//! | [`outputs`], [`results`] | where results go, and how they are written |
//! | [`events`] | what happens in a run, told to whoever follows it |
//! | [`emulate`], [`ranges`] | a program on clear data, and what to say of numbers that leave their range |
//! | [`keeping`] | checkpoints, and waiting for a party that is gone |
//! | [`run`] | a program on shares: local processes, or one of the real parties |
//! | [`memory`], [`cores`], [`guard`], [`stop`] | what a run needs of its machine, and how it is asked to end |
//!
//! **Invariant.** Nothing here writes to the terminal or ends the process: events and messages go to the caller, and errors are returned. A
//! test holds the crate to it.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tern_host::events::{Event, Events};
//! use tern_host::inputs::inputs_of_arrays;
//! use tern_host::{Emulation, Source};
//! use tern_vm::data::{Array, Values};
//!
//! let text = "\
//! input x: fix[3] from party 0
//! fn main() {
//!     var y = x
//!     for i in 0..2 {
//!         y = y * 2
//!         metric(\"first\", reveal(y[0]))
//!     }
//!     output y = y to party 1
//! }
//! ";
//! let loaded = Source::new("double.mpc").load_text(text)?;
//! let program = &loaded.program;
//! assert!(loaded.cost().rounds > 0);
//!
//! let x = Array::new([3], vec![1.0, -0.5, 0.25]);
//! let inputs = inputs_of_arrays(program, &BTreeMap::from([("x".to_string(), x)]))?;
//! let mut heard: Vec<Event> = Vec::new();
//! let mut events = Events::new(&mut heard, None);
//! let emulation = Emulation { seed: Some(1), ..Emulation::default() };
//! let emulated = emulation.run(program, inputs, &mut events)?;
//! assert_eq!(events.last()["first"], 4.0);
//! drop(events);
//!
//! assert_eq!(emulated.results["y"][0].1.values(), &Values::F64(vec![4.0, -2.0, 1.0]));
//! assert!(heard.iter().any(|event| matches!(event, Event::Metric { name, .. } if name == "first")));
//! # Ok::<(), anyhow::Error>(())
//! ```
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

pub mod clients;
pub mod cores;
mod embedded;
pub mod emulate;
pub mod events;
mod file_host;
pub mod files;
pub mod guard;
pub mod inputs;
pub mod keeping;
pub mod memory;
pub mod outputs;
pub mod ranges;
pub mod results;
pub mod run;
pub mod shares;
pub mod sharing;
pub mod source;
pub mod stop;

pub use emulate::{Emulated, Emulation};
pub use events::{Event, Events, Sink};
pub use file_host::Results;
pub use files::Files;
pub use inputs::{InputError, Inputs, inputs_of_arrays, read_inputs};
pub use keeping::Keeping;
pub use outputs::{Format, Outputs};
pub use source::{Loaded, Messages, Source};
pub use stop::Stop;
