//! The typing rules: result types from an operation and its operands.

use tern_bytecode::Kind;
use tern_bytecode::instr::Axes;
use tern_bytecode::model::Forms;

use super::op::Op;
use super::types::{Const, ConstData, Type};
use super::{Block, Program, ValueId};

/// A rule that an instruction breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TypeError(pub String);

macro_rules! ensure {
    ($cond:expr, $($text:tt)*) => {
        if !$cond {
            return Err(TypeError(format!($($text)*)));
        }
    };
}

type Inferred = Result<Vec<Type>, TypeError>;

/// The result types of an instruction, or the rule that it breaks. The types of operands must be
/// [bounded](Type::is_bounded); those of results are.
pub fn infer(program: &Program, op: &Op, args: &[ValueId], regions: &[Block]) -> Inferred {
    let in_regions = regions.iter().flat_map(|r| r.params.iter().chain(&r.yields));
    for value in args.iter().chain(in_regions) {
        ensure!((value.0 as usize) < program.values.len(), "operand %{} is not there", value.0);
    }
    let types = rules(program, op, args, regions)?;
    match types.iter().find(|ty| !ty.is_bounded()) {
        None => Ok(types),
        Some(_) => Err(TypeError(format!("{op:?} has a result beyond all bounds"))),
    }
}

fn rules(program: &Program, op: &Op, args: &[ValueId], regions: &[Block]) -> Inferred {
    let types: Vec<&Type> = args.iter().map(|a| program.ty(*a)).collect();
    match op {
        Op::For { .. } | Op::If | Op::Custom { .. } => return control(program, op, &types, regions),
        _ => ensure!(regions.is_empty(), "an instruction without regions has {}", regions.len()),
    }
    let opened = program.opens();
    match (op, types.as_slice()) {
        (Op::Const(c), []) => constant(c),
        (Op::Input(i), []) => {
            let input = program.inputs.get(*i as usize);
            input
                .map(|d| vec![Type::shared(d.frac, d.shape.clone())])
                .ok_or_else(|| TypeError(format!("no input {i}")))
        }
        (Op::Iota { len, .. }, []) => Ok(vec![Type::int([*len])]),
        (Op::Shuffle { n, len }, []) => {
            ensure!(*n > 0 && *len >= *n as usize, "a shuffle of {n} rows into {len}");
            Ok(vec![Type::int([*len])])
        }
        (Op::PublicUniform(shape), []) => Ok(vec![Type::real(shape.clone())]),
        (Op::RandomBits(shape), []) => Ok(vec![Type::bit(shape.clone())]),
        (Op::Grad, [_, wrt @ ..]) => Ok(wrt.iter().map(|t| (*t).clone()).collect()),
        (Op::Metric(_), [x]) => {
            ensure!(!x.is_secret(), "a metric of {x}");
            Ok(vec![])
        }
        (Op::Output(i), [x]) => {
            ensure!((*i as usize) < program.outputs.len(), "no output {i}");
            ensure!(told(x.kind, opened), "an output of {x}");
            Ok(vec![])
        }
        (Op::Debug(_), [_]) => Ok(vec![]),
        (_, []) => Err(TypeError(format!("{op:?} needs operands"))),
        (_, operands) => public(op, operands)
            .or_else(|| ring(op, operands, program.explicit_forms, opened))
            .or_else(|| bits(op, operands, opened))
            .or_else(|| moves(op, operands))
            .unwrap_or_else(|| Err(TypeError(format!("{op:?} does not take {} operands", operands.len())))),
    }
}

/// Whether values of a kind can be told to somebody.
fn told(kind: Kind, opened: bool) -> bool {
    kind == Kind::Shared || opened && kind == Kind::Additive
}

/// The kind in which truncations and words leave values.
fn computed(opened: bool) -> Kind {
    if opened { Kind::Additive } else { Kind::Shared }
}

impl Program {
    /// Whether forms are explicit, and those of a protocol that opens values under masks.
    pub fn opens(&self) -> bool {
        self.explicit_forms && self.settings.protocol.model().forms == Forms::Opened
    }
}

fn constant(c: &Const) -> Inferred {
    ensure!(matches!(c.ty.kind, Kind::Plain | Kind::Real | Kind::Int), "a constant {}", c.ty);
    if let ConstData::Dense(numbers) = &c.data {
        ensure!(c.ty.is_bounded() && numbers.len() == c.ty.len(), "{} numbers for {}", numbers.len(), c.ty);
    }
    Ok(vec![c.ty.clone()])
}

fn one(ty: Type) -> Option<Inferred> {
    Some(Ok(vec![ty]))
}

fn fail(text: String) -> Option<Inferred> {
    Some(Err(TypeError(text)))
}

fn public(op: &Op, types: &[&Type]) -> Option<Inferred> {
    match (op, types) {
        (Op::RealUnary(_), [a]) if a.kind == Kind::Real => one((*a).clone()),
        (Op::RealBinary(_), [a, b]) if a.kind == Kind::Real && a == b => one((*a).clone()),
        (Op::IntBinary(_), [a, b]) if a.kind == Kind::Int && a == b => one((*a).clone()),
        (Op::Compare(_), [a, b]) if matches!(a.kind, Kind::Real | Kind::Int) && a == b => {
            one(Type::int(a.shape.clone()))
        }
        (Op::Choose, [c, a, b]) if c.kind == Kind::Int && c.shape == a.shape && a == b && !a.is_secret() => {
            one((*a).clone())
        }
        (Op::IntToReal, [a]) if a.kind == Kind::Int => one(Type::real(a.shape.clone())),
        (Op::RealToInt, [a]) if a.kind == Kind::Real => one(Type::int(a.shape.clone())),
        (Op::Encode { frac }, [a]) if matches!(a.kind, Kind::Real | Kind::Int) => {
            one(Type::plain(*frac, a.shape.clone()))
        }
        (Op::Decode, [a]) if a.kind == Kind::Plain => one(Type::real(a.shape.clone())),
        (Op::DecodeInt, [a]) if a.kind == Kind::Plain && a.frac == 0 => one(Type::int(a.shape.clone())),
        (
            Op::RealUnary(_)
            | Op::RealBinary(_)
            | Op::IntBinary(_)
            | Op::Compare(_)
            | Op::Choose
            | Op::IntToReal
            | Op::RealToInt
            | Op::Encode { .. }
            | Op::Decode
            | Op::DecodeInt,
            _,
        ) => fail(format!("{op:?} of {}", list(types))),
        _ => None,
    }
}

/// The kind of a sum or product: the form that is the furthest from public.
fn join(a: Kind, b: Kind) -> Option<Kind> {
    match (a, b) {
        (Kind::Plain, other) | (other, Kind::Plain) => Some(other),
        (Kind::Shared, Kind::Shared) => Some(Kind::Shared),
        (Kind::Additive, Kind::Shared | Kind::Additive) | (Kind::Shared, Kind::Additive) => {
            Some(Kind::Additive)
        }
        _ => None,
    }
    .filter(|k| matches!(k, Kind::Plain | Kind::Shared | Kind::Additive))
}

fn ring(op: &Op, types: &[&Type], explicit: bool, opened: bool) -> Option<Inferred> {
    match (op, types) {
        (Op::Add | Op::Sub, [a, b])
            if a.shape == b.shape && a.frac == b.frac && join(a.kind, b.kind).is_some() =>
        {
            one(Type::new(join(a.kind, b.kind)?, a.frac, a.shape.clone()))
        }
        (Op::Neg, [a]) if a.is_ring() => one((*a).clone()),
        (Op::Mul, [a, b]) if a.shape == b.shape && product_kind(a.kind, b.kind, explicit).is_some() => {
            one(Type::new(product_kind(a.kind, b.kind, explicit)?, a.frac + b.frac, a.shape.clone()))
        }
        (Op::Contract(axes), [a, b]) if product_kind(a.kind, b.kind, explicit).is_some() => {
            Some(contract(a, b, *axes, explicit))
        }
        (Op::Sum { axes }, [a])
            if !matches!(a.kind, Kind::Bit | Kind::Half) && axes >> a.shape.len().min(31) == 0 =>
        {
            let left = a.shape.iter().enumerate().filter(|(i, _)| axes >> i & 1 == 0).map(|(_, s)| *s);
            one(a.with_shape(left.collect::<Vec<_>>()))
        }
        (Op::Trunc { bits }, [a])
            if a.is_ring() && *bits <= a.frac && !(opened && a.kind == Kind::Additive) =>
        {
            // The result of a truncation is replicated, whatever form the operand has; or additive, of an opened one.
            let kind = if a.kind == Kind::Plain { Kind::Plain } else { computed(opened) };
            one(Type::new(kind, a.frac - bits, a.shape.clone()))
        }
        (Op::Raise { bits }, [a]) if a.is_ring() => {
            one(Type::new(a.kind, a.frac.saturating_add(*bits), a.shape.clone()))
        }
        (Op::Rescale { frac }, [a]) if a.is_ring() => one(Type::new(a.kind, *frac, a.shape.clone())),
        (Op::Assume { .. }, [a]) if a.is_ring() => one((*a).clone()),
        (Op::Promote, [a]) if a.kind == Kind::Plain => one(Type::shared(a.frac, a.shape.clone())),
        (Op::Widen, [a]) if a.kind == Kind::Shared => one(Type::new(Kind::Additive, a.frac, a.shape.clone())),
        (Op::Reshare, [a]) if a.kind == Kind::Additive => one(Type::shared(a.frac, a.shape.clone())),
        (Op::Reveal, [a]) if told(a.kind, opened) => one(Type::plain(a.frac, a.shape.clone())),
        (
            Op::Add
            | Op::Sub
            | Op::Neg
            | Op::Mul
            | Op::Contract(_)
            | Op::Sum { .. }
            | Op::Trunc { .. }
            | Op::Raise { .. }
            | Op::Rescale { .. }
            | Op::Assume { .. }
            | Op::Promote
            | Op::Widen
            | Op::Reshare
            | Op::Reveal,
            _,
        ) => fail(format!("{op:?} of {}", list(types))),
        _ => None,
    }
}

/// Kinds that may be multiplied. A product with an additive operand needs a public factor.
fn product_kind(a: Kind, b: Kind, explicit: bool) -> Option<Kind> {
    match (a, b) {
        (Kind::Shared, Kind::Shared) if explicit => Some(Kind::Additive),
        (Kind::Additive, Kind::Shared | Kind::Additive) | (Kind::Shared, Kind::Additive) => None,
        _ => join(a, b),
    }
}

fn contract(a: &Type, b: &Type, axes: Axes, explicit: bool) -> Inferred {
    let [n, r, i, c] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
    ensure!(a.shape.len() == n + r + i && b.shape.len() == n + i + c, "contraction {axes} of {a} and {b}");
    ensure!(
        a.shape[..n] == b.shape[..n] && a.shape[n + r..] == b.shape[n..n + i],
        "contraction {axes} of {a} and {b}"
    );
    let shape = [&a.shape[..n + r], &b.shape[n + i..]].concat();
    let kind = product_kind(a.kind, b.kind, explicit)
        .ok_or_else(|| TypeError(format!("contraction of {a} and {b}")))?;
    Ok(vec![Type::new(kind, a.frac + b.frac, shape)])
}

fn bits(op: &Op, types: &[&Type], opened: bool) -> Option<Inferred> {
    let bit = |t: &Type| t.kind == Kind::Bit;
    match (op, types) {
        (Op::Sign { .. } | Op::SignTested { .. }, [a]) if a.kind == Kind::Shared => {
            one(Type::bit(a.shape.clone()))
        }
        (Op::Bits { low, high }, [a]) if a.kind == Kind::Shared && low < high => {
            one(Type::bit([&[(high - low) as usize], a.shape.as_slice()].concat()))
        }
        (Op::Word { .. }, [a]) if bit(a) && !a.shape.is_empty() => {
            one(Type::new(computed(opened), 0, &a.shape[1..]))
        }
        (Op::And | Op::Xor, [a, b]) if bit(a) && a == b => one((*a).clone()),
        (Op::Not, [a]) if bit(a) => one((*a).clone()),
        (Op::AndPublic, [a, b]) if bit(a) && b.kind == Kind::Int && a.shape == b.shape => one((*a).clone()),
        (Op::PromoteBits, [a]) if a.kind == Kind::Int => one(Type::bit(a.shape.clone())),
        (Op::RevealBits, [a]) if bit(a) => one(Type::int(a.shape.clone())),
        (Op::Select { keep, additive }, [c, x]) if bit(c) && x.kind == Kind::Shared && c.shape == x.shape => {
            let half = keep.then(|| Type::new(Kind::Half, 0, x.shape.clone()));
            Some(Ok(std::iter::once(selected(x, *additive || opened)).chain(half).collect()))
        }
        (Op::SelectAgain { additive, bits }, [h, c, x])
            if h.kind == Kind::Half
                && bit(c)
                && (x.kind == Kind::Shared || x.kind == Kind::Additive && *bits > 0)
                && (*bits == 0 || *bits < x.frac)
                && h.shape == x.shape
                && c.shape == x.shape =>
        {
            let mut ty = selected(x, *additive || opened);
            ty.frac -= bits;
            one(ty)
        }
        (
            Op::Sign { .. }
            | Op::SignTested { .. }
            | Op::Bits { .. }
            | Op::Word { .. }
            | Op::And
            | Op::Xor
            | Op::Not
            | Op::AndPublic
            | Op::PromoteBits
            | Op::RevealBits
            | Op::Select { .. }
            | Op::SelectAgain { .. },
            _,
        ) => fail(format!("{op:?} of {}", list(types))),
        _ => None,
    }
}

fn selected(x: &Type, additive: bool) -> Type {
    Type::new(if additive { Kind::Additive } else { Kind::Shared }, x.frac, x.shape.clone())
}

fn moves(op: &Op, types: &[&Type]) -> Option<Inferred> {
    match (op, types) {
        (Op::Reshape(shape), [a]) => Some(reshape(a, shape)),
        (Op::Permute(perm), [a]) => Some(permute(a, perm)),
        (Op::Slice { start, step, shape }, [a]) => Some(slice(a, start, step, shape)),
        (Op::Pad { low, high, interior }, [a]) => Some(pad(a, low, high, interior)),
        (Op::Reverse { axes }, [a]) if axes >> a.shape.len().min(31) == 0 => one((*a).clone()),
        (Op::Concat { axis }, all) => Some(concat(all, *axis)),
        (Op::Broadcast(shape), [a]) => {
            let fits =
                a.shape.len() == shape.len() && a.shape.iter().zip(shape).all(|(x, y)| x == y || *x == 1);
            if fits {
                one(a.with_shape(shape.clone()))
            } else {
                fail(format!("broadcast of {a} to {shape:?}"))
            }
        }
        (Op::Windows { first, sizes, strides }, [a]) => {
            Some(windows(&a.shape, *first, sizes, strides).map(|s| vec![a.with_shape(s)]))
        }
        (Op::Overlay { first, sizes, strides, shape }, [a]) => {
            Some(windows(shape, *first, sizes, strides).and_then(|s| {
                ensure!(s == a.shape, "overlay of {a}, expected windows {s:?}");
                Ok(vec![a.with_shape(shape.clone())])
            }))
        }
        (Op::Gather, [a, i]) if rows_fit(a, i) => {
            let mut shape = a.shape.clone();
            shape[0] = i.shape[0];
            one(a.with_shape(shape))
        }
        (Op::Scatter, [a, b, i]) if rows_fit(b, i) && b.shape[0] == i.shape[0] && !a.shape.is_empty() => {
            let fits = a.kind == b.kind && a.frac == b.frac && a.shape[1..] == b.shape[1..];
            if fits { one((*a).clone()) } else { fail(format!("scatter of {b} into {a}")) }
        }
        _ => None,
    }
}

fn rows_fit(a: &Type, index: &Type) -> bool {
    !a.shape.is_empty() && index.kind == Kind::Int && index.shape.len() == 1
}

fn reshape(a: &Type, shape: &[usize]) -> Inferred {
    let result = a.with_shape(shape);
    ensure!(result.is_bounded() && a.len() == result.len(), "reshape of {a} to {shape:?}");
    Ok(vec![result])
}

fn permute(a: &Type, perm: &[usize]) -> Inferred {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    ensure!(sorted.iter().copied().eq(0..a.shape.len()), "permutation {perm:?} of {a}");
    Ok(vec![a.with_shape(perm.iter().map(|i| a.shape[*i]).collect::<Vec<_>>())])
}

fn slice(a: &Type, start: &[usize], step: &[usize], shape: &[usize]) -> Inferred {
    let rank = a.shape.len();
    ensure!(
        start.len() == rank && step.len() == rank && shape.len() == rank,
        "slice of {a} with other ranks"
    );
    for i in 0..rank {
        let inside = shape[i] == 0 && start[i] <= a.shape[i]
            || shape[i] > 0 && start[i].saturating_add((shape[i] - 1).saturating_mul(step[i])) < a.shape[i];
        ensure!(step[i] >= 1 && inside, "slice {start:?} by {step:?} to {shape:?} of {a}");
    }
    Ok(vec![a.with_shape(shape)])
}

fn pad(a: &Type, low: &[usize], high: &[usize], interior: &[usize]) -> Inferred {
    let rank = a.shape.len();
    ensure!(
        low.len() == rank && high.len() == rank && interior.len() == rank,
        "padding of {a} with other ranks"
    );
    let size = |i: usize| {
        let between = a.shape[i].saturating_sub(1).saturating_mul(interior[i]);
        low[i].saturating_add(high[i]).saturating_add(a.shape[i]).saturating_add(between)
    };
    Ok(vec![a.with_shape((0..rank).map(size).collect::<Vec<_>>())])
}

fn concat(all: &[&Type], axis: usize) -> Inferred {
    let first = all[0];
    ensure!(axis < first.shape.len(), "concatenation of {first} along axis {axis}");
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for t in all {
        let mut other = t.shape.clone();
        ensure!(other.len() == shape.len(), "concatenation of {}", list(all));
        let size = std::mem::replace(&mut other[axis], shape[axis]);
        ensure!(
            other == shape && t.kind == first.kind && t.frac == first.frac,
            "concatenation of {}",
            list(all)
        );
        shape[axis] += size;
    }
    Ok(vec![first.with_shape(shape)])
}

fn windows(
    shape: &[usize],
    first: usize,
    sizes: &[usize],
    strides: &[usize],
) -> Result<Vec<usize>, TypeError> {
    ensure!(
        first.saturating_add(sizes.len()) <= shape.len() && sizes.len() == strides.len(),
        "windows {sizes:?} by {strides:?} on {shape:?}"
    );
    let mut result = shape.to_vec();
    for (i, (size, stride)) in sizes.iter().zip(strides).enumerate() {
        let axis = &mut result[first + i];
        ensure!(*size >= 1 && size <= axis && *stride >= 1, "windows {sizes:?} by {strides:?} on {shape:?}");
        *axis = (*axis - size) / stride + 1;
    }
    result.extend(sizes);
    Ok(result)
}

fn control(program: &Program, op: &Op, types: &[&Type], regions: &[Block]) -> Inferred {
    let of = |values: &[ValueId]| -> Vec<Type> { values.iter().map(|v| program.ty(*v).clone()).collect() };
    match (op, regions) {
        (Op::For { breaks, .. }, [body]) => {
            let carried: Vec<Type> = types.iter().map(|t| (*t).clone()).collect();
            let params = of(&body.params);
            ensure!(
                params.first() == Some(&Type::int([])) && params[1..] == carried[..],
                "a loop whose parameters are not its carried values"
            );
            let mut yields = of(&body.yields);
            if *breaks {
                ensure!(yields.pop() == Some(Type::int([])), "a loop without its break flag");
            }
            ensure!(
                yields == carried,
                "a loop that carries {} and yields {}",
                owned(&carried),
                owned(&yields)
            );
            Ok(carried)
        }
        (Op::If, [then, otherwise]) => {
            ensure!(types.len() == 1 && *types[0] == Type::int([]), "a branch on {}", list(types));
            ensure!(then.params.is_empty() && otherwise.params.is_empty(), "a branch with parameters");
            let (a, b) = (of(&then.yields), of(&otherwise.yields));
            ensure!(a == b, "a branch that yields {} or {}", owned(&a), owned(&b));
            Ok(a)
        }
        (Op::Custom { values, wants }, [rule]) => {
            ensure!(
                types.len().checked_sub(*values) == Some(wants.len()),
                "a rule for {} operands",
                types.len()
            );
            ensure!(
                rule.params.len() == *values,
                "a rule with {} parameters for {values} values",
                rule.params.len()
            );
            let wanted = wants.iter().filter(|w| **w).count();
            ensure!(
                rule.yields.len() == wanted,
                "a rule that yields {} of {wanted} derivatives",
                rule.yields.len()
            );
            Ok(types[..*values].iter().map(|t| (*t).clone()).collect())
        }
        _ => Err(TypeError(format!("{op:?} with {} regions", regions.len()))),
    }
}

fn list(types: &[&Type]) -> String {
    types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" and ")
}

fn owned(types: &[Type]) -> String {
    list(&types.iter().collect::<Vec<_>>())
}
