//! What shells and pagers are told of the command.

use crate::shell::Shell;

#[test]
fn completions_of_every_shell_know_the_subcommands() {
    let mut shell = Shell::new();
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shell.succeeds(&format!("completions {name}"));
        for part in ["emulate", "fmt", "protocol"] {
            assert!(script.contains(part), "{name} does not know {part}");
        }
    }
    shell.refuses("completions cmd");
}

#[test]
fn every_subcommand_has_its_page() {
    let mut shell = Shell::new();
    shell.succeeds("man pages");
    let page = |name: &str| String::from_utf8(shell.read(&format!("pages/{name}"))).expect("a text");
    assert!(page("tern.1").contains("tern\\-compile(1)") || page("tern.1").contains("compile"));
    let cost = page("tern-cost.1");
    assert!(cost.starts_with(".ie") || cost.contains(".TH"), "{cost}");
    assert!(cost.contains("rounds and bits per source line") && cost.contains("\\-\\-json"), "{cost}");
    assert!(page("tern-data.1").contains("data"));
    let hidden = shell.path("pages").join("tern-local-party.1");
    assert!(!hidden.exists());
}
