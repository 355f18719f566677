//! vm

pub mod par;
pub mod ring;
