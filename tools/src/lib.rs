//! What the `tern` command is made of, as far as it is worth testing on its own.
#![deny(clippy::print_stdout, clippy::print_stderr)] // `say` writes, and nothing else

pub mod cifar10;
pub mod fetch;
pub mod mnist;
pub mod say;
mod tar;
