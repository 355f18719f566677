//! A dense layer with ReLU, run twice in a loop.

use tern_bytecode::instr::Axes;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind};
use tern_vm::ring::{Ring, Z64};

use super::build::{Build, ROUTE, seeded};

/// relu(x · w), twice in a loop.
pub fn dense_layer(rounding: Rounding) -> Build {
    let mut b = Build::new(64, rounding);
    let (x, w) = (b.reg(Kind::Shared, &[3, 4]), b.reg(Kind::Shared, &[4, 2]));
    let product = b.reg(Kind::Additive, &[3, 2]);
    let h = b.reg(Kind::Shared, &[3, 2]);
    let negative = b.reg(Kind::Bit, &[3, 2]);
    let positive = b.reg(Kind::Bit, &[3, 2]);
    let y = b.reg(Kind::Shared, &[3, 2]);
    b.input(x);
    b.input(w);
    let counter = b.reg(Kind::Int, &[]);
    b.op(Instr::Loop { counter, trips: 2 });
    b.op(Instr::Contract { dst: product, a: x, b: w, axes: Axes { batch: 0, rows: 1, inner: 1, cols: 1 } });
    b.op(Instr::Truncate { dst: h, a: product, bits: 16, route: ROUTE });
    b.op(Instr::Sign { dst: negative, a: h, width: 32, route: ROUTE });
    b.op(Instr::Not { dst: positive, a: negative });
    b.op(Instr::Select { dst: y, keep: None, bit: positive, a: h, route: ROUTE });
    b.op(Instr::End {});
    b.output(y);
    b
}

#[test]
fn a_dense_layer() {
    for rounding in [Rounding::Nearest, Rounding::Probabilistic] {
        let b = dense_layer(rounding);
        let fixed = |x: f64| Z64::from_f64(x * 65536.0);
        let a: Vec<f64> = (0..12).map(|i| f64::from(i) * 0.25 - 1.5).collect();
        let c: Vec<f64> = (0..8).map(|i| 1.0 - f64::from(i) * 0.375).collect();
        let inputs = [a.iter().map(|x| fixed(*x)).collect::<Vec<_>>(), c.iter().map(|x| fixed(*x)).collect()];
        let (host, report) = b.run::<Z64>(&[&inputs[0], &inputs[1]], &seeded(1)).expect("it runs");
        for i in 0..3 {
            for j in 0..2 {
                // all products are multiples of 2^-5, so both roundings are exact
                let dot: f64 = (0..4).map(|l| a[4 * i + l] * c[2 * l + j]).sum();
                assert_eq!(host.outputs[&0][2 * i + j], fixed(dot.max(0.0)), "{i}, {j}");
            }
        }
        let receives =
            |code: &[Instr]| code.iter().filter(|instr| matches!(instr, Instr::Receive {})).count() as u64;
        let begins = b.program.code.iter().position(|instr| matches!(instr, Instr::Loop { .. })).unwrap();
        let ends = b.program.code.iter().position(|instr| matches!(instr, Instr::End {})).unwrap();
        let (all, body) = (receives(&b.program.code), receives(&b.program.code[begins..ends]));
        assert!(body >= 3 + 2 + 2);
        assert_eq!(report.rounds, all + body);
        assert!(report.bits() > 0);
    }
}
