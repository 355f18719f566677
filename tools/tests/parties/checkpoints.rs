//! Runs that lose parties and go on: with one seed and nearest rounding the results are those of a run that nobody disturbs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::scarce::limited;
use crate::support::{ENDLESS, Ended, Process, World, all_succeed, has_ended, tern};

/// Ten numbers, one after some hundred rounds each, and a result of every tenth.
const PROGRAM: &str = "
const STEPS = 400

input x: fix[4, 2] from party 0
input y: fix[4, 2] from party 1

fn main() {
    var z = x
    for part in 0..10 {
        for step in 0..STEPS {
            z = z * y + x * 0.125
        }
        metric(\"sum\", reveal(sum(z)))
        output part_of_it = z to party 1
    }
    output product = z to party 2
}
";
const X: &str = "0.5,1\n1.5,2\n-2.5,3\n3.5,-4\n";
const Y: &str = "0.5,-0.75\n0.5,0.25\n0.75,0.25\n-0.5,0.125\n";

/// A program that all have, its data, and what comes of it.
pub(crate) struct Case {
    pub(crate) world: World,
}

impl Case {
    pub(crate) fn new() -> Case {
        let world = World::new(&[]);
        for party in 0..3 {
            compile(&world, party, PROGRAM);
        }
        fs::write(world.path(0, "x.csv"), X).unwrap();
        fs::write(world.path(1, "y.csv"), Y).unwrap();
        let case = Case { world };
        let ended = Process::start(&mut case.emulate("expected")).end().expect_success();
        assert!(ended.err.is_empty(), "{ended:#?}");
        case
    }

    fn inputs(&self, command: &mut Command) {
        for (party, name) in ["x", "y"].into_iter().enumerate() {
            let file = self.world.path(party, &format!("{name}.csv"));
            command.arg("--input").arg(format!("{name}={}", file.display()));
        }
    }

    fn emulate(&self, out: &str) -> Command {
        let mut command = tern();
        command.arg("emulate").arg(&self.world.programs[0]).args(["--seed", "5", "--out"]);
        command.arg(self.world.path(0, out));
        self.inputs(&mut command);
        command
    }

    /// Local processes.
    fn local(&self) -> Command {
        let mut command = tern();
        command.arg("run").arg(&self.world.programs[0]).args(["--seed", "5", "--out"]);
        command.arg(self.world.path(0, "out"));
        command.arg("--checkpoint").arg(self.world.path(0, "points")).args(["--every", "50"]);
        self.inputs(&mut command);
        command
    }

    /// One of the real parties.
    pub(crate) fn party(&self, party: usize) -> Command {
        let mut command = self.world.patient_command(party, 20);
        command.args(["--seed", "5", "--insecure", "--wait", "60s", "--every", "50", "--checkpoint"]);
        command.arg(self.world.path(party, "points"));
        command
    }

    /// A party that tells what happens, and with options of its own instead of how long to wait.
    fn told(&self, party: usize, options: &[&str]) -> Process {
        let mut command = self.world.patient_command(party, 60);
        command.args(["--seed", "5", "--insecure", "--json", "--checkpoint"]);
        command.arg(self.world.path(party, "points")).args(options);
        Process::start(&mut command)
    }

    /// Whether a file is the one of the run that nobody disturbed.
    fn assert_same(&self, party: usize, file: &str) {
        let expected = fs::read(self.world.path(0, &format!("expected/{file}"))).expect(file);
        let found = fs::read(self.world.path(party, &format!("out/{file}"))).expect(file);
        assert!(found == expected, "{file} of party {party} is another");
    }

    pub(crate) fn assert_results(&self, of: [usize; 3]) {
        for party in of {
            self.assert_same(party, "metrics.jsonl");
        }
        self.assert_same(of[2], "product.npz");
        for i in 0..10 {
            self.assert_same(of[1], &format!("part_of_it.{i:04}.npz"));
        }
        self.assert_same(of[1], "part_of_it.npz");
    }

    /// Points that all parties have.
    fn points(&self, party: usize) -> Vec<PathBuf> {
        let mut files = self.all_files(party);
        files.retain(|file| file.extension().is_some_and(|suffix| suffix == "checkpoint"));
        files
    }

    /// Points of which a party may not know yet whether all have them, too.
    pub(crate) fn files(&self, party: usize) -> Vec<PathBuf> {
        let mut files = self.all_files(party);
        let suffixes = ["checkpoint", "pending"];
        files.retain(|file| file.extension().is_some_and(|suffix| suffixes.iter().any(|s| suffix == *s)));
        files
    }

    pub(crate) fn all_files(&self, party: usize) -> Vec<PathBuf> {
        let files = fs::read_dir(self.world.path(party, "points")).into_iter().flatten().flatten();
        let mut files: Vec<_> = files.map(|file| file.path()).collect();
        files.sort();
        files
    }

    /// Waits for a point that is not there now, nor the first: when the second is written, all parties have that one.
    pub(crate) fn wait_for_another(&self, party: usize) {
        let (before, begun) = (self.points(party), Instant::now());
        let first =
            |file: &PathBuf| ["0050.", "0100."].iter().any(|end| file.to_string_lossy().contains(end));
        while self.points(party) == before || self.points(party).iter().all(first) {
            assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint of party {party}: {before:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Rounding to the nearest: what is done again comes to the same.
pub(crate) fn compile(world: &World, party: usize, text: &str) {
    let source = world.path(party, "prog.mpc");
    fs::write(&source, text).unwrap();
    let output = tern().arg("compile").arg(&source).args(["--rounding", "nearest"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Children of a process.
fn children(of: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        behind_name.split_whitespace().nth(1) == Some(&of.to_string())
    };
    let mut found: Vec<u32> = numbers.filter(is_child).collect();
    found.sort_unstable();
    found
}

pub(crate) fn kill(process: u32) {
    let status = Command::new("kill").args(["-KILL", &process.to_string()]).status().expect("kill");
    assert!(status.success());
    // whoever starts it again does so when it has ended, which its parent may not have heard
    while !has_ended(process) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut files| files.next().is_none())
}

#[test]
fn each_party_is_killed_and_comes_back_with_the_same_command_line() {
    let case = Case::new();
    let mut parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    for (party, pause) in [(0, 3), (1, 30), (2, 11)] {
        case.wait_for_another(party);
        std::thread::sleep(Duration::from_millis(pause));
        kill(parties[party].id());
        std::thread::sleep(Duration::from_millis(50 * pause));
        parties[party] = Process::start(&mut case.party(party));
    }
    let ended = all_succeed(parties);
    case.assert_results([0, 1, 2]);
    for (party, ended) in ended.iter().enumerate() {
        assert!(ended.out.contains("going on from a checkpoint"), "{ended:#?}");
        // what was counted before counts
        assert!(ended.out.contains(", as announced"), "{ended:#?}");
        assert!(is_empty(&case.world.path(party, "points")), "what is over leaves nothing behind");
    }
    assert!(ended[0].err.contains("party 1 (bob)") || ended[0].err.contains("party 2 (carol)"), "{ended:#?}");
    assert!(ended[0].err.contains("the run goes on from its last checkpoint"), "{ended:#?}");
}

/// A party that is asked to end keeps a point before, with all others, long before one is due; they wait for it.
#[test]
fn a_party_that_is_asked_to_end_has_a_last_point() {
    let case = Case::new();
    let party = |party: usize| {
        let mut command = case.world.patient_command(party, 20);
        command.args(["--seed", "5", "--insecure", "--wait", "60s", "--every", "1h", "--checkpoint"]);
        command.arg(case.world.path(party, "points"));
        command
    };
    let [mut zero, one, two] = [0, 1, 2].map(|i| Process::start(&mut party(i)));
    zero.wait_for("sum");
    one.signal("-INT");
    let ended = one.end();
    ended.expect_failure(&["the run was cancelled"]);
    assert!(ended.err.contains("the same command goes on from iteration"), "{ended:#?}");
    // the others may not have come to know yet that all have it
    assert!((0..3).all(|party| !case.files(party).is_empty()));
    let again = Process::start(&mut party(1)).end().expect_success();
    assert!(again.out.contains("going on from a checkpoint"), "{again:#?}");
    [zero, two].into_iter().for_each(|party| drop(party.end().expect_success()));
    case.assert_results([0, 1, 2]);
}

/// Once asks for a point, which is not due for long; twice does not wait for it.
#[test]
fn a_party_that_is_asked_twice_ends_at_once() {
    let world = World::new(&[ENDLESS]);
    let start = |party| {
        let mut command = world.patient_command(party, 20);
        command.args(["--every", "1000000000", "--checkpoint"]).arg(world.path(party, "points"));
        Process::start(&mut command)
    };
    let [_zero, mut one, _two] = [0, 1, 2].map(start);
    one.wait_for("begun");
    one.signal("-INT");
    std::thread::sleep(Duration::from_secs(1));
    assert!(!one.has_ended(), "it waits for a point");
    let since = Instant::now();
    one.signal("-INT");
    let ended = one.end();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(ended.status.code(), Some(128 + 2), "{ended:#?}");
    assert!(ended.err.contains("waited for 20 s; once more ends it at once"), "{ended:#?}");
}

#[test]
fn the_emulator_keeps_a_last_point_too() {
    let case = Case::new();
    let command = || {
        let mut command = case.emulate("out");
        command.arg("--checkpoint").arg(case.world.path(0, "points"));
        command
    };
    let mut run = Process::start(&mut command());
    run.wait_for("sum");
    run.signal("-TERM");
    let ended = run.end();
    assert!(!ended.status.success() && ended.err.contains("the same command goes on from"), "{ended:#?}");
    let ended = Process::start(command().arg("--resume")).end().expect_success();
    assert!(ended.out.contains("going on from a checkpoint"), "{ended:#?}");
    case.assert_results([0, 0, 0]);
}

#[test]
fn two_parties_at_once() {
    let case = Case::new();
    let mut parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    case.wait_for_another(1);
    for party in [0, 2] {
        kill(parties[party].id());
    }
    for party in [2, 0] {
        parties[party] = Process::start(&mut case.party(party));
    }
    all_succeed(parties);
    case.assert_results([0, 1, 2]);
}

/// Its links are given up as soon as it is clear that it has ended; then it is waited for, and all go on when somebody has started it again.
#[test]
fn a_party_that_is_started_again_late() {
    for victim in [0, 2] {
        let case = Case::new();
        let start = |party| case.told(party, &["--every", "50"]);
        let mut parties = [0, 1, 2].map(start);
        case.wait_for_another(victim);
        kill(parties[victim].id());
        let since = Instant::now();
        parties[1].wait_for("which is waited for 600 s");
        assert!(since.elapsed() < Duration::from_secs(40), "{:?}", since.elapsed());
        parties[victim] = start(victim);
        let ended = all_succeed(parties);
        case.assert_results([0, 1, 2]);
        assert!(ended.iter().all(|ended| ended.out.contains("\"resumed\"")), "{ended:#?}");
    }
}

/// A run that loses a party again and again before there is a new point ends, after as many times as it is told.
#[test]
fn a_run_that_gains_nothing_is_given_up() {
    let case = Case::new();
    let start = |party| case.told(party, &["--every", "1h", "--retries", "1"]);
    let mut parties = [0, 1, 2].map(start);
    for time in 0..2 {
        parties[1].wait_for("\"metric\"");
        kill(parties[2].id());
        if time == 0 {
            parties[2] = start(2);
        }
    }
    let [zero, one, _] = parties;
    for ended in [zero, one].map(Process::end) {
        ended.expect_failure(&["party 2 (carol)"]);
        assert_eq!(ended.out.matches("the run goes on from its last checkpoint").count(), 1, "{ended:#?}");
    }
}

#[test]
fn local_parties_are_started_again() {
    let case = Case::new();
    let run = Process::start(&mut case.local());
    for i in 0..3 {
        case.wait_for_another(0);
        kill(children(run.id())[i]);
        std::thread::sleep(Duration::from_millis(200));
    }
    let ended = run.end().expect_success();
    case.assert_results([0, 0, 0]);
    assert_eq!(ended.err.matches("all parties are started again").count(), 3, "{ended:#?}");
    assert!(ended.out.contains(", as announced"), "{ended:#?}");
}

#[test]
fn a_run_that_was_killed_goes_on_when_it_is_started_again() {
    let case = Case::new();
    let run = Process::start(&mut case.local());
    case.wait_for_another(0);
    run.signal("-KILL");
    run.end();
    let ended = Process::start(case.local().arg("--resume")).end().expect_success();
    assert!(ended.out.contains("going on from a checkpoint"), "{ended:#?}");
    case.assert_results([0, 0, 0]);
    let ended = Process::start(case.local().arg("--resume")).end();
    assert!(!ended.status.success());
    assert!(ended.err.contains("there is no checkpoint that all parties have: "), "{ended:#?}");
}

#[test]
fn the_emulator_goes_on_too() {
    let case = Case::new();
    let command = || {
        let mut command = case.emulate("out");
        command.arg("--checkpoint").arg(case.world.path(0, "points")).args(["--every", "100", "--json"]);
        command
    };
    let run = Process::start(&mut command());
    case.wait_for_another(0);
    run.signal("-KILL");
    run.end();
    let ended = Process::start(&mut command()).end().expect_success();
    assert!(ended.out.contains("\"event\":\"resumed\"") || ended.out.contains("\"resumed\""), "{ended:#?}");
    case.assert_results([0, 0, 0]);
    let refused = Process::start(command().args(["--resume"])).end();
    refused.expect_failure(&["there is nothing in", "to go on from"]);
}

/// A program with other arguments or settings, another interval, another party: each is named with both values.
#[test]
fn points_of_something_else_are_named_with_what_differs() {
    let case = Case::new();
    let text = PROGRAM.replace("STEPS = 400", "STEPS = arg(400)");
    (0..3).for_each(|party| compile(&case.world, party, &text));
    let points = case.world.path(0, "points");
    let emulate = |every: &str| {
        let mut command = case.emulate("out");
        command.arg("--checkpoint").arg(&points).args(["--every", every]);
        Process::start(&mut command)
    };
    let run = emulate("100");
    case.wait_for_another(0);
    run.signal("-KILL");
    run.end();
    let last = case.files(0).pop().expect("a point");
    let refused = |ended: &Ended, what: &str| {
        assert!(!ended.status.success(), "{ended:#?}");
        assert!(ended.err.contains(&format!("is of another run: there {what}")), "{what}: {ended:#?}");
    };
    for (options, what) in [
        (["--arg", "STEPS=300"], "argument STEPS = 400, here 300"),
        (["--fixed", "12"], "fixed-point bits = 16,32, here 12,24"),
        (["--rounding", "probabilistic"], "rounding = nearest, here probabilistic"),
        (["--protocol", "rep4"], "protocol = rep3, here rep4"),
    ] {
        let mut compile = tern();
        compile.arg("compile").arg(case.world.path(0, "prog.mpc")).args(options);
        if options[0] != "--rounding" {
            compile.args(["--rounding", "nearest"]);
        }
        Process::start(&mut compile).end().expect_success();
        refused(&emulate("100").end(), what);
    }
    compile(&case.world, 0, &text);
    refused(&emulate("50").end(), "checkpoints = every 100 iterations, here every 50 iterations");
    // what the emulator has kept, under the name of a party's
    let number = last.file_name().unwrap().to_str().unwrap().split('.').nth(1).unwrap();
    fs::rename(&last, points.join(format!("party-0.{number}.checkpoint"))).unwrap();
    let parties = [0, 1, 2].map(|party| case.told(party, &["--every", "100"]));
    let [zero, one, two] = parties.map(Process::end);
    refused(&zero, "the party = the emulator, here party 0");
    // who has no checkpoint loses nothing, and does not wait for one that will not do
    for ended in [one, two] {
        ended.expect_failure(&["party 0 (alice) ended the run: its checkpoint cannot be used"]);
    }
}

/// One party has no data, or less memory than it needs: the others are told, and end, although they would wait for one that is down.
#[test]
fn a_party_that_declines_to_begin_is_not_waited_for() {
    let large = PROGRAM
        .replace("    var z = x\n", "    var z = x\n    var large = zeros([60000000])\n")
        .replace("        metric(", "        large = large + sum(z)\n        metric(")
        .replace("    output product", "    output large = sum(large) to party 0\n    output product");
    for (text, limit, own, told) in [
        (PROGRAM, None, "there is no file for y", "it has no usable data for y"),
        (&large, Some("-v 700000"), "this program needs", "it has too little memory for the run"),
    ] {
        let world = World::new(&[]);
        (0..3).for_each(|party| compile(&world, party, text));
        if limit.is_none() {
            fs::remove_file(world.path(1, "y.csv")).unwrap();
        }
        let mut commands = [0, 1, 2].map(|party| {
            let mut command = world.patient_command(party, 20);
            command.arg("--checkpoint").arg(world.path(party, "points"));
            command
        });
        if let Some(limit) = limit {
            commands[1] = limited(&commands[1], limit);
        }
        let since = Instant::now();
        let [zero, one, two] = commands.each_mut().map(Process::start).map(Process::end);
        assert!(since.elapsed() < Duration::from_secs(40), "{:?}", since.elapsed());
        one.expect_failure(&[own]);
        for ended in [zero, two] {
            ended.expect_failure(&["party 1 (bob) ended the run: ", told]);
            assert!(!ended.err.contains("waited for"), "{ended:#?}");
        }
    }
}

/// Where there is a point that would be lost, the others say why it has declined, and wait until that is mended.
#[test]
fn a_party_that_declines_to_go_on_is_waited_for() {
    let case = Case::new();
    let mut parties = [0, 1, 2].map(|party| case.told(party, &["--every", "50"]));
    case.wait_for_another(1);
    kill(parties[1].id());
    let (data, away) = (case.world.path(1, "y.csv"), case.world.path(1, "away.csv"));
    fs::rename(&data, &away).unwrap();
    case.told(1, &["--every", "50"]).end().expect_failure(&["there is no file for y"]);
    for party in [0, 2] {
        parties[party].wait_for("party 1 (bob) ended the run: it has no usable data for y");
    }
    fs::rename(&away, &data).unwrap();
    parties[1] = case.told(1, &["--every", "50"]);
    all_succeed(parties);
    case.assert_results([0, 1, 2]);
}

/// What may not be written any more is as a full disk: the run goes on without points, says so, and has the same results.
#[test]
#[cfg(target_os = "linux")]
fn a_party_without_room_for_points_says_so_and_the_run_goes_on() {
    let case = Case::new();
    let large = PROGRAM
        .replace("    var z = x\n", "    var z = x\n    var large = zeros([40000])\n")
        .replace("        metric(", "        large = large + sum(z)\n        metric(")
        .replace("    output product", "    output large = large to party 0\n    output product");
    (0..3).for_each(|party| compile(&case.world, party, &large));
    // blocks of half a KiB: metrics and results of party 1 are smaller, points are not
    let mut commands = [0, 1, 2].map(|party| case.party(party));
    commands[1] = limited(&commands[1], "-f 512");
    let ended = all_succeed(commands.each_mut().map(Process::start));
    case.assert_results([0, 1, 2]);
    assert!(ended[1].err.contains("no checkpoint could be kept at iteration "), "{ended:#?}");
    assert!(ended[1].err.contains("File too large"), "{ended:#?}");
}

#[test]
fn who_has_lost_its_checkpoints_or_has_others_is_named() {
    let case = Case::new();
    let parties = [0, 1, 2].map(|party| Process::start(&mut case.party(party)));
    (0..3).for_each(|_| case.wait_for_another(1));
    parties.iter().for_each(|party| party.signal("-KILL"));
    drop(parties.map(Process::end));
    // bob has lost his
    fs::rename(case.world.path(1, "points"), case.world.path(1, "kept")).unwrap();
    let ended = [0, 1, 2].map(|party| Process::start(&mut case.party(party))).map(Process::end);
    let [zero, one, two] = &ended;
    zero.expect_failure(&[
        "there is no checkpoint that all parties have: this party has",
        "party 1 (bob) has none",
    ]);
    one.expect_failure(&["this party has none", "party 0 (alice) has"]);
    two.expect_failure(&["party 1 (bob) has none"]);
    // bob has those of another program; the others are told, not what it is
    fs::remove_dir_all(case.world.path(1, "points")).unwrap();
    fs::rename(case.world.path(1, "kept"), case.world.path(1, "points")).unwrap();
    (0..3).for_each(|party| compile(&case.world, party, &PROGRAM.replace("0.125", "0.25")));
    let quick = |party| Process::start(&mut case.party(party)).end();
    let ended = std::thread::scope(|scope| {
        let all = [0, 1, 2].map(|party| scope.spawn(move || quick(party)));
        all.map(|party| party.join().unwrap())
    });
    for ended in &ended {
        let own = ended.err.contains("is of another run: there bytecode = ");
        assert!(own || ended.err.contains("its checkpoint cannot be used"), "{ended:#?}");
        assert!(!ended.status.success());
    }
    assert!(ended.iter().any(|ended| ended.err.contains("is of another run")), "{ended:#?}");
    // nothing of it was touched
    assert!((0..3).all(|party| !case.points(party).is_empty()));
}
