//! The digits that come with the command, so that its first example needs no download.
//!
//! They belong to the text of `programs/digits.mpc` and to no other program, whatever its name is: data that somebody else
//! expects must never be replaced by these.

use std::path::PathBuf;

use tern_bytecode::program::{Program, Rounding};
use tern_compiler::Entry;
use tern_vm::data::{DataError, InputSpec, Prepared, Source, load_bytes};

use tern_tools::say;

use crate::compile::compile_text;
use crate::{RoundingArg, SourceArgs};

const DATA: &[u8] = include_bytes!("../../programs/digits/digits.npz");
const TEXT: &str = include_str!("../../programs/digits.mpc");

/// Whether this is `programs/digits.mpc`, compiled by this very version: bytecode does not keep its source, so the known
/// source is compiled in the same way and the results are compared.
pub(crate) fn belong_to(program: &Program) -> bool {
    let header = &program.header;
    if header.name != "digits" {
        return false;
    }
    // The path is a part of the bytecode: places of messages have it.
    let path = program.files.iter().find(|file| file.ends_with("digits.mpc"));
    let source = SourceArgs {
        program: path.map(PathBuf::from).unwrap_or_default(),
        args: header.args.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        fixed: Some(format!("{},{}", header.frac, header.total)),
        ring: Some(header.ring.to_string()),
        protocol: Some(header.protocol),
        rounding: Some(match header.rounding {
            Rounding::Probabilistic => RoundingArg::Probabilistic,
            Rounding::Nearest => RoundingArg::Nearest,
        }),
    };
    let nothing = |_: &str| None;
    let compiled = compile_text(&source, TEXT.to_string(), &nothing, Entry::Main, None);
    compiled.is_ok_and(|known| known.program.as_ref() == Some(program))
}

/// The data of one of its inputs.
pub(crate) fn load(spec: &InputSpec) -> Result<Prepared, DataError> {
    say::errln(format_args!("{}: the digits that come with programs/digits.mpc", spec.name));
    load_bytes(spec, DATA, &Source::member("the embedded digits", &spec.name))
}
