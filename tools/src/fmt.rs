//! `tern fmt`: programs in the project's style.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use tern_compiler::diagnostics::{Origin, SourceMap};
use tern_compiler::syntax::MAX_SOURCE;
use tern_format::{Unformatted, format};
use tern_host::source::read_source;
use tern_tools::say;

use crate::compile::show;

#[derive(Args)]
pub(crate) struct FmtArgs {
    /// Programs (.mpc); `-` is standard input, whose result goes to standard output.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write nothing; name the files that are not in the style, and fail if there are any.
    #[arg(long)]
    check: bool,
}

/// `tern fmt`. A file that cannot be formatted keeps none of the others from it.
pub(crate) fn fmt(args: &FmtArgs) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for path in &args.files {
        let before = read(path)?;
        let Some(after) = formatted(path, &before)? else {
            failed = true;
            continue;
        };
        if args.check {
            if after != before {
                failed = true;
                say::outln(format_args!("{}", path.display()));
            }
        } else if is_standard_input(path) {
            say::out(format_args!("{after}"));
        } else if after != before {
            write(path, &after)?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read(path: &Path) -> anyhow::Result<String> {
    if !is_standard_input(path) {
        return read_source(path)
            .map_err(|reason| anyhow::anyhow!("cannot read {}: {reason}", path.display()));
    }
    let mut text = String::new();
    let input = std::io::stdin().take(MAX_SOURCE as u64 + 1);
    std::io::BufReader::new(input).read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// The text in the style; `None` if it does not parse, which has been shown.
fn formatted(path: &Path, text: &str) -> anyhow::Result<Option<String>> {
    let mut sources = SourceMap::new();
    let file = sources.add(path.display().to_string(), text.to_string(), Origin::User);
    match format(text, file) {
        Ok(formatted) => Ok(Some(formatted)),
        Err(Unformatted::Mistakes(messages)) => {
            show(&messages, &sources);
            Ok(None)
        }
        Err(Unformatted::Changed) => {
            bail!(
                "formatting {} would change what it means; this is a mistake of the formatter",
                path.display()
            )
        }
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    // through a link, the file that it points to
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    tern_vm::data::write_atomically(&target, tern_vm::data::Access::Everybody, |file| {
        file.write_all(text.as_bytes())
    })
    .with_context(|| format!("cannot write {}", path.display()))
}
