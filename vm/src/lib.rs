//! vm

pub mod data;
pub mod par;
pub mod ring;
