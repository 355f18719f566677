//! Rounds of communication, for protocols to be written on: operations in flight, what each round will move, what each instruction has
//! moved and how long it took, and values in messages.
//!
//! Nothing here knows what a message means, who plays which role, or what a random stream is for: protocols say so.

pub(crate) mod engine;
pub(crate) mod meter;
pub(crate) mod pack;
pub(crate) mod plan;
mod wire;
