//! From the IR to bytecode.
//!
//! 1. [`select`]: values become views on stores, operations instructions ([`code`]).
//! 2. [`hoist`]: what does not change leaves its loop. [`forward`]: parts of larger tensors are computed in place. [`split`]: large operations
//!    become parts for different links.
//! 3. [`crate::schedule`]: blocks become rounds, the code a list ([`linear`]).
//! 4. [`memory`]: stores share buffers.
//! 5. [`write`](mod@write): registers and buffers are numbered.

pub mod code;
pub mod error;
pub mod forward;
mod header;
pub mod hoist;
pub mod linear;
pub mod memory;
pub mod pool;
pub mod select;
pub mod split;
pub mod view;
pub mod widths;
pub mod write;

use tern_bytecode::Program;
use tern_bytecode::validate::names::{MAX_WORD, legible};

use crate::diagnostics::{Diagnostic, SourceMap};
use crate::ir;
use crate::schedule;
use error::Cause;
pub use error::EmitError;

/// The bytecode of a differentiated program. It is valid in the sense of [`tern_bytecode::validate()`]. What the passes have left
/// implicit is made explicit in the plainest way: products are reshared at once, signs taken at full width.
///
/// # Errors
/// If a constant, a tensor or a register exceeds the limits of the bytecode.
pub fn emit(ir: &ir::Program, sources: &SourceMap) -> Result<Program, Vec<Diagnostic>> {
    lower(ir, sources).map_err(|error| vec![error.into()])
}

fn lower(ir: &ir::Program, sources: &SourceMap) -> Result<Program, EmitError> {
    let mut code = select::select(ir, sources)?;
    hoist::hoist(&mut code);
    forward::forward(&mut code);
    split::split(&mut code);
    let linear = schedule::schedule(&code);
    let memory = memory::plan(&code, &linear);
    let mut program = write::write(code, &linear, memory);
    name(&mut program)?;
    tern_bytecode::validate(&program).map_err(|fault| EmitError { span: None, cause: fault.into() })?;
    Ok(program)
}

/// Makes the names such as bytecode can have.
fn name(program: &mut Program) -> Result<(), EmitError> {
    let words = program.inputs.iter().map(|i| &i.name).chain(program.outputs.iter().map(|o| &o.name));
    if let Some(long) = words.into_iter().find(|name| name.len() > MAX_WORD) {
        return Err(EmitError { span: None, cause: Cause::Name(long[..40].to_string(), long.len()) });
    }
    let header = &mut program.header;
    let texts = program.names.iter_mut().chain(&mut program.files).chain(Some(&mut header.name));
    let args = header.args.iter_mut().flat_map(|(name, value)| [name, value]);
    for text in texts.chain(args) {
        *text = legible(text);
    }
    Ok(())
}
