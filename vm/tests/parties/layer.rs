//! A dense layer with ReLU and its gradient, twice in a loop.

use tern_bytecode::instr::Axes;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Protocol, Route};
use tern_vm::ring::{Ring, Z52, Z64, Z104};

use super::support::{Build, emulated, seeded, shared};

const AXES: Axes = Axes { batch: 0, rows: 1, inner: 1, cols: 1 };

/// (x·w) / 2^16, the positive part of it, and x·w again where it is positive.
fn layer<R: Ring>(protocol: Protocol, rounding: Rounding, route: Route, seed: u64) {
    let mut b = Build::new(protocol, R::BITS, rounding);
    let shape = [3, 5];
    let (x, w) = (b.input(&[3, 4], 0, route), b.input(&[4, 5], 2, route));
    let product = b.reg(Kind::Additive, &shape);
    let [h, y, again] = [(); 3].map(|()| b.reg(Kind::Shared, &shape));
    let [negative, positive] = [(); 2].map(|()| b.reg(Kind::Bit, &shape));
    let half = b.reg(Kind::Half, &shape);
    let counter = b.reg(Kind::Int, &[]);
    b.op(Instr::Loop { counter, trips: 2 });
    b.op(Instr::Contract { dst: product, a: x, b: w, axes: AXES });
    b.op(Instr::Truncate { dst: h, a: product, bits: 16, route });
    b.op(Instr::Sign { dst: negative, a: h, width: 32, route });
    b.op(Instr::Not { dst: positive, a: negative });
    b.op(Instr::Select { dst: y, keep: Some(half), bit: positive, a: h, route });
    b.op(Instr::SelectAgain { dst: again, half, bit: positive, a: y, bits: 0, route });
    b.op(Instr::End {});
    b.output(h, route);
    b.output(y, route);
    b.output(again, route);

    let fixed = |x: f64| R::from_f64(x * 65536.0);
    let inputs = [
        (0..12).map(|i| fixed(f64::from(i) * 0.253 - 1.5)).collect::<Vec<R>>(),
        (0..20).map(|i| fixed(1.0 - f64::from(i) * 0.1377)).collect(),
    ];
    let expected = emulated(&b.program, &inputs, seed);
    let found = shared(&b.program, &inputs, &seeded(seed));
    println!("{protocol:?}, seed {seed}, {route:?}");
    let near = |x: R, y: R| [-1, 0, 1].contains(&(x - y).to_i128().expect("small"));
    assert_eq!(found.len(), 3);
    for (output, values) in &found {
        match rounding {
            Rounding::Nearest => assert_eq!(values, &expected[output], "output {output}"),
            Rounding::Probabilistic => {
                assert!(values.iter().zip(&expected[output]).all(|(x, y)| near(*x, *y)), "output {output}");
            }
        }
    }
    let positive_part = |x: &R| if x.is_negative() { R::ZERO } else { *x };
    let expected: Vec<R> = found[&0].iter().map(positive_part).collect();
    assert_eq!([&found[&1], &found[&2]], [&expected; 2]);
}

#[test]
fn a_layer_in_all_routes() {
    for &protocol in Protocol::ALL {
        for route in protocol.model().all_routes() {
            for rounding in [Rounding::Nearest, Rounding::Probabilistic] {
                layer::<Z52>(protocol, rounding, route, 2);
                layer::<Z64>(protocol, rounding, route, 3);
                layer::<Z104>(protocol, rounding, route, 4);
            }
        }
    }
}
