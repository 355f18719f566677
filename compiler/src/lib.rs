//! The compiler of tern: from `.mpc` source to bytecode. It is pure: sources in, artefact and diagnostics out.

pub mod diagnostics;
pub mod emit;
pub mod ir;
pub mod lower;
pub mod passes;
pub mod schedule;
pub mod syntax;
