//! From files to bytecode: reading and compiling. Messages are returned, for whoever shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use tern_bytecode::program::{Protocol, Rounding};
use tern_bytecode::report::{CostReport, report};
use tern_bytecode::{Program, decode, rings, validate};
use tern_compiler::diagnostics::{Diagnostic, Look, Origin, Severity, SourceMap, render_all};
use tern_compiler::ir::Optimise;
use tern_compiler::lower::modules::Resolver;
use tern_compiler::syntax::MAX_SOURCE;
use tern_compiler::{Compilation, Entry, Request, Settings};

use crate::files::Files;

/// A program and how to compile it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A program (`.mpc`), or bytecode (`.tbc`) where that is enough.
    pub program: PathBuf,
    /// Program arguments: `NAME=value`.
    pub args: Vec<String>,
    /// Fraction bits of fixed-point numbers, and optionally all bits: `16` or `16,32`, of which the first is the default.
    pub fixed: Option<String>,
    /// Bits of the ring: `52`, `64`, `104`, `128`, `192`, `256` or `auto`, the default.
    pub ring: Option<String>,
    /// How truncations round; up or down at random by default.
    pub rounding: Option<Rounding>,
    /// Who computes; three parties that follow the protocol by default.
    pub protocol: Option<Protocol>,
    /// What is to be few; bits rather than rounds by default.
    pub optimise: Option<Optimise>,
}

/// What the compiler has to say, with the sources that it speaks of. As an error: why there is no program.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// The messages, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
    /// The sources.
    pub sources: SourceMap,
}

/// A program ready to run, with its sources where there are any.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The bytecode; it is valid.
    pub program: Program,
    /// Warnings, and the sources. Bytecode has neither.
    pub messages: Messages,
}

impl Messages {
    /// How many of them are errors.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }
}

/// As plain text.
impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(render_all(&self.diagnostics, &self.sources, Look::PLAIN).trim_end())
    }
}

impl std::error::Error for Messages {}

impl Loaded {
    /// The text of a source line, counted from 1.
    pub fn line(&self, file: &str, line: u32) -> Option<String> {
        let sources = &self.messages.sources;
        let text = &sources.get(sources.find(file)?)?.text;
        text.lines().nth(line.checked_sub(1)? as usize).map(|line| line.trim().to_string())
    }

    /// Adds the text of each source line to the rows `by_line` of a report.
    pub fn add_lines(&self, report: &mut Value) {
        for row in report["by_line"].as_array_mut().into_iter().flatten() {
            let number = row["line"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            let text = row["file"].as_str().and_then(|file| self.line(file, number));
            row["source"] = json!(text.unwrap_or_default());
        }
    }

    /// What the program costs, by source line: known before it runs.
    pub fn cost(&self) -> CostReport {
        report(&self.program)
    }
}

impl Source {
    /// A program as it is compiled if nothing is said.
    pub fn new(program: impl Into<PathBuf>) -> Source {
        Source { program: program.into(), ..Source::default() }
    }

    /// The same with the sizes that are those of data (`const N = arg(rows(x))`), as far as there are files of these inputs; what `--arg` says stays.
    ///
    /// # Errors
    /// A program or data that cannot be read.
    pub fn sized(mut self, files: &Files) -> anyhow::Result<Source> {
        // What is wrong with the program itself is said when it is compiled.
        let Ok(text) = read_source(&self.program) else { return Ok(self) };
        if self.is_bytecode() {
            return Ok(self);
        }
        for (argument, input) in tern_compiler::rows_wanted(&text) {
            if !self.gives(&argument)
                && let Some(rows) = files.rows(&input)?
            {
                self.args.push(format!("{argument}={rows}"));
            }
        }
        Ok(self)
    }

    /// So many rows wherever a size is that of data and was not given: each argument with its input.
    pub fn supposing(mut self, rows: u32) -> (Source, Vec<(String, String)>) {
        // a pipe can be read once only, and what is wrong with the program itself is said when it is compiled
        let ordinary = std::fs::metadata(&self.program).is_ok_and(|found| found.is_file());
        let text = if ordinary { read_source(&self.program).unwrap_or_default() } else { String::new() };
        let mut supposed = tern_compiler::rows_wanted(&text);
        supposed.retain(|(argument, _)| !self.gives(argument));
        self.args.extend(supposed.iter().map(|(argument, _)| format!("{argument}={rows}")));
        (self, supposed)
    }

    fn gives(&self, argument: &str) -> bool {
        self.args.iter().any(|arg| arg.split_once('=').is_some_and(|(name, _)| name.trim() == argument))
    }

    /// The program from a `.mpc` (compiled now) or a `.tbc` file.
    ///
    /// # Errors
    /// [`Messages`] if the program has errors; files that cannot be read; settings that make no sense.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        if self.is_bytecode() {
            return self.load_bytecode();
        }
        loaded(self.compile(Entry::Main, None)?)
    }

    /// The same of a program's text, as if it stood in the file; there are no other files beside it.
    ///
    /// # Errors
    /// As [`Source::load`].
    pub fn load_text(&self, text: impl Into<String>) -> anyhow::Result<Loaded> {
        loaded(self.compile_text(text.into(), &|_| None, Entry::Main, None)?)
    }

    /// Whether it is bytecode, in which everything is settled.
    pub fn is_bytecode(&self) -> bool {
        self.program.extension().is_some_and(|e| e == "tbc")
    }

    fn load_bytecode(&self) -> anyhow::Result<Loaded> {
        let path = &self.program;
        let given = [
            (!self.args.is_empty()).then_some("--arg"),
            self.fixed.as_ref().map(|_| "--fixed"),
            self.ring.as_ref().map(|_| "--ring"),
            self.rounding.map(|_| "--rounding"),
            self.protocol.map(|_| "--protocol"),
            self.optimise.map(|_| "--optimise"),
        ];
        if let Some(option) = given.into_iter().flatten().next() {
            let stem = path.with_extension("mpc");
            bail!(
                "{option} is fixed in bytecode; compile again:  tern compile {} {option} …",
                stem.display()
            );
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let program = decode(&bytes).with_context(|| path.display().to_string())?;
        validate(&program).with_context(|| path.display().to_string())?;
        Ok(Loaded { program, messages: Messages::default() })
    }

    /// Compiles the file.
    ///
    /// # Errors
    /// Files that cannot be read; settings that make no sense. Errors of the program are among the compilation's messages.
    pub fn compile(&self, entry: Entry, print_after: Option<&str>) -> anyhow::Result<Compilation> {
        let path = &self.program;
        if self.is_bytecode() {
            bail!("{} is bytecode; this needs the program's source (.mpc)", path.display());
        }
        let text = read_source(path).map_err(|reason| anyhow!("cannot read {}: {reason}", path.display()))?;
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let resolve = |name: &str| {
            let file = directory.join(format!("{name}.mpc"));
            let found = std::fs::metadata(&file).ok()?;
            // a pipe or a device beside a program might never end, or never begin
            let text =
                if found.is_file() { read_source(&file) } else { Err("it is not an ordinary file".into()) };
            Some((file.display().to_string(), text))
        };
        self.compile_text(text, &resolve, entry, print_after)
    }

    /// Compiles `text` as if it stood in the file; `resolve` finds other files by their module's name.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn compile_text(
        &self,
        text: String,
        resolve: &Resolver<'_>,
        entry: Entry,
        print_after: Option<&str>,
    ) -> anyhow::Result<Compilation> {
        let path = &self.program;
        let mut sources = SourceMap::new();
        let file = sources.add(path.display().to_string(), text, Origin::User);
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let (settings, args) = (self.settings()?, arguments(&self.args)?);
        let request = Request { name: &name, file, entry, settings, args, resolve, print_after };
        Ok(match self.ring.as_deref() {
            None | Some("auto") => tern_compiler::compile_with_room(request, sources),
            Some(_) => tern_compiler::compile(request, sources),
        })
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let fixed = self.fixed.as_deref().unwrap_or("16");
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
        let needed = rings::needed(frac, total);
        let optimise = self.optimise.unwrap_or_default();
        let ring = match self.ring.as_deref() {
            None | Some("auto") => match (rings::at_least(needed).unwrap_or(needed), optimise) {
                (ring, Optimise::Balanced) => ring,
                // products of more factors fit before they are truncated
                (ring, Optimise::Rounds) => 64 * rings::limbs(ring),
            },
            Some(text) => match text.parse() {
                Ok(ring) if rings::is_ring(ring) => ring,
                _ => bail!("--ring {text}: there are {}, and auto", rings::listed()),
            },
        };
        if needed > ring {
            bail!(
                "products, quotients and functions of fix {total}.{frac} need {needed} bits: choose a larger --ring than {ring}"
            );
        }
        let rounding = self.rounding.unwrap_or(Rounding::Probabilistic);
        let protocol = self.protocol.unwrap_or(Protocol::Rep3);
        Ok(Settings { protocol, ring, frac, total, rounding, optimise })
    }
}

/// A program with its messages, or these alone if there is none.
fn loaded(compilation: Compilation) -> anyhow::Result<Loaded> {
    let Compilation { program, diagnostics, sources, .. } = compilation;
    let messages = Messages { diagnostics, sources };
    match program {
        Some(program) => Ok(Loaded { program, messages }),
        None => Err(messages.into()),
    }
}

/// The text of a program, or why there is none. Not much more is read than a program may have.
///
/// # Errors
/// In words, without the file's name.
pub fn read_source(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_SOURCE as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_SOURCE {
        return Err(format!("a program has at most {} MiB; data are inputs", MAX_SOURCE >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_string())
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
