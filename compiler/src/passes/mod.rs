//! Passes over the intermediate representation.

pub mod differentiate;
