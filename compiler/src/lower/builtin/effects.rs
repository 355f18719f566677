//! Metrics, outputs for debugging, and assertions.

use num_traits::{Signed, Zero};
use tern_bytecode::instr::RealUnary;

use super::Args;
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Op, Type};
use crate::lower::Lowerer;
use crate::lower::value::{Elem, Tensor, Value};
use crate::syntax::ast::BinaryOp;

/// Metrics of this prefix count the elements for which an assertion fails.
pub const ASSERT: &str = "assert ";

impl Lowerer<'_> {
    pub(super) fn effect(&mut self, name: &str, args: &Args<'_>) -> Value {
        let (text, value, at) = match (args.value(0), args.given(1)) {
            (Value::Text(text), true) => (text.to_string(), args.value(1), 1),
            (value, false) if name == "debug" => (self.sources.text(args.span(0)).to_string(), value, 0),
            (other, _) => {
                let found = other.describe();
                return self.error(Code::T003, args.span(0), format!("{name} begins with a name"), found);
            }
        };
        let index = self.builder.program.name_index(&text);
        for leaf in value.leaves() {
            let id = match &leaf {
                Value::Const(k) if k.elem == Elem::Fix => self.constant(k, Type::real(k.shape.clone())),
                Value::Const(k) => self.constant(k, Type::int(k.shape.clone())),
                Value::Tensor(t) if t.secret() && name == "metric" => {
                    return self.secret_metric(t, args.span(at));
                }
                Value::Tensor(t) => t.id,
                other => {
                    let found = other.describe();
                    return self.error(Code::T003, args.span(at), format!("{name} of {found}"), "");
                }
            };
            let op = if name == "metric" { Op::Metric(index) } else { Op::Debug(index) };
            self.builder.push(op, &[id]).unwrap_or_else(|e| unreachable!("metrics are public: {e}"));
        }
        Value::Unit
    }

    pub(super) fn secret_metric(&mut self, t: &Tensor, span: Span) -> Value {
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
    pub(super) fn close(&mut self, args: &Args<'_>) -> Value {
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
                if k.iter().any(Zero::is_zero) {
                    self.error(Code::T017, span, "this assertion fails", "");
                }
            }
            Value::Tensor(t) if t.elem == Elem::Bool => {
                let place = self.sources.place(span);
                let index = self.builder.program.name_index(&format!("{ASSERT}{place}: {text}"));
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
