//! What the library's comments say about rounds and bits is what the cost model counts.
//!
//! A comment says: Cost of `CALL` per UNIT at f = 16 and 32: R and R rounds, B and B bits; after the call may follow: with `p: MODEL`. `x` and `y` in the call
//! are shared numbers, n of the unit:
//!
//! | unit | shape of x and y |
//! |---|---|
//! | element | `[n]` |
//! | row of 10 | `[n, 10]` |
//! | image of 2 by 8 by 8 | `[n, 2, 8, 8]` |
//! | channel of 64 | `[64, n]` |
//! | parameter | models with one field `[n]`; `s` is the state of an optimizer |
//!
//! Comments are about probabilistic rounding. What the same calls cost with rounding to the nearest is a golden text, `costs_nearest.txt`
//! (`UPDATE_EXPECT=1` writes it).

use std::fmt::Write;

use expect_test::expect_file;
use tern_bytecode::report::{group, report};
use tern_compiler::ir::Rounding;
use tern_compiler::lower::modules::LIBRARY;
use tern_tests::run::{compiled, settings};

/// A claim of a comment.
struct Claim<'a> {
    call: &'a str,
    /// The type of `p`.
    model: Option<&'a str>,
    unit: &'a str,
    /// What follows the colon.
    figures: &'a str,
    /// Whether the call has two results.
    pair: bool,
}

/// The claim of the first line of a text.
fn claim(text: &str) -> Option<Claim<'_>> {
    let (comment, below) = text.split_once('\n')?;
    let (call, rest) = comment.trim().strip_prefix("/// Cost of `")?.split_once("` per ")?;
    let (call, model) = match call.split_once("` with `p: ") {
        Some((call, model)) => (call, Some(model)),
        None => (call, None),
    };
    let (unit, figures) = rest.split_once(" at f = 16 and 32: ").expect("a claim of both precisions");
    let signature = below.split_once('{')?.0;
    Some(Claim { call, model, unit, figures, pair: signature.contains("-> (") })
}

/// Rounds, and bits in all, of a call on `n` of its unit.
fn cost(module: &str, claim: &Claim<'_>, n: usize, f: u32, rounding: Rounding) -> (u64, u64) {
    let unit: Vec<&str> = claim.unit.split(' ').collect();
    let shape = match unit[..] {
        ["element" | "parameter"] => format!("{n}"),
        ["row", "of", length] => format!("{n}, {length}"),
        ["image", "of", c, "by", h, "by", w] => format!("{n}, {c}, {h}, {w}"),
        ["channel", "of", length] => format!("{length}, {n}"),
        _ => panic!("{}: no such unit", claim.unit),
    };
    let inputs = |names: &str| {
        names.split(' ').fold(String::new(), |mut text, name| {
            writeln!(text, "input {name}: fix[{shape}] from party 0").expect("a string");
            text
        })
    };
    let (inputs, setting) = match claim.unit {
        "parameter" => (
            format!("model Parameters {{\n    p: fix[{shape}]\n}}\n{}", inputs("a b c d e")),
            "let (x, y) = (Parameters(p=a), Parameters(p=b))\n    \
             let s = optim::State(m=Parameters(p=c), v=Parameters(p=d), peak=Parameters(p=e))\n    ",
        ),
        _ => (inputs("x y"), ""),
    };
    let model =
        claim.model.map_or(String::new(), |model| format!("input p: {module}::{model} from party 0\n"));
    let results = if claim.pair { "(result, rest)" } else { "result" };
    let rest = if claim.pair { "    output rest = rest to party 0\n" } else { "" };
    let source = format!(
        "use math\nuse init\nuse nn\nuse optim\nuse table\nconst n = {n}\n{inputs}{model}fn main() {{\n    {setting}let {results} = {module}::{}\n    \
         output result = result to party 0\n{rest}}}\n",
        claim.call
    );
    let program = compiled(&source, settings(f, rounding)).program.expect("compiled");
    let called =
        source.lines().position(|line| line.contains(&format!("let {results} ="))).expect("the call");
    let report = report(&program);
    let line = report.by_line.iter().find(|line| line.line as usize == called + 1).expect("the call");
    (line.rounds, line.bits)
}

/// Rounds, and bits of one of its unit, which are the same however many there are.
fn per_unit(module: &str, claim: &Claim<'_>, f: u32, rounding: Rounding) -> (u64, u64) {
    let [small, medium, large] = [64, 192, 1280].map(|n| {
        let (rounds, bits) = cost(module, claim, n, f, rounding);
        (rounds, bits / n as u64)
    });
    assert!(
        small == medium && medium == large,
        "{}: not the same at three sizes: {small:?} {medium:?} {large:?}",
        claim.call
    );
    large
}

/// What the comment should say.
fn figures(module: &str, claim: &Claim<'_>) -> String {
    let [(rounds, bits), (rounds_32, bits_32)] =
        [16, 32].map(|f| per_unit(module, claim, f, Rounding::Probabilistic));
    format!("{rounds} and {rounds_32} rounds, {} and {} bits.", group(bits), group(bits_32))
}

#[test]
fn comments_tell_the_costs() {
    let (mut wrong, mut count) = (String::new(), 0);
    for (module, text) in LIBRARY {
        for claim in text.match_indices("/// Cost of `").filter_map(|(at, _)| claim(&text[at..])) {
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

#[test]
fn rounding_to_the_nearest_costs_what_is_written_down() {
    let mut text =
        String::from("call | per | rounds, f = 16 | bits, f = 16 | rounds, f = 32 | bits, f = 32\n");
    for (module, source) in LIBRARY {
        for claim in source.match_indices("/// Cost of `").filter_map(|(at, _)| claim(&source[at..])) {
            let [(rounds, bits), (rounds_32, bits_32)] =
                [16, 32].map(|f| per_unit(module, &claim, f, Rounding::Nearest));
            let (call, unit) = (claim.call, claim.unit);
            writeln!(
                text,
                "{module}::{call} | {unit} | {rounds} | {} | {rounds_32} | {}",
                group(bits),
                group(bits_32)
            )
            .expect("a string");
        }
    }
    expect_file!["costs_nearest.txt"].assert_eq(&text);
}
