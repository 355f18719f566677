//! Probabilistic truncation: results within the definition, and their distribution.

use proptest::prelude::*;
use tern_bytecode::program::{Place, Rounding};
use tern_bytecode::{Instr, Kind, Protocol, Reg, Route};
use tern_vm::ring::{Ring, Z52, Z64, Z104, Z128, Z192};

use super::instructions::within;
use super::reference::{elements, floor_shift, limbs, reduced, signed};
use super::support::{Build, seeded, shared};

/// What divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Truncate,
    /// A later selection, of all.
    Select,
}

/// What a protocol has of these.
fn ways(protocol: Protocol) -> Vec<By> {
    if protocol.model().divides { vec![By::Truncate, By::Select] } else { vec![By::Truncate] }
}

/// The values divided by 2^m.
fn truncated<R: Ring>(
    (protocol, by): (Protocol, By),
    x: &[R],
    kind: Kind,
    m: u32,
    route: Route,
    seed: u64,
) -> Vec<R> {
    let mut b = Build::new(protocol, R::BITS, Rounding::Probabilistic);
    let shape = [x.len() as u32];
    let given = b.input(&shape, 0, route);
    let a: Reg = match kind {
        Kind::Additive => {
            let wide = b.reg(Kind::Additive, &shape);
            b.op(Instr::Widen { dst: wide, a: given });
            wide
        }
        _ => given,
    };
    let dst = b.reg(Kind::Shared, &shape);
    let mut inputs = vec![x.to_vec()];
    match by {
        By::Truncate => b.op(Instr::Truncate { dst, a, bits: m, route }),
        By::Select => {
            inputs.push(vec![R::ONE; x.len()]);
            let ones = b.input(&shape, 1, route);
            let [bits, half, first] = [Kind::Bit, Kind::Half, Kind::Shared].map(|kind| b.reg(kind, &shape));
            let plane = b.alias(bits, 0, &[(1, 0), (shape[0], 1)]);
            b.op(Instr::Bits { dst: plane, a: ones, low: 0, high: 1, route });
            b.op(Instr::Select { dst: first, keep: Some(half), bit: bits, a: ones, route });
            b.op(Instr::SelectAgain { dst, half, bit: bits, a, bits: m, route });
        }
    }
    b.output_to(dst, Place::Party(2), route);
    shared(&b.program, &inputs, &seeded(seed)).remove(&0).expect("one output")
}

/// ⌊x / 2^m⌋, or one more if x is no multiple of 2^m.
fn check<R: Ring>(protocol: Protocol, contents: &[[u64; 4]], kind: Kind, m: u32, route: Route, seed: u64) {
    let m = 1 + m % (R::BITS - 2);
    let x: Vec<R> = elements(contents, contents.len(), 0).into_iter().map(|x| within(x, m)).collect();
    for by in ways(protocol) {
        for (x, found) in x.iter().zip(truncated((protocol, by), &x, kind, m, route, seed)) {
            let low: R = reduced(&floor_shift(&signed(*x), m));
            let exact = x.low_bits(m) == R::ZERO;
            assert!(found == low || !exact && found == low + R::ONE, "{by:?}: {x:?} / 2^{m} = {found:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_are_within_the_definition(
        ring in 0..5usize,
        contents in prop::collection::vec(limbs(), 0..70),
        additive in any::<bool>(),
        m in prop_oneof![any::<u32>(), Just(15)],
        protocol in prop::sample::select(Protocol::ALL),
        route in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let kind = if additive { Kind::Additive } else { Kind::Shared };
        let route = Route(route % protocol.model().routes);
        match ring {
            0 => check::<Z52>(protocol, &contents, kind, m, route, seed),
            1 => check::<Z64>(protocol, &contents, kind, m, route, seed),
            2 => check::<Z104>(protocol, &contents, kind, m, route, seed),
            3 => check::<Z128>(protocol, &contents, kind, m, route, seed),
            _ => check::<Z192>(protocol, &contents, kind, m, route, seed),
        }
    }
}

/// ⌊(x + r) / 2^m⌋ with r uniform goes up with probability (x mod 2^m) / 2^m: the number of times, for many equal values, is binomial. The
/// input's share is a constant at one party, so that the pad is what makes the rounding random.
#[test]
fn rounding_up_has_its_probability() {
    const N: u32 = 40_000;
    let sixteenths = [0u64, 1, 5, 8, 12, 15];
    let kinds = [(0, Kind::Shared), (4, Kind::Shared), (2, Kind::Additive), (3, Kind::Additive)];
    let ways = Protocol::ALL.iter().flat_map(|p| ways(*p).into_iter().map(|by| (*p, by)));
    for (protocol, (route, kind)) in ways.flat_map(|way| kinds.map(|kind| (way, kind))) {
        for (i, negative) in [(0, false), (1, true)] {
            let m = [4, 16][i];
            let base = if negative { -Z64::from_u64(77).shl(m) } else { Z64::from_u64(1 << 20).shl(m) };
            for part in sixteenths {
                let x = base + Z64::from_u64(part).shl(m - 4);
                let found = truncated(protocol, &vec![x; N as usize], kind, m, Route(route), 100 + part);
                let ups = found.iter().filter(|y| **y == base.sar(m) + Z64::ONE).count() as f64;
                let p = part as f64 / 16.0;
                let (mean, deviation) = (f64::from(N) * p, (f64::from(N) * p * (1.0 - p)).sqrt());
                println!(
                    "{protocol:?}, seed {}, {route:?}, {kind:?}: {ups} of {N} go up, {mean} expected",
                    100 + part
                );
                assert!((ups - mean).abs() <= 4.5 * deviation, "{ups} against {mean} ± {deviation}");
                // neighbours are rounded independently: the number of equal pairs is that of coin tosses
                let same = found.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
                let q = p * p + (1.0 - p) * (1.0 - p);
                let deviation = 2.0 * (f64::from(N) * q * (1.0 - q)).sqrt();
                assert!((same - f64::from(N - 1) * q).abs() <= 4.5 * deviation, "{same} equal neighbours");
            }
        }
    }
}

/// Signs of numbers less a random one below 2^m, by a test for zero.
fn signs(x: &[Z64], (low, high): (u32, u32), route: Route, seed: u64) -> Vec<Z64> {
    let mut b = Build::new(Protocol::Rep3, 64, Rounding::Probabilistic);
    let n = x.len() as u32;
    let a = b.input(&[1, n], 0, route);
    let bit = b.reg(Kind::Bit, &[1, n]);
    b.op(Instr::SignTested { dst: bit, a, low, high, route });
    let dst = b.reg(Kind::Shared, &[n]);
    b.op(Instr::Word { dst, a: bit, route });
    b.output_to(dst, Place::Party(2), route);
    shared(&b.program, &[x.to_vec()], &seeded(seed)).remove(&0).expect("one output")
}

/// A tested sign that leaves out m positions is that of ⌊(x - r) / 2^m⌋ with r uniform: certain for what is negative or at least 2^m, at random in between.
#[test]
fn tested_signs_leave_out_a_carry_at_random() {
    const N: u32 = 40_000;
    let m = 16;
    let sixteenths =
        [-1i64, 0, 1, 5, 8, 12, 15, 16, 17, -(1 << 30), (1 << 30), -(1 << 36) + 16, (1 << 36) - 1];
    for route in (0..6).map(Route) {
        for part in sixteenths {
            let x = if part < 0 { -Z64::from_u64(part.unsigned_abs()) } else { Z64::from_u64(part as u64) };
            let seed = 300 + u64::from(route.0);
            let found = signs(&vec![x.shl(m - 4); N as usize], (m, m + 33), route, seed);
            let negative = found.iter().filter(|sign| **sign == Z64::ONE).count() as f64;
            assert!(found.iter().all(|sign| [Z64::ZERO, Z64::ONE].contains(sign)));
            let p = (1.0 - part as f64 / 16.0).clamp(0.0, 1.0);
            let (mean, deviation) = (f64::from(N) * p, (f64::from(N) * p * (1.0 - p)).sqrt());
            println!("{route:?}, seed {seed}, {part}/16: {negative} of {N} negative, {mean} expected");
            assert!(
                (negative - mean).abs() <= 4.5 * deviation + 4.0,
                "{negative} against {mean} ± {deviation}"
            );
        }
    }
}
