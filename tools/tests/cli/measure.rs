//! The scripts that measure builds against each other, on what takes no time: the same build twice. Where there is no Python, these tests say so and end.

use std::fs;
use std::process::{Command, Output};

use crate::shell::repository;

fn script(name: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("python3")
        .arg("-B")
        .arg(repository(&format!("tools/measure/{name}")))
        .args(arguments)
        .output();
    if output.is_err() {
        println!("skipped: there is no python3 here");
    }
    output.ok()
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn a_build_beside_itself_and_its_line_in_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (tern, table, history) = (env!("CARGO_BIN_EXE_tern"), path("builds.txt"), path("history.tsv"));
    let compare = [
        "--networks",
        "ac",
        "--out",
        &table,
        "--history",
        &history,
        "--only",
        "--optimise balanced",
        "predicted",
        "AVX2",
    ];
    for _ in 0..2 {
        let Some(output) = script("builds.py", &[&[tern, tern], &compare[..]].concat()) else { return };
        let text = said(&output);
        assert_eq!(fs::read_to_string(&table).unwrap(), text);
        let row = |name: &str, what: &str| {
            let begins = format!("{name:30} {what}");
            text.lines()
                .find(|line| line.starts_with(&begins))
                .unwrap_or_else(|| panic!("no {begins}:\n{text}"))
        };
        // The same build keeps no limit that is below 1.
        for (name, what) in [("A, --optimise balanced", "bits"), ("C, WAN predicted", "seconds")] {
            let line = row(name, what);
            assert!(line.contains(" 1.000 ") && line.contains("not met"), "{line}");
        }
        let line = row("C, AVX2 by AVX-512", "");
        assert!(line.contains("no variable that narrows the choice") && !line.contains("met"), "{line}");
        assert!(text.contains("of 5 limits, 0 met, 4 not, 1 not measured"), "{text}");
        // a second measurement takes the place of the first
        let lines = fs::read_to_string(&history).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(
            lines.starts_with("day\tcommit\tmachine\tC, ")
                || lines.contains("\tA, --optimise balanced: bits\t"),
            "{lines}"
        );
    }
    let Some(output) = script("history.py", &[&history, "--figure", "A, --optimise balanced: rounds"]) else {
        return;
    };
    assert_eq!(said(&output).lines().count(), 1);
    let Some(output) = script("history.py", &[&history, "--figure", "speed"]) else { return };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && errors.starts_with("there is no speed; there are "), "{errors}");
}

/// Fewer instructions give the same numbers; a name that none have is refused.
#[test]
fn vectors_are_narrowed_by_a_variable() {
    let emulated = |vectors: &str| {
        let folder = tempfile::tempdir().unwrap();
        Command::new(env!("CARGO_BIN_EXE_tern"))
            .args(["emulate", &repository("programs/digits.mpc"), "--arg", "EPOCHS=1"])
            .args(["--seed", "3", "--json", "--out"])
            .arg(folder.path())
            .env("TERN_VECTORS", vectors)
            .output()
            .unwrap()
    };
    let metrics = |output: Output| {
        let lines = said(&output);
        let metrics: Vec<&str> = lines.lines().filter(|line| line.contains("\"metric\"")).collect();
        assert!(!metrics.is_empty(), "{lines}");
        metrics.join("\n")
    };
    let widest = metrics(emulated("ifma"));
    for vectors in ["portable", "avx2", "avx512"] {
        assert_eq!(metrics(emulated(vectors)), widest, "{vectors}");
    }
    let refused = emulated("mmx");
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert_eq!(errors, "error: TERN_VECTORS=mmx: there are portable, avx2, avx512 and ifma\n");
}
