//! The arithmetic of the virtual machine: what is fast because it knows the processor. Every other crate forbids unsafe code.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ring`] | elements modulo 2^k, on slices, strided views and as products of tensors |
//! | [`bits`] | tensors of bits, 64 to a word |
//! | [`prg`] | pseudo-random streams, addressed by what they are for |
//! | [`par`] | the threads that a kernel may use |
//! | [`erase`] | an allocator that overwrites what is freed |
//! | `kept` | large blocks that were freed, for the next who asks |
//! | [`pages`] | how long the allocator keeps what is freed |
//! | [`scarce`] | an allocator that says when there is no more memory |
//!
//! Nothing here knows of protocols, programs or links.

pub mod bits;
pub mod erase;
mod kept;
pub mod pages;
pub mod par;
pub mod prg;
pub mod ring;
pub mod scarce;
