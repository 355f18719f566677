//! The whole compiler as one call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tern_bytecode::rings::limbs;

use crate::diagnostics::{Code, Diagnostic, FileId, SourceMap};
use crate::ir::Settings;
use crate::lower::modules::Resolver;
use crate::lower::seen::Seen;
use crate::lower::{self, Entry};
use crate::{emit, ir, passes};

/// What to compile, and how.
#[derive(Clone)]
pub struct Request<'a> {
    /// The program's name.
    pub name: &'a str,
    /// The main file, in the source map that goes with the request.
    pub file: FileId,
    /// `main`, or a test block.
    pub entry: Entry,
    /// Ring, precision, rounding.
    pub settings: Settings,
    /// Program arguments by name.
    pub args: BTreeMap<String, String>,
    /// Finds the user's own modules.
    pub resolve: &'a Resolver<'a>,
    /// The pass after which the intermediate representation is wanted as text: a name of [`passes::PIPELINE`], `lower`, or `all`.
    pub print_after: Option<&'a str>,
}

/// What came of it.
#[derive(Debug)]
pub struct Compilation {
    /// The bytecode, if there was no error. It is valid.
    pub program: Option<tern_bytecode::Program>,
    /// The intermediate representation after all passes, if they were reached.
    pub ir: Option<ir::Program>,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// All sources, with the modules that were used.
    pub sources: SourceMap,
    /// The text that was asked for, by pass.
    pub printed: Vec<(String, String)>,
    /// What the expressions and names of the user's files are, as far as they were evaluated.
    pub seen: Seen,
    /// The time of each step.
    pub timings: Vec<(String, Duration)>,
}

/// Lowering and passes recurse over calls inside one another and the trees in them. Their limits (`lower/limits.rs`) need less than this,
/// whatever stack the caller has.
const STACK: usize = 256 << 20;

/// Compiles a file of the source map.
pub fn compile(request: Request<'_>, sources: SourceMap) -> Compilation {
    let run = || compile_here(&request, sources.clone());
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("compiler".into()).stack_size(STACK);
        match thread.spawn_scoped(scope, run) {
            Ok(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_no_thread) => run(),
        }
    })
}

/// [`compile`] in the ring that is asked for or, where that has no room for a number before it is rounded or takes digits from derivatives
/// (decision 0026), in the one that fills its limbs.
pub fn compile_with_room(request: Request<'_>, sources: SourceMap) -> Compilation {
    let roomier = Settings { ring: 64 * limbs(request.settings.ring), ..request.settings };
    let compilation = compile(request.clone(), sources.clone());
    match roomier != request.settings && compilation.lacks_room() {
        true => compile(Request { settings: roomier, ..request }, sources),
        false => compilation,
    }
}

impl Compilation {
    /// Whether a larger ring would have given more than this.
    fn lacks_room(&self) -> bool {
        let cramped = self.ir.as_ref().is_some_and(|ir| ir.cramped);
        cramped || self.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::R001)
    }
}

fn compile_here(request: &Request<'_>, mut sources: SourceMap) -> Compilation {
    let mut watch = Watch {
        print_after: request.print_after,
        printed: Vec::new(),
        timings: Vec::new(),
        started: Instant::now(),
    };
    let options = lower::Options { settings: request.settings, args: request.args.clone() };
    let lowered =
        lower::lower(request.name, request.file, request.entry, &mut sources, request.resolve, &options);
    let mut diagnostics = lowered.diagnostics;
    let mut program = None;
    let (mut ir, seen) = (lowered.program, lowered.seen);
    if let Some(lowered) = &mut ir {
        watch.done("lower", Some(lowered));
        let mut observer =
            |pass: &passes::Pass, program: &ir::Program, _: Duration| watch.done(pass.name, Some(program));
        match passes::run(lowered, &mut observer) {
            Ok(warnings) => {
                diagnostics.extend(warnings);
                match emit::emit(lowered, &sources) {
                    Ok(bytecode) => program = Some(bytecode),
                    Err(errors) => diagnostics.extend(errors),
                }
                watch.done("emit", None);
            }
            Err(passes::Failure::Messages(messages)) => diagnostics.extend(messages),
            Err(broken @ passes::Failure::Broken { .. }) => {
                diagnostics.push(Diagnostic::error(Code::B002, broken.to_string()));
            }
        }
    }
    Compilation { program, ir, diagnostics, sources, seen, printed: watch.printed, timings: watch.timings }
}

/// Keeps time and text of the steps.
struct Watch<'a> {
    print_after: Option<&'a str>,
    printed: Vec<(String, String)>,
    timings: Vec<(String, Duration)>,
    started: Instant,
}

impl Watch<'_> {
    fn done(&mut self, step: &str, program: Option<&ir::Program>) {
        self.timings.push((step.to_string(), self.started.elapsed()));
        if let Some(program) = program
            && self.print_after.is_some_and(|p| p == step || p == "all")
        {
            self.printed.push((step.to_string(), program.to_string()));
        }
        self.started = Instant::now();
    }
}
