//! Where results go: one run to a directory, nothing changed by a start that fails, nothing lost to a full disk.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::Shell;

const PROGRAM: &str = "
const STEPS = arg(2)
input x: fix[4] from party 0
fn main() {
    var z = x
    for i in 0..STEPS {
        z = z * 0.5
        metric(\"sum\", reveal(sum(z)))
    }
    output z to party 0
    output kept = z to shares
}
";

fn shell() -> Shell {
    let shell = Shell::new();
    shell.write("p.mpc", PROGRAM);
    shell.write("x.csv", "1\n2\n3\n4\n");
    shell
}

fn tern(shell: &Shell, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
    command.args(args.split_whitespace()).current_dir(shell.path(""));
    command
}

fn files(shell: &Shell, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(shell.path(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_start_that_fails_changes_nothing() {
    let mut shell = shell();
    shell.succeeds("emulate p.mpc --input x=x.csv --seed 1");
    let record = shell.read("tern-out/metrics.jsonl");
    assert_eq!(String::from_utf8_lossy(&record).lines().count(), 2);
    shell.write("short.csv", "1\n");
    for command in ["emulate", "run"] {
        for wrong in ["--input x=short.csv", "", "--input y=x.csv", "--input x=x.csv --arg STEPS=many"] {
            shell.refuses(&format!("{command} p.mpc {wrong}"));
            assert!(shell.read("tern-out/metrics.jsonl") == record, "{command} {wrong}");
            // a directory that was not there is not there
            shell.refuses(&format!("{command} p.mpc {wrong} --out new/deep"));
            assert!(!shell.path("new").exists(), "{command} {wrong}");
        }
    }
    shell.write("file", "");
    let err = shell.refused("emulate p.mpc --input x=x.csv --out file");
    assert!(err.contains("cannot write to file"), "{err}");
    assert_eq!(files(&shell, "tern-out"), ["kept.npz", "metrics.jsonl", "z.npz"]);
}

#[test]
fn two_runs_do_not_write_to_one_directory() {
    let mut shell = shell();
    let args = "emulate p.mpc --input x=x.csv --arg STEPS=100000000 --out here";
    let mut first = tern(&shell, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while fs::metadata(shell.path("here/metrics.jsonl")).map_or(0, |file| file.len()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the first run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    for command in ["emulate", "run"] {
        let err = shell.refused(&format!("{command} p.mpc --input x=x.csv --out here"));
        assert!(err.contains("another run writes to here") && err.contains("--out"), "{err}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let text = String::from_utf8(shell.read("here/metrics.jsonl")).unwrap();
    let whole = text.lines().take(text.lines().count() - 1);
    whole.for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).expect(line)));
    // The lock ends with the process.
    shell.succeeds("emulate p.mpc --input x=x.csv --out here");
}

#[cfg(unix)]
#[test]
fn results_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let mut shell = shell();
    shell.succeeds("run p.mpc --input x=x.csv");
    let mode = |name: &str| fs::metadata(shell.path(name)).unwrap().permissions().mode() & 0o777;
    let names = files(&shell, "tern-out");
    assert_eq!(names.len(), 5, "{names:?}");
    for name in names.iter().filter(|name| *name != "metrics.jsonl") {
        assert_eq!(mode(&format!("tern-out/{name}")), 0o600, "{name}");
    }
    assert_eq!(mode("tern-out/metrics.jsonl") & 0o600, 0o600);
}

/// Under a limit on the size of files: results of megabytes, metrics of kilobytes.
#[cfg(target_os = "linux")]
mod full {
    use super::*;

    /// Runs a command in which no file grows beyond so many blocks of 1024 bytes.
    fn limited(shell: &Shell, kib: usize, args: &str) -> (Option<i32>, String) {
        let script = format!("ulimit -f {kib}; exec {} {args}", env!("CARGO_BIN_EXE_tern"));
        let output = Command::new("bash").arg("-c").arg(script).current_dir(shell.path("")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    #[test]
    fn room_for_results_is_tried_before_anything_is_computed() {
        let shell = shell();
        shell.write("p.mpc", PROGRAM.replace("output z to", "output z = broadcast(z, [100000, 4]) to"));
        for command in ["emulate", "run"] {
            let args = format!("{command} p.mpc --input x=x.csv --arg STEPS=1000000000 --out {command}");
            let (code, err) = limited(&shell, 1000, &args);
            assert_eq!(code, Some(1), "{err}");
            assert!(
                err.contains("MB of results cannot be written to") && err.contains("File too large"),
                "{err}"
            );
            assert!(!shell.path(command).exists());
        }
    }

    #[test]
    fn metrics_that_are_not_written_are_said() {
        let shell = shell();
        for command in ["emulate", "run"] {
            let args = format!("{command} p.mpc --input x=x.csv --arg STEPS=3000 --out {command}");
            let (code, err) = limited(&shell, 100, &args);
            assert_eq!(code, Some(1), "{err}");
            assert!(
                err.contains("warning: metrics cannot be written to metrics.jsonl: File too large"),
                "{err}"
            );
            assert!(
                err.contains("the run came to its end, but ") && err.contains("metrics are not in"),
                "{err}"
            );
            assert!(shell.path(command).join("z.npz").exists());
        }
    }

    /// The directory goes away while the run computes: what was computed is not lost.
    #[test]
    fn a_result_that_cannot_be_where_it_should_is_elsewhere() {
        let shell = shell();
        shell.make_folder("other");
        for command in ["emulate", "run"] {
            let out = format!("out-{command}");
            let args = format!("{command} p.mpc --input x=x.csv --arg STEPS=30000 --seed 1 --out {out}");
            let mut process = tern(&shell, &args);
            process.env("TMPDIR", shell.path("other")).stdout(Stdio::piped()).stderr(Stdio::piped());
            let process = process.spawn().unwrap();
            let begun = Instant::now();
            while fs::metadata(shell.path(&out).join("metrics.jsonl")).map_or(0, |file| file.len()) == 0 {
                assert!(begun.elapsed() < Duration::from_secs(60), "the run does not begin");
                std::thread::sleep(Duration::from_millis(5));
            }
            // A file in the place of the directory.
            fs::rename(shell.path(&out), shell.path(&format!("{out}-moved"))).unwrap();
            shell.write(&out, "");
            let ended = process.wait_with_output().unwrap();
            let err = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(1), "{err}");
            let named = err.lines().filter(|line| line.contains(", z is in ")).count();
            assert_eq!(named, 2, "once when it happens, once at the end: {err}");
            let place = err.lines().find_map(|line| line.split(", z is in ").nth(1)).unwrap();
            let place = place.split(';').next().unwrap();
            assert!(fs::metadata(place).unwrap().len() > 0, "{place}");
        }
    }
}

/// A path that the processes of a local run cannot tell each other.
#[cfg(unix)]
#[test]
fn a_path_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let shell = shell();
    let path = std::ffi::OsStr::from_bytes(b"out\xff");
    let output = tern(&shell, "run p.mpc --input x=x.csv --out").arg(path).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("UTF-8"), "{err}");
    let output = tern(&shell, "emulate p.mpc --input x=x.csv --out").arg(path).output().unwrap();
    assert!(output.status.success());
}

/// Numbers that JSON does not have are told as what they are, and so is the last value of a metric.
#[test]
fn metrics_that_are_no_numbers() {
    let mut shell = shell();
    let text = "input x: fix[4] from party 0\nfn main() {\n    let s = reveal(sum(x))\n    metric(\"a\", s / 3)\n    \
                metric(\"a\", s / (s - s))\n    metric(\"b\", (s - s) / (s - s))\n    metric(\"c\", -s / (s - s))\n}\n";
    shell.write("p.mpc", text);
    for command in ["emulate", "run"] {
        let out = shell.succeeds(&format!("{command} p.mpc --input x=x.csv --json --out {command}"));
        let done: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        let expected = serde_json::json!({"a": "Infinity", "b": "NaN", "c": "-Infinity"});
        assert_eq!(done["metrics"], expected, "{command}");
        let log = String::from_utf8(shell.read(&format!("{command}/metrics.jsonl"))).unwrap();
        assert!(log.contains("\"value\":3.3333333333333335") && log.contains("\"value\":\"NaN\""), "{log}");
    }
    assert!(shell.read("emulate/metrics.jsonl") == shell.read("run/metrics.jsonl"));
}

/// More than this machine has for three parties, though one of them would fit.
#[cfg(target_os = "linux")]
#[test]
fn memory_of_all_local_parties() {
    let mut shell = shell();
    let info = fs::read_to_string("/proc/meminfo").unwrap();
    let kib: u64 = info.split_whitespace().nth(1).unwrap().parse().unwrap();
    // A party has 16 bytes of each number, and the sum that is revealed is small.
    let numbers = kib * 1024 / 16 / 2;
    let text = "const N = arg(4)\ninput x: fix[4] from party 0\nfn main() {\n    var z = zeros([N])\n    \
                for i in 0..2 {\n        z = z + sum(x)\n    }\n    metric(\"sum\", reveal(sum(z)))\n}\n";
    shell.write("p.mpc", text);
    let err = shell.refused(&format!("run p.mpc --input x=x.csv --arg N={numbers}"));
    assert!(err.contains("3 local parties need") && err.contains("for what is on its way"), "{err}");
    assert!(!shell.path("tern-out").exists());
    shell.succeeds("run p.mpc --input x=x.csv");
}

/// An output in a branch is written if the branch is taken, and missed aloud if not.
#[test]
fn outputs_in_branches() {
    let mut shell = shell();
    let text = "const FROM = arg(5)\ninput x: fix[4] from party 0\nfn main() {\n    if reveal(sum(x)) > FROM {\n        \
                output large = x to party 0\n    }\n    output all = x to party 1\n}\n";
    shell.write("p.mpc", text);
    for command in ["emulate", "run"] {
        shell.succeeds(&format!("{command} p.mpc --input x=x.csv --out {command}"));
        assert_eq!(files(&shell, command), ["all.npz", "large.npz", "metrics.jsonl"]);
        let args = format!("{command} p.mpc --input x=x.csv --arg FROM=50 --out {command}-not");
        let output = tern(&shell, &args).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{err}");
        assert!(err.contains("there is no large: the program did not come to its output"), "{err}");
        assert_eq!(files(&shell, &format!("{command}-not")), ["all.npz", "metrics.jsonl"]);
    }
}
