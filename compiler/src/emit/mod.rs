//! From the IR to bytecode.
//!
//! 1. [`select`]: values become views on stores, operations instructions ([`code`]).
//! 2. [`crate::schedule`]: blocks become rounds, the code a list ([`linear`]).
//! 3. [`memory`]: stores share buffers.
//! 4. [`write`]: registers and buffers are numbered.

pub mod code;
pub mod error;
mod header;
pub mod linear;
pub mod memory;
pub mod pool;
pub mod select;
pub mod view;
pub mod write;

use tern_bytecode::Program;

use crate::diagnostics::{Diagnostic, SourceMap};
use crate::ir;
use crate::schedule;
pub use error::EmitError;

/// The bytecode of a program that has passed all passes: forms are explicit, and there is neither `grad` nor `custom` in it. The result is
/// valid in the sense of [`tern_bytecode::validate()`].
///
/// # Errors
/// If a constant, a tensor or a register exceeds the limits of the bytecode.
pub fn emit(ir: &ir::Program, sources: &SourceMap) -> Result<Program, Vec<Diagnostic>> {
    lower(ir, sources).map_err(|error| vec![error.into()])
}

fn lower(ir: &ir::Program, sources: &SourceMap) -> Result<Program, EmitError> {
    let code = select::select(ir, sources)?;
    let linear = schedule::schedule(&code);
    let memory = memory::plan(&code, &linear);
    let program = write::write(code, &linear, memory);
    tern_bytecode::validate(&program).map_err(|fault| EmitError { span: None, cause: fault.into() })?;
    Ok(program)
}
