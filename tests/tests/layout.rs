//! The layout that ARCHITECTURE.md describes: how many files a change takes, and where unsafe code may stand.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All source files below a directory, with their contents.
fn sources(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the repository").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{directory} has no sources");
    found
}

/// The files of the product that contain one of these texts.
fn naming(texts: &[&str]) -> Vec<String> {
    let all = ["vm/src", "vm/bytecode/src", "vm/kernels/src", "compiler/src", "tools/src", "tools/host/src"];
    // modules of tests are none of the product
    let files = all.into_iter().flat_map(sources).filter(|(name, _)| !name.ends_with("/privacy.rs"));
    let named = files.filter(|(_, text)| texts.iter().any(|wanted| text.contains(wanted)));
    named.map(|(name, _)| name).collect()
}

/// The number in the row of ARCHITECTURE.md's table that begins so.
fn documented(row: &str) -> usize {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let line = text.lines().find(|line| line.starts_with(&format!("| {row} |")));
    let cell = line.and_then(|line| line.split('|').nth(2)).unwrap_or_else(|| panic!("no row {row:?}"));
    cell.trim().parse().expect("a number of files")
}

#[test]
fn a_local_instruction_takes_as_many_files_as_documented() {
    let files = naming(&["Instr::MulPlain", "fn mul_plain(", "MulPlain = mul_plain"]);
    assert_eq!(files.len(), documented("a local instruction"), "{files:#?}");
}

#[test]
fn an_interactive_instruction_takes_as_many_files_as_documented() {
    let files = naming(&["Instr::Compose", "fn compose(", "Compose = compose"]);
    // the protocols' own modules of this family are theirs
    let files: Vec<_> = files.into_iter().filter(|file| !file.ends_with("/compose.rs")).collect();
    assert_eq!(files.len(), documented("an interactive instruction"), "{files:#?}");
}

#[test]
fn an_operation_of_the_compiler_takes_as_many_files_as_documented() {
    let files = naming(&["Op::Reverse", "Reverse = \"reverse\"", "    Reverse {\n"]);
    assert_eq!(files.len(), documented("an operation of the compiler"), "{files:#?}");
}

#[test]
fn a_built_in_function_takes_as_many_files_as_documented() {
    let files = naming(&["linspace"]);
    assert_eq!(files.len(), documented("a built-in function"), "{files:#?}");
}

#[test]
fn a_library_layer_takes_as_many_files_as_documented() {
    let library = fs::read_dir(root().join("stdlib")).expect("the library").flatten();
    let modules = library
        .filter(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("layer_norm(")));
    let files = naming(&["layer_norm"]);
    assert_eq!(modules.count() + files.len(), documented("a library layer"), "{files:#?}");
}

#[test]
fn a_protocol_takes_as_many_files_as_documented() {
    let files = naming(&["Protocol::Rep4", "rep4::", "mod rep4", "    Rep4,"]);
    // besides its own files, and a module of tests
    let own = |file: &&String| !file.contains("/rep4/") && !file.ends_with("/new_keys.rs");
    let files: Vec<_> = files.iter().filter(own).collect();
    assert_eq!(files.len(), documented("a protocol"), "{files:#?}");
}

/// Front-ends decide what is shown and when a process ends: nothing that they are built on does either.
#[test]
fn only_the_command_uses_the_terminal_and_ends_the_process() {
    let words =
        ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!(", "stdout(", "stderr(", "exit(", "abort()"];
    for directory in ["vm/src", "vm/bytecode/src", "vm/kernels/src", "compiler/src", "tools/host/src"] {
        // modules of tests say what they find
        let product = |name: &str| !name.ends_with("/privacy.rs") && !name.ends_with("/uniform.rs");
        for (name, text) in sources(directory).into_iter().filter(|(name, _)| product(name)) {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let used: Vec<_> = code.filter(|line| words.iter().any(|word| calls(line, word))).collect();
            assert!(used.is_empty(), "{name}: {used:#?}");
        }
    }
}

/// Whether a line has a call of this name, and not of one that ends like it.
fn calls(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
    })
}

#[test]
fn only_kernels_have_unsafe_code() {
    for directory in ["vm/src", "vm/bytecode", "compiler", "tools", "tests/src"] {
        for (name, text) in sources(directory) {
            assert!(!text.contains(&["unsafe", " {"].concat()), "{name} has an unsafe block");
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    assert!(manifest.contains("unsafe_code = \"forbid\""), "the workspace does not forbid unsafe code");
}
