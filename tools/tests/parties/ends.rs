//! The end of a run: nobody reports success before everybody has what is theirs on disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{ENDLESS, Ended, Process, World, all_succeed, tern};

/// A world in which party 2 is about to receive its result, and the processes.
fn computing(prepare: impl Fn(&World, &mut Command)) -> (World, [Process; 3]) {
    let world = World::new(&["STEPS=20000"]);
    let start = |party| {
        let mut command = world.command(party);
        if party == 2 {
            prepare(&world, &mut command);
        }
        Process::start(&mut command)
    };
    let mut parties = [0, 1, 2].map(start);
    parties[2].wait_for("begun");
    (world, parties)
}

/// Puts a file in the place of the directory of results.
fn take_away(world: &World) {
    fs::rename(world.path(2, "out"), world.path(2, "moved")).unwrap();
    fs::write(world.path(2, "out"), "").unwrap();
}

fn others_failed([zero, one, two]: [Ended; 3], cause: &str) {
    for ended in [zero, one] {
        ended.expect_failure(&["party 2 (carol)", cause]);
        let mut errors = ended.err.lines().filter(|line| line.starts_with("error: "));
        assert!(
            errors.all(|line| !line.contains("out/")),
            "the others learn about the files of a party: {ended:#?}"
        );
        assert!(!ended.out.contains("as announced"), "{ended:#?}");
    }
    assert_ne!(two.status.code(), Some(0));
}

#[test]
fn a_result_that_is_lost_is_lost_for_all() {
    let (world, parties) = computing(|_, command| {
        command.env("TMPDIR", "/nowhere");
    });
    take_away(&world);
    let ended = parties.map(Process::end);
    ended[2].expect_failure(&["product cannot be written to", "out"]);
    others_failed(ended, "it cannot keep its results");
}

#[test]
fn a_result_that_is_elsewhere_is_named_and_the_run_is_whole() {
    let (world, parties) = computing(|world, command| {
        fs::create_dir(world.path(2, "other")).unwrap();
        command.env("TMPDIR", world.path(2, "other"));
    });
    take_away(&world);
    let [zero, one, two] = parties.map(Process::end);
    for ended in [zero, one] {
        assert!(ended.expect_success().out.contains("as announced"));
    }
    two.expect_failure(&["the run came to its end, but", "product is in"]);
    let place = two.err.split("product is in ").nth(1).unwrap().lines().next().unwrap();
    assert!(fs::metadata(Path::new(place)).unwrap().len() > 0);
}

/// Party 2 is killed when it has computed everything and its result is not on disk yet: a pipe that nobody reads keeps it from that.
#[cfg(target_os = "linux")]
#[test]
fn a_party_that_is_killed_before_its_result_is_on_disk() {
    let (_world, parties) = computing(|world, _| {
        fs::create_dir(world.path(2, "out")).unwrap();
        let pipe = Command::new("mkfifo").arg(world.path(2, "out/product.npz")).status();
        assert!(pipe.unwrap().success());
    });
    let waits = format!("/proc/{}/task", parties[2].id());
    let begun = Instant::now();
    while !waits_for_a_pipe(&waits) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to its result");
        std::thread::sleep(Duration::from_millis(5));
    }
    parties[2].signal("-KILL");
    others_failed(parties.map(Process::end), "");
}

/// Whether a thread opens a pipe: by what it sleeps in, or by the system call if the kernel does not say.
#[cfg(target_os = "linux")]
fn waits_for_a_pipe(tasks: &str) -> bool {
    let threads = fs::read_dir(tasks).into_iter().flatten().flatten();
    threads.into_iter().any(|thread| {
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let opens = if cfg!(target_arch = "x86_64") { "257 " } else { "56 " };
        read("wchan").contains("fifo") || read("syscall").starts_with(opens)
    })
}

/// The command of a party, with another directory for its results.
fn elsewhere(world: &World, party: usize) -> Command {
    let (out, other) = (world.path(party, "out"), world.path(party, "elsewhere"));
    let mut command = tern();
    command.args(
        world.command(party).get_args().map(|word| if *word == *out { other.as_os_str() } else { word }),
    );
    command
}

/// It is refused where it is started, or finds nobody who takes it, and the run goes on.
#[test]
fn a_party_that_is_started_twice() {
    let world = World::new(&[ENDLESS]);
    let mut parties = world.start_all();
    (0..3).for_each(|party| parties[party].wait_for("begun"));
    for party in 0..3 {
        world.start(party).end().expect_failure(&["another run writes to"]);
        let other = Process::start(&mut elsewhere(&world, party)).end();
        match party {
            0 => other.expect_failure(&["party "]),
            _ => other.expect_failure(&["cannot listen on 127.0.0.1:", "the port is in use"]),
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    parties[0].signal("-INT");
    let [zero, one, two] = parties.map(Process::end);
    zero.expect_failure(&["the run was cancelled"]);
    one.expect_failure(&["party 0 (alice) ended the run", "cancelled"]);
    two.expect_failure(&["party 0 (alice) ended the run", "cancelled"]);
    for party in 0..3 {
        let metrics = fs::read_to_string(world.path(party, "out/metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 1);
        assert!(metrics.contains("\"begun\""), "{metrics}");
    }
}

#[test]
fn a_seed_is_said_to_be_insecure() {
    let world = World::new(&[]);
    let refused = Process::start(world.command(0).args(["--seed", "3"])).end();
    refused.expect_failure(&["--seed 3", "all secrets"]);
    assert!(refused.err.contains("--insecure"), "{refused:#?}");
    assert!(!world.path(0, "out").exists());
    let seeded = |party| Process::start(world.command(party).args(["--seed", "3", "--insecure"]));
    for ended in all_succeed([0, 1, 2].map(seeded)) {
        assert!(ended.err.contains("warning: all randomness comes from the seed 3"), "{ended:#?}");
        assert!(ended.out.contains("from the seed 3: nothing of this run is secret"), "{ended:#?}");
    }
    let parties = all_succeed(world.start_all());
    assert!(parties.iter().all(|ended| !ended.err.contains("seed") && !ended.out.contains("seed")));
}
