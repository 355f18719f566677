//! What programs cost, as golden files: a change of the compiler shows here.

use expect_test::expect_file;

use crate::shell::{Shell, repository};

/// The report with the repository's path left out.
fn cost(args: &str) -> String {
    let out = Shell::new().succeeds(&format!("cost {}", args.replace("programs/", &repository("programs/"))));
    out.replace(&repository(""), "")
}

#[test]
fn digits() {
    expect_file!["golden/digits_cost.txt"].assert_eq(&cost("programs/digits.mpc --network wan"));
}

#[test]
fn mnist_a() {
    expect_file!["golden/mnist_a_cost.txt"].assert_eq(&cost("programs/mnist_a.mpc"));
}

/// One batch without the loss and the test: what a second one adds to the first.
#[test]
fn a_batch_of_mnist_a() {
    let program = "programs/mnist_a.mpc --arg N=128 --arg TEST=0 --arg LOSS=false";
    expect_file!["golden/mnist_a_batch_cost.txt"].assert_eq(&cost(&format!("{program} --arg EPOCHS=1")));
    let totals = |batches: u64| {
        let text = cost(&format!("{program} --arg EPOCHS={batches} --json"));
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        ["rounds", "bits"].map(|field| object[field].as_u64().unwrap())
    };
    let ([rounds_of_one, bits_of_one], [rounds_of_two, bits_of_two]) = (totals(1), totals(2));
    let (rounds, bits) = (rounds_of_two - rounds_of_one, bits_of_two - bits_of_one);
    println!("a batch: {rounds} rounds, {:.2} MB", bits as f64 / 8e6);
    assert!(rounds <= 100 && bits <= 13 * 8_000_000, "{rounds} rounds, {bits} bits");
}

#[test]
fn as_json() {
    for name in ["digits", "mnist_a"] {
        let text = cost(&format!("programs/{name}.mpc --json --network rtt=40ms,bw=352Mbit"));
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        let shown = serde_json::to_string_pretty(&object).unwrap() + "\n";
        expect_file![format!("{}/tests/cli/golden/{name}_cost.json", env!("CARGO_MANIFEST_DIR"))]
            .assert_eq(&shown);
        check_sums(&object);
    }
}

/// Lines and links add up to the totals.
fn check_sums(object: &serde_json::Value) {
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    let lines = object["by_line"].as_array().unwrap();
    for field in ["rounds", "bits"] {
        let sum: f64 = lines.iter().map(|line| number(&line[field])).sum();
        assert_eq!(sum, number(&object[field]), "{field}");
    }
    let links = object["bits_by_link"].as_array().unwrap();
    let sum: f64 = links.iter().flat_map(|row| row.as_array().unwrap()).map(number).sum();
    assert_eq!(sum, number(&object["bits"]), "links");
}
