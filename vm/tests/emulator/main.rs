//! The emulator, instruction by instruction, against naive arithmetic on big integers.

#[path = "../../bytecode/tests/common/mod.rs"]
mod common;
#[path = "../../../compiler/tests/measure/mod.rs"]
mod measure;

mod bits;
mod build;
mod control;
mod fuzz;
mod grown;
mod linear;
mod public;
mod ranges;
mod reference;
mod round;
mod smoke;
