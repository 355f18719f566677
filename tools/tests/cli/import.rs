//! `tern import` where no Python can read ONNX. That it reads is tested with PyTorch (tools/python/tests/test_onnx.py).

use std::os::unix::fs::PermissionsExt;

use crate::shell::Shell;

/// A file that is run in place of a Python.
fn stand_in(shell: &Shell, script: &str) {
    shell.write("python", format!("#!/bin/sh\n{script}\n"));
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(shell.path("python"), executable).expect("the file is there");
}

/// What stays in the folder.
fn files(shell: &Shell) -> Vec<String> {
    let entries = std::fs::read_dir(shell.path(".")).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn where_no_python_reads_onnx_there_is_a_way_out() {
    let mut shell = Shell::new();
    shell.write("m.onnx", "");
    let text = shell.refused("import m.onnx --python ./none");
    assert!(text.contains("./none cannot be started") && text.contains("--python PYTHON"), "{text}");
    for (script, expected) in [
        ("exit 90", "pip install ./tools/python onnx torch"),
        ("echo what; exit 3", "ended without an answer"),
        ("echo '{\"error\": \"no such thing\"}'", "error: no such thing"),
    ] {
        stand_in(&shell, script);
        let text = shell.refused("import m.onnx --python ./python");
        assert!(text.contains(expected), "{text}");
        assert_eq!(files(&shell), ["m.onnx", "python"]);
    }
    shell.refuses("import m.onnx --loss mse --python ./python");
}

#[test]
fn an_answer_is_written_and_nothing_is_overwritten() {
    let mut shell = Shell::new();
    stand_in(
        &shell,
        "echo noise; echo '{\"source\": \"fn main() {}\", \"inputs\": [\"x\", \"m\"], \"weights\": 0}'",
    );
    let said = shell.succeeds("import a.b.onnx --python ./python");
    assert_eq!(said, "a.b.mpc: the program, for the inputs x, m\n");
    assert_eq!(shell.read("a.b.mpc"), b"fn main() {}");
    assert!(shell.refused("import a.b.onnx --python ./python").contains("a.b.mpc is there already"));
    shell.succeeds("import a.b.onnx --replace --python ./python");
    shell.write("c.npz", "");
    assert!(shell.refused("import c.onnx --python ./python").contains("c.npz is there already"));
    assert_eq!(files(&shell), ["a.b.mpc", "c.npz", "python"]);
}
