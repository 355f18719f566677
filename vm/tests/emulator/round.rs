//! Truncation.

use num_bigint::BigInt;
use proptest::prelude::*;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind};
use tern_vm::Options;
use tern_vm::ring::{Ring, Z64, Z256};

use super::build::{Build, ROUTE, Tensor, row_major, seeded};
use super::reference::{Placement, RINGS, floor_shift, in_ring, limbs, placement, reduced, shape, signed};

fn check<R: Ring>(rounding: Rounding, bits: u32, shape: &[u32], places: &[Placement], contents: &[[u64; 4]]) {
    let bits = 1 + bits % (R::BITS - 2);
    let mut b = Build::new(R::BITS, rounding);
    // values within the range of every protocol
    let bound = R::BITS - 3;
    let contents: Vec<[u64; 4]> = contents
        .iter()
        .map(|limbs| {
            let x = R::from_limbs(limbs).shl(R::BITS - bound).sar(R::BITS - bound);
            let mut limbs = [0; 4];
            limbs[..R::LIMBS].copy_from_slice(x.limbs());
            limbs
        })
        .collect();
    let dst = Tensor { kind: Kind::Shared, shape, placement: &places[0], contents: &contents };
    let dst = b.placed::<R>(&dst, false);
    let a = b.placed::<R>(
        &Tensor { kind: Kind::Additive, shape, placement: &places[1], contents: &contents },
        true,
    );
    b.op(Instr::Truncate { dst: dst.reg, a: a.reg, bits, route: ROUTE });
    b.output(dst.whole);
    let found = &b.outputs::<R>(&[])[0];
    let half = BigInt::from(1) << (bits - 1);
    let expected = a.elements().into_iter().zip(&dst.at).map(|(x, at)| match rounding {
        Rounding::Nearest => reduced(&floor_shift(&(signed(x) + &half), bits)),
        Rounding::Probabilistic => {
            let floor = floor_shift(&signed(x), bits);
            let exact = &floor << bits == signed(x);
            let result = found[*at];
            let above = reduced::<R>(&(&floor + 1));
            assert!(result == reduced(&floor) || !exact && result == above, "{x:?} by {bits}: {result:?}");
            result
        }
    });
    assert_eq!(*found, dst.with(expected));
}

proptest! {
    #[test]
    fn truncations(
        ring in 0..RINGS,
        nearest in any::<bool>(),
        bits in any::<u32>(),
        shape in shape(),
        places in prop::collection::vec(placement(), 2),
        contents in prop::collection::vec(limbs(), 1..40),
    ) {
        let rounding = if nearest { Rounding::Nearest } else { Rounding::Probabilistic };
        in_ring!(ring, check(rounding, bits, &shape, &places, &contents));
    }
}

/// Truncates the same value in `len` places, twice in a loop, and gives the results of each iteration.
fn repeated<R: Ring>(value: R, bits: u32, len: u32, dims: &[(u32, i64)], options: &Options) -> [Vec<f64>; 2] {
    let mut b = Build::new(R::BITS, Rounding::Probabilistic);
    let (x, counter) = (b.reg(Kind::Shared, &[1]), b.reg(Kind::Int, &[]));
    let shape: Vec<u32> = dims.iter().map(|dim| dim.0).collect();
    let all = b.alias(x, 0, &shape.iter().map(|n| (*n, 0)).collect::<Vec<_>>());
    let buffer = b.buffer(Kind::Shared, len.into());
    let dst = b.view(buffer, 0, dims);
    let (open, real) = (b.reg(Kind::Plain, &shape), b.reg(Kind::Real, &shape));
    let name = b.name("rounded");
    b.input(x);
    b.op(Instr::Loop { counter, trips: 2 });
    b.op(Instr::Truncate { dst, a: all, bits, route: ROUTE });
    b.op(Instr::Reveal { dst: open, a: dst, route: ROUTE });
    b.op(Instr::Decode { dst: real, a: open, frac: 0 });
    b.op(Instr::Metric { name, a: real });
    b.op(Instr::End {});
    let host = b.run_alike::<R>(&[&[value]], options);
    [host.metrics[0].1.clone(), host.metrics[1].1.clone()]
}

#[test]
fn the_rounding_is_unbiased() {
    const N: u32 = 40_000;
    let dims = row_major(&[N]);
    // (bits, quarters of a unit above the floor), narrow, wide, and beyond 64 bits
    for (bits, quarters) in [(2, 1), (8, 2), (16, 3), (33, 1), (60, 2), (100, 3), (200, 1)] {
        let units = BigInt::from(-7) * 4 + quarters;
        let value = units << (bits - 2);
        let results = match bits {
            ..=60 => repeated::<Z64>(reduced(&value), bits, N, &dims, &seeded(3)),
            _ => repeated::<Z256>(reduced(&value), bits, N, &dims, &seeded(3)),
        };
        for results in results {
            assert!(results.iter().all(|x| *x == -7.0 || *x == -6.0));
            let up = results.iter().filter(|x| **x == -6.0).count() as f64;
            let p = f64::from(quarters) / 4.0;
            let deviation = (f64::from(N) * p * (1.0 - p)).sqrt();
            assert!(
                (up - p * f64::from(N)).abs() < 5.0 * deviation,
                "{bits} bits, {quarters}/4: {up} of {N} up"
            );
        }
    }
}

#[test]
fn the_distribution_is_exact() {
    // the smallest fraction is rounded up for one r of 2^m, the largest for all but one
    const N: u32 = 100_000;
    let dims = row_major(&[N]);
    for (value, share) in [(1, 1.0 / 16.0), (15, 15.0 / 16.0)] {
        let [results, _] = repeated::<Z64>(Z64::from_u64(value), 4, N, &dims, &seeded(5));
        let up = results.iter().sum::<f64>();
        let deviation = (f64::from(N) * share * (1.0 - share)).sqrt();
        assert!((up - share * f64::from(N)).abs() < 5.0 * deviation, "{up} of {N} for {value}/16");
    }
}

#[test]
fn the_rounding_is_addressed() {
    const N: u32 = 70_000;
    let value = Z64::from_u64(1 << 15);
    let dense = row_major(&[N]);
    let run = |dims: &[(u32, i64)], options: &Options| repeated(value, 16, N, dims, options);
    let once = run(&dense, &seeded(1));
    assert_eq!(once, run(&dense, &seeded(1)));
    for threads in [2, 3] {
        assert_eq!(once, run(&dense, &Options { threads, ..seeded(1) }), "{threads} threads");
    }
    // by index, not by place in memory
    assert_eq!(once, run(&[(200, 1), (350, 200)], &seeded(1)), "a transposed result");
    let agreement = |x: &[f64], y: &[f64]| x.iter().zip(y).filter(|(x, y)| x == y).count();
    assert!(agreement(&once[0], &once[1]).abs_diff(35_000) < 700, "iterations draw anew");
    assert!(agreement(&once[0], &run(&dense, &seeded(2))[0]).abs_diff(35_000) < 700, "seeds draw anew");
}
