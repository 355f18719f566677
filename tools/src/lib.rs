//! What the `tern` command is made of, as far as it is worth testing on its own.

pub mod mnist;
