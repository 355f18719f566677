//! What a run leaves that was aborted, and what it says of that.

use std::fs;

use serde_json::Value;

use crate::checkpoints::Case;
use crate::support::{ENDLESS, Ended, PROGRAM, Process, World};

/// Lines of a file of metrics, each of which has to be whole.
fn metrics(world: &World, party: usize) -> usize {
    let text = fs::read_to_string(world.path(party, "out/metrics.jsonl")).expect("metrics");
    assert!(text.ends_with('\n'));
    text.lines().inspect(|line| drop(serde_json::from_str::<Value>(line).expect("an object"))).count()
}

fn says(ended: &Ended, texts: &[&str]) {
    for text in texts {
        assert!(ended.err.contains(text), "no {text:?} in {ended:#?}");
    }
}

/// The program of the tests, which says that it has begun when it is in a loop.
fn in_a_loop() -> String {
    let begun = "metric(\"begun\", reveal(sum(x)))";
    let steps = "for step in 0..STEPS {\n        z = z * y\n    }";
    let inner = format!("for epoch in 0..2 {{\n        {begun}\n        {steps}\n    }}");
    PROGRAM.replace(&format!("    {begun}\n"), "").replace(steps, &inner)
}

#[test]
fn without_checkpoints() {
    let world = World::new(&[]);
    (0..3).for_each(|party| world.compile(party, &in_a_loop(), &[ENDLESS]));
    let mut parties = world.start_all();
    (0..3).for_each(|party| parties[party].wait_for("begun"));
    // what is reported is on disk at once, while the run goes on
    assert!((0..3).all(|party| metrics(&world, party) == 1));
    parties[1].signal("-INT");
    let ended = parties.map(Process::end);
    for (party, ended) in ended.iter().enumerate() {
        ended.expect_failure(&["the run was cancelled"]);
        let out = world.path(party, "out/metrics.jsonl").display().to_string();
        let command = format!("to begin anew: {}", env!("CARGO_BIN_EXE_tern"));
        says(ended, &["the run was aborted in iteration ", " of 2", "at ", "prog.mpc:1"]);
        says(ended, &[&format!("metrics: 1 in {out}"), "results: none", &command]);
        says(ended, &["checkpoint: none is kept without --checkpoint DIR", "--party"]);
    }
}

#[test]
fn before_it_begins_there_is_nothing_to_say() {
    let world = World::new(&[]);
    fs::write(world.path(0, "x.csv"), "1,2\n").unwrap();
    for ended in world.start_all().map(Process::end) {
        assert!(!ended.status.success() && !ended.err.contains("aborted"), "{ended:#?}");
    }
}

/// What it says is true: the very command that it names goes on from there.
#[test]
fn with_checkpoints() {
    let case = Case::new();
    let mut parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    parties[0].wait_for("[2] sum");
    parties[1].signal("-INT");
    let [zero, one, two] = parties;
    let ended = one.end();
    ended.expect_failure(&["the run was cancelled"]);
    says(&ended, &["the run was aborted in iteration ", " of 10, in it ", " of 400, at "]);
    says(&ended, &["metrics: ", "and", "more, each of them whole", "checkpoint: of iteration "]);
    let command = ended.err.lines().find_map(|line| line.trim().strip_prefix("to go on from it: "));
    let command = command.unwrap_or_else(|| panic!("{ended:#?}"));
    let mut shell = std::process::Command::new("sh");
    let again = Process::start(shell.args(["-c", command])).end().expect_success();
    assert!(again.out.contains("going on from a checkpoint"), "{again:#?}");
    [zero, two].into_iter().for_each(|party| drop(party.end().expect_success()));
    case.assert_results([0, 1, 2]);
}

/// Results of more iterations than this run has are not its own, whatever they are called.
#[test]
fn results_of_an_earlier_run_are_named() {
    let case = Case::new();
    let out = case.world.path(1, "out");
    fs::create_dir_all(&out).unwrap();
    for number in [3, 10, 11] {
        fs::write(out.join(format!("part_of_it.{number:04}.npz")), "old").unwrap();
    }
    let ended = [0, 1, 2].map(|party| Process::start(&mut case.party(party))).map(Process::end);
    case.assert_results([0, 1, 2]);
    says(&ended[1], &["part_of_it.0010.npz and 1 more behind it are of an earlier run, not of this one"]);
    assert!(!ended[0].err.contains("earlier run") && !ended[2].err.contains("earlier run"));
    assert_eq!(fs::read(out.join("part_of_it.0011.npz")).unwrap(), b"old", "nothing is taken away");
}
