//! Runs that succeed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tern_bytecode::report::group;

use crate::support::{ENDLESS, PROGRAM, Process, World, all_succeed, root, tern};

/// The events of a run with `--json`.
fn events(ended: &str) -> Vec<Value> {
    ended.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

fn metrics(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["event"] == "metric").collect()
}

/// Under nearest rounding and one seed, a process for each party computes what the emulator does, bit for bit, and sends what was announced.
#[test]
fn processes_do_what_the_emulator_does_at_the_announced_cost() {
    for protocol in ["rep3", "rep4"] {
        local_run(protocol);
    }
}

fn local_run(protocol: &str) {
    let dir = TempDir::new().unwrap();
    let digits = root().join("programs/digits.mpc");
    let run = |command: &str, options: &[&str]| {
        let mut process = tern();
        process.arg(command).arg(&digits).args(["--arg", "EPOCHS=1", "--arg", "BATCH=250"]);
        process.args(["--rounding", "nearest", "--protocol", protocol]).args(options).arg("--json");
        if command != "cost" {
            process.args(["--seed", "7", "--out"]).arg(dir.path().join(command));
        }
        Process::start(&mut process).end().expect_success()
    };
    let (secure, clear, cost) = (run("run", &["--html"]), run("emulate", &[]), run("cost", &[]));
    let (secure_events, clear_events) = (events(&secure.out), events(&clear.out));
    assert_eq!(metrics(&secure_events), metrics(&clear_events));
    assert_eq!(metrics(&secure_events).len(), 2);
    let weights = |command: &str| fs::read(dir.path().join(command).join("weights.npz")).unwrap();
    assert!(weights("run") == weights("emulate"), "the weights differ");
    let log = |command: &str| fs::read(dir.path().join(command).join("metrics.jsonl")).unwrap();
    assert!(log("run") == log("emulate"), "the metrics in the files differ");

    let cost: Value = serde_json::from_str(&cost.out).unwrap();
    let done = secure.done();
    assert_eq!(done["bits_by_link"], cost["bits_by_link"]);
    assert_eq!(done["rounds"], cost["rounds"]);
    assert_eq!(done["bits"], cost["bits"]);
    assert_eq!(done["simulated_network"], Value::Null);
    let column = |report: &Value, name: &str| -> Vec<Value> {
        report["by_line"].as_array().unwrap().iter().map(|line| line[name].clone()).collect()
    };
    for name in ["file", "line", "bits", "rounds", "executions"] {
        assert_eq!(column(&done, name), column(&cost, name), "{name} by line");
    }
    page_of(&done, &dir.path().join("run/run.html"));
}

/// The page of a run has the figures of its last event.
fn page_of(done: &Value, path: &Path) {
    let page = fs::read_to_string(path).unwrap();
    assert!(page.contains(&format!("{} bits</b> of all parties", group(done["bits"].as_u64().unwrap()))));
    for line in done["by_line"].as_array().unwrap() {
        let number = format!("-{}\"", line["line"]);
        let row =
            page.lines().find(|row| row.starts_with("<tr id=") && row.contains(&number)).expect("a row");
        for name in ["bits", "rounds", "executions"] {
            assert!(row.contains(&format!("data-value=\"{}\"", line[name])), "{name}: {row}");
        }
        for name in ["compute", "waited"] {
            assert!(row.contains(&format!(">{:.3} s<", line[name].as_f64().unwrap())), "{name}: {row}");
        }
    }
}

#[test]
fn three_real_parties_start_in_any_order_and_get_their_own_outputs_only() {
    let world = World::new(&[]);
    let seeded = |party| Process::start(world.command(party).args(["--seed", "3", "--insecure", "--json"]));
    let last = seeded(2);
    std::thread::sleep(Duration::from_millis(300));
    let first = seeded(0);
    let parties = all_succeed([first, seeded(1), last]);
    assert_eq!([0, 1, 2].map(|party| world.has_output(party)), [false, false, true]);

    let mut clear = tern();
    clear.arg("emulate").arg(&world.programs[2]).args(["--seed", "3", "--json"]);
    for (party, input) in [(0, "x"), (1, "y")] {
        clear.arg("--input");
        clear.arg(format!("{input}={}", world.path(party, &format!("{input}.csv")).display()));
    }
    let clear = Process::start(clear.arg("--out").arg(world.path(0, "clear"))).end().expect_success();
    // The truncation is probabilistic, but the numbers are exact, so nothing is rounded.
    let product = |path: &Path| fs::read(path.join("product.npz")).unwrap();
    assert!(product(&world.path(2, "out")) == product(&world.path(0, "clear")));
    let expected = events(&clear.out);
    for (party, ended) in parties.iter().enumerate() {
        assert_eq!(metrics(&events(&ended.out)), metrics(&expected));
        let rows = ended.done()["bits_by_link"].as_array().unwrap().clone();
        assert!(rows.iter().enumerate().all(|(row, bits)| bits.is_array() == (row == party)));
    }
}

#[test]
fn a_ping_tells_that_everybody_is_there() {
    let world = World::new(&[]);
    let ping = |party: usize| {
        let mut command = tern();
        command.args(["ping", "--party", &party.to_string(), "--hosts"]).arg(world.path(party, "hosts.toml"));
        Process::start(&mut command)
    };
    let parties = all_succeed([0, 1, 2].map(ping));
    assert!(parties[0].out.contains("party 1 (bob)") && parties[0].out.contains("ms"), "{parties:#?}");
}

#[test]
fn a_simulated_network_slows_a_run_down_and_is_reported() {
    let dir = TempDir::new().unwrap();
    let (source, x, y) = local_files(&dir);
    let mut command = tern();
    command.arg("run").arg(source).args(["--input", &x, "--input", &y, "--json", "--network", "rtt=100ms"]);
    let ended = Process::start(command.arg("--out").arg(dir.path().join("out"))).end().expect_success();
    let done = ended.done();
    let rounds = done["rounds"].as_f64().unwrap();
    // who begins last finds the others' first messages on their way
    assert!(done["seconds"].as_f64().unwrap() >= 0.05 * (rounds - 1.0), "{done}");
    assert_eq!(done["simulated_network"], "rtt=100000us");
}

fn local_files(dir: &TempDir) -> (std::path::PathBuf, String, String) {
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let x = write("x.csv", "1,2\n3,4\n5,6\n7,8\n");
    let y = write("y.csv", "1,0\n0,1\n1,0\n0,1\n");
    (write("prog.mpc", PROGRAM), format!("x={}", x.display()), format!("y={}", y.display()))
}

/// A local run that goes on and on, and the processes of its parties.
#[cfg(target_os = "linux")]
fn endless(dir: &TempDir) -> (Process, Vec<u32>) {
    let (source, x, y) = local_files(dir);
    let mut command = tern();
    command.arg("run").arg(source).args(["--input", &x, "--input", &y, "--arg", ENDLESS, "--out"]);
    let mut leader = Process::start(command.arg(dir.path().join("out")));
    leader.wait_for("begun");
    let parties = children(leader.id());
    (leader, parties)
}

/// Killed without a chance to clean up, the process that the user started takes the parties with it.
#[cfg(target_os = "linux")]
#[test]
fn local_parties_end_with_their_leader() {
    let dir = TempDir::new().unwrap();
    let (leader, parties) = endless(&dir);
    assert_eq!(parties.len(), 3);
    leader.signal("-KILL");
    let begun = Instant::now();
    while parties.iter().any(|party| is_alive(*party)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "a party goes on without its leader");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One of the local parties is killed: the run ends at once, and says so.
#[cfg(target_os = "linux")]
#[test]
fn a_local_party_that_dies_ends_the_run() {
    let dir = TempDir::new().unwrap();
    let (leader, parties) = endless(&dir);
    let killed = std::process::Command::new("kill").args(["-KILL", &parties[1].to_string()]).status();
    assert!(killed.unwrap().success());
    leader.end().expect_failure(&["party", "SIGKILL"]);
    assert!(!parties.into_iter().any(is_alive));
}

/// Process ids of the children of a process.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// Whether a process exists and is no zombie.
#[cfg(target_os = "linux")]
fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Neither a core dump nor another process of the same user shows what a party has in memory.
#[test]
#[cfg(target_os = "linux")]
fn a_party_leaves_no_core_dump() {
    let world = World::new(&[ENDLESS]);
    let mut parties = world.start_all();
    for party in &mut parties {
        party.wait_for("begun");
        let limits = fs::read_to_string(format!("/proc/{}/limits", party.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"], "{core}");
    }
    for party in parties {
        party.signal("-INT");
        party.end();
    }
}

/// What a run needs is said before anything of it happens: memory, and how long its communication and computing take at least and roughly.
#[test]
fn what_a_run_needs_is_said_before_it_begins() {
    let world = World::new(&["STEPS=500"]);
    let cost =
        Process::start(tern().arg("cost").arg(&world.programs[0]).arg("--json")).end().expect_success();
    let cost: Value = serde_json::from_str(&cost.out).unwrap();
    let start = |party| Process::start(world.command(party).arg("--json"));
    for ended in all_succeed([0, 1, 2].map(start)) {
        let events = events(&ended.out);
        let place = |kind: &str| events.iter().position(|event| event["event"] == kind).expect(kind);
        assert!(place("forecast") < place("metric"), "{ended:#?}");
        let forecast = &events[place("forecast")]["forecast"];
        let number = |name: &str| forecast[name].as_f64().unwrap_or_else(|| panic!("{name} in {forecast}"));
        assert_eq!(forecast["rounds"], cost["rounds"]);
        assert!(number("memory") > 0.0 && number("bytes") > 0.0 && number("computing") > 0.0, "{forecast}");
        assert!(number("seconds") >= number("rounds") * number("round") * 0.99, "{forecast}");
    }
    let [ended, _, _] = all_succeed(world.start_all());
    assert!(ended.out.contains(" of memory per party besides data; "), "{ended:#?}");
    assert!(ended.out.contains(" of communication, and about "), "{ended:#?}");
}
