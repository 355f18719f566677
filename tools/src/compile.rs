//! `tern check` and `tern compile`; messages of the compiler on standard error.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tern_compiler::diagnostics::{Diagnostic, Look, Severity, SourceMap, render_all};
use tern_compiler::{Compilation, Entry};
use tern_host::{Files, Loaded, Messages, Source};
use tern_tools::say;

use crate::lsp::ROWS;
use crate::{SettingArgs, SourceArgs};

impl SourceArgs {
    /// What the library calls it.
    pub(crate) fn source(&self) -> Source {
        self.settings.source(&self.program, self.args.clone())
    }
}

impl SettingArgs {
    /// A program with these settings, as the library calls it.
    pub(crate) fn source(&self, program: &Path, args: Vec<String>) -> Source {
        Source {
            program: program.into(),
            args,
            fixed: self.fixed.clone(),
            ring: self.ring.clone(),
            rounding: self.rounding.map(Into::into),
            protocol: self.protocol,
            optimise: self.optimise,
        }
    }
}

/// `tern check`. Sizes that are those of data are taken to be [`ROWS`], unless they are given, and that is said.
pub(crate) fn check(source: &SourceArgs) -> anyhow::Result<ExitCode> {
    let (source, supposed) = source.source().supposing(ROWS);
    let compilation = source.compile(Entry::Main, None)?;
    show(&compilation.diagnostics, &compilation.sources);
    for (name, input) in supposed {
        say::errln(format_args!("checked as for {ROWS} rows of {input}; others: --arg {name}=ROWS"));
    }
    let errors = compilation.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `tern compile`.
pub(crate) fn compile_command(
    source: &SourceArgs,
    output: Option<PathBuf>,
    print_after: Option<&str>,
    timings: bool,
) -> anyhow::Result<ExitCode> {
    let started = std::time::Instant::now();
    let compilation = compile(source, Entry::Main, print_after)?;
    show(&compilation.diagnostics, &compilation.sources);
    for (pass, text) in &compilation.printed {
        say::outln(format_args!("; after {pass}\n{text}"));
    }
    if timings {
        for (pass, time) in &compilation.timings {
            say::errln(format_args!("{:>9.3} ms  {pass}", 1e3 * time.as_secs_f64()));
        }
    }
    let Some(program) = compilation.program else { return Ok(ExitCode::FAILURE) };
    let path = output.unwrap_or_else(|| source.program.with_extension("tbc"));
    let bytes = tern_bytecode::encode(&program);
    tern_vm::data::write_atomically(&path, tern_vm::data::Access::Everybody, |file| {
        std::io::Write::write_all(file, &bytes)
    })
    .with_context(|| format!("cannot write {}", path.display()))?;
    say::errln(format_args!(
        "{}: {} bytes, {} instructions, {:.2} s",
        path.display(),
        bytes.len(),
        program.code.len(),
        started.elapsed().as_secs_f64()
    ));
    Ok(ExitCode::SUCCESS)
}

/// A program from a `.mpc` (compiled now) or a `.tbc` file. `None` if there were errors, which have been shown.
pub(crate) fn load(source: &SourceArgs) -> anyhow::Result<Option<Loaded>> {
    shown(source.source().load())
}

/// The same with sizes from data, as far as there are files.
pub(crate) fn load_sized(source: &SourceArgs, files: &Files) -> anyhow::Result<Option<Loaded>> {
    shown(source.source().sized(files)?.load())
}

/// The same of a program's text, under a name for messages.
pub(crate) fn load_text(source: &Source, text: String) -> anyhow::Result<Option<Loaded>> {
    shown(source.load_text(text))
}

/// Shows the messages of a compilation.
fn shown(loaded: anyhow::Result<Loaded>) -> anyhow::Result<Option<Loaded>> {
    match loaded {
        Ok(loaded) => {
            show(&loaded.messages.diagnostics, &loaded.messages.sources);
            Ok(Some(loaded))
        }
        Err(error) => {
            let Messages { diagnostics, sources } = error.downcast()?;
            show(&diagnostics, &sources);
            Ok(None)
        }
    }
}

/// Compiles a file.
pub(crate) fn compile(
    source: &SourceArgs,
    entry: Entry,
    print_after: Option<&str>,
) -> anyhow::Result<Compilation> {
    source.source().compile(entry, print_after)
}

/// Shows messages on standard error.
pub(crate) fn show(diagnostics: &[Diagnostic], sources: &SourceMap) {
    if diagnostics.is_empty() {
        return;
    }
    let terminal = std::io::stderr().is_terminal();
    let look = if terminal { Look { color: true, unicode: true, width: 120 } } else { Look::PLAIN };
    say::styled(&render_all(diagnostics, sources, look));
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    if errors > 0 {
        say::errln(format_args!("{errors} error{}", if errors == 1 { "" } else { "s" }));
    }
}
