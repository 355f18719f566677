//! What the library's comments say about rounds and bits is what the cost model counts.
//!
//! A comment says: Cost of `CALL` per element at f = 16 and 32: R and R rounds, B and B bits. `x` and `y` in the call are shared numbers; instead of an element it
//! may be "per row of 10".

use std::fmt::Write;

use tern_bytecode::report::{group, report};
use tern_compiler::ir::Rounding;
use tern_compiler::lower::modules::LIBRARY;
use tern_tests::run::{compiled, settings};

/// A claim of a comment.
struct Claim<'a> {
    call: &'a str,
    /// Elements of a row, if it is about rows.
    row: Option<usize>,
    /// What follows the colon.
    figures: &'a str,
}

fn claim(comment: &str) -> Option<Claim<'_>> {
    let (call, rest) = comment.trim().strip_prefix("/// Cost of `")?.split_once("` per ")?;
    let (unit, figures) = rest.split_once(" at f = 16 and 32: ").expect("a claim of both precisions");
    let row = match unit {
        "element" => None,
        _ => Some(unit.strip_prefix("row of ").and_then(|n| n.parse().ok()).expect("an element or a row")),
    };
    Some(Claim { call, row, figures })
}

/// Rounds, and bits in all, of a call on `n` elements or rows.
fn cost(module: &str, claim: &Claim<'_>, n: usize, f: u32) -> (u64, u64) {
    let shape = claim.row.map_or(format!("{n}"), |row| format!("{n}, {row}"));
    let source = format!(
        "use math\nuse init\nuse nn\nuse optim\ninput x: fix[{shape}] from party 0\ninput y: fix[{shape}] from party 1\nfn main() {{\n    \
         let result = {module}::{}\n    output result = result to party 0\n}}\n",
        claim.call
    );
    let program = compiled(&source, settings(f, Rounding::Probabilistic)).program.expect("compiled");
    let report = report(&program);
    let line = report.by_line.iter().find(|line| line.line == 8).expect("the call");
    (line.rounds, line.bits)
}

/// What the comment should say.
fn figures(module: &str, claim: &Claim<'_>) -> String {
    let [(rounds, bits), (rounds_32, bits_32)] = [16, 32].map(|f| {
        let [small, medium, large] = [64, 192, 1280].map(|n| {
            let (rounds, bits) = cost(module, claim, n, f);
            (rounds, bits / n as u64)
        });
        assert!(
            small == medium && medium == large,
            "{}: not the same at three sizes: {small:?} {medium:?} {large:?}",
            claim.call
        );
        large
    });
    format!("{rounds} and {rounds_32} rounds, {} and {} bits.", group(bits), group(bits_32))
}

#[test]
fn comments_tell_the_costs() {
    let (mut wrong, mut count) = (String::new(), 0);
    for (module, text) in LIBRARY {
        for claim in text.lines().filter_map(claim) {
            let found = figures(module, &claim);
            count += 1;
            if claim.figures != found {
                writeln!(wrong, "{module}: `{}`: {} should be: {found}", claim.call, claim.figures)
                    .expect("a string");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count >= 15, "only {count} comments tell costs");
}
