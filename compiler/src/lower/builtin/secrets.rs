//! What makes numbers secret or public, their bits, batches of rows, and derivatives.

use num_rational::BigRational;
use num_traits::Zero;

use super::Args;
use super::table::builtins;
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Kind, Op, Optimise};
use crate::lower::Lowerer;
use crate::lower::arith::{elem_of, shape_of};
use crate::lower::call::secret_fix;
use crate::lower::exact;
use crate::lower::limits::MAX_ELEMENTS;
use crate::lower::record::Trainable;
use crate::lower::value::{Elem, Konst, Tensor, Value};

builtins! {
    /// A constant or public value as if it were secret, for tests.
    /// Example: `secret([1.0, 2.0])`.
    whole "secret"(value: Any("")) -> "any" = |l, args, _| l.secret(args.value(0), args.span);

    /// Publishes a value to all parties, on purpose. The report lists every published value.
    /// Example: `reveal(mean(x))`.
    whole "reveal"(value: Any("")) -> "public any" = |l, args, _| l.reveal(args.value(0), args.span);

    /// Bits `from` to `to` (exclusive) of the ring integer behind a secret, along a new last axis, the lowest first.
    /// Example: `bits(n, 0, 4)`.
    whole "bits"(x: Num("[..s]"), from: ConstInt(""), to: ConstInt("")) -> "bool[..s, to - from]"
        = |l, args, _| l.bits(args);

    /// The bit of a constant whole number at a place.
    /// Example: `bit(5, 2)`.
    whole "bit"(x: ConstNum("[..s]"), place: ConstInt("")) -> "const bool[..s]" = |l, args, _| l.bit(args);

    /// The number whose bits these secrets are, the lowest first; with `compact` in fewer bits and more rounds.
    /// Example: `word(bits(n, 0, 4))`.
    whole "word"(x: Bool("[..s, n]"), compact: ConstBool("") = "false") -> "int[..s]" = |l, args, _| l.word(args);

    /// The ring integer behind a secret: x · 2^f.
    /// Example: `raw(x)`.
    whole "raw"(x: Num("[..s]")) -> "int[..s]" = |l, args, _| l.reinterpreted(args, Elem::Fix, Elem::Int);

    /// The secret number behind which a ring integer stands, with `frac` fraction bits, by default those of `fix`: n · 2^-frac.
    /// Example: `from_raw(raw(x))`.
    whole "from_raw"(x: Num("[..s]"), frac: ConstInt("") = "f") -> "fix[..s]"
        = |l, args, _| l.reinterpreted(args, Elem::Int, Elem::Fix);

    /// The same secret with a promise that it lies within bounds, both included. Narrower comparisons follow from it, and the
    /// emulator checks it.
    /// Example: `assume(v, 0, 1)`.
    whole "assume"(x: Num("[..s]"), low: ConstNum(""), high: ConstNum("")) -> "num[..s]" = |l, args, _| l.assume(args);

    /// What a loop goes through to see all rows once, in random order and `size` at a time: ceil(rows / size) batches, all
    /// of one size. If rows are left over, the last one is filled with others at random (PyTorch: it is smaller), so a few
    /// rows are seen twice.
    /// Example: `for rows in batches(4, 2) { metric("first", rows[0]) }`.
    whole "batches"(rows: ConstInt(""), size: ConstInt("")) -> "batches" = |l, args, _| l.batches(args);

    /// What an unrolled loop goes through to see every field of a model.
    /// Example: `unroll for w in fields(p) { debug(w) }`.
    whole "fields"(x: Model("")) -> "fields" = |_, args, _| match args.value(0) {
        Value::Record(r) => Value::Fields(r),
        _ => Value::Error,
    };

    /// What an unrolled loop goes through to see every tensor of a model and of the models in it that has a derivative: neither
    /// buffers nor public fields.
    /// Example: `unroll for w in parameters(p) { debug(w) }`.
    whole "parameters"(x: Model("")) -> "parameters" = |l, args, _| l.parameters(args);

    /// The derivative of one secret number by the value that `by` has here: a tensor, a model or a tuple of them.
    /// Example: `grad(loss, p)`.
    whole "grad"(loss: Num("[]"), by: Any("")) -> "any of by's shapes" = |l, args, _| l.gradient(args);
}

/// The highest place of a constant whose bit can be asked for.
const MAX_PLACE: usize = 1 << 16;

impl Lowerer<'_> {
    /// `secret(e)`: a constant or public value as if it were secret, for tests.
    fn secret(&mut self, value: Value, span: Span) -> Value {
        let leaves: Vec<Value> = value
            .leaves()
            .iter()
            .map(|leaf| match leaf {
                Value::Const(_) | Value::Tensor(_) if !leaf.secret() => {
                    let elem = elem_of(leaf);
                    let ty = crate::lower::control::runtime_type(elem, true, self.frac(), shape_of(leaf));
                    let id = self.coerce(leaf, elem, &ty);
                    self.tensor(id, elem, Some(span))
                }
                other => other.clone(),
            })
            .collect();
        value.with_leaves(&mut leaves.into_iter())
    }

    /// `reveal(e)`: published to all parties.
    pub(in crate::lower) fn reveal(&mut self, value: Value, span: Span) -> Value {
        let leaves: Vec<Value> = value
            .leaves()
            .iter()
            .map(|leaf| match leaf {
                Value::Tensor(t) if t.secret() => {
                    let id = match (t.ty.kind, t.elem) {
                        (Kind::Bit, _) => self.builder.one(Op::RevealBits, &[t.id]),
                        (_, Elem::Int) => {
                            let plain = self.builder.one(Op::Reveal, &[t.id]);
                            self.builder.one(Op::DecodeInt, &[plain])
                        }
                        _ => {
                            let plain = self.builder.one(Op::Reveal, &[t.id]);
                            self.builder.one(Op::Decode, &[plain])
                        }
                    };
                    self.tensor(id, t.elem, None)
                }
                Value::Const(_) | Value::Tensor(_) | Value::Error => leaf.clone(),
                other => {
                    let found = other.describe();
                    self.error(Code::T003, span, "only numbers and truth values can be revealed", found)
                }
            })
            .collect();
        value.with_leaves(&mut leaves.into_iter())
    }

    fn bit(&mut self, args: &Args) -> Value {
        let (Value::Const(k), Some(place)) = (args.value(0), self.size(args, 1)) else {
            return self.not_for(args, "a constant is needed here");
        };
        if place > MAX_PLACE {
            let text = format!("bit {place}; there can be {MAX_PLACE}");
            return self.error(Code::T013, args.span(1), text, "");
        }
        let odd = |n: &BigRational| {
            let shifted = (n * exact::pow2(-(place as i64))).floor().to_integer();
            BigRational::from_integer(num_integer::Integer::mod_floor(&shifted, &2.into()))
        };
        Value::Const(k.map(Elem::Bool, odd))
    }

    fn bits(&mut self, args: &Args) -> Value {
        let x = args.value(0);
        let Some(t) = x.elem().and_then(|elem| self.taken_for_secret(x, elem, args.span(0))) else {
            return self.not_for(args, "a secret is needed here");
        };
        let (Some(low), Some(high)) = (self.size(args, 1), self.size(args, 2)) else { return Value::Error };
        let ring = self.options.settings.ring;
        if low >= high || high > ring as usize {
            let text = format!("bits {low}..{high} of {ring}");
            return self.error(Code::T013, args.span, text, "");
        }
        let planes = [&[high - low], t.ty.shape.as_slice()].concat();
        if !self.bounded(&planes, args.span) {
            return Value::Error;
        }
        let id = self.builder.one(Op::Bits { low: low as u32, high: high as u32 }, &[t.id]);
        let rank = t.ty.shape.len() + 1;
        let planes = self.tensor(id, Elem::Bool, t.since);
        let last: Vec<usize> = (1..rank).chain([0]).collect();
        self.permuted(planes, &last)
    }

    fn word(&mut self, args: &Args) -> Value {
        let x = args.value(0);
        let places = secret_tensor(x.clone()).and_then(|t| t.ty.shape.last().copied());
        let Some(places) = places else {
            return self.not_for(args, "secret bits along an axis are needed here");
        };
        let ring = self.options.settings.ring as usize;
        if places == 0 || places > ring {
            let text = format!("a word of {places} bits in a ring of {ring}");
            return self.error(Code::T013, args.span(0), text, x.describe());
        }
        let rank = shape_of(&x).len();
        let since = x.secret_since().flatten();
        // an adder has a carry beyond the last place
        let wanted = matches!(args.value(1), Value::Const(k) if !k.is_zero());
        let compact = wanted && places < ring && self.options.settings.optimise != Optimise::Rounds;
        let first: Vec<usize> = std::iter::once(rank - 1).chain(0..rank - 1).collect();
        let Value::Tensor(planes) = self.permuted(x, &first) else { return Value::Error };
        let id = self.builder.one(Op::Word { compact }, &[planes.id]);
        self.tensor(id, Elem::Int, since)
    }

    /// A secret of one element as one of another, with the same ring integer behind it.
    fn reinterpreted(&mut self, args: &Args, from: Elem, to: Elem) -> Value {
        match self.taken_for_secret(args.value(0), from, args.span(0)).filter(|t| t.elem == from) {
            Some(t) => {
                let Some(frac) = self.fraction(args, to) else { return Value::Error };
                let id = self.builder.one(Op::Rescale { frac }, &[t.id]);
                self.tensor(id, to, t.since)
            }
            None => self.not_for(args, &format!("a secret {} is needed here", from.name())),
        }
    }

    /// A secret; a constant or public number as one, so that functions of the library that look at ring integers take numbers of any stage.
    pub(in crate::lower) fn taken_for_secret(
        &mut self,
        value: Value,
        elem: Elem,
        span: Span,
    ) -> Option<Tensor> {
        let number = matches!(value, Value::Const(_) | Value::Tensor(_)) && value.elem() != Some(Elem::Bool);
        if value.secret() || !number {
            return secret_tensor(value);
        }
        let ty = crate::lower::control::runtime_type(elem, true, self.frac(), shape_of(&value));
        let id = self.coerce(&value, elem, &ty);
        secret_tensor(self.tensor(id, elem, Some(span)))
    }

    /// The fraction bits of what `reinterpreted` gives: for `fix` those asked for.
    fn fraction(&mut self, args: &Args, to: Elem) -> Option<u32> {
        let ring = self.options.settings.ring;
        match to {
            Elem::Fix if args.slots.len() > 1 && args.given(1) => {
                let frac = self.size(args, 1)?;
                let fits = u32::try_from(frac).ok().filter(|frac| *frac < ring);
                if fits.is_none() {
                    self.error(Code::T004, args.span(1), format!("{frac} fraction bits"), "not in this ring");
                }
                fits
            }
            Elem::Fix => Some(self.frac()),
            Elem::Int | Elem::Bool => Some(0),
        }
    }

    /// The first argument is not what the function is for.
    fn not_for(&mut self, args: &Args, needed: &str) -> Value {
        let value = args.value(0);
        let text = format!("{} of {}", args.name(), value.describe());
        let mut error = Diagnostic::error(Code::T003, text).at(args.span(0), needed);
        if matches!(value, Value::Const(_) | Value::Tensor(_)) && !value.secret() {
            error = error.help("secret(…)  around the constant or public number makes it one");
        }
        self.report(error);
        Value::Error
    }

    fn assume(&mut self, args: &Args) -> Value {
        let (Value::Const(low), Value::Const(high)) = (args.value(1), args.value(2)) else {
            return self.error(Code::T004, args.span, "the bounds of assume are constants", "");
        };
        match (args.value(0), low.number(), high.number()) {
            (Value::Tensor(t), Some(low), Some(high)) if t.secret() && t.elem != Elem::Bool => {
                let id = self.builder.one(Op::Assume { low: low.clone(), high: high.clone() }, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            (other, _, _) => other,
        }
    }

    fn batches(&mut self, args: &Args) -> Value {
        let (Some(rows), Some(size)) = (self.size(args, 0), self.size(args, 1)) else { return Value::Error };
        let drawn = rows.checked_next_multiple_of(size.max(1));
        if rows == 0 || size == 0 || u32::try_from(rows).is_err() || drawn.is_none_or(|n| n > MAX_ELEMENTS) {
            return self.error(
                Code::T004,
                args.span,
                format!("batches of {size} out of {rows} rows"),
                format!("both are from 1 to {}", u32::MAX),
            );
        }
        Value::Batches { rows, size }
    }

    fn gradient(&mut self, args: &Args) -> Value {
        let loss = match args.value(0) {
            Value::Tensor(t) if t.secret() && t.elem == Elem::Fix && t.ty.len() == 1 => t,
            other => {
                let found = other.describe();
                let mut error = Diagnostic::error(Code::G003, "a derivative is of one secret number")
                    .at(args.span(0), found);
                if secret_fix(&other).is_some() {
                    error = error.help(format!("sum({})", self.sources.text(args.span(0))));
                }
                self.report(error);
                return Value::Error;
            }
        };
        let by = args.value(1);
        let leaves = self.trainable(&by);
        let wrt: Vec<_> = leaves.iter().filter(|l| l.open).filter_map(|l| secret_fix(&l.value)).collect();
        if let Some(leaf) = leaves.iter().find(|l| l.open && fixed(&l.value)) {
            return self.constant_by(leaf, &by, &leaves, args);
        }
        if wrt.is_empty() {
            let found = by.describe();
            return self.error(Code::G003, args.span(1), "there is nothing to differentiate by", found);
        }
        let loss = if loss.ty.shape.is_empty() {
            loss.id
        } else {
            self.builder.one(Op::Reshape(Vec::new()), &[loss.id])
        };
        let operands = [&[loss], wrt.as_slice()].concat();
        let origin = self.at(args.span(1));
        let results = self
            .builder
            .push(Op::Grad, &operands)
            .unwrap_or_else(|e| unreachable!("operands are values: {e}"));
        self.builder.origin = origin;
        let mut results = results.into_iter();
        let derivatives: Vec<Value> = leaves
            .iter()
            .map(|leaf| match (secret_fix(&leaf.value).filter(|_| leaf.open), &leaf.value) {
                (Some(_), _) => match results.next() {
                    Some(id) => self.tensor(id, Elem::Fix, Some(args.span)),
                    None => Value::Error,
                },
                (None, Value::Const(k)) => {
                    Value::Const(Konst::splat(k.elem, k.shape.clone(), BigRational::zero()))
                }
                (None, Value::Tensor(t)) => {
                    Value::Const(Konst::splat(t.elem, t.ty.shape.clone(), BigRational::zero()))
                }
                (None, other) => other.clone(),
            })
            .collect();
        by.with_leaves(&mut derivatives.into_iter())
    }

    fn parameters(&mut self, args: &Args) -> Value {
        let open = self.trainable(&args.value(0)).into_iter().filter(|leaf| leaf.open);
        Value::tuple(open.map(|leaf| leaf.value).collect())
    }

    /// The loss was computed from the constant, so the derivative by it is lost. In a run-time loop it may be one in the first iteration only: a
    /// variable that a step makes secret. Then the loop is lowered again, and what stands for the derivative until then makes it so.
    fn constant_by(&mut self, leaf: &Trainable, by: &Value, leaves: &[Trainable], args: &Args) -> Value {
        let message = self.no_derivative_by(leaf, args.span(1));
        if self.loops.is_empty() {
            self.report(message);
            return Value::Error;
        }
        self.doubtful.push(message);
        let until_then: Vec<Value> = leaves
            .iter()
            .map(|leaf| {
                let zero = Value::Const(Konst::splat(Elem::Fix, shape_of(&leaf.value), BigRational::zero()));
                if leaf.open { self.secret(zero, args.span) } else { zero }
            })
            .collect();
        by.with_leaves(&mut until_then.into_iter())
    }

    fn no_derivative_by(&mut self, leaf: &Trainable, span: Span) -> Diagnostic {
        let stage = if matches!(leaf.value, Value::Const(_)) { "a constant" } else { "public" };
        let text = self.sources.text(span).to_string();
        let (name, help) = match leaf.name.split_once(' ') {
            None if leaf.name.is_empty() => {
                (text.clone(), "secret(…) around it, before the loss is computed".into())
            }
            None => {
                let field = format!("{text}.{}", leaf.name);
                let help = format!("before the loss is computed:  {field} = secret({field})");
                (field, help)
            }
            Some(_) => (
                format!("{} of {text}", leaf.name),
                "secret(…) around it, before the loss is computed".into(),
            ),
        };
        let found = leaf.value.describe();
        Diagnostic::error(Code::G003, format!("{name} is {stage}: there is no derivative by it"))
            .at(span, found)
            .help(help)
    }
}

/// Whether a number is none of the secret ones, which the loss is computed from as it was.
fn fixed(value: &Value) -> bool {
    matches!(value, Value::Const(_) | Value::Tensor(_)) && !value.secret() && elem_of(value) != Elem::Bool
}

/// A secret tensor.
fn secret_tensor(value: Value) -> Option<Tensor> {
    match value {
        Value::Tensor(t) if t.secret() => Some(t),
        _ => None,
    }
}
