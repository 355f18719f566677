//! Random programs.
//!
//! They obey the rules of the verifier, use every operation, and compute exactly in double precision: for every value the generator knows how
//! large it can get and how many fraction bits its elements have, and makes nothing that needs more than 50 bits or loses some in a
//! truncation; in a ring of 256 bits they compute the same. Functions like the
//! sine are not exact; their results are moved, compared and shown, but not computed with.

use std::collections::{BTreeMap, HashMap};

use num_rational::BigRational;
use tern_bytecode::Kind;
use tern_bytecode::instr::{Axes, Comparison, IntBinary, RealBinary, RealUnary};
use tern_compiler::diagnostics::{FileId, Span};
use tern_compiler::ir::infer::infer;
use tern_compiler::ir::interpret::{Setting, Tensor};
use tern_compiler::ir::{
    Builder, Const, Element, Input, Op, Optimise, Origin, Output, Place, Preparation, Program, Protocol,
    Rounding, Settings, Type, ValueId,
};

/// A small generator of random numbers: SplitMix64.
pub struct Random(u64);

impl Random {
    /// The numbers that belong to the seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in 0..bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// How large the elements of a value get (|x| <= 2^size) and how fine they are (multiples of 2^-fine).
#[derive(Clone, Copy, Debug)]
struct Bound {
    size: i32,
    fine: i32,
}

impl Bound {
    fn exact(self) -> bool {
        self.size + self.fine <= 50 && self.size <= 40 && self.fine <= 40
    }

    fn join(self, other: Bound) -> Bound {
        Bound { size: self.size.max(other.size), fine: self.fine.max(other.fine) }
    }
}

/// Of values that are not computed with.
const INEXACT: Bound = Bound { size: 1000, fine: 1000 };
/// Of values that a loop carries.
const CARRIED: Bound = Bound { size: 12, fine: 8 };
/// Fraction bits of `fix`.
const FRAC: u32 = 16;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flavour {
    /// Every operation but `Grad`.
    Any,
    /// Shared values in one block, which are smooth functions of each other near the inputs that tests use. Bits come from comparisons that
    /// are never close to a tie. Rules for derivatives are right. Nothing is written out.
    Smooth,
}

/// A program of about `size` instructions, the same for the same seed.
pub fn generate(seed: u64, size: usize, flavour: Flavour) -> Program {
    let optimise = if seed.is_multiple_of(2) { Optimise::Balanced } else { Optimise::Rounds };
    let settings = Settings {
        protocol: Protocol::Rep3,
        ring: 64,
        frac: FRAC,
        total: 32,
        rounding: Rounding::Nearest,
        optimise,
    };
    let mut program = Program::new("random", settings);
    program.args.push(("SEED".into(), seed.to_string()));
    let origin = Origin { user: Span::new(FileId(0), 0, 0), inner: Span::new(FileId(0), 0, 0) };
    let mut generator = Generator {
        random: Random::new(seed),
        builder: Builder::new(program, origin),
        bounds: HashMap::new(),
        scope: Vec::new(),
    };
    generator.input();
    match flavour {
        Flavour::Any => {
            generator.insts(size);
            generator.outputs();
        }
        Flavour::Smooth => generator.smooth(size),
    }
    generator.builder.finish()
}

struct Generator {
    random: Random,
    builder: Builder,
    bounds: HashMap<ValueId, Bound>,
    /// What can be used, in order of definition.
    scope: Vec<ValueId>,
}

impl Generator {
    fn ty(&self, value: ValueId) -> Type {
        self.builder.ty(value).clone()
    }

    fn bound(&self, value: ValueId) -> Bound {
        self.bounds[&value]
    }

    /// Appends an instruction whose results all have this bound.
    fn push(&mut self, op: Op, args: &[ValueId], bound: Bound) -> Option<ValueId> {
        let at = self.builder.origin.user.start + 1;
        let place = Span::new(FileId(0), at, at);
        self.builder.origin = Origin { user: place, inner: place };
        let types = infer(&self.builder.program, &op, args, &[]).ok()?;
        types.iter().all(|ty| ty.len() <= 600).then_some(())?;
        let results = self.builder.push(op, args).ok()?;
        for result in &results {
            self.bounds.insert(*result, bound);
            self.scope.push(*result);
        }
        results.first().copied()
    }

    /// A value in scope that fits; the later, the likelier.
    fn find(&mut self, fits: impl Fn(&Type, Bound) -> bool) -> Option<ValueId> {
        let ok = |v: &&ValueId| fits(self.builder.ty(**v), self.bounds[*v]);
        let found: Vec<ValueId> = self.scope.iter().filter(ok).copied().collect();
        let i = self.random.below(found.len()).max(self.random.below(found.len()));
        found.get(i).copied()
    }

    fn ring(&mut self) -> Option<ValueId> {
        self.find(|t, b| t.is_ring() && b.exact())
    }

    fn shared(&mut self) -> Option<ValueId> {
        self.find(|t, b| t.kind == Kind::Shared && b.exact())
    }

    fn shape(&mut self) -> Vec<usize> {
        let all: [&[usize]; 12] = [
            &[],
            &[1],
            &[2],
            &[3],
            &[2, 3],
            &[3, 2],
            &[1, 3],
            &[2, 1, 2],
            &[0],
            &[2, 2, 2],
            &[1, 2, 4, 4],
            &[5],
        ];
        self.random.pick(&all).to_vec()
    }

    /// A constant; of ring elements, with few fraction bits.
    fn constant(&mut self, ty: Type) -> Option<ValueId> {
        let fine = if ty.kind == Kind::Int { 0 } else { self.random.below(4).min(ty.frac as usize) as i64 };
        let fine = if ty.kind == Kind::Real { self.random.between(0, 3) } else { fine };
        let mut number = || {
            let n = self.random.pick(&[0, 1, 1 << fine, -(1 << fine), 2, 5, -7, 13]);
            BigRational::new(n.into(), (1i64 << fine).into())
        };
        let data =
            if (1..9).contains(&ty.len()) { (0..ty.len()).map(|_| number()).collect() } else { vec![] };
        let splat = number();
        let constant = if data.is_empty() || self.random.chance(60) {
            Const::splat(ty, splat)
        } else {
            Const::dense(ty, data)
        };
        self.push(Op::Const(constant), &[], Bound { size: 4, fine: fine as i32 })
    }

    /// A value of this type (of ring elements, perhaps plain) to combine with another.
    fn partner(&mut self, ty: &Type) -> Option<ValueId> {
        let fits = |t: &Type, b: Bound| {
            (t == ty || t.is_ring() && ty.is_ring() && t.frac == ty.frac && t.shape == ty.shape) && b.exact()
        };
        match self.find(fits) {
            Some(found) if self.random.chance(80) => Some(found),
            _ if ty.kind == Kind::Bit => {
                self.push(Op::RandomBits(ty.shape.clone()), &[], Bound { size: 0, fine: 0 })
            }
            _ if ty.is_ring() => self.constant(Type::plain(ty.frac, ty.shape.clone())),
            _ => self.constant(ty.clone()),
        }
    }

    fn insts(&mut self, count: usize) {
        for _ in 0..count {
            // Where nothing fits, nothing is appended.
            let _ = match self.random.below(100) {
                0..10 => self.leaf(),
                10..35 => self.arithmetic(false),
                35..47 => self.bits(),
                47..72 => self.moves(),
                72..84 => self.public(),
                84..90 => self.effect(),
                90..94 => self.for_(),
                94..97 => self.if_(),
                _ => self.custom(),
            };
        }
    }

    fn smooth(&mut self, count: usize) {
        for _ in 0..count {
            let _ = match self.random.below(20) {
                0 => self.input(),
                1..9 => self.arithmetic(true),
                9..12 => self.smooth_select(),
                12 => self.smooth_custom(),
                _ => self.moves(),
            };
        }
    }

    /// Some value where a sum with a number that no value has is not negative, else 0.
    fn smooth_select(&mut self) -> Option<ValueId> {
        let (a, zero) = (self.shared()?, Bound { size: 0, fine: 0 });
        let ty = self.ty(a);
        let offset =
            Const::splat(Type::plain(ty.frac, ty.shape.clone()), BigRational::new(3671.into(), 10007.into()));
        let offset = self.push(Op::Const(offset), &[], INEXACT)?;
        let sum = self.push(Op::Add, &[a, offset], INEXACT)?;
        let bit = self.push(Op::Sign { width: 0 }, &[sum], zero)?;
        self.scope.retain(|value| *value != sum && *value != offset && *value != bit);
        let x = self.find(|t, b| t.kind == Kind::Shared && t.shape == ty.shape && b.exact())?;
        let y = self.find(|t, b| t.kind == Kind::Shared && t.shape == ty.shape && b.exact())?;
        self.push(Op::Select { keep: true, additive: false }, &[bit, x], self.bound(x))?;
        let half = self.scope.pop()?;
        self.push(Op::SelectAgain { additive: false, bits: 0 }, &[half, bit, y], self.bound(y))
    }

    /// A product and a sum of two values, with their rules.
    fn smooth_custom(&mut self) -> Option<ValueId> {
        let x = self.find(|t, b| t.kind == Kind::Shared && t.frac == FRAC && b.exact())?;
        let (ty, bound) = (self.ty(x), self.bound(x));
        let y = self.find(|t, b| *t == ty && b.exact())?;
        let other = self.bound(y);
        let sizes = Bound { size: bound.size + other.size + 1, fine: bound.fine.max(0) + other.fine.max(0) };
        sizes.exact().then_some(())?;
        let product = self.push(Op::Mul, &[x, y], sizes)?;
        let sum = self.push(Op::Add, &[x, y], sizes)?;
        let d = [(ty.clone(), INEXACT), (Type::shared(20, ty.shape.clone()), INEXACT)];
        let rule = self.region(&d, |this, d| {
            let mut yields = Vec::new();
            for factor in [y, x] {
                let product = this.push(Op::Mul, &[d[0], factor], INEXACT)?;
                let second = this.push(Op::Raise { bits: 2 * FRAC - 20 }, &[d[1]], INEXACT)?;
                yields.push(this.push(Op::Add, &[product, second], INEXACT)?);
            }
            Some(yields)
        })?;
        let op = Op::Custom { values: 2, wants: vec![true, true] };
        self.push_with(op, &[product, sum, x, y], vec![rule], sizes)
    }

    fn input(&mut self) -> Option<ValueId> {
        let shape = self.shape();
        let program = &mut self.builder.program;
        let index = program.inputs.len() as u32;
        program.inputs.push(Input {
            name: format!("x{index}"),
            field: String::new(),
            from: if index.is_multiple_of(2) { Place::Party(1) } else { Place::Shares },
            element: Element::Fix,
            shape,
            frac: FRAC,
            prepare: Preparation::default(),
        });
        self.push(Op::Input(index), &[], Bound { size: 4, fine: 3 })
    }

    fn leaf(&mut self) -> Option<ValueId> {
        let shape = self.shape();
        let small = Bound { size: 4, fine: 0 };
        match self.random.below(7) {
            0 => self.input(),
            1 => self.constant(Type::int(shape)),
            2 => self.constant(Type::real(shape)),
            3 => self.constant(Type::plain(FRAC, shape)),
            4 => {
                let len = self.random.below(5);
                let (start, step) = (self.random.between(-3, 3), self.random.between(-3, 3));
                self.push(Op::Iota { start, step, len }, &[], small)
            }
            5 => {
                let n = 1 + self.random.below(4);
                let len = n + self.random.below(3);
                self.push(Op::Shuffle { n: n as u32, len }, &[], small)
            }
            _ => {
                let uniform = Bound { size: 0, fine: 32 };
                let (op, bound) = if self.random.chance(50) {
                    (Op::PublicUniform(shape), uniform)
                } else {
                    (Op::RandomBits(shape), Bound { size: 0, fine: 0 })
                };
                self.push(op, &[], bound)
            }
        }
    }

    /// With `smooth`, nothing is published.
    fn arithmetic(&mut self, smooth: bool) -> Option<ValueId> {
        let a = self.ring()?;
        let (ty, bound) = (self.ty(a), self.bound(a));
        match self.random.below(12) {
            0..3 => {
                let b = self.partner(&ty)?;
                let mut both = bound.join(self.bound(b));
                both.size += 1;
                let op = self.random.pick(&[Op::Add, Op::Sub]);
                both.exact().then_some(())?;
                self.push(op, &[a, b], both)
            }
            3 => self.push(Op::Neg, &[a], bound),
            4 | 5 => self.product(a),
            6 => {
                let axes = self.random.below(1 << ty.shape.len()) as u32;
                let sum = Bound { size: bound.size + bits_of(ty.len()), ..bound };
                sum.exact().then_some(())?;
                self.push(Op::Sum { axes }, &[a], sum)
            }
            7 => {
                let bits = self.random.below(ty.frac as usize + 1) as u32;
                (bound.fine <= (ty.frac - bits) as i32).then_some(())?;
                self.push(Op::Trunc { bits }, &[a], bound)
            }
            8 => {
                let bits = self.random.below_u32(9);
                (ty.frac + bits <= 128).then_some(())?;
                self.push(Op::Raise { bits }, &[a], bound)
            }
            9 => {
                let frac = (ty.frac + 4).saturating_sub(self.random.below_u32(9));
                let shift = ty.frac as i32 - frac as i32;
                let moved = Bound { size: bound.size + shift, fine: bound.fine - shift };
                moved.exact().then_some(())?;
                self.push(Op::Rescale { frac }, &[a], moved)
            }
            10 => {
                let limit = BigRational::from_integer((1i64 << bound.size.max(0)).into());
                self.push(Op::Assume { low: -limit.clone(), high: limit }, &[a], bound)
            }
            _ if ty.kind == Kind::Plain => self.push(Op::Promote, &[a], bound),
            _ if smooth => self.product(a),
            _ => self.push(Op::Reveal, &[a], bound),
        }
    }

    fn product(&mut self, a: ValueId) -> Option<ValueId> {
        let (ty, bound) = (self.ty(a), self.bound(a));
        if self.random.chance(50) {
            let b = self.partner(&ty)?;
            let other = self.bound(b);
            let bound = Bound { size: bound.size + other.size, fine: bound.fine + other.fine };
            (bound.exact() && self.ty(b).frac + ty.frac <= 64).then_some(())?;
            return self.push(Op::Mul, &[a, b], bound);
        }
        // Contract with whatever has matching axes in front.
        let batch = self.random.below(ty.shape.len() + 1);
        let rows = self.random.below(ty.shape.len() - batch + 1);
        let inner = &ty.shape[batch + rows..];
        let front = [&ty.shape[..batch], inner].concat();
        let b = self
            .find(|t, b| t.is_ring() && b.exact() && t.shape.starts_with(&front) && t.frac + ty.frac <= 64)?;
        let (other, cols) = (self.bound(b), self.ty(b).shape.len() - front.len());
        let size = bound.size + other.size + bits_of(inner.iter().product());
        let bound = Bound { size, fine: bound.fine + other.fine };
        bound.exact().then_some(())?;
        let axes = Axes { batch: batch as u8, rows: rows as u8, inner: inner.len() as u8, cols: cols as u8 };
        self.push(Op::Contract(axes), &[a, b], bound)
    }

    fn bits(&mut self) -> Option<ValueId> {
        let bit = Bound { size: 0, fine: 0 };
        let some_bits = |t: &Type, _: Bound| t.kind == Kind::Bit;
        match self.random.below(11) {
            0 | 1 => {
                let a = self.shared()?;
                self.push(Op::Sign { width: 0 }, &[a], bit)
            }
            2 => {
                let a = self.shared()?;
                let low = self.random.below_u32(30);
                let high = low + 1 + self.random.below_u32(4);
                self.push(Op::Bits { low, high }, &[a], bit)
            }
            3 => {
                let a = self.find(|t, _| t.kind == Kind::Bit && !t.shape.is_empty() && t.shape[0] < 12)?;
                let size = self.ty(a).shape[0] as i32;
                let compact = self.random.chance(50);
                self.push(Op::Word { compact }, &[a], Bound { size, fine: 0 })
            }
            4 => {
                let a = self.find(some_bits)?;
                let b = self.partner(&self.ty(a))?;
                let op = self.random.pick(&[Op::And, Op::Xor]);
                self.push(op, &[a, b], bit)
            }
            5 => {
                let a = self.find(some_bits)?;
                self.push(Op::Not, &[a], bit)
            }
            6 => {
                let a = self.find(some_bits)?;
                let truth = self.truth(&self.ty(a).shape)?;
                self.push(Op::AndPublic, &[a, truth], bit)
            }
            7 => {
                let shape = self.shape();
                let truth = self.truth(&shape)?;
                self.push(Op::PromoteBits, &[truth], bit)
            }
            8 => {
                let a = self.find(some_bits)?;
                self.push(Op::RevealBits, &[a], bit)
            }
            _ => self.select(),
        }
    }

    fn select(&mut self) -> Option<ValueId> {
        let x = self.shared()?;
        let (ty, bound) = (self.ty(x), self.bound(x));
        let c = self.partner(&Type::bit(ty.shape.clone()))?;
        if self.random.chance(60) {
            return self.push(Op::Select { keep: false, additive: false }, &[c, x], bound);
        }
        self.push(Op::Select { keep: true, additive: false }, &[c, x], bound)?;
        let half = *self.scope.last()?;
        let y = self.find(|t, b| t.kind == Kind::Shared && t.shape == ty.shape && b.exact())?;
        self.push(Op::SelectAgain { additive: false, bits: 0 }, &[half, c, y], self.bound(y))
    }

    /// Public zeros and ones.
    fn truth(&mut self, shape: &[usize]) -> Option<ValueId> {
        let a = self.find(|t, b| t.kind == Kind::Int && t.shape == shape && b.exact());
        let a = a.or_else(|| self.constant(Type::int(shape)))?;
        let b = self.constant(Type::int(shape))?;
        let op = self.random.pick(&[Comparison::Lt, Comparison::Le, Comparison::Eq, Comparison::Ne]);
        self.push(Op::Compare(op), &[a, b], Bound { size: 0, fine: 0 })
    }

    fn moves(&mut self) -> Option<ValueId> {
        let a = self.find(|t, _| t.kind != Kind::Half)?;
        let (ty, bound) = (self.ty(a), self.bound(a));
        let rank = ty.shape.len();
        match self.random.below(10) {
            0 => {
                let mut shape = ty.shape.clone();
                shape.insert(self.random.below(rank + 1), 1);
                let flat = self.random.chance(40);
                self.push(Op::Reshape(if flat { vec![ty.len()] } else { shape }), &[a], bound)
            }
            1 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                (1..rank).for_each(|i| perm.swap(i, self.random.below(i + 1)));
                self.push(Op::Permute(perm), &[a], bound)
            }
            2 => {
                let step: Vec<usize> = ty.shape.iter().map(|_| 1 + self.random.below(2)).collect();
                let start: Vec<usize> = ty.shape.iter().map(|n| self.random.below(*n)).collect();
                let most = |i: usize| (ty.shape[i] - start[i]).div_ceil(step[i]);
                let shape = (0..rank).map(|i| self.random.below(most(i) + 1)).collect();
                self.push(Op::Slice { start, step, shape }, &[a], bound)
            }
            3 => {
                let mut some = || ty.shape.iter().map(|_| self.random.below(3)).collect();
                let (low, high, interior): (Vec<usize>, Vec<usize>, Vec<usize>) = (some(), some(), some());
                self.push(Op::Pad { low, high, interior }, &[a], bound)
            }
            4 => {
                let axes = self.random.below_u32(1 << rank);
                self.push(Op::Reverse { axes }, &[a], bound)
            }
            5 => {
                let axis = self.random.below(rank);
                let b = self.find(|t, _| t == &ty)?;
                let both = bound.join(self.bound(b));
                let args = if self.random.chance(30) { vec![a, b, a] } else { vec![a, b] };
                self.push(Op::Concat { axis }, &args, both)
            }
            6 => {
                let shape =
                    ty.shape.iter().map(|n| if *n == 1 { self.random.below(4) } else { *n }).collect();
                self.push(Op::Broadcast(shape), &[a], bound)
            }
            7 | 8 => self.windows(a),
            _ => self.rows(a),
        }
    }

    fn windows(&mut self, a: ValueId) -> Option<ValueId> {
        let (ty, bound) = (self.ty(a), self.bound(a));
        let rank = ty.shape.len();
        let first = self.random.below(rank);
        let count = self.random.below(rank - first + 1);
        (ty.len() < 100 && ty.shape[first..first + count].iter().all(|n| *n > 0)).then_some(())?;
        let sizes: Vec<usize> =
            ty.shape[first..first + count].iter().map(|n| 1 + self.random.below(*n)).collect();
        let strides: Vec<usize> = sizes.iter().map(|_| 1 + self.random.below(2)).collect();
        let windows = Op::Windows { first, sizes: sizes.clone(), strides: strides.clone() };
        let patches = self.push(windows, &[a], bound)?;
        let sum = Bound { size: bound.size + bits_of(sizes.iter().product()), ..bound };
        if self.random.chance(60) || !sum.exact() || !ty.is_ring() {
            return Some(patches);
        }
        self.push(Op::Overlay { first, sizes, strides, shape: ty.shape }, &[patches], sum)
    }

    fn rows(&mut self, a: ValueId) -> Option<ValueId> {
        let (ty, bound) = (self.ty(a), self.bound(a));
        let rows = *ty.shape.first().filter(|n| **n > 0)?;
        let count = self.random.below(4);
        let picks = (0..count).map(|_| BigRational::from_integer(self.random.below(rows).into())).collect();
        let index = Const::dense(Type::int([count]), picks);
        let index = self.push(Op::Const(index), &[], Bound { size: 4, fine: 0 })?;
        let gathered = self.push(Op::Gather, &[a, index], bound)?;
        if self.random.chance(60) {
            return Some(gathered);
        }
        let b = self.find(|t, _| *t == ty)?;
        self.push(Op::Scatter, &[b, gathered, index], bound.join(self.bound(b)))
    }

    fn public(&mut self) -> Option<ValueId> {
        let a = self.find(|t, b| matches!(t.kind, Kind::Real | Kind::Int | Kind::Plain) && b.exact())?;
        let (ty, bound) = (self.ty(a), self.bound(a));
        let whole = Bound { fine: 0, size: bound.size.max(0) + 1 };
        match (ty.kind, self.random.below(5)) {
            (_, 0) => {
                let (b, c) = (self.partner(&ty)?, self.truth(&ty.shape)?);
                self.push(Op::Choose, &[c, a, b], bound.join(self.bound(b)))
            }
            (Kind::Real, 1) => {
                let exact = [RealUnary::Neg, RealUnary::Abs, RealUnary::Floor, RealUnary::Ceil];
                let op = self.random.pick(&exact);
                self.push(Op::RealUnary(op), &[a], Bound { fine: bound.fine, ..whole })
            }
            (Kind::Real, 2) => {
                let ops = [RealUnary::Exp, RealUnary::Sin, RealUnary::Cos, RealUnary::Sqrt, RealUnary::Ln];
                let x =
                    self.push(Op::RealUnary(RealUnary::Abs), &[a], Bound { fine: bound.fine, ..whole })?;
                let op = self.random.pick(&ops);
                self.push(Op::RealUnary(op), &[x], INEXACT)
            }
            (Kind::Real, 3) => self.real_binary(a),
            (Kind::Real, _) => self.push(Op::RealToInt, &[a], whole),
            (Kind::Int, 1 | 2) => self.int_binary(a),
            (Kind::Int, 3) => self.push(Op::IntToReal, &[a], bound),
            (Kind::Int, _) => {
                let frac = self.random.below_u32(17);
                self.push(Op::Encode { frac }, &[a], bound)
            }
            (_, 1) if ty.frac == 0 && bound.fine == 0 => self.push(Op::DecodeInt, &[a], bound),
            _ => {
                let real = self.push(Op::Decode, &[a], bound)?;
                (bound.fine <= 20).then_some(())?;
                let frac = self.random.pick(&[20, 24]);
                self.push(Op::Encode { frac }, &[real], bound)
            }
        }
    }

    fn real_binary(&mut self, a: ValueId) -> Option<ValueId> {
        let b = self.partner(&self.ty(a))?;
        let (x, y) = (self.bound(a), self.bound(b));
        let (op, bound) = match self.random.below(4) {
            0 => (
                self.random.pick(&[RealBinary::Add, RealBinary::Sub]),
                Bound { size: x.size.max(y.size) + 1, ..x.join(y) },
            ),
            1 => (RealBinary::Mul, Bound { size: x.size + y.size, fine: x.fine + y.fine }),
            2 => (self.random.pick(&[RealBinary::Min, RealBinary::Max]), x.join(y)),
            _ => (self.random.pick(&[RealBinary::Div, RealBinary::Pow]), INEXACT),
        };
        self.push(Op::RealBinary(op), &[a, b], if bound.exact() { bound } else { INEXACT })
    }

    fn int_binary(&mut self, a: ValueId) -> Option<ValueId> {
        let ty = self.ty(a);
        let op = self.random.pick(IntBinary::ALL).0;
        let b = if matches!(op, IntBinary::Div | IntBinary::Rem) {
            let number = self.random.pick(&[1, -1, 2, 3, -5]);
            let divisor = Const::splat(ty, BigRational::from_integer(number.into()));
            self.push(Op::Const(divisor), &[], Bound { size: 3, fine: 0 })?
        } else {
            self.partner(&ty)?
        };
        let (x, y) = (self.bound(a), self.bound(b));
        let size = if op == IntBinary::Mul { x.size + y.size } else { x.size.max(y.size) + 1 };
        (size <= 40).then_some(())?;
        self.push(Op::IntBinary(op), &[a, b], Bound { size, fine: 0 })
    }

    fn name(&mut self) -> u32 {
        let name = self.random.pick(&["loss", "accuracy", "a.b_c", "two words \"\\\" \u{fc}"]);
        self.builder.program.name_index(name)
    }

    fn effect(&mut self) -> Option<ValueId> {
        if self.random.chance(50) {
            let a = self.find(|t, _| matches!(t.kind, Kind::Real | Kind::Int))?;
            let name = self.name();
            self.push(Op::Metric(name), &[a], INEXACT)
        } else {
            let a = self.find(|t, _| t.kind != Kind::Half)?;
            let name = self.name();
            self.push(Op::Debug(name), &[a], INEXACT)
        }
    }

    /// Runs `body` in a new block and returns the block, without leaving its values in scope.
    fn region(
        &mut self,
        params: &[(Type, Bound)],
        body: impl FnOnce(&mut Self, &[ValueId]) -> Option<Vec<ValueId>>,
    ) -> Option<tern_compiler::ir::Block> {
        let outer = self.scope.len();
        let types: Vec<Type> = params.iter().map(|(ty, _)| ty.clone()).collect();
        let values = self.builder.enter(&types);
        for (value, (_, bound)) in values.iter().zip(params) {
            self.bounds.insert(*value, *bound);
            self.scope.push(*value);
        }
        let yields = body(self, &values);
        self.scope.truncate(outer);
        let block = self.builder.leave(yields.clone().unwrap_or_default());
        yields.map(|_| block)
    }

    fn push_with(
        &mut self,
        op: Op,
        args: &[ValueId],
        regions: Vec<tern_compiler::ir::Block>,
        bound: Bound,
    ) -> Option<ValueId> {
        let results = self.builder.push_with(op, args, regions).ok()?;
        for result in &results {
            self.bounds.insert(*result, bound);
            self.scope.push(*result);
        }
        results.first().copied()
    }

    fn for_(&mut self) -> Option<ValueId> {
        (self.builder.depth() < 4).then_some(())?;
        let fits = |b: Bound| b.size <= CARRIED.size && b.fine <= CARRIED.fine;
        let mut initial = Vec::new();
        for _ in 0..self.random.below(4) {
            initial.extend(self.find(|t, b| fits(b) && t.kind != Kind::Half));
        }
        let mut params = vec![(Type::int([]), Bound { size: 3, fine: 0 })];
        params.extend(initial.iter().map(|v| (self.ty(*v), CARRIED)));
        let (breaks, size) = (self.random.chance(25), self.random.below(12));
        let body = self.region(&params, |this, values| {
            this.insts(size);
            let mut yields = Vec::new();
            for carried in &values[1..] {
                let ty = this.ty(*carried);
                yields.push(this.find(|t, b| *t == ty && fits(b))?);
            }
            if breaks {
                yields.push(this.truth(&[])?);
            }
            Some(yields)
        })?;
        let trips = self.random.below_u32(4);
        self.push_with(Op::For { trips, breaks }, &initial, vec![body], CARRIED)
    }

    fn if_(&mut self) -> Option<ValueId> {
        (self.builder.depth() < 4).then_some(())?;
        let condition = self.truth(&[])?;
        let mut types = Vec::new();
        for _ in 0..self.random.below(4) {
            types.extend(self.find(|t, b| t.kind != Kind::Half && b.exact()).map(|v| self.ty(v)));
        }
        let mut bound = Bound { size: 0, fine: 0 };
        let mut regions = Vec::new();
        for _ in 0..2 {
            let size = self.random.below(8);
            regions.push(self.region(&[], |this, _| {
                this.insts(size);
                let mut yields = Vec::new();
                for ty in &types {
                    let value = this.find(|t, b| t == ty && b.exact())?;
                    bound = bound.join(this.bound(value));
                    yields.push(value);
                }
                Some(yields)
            })?);
        }
        self.push_with(Op::If, &[condition], regions, if bound.exact() { bound } else { INEXACT })
    }

    /// A value with a rule that multiplies by some value of its shape.
    fn custom(&mut self) -> Option<ValueId> {
        (self.builder.depth() < 4).then_some(())?;
        let y = self.shared()?;
        let ty = self.ty(y);
        let x = self.find(|t, b| t.kind == Kind::Shared && t.shape == ty.shape && b.exact())?;
        let other = self.ring()?;
        let wants = self.random.chance(80);
        let size = self.random.below(4);
        let params = [(Type::shared(FRAC, ty.shape.clone()), INEXACT)];
        let rule = self.region(&params, |this, d| {
            this.insts(size);
            let product = this.push(Op::Mul, &[d[0], x], INEXACT)?;
            let bits = this.ty(x).frac;
            let product = this.push(Op::Trunc { bits }, &[product], INEXACT)?;
            Some(if wants { vec![product] } else { vec![] })
        })?;
        let op = Op::Custom { values: 1, wants: vec![wants, false] };
        self.push_with(op, &[y, x, other], vec![rule], self.bound(y))
    }

    /// Writes some values out, so that not everything is dead.
    fn outputs(&mut self) {
        for i in 0..1 + self.random.below(3) {
            if let Some(value) = self.shared() {
                let field = if self.random.chance(50) { String::new() } else { format!("part.{i}") };
                let to = if self.random.chance(50) { Place::Party(2) } else { Place::Shares };
                let program = &mut self.builder.program;
                let index = program.outputs.len() as u32;
                program.outputs.push(Output { name: format!("y{index}"), field, to, element: Element::Fix });
                self.push(Op::Output(index), &[value], INEXACT);
            }
        }
    }
}

impl Random {
    fn below_u32(&mut self, bound: usize) -> u32 {
        self.below(bound) as u32
    }
}

/// Bits of the sum of so many terms more than of one.
fn bits_of(terms: usize) -> i32 {
    terms.max(1).next_power_of_two().trailing_zeros() as i32
}

/// Inputs for a generated program: eighths, exact in doubles and small enough for the bounds that the generator assumes.
pub fn setting(program: &Program, seed: u64) -> Setting {
    let mut random = Random::new(seed ^ 0x5eed);
    let mut inputs = BTreeMap::new();
    for input in &program.inputs {
        let len = input.shape.iter().product();
        let data = (0..len).map(|_| random.between(-128, 128) as f64 / 8.0).collect();
        inputs.insert(input.name.clone(), Tensor::new(input.shape.clone(), data));
    }
    Setting { inputs, seed, ..Setting::default() }
}
