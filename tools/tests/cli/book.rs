//! The book: its chapters exist, its programs compile, and the tutorial's commands do what it says.

use std::path::PathBuf;

use serde_json::Value;

use crate::shell::{Shell, repository};

fn chapter(name: &str) -> String {
    let path = repository(&format!("docs/{name}"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between fences of this kind.
fn fenced(text: &str, kind: &str) -> Vec<String> {
    let open = format!("```{kind}\n");
    text.split(&open)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_string() + "\n")
        .collect()
}

#[test]
fn every_page_is_a_chapter() {
    let summary = chapter("SUMMARY.md");
    let linked: Vec<&str> = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    linked.iter().for_each(|name| drop(chapter(name)));
    let folder = std::fs::read_dir(repository("docs")).expect("a folder");
    let pages = folder.map(|entry| PathBuf::from(entry.expect("a file").file_name()));
    for page in pages.filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let name = page.to_string_lossy();
        assert!(name == "SUMMARY.md" || linked.contains(&&*name), "{name} is in no chapter");
    }
}

#[test]
fn every_program_compiles() {
    let mut shell = Shell::new();
    let summary = chapter("SUMMARY.md");
    let pages = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(chapter);
    let whole = pages.flat_map(|page| fenced(&page, "tern")).filter(|text| text.contains("fn main()"));
    let programs: Vec<String> = whole.collect();
    assert!(!programs.is_empty());
    for program in programs {
        shell.write("program.mpc", &program);
        shell.succeeds("check program.mpc");
        shell.succeeds("fmt --check program.mpc");
    }
}

/// Customers who fail to pay if they have much debt for their income, as they mostly do.
fn tables() -> (String, String) {
    let (mut bank, mut registry) = ("income,debt,years\n".to_string(), "failed\n".to_string());
    let mut state = 7u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    for _ in 0..240 {
        let (income, debt, years) = (1.0 + 2.0 * draw(), 3.0 * draw(), (20.0 * draw()).floor());
        let failed = debt + 0.2 * draw() > 0.8 * income;
        bank += &format!("{income:.2},{debt:.2},{years}\n");
        registry += &format!("{}\n", u8::from(failed));
    }
    (bank, registry)
}

#[test]
fn the_tutorial_does_what_it_says() {
    let text = chapter("tutorial.md");
    let mut shell = Shell::new();
    let (bank, registry) = tables();
    shell.write("bank.csv", &bank);
    shell.write("registry.csv", &registry);
    shell.write("loans.mpc", fenced(&text, "tern").first().expect("a program"));
    let blocks = fenced(&text, "console");
    let commands: Vec<&str> =
        blocks.iter().flat_map(|block| block.lines()).filter_map(|l| l.strip_prefix("$ tern ")).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let (command, to) = command.split_once(" > ").map_or((command, None), |(c, to)| (c, Some(to)));
        let out = shell.succeeds(command);
        if let Some(name) = to {
            assert!(out.starts_with("<!doctype html>"), "{out}");
            shell.write(name, out);
        }
        if command.starts_with("emulate") {
            let events = String::from_utf8(shell.read("tern-out/metrics.jsonl")).expect("a text");
            let last: Value =
                serde_json::from_str(events.lines().last().expect("a metric")).expect("an event");
            assert!(last.to_string().contains("accuracy"), "{last}");
            let accuracy = last["value"].as_f64().expect("a number");
            assert!(accuracy > 0.85, "{last}");
        }
    }
}
