//! `tern cost`, `tern inspect`, `tern explain`.

use std::process::ExitCode;

use anyhow::bail;

use crate::compile::load;
use crate::{SourceArgs, View};

pub(crate) fn cost(source: &SourceArgs, _json: bool, _network: Option<&str>) -> anyhow::Result<ExitCode> {
    let Some(_loaded) = load(source)? else { return Ok(ExitCode::FAILURE) };
    bail!("no report yet")
}

/// `tern inspect`.
pub(crate) fn inspect(source: &SourceArgs, view: View) -> anyhow::Result<ExitCode> {
    if view == View::Ir {
        let compilation = crate::compile::compile(source, tern_compiler::Entry::Main, None)?;
        crate::compile::show(&compilation.diagnostics, &compilation.sources);
        let Some(ir) = compilation.ir.filter(|_| compilation.program.is_some()) else {
            return Ok(ExitCode::FAILURE);
        };
        print!("{ir}");
        return Ok(ExitCode::SUCCESS);
    }
    let Some(loaded) = load(source)? else { return Ok(ExitCode::FAILURE) };
    print!("{}", tern_bytecode::disasm::disassemble(&loaded.program));
    Ok(ExitCode::SUCCESS)
}

/// `tern explain`.
pub(crate) fn explain(code: &str) -> anyhow::Result<ExitCode> {
    let text = tern_compiler::diagnostics::explain(code).or_else(|| tern_vm::data::explain(code));
    match text {
        Some(text) => {
            print!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        None => bail!("there is no code {code}"),
    }
}
