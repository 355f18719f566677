//! The reference of the library is the one that its comments make.

use expect_test::expect_file;

use crate::shell::Shell;

/// `UPDATE_EXPECT=1 cargo test -p tern --test cli doc` writes it anew.
#[test]
fn the_reference_in_docs_is_current() {
    let text = Shell::new().succeeds("doc");
    expect_file!["../../../docs/library.md"].assert_eq(&text);
    for part in [
        "\n## math\n",
        "\n## nn\n",
        "\n## init\n",
        "\n## optim\n",
        "fn relu(x: fix[..s]) -> fix[..s]",
        "model Dense(",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn a_file_that_begins_with_a_documented_function() {
    let mut shell = Shell::new();
    shell.write("mine.mpc", "/// Twice x.\nfn twice(x: fix[..s]) -> fix[..s] {\n    2 * x\n}\n");
    let text = shell.succeeds("doc mine.mpc");
    assert!(!text.contains("/ Twice"), "{text}");
    assert_eq!(text.matches("Twice x.").count(), 1, "{text}");
}

#[test]
fn a_module_of_ones_own() {
    let mut shell = Shell::new();
    shell.write(
        "mine.mpc",
        "// mine: what I need.\n\n/// Twice x.\nfn twice(x: fix[..s]) -> fix[..s] {\n    2 * x\n}\n",
    );
    let text = shell.succeeds("doc mine.mpc");
    assert_eq!(
        text,
        "\n## mine\n\nWhat I need.\n\n#### twice\n\n```\nfn twice(x: fix[..s]) -> fix[..s]\n```\n\nTwice x.\n\n"
    );
    shell.write("broken.mpc", "fn (\n");
    shell.refuses("doc broken.mpc");
    shell.refuses("doc nowhere.mpc");
}
