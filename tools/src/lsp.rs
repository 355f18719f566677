//! `tern lsp`: the language server, with the settings of the command line.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tern_compiler::lower::modules::Resolver;
use tern_compiler::{Compilation, Entry};

use crate::SettingArgs;

/// How the programs of the editor are compiled.
#[derive(Args)]
pub(crate) struct LspArgs {
    /// A program argument: NAME=value. May be given several times; a program takes those that it has.
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    #[command(flatten)]
    settings: SettingArgs,
    /// Editors say so; there is nothing else.
    #[arg(long, hide = true)]
    stdio: bool,
}

/// `tern lsp`.
pub(crate) fn lsp(args: &LspArgs) -> anyhow::Result<ExitCode> {
    let compile =
        |path: &Path, text: String, resolve: &Resolver<'_>, entry: Entry| -> Result<Compilation, String> {
            let source = args.settings.source(path, arguments(&args.args, &text));
            source.compile_text(text, resolve, entry, None).map_err(|error| error.to_string())
        };
    let input = std::io::BufReader::new(std::io::stdin());
    let orderly =
        tern_lsp::serve(input, std::io::stdout().lock(), &compile).context("the editor's messages")?;
    Ok(if orderly { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many rows a file has that nobody has counted: an editor and `tern check` know of no data.
pub(crate) const ROWS: u32 = 100;

/// Those arguments that a program has, and as many rows as [`ROWS`] where it asks for those of its data.
fn arguments(args: &[String], text: &str) -> Vec<String> {
    let has = |name: &str| {
        text.lines().any(|line| {
            line.strip_prefix("const ")
                .is_some_and(|rest| rest.split('=').next().is_some_and(|n| n.trim() == name))
        })
    };
    let name = |arg: &String| arg.split_once('=').map(|(name, _)| name.trim().to_string());
    let own = args.iter().filter(|arg| name(arg).is_some_and(|name| has(&name))).cloned();
    let mut own: Vec<String> = own.collect();
    for (argument, _) in tern_compiler::rows_wanted(text) {
        if !own.iter().any(|arg| name(arg).as_ref() == Some(&argument)) {
            own.push(format!("{argument}={ROWS}"));
        }
    }
    own
}
