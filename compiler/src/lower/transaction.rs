//! Trying things: what is reported, memoised, assigned or emitted inside a transaction stays as one, or is undone as one.
//!
//! A loop's body is lowered again when the types of its variables rise, and a type is evaluated in advance to see what it asks for. Whatever
//! the first evaluation left behind would be wrong in the second: a message about types that the variables do not keep, or worse, the memory
//! that a constant has failed without the message that says so. Hence nothing but a transaction takes a message back.
//!
//! Two things are not undone. Fuel is spent, so that trying ends. And a constant that came out without a message or an instruction
//! is the same whenever it is evaluated, so it is kept.

use std::collections::HashMap;

use super::value::{ItemId, Value};
use super::{Lowerer, Variable};
use crate::diagnostics::Span;
use crate::ir::build::Mark;

/// How a transaction ends.
pub(super) enum Outcome<T> {
    /// What it did stays.
    Keep(T),
    /// It was not.
    Undo(T),
}

/// A constant or input that was evaluated.
#[derive(Debug, Clone)]
pub(super) struct Memo {
    pub(super) value: Value,
    /// Whether its evaluation left nothing else behind.
    pub(super) pure: bool,
}

/// What lowering had done when a transaction began.
struct Savepoint {
    builder: Mark,
    diagnostics: usize,
    unshown: usize,
    failed: Option<Span>,
    globals: usize,
    args: usize,
    outputs: usize,
    names: usize,
    doubtful: usize,
    scopes: Vec<HashMap<String, Variable>>,
    returned: Option<Value>,
}

/// What tells whether anything but a value came of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traces {
    said: usize,
    values: usize,
    names: usize,
    args: usize,
}

impl Lowerer<'_> {
    /// Runs `f`, and takes back all it did if it says so.
    pub(super) fn transaction<T>(&mut self, f: impl FnOnce(&mut Self) -> Outcome<T>) -> T {
        let savepoint = self.savepoint();
        match f(self) {
            Outcome::Keep(result) => result,
            Outcome::Undo(result) => {
                self.undo(savepoint);
                result
            }
        }
    }

    /// What `f` will evaluate to. Nothing else comes of it: it is evaluated again when its turn comes.
    pub(super) fn forecast<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        self.transaction(|l| Outcome::Undo(f(l)))
    }

    /// What evaluations have left behind so far.
    pub(super) fn traces(&self) -> Traces {
        Traces {
            said: self.said,
            values: self.builder.program.values.len(),
            names: self.names.len(),
            args: self.args.len(),
        }
    }

    /// Remembers what a constant is.
    pub(super) fn memoise(&mut self, id: ItemId, value: Value, before: Traces) {
        let pure = self.traces() == before && !value.is_error();
        self.globals.insert(id, Memo { value, pure });
    }

    fn savepoint(&mut self) -> Savepoint {
        let builder = self.builder.mark();
        let span = self.builder.origin.inner;
        self.spend(self.variables(), span);
        let frame = self.frame();
        let (scopes, returned) = (frame.scopes.clone(), frame.returned.clone());
        Savepoint {
            builder,
            diagnostics: self.diagnostics.len(),
            unshown: self.unshown,
            failed: self.failed,
            globals: self.globals.len(),
            args: self.args.len(),
            outputs: self.outputs.len(),
            names: self.names.len(),
            doubtful: self.doubtful.len(),
            scopes,
            returned,
        }
    }

    fn undo(&mut self, savepoint: Savepoint) {
        self.builder.undo(savepoint.builder);
        self.diagnostics.truncate(savepoint.diagnostics);
        self.unshown = savepoint.unshown;
        self.failed = savepoint.failed;
        let since = self.globals.split_off(savepoint.globals);
        self.globals.extend(since.into_iter().filter(|(_, memo)| memo.pure));
        self.args.truncate(savepoint.args);
        self.outputs.truncate(savepoint.outputs);
        self.names.truncate(savepoint.names);
        self.doubtful.truncate(savepoint.doubtful);
        let frame = self.frame();
        frame.scopes = savepoint.scopes;
        frame.returned = savepoint.returned;
    }
}
