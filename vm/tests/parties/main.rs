//! The parties of every protocol against the emulator, instruction by instruction, and their links against the cost model.

mod deviation;
mod failures;
mod instructions;
mod layer;
mod opened;
mod places;
#[path = "../emulator/reference.rs"]
mod reference;
mod rounding;
mod rounds;
mod support;
mod trial;
