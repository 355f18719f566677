//! What a party computes is counted over loops and branches, and in contractions product by product.

use tern_bytecode::work::Work;
use tern_compiler::ir::Rounding;
use tern_tests::run::{compiled, settings};

fn work(body: &str) -> Work {
    let text =
        format!("input x: fix[3, 4] from party 0\ninput y: fix[4, 4] from party 1\nfn main() {{\n{body}\n}}");
    Work::of(&compiled(&text, settings(16, Rounding::Nearest)).program.expect("it compiles"))
}

#[test]
fn products_count_as_often_as_their_loop_runs() {
    assert_eq!(work("output z = x @ y to party 0").products, 3 * 4 * 4);
    let often = work("var z = x\nfor i in 0..7 { z = z @ y }\noutput z = z to party 0");
    assert_eq!(often.products, 7 * 3 * 4 * 4);
    assert_eq!(work("output z = x + 1 to party 0").products, 0);
}

#[test]
fn of_two_arms_the_costlier_counts() {
    let body = |first: &str, second: &str| {
        let body =
            "var z = x\nif reveal(sum(x) > 0) { z = FIRST } else { z = SECOND }\noutput z = z to party 0";
        work(&body.replace("FIRST", first).replace("SECOND", second))
    };
    let (one, two) = ("x @ y", "(x @ y) @ y");
    assert_eq!(body(one, two).products, 2 * 48);
    assert_eq!(body(two, one), body(one, two));
    assert!(body(one, two).elements > body(one, "x").elements);
}
