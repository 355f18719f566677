//! Every instruction of the table that is not the machine's, with nearest rounding: bit for bit what the emulator computes.

use proptest::prelude::*;
use tern_bytecode::instr::Axes;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Protocol, Reg, Route};
use tern_vm::ring::{Ring, Z52, Z64, Z104, Z128};

use super::reference::{RINGS, in_ring, positions, shape};
use super::trial::{Case, Operand, Trial, case, fixed_case};

const RING_KINDS: [Kind; 2] = [Kind::Shared, Kind::Additive];

/// A register to write that is an operand (0, 1), or one of its own.
fn placed<R: Ring>(t: &mut Trial<R>, kind: Kind, shape: &[u32], which: usize, from: &[Operand]) -> Operand {
    match from.get(which) {
        // no two elements of what is written may be one, as those of a source can
        Some(operand) if distinct(t, operand.reg) => *operand,
        Some(_) | None => t.target(kind, shape),
    }
}

fn distinct<R: Ring>(t: &Trial<R>, reg: Reg) -> bool {
    let mut at = positions(&t.b.program.views[reg.0 as usize]);
    let count = at.len();
    at.sort_unstable();
    at.dedup();
    at.len() == count
}

/// Element-wise operations of one or two operands of one kind, also in place.
fn linear<R: Ring>(op: usize, which: usize, kind: Kind, shape: &[u32], case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let which = if op == 3 && which < 2 { 2 } else { which }; // copies are not made in place
    let x = t.source(kind, shape);
    let y = if which == 3 { x } else { t.source(if op == 4 { Kind::Plain } else { kind }, shape) };
    let operands = if op == 4 { &[x][..] } else { &[x, y] };
    let to = placed(&mut t, kind, shape, which, operands);
    let (dst, a, b) = (to.reg, x.reg, y.reg);
    t.b.op(match op {
        0 => Instr::Add { dst, a, b },
        1 => Instr::Sub { dst, a, b },
        2 => Instr::Neg { dst, a },
        3 => Instr::Copy { dst, a },
        _ if which == 3 => Instr::Neg { dst, a },
        _ => Instr::MulPlain { dst, a, b },
    });
    t.show(to);
    t.agree();
}

fn logic<R: Ring>(op: usize, which: usize, shape: &[u32], case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let x = t.source(Kind::Bit, shape);
    let y = t.source(if op < 3 { Kind::Bit } else { Kind::Int }, shape);
    let in_place = if op == 1 || op == 5 { 2 } else { which };
    let to = placed(&mut t, Kind::Bit, shape, in_place, &[x]);
    let (dst, a, b, route) = (to.reg, x.reg, y.reg, t.route);
    t.b.op(match op {
        0 => Instr::Xor { dst, a, b },
        1 => Instr::And { dst, a, b, route },
        2 => Instr::Not { dst, a },
        3 => Instr::AndPublic { dst, a, b },
        4 => Instr::PromoteBits { dst, a: b },
        _ => Instr::Copy { dst, a },
    });
    t.show(to);
    t.agree();
}

/// Changes of form, and products.
fn forms<R: Ring>(op: usize, shape: &[u32], case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let (from, into) = [
        (Kind::Plain, Kind::Shared),
        (Kind::Plain, Kind::Additive),
        (Kind::Shared, Kind::Additive),
        (Kind::Additive, Kind::Shared),
        (Kind::Shared, Kind::Plain),
        (Kind::Bit, Kind::Int),
        (Kind::Shared, Kind::Additive),
    ][op];
    let (x, to) = (t.source(from, shape), t.target(into, shape));
    let (dst, a, route) = (to.reg, x.reg, t.route);
    match op {
        0 | 1 => t.b.op(Instr::Promote { dst, a }),
        2 => t.b.op(Instr::Widen { dst, a }),
        3 => t.b.op(Instr::Reshare { dst, a, route }),
        4 => t.b.op(Instr::Reveal { dst, a, route }),
        5 => t.b.op(Instr::RevealBits { dst, a, route }),
        _ => {
            let y = t.source(Kind::Shared, shape);
            t.b.op(Instr::Mul { dst, a, b: y.reg });
        }
    }
    t.show(to);
    t.agree();
}

fn sum<R: Ring>(kind: Kind, shape: &[u32], axes: u32, case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let axes = axes & ((1 << shape.len()) - 1);
    let kept: Vec<u32> = (0..shape.len()).filter(|i| axes >> i & 1 == 0).map(|i| shape[i]).collect();
    let (x, to) = (t.source(kind, shape), t.target(kind, &kept));
    t.b.op(Instr::Sum { dst: to.reg, a: x.reg, axes });
    t.show(to);
    t.agree();
}

fn rows<R: Ring>(kind: Kind, rest: &[u32], index: &[i64], gather: bool, case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let rows = |count: u32| [&[count], rest].concat();
    let (table, picked) = (rows(5), rows(index.len() as u32));
    let (from, into) = if gather { (&table, &picked) } else { (&picked, &table) };
    let (x, to, index) = (t.source(kind, from), t.target(kind, into), t.ints(index));
    t.b.op(match gather {
        true => Instr::Gather { dst: to.reg, a: x.reg, index },
        false => Instr::Scatter { dst: to.reg, a: x.reg, index },
    });
    t.show(to);
    t.agree();
}

fn contract<R: Ring>(kinds: [Kind; 3], groups: &[Vec<u32>], case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let [batch, rows, inner, cols] = [0, 1, 2, 3].map(|i| &groups[i][..]);
    let x = t.source(kinds[1], &[batch, rows, inner].concat());
    let y = t.source(kinds[2], &[batch, inner, cols].concat());
    let to = t.target(kinds[0], &[batch, rows, cols].concat());
    let [batch, rows, inner, cols] = [batch, rows, inner, cols].map(|axes| axes.len() as u8);
    t.b.op(Instr::Contract { dst: to.reg, a: x.reg, b: y.reg, axes: Axes { batch, rows, inner, cols } });
    t.show(to);
    t.agree();
}

/// Division by 2^m of values within the protocol's range, up to its ends.
pub fn truncate<R: Ring>(kind: Kind, m: u32, shape: &[u32], case: &Case) {
    let m = 1 + m % (R::BITS - 2);
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let x = t.source_of(kind, shape, |x| within(x, m));
    let to = t.target(Kind::Shared, shape);
    t.b.op(Instr::Truncate { dst: to.reg, a: x.reg, bits: m, route: t.route });
    t.show(to);
    t.agree();
}

/// A value in the range of truncations by `m`: often at its ends, often halfway between two results.
pub fn within<R: Ring>(x: R, m: u32) -> R {
    let last = R::power_of_two(R::BITS - 2) - R::power_of_two(m - 1) - R::ONE;
    let drawn = match x.limbs()[0] % 8 {
        0 => last,
        1 => -last,
        2 => x.sar(3).sar(m).shl(m) + R::power_of_two(m - 1),
        3 => x.sar(3).sar(m).shl(m) + R::power_of_two(m - 1) - R::ONE,
        4 => x.sar(3).sar(m).shl(m),
        5 => x.sar(R::BITS / 2),
        _ => x.sar(3),
    };
    let magnitude = if drawn.is_negative() { -drawn } else { drawn };
    if magnitude.signed_cmp(&last).is_gt() { R::ZERO } else { drawn }
}

fn sign<R: Ring>(width: u32, shape: &[u32], case: &Case) {
    let width = 1 + width % R::BITS;
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let (x, to) = (t.source(Kind::Shared, shape), t.target(Kind::Bit, shape));
    t.b.op(Instr::Sign { dst: to.reg, a: x.reg, width, route: t.route });
    t.show(to);
    t.agree();
}

/// A sign by a test for zero, where the protocol has that.
fn tested<R: Ring>(high: u32, shape: &[u32], case: &Case) {
    let most = case.protocol.model().tested;
    if most == 0 {
        return;
    }
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let (x, to) = (t.source(Kind::Shared, shape), t.target(Kind::Bit, shape));
    let high = 1 + high % most;
    t.b.op(Instr::SignTested { dst: to.reg, a: x.reg, low: 0, high, route: t.route });
    t.show(to);
    t.agree();
}

/// Bits `low..high`, and the number that they make, in both ways.
fn bits_and_word<R: Ring>(low: u32, count: u32, shape: &[u32], case: &Case) {
    let low = low % R::BITS;
    let high = (low + 1 + count).min(R::BITS);
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let x = t.source(Kind::Shared, shape);
    let planes = t.planes(high - low, shape);
    let word = t.target(Kind::Shared, shape);
    t.b.op(Instr::Bits { dst: planes.reg, a: x.reg, low, high, route: t.route });
    t.b.op(Instr::Word { dst: word.reg, a: planes.reg, route: t.route });
    if high - low < R::BITS {
        let composed = t.target(Kind::Shared, shape);
        t.b.op(Instr::Compose { dst: composed.reg, a: planes.reg, route: t.route });
        t.show(composed);
    }
    t.show(planes);
    t.show(word);
    t.agree();
}

/// Three selections by one bit, in either form.
fn selections<R: Ring>(kinds: [Kind; 3], shape: &[u32], case: &Case) {
    let mut t = Trial::<R>::new(case, Rounding::Nearest);
    let (bit, x) = (t.source(Kind::Bit, shape), t.source(Kind::Shared, shape));
    let half = t.b.reg(Kind::Half, shape);
    let route = t.route;
    let to = [t.target(kinds[0], shape), t.target(kinds[1], shape)];
    let third = t.b.reg(kinds[2], shape);
    let (bit, a) = (bit.reg, x.reg);
    t.b.op(Instr::Select { dst: to[0].reg, keep: Some(half), bit, a, route });
    t.b.op(Instr::SelectAgain { dst: to[1].reg, half, bit, a, bits: 0, route });
    t.b.op(Instr::Select { dst: third, keep: None, bit, a, route });
    to.into_iter().for_each(|to| t.show(to));
    t.b.output(third, route);
    t.agree();
}

/// Later selections of quotients, in every form: of multiples of 2^m, whose quotients no rounding changes.
fn quotients<R: Ring>(kinds: [Kind; 2], m: u32, shape: &[u32], case: &Case) {
    if !case.protocol.model().divides {
        return;
    }
    let mut t = Trial::<R>::new(case, Rounding::Probabilistic);
    let m = 1 + m % (R::BITS - 2);
    let (bit, y) = (t.source(Kind::Bit, shape), t.source(Kind::Shared, shape));
    let x = t.source_of(kinds[0], shape, |x| within(x, m).sar(m).shl(m));
    let to = t.target(kinds[1], shape);
    let [half, first] = [Kind::Half, Kind::Shared].map(|kind| t.b.reg(kind, shape));
    let (bit, route) = (bit.reg, t.route);
    t.b.op(Instr::Select { dst: first, keep: Some(half), bit, a: y.reg, route });
    t.b.op(Instr::SelectAgain { dst: to.reg, half, bit, a: x.reg, bits: m, route });
    t.show(to);
    t.agree();
}

fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn form() -> impl Strategy<Value = Kind> {
    prop::sample::select(RING_KINDS.to_vec())
}

/// Mostly the two rings of the default precisions, and the next larger ones.
fn ring() -> impl Strategy<Value = usize> {
    prop_oneof![7 => 0..4usize, 1 => 4..RINGS]
}

proptest! {
    #![proptest_config(settings(60))]

    #[test]
    fn linear_operations(ring in ring(), op in 0..5usize, which in 0..4usize, kind in form(), shape in shape(), case in case()) {
        in_ring!(ring, linear(op, which, kind, &shape, &case));
    }

    #[test]
    fn logic_of_bits(ring in ring(), op in 0..6usize, which in 0..3usize, shape in shape(), case in case()) {
        in_ring!(ring, logic(op, which, &shape, &case));
    }

    #[test]
    fn changes_of_form_and_products(ring in ring(), op in 0..7usize, shape in shape(), case in case()) {
        in_ring!(ring, forms(op, &shape, &case));
    }

    #[test]
    fn sums_over_axes(ring in ring(), kind in form(), shape in shape(), axes in 0..16u32, case in case()) {
        in_ring!(ring, sum(kind, &shape, axes, &case));
    }

    #[test]
    fn rows_by_index(
        ring in ring(),
        kind in prop::sample::select(vec![Kind::Shared, Kind::Additive, Kind::Bit]),
        rest in prop::collection::vec(prop_oneof![1 => 0..2u32, 4 => 2..70u32], 0..2),
        index in prop::collection::vec(0..5i64, 0..7),
        gather in any::<bool>(),
        case in case(),
    ) {
        in_ring!(ring, rows(kind, &rest, &index, gather, &case));
    }

    #[test]
    fn contractions(
        ring in ring(),
        kinds in prop::sample::select(vec![
            [Kind::Additive, Kind::Shared, Kind::Shared],
            [Kind::Shared, Kind::Shared, Kind::Plain],
            [Kind::Additive, Kind::Additive, Kind::Plain],
        ]),
        groups in prop::collection::vec(prop::collection::vec(prop_oneof![1 => 0..2u32, 4 => 2..5u32, 1 => Just(17)], 0..3), 4),
        case in case(),
    ) {
        in_ring!(ring, contract(kinds, &groups, &case));
    }

    #[test]
    fn nearest_truncations(ring in ring(), kind in form(), m in any::<u32>(), shape in shape(), case in case()) {
        in_ring!(ring, truncate(kind, m, &shape, &case));
    }

    #[test]
    fn signs(ring in ring(), width in any::<u32>(), shape in shape(), case in case()) {
        in_ring!(ring, sign(width, &shape, &case));
    }

    #[test]
    fn tested_signs(ring in ring(), high in any::<u32>(), shape in shape(), case in case()) {
        in_ring!(ring, tested(high, &shape, &case));
    }

    #[test]
    fn bits_and_words(
        ring in ring(),
        low in prop_oneof![2 => Just(0), 1 => any::<u32>()],
        count in prop_oneof![0..9u32, 0..260u32],
        shape in prop::collection::vec(0..9u32, 0..3),
        case in case(),
    ) {
        in_ring!(ring, bits_and_word(low, count, &shape, &case));
    }

    #[test]
    fn selections_by_one_bit(ring in ring(), kinds in prop::collection::vec(form(), 3), shape in shape(), case in case()) {
        in_ring!(ring, selections([kinds[0], kinds[1], kinds[2]], &shape, &case));
    }

    #[test]
    fn selections_of_quotients(ring in ring(), kinds in [form(), form()], m in any::<u32>(), shape in shape(), case in case()) {
        in_ring!(ring, quotients(kinds, m, &shape, &case));
    }
}

/// Sizes around the word, widths at the ends, every route.
#[test]
fn sizes_widths_and_routes() {
    fn all<R: Ring>(protocol: Protocol, route: Route) {
        let case = fixed_case(protocol, route);
        let k = R::BITS;
        for n in [0, 1, 63, 64, 65] {
            let shape = [n];
            (0..6).for_each(|op| logic::<R>(op, 2, &shape, &case));
            (0..7).for_each(|op| forms::<R>(op, &shape, &case));
            for m in [1, 2, 3, 4, 16, k / 2, k - 3, k - 2] {
                RING_KINDS.iter().for_each(|kind| truncate::<R>(*kind, m - 1, &shape, &case));
            }
            for width in [1, 2, 3, 4, 5, 32, k - 1, k] {
                sign::<R>(width - 1, &shape, &case);
                tested::<R>(width - 1, &shape, &case);
            }
            for (low, high) in [(0, 1), (0, k), (k - 1, k), (7, 9), (3, 4)] {
                bits_and_word::<R>(low, high - low - 1, &shape, &case);
            }
            for kinds in [[Kind::Shared; 3], [Kind::Additive, Kind::Shared, Kind::Additive]] {
                selections::<R>(kinds, &shape, &case);
                quotients::<R>([kinds[0], kinds[1]], 16, &shape, &case);
            }
        }
    }
    for &protocol in Protocol::ALL {
        // of many routes, some: they differ in who plays which role
        let routes = protocol.model().routes;
        for route in (0..routes).step_by(usize::from(routes).div_ceil(6)).map(Route) {
            all::<Z52>(protocol, route);
            all::<Z64>(protocol, route);
            all::<Z104>(protocol, route);
            all::<Z128>(protocol, route);
        }
    }
}

/// One half of a buffer from the other, in both directions.
#[test]
fn halves_of_one_buffer() {
    let kinds = [Kind::Shared, Kind::Additive, Kind::Bit];
    for (protocol, kind) in Protocol::ALL.iter().flat_map(|p| kinds.map(|kind| (*p, kind))) {
        let case = fixed_case(protocol, Route(4));
        for (to, from) in [(0, 70), (70, 0)] {
            let mut t = Trial::<Z64>::new(&case, Rounding::Nearest);
            let whole = t.target(kind, &[140]).whole;
            let (dst, a) = (t.b.alias(whole, to, &[(70, 1)]), t.b.alias(whole, from, &[(70, 1)]));
            let index = t.ints(&(0..70).rev().collect::<Vec<_>>());
            if kind == Kind::Bit {
                t.b.op(Instr::Not { dst, a });
                t.b.op(Instr::Xor { dst, a, b: dst });
                t.b.op(Instr::And { dst, a, b: a, route: t.route });
            } else {
                t.b.op(Instr::Neg { dst, a });
                t.b.op(Instr::Add { dst, a, b: dst });
                t.b.op(Instr::Sub { dst, a: dst, b: a });
                let ones = t.source(Kind::Plain, &[70]).reg;
                t.b.op(Instr::MulPlain { dst, a, b: ones });
            }
            t.b.op(Instr::Gather { dst, a, index });
            t.show(Operand { reg: whole, whole });
            t.agree();
        }
    }
}

/// Rows of an input, some words of which follow from keys and are not stored: of all of it, of a view, and when something has written to it.
#[test]
fn rows_of_inputs() {
    fn of<R: Ring>(protocol: Protocol, from: u8) {
        let case = fixed_case(protocol, Route(3));
        let mut t = Trial::<R>::new(&case, Rounding::Nearest);
        let values = (0..21).map(|i| R::from_i128(i * i - 50)).collect();
        let x = t.input(&[7, 3], from, values);
        let untouched = t.input(&[7, 3], from, vec![-R::ONE; 21]);
        let part = t.b.alias(x, 20, &[(3, -6), (2, -1)]);
        for whole in [x, untouched, x] {
            for index in [[6, 0, 6, 1], [2, 3, 4, 5]] {
                gathered(&mut t, whole, &[4, 3], &index);
            }
            gathered(&mut t, part, &[4, 2], &[2, 0, 1, 2]);
            let row = t.b.alias(x, 9, &[(3, 1)]);
            t.b.op(Instr::Neg { dst: row, a: row });
        }
        t.show(Operand { reg: x, whole: x });
        t.agree();
    }
    fn gathered<R: Ring>(t: &mut Trial<R>, a: Reg, shape: &[u32], index: &[i64]) {
        let (dst, index) = (t.b.reg(Kind::Shared, shape), t.ints(index));
        t.b.op(Instr::Gather { dst, a, index });
        t.show(Operand { reg: dst, whole: dst });
    }
    for (protocol, from) in Protocol::ALL.iter().flat_map(|p| [0, 1, 2].map(|from| (*p, from))) {
        of::<Z52>(protocol, from);
        of::<Z64>(protocol, from);
        of::<Z128>(protocol, from);
    }
}

/// Bits that nobody knows are the emulator's under the same seed; what is shown while debugging costs nothing.
#[test]
fn random_bits_and_debugging() {
    let sizes = [0, 1, 63, 64, 65, 1000];
    for (protocol, n) in Protocol::ALL.iter().flat_map(|p| sizes.map(|n| (*p, n))) {
        let case = fixed_case(protocol, Route(1));
        let mut t = Trial::<Z64>::new(&case, Rounding::Nearest);
        let bits = t.target(Kind::Bit, &[n]);
        t.b.program.names.push("bits".into());
        t.b.op(Instr::RandomBits { dst: bits.reg });
        t.b.op(Instr::Debug { label: 0, a: bits.reg, frac: 0 });
        t.show(bits);
        t.agree();
    }
}
