//! From files to bytecode: reading, compiling, showing messages.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use tern_bytecode::Program;
use tern_bytecode::program::{Protocol, Rounding};
use tern_compiler::diagnostics::{Diagnostic, Look, Origin, Severity, SourceMap, render_all};
use tern_compiler::lower::modules::Resolver;
use tern_compiler::syntax::MAX_SOURCE;
use tern_compiler::{Compilation, Entry, Request, Settings};
use tern_tools::say;

use crate::SourceArgs;

/// A program ready to run, with its sources where there are any.
pub(crate) struct Loaded {
    pub(crate) program: Program,
    pub(crate) sources: SourceMap,
}

impl Loaded {
    /// The text of a source line, counted from 1.
    pub(crate) fn line(&self, file: &str, line: u32) -> Option<String> {
        let text = &self.sources.get(self.sources.find(file)?)?.text;
        text.lines().nth(line.checked_sub(1)? as usize).map(|line| line.trim().to_string())
    }
}

/// `tern check`.
pub(crate) fn check(source: &SourceArgs) -> anyhow::Result<ExitCode> {
    let compilation = compile(source, Entry::Main, None)?;
    show(&compilation.diagnostics, &compilation.sources);
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
    if is_bytecode(&source.program) {
        return load_bytecode(source).map(Some);
    }
    let compilation = compile(source, Entry::Main, None)?;
    show(&compilation.diagnostics, &compilation.sources);
    Ok(compilation.program.map(|program| Loaded { program, sources: compilation.sources }))
}

fn is_bytecode(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "tbc")
}

fn load_bytecode(source: &SourceArgs) -> anyhow::Result<Loaded> {
    let path = &source.program;
    let given = [
        (!source.args.is_empty()).then_some("--arg"),
        source.fixed.as_ref().map(|_| "--fixed"),
        source.ring.as_ref().map(|_| "--ring"),
        source.rounding.map(|_| "--rounding"),
        source.protocol.map(|_| "--protocol"),
    ];
    if let Some(option) = given.into_iter().flatten().next() {
        let stem = path.with_extension("mpc");
        bail!("{option} is fixed in bytecode; compile again:  tern compile {} {option} …", stem.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let program = tern_bytecode::decode(&bytes).with_context(|| path.display().to_string())?;
    tern_bytecode::validate(&program).with_context(|| path.display().to_string())?;
    Ok(Loaded { program, sources: SourceMap::new() })
}

/// Compiles a file.
pub(crate) fn compile(
    source: &SourceArgs,
    entry: Entry,
    print_after: Option<&str>,
) -> anyhow::Result<Compilation> {
    let path = &source.program;
    if is_bytecode(path) {
        bail!("{} is bytecode; this needs the program's source (.mpc)", path.display());
    }
    let text =
        read_source(path).map_err(|reason| anyhow::anyhow!("cannot read {}: {reason}", path.display()))?;
    let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let resolve = |name: &str| {
        let file = directory.join(format!("{name}.mpc"));
        let found = std::fs::metadata(&file).ok()?;
        // a pipe or a device beside a program might never end, or never begin
        let text =
            if found.is_file() { read_source(&file) } else { Err("it is not an ordinary file".into()) };
        Some((file.display().to_string(), text))
    };
    compile_text(source, text, &resolve, entry, print_after)
}

/// The text of a program, or why there is none. Not much more is read than a program may have.
pub(crate) fn read_source(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_SOURCE as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_SOURCE {
        return Err(format!("a program has at most {} MiB; data are inputs", MAX_SOURCE >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_string())
}

/// Compiles `text` as if it stood in the file of `source`; `resolve` finds other files by their module's name.
pub(crate) fn compile_text(
    source: &SourceArgs,
    text: String,
    resolve: &Resolver<'_>,
    entry: Entry,
    print_after: Option<&str>,
) -> anyhow::Result<Compilation> {
    let path = &source.program;
    let mut sources = SourceMap::new();
    let file = sources.add(path.display().to_string(), text, Origin::User);
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let request = Request {
        name: &name,
        file,
        entry,
        settings: settings(source)?,
        args: arguments(&source.args)?,
        resolve,
        print_after,
    };
    Ok(tern_compiler::compile(request, sources))
}

fn arguments(args: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for arg in args {
        let Some((name, value)) = arg.split_once('=') else {
            bail!("--arg {arg}: write NAME=value");
        };
        if map.insert(name.trim().to_string(), value.trim().to_string()).is_some() {
            bail!("--arg {name} is given twice");
        }
    }
    Ok(map)
}

fn settings(source: &SourceArgs) -> anyhow::Result<Settings> {
    let fixed = source.fixed.as_deref().unwrap_or("16");
    let (frac, total) = match fixed.split_once(',') {
        Some((frac, total)) => (frac.trim().parse::<u32>(), total.trim().parse::<u32>()),
        None => (fixed.trim().parse::<u32>(), fixed.trim().parse::<u32>().map(|f| f.saturating_mul(2))),
    };
    let (Ok(frac), Ok(total)) = (frac, total) else {
        bail!("--fixed {fixed}: write fraction bits, or fraction and total bits: 16 or 16,32")
    };
    if !(2..=64).contains(&frac) || total < frac + 4 || total > 128 {
        bail!("--fixed {fixed}: 2 to 64 fraction bits, at least 4 bits more in all, at most 128");
    }
    // A product has the fraction bits of both factors; a quotient's numerator is multiplied by up to as much as `fix` holds; the library computes with
    // numbers of some more fraction bits.
    let needed = (frac + total + 4).max(2 * total - frac).max(2 * frac + 12);
    let ring = match source.ring.as_deref() {
        None | Some("auto") => needed.max(4 * frac).div_ceil(64) * 64,
        Some(text) => match text.parse() {
            Ok(ring @ (64 | 128 | 192 | 256)) => ring,
            _ => bail!("--ring {text}: one of 64, 128, 192, 256, auto"),
        },
    };
    if needed > ring {
        bail!(
            "products, quotients and functions of fix {total}.{frac} need {needed} bits: choose a larger --ring than {ring}"
        );
    }
    let rounding = source.rounding.map_or(Rounding::Probabilistic, Rounding::from);
    let protocol = source.protocol.unwrap_or(Protocol::Rep3);
    Ok(Settings { protocol, ring, frac, total, rounding })
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
