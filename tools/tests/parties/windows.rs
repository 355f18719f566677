//! What a crash leaves in the directories of checkpoints, in every order in which parties may have come to it: the very same command lines go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::checkpoints::{Case, kill};
use crate::support::{Ended, Process, all_succeed};

/// What a party has of a point.
#[derive(Clone, Copy)]
enum Has {
    Settled,
    Pending,
    Nothing,
}
use Has::{Nothing, Pending, Settled};

/// Directories of parties that were killed when they had a point in common, which is all that is left there.
fn killed() -> (Case, PathBuf) {
    let case = Case::new();
    let parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    case.wait_for_another(0);
    parties.iter().for_each(|party| kill(party.id()));
    drop(parties.map(Process::end));
    let number = |path: &PathBuf| path.file_name()?.to_str()?.split('.').nth(1)?.parse::<u64>().ok();
    let of = |party: usize| case.files(party).iter().filter_map(number).collect::<Vec<u64>>();
    let all = [0, 1, 2].map(of);
    let common = all[0].iter().filter(|point| all.iter().all(|points| points.contains(point))).max();
    let common = *common.unwrap_or_else(|| panic!("no point in common: {all:?}"));
    let kept = case.world.path(0, "kept");
    fs::create_dir(&kept).unwrap();
    for party in 0..3 {
        let file = case.files(party).into_iter().find(|file| number(file) == Some(common)).expect("a point");
        fs::copy(file, kept.join(party.to_string())).unwrap();
    }
    fs::write(kept.join("number"), common.to_string()).unwrap();
    (case, kept)
}

/// Runs with what the parties have; whether the run began anew.
fn begins(case: &Case, kept: &Path, has: [Has; 3]) -> bool {
    let number: u64 = fs::read_to_string(kept.join("number")).unwrap().parse().unwrap();
    for (party, has) in has.into_iter().enumerate() {
        let directory = case.world.path(party, "points");
        fs::remove_dir_all(&directory).unwrap();
        fs::create_dir(&directory).unwrap();
        let suffix = match has {
            Settled => "checkpoint",
            Pending => "pending",
            Nothing => continue,
        };
        let file = directory.join(format!("party-{party}.{number:012}.{suffix}"));
        fs::copy(kept.join(party.to_string()), file).unwrap();
    }
    let parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    let ended = all_succeed(parties);
    case.assert_results([0, 1, 2]);
    let went_on = ended.each_ref().map(|ended| ended.out.contains("going on from a checkpoint"));
    assert!(went_on == [went_on[0]; 3], "{ended:#?}");
    !went_on[0]
}

#[test]
fn a_crash_while_the_first_point_is_written() {
    let (case, kept) = killed();
    assert!(begins(&case, &kept, [Pending, Nothing, Nothing]), "never complete");
    assert!(begins(&case, &kept, [Nothing, Pending, Pending]), "never complete");
    assert!(!begins(&case, &kept, [Pending, Pending, Pending]), "complete, and nobody knows that");
    assert!(!begins(&case, &kept, [Settled, Pending, Pending]), "complete, and one knows that");
    assert!(!begins(&case, &kept, [Pending, Settled, Settled]), "complete, and two know that");
}

/// Starts every party again that fails, but one that is `done`, with the same command line, until all have come to their ends.
fn supervise(case: &Case, parties: [Process; 3], done: Option<usize>) -> Vec<Ended> {
    let one = |(party, mut process): (usize, Process)| {
        let mut ended = Vec::new();
        loop {
            let end = process.end();
            let success = end.status.success() || done == Some(party);
            ended.push(end);
            if success {
                return ended;
            }
            assert!(ended.len() < 9, "{ended:#?}");
            process = Process::start(&mut case.party(party));
        }
    };
    std::thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> =
            parties.into_iter().enumerate().map(|party| scope.spawn(move || one(party))).collect();
        all.into_iter().flat_map(|party| party.join().unwrap()).collect()
    })
}

/// Kills a party as soon as it has marked how far the end of the run has come; whether the mark is on its disk.
fn killed_at_the_end(case: &Case, party: usize, mark: &str) -> bool {
    for party in 0..3 {
        let _ = fs::remove_dir_all(case.world.path(party, "out"));
    }
    let parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    let file = case.world.path(party, &format!("points/party-{party}.{mark}"));
    // a shell of its own, which is quick, and ends with the party if this test does not end it
    let watch = "while [ ! -e \"$1\" ]; do kill -0 \"$2\" || exit; done; kill -KILL \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", watch, "sh"]).arg(&file).arg(parties[party].id().to_string());
    let shell = Process::start(&mut shell);
    let begun = Instant::now();
    while !parties[party].has_ended() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to its end");
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(shell);
    let caught = file.exists();
    // It was killed behind its last word: that is as if it had ended by itself.
    let is_done = case.all_files(party).is_empty();
    let ended = supervise(case, parties, is_done.then_some(party));
    case.assert_results([0, 1, 2]);
    let told = ended.iter().filter(|ended| ended.out.contains("had come to its end before")).count();
    // one that knows only half of it may find that nobody is left to ask
    let expected = usize::from(caught)..=usize::from(caught);
    let expected = if mark == "over" { expected } else { 0..=1 };
    assert!(expected.contains(&told), "{caught}: {ended:#?}");
    for party in 0..3 {
        assert!(case.all_files(party).is_empty(), "what is over leaves nothing behind");
    }
    caught
}

#[test]
fn a_party_that_is_killed_when_all_is_over_is_told_so() {
    let case = Case::new();
    // as often as it takes to kill it in time
    assert!((0..10).any(|i| killed_at_the_end(&case, i % 3, "over")));
}

#[test]
fn a_party_that_is_killed_before_all_know_of_the_end() {
    let case = Case::new();
    for party in 0..3 {
        killed_at_the_end(&case, party, "ended");
    }
}
