//! Moving, adding, scaling, multiplying and summing, on views of any layout, in every ring.

use num_bigint::BigInt;
use proptest::prelude::*;
use tern_bytecode::instr::Axes;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Reg};
use tern_vm::ring::Ring;

use super::build::{Build, ROUTE, Tensor, row_major, seeded};
use super::reference::{
    Placement, RINGS, elements, in_ring, limbs, placement, positions, reduced, shape, signed,
};

type Contents = Vec<[u64; 4]>;

fn contents() -> impl Strategy<Value = Contents> {
    prop::collection::vec(limbs(), 1..40)
}

const KINDS: [Kind; 3] = [Kind::Plain, Kind::Shared, Kind::Additive];

type Make = fn(Reg, Reg, Reg) -> Instr;
type Meaning = fn(&BigInt, &BigInt) -> BigInt;

/// An element-wise instruction on given kinds, and what it means.
struct Elementwise {
    kinds: [Kind; 3],
    instr: Make,
    meaning: Meaning,
}

fn elementwise() -> Vec<Elementwise> {
    let mut all = Vec::new();
    for kind in KINDS {
        let same = [kind; 3];
        all.push(Elementwise {
            kinds: same,
            instr: |dst, a, b| Instr::Add { dst, a, b },
            meaning: |a, b| a + b,
        });
        all.push(Elementwise {
            kinds: same,
            instr: |dst, a, b| Instr::Sub { dst, a, b },
            meaning: |a, b| a - b,
        });
        all.push(Elementwise { kinds: same, instr: |dst, a, _| Instr::Neg { dst, a }, meaning: |a, _| -a });
        all.push(Elementwise {
            kinds: same,
            instr: |dst, a, _| Instr::Copy { dst, a },
            meaning: |a, _| a.clone(),
        });
        all.push(Elementwise {
            kinds: [kind, kind, Kind::Plain],
            instr: |dst, a, b| Instr::MulPlain { dst, a, b },
            meaning: |a, b| a * b,
        });
    }
    all.push(Elementwise {
        kinds: [Kind::Additive, Kind::Shared, Kind::Shared],
        instr: |dst, a, b| Instr::Mul { dst, a, b },
        meaning: |a, b| a * b,
    });
    let forms: [(Kind, Kind, Make); 5] = [
        (Kind::Shared, Kind::Plain, |dst, a, _| Instr::Promote { dst, a }),
        (Kind::Additive, Kind::Plain, |dst, a, _| Instr::Promote { dst, a }),
        (Kind::Additive, Kind::Shared, |dst, a, _| Instr::Widen { dst, a }),
        (Kind::Shared, Kind::Additive, |dst, a, _| Instr::Reshare { dst, a, route: ROUTE }),
        (Kind::Plain, Kind::Shared, |dst, a, _| Instr::Reveal { dst, a, route: ROUTE }),
    ];
    all.extend(forms.map(|(dst, a, instr)| Elementwise {
        kinds: [dst, a, a],
        instr,
        meaning: |a, _| a.clone(),
    }));
    all
}

fn check_elementwise<R: Ring>(
    case: &Elementwise,
    shape: &[u32],
    places: &[Placement],
    contents: &[Contents],
) {
    let mut b = Build::new(R::BITS, Rounding::Nearest);
    let tensor =
        |i: usize| Tensor { kind: case.kinds[i], shape, placement: &places[i], contents: &contents[i] };
    let dst = b.placed::<R>(&tensor(0), false);
    let (x, y) = (b.placed::<R>(&tensor(1), true), b.placed::<R>(&tensor(2), true));
    b.op((case.instr)(dst.reg, x.reg, y.reg));
    b.output_any(dst.whole, dst.kind);
    let results = x.elements().into_iter().zip(y.elements());
    let results = results.map(|(x, y)| reduced(&(case.meaning)(&signed(x), &signed(y))));
    assert_eq!(b.outputs::<R>(&[])[0], dst.with(results));
}

/// In place: `dst` is one of the operands, or both, under its own or another register.
fn check_in_place<R: Ring>(
    case: &Elementwise,
    which: usize,
    shape: &[u32],
    places: &[Placement],
    contents: &[Contents],
) {
    let mut b = Build::new(R::BITS, Rounding::Nearest);
    let tensor =
        |i: usize| Tensor { kind: case.kinds[i], shape, placement: &places[i], contents: &contents[i] };
    let dst = b.placed::<R>(&tensor(0), false);
    let other = b.placed::<R>(&tensor(2), true);
    let view = b.program.views[dst.reg.0 as usize].clone();
    b.program.views.push(view);
    let twin = Reg(b.program.views.len() as u32 - 1);
    let (x, y) = [(dst.reg, other.reg), (twin, other.reg), (other.reg, dst.reg), (dst.reg, twin)][which];
    b.op((case.instr)(dst.reg, x, y));
    b.output_any(dst.whole, dst.kind);
    let value = |reg: Reg| if reg == other.reg { other.elements() } else { dst.elements() };
    let results = value(x).into_iter().zip(value(y));
    let results = results.map(|(x, y)| reduced(&(case.meaning)(&signed(x), &signed(y))));
    assert_eq!(b.outputs::<R>(&[])[0], dst.with(results));
}

proptest! {
    #[test]
    fn element_by_element(
        ring in 0..RINGS,
        case in 0..elementwise().len(),
        shape in shape(),
        places in prop::collection::vec(placement(), 3),
        contents in prop::collection::vec(contents(), 3),
    ) {
        in_ring!(ring, check_elementwise(&elementwise()[case], &shape, &places, &contents));
    }

    #[test]
    fn in_place(
        ring in 0..RINGS,
        kind in prop::sample::select(KINDS.to_vec()),
        op in 0..3usize,
        which in 0..4usize,
        shape in shape(),
        places in prop::collection::vec(placement(), 3),
        contents in prop::collection::vec(contents(), 3),
    ) {
        let ops: [(Make, Meaning); 3] = [
            (|dst, a, b| Instr::Add { dst, a, b }, |a, b| a + b),
            (|dst, a, b| Instr::Sub { dst, a, b }, |a, b| a - b),
            (|dst, a, b| Instr::MulPlain { dst, a, b }, |a, b| a * b),
        ];
        let kind = if op == 2 { Kind::Plain } else { kind };
        let case = Elementwise { kinds: [kind; 3], instr: ops[op].0, meaning: ops[op].1 };
        in_ring!(ring, check_in_place(&case, which, &shape, &places, &contents));
    }

    #[test]
    fn sums(
        ring in 0..RINGS,
        kind in prop::sample::select(KINDS.to_vec()),
        shape in shape(),
        axes in 0..16u32,
        places in prop::collection::vec(placement(), 2),
        contents in prop::collection::vec(contents(), 2),
    ) {
        let axes = axes & ((1 << shape.len()) - 1);
        in_ring!(ring, check_sum(kind, &shape, axes, &places, &contents));
    }

    #[test]
    fn contractions(
        ring in 0..RINGS,
        kinds in prop::sample::select(vec![
            [Kind::Additive, Kind::Shared, Kind::Shared],
            [Kind::Plain; 3],
            [Kind::Shared, Kind::Shared, Kind::Plain],
            [Kind::Additive, Kind::Additive, Kind::Plain],
        ]),
        groups in prop::collection::vec(prop::collection::vec(prop_oneof![1 => Just(0), 2 => Just(1), 5 => 2..5u32, 1 => Just(17)], 0..3), 4),
        places in prop::collection::vec(placement(), 3),
        contents in prop::collection::vec(contents(), 3),
    ) {
        in_ring!(ring, check_contract(kinds, &groups, &places, &contents));
    }

    #[test]
    fn rows_by_index(
        ring in 0..RINGS,
        kind in prop::sample::select(vec![Kind::Plain, Kind::Shared, Kind::Additive, Kind::Bit]),
        rest in shape(),
        index in prop::collection::vec(0..5i64, 0..7),
        scatter in any::<bool>(),
        places in prop::collection::vec(placement(), 2),
        contents in prop::collection::vec(contents(), 2),
    ) {
        in_ring!(ring, check_rows(kind, &rest, &index, scatter, &places, &contents));
    }
}

fn check_sum<R: Ring>(kind: Kind, shape: &[u32], axes: u32, places: &[Placement], contents: &[Contents]) {
    let mut b = Build::new(R::BITS, Rounding::Nearest);
    let kept: Vec<u32> = (0..shape.len()).filter(|i| axes >> i & 1 == 0).map(|i| shape[i]).collect();
    let dst = Tensor { kind, shape: &kept, placement: &places[0], contents: &contents[0] };
    let dst = b.placed::<R>(&dst, false);
    let a = b.placed::<R>(&Tensor { kind, shape, placement: &places[1], contents: &contents[1] }, true);
    b.op(Instr::Sum { dst: dst.reg, a: a.reg, axes });
    b.output_any(dst.whole, kind);
    // strides of a dense result over the operand's axes: the index of the result's element for each of the operand's
    let mut dense = row_major(&kept).into_iter();
    let dims: Vec<(u32, i64)> = (0..shape.len())
        .map(|i| if axes >> i & 1 == 1 { (shape[i], 0) } else { dense.next().unwrap() })
        .collect();
    let over = b.alias(dst.whole, 0, &dims);
    let mut sums = vec![BigInt::ZERO; dst.at.len()];
    for (to, from) in positions(&b.program.views[over.0 as usize]).into_iter().zip(a.elements()) {
        sums[to] += signed(from);
    }
    b.program.views.pop();
    assert_eq!(b.outputs::<R>(&[])[0], dst.with(sums.iter().map(reduced)));
}

fn check_contract<R: Ring>(
    kinds: [Kind; 3],
    groups: &[Vec<u32>],
    places: &[Placement],
    contents: &[Contents],
) {
    let [batch, rows, inner, cols] = [0, 1, 2, 3].map(|i| groups[i].clone());
    let shapes = [
        [batch.clone(), rows.clone(), cols.clone()].concat(),
        [batch.clone(), rows.clone(), inner.clone()].concat(),
        [batch.clone(), inner.clone(), cols.clone()].concat(),
    ];
    let mut b = Build::new(R::BITS, Rounding::Nearest);
    let [dst, x, y] = [0, 1, 2].map(|i| {
        let tensor =
            Tensor { kind: kinds[i], shape: &shapes[i], placement: &places[i], contents: &contents[i] };
        b.placed::<R>(&tensor, i > 0)
    });
    let count = |axes: &[u32]| axes.len() as u8;
    let axes = Axes { batch: count(&batch), rows: count(&rows), inner: count(&inner), cols: count(&cols) };
    b.op(Instr::Contract { dst: dst.reg, a: x.reg, b: y.reg, axes });
    b.output_any(dst.whole, dst.kind);
    let [n, r, i, c] = [&batch, &rows, &inner, &cols].map(|axes| axes.iter().product::<u32>() as usize);
    let (u, v) = (x.elements(), y.elements());
    let mut products = Vec::new();
    for (n, r, c) in (0..n).flat_map(|n| (0..r).flat_map(move |r| (0..c).map(move |c| (n, r, c)))) {
        let row = |l| signed(u[(n * groups[1].iter().product::<u32>() as usize + r) * i + l]);
        let col = |l| signed(v[(n * i + l) * groups[3].iter().product::<u32>() as usize + c]);
        products.push(reduced(&(0..i).map(|l| row(l) * col(l)).sum::<BigInt>()));
    }
    assert_eq!(b.outputs::<R>(&[])[0], dst.with(products));
}

fn check_rows<R: Ring>(
    kind: Kind,
    rest: &[u32],
    index: &[i64],
    scatter: bool,
    places: &[Placement],
    contents: &[Contents],
) {
    let shape = |rows: u32| [&[rows], rest].concat();
    let (table, picked) = (shape(5), shape(index.len() as u32));
    let (to, from) = if scatter { (&table, &picked) } else { (&picked, &table) };
    let mut b = Build::new(R::BITS, Rounding::Nearest);
    let dst =
        b.placed::<R>(&Tensor { kind, shape: to, placement: &places[0], contents: &contents[0] }, false);
    let a = b.placed::<R>(&Tensor { kind, shape: from, placement: &places[1], contents: &contents[1] }, true);
    let rows = b.reg(Kind::Int, &[index.len() as u32]);
    b.ints(rows, index);
    b.op(match scatter {
        true => Instr::Scatter { dst: dst.reg, a: a.reg, index: rows },
        false => Instr::Gather { dst: dst.reg, a: a.reg, index: rows },
    });
    b.output_any(dst.whole, kind);
    let (mut new, old) = (dst.elements(), a.elements());
    let width: usize = rest.iter().product::<u32>() as usize;
    for (i, row) in index.iter().enumerate() {
        for j in 0..width {
            match scatter {
                true => new[*row as usize * width + j] = old[i * width + j],
                false => new[i * width + j] = old[*row as usize * width + j],
            }
        }
    }
    assert_eq!(b.outputs::<R>(&[])[0], dst.with(new));
}

#[test]
fn convolution_over_overlapping_windows() {
    fn check<R: Ring>() {
        let mut b = Build::new(R::BITS, Rounding::Nearest);
        // an image of 5 × 6, a kernel of 2 × 3, all 4 × 4 windows
        let image = b.reg(Kind::Shared, &[5, 6]);
        let kernel = b.reg(Kind::Shared, &[2, 3]);
        let windows = b.alias(image, 0, &[(4, 6), (4, 1), (2, 6), (3, 1)]);
        let dst = b.reg(Kind::Additive, &[4, 4]);
        b.input(image);
        b.input(kernel);
        let axes = Axes { batch: 0, rows: 2, inner: 2, cols: 0 };
        b.op(Instr::Contract { dst, a: windows, b: kernel, axes });
        b.output_additive(dst);
        let x: Vec<R> = (0..30).map(|i| R::from_i128(i * i - 200)).collect();
        let w: Vec<R> = (0..6).map(|i| R::MAX - R::from_u64(i * 77)).collect();
        let found = &b.outputs(&[&x, &w])[0];
        for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
            let terms = (0..2).flat_map(|u| (0..3).map(move |v| (u, v)));
            let sum: BigInt = terms.map(|(u, v)| signed(x[(i + u) * 6 + j + v]) * signed(w[u * 3 + v])).sum();
            assert_eq!(found[i * 4 + j], reduced(&sum), "{i}, {j}");
        }
    }
    check::<tern_vm::ring::Z52>();
    check::<tern_vm::ring::Z64>();
    check::<tern_vm::ring::Z104>();
    check::<tern_vm::ring::Z128>();
    check::<tern_vm::ring::Z192>();
    check::<tern_vm::ring::Z256>();
}

#[test]
fn halves_of_one_buffer() {
    // the left half is computed from the right one, and the other way round
    for (to, from) in [(0, 4), (4, 0)] {
        let mut b = Build::new(64, Rounding::Nearest);
        let whole = b.reg(Kind::Shared, &[8]);
        b.input(whole);
        let (dst, a) = (b.alias(whole, to, &[(4, 1)]), b.alias(whole, from, &[(4, 1)]));
        b.op(Instr::Neg { dst, a });
        b.op(Instr::Copy { dst, a });
        b.op(Instr::Add { dst, a, b: a });
        b.output(whole);
        let x: Vec<tern_vm::ring::Z64> = (1..9).map(tern_vm::ring::Z64::from_u64).collect();
        let mut expected = x.clone();
        for i in 0..4 {
            expected[to as usize + i] = x[from as usize + i] + x[from as usize + i];
        }
        assert_eq!(b.outputs(&[&x])[0], expected);
    }
}

#[test]
fn large_tensors_on_one_and_two_threads() {
    let mut b = Build::new(64, Rounding::Probabilistic);
    let (x, t) = (b.reg(Kind::Shared, &[300, 400]), b.reg(Kind::Shared, &[400, 300]));
    let (sum, product) = (b.reg(Kind::Shared, &[300, 400]), b.reg(Kind::Additive, &[300, 300]));
    let (rounded, bits) = (b.reg(Kind::Shared, &[300, 300]), b.reg(Kind::Bit, &[300, 300]));
    let transposed = b.alias(t, 0, &[(300, 1), (400, 300)]);
    b.input(x);
    b.input(t);
    b.op(Instr::Add { dst: sum, a: x, b: transposed });
    b.op(Instr::Contract { dst: product, a: sum, b: t, axes: Axes { batch: 0, rows: 1, inner: 1, cols: 1 } });
    b.op(Instr::Truncate { dst: rounded, a: product, bits: 16, route: ROUTE });
    b.op(Instr::Sign { dst: bits, a: rounded, width: 40, route: ROUTE });
    b.output(rounded);
    b.output_bits(bits);
    let contents: Vec<[u64; 4]> = (0..997i64).map(|i| [(i * i - 300_000) as u64, 0, 0, 0]).collect();
    let (x, y) = (elements::<tern_vm::ring::Z64>(&contents, 120_000, 0), elements(&contents, 120_000, 7));
    let run = |threads| {
        let options = tern_vm::Options { threads, ..seeded(7) };
        let (host, report) = b.run(&[&x, &y], &options).expect("it runs");
        (host.outputs, report.bits(), report.rounds)
    };
    let single = run(1);
    assert_eq!(single, run(2));
    assert_eq!(single, run(3));
    let positive = single.0[&1].iter().filter(|bit| bit.bit(0)).count();
    assert!(positive > 100, "some signs are set");
}
