use proptest::prelude::*;

use super::{elements, positions, random_layout, targets};
use crate::par::{MIN_PARALLEL, Threads};
use crate::ring::views::{self, View, ViewMut, accumulate_on, apply_on};
use crate::ring::{Layout, Loops, Ring, Z64, Z128, Z256};

/// Shapes of up to four axes, with empty ones, ones, and runs that are longer than a stage.
fn shape() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![8 => 1..6usize, 1 => Just(0), 1 => 120..300usize];
    prop::collection::vec(size, 0..5)
        .prop_filter("not too large", |shape| shape.iter().product::<usize>() < 200_000)
}

fn maps<R: Ring>(shape: &[usize], seed: u64, threads: &Threads) -> Result<(), TestCaseError> {
    let (dl, dn) = random_layout(shape, false, seed);
    let (al, an) = random_layout(shape, true, seed + 1);
    let (bl, bn) = random_layout(shape, true, seed + 2);
    let (a, b) = (elements::<R>(seed, an), elements::<R>(!seed, bn));
    let before = elements::<R>(seed ^ 5, dn + 3);
    let mut expected = before.clone();
    for ((d, a_at), b_at) in positions(&dl).into_iter().zip(positions(&al)).zip(positions(&bl)) {
        expected[d] = expected[d] * a[a_at] - b[b_at];
    }
    for target in targets() {
        let mut dst = before.clone();
        let src = [View::new(&a, &al), View::new(&b, &bl)];
        apply_on(target, threads, ViewMut::new(&mut dst, &dl), src, |d, [a, b]| d * a - b);
        prop_assert_eq!(&dst, &expected, "{:?} on {:?}, {:?}, {:?}", target, dl, al, bl);
    }
    let (mut dst, mut expected) = (before.clone(), before);
    positions(&dl).into_iter().zip(positions(&al)).for_each(|(d, a_at)| expected[d] = a[a_at]);
    views::copy(threads, ViewMut::new(&mut dst, &dl), View::new(&a, &al));
    prop_assert_eq!(&dst, &expected, "a copy to {:?} from {:?}", dl, al);
    Ok(())
}

fn sums<R: Ring>(shape: &[usize], seed: u64, threads: &Threads) -> Result<(), TestCaseError> {
    let (dl, dn) = random_layout(shape, true, seed);
    let (al, an) = random_layout(shape, true, seed + 1);
    let (bl, bn) = random_layout(shape, true, seed + 2);
    let (a, b) = (elements::<R>(seed, an), elements::<R>(!seed, bn));
    let before = elements::<R>(seed ^ 5, dn);
    let mut expected = before.clone();
    for ((d, a_at), b_at) in positions(&dl).into_iter().zip(positions(&al)).zip(positions(&bl)) {
        expected[d] += a[a_at] * b[b_at];
    }
    for target in targets() {
        let mut dst = before.clone();
        let src = [View::new(&a, &al), View::new(&b, &bl)];
        accumulate_on(target, threads, ViewMut::new(&mut dst, &dl), src, |[a, b]| a * b);
        prop_assert_eq!(&dst, &expected, "{:?} on {:?}, {:?}, {:?}", target, dl, al, bl);
    }
    Ok(())
}

proptest! {
    #[test]
    fn maps_and_sums_of_any_views(shape in shape(), seed in any::<u32>()) {
        let (threads, seed) = (Threads::single(), seed.into());
        maps::<Z64>(&shape, seed, &threads)?;
        maps::<Z128>(&shape, seed, &threads)?;
        maps::<Z256>(&shape, seed, &threads)?;
        sums::<Z64>(&shape, seed, &threads)?;
        sums::<Z128>(&shape, seed, &threads)?;
        sums::<Z256>(&shape, seed, &threads)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn threads_do_not_matter(rows in 1..4usize, columns in MIN_PARALLEL / 2..MIN_PARALLEL, count in 2..5usize, seed in any::<u32>()) {
        let threads = Threads::new(count).unwrap();
        maps::<Z64>(&[rows, columns], seed.into(), &threads)?;
        maps::<Z128>(&[rows, columns], seed.into(), &threads)?;
        maps::<Z64>(&[columns, rows], seed.into(), &threads)?;
        sums::<Z64>(&[columns, rows, 2], seed.into(), &threads)?;
    }

    #[test]
    fn pieces_of_loops_cover_the_destination(shape in shape(), parts in 1..9usize, seed in any::<u32>()) {
        let (layout, len) = random_layout(&shape, false, seed.into());
        let loops = Loops::<0>::new(&layout, []);
        let mut seen = vec![0; len];
        let mut end = 0;
        for (range, piece) in loops.split(parts) {
            prop_assert!(end <= range.start);
            end = range.end;
            let part = &mut seen[range];
            piece.for_each(|at| {
                let (n, stride) = (piece.inner().len, piece.inner().stride.dst as usize);
                (0..n).for_each(|i| part[at.dst + i * stride] += 1);
            });
        }
        let mut expected = vec![0; len];
        positions(&layout).into_iter().for_each(|at| expected[at] += 1);
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn dense_views_are_one_run() {
    let dense = Layout::contiguous(&[3, 4, 5]);
    let loops = Loops::new(&dense, [&dense]);
    let mut runs = 0;
    loops.for_each(|_| runs += 1);
    assert_eq!((runs, loops.inner().len), (1, 60));
    // Backwards in all views is forwards.
    let back = Layout::strided(59, &[(60, -1)]);
    assert_eq!(Loops::new(&back, [&back]).inner().stride.dst, 1);
    // The sum over the first axis of a matrix runs along its rows.
    let matrix = Layout::contiguous(&[100, 300]);
    let loops = Loops::new(&Layout::strided(0, &[(100, 0), (300, 1)]), [&matrix]);
    assert_eq!((loops.inner().len, loops.inner().stride.dst), (300, 1));
}

#[test]
fn named_operations() {
    let threads = Threads::single();
    let l = Layout::contiguous(&[2]);
    let [a, b] = [[7, 9], [5, 100]].map(|x| x.map(Z64::from_u64));
    let mut d = [Z64::ZERO; 2];
    let run = |d: &mut [Z64; 2], f: fn(&Threads, ViewMut<Z64>, View<Z64>, View<Z64>)| {
        f(&threads, ViewMut::new(d, &l), View::new(&a, &l), View::new(&b, &l));
        d.map(|x| x.to_i128().unwrap())
    };
    assert_eq!(run(&mut d, views::add), [12, 109]);
    assert_eq!(run(&mut d, views::sub), [2, -91]);
    assert_eq!(run(&mut d, views::mul), [35, 900]);
    views::copy(&threads, ViewMut::new(&mut d, &l), View::new(&a, &l));
    assert_eq!(d, a);
    views::sum(&threads, ViewMut::new(&mut d, &Layout::strided(1, &[(2, 0)])), View::new(&b, &l));
    assert_eq!(d, [7, 114].map(Z64::from_u64));
    views::fill(&threads, ViewMut::new(&mut d, &l), Z64::ONE);
    assert_eq!(d, [Z64::ONE; 2]);
}

#[test]
fn spans() {
    assert_eq!(Layout::strided(10, &[(3, -5), (2, 7)]).span(), Some(0..18));
    assert_eq!(Layout::strided(9, &[(3, -5)]).span(), None);
    assert_eq!(Layout::strided(9, &[(3, -5), (0, 1)]).span(), Some(9..9));
    assert_eq!(Layout::strided(0, &[(3, isize::MAX)]).span(), None);
    assert!(Layout::contiguous(&[2, 3]).fits(6) && !Layout::contiguous(&[2, 3]).fits(5));
}
