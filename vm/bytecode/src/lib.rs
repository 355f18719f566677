//! The bytecode of tern: what the compiler writes and the virtual machine reads.
//!
//! - [`table`] is the one list of instructions. The enum, its encoding, the operand visitor that validator and disassembler walk,
//!   and the dispatch of every back-end come from it.
//! - [`program`] is a whole program: header, inputs, outputs, buffers, views, constants, code and where each instruction
//!   comes from in the source.
//! - [`container`] turns a program into bytes and back: magic, version, hash, body.
//! - [`validate`](fn@validate) decides whether a decoded program may run. Nothing else in the project executes code that it has not seen.
//! - [`circuit`] describes the binary adder behind comparisons and bit decompositions, once for the cost model and the protocol.
//! - [`model`] is what a protocol is to everybody else: parties, routes, prices, sizes, and what travels when.
//! - [`clients`] states what those send and receive who run none of the servers.
//! - [`cost`] states what each instruction sends over which link in which round.
//! - [`report`] adds it up over a whole program, loops and all.
//! - [`rings`] lists the rings.
//! - [`work`] counts what a party computes for it.
//! - [`disasm`] prints a program for people.

pub mod circuit;
pub mod clients;
pub mod container;
pub mod cost;
pub mod disasm;
pub mod instr;
pub mod live;
pub mod memory;
pub mod model;
pub mod program;
pub mod report;
pub mod rings;
pub mod table;
pub mod validate;
pub mod work;

pub use container::{DecodeError, decode, encode};
pub use instr::{Instr, Reg, Route};
pub use program::{Kind, Program, Protocol, View};
pub use validate::{Fault, validate};
