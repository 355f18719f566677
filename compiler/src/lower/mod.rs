//! From syntax to the intermediate representation.
//!
//! Lowering evaluates the program symbolically: constants are computed at once and exactly, calls are specialised to the shapes and
//! constants of their arguments and inlined, models become their fields, and what is left for run time is appended to the intermediate
//! representation. Names, types, shapes and stages are checked on the way, for every instance, with numbers. A faulty
//! expression is reported once and becomes [`Value::Error`], which everything accepts silently, so one run reports all independent errors.
//!
//! - [`modules`] loads files and resolves `use`; - `value` is what expressions evaluate to; - `exact` computes with constants;
//! - `stmt` has statements, `control` loops and branches, `expand` those loops that have to be expanded; - `expr` has expressions, `arith` their operators, `index` subscripts;
//! - `transaction` tries things and undoes them as one;
//! - `call` has functions, signatures and derivative rules, `builtin` the functions of the language itself; - `record` has models, inputs and outputs.

mod arith;
mod builtin;
mod call;
mod computed;
mod control;
mod exact;
mod expand;
mod expr;
mod index;
mod limits;
pub mod modules;
mod names;
mod record;
mod rows;
mod rule;
pub mod seen;
mod stmt;
mod transaction;
mod value;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::{IndexMap, IndexSet};

use crate::diagnostics::{Code, Diagnostic, FileId, Label, Origin as Ownership, Severity, SourceMap, Span};
use crate::ir::{Builder, Origin, Program, Settings, ValueId};
use crate::syntax::ast;
pub use builtin::ASSERT;
pub use builtin::table::{Builtin, Param, SUBJECTS, Takes};
use computed::Computed;
use limits::{FUEL, Limit};
use modules::{Modules, Resolver};
pub use rows::wanted as rows_wanted;
use seen::{Seen, Watched};
use transaction::Memo;
use value::{ItemId, Value};

/// What the command line decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Ring, precision, rounding.
    pub settings: Settings,
    /// Program arguments by name, as text.
    pub args: BTreeMap<String, String>,
}

/// What is lowered of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `fn main`.
    Main,
    /// The n-th `test` block.
    Test(usize),
}

/// A lowered program with everything that was said about it.
#[derive(Debug)]
pub struct Lowered {
    /// The program, if there was no error.
    pub program: Option<Program>,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Program arguments with their values, in the order of the file.
    pub args: Vec<(String, String)>,
    /// What the expressions and names of the user's files are.
    pub seen: Seen,
}

/// Names of the tests in a source text, in order.
pub fn tests_of(text: &str) -> Vec<String> {
    let (file, _) = crate::syntax::parse(text, FileId(0));
    let name = |item: &ast::Item| match item {
        ast::Item::Test(test) => Some(test.name.value.clone()),
        _ => None,
    };
    file.items.iter().filter_map(name).collect()
}

/// Lowers a file of the source map. `resolve` finds the user's own modules.
pub fn lower(
    name: &str,
    main: FileId,
    entry: Entry,
    sources: &mut SourceMap,
    resolve: &Resolver<'_>,
    options: &Options,
) -> Lowered {
    let mut diagnostics = Vec::new();
    let modules = Modules::load(name, main, sources, resolve, &mut diagnostics);
    let start = Span::new(main, 0, 0);
    let origin = Origin { user: start, inner: start };
    let builder = Builder::new(Program::new(name, options.settings), origin);
    let mut lowerer = Lowerer {
        modules: &modules,
        sources,
        options,
        builder,
        diagnostics,
        frames: Vec::new(),
        said: 0,
        unshown: modules.unshown,
        failed: None,
        globals: IndexMap::new(),
        computed: Computed::new(),
        pending: Vec::new(),
        args: Vec::new(),
        names: IndexSet::new(),
        outputs: IndexMap::new(),
        loops: Vec::new(),
        expand: BTreeSet::new(),
        doubtful: Vec::new(),
        opened: false,
        fuel: FUEL,
        exhausted: None,
        oversized: false,
        depth: 0,
        shapes_only: false,
        watched: Watched::default(),
    };
    lowerer.run(entry);
    lowerer.conclude();
    let Lowerer { builder, diagnostics, mut args, watched, .. } = lowerer;
    let place = |name: &str| modules.list[0].items.get(name).copied();
    args.sort_by_key(|(name, _)| place(name));
    let mut program = builder.finish();
    program.args = args.clone();
    let failed = diagnostics.iter().any(|d| d.severity == Severity::Error);
    Lowered { program: (!failed).then_some(program), diagnostics, args, seen: watched.seen() }
}

/// A name in scope.
#[derive(Debug, Clone)]
struct Variable {
    value: Value,
    mutable: bool,
    span: Span,
}

/// A call in progress: the module whose names it sees, and its scopes.
#[derive(Debug)]
struct Frame {
    module: usize,
    scopes: Vec<HashMap<String, Variable>>,
    /// The place of the call, and what is called.
    call: Option<(Span, String)>,
    /// What `return` gave, once it did.
    returned: Option<Value>,
    /// Run-time blocks that were open when the frame began: `return` and `break` do not leave run-time blocks.
    depth: usize,
}

/// The state of lowering.
struct Lowerer<'a> {
    modules: &'a Modules,
    sources: &'a SourceMap,
    options: &'a Options,
    builder: Builder,
    diagnostics: Vec<Diagnostic>,
    /// How often something was reported, shown or not; never taken back.
    said: usize,
    /// Messages that are one too many to be shown.
    unshown: usize,
    /// Where an expression first came to nothing. That must have been reported.
    failed: Option<Span>,
    frames: Vec<Frame>,
    /// Constants and inputs that have been evaluated.
    globals: IndexMap<ItemId, Memo>,
    /// What functions of the library gave for constants.
    computed: Computed,
    /// Constants under evaluation.
    pending: Vec<ItemId>,
    args: Vec<(String, String)>,
    /// Names of metrics and labels by their number in the program.
    names: IndexSet<String>,
    /// Outputs by name, with their place.
    outputs: IndexMap<String, Span>,
    /// The counters of the run-time loops in progress, outermost first.
    loops: Vec<ValueId>,
    /// Those of them that have to be constants, because a loop inside is bounded by them.
    expand: BTreeSet<ValueId>,
    /// Messages about a constant that may become secret where a run-time loop around is lowered again: they hold if it does not.
    doubtful: Vec<Diagnostic>,
    /// Whether a new axis is written in an operand of the operation in progress (`x[.., None] - y`), so that both may be stretched.
    opened: bool,
    fuel: u64,
    /// Which limit of the whole program was reached, and where.
    exhausted: Option<(Limit, Span)>,
    /// Whether a structure was too large: what has it as a part is not built, since the other parts may be as large.
    oversized: bool,
    /// Expressions that are being evaluated inside one another.
    depth: usize,
    /// A model is built for its shapes only: fields need no initial values.
    shapes_only: bool,
    /// What was seen of the user's files, for editors.
    watched: Watched,
}

impl<'a> Lowerer<'a> {
    fn run(&mut self, entry: Entry) {
        let main = &self.modules.list[0];
        self.check_args();
        self.frames.push(Frame {
            module: 0,
            scopes: vec![HashMap::new()],
            call: None,
            returned: None,
            depth: 1,
        });
        self.inputs();
        for (i, item) in main.ast.items.iter().enumerate() {
            if let ast::Item::Const(c) = item {
                self.global(ItemId { module: 0, item: i }, c.name.span);
            }
        }
        match entry {
            Entry::Main => match main.items.get("main").map(|i| &main.ast.items[*i]) {
                Some(ast::Item::Fn(f)) => {
                    self.block(&f.body, None);
                }
                Some(_) | None if main.broken => {}
                Some(_) | None => self.report(
                    Diagnostic::error(Code::N005, format!("{} has no main function", main.name))
                        .help("fn main() { … }"),
                ),
            },
            Entry::Test(n) => {
                let test = main
                    .ast
                    .items
                    .iter()
                    .filter_map(|i| if let ast::Item::Test(t) = i { Some(t) } else { None })
                    .nth(n);
                if let Some(test) = test {
                    self.block(&test.body, None);
                }
            }
        }
    }

    /// Every argument that was given must exist.
    fn check_args(&mut self) {
        let known = self.known_args();
        for name in self.options.args.keys() {
            if !known.contains(&name.as_str()) {
                let text = format!("{} has no argument {name}", self.modules.list[0].name);
                let mut error = Diagnostic::error(Code::A002, text).note(self.list_args());
                if let Some(near) = names::closest(name, known.iter().copied()) {
                    error = error.help(format!("--arg {near}=…"));
                }
                self.report(error);
            }
        }
    }

    /// The names of the program's arguments.
    fn known_args(&self) -> Vec<&'a str> {
        let items = self.modules.list[0].ast.items.iter();
        let constants = items.filter_map(|i| if let ast::Item::Const(c) = i { Some(c) } else { None });
        let args = constants.filter(|c| expr::arg_call(&c.value).is_some());
        args.map(|c| c.name.name.as_str()).collect()
    }

    fn list_args(&self) -> String {
        let program = &self.modules.list[0].name;
        match self.known_args().as_slice() {
            [] => format!("{program} has no arguments"),
            known => format!("the arguments of {program} are {}", known.join(", ")),
        }
    }

    // ---- messages

    /// Records a message. A mistake is reported once, however many instances of its function have it; and of very many, the first.
    fn report(&mut self, mut message: Diagnostic) {
        self.said += 1;
        if self.said_enough() {
            self.unshown += 1;
            return;
        }
        let mut in_library = false;
        if let Some(place) = message.place() {
            self.show_calls(&mut message, place);
            in_library = !self.is_user(place);
        }
        // What follows within the library from one wrong call is one mistake.
        let same = |m: &Diagnostic| {
            m.place() == message.place()
                && (in_library || m.code == message.code && m.message == message.message)
        };
        if !self.diagnostics.iter().any(same) {
            self.diagnostics.push(message);
        }
    }

    /// Labels the calls that lead to a place: a place in the library gives way to the user's call, one in the user's functions is
    /// followed by the innermost call and the outermost.
    fn show_calls(&self, message: &mut Diagnostic, place: Span) {
        let outside =
            |call: &Span| call.file != place.file || place.start < call.start || call.end < place.end;
        let calls = self.frames.iter().rev().filter_map(|f| f.call.as_ref());
        let mut calls = calls.filter(|(span, _)| outside(span) && self.is_user(*span));
        let Some((span, name)) = calls.next() else { return };
        let text = format!("in this call of {name}");
        if self.is_user(place) {
            let outermost = calls.next_back().filter(|(outer, _)| outer != span);
            message.labels.push(Label { span: *span, text, primary: false });
            message.labels.extend(outermost.map(|(span, name)| Label {
                span: *span,
                text: format!("reached from this call of {name}"),
                primary: false,
            }));
        } else {
            message.labels.iter_mut().for_each(|label| label.primary = false);
            message.labels.insert(0, Label { span: *span, text, primary: true });
        }
    }

    /// What is said when all has been lowered.
    fn conclude(&mut self) {
        if let Some((limit, span)) = self.exhausted {
            self.diagnostics.push(limit.message(span));
        }
        let unshown = self.unshown;
        if let Some(last) = self.diagnostics.last_mut().filter(|_| unshown > 0) {
            last.notes.push(format!("{unshown} more messages are not shown"));
        }
        let reported = self.diagnostics.iter().any(|d| d.severity == Severity::Error);
        if let Some(span) = self.failed.filter(|_| !reported) {
            let text = "this came to nothing, and the compiler does not know why";
            self.diagnostics.push(Diagnostic::error(Code::B002, text).at(span, ""));
        }
    }

    /// Records an error at a place and gives the value that stands for it.
    fn error(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Value {
        self.report(Diagnostic::error(code, message).at(span, label));
        Value::Error
    }

    fn is_user(&self, span: Span) -> bool {
        self.sources.get(span.file).is_some_and(|f| f.origin == Ownership::User)
    }

    /// Sets where the next instructions come from; gives the former place back.
    fn at(&mut self, span: Span) -> Origin {
        let old = self.builder.origin;
        let user = if self.is_user(span) { span } else { old.user };
        self.builder.origin = Origin { user, inner: span };
        old
    }

    // ---- names

    fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1; // the outermost frame stays
        &mut self.frames[last]
    }

    fn module(&self) -> usize {
        self.frames.last().map_or(0, |f| f.module)
    }

    fn define(&mut self, name: &ast::Ident, value: Value, mutable: bool) {
        self.watch(name.span, &value);
        let variable = Variable { value, mutable, span: name.span };
        if let Some(scope) = self.frame().scopes.last_mut() {
            scope.insert(name.name.clone(), variable);
        }
    }

    fn local(&self, name: &str) -> Option<&Variable> {
        self.frames.last()?.scopes.iter().rev().find_map(|s| s.get(name))
    }

    fn local_mut(&mut self, name: &str) -> Option<&mut Variable> {
        self.frame().scopes.iter_mut().rev().find_map(|s| s.get_mut(name))
    }

    /// How many variables the present call has.
    fn variables(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.scopes.iter().map(HashMap::len).sum())
    }

    /// The number of a metric's name in the program, added if it is new.
    fn name_index(&mut self, name: &str) -> u32 {
        let (index, new) = self.names.insert_full(name.to_string());
        if new {
            self.builder.program.names.push(name.to_string());
        }
        index as u32
    }

    fn enter_scope(&mut self) {
        self.frame().scopes.push(HashMap::new());
    }

    fn leave_scope(&mut self) {
        self.frame().scopes.pop();
    }

    fn frac(&self) -> u32 {
        self.options.settings.frac
    }
}
