//! Openings of as many bits as are used, and truncations that open what they leave: with a dealer.

use proptest::prelude::*;
use tern_bytecode::program::{Place, Rounding};
use tern_bytecode::{Instr, Kind, Protocol, Reg, Route};
use tern_vm::ring::{Ring, Z52, Z64, Z104, Z128};

use super::reference::{elements, floor_shift, limbs, reduced, signed};
use super::support::{Build, seeded, shared};

const ROUTE: Route = Route(0);

/// What is opened of a value, and divided.
#[derive(Debug, Clone, Copy)]
struct Case {
    rounding: Rounding,
    /// Bits that are opened.
    width: u32,
    /// By how many it is truncated.
    bits: u32,
    /// How many of the result's bits are opened; nothing if it stays additive.
    result: Option<u32>,
}

impl Case {
    /// Any numbers to any case that is valid; results have room for an extension, and for their own bits.
    fn of<R: Ring>(rounding: Rounding, [width, bits, result]: [u32; 3], opened: bool) -> Case {
        let width = 8 + width % (R::BITS - 7);
        let bits = u32::from(width == R::BITS) + bits % (width - 4);
        let least = width - bits + 2;
        let result = (least + result % R::BITS).min(R::BITS);
        let opened = opened && rounding == Rounding::Probabilistic && width - bits + 2 < R::BITS;
        Case { rounding, width, bits, result: opened.then_some(result) }
    }

    /// A value that has this many bits, often at the ends of its range, and others above them.
    fn value<R: Ring>(self, x: R) -> R {
        let half = R::power_of_two(self.bits.max(1) - 1);
        let last = R::power_of_two(self.width - 2) - half - R::ONE;
        let drawn = match x.limbs()[0] % 8 {
            0 => last,
            1 => -last,
            2 => x.sar(R::BITS - self.width + 2).sar(self.bits).shl(self.bits),
            _ => x.sar(R::BITS - self.width + 2),
        };
        let magnitude = if drawn.is_negative() { -drawn } else { drawn };
        if magnitude.signed_cmp(&last).is_gt() { R::ZERO } else { drawn }
    }
}

/// A program that opens the lowest bits of its input, which has others above them, and truncates.
fn truncated<R: Ring>(case: Case, x: &[R], above: &[R], seed: u64) -> Vec<R> {
    let mut b = Build::new(Protocol::Dealer, R::BITS, case.rounding);
    let shape = [x.len() as u32];
    // a number and what is above it, as far as that is in the ring
    let higher = |y: R| if case.width == R::BITS { R::ZERO } else { y.shl(case.width) };
    let sum: Vec<R> = x.iter().zip(above).map(|(x, y)| *x + higher(*y)).collect();
    let given = b.input(&shape, 0, ROUTE);
    let [wide, additive] = [(); 2].map(|()| b.reg(Kind::Additive, &shape));
    let [opened, result] = [(); 2].map(|()| b.reg(Kind::Shared, &shape));
    b.op(Instr::Widen { dst: wide, a: given });
    let mask = b.mask();
    b.op(Instr::Open { dst: opened, a: wide, width: case.width, mask });
    let (bits, width, mask) = (case.bits, case.width, b.mask());
    match case.result {
        None => b.op(Instr::TruncateOpened { dst: additive, a: opened, bits, width, more: 0, mask }),
        Some(right) => {
            let more = right.saturating_sub(width - bits);
            b.op(Instr::TruncateOpened { dst: result, a: opened, bits, width, more, mask });
            whole(&mut b, additive, result, right);
        }
    }
    b.output_to(additive, Place::Party(1), ROUTE);
    shared(&b.program, &[sum], &seeded(seed)).remove(&0).expect("one output")
}

/// Brings an opened value of which so many bits are right to the whole ring.
fn whole(b: &mut Build, dst: Reg, a: Reg, width: u32) {
    if width == b.program.header.ring {
        return b.op(Instr::Widen { dst, a });
    }
    let mask = b.mask();
    b.op(Instr::TruncateOpened { dst, a, bits: 0, width, more: 0, mask });
}

fn check<R: Ring>(case: Case, contents: &[[u64; 4]], seed: u64) {
    let above: Vec<R> = elements(contents, contents.len(), 1);
    let x: Vec<R> = elements(contents, contents.len(), 0).into_iter().map(|x| case.value(x)).collect();
    for (x, found) in x.iter().zip(truncated(case, &x, &above, seed)) {
        let half = if case.bits > 0 { R::power_of_two(case.bits - 1) } else { R::ZERO };
        let divided = |x: R| -> R { reduced(&floor_shift(&signed(x), case.bits)) };
        let low = divided(*x);
        let exact = x.low_bits(case.bits) == R::ZERO;
        let right = match case.rounding {
            Rounding::Nearest => found == divided(*x + half),
            Rounding::Probabilistic => found == low || !exact && found == low + R::ONE,
        };
        assert!(right, "{case:?}: {x:?} becomes {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn truncations_need_no_more_bits_than_their_operands_have(
        ring in 0..4usize,
        contents in prop::collection::vec(limbs(), 0..70),
        numbers in any::<[u32; 3]>(),
        nearest in any::<bool>(),
        opened in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let rounding = if nearest { Rounding::Nearest } else { Rounding::Probabilistic };
        match ring {
            0 => check::<Z52>(Case::of::<Z52>(rounding, numbers, opened), &contents, seed),
            1 => check::<Z64>(Case::of::<Z64>(rounding, numbers, opened), &contents, seed),
            2 => check::<Z104>(Case::of::<Z104>(rounding, numbers, opened), &contents, seed),
            _ => check::<Z128>(Case::of::<Z128>(rounding, numbers, opened), &contents, seed),
        }
    }
}

/// What a product is truncated to is multiplied and compared without being opened again: (x y / 2^32)^2, and x y / 2^32 where that is negative, of numbers with few bits.
#[test]
fn what_a_truncation_opens_is_multiplied_and_compared() {
    let mut b = Build::new(Protocol::Dealer, 64, Rounding::Probabilistic);
    let shape = [6];
    let [x, y] = [0, 1].map(|party| b.input(&shape, party, ROUTE));
    let [product, square, negative] = [(); 3].map(|()| b.reg(Kind::Additive, &shape));
    let [opened, divided] = [(); 2].map(|()| b.reg(Kind::Shared, &shape));
    let (sign, whole_square) = (b.reg(Kind::Bit, &shape), b.reg(Kind::Shared, &shape));
    b.op(Instr::Mul { dst: product, a: x, b: y });
    let mask = b.mask();
    b.op(Instr::Open { dst: opened, a: product, width: 48, mask });
    let mask = b.mask();
    b.op(Instr::TruncateOpened { dst: divided, a: opened, bits: 32, width: 48, more: 26, mask });
    b.op(Instr::Mul { dst: square, a: divided, b: divided });
    b.op(Instr::Sign { dst: sign, a: divided, width: 32, route: ROUTE });
    b.op(Instr::Select { dst: negative, keep: None, bit: sign, a: divided, route: ROUTE });
    for result in [square, negative] {
        let mask = b.mask();
        b.op(Instr::Open { dst: whole_square, a: result, width: 42, mask });
        whole(&mut b, product, whole_square, 42);
        b.output_to(product, Place::Party(1), ROUTE);
    }
    let numbers = |all: [i64; 6]| all.map(|n| Z64::from_i128(n.into()) * Z64::power_of_two(16)).to_vec();
    let (x, y) = ([3, -3, 0, 50, -70, 1], [5, 5, 9, -40, -30, 1]);
    let found = shared(&b.program, &[numbers(x), numbers(y)], &seeded(5));
    for i in 0..6 {
        let quotient = i128::from(x[i] * y[i]);
        assert_eq!(found[&0][i], Z64::from_i128(quotient * quotient), "square {i}");
        assert_eq!(found[&1][i], Z64::from_i128(quotient.min(0)), "selection {i}");
    }
}
