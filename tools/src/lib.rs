//! What the `tern` command is made of, as far as it is worth testing on its own.
#![deny(clippy::print_stdout, clippy::print_stderr)] // `say` writes, and nothing else

pub mod mnist;
pub mod say;
