//! `tern fmt` on files and streams.

use crate::shell::Shell;

#[test]
fn files_are_written_in_the_style() {
    let mut shell = Shell::new();
    shell.write("a.mpc", "fn main( ) {\n let x=1 // one\n}\n");
    shell.write("b.mpc", "fn main() {\n    let x = 1\n}\n");
    let (_, listed) = (shell.refused("fmt --check a.mpc b.mpc"), shell.transcript.clone());
    assert!(listed.contains("\na.mpc\n") && !listed.contains("\nb.mpc\n"), "{listed}");
    assert_eq!(shell.read("a.mpc"), b"fn main( ) {\n let x=1 // one\n}\n", "a check writes nothing");
    shell.succeeds("fmt a.mpc b.mpc");
    assert_eq!(shell.read("a.mpc"), b"fn main() {\n    let x = 1 // one\n}\n");
    shell.succeeds("fmt --check a.mpc b.mpc");
}

#[test]
fn what_cannot_be_formatted_keeps_none_of_the_others_from_it() {
    let mut shell = Shell::new();
    shell.write("broken.mpc", "fn main( {\n");
    shell.write("good.mpc", "fn main( ) {\n}\n");
    let said = shell.refused("fmt broken.mpc good.mpc");
    assert!(said.contains("broken.mpc:1:"), "{said}");
    assert_eq!(shell.read("broken.mpc"), b"fn main( {\n");
    assert_eq!(shell.read("good.mpc"), b"fn main() {\n}\n");
    shell.refuses("fmt nowhere.mpc");
    shell.refuses("fmt");
    shell.write("bytes.mpc", [0xff, 0xfe]);
    shell.refuses("fmt bytes.mpc");
}
