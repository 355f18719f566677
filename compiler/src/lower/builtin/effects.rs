//! Metrics, outputs for debugging, and assertions.

use num_traits::{Signed, Zero};
use tern_bytecode::instr::RealUnary;

use super::Args;
use super::table::builtins;
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Op, Type};
use crate::lower::Lowerer;
use crate::lower::value::{Elem, Tensor, Value};
use crate::syntax::ast::BinaryOp;

/// Metrics of this prefix count the elements for which an assertion fails.
pub const ASSERT: &str = "assert ";

builtins! {
    /// Reports a public value under a name, at every party: in the report, in metrics.jsonl, and for each iteration of a
    /// loop. A secret needs `reveal`.
    /// Example: `metric("mean", reveal(mean(x)))`.
    whole "metric"(name: Text(""), value: Any("")) -> "nothing" = |l, args, _| l.metric(args);

    /// Shows a value in the emulator, which may be secret; the parties show nothing. With one argument its own text is the
    /// label.
    /// Example: `debug(x)`.
    whole "debug"(name: Any(""), value: Any("") = "name") -> "nothing" = |l, args, _| l.debug(args);

    /// Whether two values differ by at most `within`, element by element; both are revealed. For tests.
    /// Example: `close(x, 0, within=1)`.
    whole "close"(a: Num("[..s]"), b: Num("[..s]"), within: Num("[..s]")) -> "bool[..s]" = |l, args, _| l.close(args);

    /// An argument of the program, behind `const NAME =` of the main file: the default, and the other choices if not
    /// everything of the default's kind is allowed. `--arg NAME=value` gives another value.
    /// Example: `const EPOCHS = arg(15)`.
    whole "arg"(default: Parts("")) -> "const" = |l, args, _| {
        l.misplaced_arg(args)
    };
}

impl Lowerer<'_> {
    fn misplaced_arg(&mut self, args: &Args) -> Value {
        let text = self.sources.text(args.span).to_string();
        self.report(
            Diagnostic::error(Code::A003, "arg stands only behind `const NAME =` of the main file")
                .at(args.span, "")
                .help(format!("at the top of the file:  const NAME = {text}")),
        );
        Value::Error
    }

    fn metric(&mut self, args: &Args) -> Value {
        let Value::Text(name) = args.value(0) else { return Value::Error };
        let span = args.span(1);
        let mut leaves = Vec::new();
        for leaf in args.value(1).leaves() {
            match leaf {
                Value::Tensor(t) if t.secret() => return self.secret_metric(&t, span),
                leaf => leaves.push(leaf),
            }
        }
        self.show(Op::Metric, &name, leaves, args, span)
    }

    fn debug(&mut self, args: &Args) -> Value {
        if !args.given(1) {
            let name = self.sources.text(args.span(0)).to_string();
            return self.show(Op::Debug, &name, args.value(0).leaves(), args, args.span(0));
        }
        match args.value(0) {
            Value::Text(name) => self.show(Op::Debug, &name, args.value(1).leaves(), args, args.span(1)),
            other => {
                let found = other.describe();
                self.error(Code::T003, args.span(0), "the name of a debug is a text", found)
            }
        }
    }

    /// Shows tensors under a name.
    fn show(&mut self, op: fn(u32) -> Op, name: &str, leaves: Vec<Value>, args: &Args, span: Span) -> Value {
        let index = self.name_index(name);
        for leaf in leaves {
            let id = match &leaf {
                Value::Const(k) if k.elem == Elem::Fix => self.constant(k, Type::real(k.shape.clone())),
                Value::Const(k) => self.constant(k, Type::int(k.shape.clone())),
                Value::Tensor(t) => t.id,
                Value::Text(_) if !args.given(1) => {
                    let text = "debug shows values, and a text is none";
                    let text = Diagnostic::error(Code::T003, text).at(span, "the name alone");
                    self.report(text.help(format!("debug({}, x)", self.sources.text(span))));
                    return Value::Error;
                }
                other => {
                    let found = other.describe();
                    return self.error(Code::T003, span, format!("{} of {found}", args.name()), "");
                }
            };
            self.builder.push(op(index), &[id]).unwrap_or_else(|e| unreachable!("metrics are public: {e}"));
        }
        Value::Unit
    }

    fn secret_metric(&mut self, t: &Tensor, span: Span) -> Value {
        let text = self.sources.text(span).to_string();
        let mut error =
            Diagnostic::error(Code::S006, "a metric is public").at(span, format!("secret {}", t.elem.name()));
        if let Some(since) = t.since {
            error = error.label(since, "secret from here");
        }
        self.report(error.help(format!("reveal({text})")));
        Value::Error
    }

    /// Whether two values are equal up to a bound, element by element; both are revealed.
    pub(super) fn close(&mut self, args: &Args) -> Value {
        let a = self.reveal(args.value(0), args.span(0));
        let b = self.reveal(args.value(1), args.span(1));
        let difference = self.binary(BinaryOp::Sub, args.span, a, args.span(0), b, args.span(1));
        let distance = match difference {
            Value::Const(k) => Value::Const(k.map(k.elem, Signed::abs)),
            Value::Tensor(t) => {
                let x = self.coerce(&Value::Tensor(t.clone()), Elem::Fix, &Type::real(t.ty.shape.clone()));
                let id = self.builder.one(Op::RealUnary(RealUnary::Abs), &[x]);
                self.tensor(id, Elem::Fix, None)
            }
            _ => return Value::Error,
        };
        self.binary(BinaryOp::Le, args.span, distance, args.span, args.value(2), args.span(2))
    }

    /// Reports how many elements of a condition fail, under a name that test runners know.
    pub(in crate::lower) fn assertion(&mut self, value: Value, text: &str, span: Span) {
        let value = self.reveal(value, span);
        match value {
            Value::Const(k) if k.elem == Elem::Bool => {
                if k.occurring().any(Zero::is_zero) {
                    self.error(Code::T017, span, "this assertion fails", "");
                }
            }
            Value::Tensor(t) if t.elem == Elem::Bool => {
                let place = self.sources.place(span);
                let words: Vec<&str> = text.split_whitespace().collect();
                let index = self.name_index(&format!("{ASSERT}{place}: {}", words.join(" ")));
                let failed = self.complement(Value::Tensor(t), span);
                let Value::Tensor(mut failed) = failed else { return };
                failed.elem = Elem::Int;
                let axes: Vec<usize> = (0..failed.ty.shape.len()).collect();
                if let Value::Tensor(count) = self.sum_over(Value::Tensor(failed), &axes) {
                    self.builder
                        .push(Op::Metric(index), &[count.id])
                        .unwrap_or_else(|e| unreachable!("counts are public: {e}"));
                }
            }
            Value::Error => {}
            other => {
                let found = other.describe();
                self.error(Code::T012, span, "an assertion is a truth value", found);
            }
        }
    }
}
