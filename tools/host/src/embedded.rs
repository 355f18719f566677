//! The digits that come with the command, so that its first example needs no download.
//!
//! They belong to the text of `programs/digits.mpc` and to no other program, whatever its name is: data that somebody else
//! expects must never be replaced by these.

use std::path::PathBuf;

use tern_bytecode::program::Program;
use tern_compiler::ir::Optimise;
use tern_vm::data::{DataError, InputSpec, Prepared, Source, load_bytes};

use crate::source;

const DATA: &[u8] = include_bytes!("../../../programs/digits/digits.npz");
const TEXT: &str = include_str!("../../../programs/digits.mpc");

/// Whether this is `programs/digits.mpc`, compiled by this very version: bytecode does not keep its source, so the known
/// source is compiled in the same way and the results are compared.
pub fn belong_to(program: &Program) -> bool {
    let header = &program.header;
    if header.name != "digits" {
        return false;
    }
    // The path is a part of the bytecode: places of messages have it.
    let path = program.files.iter().find(|file| file.ends_with("digits.mpc"));
    let source = |optimise| source::Source {
        program: path.map(PathBuf::from).unwrap_or_default(),
        args: header.args.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        fixed: Some(format!("{},{}", header.frac, header.total)),
        ring: Some(header.ring.to_string()),
        protocol: Some(header.protocol),
        rounding: Some(header.rounding),
        optimise: Some(optimise),
    };
    let is_made_by = |optimise| source(optimise).load_text(TEXT).is_ok_and(|known| known.program == *program);
    Optimise::ALL.iter().any(|optimise| is_made_by(*optimise))
}

/// The data of one of its inputs.
pub fn load(spec: &InputSpec) -> Result<Prepared, DataError> {
    load_bytes(spec, DATA, &Source::member("the embedded digits", &spec.name))
}
