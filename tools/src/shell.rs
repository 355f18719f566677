//! `tern completions` and `tern man`: what shells and pagers know of the command, made from its own description.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap_complete::Shell;
use tern_tools::say;

/// `tern completions`.
pub(crate) fn completions(mut command: clap::Command, shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "tern", &mut script);
    say::out(format_args!("{}", String::from_utf8_lossy(&script)));
    Ok(ExitCode::SUCCESS)
}

/// `tern man`: `tern.1`, `tern-compile.1`, and so on.
pub(crate) fn man(command: clap::Command, directory: &Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    clap_mangen::generate_to(command, directory)
        .with_context(|| format!("cannot write to {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}
