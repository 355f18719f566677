//! Operations on large tensors are cut into parts that take different routes: the results stay what they are, the costs too, and every link carries the same.

use tern_bytecode::Instr;
use tern_bytecode::report::report;
use tern_compiler::ir::Rounding;
use tern_tests::parties::{emulated, shared};
use tern_tests::run::{Values, compiled, settings};

const SEED: u64 = 20;

/// A layer and its gradient on `rows` samples, so that everything that is cut appears: signs, selections and their repetition, truncations, words, conjunctions.
fn program(rows: usize, columns: usize) -> String {
    format!(
        "use nn::{{Dense, dense, relu}}
input x: fix[{rows}, {columns}] from party 0
model Net {{ l: Dense({columns}, 70) }}
fn main() {{
    var p = Net()
    for i in 0..2 {{
        let y = relu(dense(x, p.l))
        p = p - 1/64 * grad(sum(y * y), p)
        let far = (y > 0.1) & (y < 0.4)
        p.l.bias += sum(fix(far), axis=0) / 1024
    }}
    output weights = p to party 2
}}"
    )
}

fn inputs(rows: usize, columns: usize) -> Values {
    let value = |i: usize| ((i * 7919 % 1009) as f64 - 504.0) / 1024.0;
    Values::from([("x".to_string(), (0..rows * columns).map(value).collect())])
}

#[test]
fn parts_agree_with_the_emulator_and_with_the_announced_cost() {
    for (frac, rows, columns) in [(16, 513, 65), (32, 256, 64)] {
        let code = compiled(&program(rows, columns), settings(frac, Rounding::Nearest))
            .program
            .expect("it compiles");
        let name = format!("f = {frac}, {rows} rows of {columns}");
        let expected = emulated(&code, &inputs(rows, columns), SEED).expect("nothing leaves its range");
        assert_eq!(shared(&code, &inputs(rows, columns), SEED, &name), expected, "{name}");
    }
}

#[test]
fn links_carry_equal_loads() {
    let code =
        compiled(&program(512, 64), settings(16, Rounding::Probabilistic)).program.expect("it compiles");
    let routes = |wanted: fn(&Instr) -> Option<u8>| {
        let mut routes: Vec<u8> = code.code.iter().filter_map(wanted).collect();
        routes.sort_unstable();
        routes.dedup();
        routes.len()
    };
    let signs = |instr: &Instr| match instr {
        Instr::Sign { route, .. } => Some(route.0),
        _ => None,
    };
    assert!(routes(signs) >= 3, "signs take {} routes", routes(signs));
    let mut links = report(&code).bits_by_link;
    // what party 0 shares of its input goes to one neighbour
    let input = 64 * 512 * 64;
    let busiest = |row: &[u64]| row.iter().copied().max().unwrap_or(0);
    let place = links[0].iter().position(|bits| *bits == busiest(&links[0])).expect("three links");
    links[0][place] -= input;
    let loads: Vec<u64> = links.iter().flatten().copied().filter(|bits| *bits > 0).collect();
    let (least, most) = (loads.iter().min().expect("six"), loads.iter().max().expect("six"));
    assert_eq!(loads.len(), 6);
    assert!(*most as f64 <= 1.15 * *least as f64, "{links:?}");
}

#[test]
fn small_operations_stay_whole() {
    let code =
        compiled(&program(16, 65), settings(16, Rounding::Probabilistic)).program.expect("it compiles");
    let signs = code.code.iter().filter(|instr| matches!(instr, Instr::Sign { .. })).count();
    assert!(signs <= 3, "{signs} signs for three comparisons");
}
