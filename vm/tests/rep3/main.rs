//! Three parties against the emulator, and their links against the cost model.

mod layer;
mod support;
