//! The grammar of `tools/vscode`, in the editor's own engine. Where there is no npm, or no registry, this says so and ends.

use std::process::{Command, Output};

use crate::shell::repository;

fn npm(args: &[&str]) -> Option<Output> {
    Command::new("npm").args(args).current_dir(repository("tools/vscode")).output().ok()
}

#[test]
fn the_grammar_colours_every_program() {
    let installed = npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]);
    if !installed.is_some_and(|output| output.status.success()) {
        eprintln!("skipped: the editor's engine is not to be had by npm here");
        return;
    }
    let tested = npm(&["test"]).expect("it was there a moment ago");
    let said =
        format!("{}{}", String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "{said}");
    assert!(said.contains("pass 4") && said.contains("fail 0"), "{said}");
}
