//! A language server for tern: what the compiler knows of a program, while it is written.
//!
//! Every change compiles the whole program, which takes less time than a keystroke; so messages are the compiler's own, types are those that the
//! expressions have, and costs are those of the bytecode that would run.
//!
//! - [`wire`]: messages on a stream; - [`server`]: what is open and who asks; - [`analysis`]: one file, compiled; - [`names`]: what each name stands for, [`across`] in several files;
//! - [`places`]: offsets and the protocol's positions; - [`mod@reference`]: what there is to say of functions; - one module for each thing that editors ask for:
//!   [`messages`], [`hover`], [`hints`], [`complete`], [`rename`].
//!
//! Whoever runs the server says how programs are compiled ([`Compile`]): precision, protocol and arguments are none of its business.

mod across;
mod analysis;
mod complete;
mod hints;
mod hover;
mod messages;
mod names;
mod places;
mod reference;
mod rename;
mod server;
mod wire;

use std::path::Path;

use tern_compiler::lower::modules::Resolver;
use tern_compiler::{Compilation, Entry};

pub use server::serve;

/// Compiles a text as if it stood in a file: path, text, where modules are found, and what is compiled of it. As an error, why the settings make no sense.
pub type Compile<'c> = dyn Fn(&Path, String, &Resolver<'_>, Entry) -> Result<Compilation, String> + 'c;

/// The scheme of the library's own files, which are nowhere on a disk: `tern:/nn.mpc`. Their text is the answer to the request `tern/library` with such an
/// address as `uri`.
pub const LIBRARY_SCHEME: &str = "tern:/";
