//! The grammar of `tools/tree-sitter`, by the command of tree-sitter. Where there is none, this says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::repository;

/// All files of a directory and of those in it.
fn files(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
}

#[test]
fn every_program_is_parsed() {
    let command = std::env::var("TERN_TREE_SITTER").unwrap_or_else(|_| "tree-sitter".into());
    if !Command::new(&command).arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no tree-sitter here (TERN_TREE_SITTER=PATH says where)");
        return;
    }
    // what it makes does not go to the repository
    let (here, folder) = (repository("tools/tree-sitter"), tempfile::tempdir().expect("a folder"));
    for file in files(&here) {
        let copy = folder.path().join(file.strip_prefix(&here).expect("a file in it"));
        std::fs::create_dir_all(copy.parent().expect("a directory")).expect("a directory");
        std::fs::copy(&file, copy).expect("a copy");
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(&command);
        command.current_dir(folder.path()).args(args).env("XDG_CONFIG_HOME", folder.path());
        let output = command.env("XDG_CACHE_HOME", folder.path()).output().expect("it said its version");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    };
    for args in [&["generate"][..], &["test"]] {
        let (fine, said) = run(args);
        assert!(fine, "{args:?}: {said}");
    }
    let programs = [files(repository("programs")), files(repository("stdlib"))].concat();
    let programs: Vec<&str> = programs
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "mpc"))
        .filter_map(|p| p.to_str())
        .collect();
    assert!(programs.len() > 30, "{programs:?}");
    let (fine, said) = run(&[&["parse", "--quiet"][..], programs.as_slice()].concat());
    assert!(fine, "{said}");
    // and it does say so when something is none
    let broken = folder.path().join("broken.mpc");
    std::fs::write(&broken, "fn main( {\n").expect("a file");
    assert!(!run(&["parse", "--quiet", broken.to_str().expect("a path")]).0);
}
