//! The parser: every program of the language's description, and what it says about programs that are wrong.

use std::fs;
use std::path::PathBuf;
use tern_compiler::diagnostics::FileId;
use tern_compiler::syntax::{ast, parse};

/// Names and texts of `tests/syntax/programs`.
fn programs() -> Vec<(PathBuf, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/syntax/programs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn programs_parse() {
    let programs = programs();
    assert_eq!(programs.len(), 10);
    for (path, text) in programs {
        let (file, errors) = parse(&text, FileId(0));
        assert_eq!(errors, [], "{}", path.display());
        assert!(file.items.len() > 1);
        assert!(!file.items.iter().any(|item| matches!(item, ast::Item::Error(_))));
    }
}
