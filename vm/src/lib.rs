//! vm

pub mod bits;
pub mod data;
pub mod net;
pub mod par;
pub mod prg;
pub mod ring;

pub use net::Party;
