//! Two parties and a dealer in real processes: what was dealt ahead of time is used once, also if a run is killed; a dealer that dies or stalls is named.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{ENDLESS, Ended, PROGRAM, Process, World, tern};

/// A world whose program is for two parties and a dealer.
fn world(args: &[&str]) -> World {
    let world = World::new(&[]);
    (0..3).for_each(|party| compile(&world, party, args));
    world
}

fn compile(world: &World, party: usize, args: &[&str]) {
    let source = world.path(party, "prog.mpc");
    fs::write(&source, PROGRAM.replace("to party 2", "to party 1")).unwrap();
    let mut command = tern();
    command.arg("compile").arg(&source).args(["--protocol", "dealer"]);
    command.args(args.iter().flat_map(|arg| ["--arg", arg]));
    let output = command.output().expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Deals into a folder of party 0's.
fn deal(world: &World, folder: &str) -> PathBuf {
    let folder = world.path(0, folder);
    let mut command = tern();
    command.arg("deal").arg(&world.programs[0]).arg("--hosts").arg(world.path(0, "hosts.toml"));
    let ended = Process::start(command.arg("--out").arg(&folder)).end().expect_success();
    assert!(ended.out.contains("for alice: ") && ended.out.contains("for bob: "), "{ended:#?}");
    folder
}

fn command(world: &World, party: usize, dealt: &PathBuf) -> Command {
    let mut command = world.command(party);
    command.arg("--dealt").arg(dealt);
    command
}

/// Both parties on what was dealt.
fn run(world: &World, dealt: &PathBuf) -> [Ended; 2] {
    [0, 1].map(|party| Process::start(&mut command(world, party, dealt))).map(Process::end)
}

#[test]
fn a_dealer_alongside() {
    let world = world(&["STEPS=2"]);
    for ended in world.start_all().map(Process::end) {
        assert!(ended.expect_success().out.contains("as announced"));
    }
    assert_eq!([0, 1, 2].map(|party| world.has_output(party)), [false, true, false]);
}

#[test]
fn what_was_dealt_is_used_once() {
    let world = world(&["STEPS=2"]);
    let dealt = deal(&world, "dealt");
    for ended in run(&world, &dealt) {
        assert!(ended.expect_success().out.contains("as announced"));
    }
    assert!(world.has_output(1));
    let [zero, one] = run(&world, &dealt);
    for ended in [zero, one] {
        ended.expect_failure(&["was used before: two values under one mask tell their difference"]);
    }
    let again = Process::start(
        tern()
            .arg("deal")
            .arg(&world.programs[0])
            .arg("--hosts")
            .arg(world.path(0, "hosts.toml"))
            .arg("--out")
            .arg(&dealt),
    );
    again.end().expect_failure(&["dealt-0.tern"]);
}

/// A run that is killed has used what it was dealt.
#[test]
fn what_a_killed_run_was_dealt_is_used() {
    let world = world(&["STEPS=20000"]);
    let dealt = deal(&world, "dealt");
    let mut parties = [0, 1].map(|party| Process::start(&mut command(&world, party, &dealt)));
    parties[0].wait_for("begun");
    parties.iter().for_each(|party| party.signal("-KILL"));
    parties.into_iter().for_each(|party| drop(party.end()));
    for ended in run(&world, &dealt) {
        ended.expect_failure(&["was used before"]);
    }
}

#[test]
fn files_of_something_else_are_refused() {
    let world = world(&["STEPS=2"]);
    let dealt = deal(&world, "dealt");
    let file = |party: usize| dealt.join(format!("dealt-{party}.tern"));
    // of other arguments
    compile(&world, 0, &["STEPS=3"]);
    let zero = Process::start(&mut command(&world, 0, &dealt)).end();
    zero.expect_failure(&["was dealt for another program: its arguments is STEPS=2, not STEPS=3"]);
    compile(&world, 0, &["STEPS=2"]);
    // of another party
    fs::copy(file(0), world.path(0, "zero")).unwrap();
    fs::copy(file(1), file(0)).unwrap();
    let zero = Process::start(&mut command(&world, 0, &dealt)).end();
    zero.expect_failure(&["was dealt for party 1, this is party 0"]);
    // of another dealing
    let other = deal(&world, "other");
    fs::copy(other.join("dealt-0.tern"), file(0)).unwrap();
    let [zero, one] = run(&world, &dealt);
    for ended in [&zero, &one] {
        ended.expect_failure(&["dealing = "]);
    }
    // damaged
    let mut bytes = fs::read(file(1)).unwrap();
    let last = bytes.len() - 33; // before the hash
    bytes[last] ^= 1;
    fs::write(file(1), bytes).unwrap();
    let one = Process::start(&mut command(&world, 1, &dealt)).end();
    one.expect_failure(&["dealt-1.tern is damaged: the hash at its end"]);
    // no such file
    let zero = Process::start(&mut command(&world, 0, &world.path(0, "nowhere"))).end();
    zero.expect_failure(&["dealt-0.tern: No such file"]);
}

#[test]
fn a_dealer_that_dies_or_stalls_is_named() {
    for signal in ["-KILL", "-STOP"] {
        let world = world(&[ENDLESS]);
        let mut parties = world.start_all();
        parties[0].wait_for("begun");
        parties[2].signal(signal);
        let [zero, one, two] = parties;
        for ended in [zero, one].map(Process::end) {
            ended.expect_failure(&["party 2 (carol)"]);
        }
        drop(two);
    }
}
