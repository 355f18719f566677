//! `tern share` and `tern open`: data of somebody who runs no server, without a network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tern_vm::data::{Source, Values, read};

use crate::support::{Ended, Process, tern};

const PROGRAM: &str = "
input x: fix[2, 3] from shares, scale = 1/2
input y: int[2] from shares
fn main() {
    output w = x * 2 to shares
    output n = y + 1 to shares
    metric(\"sum\", reveal(sum(x)))
}
";

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: TempDir::new().unwrap() };
        fs::write(place.path("prog.mpc"), PROGRAM).unwrap();
        fs::write(place.path("x.csv"), "1,2,3\n4,5,-6.5\n").unwrap();
        fs::write(place.path("y.csv"), "7\n-9\n").unwrap();
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn end(&self, command: &mut Command) -> Ended {
        Process::start(command.current_dir(self.dir.path())).end()
    }

    fn share(&self, input: &str, out: &str, options: &[&str]) -> Ended {
        let file = format!("{input}.csv");
        let mut command = tern();
        command.args(["share", &file, "--program", "prog.mpc", "--input", input, "--out", out]).args(options);
        self.end(&mut command)
    }

    fn open(&self, files: &[&str], options: &[&str]) -> Ended {
        self.end(tern().arg("open").args(files).args(options))
    }

    fn parties(&self, protocol: &str) -> usize {
        tern_bytecode::Protocol::from_name(protocol).unwrap().model().owners
    }
}

fn metric(ended: &Ended) -> Value {
    let mut events = ended.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.find(|event| event["event"] == "metric").expect("a metric")["value"].clone()
}

fn values(path: &Path, name: &str) -> Vec<f64> {
    match read(&Source::member(path, name), name).unwrap().into_values() {
        Values::F64(values) => values,
        Values::I64(values) => values.into_iter().map(|value| value as f64).collect(),
        other => panic!("{other:?}"),
    }
}

/// From files to a run to files, under every protocol; nobody but the owner can read what is written.
#[test]
fn there_and_back() {
    for protocol in ["rep3", "rep4", "dealer"] {
        let place = Place::new();
        let options = ["--protocol", protocol];
        for input in ["x", "y"] {
            let ended = place.share(input, "sent", &options).expect_success();
            assert_eq!(ended.out.lines().count(), place.parties(protocol), "{ended:#?}");
        }
        for party in 0..place.parties(protocol) {
            let path = place.path(&format!("sent/x.shares-{party}.tern"));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let bytes = fs::read(&path).unwrap();
            // 1.0 and 2.5 as the program would have them
            for pattern in [1i64 << 15, (5 << 16) / 4].map(i64::to_le_bytes) {
                assert!(!bytes.windows(8).any(|window| window == pattern), "{protocol}, party {party}");
            }
        }
        let mut run = tern();
        run.args(["run", "prog.mpc", "--json", "--data", "sent", "--out", "got"]).args(options);
        let ended = place.end(&mut run).expect_success();
        assert_eq!(metric(&ended), json!(4.25));
        let names = |name: &str| -> Vec<String> {
            (0..place.parties(protocol)).map(|i| format!("got/{name}.shares-{i}.tern")).collect()
        };
        for (name, expected) in [("w", vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.5]), ("n", vec![8.0, -8.0])] {
            let files = names(name);
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let ended = place.open(&files, &["--out", "opened"]).expect_success();
            assert!(ended.out.contains(&format!("{name}: opened/{name}.npz")), "{ended:#?}");
            assert_eq!(values(&place.path(&format!("opened/{name}.npz")), name), expected, "{protocol}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = Place::new();
    place.share("x", "a", &[]).expect_success();
    place.share("x", "b", &[]).expect_success();
    place.share("x", "a", &[]).expect_failure(&["a/x.shares-0.tern exists already"]);
    place.share("z", "c", &[]).expect_failure(&["the program uses no input of that name, it uses x, y"]);
    fs::write(place.path("x.csv"), "1,2,3\n").unwrap();
    let ended = place.share("x", "c", &[]);
    assert!(!ended.status.success() && ended.err.contains("x"), "{ended:#?}");
    assert!(!place.path("c").exists());
    fs::write(place.path("own.mpc"), PROGRAM.replace("from shares", "from party 1")).unwrap();
    let own = ["share", "x.csv", "--program", "own.mpc", "--input", "x", "--out", "c"];
    let ended = place.end(tern().args(own));
    ended.expect_failure(&["x comes from party 1, which takes it in the clear"]);

    place.open(&["a/x.shares-0.tern"], &[]).expect_failure(&["parties 1 and 2 are missing too"]);
    place
        .open(&["a/x.shares-0.tern", "b/x.shares-1.tern"], &[])
        .expect_failure(&["a/x.shares-0.tern and b/x.shares-1.tern do not belong together: set "]);
    place.open(&["a/x.shares-0.tern", "a/x.shares-0.tern"], &[]).expect_failure(&["are both of party 0"]);
    let bytes = fs::read(place.path("a/x.shares-1.tern")).unwrap();
    fs::write(place.path("cut.tern"), &bytes[..bytes.len() - 40]).unwrap();
    place
        .open(&["a/x.shares-0.tern", "cut.tern"], &[])
        .expect_failure(&["cut.tern is a damaged file of shares: it has "]);
    place.open(&["x.csv"], &[]).expect_failure(&["x.csv is no file of shares"]);
    // f = 16 under f = 12, to two parties
    let mut run = tern();
    run.args(["run", "prog.mpc", "--json", "--data", "a", "--fixed", "12"]).args(["--input", "y=y.csv"]);
    let ended = place.end(&mut run);
    assert!(ended.err.contains("its precision (--fixed) is 16,32, not 12,24"), "{ended:#?}");
}
