//! The compiler of tern: from `.mpc` source to bytecode. It is pure: sources in, artefact and diagnostics out.

pub mod diagnostics;
pub mod syntax;
