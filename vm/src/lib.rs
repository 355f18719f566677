//! vm

pub mod ring;
