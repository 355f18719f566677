//! Arithmetic modulo 2^52, 2^64, 2^104, 2^128, 2^192 and 2^256, one element at a time ([`Ring`], [`Z`]), on contiguous
//! slices ([`slices`]), on strided views ([`views`]) and as products of tensors ([`contract`]).
//!
//! The same kernels serve clear values, which are small signed numbers, and secret shares, which are uniformly
//! random elements. Every kernel has a portable form and forms for particular processors ([`Target`]); all
//! compute the same function, whatever the processor and the number of threads.

pub mod cell;
pub mod contract;
mod element;
mod layout;
pub mod pack;
pub mod slices;
pub(crate) mod target;
#[cfg(test)]
pub(crate) mod tests;
pub mod views;

pub use element::{Ring, Z, Z52, Z64, Z104, Z128, Z192, Z256};
pub use layout::{Axis, Each, Layout, LoopAxis, Loops};
pub use target::Target;
pub use views::{View, ViewMut};
