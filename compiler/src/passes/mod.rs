//! Passes.
pub mod cost;
pub mod fuse_truncations;
pub mod graph;
pub mod interval;
pub mod late_truncation;
pub mod pattern;
pub mod ranges;
pub mod reals;
pub mod transfer;
