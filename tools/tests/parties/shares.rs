//! Values that stay shared: from one run to the next, from somebody outside, and mixed up.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tern_vm::data::shares::{ShareError, ShareFile};

use crate::support::{Ended, Process, root, tern};

const FIRST: &str = "input x: fix[2, 2] from party 1\nfn main() {\n    output w = x * 2 to shares\n}\n";
const AGAIN: &str = "input w: fix[2, 2] from shares\nfn main() {\n    output w = w to shares\n}\n";
const SECOND: &str = "input w: fix[2, 2] from shares\nfn main() {\n    metric(\"w\", reveal(w + 1))\n}\n";

/// A directory in which runs leave shares.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("x.csv"), "1,2.5\n-3,4\n").unwrap();
        Place { dir }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn shares(&self, folder: &str, party: usize) -> PathBuf {
        self.path(folder).join(format!("w.shares-{party}.tern"))
    }

    fn read(&self, folder: &str) -> [ShareFile; 3] {
        [0, 1, 2].map(|party| ShareFile::read::<ShareError>(&self.shares(folder, party), |_| Ok(())).unwrap())
    }

    fn write(&self, folder: &str, party: usize, file: &ShareFile) {
        fs::create_dir_all(self.path(folder)).unwrap();
        file.write(fs::File::create(self.shares(folder, party)).unwrap()).unwrap();
    }

    /// Runs a program on `x.csv`, or on the shares of a folder.
    fn run(&self, program: &str, from: Option<&str>, options: &[&str]) -> Ended {
        let source = self.path("prog.mpc");
        fs::write(&source, program).unwrap();
        let mut command = tern();
        command.arg("run").arg(source).arg("--json").args(options);
        if !options.contains(&"--out") {
            command.arg("--out").arg(self.path("out"));
        }
        match from {
            None => command.arg("--input").arg(format!("x={}", self.path("x.csv").display())),
            Some(folder) => command.arg("--input").arg(format!("w={}", self.shares(folder, 0).display())),
        };
        Process::start(&mut command).end()
    }

    /// Leaves new shares of twice `x.csv` in a folder.
    fn leave(&self, folder: &str) {
        let out = self.path(folder).display().to_string();
        self.run(FIRST, None, &["--fixed", "32", "--out", &out]).expect_success();
    }

    /// The shares of a folder cannot be used.
    fn refuses(&self, folder: &str, options: &[&str], texts: &[&str]) {
        let ended = self.run(SECOND, Some(folder), options);
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        assert!(!ended.out.contains("metric"), "{ended:#?}");
        for text in texts {
            assert!(ended.err.contains(text), "no {text:?} in {ended:#?}");
        }
    }
}

fn metric(ended: &Ended) -> Value {
    let mut events = ended.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.find(|event| event["event"] == "metric").expect("a metric")["value"].clone()
}

/// What one run leaves in shares the next one takes up, and no party's file tells the value.
#[test]
fn they_go_from_one_run_to_the_next() {
    let place = Place::new();
    place.leave("a");
    let files = place.read("a");
    for (party, file) in files.iter().enumerate() {
        assert_eq!(usize::from(file.head.party), party);
        assert_eq!((file.head.ring, file.head.fixed, &file.head.set), (104, [32, 64], &files[0].head.set));
    }
    assert!(files[0].words != files[1].words && files[1].words != files[2].words);
    let ended = place.run(SECOND, Some("a"), &["--fixed", "32"]).expect_success();
    assert_eq!(metric(&ended), json!([3.0, 6.0, -5.0, 9.0]));
}

/// The value that the summands of three parties' files make, if what is in common with the previous one is taken from party 2.
fn value(next: [&ShareFile; 3]) -> Vec<u128> {
    let summand = |file: &ShareFile| -> Vec<u128> {
        let half = file.words[0].len() / 2;
        let words = file.words[0][..half].chunks(2);
        words.map(|limbs| u128::from(limbs[0]) | u128::from(limbs[1]) << 64).collect()
    };
    let [a, b, c] = next.map(summand);
    (0..a.len()).map(|i| (a[i].wrapping_add(b[i]).wrapping_add(c[i])) % (1 << 104)).collect()
}

/// Putting out what was taken in gives the value under new masks, at the announced cost.
#[test]
fn they_are_shared_anew() {
    let place = Place::new();
    place.leave("a");
    let out = place.path("b").display().to_string();
    let ended = place.run(AGAIN, Some("a"), &["--fixed", "32", "--out", &out]).expect_success();
    // Three elements of 104 bits for each of four numbers, in one round.
    let done = ended.done();
    assert_eq!((&done["bits"], &done["rounds"]), (&json!(3 * 4 * 104), &json!(1)));
    let cost = tern().arg("cost").arg(place.path("prog.mpc")).args(["--fixed", "32", "--json"]).output();
    let cost: Value = serde_json::from_slice(&cost.unwrap().stdout).unwrap();
    assert_eq!((&cost["bits"], &cost["bits_by_link"]), (&done["bits"], &done["bits_by_link"]));

    let (old, new) = (place.read("a"), place.read("b"));
    let [x, y] = [&old, &new].map(|files| value([&files[0], &files[1], &files[2]]));
    assert_eq!(x, y);
    assert_eq!(x[1] as i128, 5 << 32);
    for party in 0..3 {
        let half = old[party].words[0].len() / 2;
        for part in [0..half, half..2 * half] {
            let same = part.filter(|i| old[party].words[0][*i] == new[party].words[0][*i]).count();
            assert_eq!(same, 0, "words of party {party}");
        }
    }
    // An old file and a new one do not make the value.
    assert!(value([&old[0], &new[1], &new[2]]).iter().zip(&x).all(|(mixed, x)| mixed != x));
    let ended = place.run(SECOND, Some("b"), &["--fixed", "32"]).expect_success();
    assert_eq!(metric(&ended), json!([3.0, 6.0, -5.0, 9.0]));
}

#[test]
fn files_that_do_not_belong_there() {
    let place = Place::new();
    place.leave("a");
    place.leave("b");
    let files = place.read("a");
    // another party's
    for party in 0..3 {
        place.write("swapped", party, &files[(party + 1) % 3]);
    }
    place.refuses("swapped", &["--fixed", "32"], &["party 1: ", "w.shares-1.tern", "its party is 2, not 1"]);
    // another precision, another ring, another shape
    place.refuses(
        "a",
        &["--fixed", "12"],
        &["its precision (--fixed) is 32,64, not 12,24", "2^104, not 2^52"],
    );
    place.refuses("a", &["--fixed", "32,60"], &["its precision (--fixed) is 32,64, not 32,60"]);
    let other = SECOND.replace("fix[2, 2]", "fix[4]");
    let ended = place.run(&other, Some("a"), &["--fixed", "32"]);
    assert!(ended.err.contains("w is fix[2, 2], declared fix[4]"), "{ended:#?}");
    // another run's
    let others = place.read("b");
    for (party, file) in [&files[0], &files[1], &others[2]].into_iter().enumerate() {
        place.write("mixed", party, file);
    }
    let sets = [&files[0].head.set, &others[0].head.set].map(String::as_str);
    place.refuses("mixed", &["--fixed", "32"], &["set of shares of w = ", sets[0], sets[1]]);
    // one that claims to be of the set and is not
    let mut forged = others[2].clone();
    forged.head.set.clone_from(&files[0].head.set);
    place.write("mixed", 2, &forged);
    place.refuses(
        "mixed",
        &["--fixed", "32"],
        &["the shares of w here and those of party", "do not belong together"],
    );
    // a damaged one, and another format
    let mut bytes = fs::read(place.shares("a", 1)).unwrap();
    let middle = bytes.len() - 60;
    bytes[middle] ^= 1;
    fs::write(place.shares("a", 1), bytes).unwrap();
    place.refuses("a", &["--fixed", "32"], &["party 1: ", "damaged"]);
    fs::write(place.shares("a", 1), "x,y\n").unwrap();
    place.refuses("a", &["--fixed", "32"], &["no file of shares", "docs/shares.md"]);
}

/// The writer of docs/shares.md, literally.
#[test]
fn others_write_them() {
    let page = fs::read_to_string(root().join("docs/shares.md")).unwrap();
    let script = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let command = page.lines().find_map(|line| line.strip_prefix("    python3 share.py ")).unwrap();
    let place = Place::new();
    fs::write(place.path("share.py"), script).unwrap();
    let mut python = Command::new("python3");
    python.arg("share.py").args(command.split_whitespace()).current_dir(place.path(""));
    let Ok(output) = python.output() else { return println!("there is no python3") };
    assert!(output.status.success(), "{output:?}");
    let program = SECOND.replace("fix[2, 2]", "fix[3]");
    let ended = place.run(&program, Some("."), &["--fixed", "16"]).expect_success();
    assert_eq!(metric(&ended), json!([1.5, -0.25, 4.0]));
}
