//! What programs open under masks, with a dealer: which values, and how many bits of each element.

use std::collections::BTreeMap;

use tern_bytecode::report::report;
use tern_compiler::diagnostics::{Look, Origin, SourceMap, render_all};
use tern_compiler::ir::{Optimise, Protocol, Rounding};
use tern_compiler::{Entry, Request, Settings, compile};

/// Line, sizes and bits of every opening, in the order of the code.
fn openings(text: &str, rounding: Rounding) -> Vec<(u32, Vec<u32>, u32)> {
    let settings = Settings {
        protocol: Protocol::Dealer,
        ring: 64,
        frac: 16,
        total: 32,
        rounding,
        optimise: Optimise::Balanced,
    };
    let mut sources = SourceMap::new();
    let file = sources.add("t.mpc", text, Origin::User);
    let args = BTreeMap::new();
    let resolve = &|_: &str| None;
    let request = Request { name: "t", file, entry: Entry::Main, settings, args, resolve, print_after: None };
    let compilation = compile(request, sources);
    let messages = render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN);
    let program = compilation.program.unwrap_or_else(|| panic!("{messages}"));
    report(&program).masks.into_iter().map(|mask| (mask.line, mask.shape, mask.width)).collect()
}

const LAYER: &str = "use nn::{relu}
input x: fix[4, 5] from party 0
input w: fix[5, 3] from party 1
fn main() {
    let y = x @ w
    let z = y * y + relu(y)
    output a = transpose(y) @ z to party 0
    output b = y to party 1
}
";

/// A product has 47 bits and two more for its truncation. Its rounded result is squared, compared, selected, transposed, multiplied and put out, and opened once, of which 16 bits are
/// left to open. Both terms of z are opened as one.
#[test]
fn a_value_is_opened_once_whatever_uses_it() {
    let (y, z) = (vec![4, 3], vec![3, 3]);
    let expected = [(5, y.clone(), 49), (5, y.clone(), 16), (6, y.clone(), 49), (6, y, 49), (7, z, 49)];
    assert_eq!(openings(LAYER, Rounding::Probabilistic), expected);
}

/// To the nearest, the carry is no part of a mask: the result is opened as any other, and the rounding takes a bit more.
#[test]
fn results_rounded_to_the_nearest_are_opened_anew() {
    let (y, z) = (vec![4, 3], vec![3, 3]);
    let expected = [(5, y.clone(), 50), (5, y.clone(), 50), (6, y.clone(), 50), (6, y, 50), (7, z, 50)];
    assert_eq!(openings(LAYER, Rounding::Nearest), expected);
}

/// Of a sum whose only additive term is a truncation, the truncation is opened, with the bits that it takes away: weights stay opened from one iteration to the next. The
/// output takes them from there, and opens nothing.
#[test]
fn new_weights_open_the_step() {
    let program = "input w0: fix[8] from party 0
input g: fix[8] from party 1
fn main() {
    var w = w0
    for i in 0..10 {
        w = w - 0.01 * (w * g)
    }
    output w1 = w to party 1
}
";
    // the product; what is left of it times 0.01, which has 22 bits of fraction; the step
    let expected = [49, 22, 16].map(|bits| (6, vec![8], bits));
    assert_eq!(openings(program, Rounding::Probabilistic), expected);
}

/// What is repeated is opened before.
#[test]
fn the_small_tensor_is_opened_not_the_repeated_one() {
    let program = "input x: fix[2, 4, 4] from party 0
input w: fix[2, 4, 4] from party 1
fn main() {
    let y = x * w
    let big = broadcast(reshape(y, [2, 1, 4, 4]), [2, 5, 4, 4])
    output z = sum(big * big, axis=1) to party 0
}
";
    let sizes: Vec<u32> = openings(program, Rounding::Probabilistic)
        .iter()
        .map(|(_, shape, _)| shape.iter().product())
        .collect();
    assert_eq!(sizes, [32; 3]);
}
