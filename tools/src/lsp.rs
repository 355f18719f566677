//! `tern lsp`: the language server, with the settings of the command line.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tern_bytecode::Protocol;
use tern_compiler::lower::modules::Resolver;
use tern_compiler::{Compilation, Entry};
use tern_host::Source;

use crate::{RoundingArg, protocol_named};

/// How the programs of the editor are compiled.
#[derive(Args)]
pub(crate) struct LspArgs {
    /// A program argument: NAME=value. May be given several times; a program takes those that it has.
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    /// Fraction bits of fixed-point numbers, and optionally all bits: 16 or 16,32.
    #[arg(long, value_name = "F[,TOTAL]")]
    fixed: Option<String>,
    /// Bits of the ring: 64, 128, 192, 256 or auto.
    #[arg(long)]
    ring: Option<String>,
    /// How truncations round.
    #[arg(long, value_enum)]
    rounding: Option<RoundingArg>,
    /// Who computes, as in `tern cost`.
    #[arg(long, value_parser = protocol_named)]
    protocol: Option<Protocol>,
    /// Editors say so; there is nothing else.
    #[arg(long, hide = true)]
    stdio: bool,
}

/// `tern lsp`.
pub(crate) fn lsp(args: &LspArgs) -> anyhow::Result<ExitCode> {
    let compile =
        |path: &Path, text: String, resolve: &Resolver<'_>, entry: Entry| -> Result<Compilation, String> {
            let source = Source {
                args: own(&args.args, &text),
                fixed: args.fixed.clone(),
                ring: args.ring.clone(),
                rounding: args.rounding.map(Into::into),
                protocol: args.protocol,
                ..Source::new(path)
            };
            source.compile_text(text, resolve, entry, None).map_err(|error| error.to_string())
        };
    let input = std::io::BufReader::new(std::io::stdin());
    let orderly =
        tern_lsp::serve(input, std::io::stdout().lock(), &compile).context("the editor's messages")?;
    Ok(if orderly { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those arguments that a program has.
fn own(args: &[String], text: &str) -> Vec<String> {
    let has = |name: &str| {
        text.lines().any(|line| {
            line.strip_prefix("const ")
                .is_some_and(|rest| rest.split('=').next().is_some_and(|n| n.trim() == name))
        })
    };
    args.iter().filter(|arg| arg.split_once('=').is_some_and(|(name, _)| has(name.trim()))).cloned().collect()
}
