//! Readers that go away, and devices that take nothing.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};

use crate::shell::{Shell, repository};

/// As many words as any pipe holds, and more.
const LONG: usize = 500;

/// A program with many tests and much code.
fn shell() -> Shell {
    let shell = Shell::new();
    let mut text = String::from("input x: fix[3] from party 0\nfn main() {\n");
    (0..LONG).for_each(|i| text += &format!("    metric(\"m{i}\", reveal(sum(x * {i}.5)))\n"));
    text += "    output y = x to party 0\n}\n";
    (0..LONG)
        .for_each(|i| text += &format!("test \"{i:0190}\" {{\n    assert reveal(secret({i})) == {i}\n}}\n"));
    shell.write("long.mpc", text);
    shell.write("x.csv", "1\n2\n3\n");
    shell
}

/// Every command that writes a report.
fn commands() -> Vec<String> {
    let library = repository("stdlib/math.mpc");
    let long = ["inspect long.mpc", "test long.mpc", "inspect long.mpc --view dot", "doc"];
    let short = ["cost long.mpc", "cost long.mpc --json", "explain S001", "inspect long.mpc --view ir"];
    let mut all: Vec<String> = long.iter().chain(&short).map(|c| c.to_string()).collect();
    all.push(format!("doc {library}"));
    all
}

fn tern(shell: &Shell, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
    command.args(args.split_whitespace()).current_dir(shell.path(""));
    command
}

#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let shell = shell();
    for args in commands() {
        let child = tern(&shell, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut first = [0; 1];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let ended = child.wait_with_output().unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(err, "", "tern {args}");
        // What is short fits into the pipe before anybody can go.
        let code = ended.status.code();
        assert!(code == Some(141) || code == Some(0), "tern {args}: {:?}", ended.status);
        if args.starts_with("inspect long.mpc --view dot") || args.starts_with("test") {
            assert_eq!(code, Some(141), "tern {args}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_that_takes_nothing_is_an_error() {
    let shell = shell();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for args in commands() {
        let ended = tern(&shell, &args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "tern {args}: {err}");
        assert!(err.starts_with("error: cannot write to standard output: No space left"), "{args}: {err}");
        assert_eq!(err.lines().count(), 1, "tern {args}: {err}");
    }
    // Nor does standard error end anything.
    let ended = tern(&shell, "check nowhere.mpc").stderr(full()).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    // A run goes on, and says at its end that nobody heard it.
    let args = "emulate long.mpc --input x=x.csv --json";
    let ended = tern(&shell, args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("the run came to its end, but what it said could not be written"), "{err}");
    assert!(shell.path("tern-out/y.npz").exists());
    let metrics = String::from_utf8(shell.read("tern-out/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), LONG);
}

/// Whoever follows a run may stop following it.
#[test]
fn a_run_goes_on_without_its_reader() {
    let shell = shell();
    let mut child = tern(&shell, "emulate long.mpc --input x=x.csv").stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(shell.path("tern-out/y.npz").exists());
    drop(File::open(shell.path("tern-out/metrics.jsonl")).unwrap());
}

/// What is imported is a file that somebody has written: a pipe would be waited for, a device read without end.
#[test]
fn a_module_that_is_no_file_is_not_read() {
    let mut shell = Shell::new();
    shell.write("main.mpc", "use own::f\nfn main() {\n    metric(\"f\", f(1))\n}\n");
    let made = Command::new("mkfifo").arg(shell.path("own.mpc")).status().unwrap();
    assert!(made.success());
    let said = shell.refused("check main.mpc");
    assert!(said.contains("[N003]: cannot read own.mpc: it is not an ordinary file"), "{said}");
    std::fs::remove_file(shell.path("own.mpc")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", shell.path("own.mpc")).unwrap();
    let said = shell.refused("check main.mpc");
    assert!(said.contains("[N003]: cannot read own.mpc: it is not an ordinary file"), "{said}");
    let said = shell.refused("check /dev/zero");
    assert!(said.contains("a program has at most 2 MiB"), "{said}");
    std::fs::remove_file(shell.path("own.mpc")).unwrap();
    shell.write("own.mpc", [0xff, 0xfe, 0x00]);
    let said = shell.refused("check main.mpc");
    assert!(said.contains("[N003]: cannot read own.mpc: it is not text in UTF-8"), "{said}");
}
