//! The emulator, instruction by instruction, against naive arithmetic on big integers.

mod bits;
mod build;
mod control;
mod linear;
mod public;
mod ranges;
mod reference;
mod round;
mod smoke;
