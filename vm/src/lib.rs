//! vm

pub mod bits;
pub mod data;
pub mod par;
pub mod prg;
pub mod ring;
