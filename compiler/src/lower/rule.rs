//! A function's own derivative rule: lowered in the scope of its call and attached to the result.

use std::collections::HashSet;

use super::Lowerer;
use super::arith::{broadcast_shape, elem_of};
use super::call::{count, secret_fix};
use super::value::{Elem, Tensor, Value, show_shape};
use crate::diagnostics::{Code, Span};
use crate::ir::{Op, Type, ValueId};
use crate::syntax::ast;

impl<'a> Lowerer<'a> {
    /// Gives arguments that are values of the module, such as inputs, a name of their own: the body may use the same value without its
    /// being a parameter, and a rule has no derivative by that.
    pub(super) fn told_apart(&mut self, f: &'a ast::Function, args: &mut [(Value, Span)]) {
        let module = self.frame().module;
        let visible = self.globals.iter().filter(|(id, _)| id.module == module);
        let ids: HashSet<ValueId> =
            visible.flat_map(|(_, memo)| memo.value.leaves()).filter_map(|leaf| secret_fix(&leaf)).collect();
        for ((value, _), param) in args.iter_mut().zip(&f.params) {
            let leaves = value.leaves();
            if !leaves.iter().filter_map(secret_fix).any(|id| ids.contains(&id)) {
                continue;
            }
            let mut own: Vec<Value> = leaves
                .into_iter()
                .map(|leaf| match &leaf {
                    Value::Tensor(t) if secret_fix(&leaf).is_some() => {
                        let id = self.builder.one(Op::Reshape(t.ty.shape.to_vec()), &[t.id]);
                        Value::Tensor(Tensor { id, ..t.clone() })
                    }
                    _ => leaf,
                })
                .collect();
            *value = value.with_leaves(&mut own.drain(..));
            self.define(&param.name, value.clone(), false);
        }
    }

    /// Lowers the rule and marks the result as computed by it.
    pub(super) fn attach_rule(
        &mut self,
        rule: &'a ast::GradClause,
        f: &'a ast::Function,
        value: Value,
        args: &[(Value, Span)],
    ) -> Value {
        let outs: Vec<Value> = value.leaves();
        let tracked: Vec<ValueId> = outs.iter().filter_map(secret_fix).collect();
        // the parameters that a derivative can reach
        let open: Vec<&Value> =
            f.params.iter().zip(args).filter(|(p, _)| !p.constant).map(|(_, (value, _))| value).collect();
        if tracked.is_empty() || open.iter().all(|v| v.leaves().iter().all(|l| secret_fix(l).is_none())) {
            return value;
        }
        let frac = self.frac();
        let types: Vec<Type> =
            tracked.iter().map(|id| Type::shared(frac, self.builder.ty(*id).shape.clone())).collect();
        let params = self.builder.enter(&types);
        let mut seeds = params.iter().copied();
        let mut leaves = outs.iter().map(|leaf| match secret_fix(leaf) {
            Some(_) => seeds.next(),
            None => None,
        });
        let seed_leaves: Vec<Value> = outs
            .iter()
            .map(|leaf| match leaves.next().flatten() {
                Some(id) => self.tensor(id, Elem::Fix, None),
                None => leaf.clone(),
            })
            .collect();
        let seed = value.with_leaves(&mut seed_leaves.into_iter());
        self.enter_scope();
        self.define(&rule.seed, seed, false);
        let given = self.block(&rule.body, None);
        self.leave_scope();
        let parts: Vec<Value> = match (open.len(), given) {
            (1, given) => vec![given],
            (_, Value::Tuple(values)) => values.to_vec(),
            (_, given) => vec![given],
        };
        self.finish_rule(rule, f, value, tracked, &open, parts)
    }

    fn finish_rule(
        &mut self,
        rule: &'a ast::GradClause,
        f: &'a ast::Function,
        value: Value,
        tracked: Vec<ValueId>,
        open: &[&Value],
        parts: Vec<Value>,
    ) -> Value {
        if parts.len() != open.len() {
            self.builder.leave(Vec::new());
            if parts.iter().any(Value::is_error) {
                return Value::Error;
            }
            let text = format!(
                "the rule of {} gives {}, but has {} to differentiate by",
                f.name.name,
                count(parts.len(), "derivative"),
                count(open.len(), "parameter")
            );
            let place = rule.body.value.as_ref().map_or(rule.span, |v| v.span);
            return self.error(
                Code::G002,
                place,
                text,
                "a tuple of one for each parameter that is not const, _ for none",
            );
        }
        let frac = self.frac();
        let mut inputs = Vec::new();
        let mut wants = Vec::new();
        let mut yields = Vec::new();
        for (param, part) in open.iter().zip(parts) {
            let derivatives = if matches!(part, Value::Hole) { Vec::new() } else { part.leaves() };
            for (i, leaf) in param.leaves().iter().enumerate() {
                let Some(id) = secret_fix(leaf) else { continue };
                inputs.push(id);
                let shape = self.builder.ty(id).shape.clone();
                let wanted = derivatives.get(i).map(|d| self.derivative_leaf(d, &shape, frac, rule));
                match wanted {
                    Some(Some(id)) => {
                        wants.push(true);
                        yields.push(id);
                    }
                    Some(None) => {
                        self.builder.leave(Vec::new());
                        return Value::Error;
                    }
                    None => wants.push(false),
                }
            }
        }
        let region = self.builder.leave(yields);
        let args = [tracked.as_slice(), inputs.as_slice()].concat();
        let results =
            match self.builder.push_with(Op::Custom { values: tracked.len(), wants }, &args, vec![region]) {
                Ok(results) => results,
                Err(error) => unreachable!("rules are typed here: {error}"),
            };
        let mut results = results.into_iter();
        let leaves: Vec<Value> = value
            .leaves()
            .into_iter()
            .map(|leaf| match (&leaf, secret_fix(&leaf)) {
                (Value::Tensor(t), Some(_)) => match results.next() {
                    Some(id) => self.tensor(id, t.elem, t.since),
                    None => Value::Error,
                },
                _ => leaf,
            })
            .collect();
        value.with_leaves(&mut leaves.into_iter())
    }

    fn derivative_leaf(
        &mut self,
        d: &Value,
        shape: &[usize],
        frac: u32,
        rule: &'a ast::GradClause,
    ) -> Option<ValueId> {
        if d.is_error() {
            return None;
        }
        let found = d.shape().map(<[usize]>::to_vec);
        let fits = found.as_deref().and_then(|f| broadcast_shape(f, shape)).is_some_and(|s| s == shape);
        if !fits || elem_of(d) == Elem::Bool {
            let text =
                format!("a derivative of shape {} is needed, found {}", show_shape(shape), d.describe());
            self.error(Code::G002, rule.span, text, "");
            return None;
        }
        let d = self.broadcast(d.clone(), shape);
        if d.is_error() {
            return None;
        }
        Some(self.coerce(&d, Elem::Fix, &Type::shared(frac, shape)))
    }
}
