//! Names in bytecode come from whoever made it.

use crate::shell::Shell;

const PROGRAM: &str = "input x: fix[2] from party 0\nfn main() {\n    metric(\"sum\", reveal(sum(x)))\n    debug(x)\n    \
                       output y = x to party 0\n}\n";

/// A file outside the directory of results, and what a terminal obeys: refused by everything that loads bytecode.
#[test]
fn names_that_are_none_are_refused() {
    let mut shell = Shell::new();
    shell.make_folder("inner");
    shell.write("inner/p.mpc", PROGRAM);
    shell.write("inner/x.csv", "1\n2\n");
    shell.succeeds("compile inner/p.mpc");
    let good = tern_bytecode::decode(&shell.read("inner/p.tbc")).unwrap();
    let mut outside = good.clone();
    outside.outputs[0].name = "../evil".into();
    let mut title = good.clone();
    title.names.iter_mut().for_each(|name| *name = "\u{1b}]0;pwned\u{7}".into());
    let mut source = good.clone();
    source.files[0] = "\u{1b}[2Jp.mpc".into();
    for (file, program) in [("outside", outside), ("title", title), ("source", source)] {
        shell.write(&format!("inner/{file}.tbc"), tern_bytecode::encode(&program));
        for command in ["emulate", "run"] {
            let args = format!("{command} inner/{file}.tbc --input x=inner/x.csv --out inner/out");
            let err = shell.refused(&args);
            assert!(err.contains("invalid bytecode") && !err.contains('\u{1b}'), "{err:?}");
        }
        shell.refuses(&format!("cost inner/{file}.tbc"));
        shell.refuses(&format!("inspect inner/{file}.tbc"));
    }
    assert!(!shell.path("inner/evil.npz").exists());
}

/// In a source they are the user's own; they are shown as what they are.
#[test]
fn texts_of_a_source_show_as_they_are() {
    let mut shell = Shell::new();
    shell.write("p.mpc", PROGRAM.replace("sum\", ", "\u{1b}[31msum\", "));
    shell.write("x.csv", "1\n2\n");
    for command in ["emulate", "run"] {
        let out = shell.succeeds(&format!("{command} p.mpc --input x=x.csv"));
        assert!(out.contains("\\u{1b}[31msum 3.0") && !out.contains('\u{1b}'), "{out:?}");
    }
    // in a message about it too
    shell.write("p.mpc", PROGRAM.replace("reveal(sum(x))", "x \u{1b}[2J"));
    let err = shell.refused("check p.mpc");
    assert!(!err.contains('\u{1b}'), "{err:?}");
    // and in one about data
    shell.write("p.mpc", PROGRAM);
    shell.write("x.csv", "1\n\u{9b}2J\n");
    let err = shell.refused("emulate p.mpc --input x=x.csv");
    assert!(!err.contains('\u{9b}') && err.contains("x.csv"), "{err:?}");
}
