//! Connections between real parties that break while they compute: results are those of the emulator, and what was sent is what was announced.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, ENDLESS, Ended, Process, free_port, keygen, tern};
use crate::weather::{Break, Forecast, Weather};

const PROGRAM: &str = "
const STEPS = arg(60)

input x: fix[40, 30] from party 0
input y: fix[40, 30] from party 1

fn main() {
    metric(\"begun\", reveal(sum(x)))
    var z = x
    for step in 0..STEPS {
        z = max(z * y, x * 0.5)
    }
    metric(\"sum\", reveal(sum(z)))
    output product = z to party 1
}
";

/// A directory per party; every connection goes through weather of its own.
struct World {
    dir: TempDir,
    ports: Vec<u16>,
    weather: Vec<Weather>,
}

impl World {
    fn new(protocol: &str, parties: usize, forecast: Forecast) -> World {
        World::with(protocol, parties, forecast, 60)
    }

    fn with(protocol: &str, parties: usize, forecast: Forecast, steps: usize) -> World {
        let dir = TempDir::new().expect("a temporary directory");
        let ports: Vec<u16> = (0..parties).map(|_| free_port()).collect();
        let path = |party: usize| dir.path().join(party.to_string());
        let entries: Vec<String> =
            (0..parties).map(|party| keygen(&path(party), party, ports[party])).collect();
        let mut weather = Vec::new();
        for me in 0..parties {
            let mut hosts = String::new();
            for (party, entry) in entries.iter().enumerate() {
                let real = format!("127.0.0.1:{}", ports[party]);
                if party > me {
                    let seed = forecast.seed * 100 + weather.len() as u64;
                    let way = Weather::to(&real, Forecast { seed, ..forecast });
                    hosts += &entry.replace(&real, way.address());
                    weather.push(way);
                } else {
                    hosts += entry;
                }
            }
            fs::write(path(me).join("hosts.toml"), hosts).unwrap();
            fs::write(path(me).join("prog.mpc"), PROGRAM).unwrap();
            let mut compile = tern();
            compile.args(["compile", "--rounding", "nearest", "--protocol", protocol]);
            compile.args(["--arg", &format!("STEPS={steps}")]);
            let output = compile.arg(path(me).join("prog.mpc")).output().expect("the compiler runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        for (party, input) in ["x.csv", "y.csv"].iter().enumerate() {
            let row =
                |i: usize| (0..30).map(move |j| format!("{}", ((i * 7 + j * 3 + party) % 9) as f64 / 8.0));
            let rows = (0..40).map(|i| row(i).collect::<Vec<_>>().join(",") + "\n");
            fs::write(path(party).join(input), rows.collect::<String>()).unwrap();
        }
        World { dir, ports, weather }
    }

    fn path(&self, party: usize, file: &str) -> PathBuf {
        self.dir.path().join(party.to_string()).join(file)
    }

    fn input(&self, party: usize) -> Option<String> {
        let name = ["x", "y"].get(party)?;
        Some(format!("{name}={}", self.path(party, &format!("{name}.csv")).display()))
    }

    fn start(&self, party: usize, options: &[&str]) -> Process {
        let mut command = tern();
        command.arg("run").arg(self.path(party, "prog.tbc")).args(["--party", &party.to_string()]);
        command.arg("--hosts").arg(self.path(party, "hosts.toml")).arg("--out").arg(self.path(party, "out"));
        command.args(["--seed", "5", "--insecure", "--json"]).args(options);
        if let Some(input) = self.input(party) {
            command.arg("--input").arg(input);
        }
        Process::start(&mut command)
    }

    fn run(&self, options: &[&str]) -> Vec<Ended> {
        let parties: Vec<Process> = (0..self.ports.len()).map(|party| self.start(party, options)).collect();
        parties.into_iter().map(Process::end).collect()
    }

    fn emulate(&self) {
        let mut command = tern();
        command.arg("emulate").arg(self.path(0, "prog.tbc")).args(["--seed", "5", "--out"]);
        command.arg(self.path(0, "clear"));
        for input in (0..2).filter_map(|party| self.input(party)) {
            command.arg("--input").arg(input);
        }
        Process::start(&mut command).end().expect_success();
    }
}

fn survives(protocol: &str, parties: usize, forecast: Forecast, options: &[&str]) {
    let world = World::new(protocol, parties, forecast);
    world.emulate();
    let ended: Vec<Ended> = world.run(options).into_iter().map(Ended::expect_success).collect();
    for file in ["metrics.jsonl", "product.npz"] {
        let read = |party, place: &str| fs::read(world.path(party, place).join(file)).unwrap();
        assert!(read(1, "out") == read(0, "clear"), "{protocol}: {file}");
    }
    let cost = Process::start(tern().arg("cost").arg(world.path(0, "prog.tbc")).arg("--json")).end();
    let cost: Value = serde_json::from_str(&cost.expect_success().out).unwrap();
    let lost =
        |ended: &Ended| ended.out.lines().filter(|line| line.contains(" lost, connecting again")).count();
    assert!(ended.iter().map(lost).sum::<usize>() > 0, "{protocol}: no connection broke: {ended:#?}");
    for (party, ended) in ended.iter().enumerate() {
        assert_eq!(ended.done()["bits_by_link"][party], cost["bits_by_link"][party], "{protocol}");
        // A dealer takes part in none.
        let rounds = if (protocol, party) == ("dealer", 2) { Value::from(0) } else { cost["rounds"].clone() };
        assert_eq!(ended.done()["rounds"], rounds, "{protocol}");
    }
    let broken = world.weather.iter().filter(|weather| weather.left() < forecast.breaks).count();
    assert!(broken > 0);
}

#[test]
fn connections_that_end_and_are_reset_at_any_byte() {
    let ways = &[Break::End, Break::Reset, Break::Half];
    for (seed, (protocol, parties)) in [("rep3", 3), ("rep4", 4), ("dealer", 3)].into_iter().enumerate() {
        let forecast = Forecast { ways, breaks: 25, most: 200_000, seed: seed as u64 };
        survives(protocol, parties, forecast, &["--timeout", "30"]);
    }
}

#[test]
fn connections_that_go_silent() {
    let ways = &[Break::Silence(Duration::from_millis(2500))];
    for (seed, (protocol, parties)) in [("rep3", 3), ("rep4", 4), ("dealer", 3)].into_iter().enumerate() {
        let forecast = Forecast { ways, breaks: 1, most: 100_000, seed: seed as u64 };
        survives(protocol, parties, forecast, &["--timeout", "6", "--wait", "1min"]);
    }
}

/// A connection that does not come back is named by all, soon after the time that it was waited for.
#[test]
fn a_connection_that_does_not_come_back() {
    let ways = &[Break::Silence(Duration::from_secs(3600))];
    let world = World::new("rep3", 3, Forecast { ways, breaks: 1, most: 60_000, seed: 3 });
    let begun = Instant::now();
    for ended in world.run(&["--timeout", "4"]) {
        ended.expect_failure(&["party "]);
        // The last one is of a party that comes to it when the others have already left.
        let said = ["is cut", "has been silent", "ended the run", "was not back within 4 s"];
        assert!(said.iter().any(|text| ended.err.contains(text)), "{ended:#?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// 2,500 connections that say nothing, and a scan that opens and closes ports, while connections break.
#[test]
fn strangers_at_the_ports_of_a_run() {
    let ways = &[Break::End, Break::Reset];
    let world = World::with("rep3", 3, Forecast { ways, breaks: 10, most: 200_000, seed: 4 }, 400);
    let mut parties: Vec<Process> = (0..3).map(|party| world.start(party, &["--timeout", "30"])).collect();
    parties[0].wait_for("begun");
    let (over, held) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ports = &world.ports[1..];
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut silent = Vec::new();
            while !over.load(Ordering::SeqCst) {
                for port in ports {
                    let stranger = TcpStream::connect(("127.0.0.1", *port));
                    silent.extend(stranger.into_iter().take(usize::from(silent.len() < 2500)));
                }
                held.store(silent.len(), Ordering::SeqCst);
                // Whoever comes at one address faster than this keeps others of that address out.
                let scanning = silent.len() == 2500;
                thread::sleep(Duration::from_millis(if scanning { 10 } else { 0 }));
            }
        });
        for ended in parties.into_iter().map(Process::end) {
            ended.expect_success();
        }
        over.store(true, Ordering::SeqCst);
    });
    let held = held.load(Ordering::SeqCst);
    assert_eq!(held, 2500, "the run was over before");
}

/// A machine that sleeps for longer than the time-out, and shorter than it is waited for.
#[test]
fn a_party_that_stands_still() {
    let calm = Forecast { ways: &[Break::End], breaks: 0, most: 1, seed: 1 };
    let world = World::with("rep3", 3, calm, 300);
    let mut parties: Vec<Process> =
        (0..3).map(|party| world.start(party, &["--timeout", "2", "--wait", "60s"])).collect();
    parties[1].wait_for("begun");
    parties[1].signal("-STOP");
    thread::sleep(Duration::from_secs(5));
    parties[1].signal("-CONT");
    for ended in parties.into_iter().map(Process::end) {
        let out = ended.expect_success().out;
        assert!(out.contains(" is back"), "{out}");
    }
}

/// Parties without weather, of whom one is killed when all have seen each other; the others, and since when they have lost it.
fn left_behind(victim: usize, options: &[&str]) -> (Vec<Process>, Instant) {
    let world = support::World::new(&[ENDLESS]);
    let start = |party| Process::start(world.patient_command(party, 60).args(options));
    let mut parties = [0, 1, 2].map(start);
    parties[(victim + 1) % 3].wait_for("begun");
    // A party that dials is looked for at its address at the beginning, a second later if it was not there yet.
    thread::sleep(Duration::from_secs(3));
    parties[victim].signal("-KILL");
    let mut parties = Vec::from(parties);
    drop(parties.remove(victim).end());
    (parties, Instant::now())
}

const NAMES: [&str; 3] = ["party 0 (alice)", "party 1 (bob)", "party 2 (carol)"];

/// A process that has ended is not waited for like a connection: whichever party it was, the others name it within seconds.
#[test]
fn a_party_that_has_ended_is_named_soon() {
    thread::scope(|scope| {
        for (victim, name) in NAMES.into_iter().enumerate() {
            scope.spawn(move || {
                let (others, since) = left_behind(victim, &[]);
                for ended in others.into_iter().map(Process::end) {
                    ended.expect_failure(&[
                        name,
                        "nobody listens at its address any more: its process has ended",
                    ]);
                }
                assert!(since.elapsed() < Duration::from_secs(30), "{:?}, of 60 s", since.elapsed());
            });
        }
    });
}

/// Whoever has said how long to wait is told at once, and gets what was asked for.
#[test]
fn a_party_that_has_ended_is_waited_for_as_long_as_somebody_says() {
    let (mut others, since) = left_behind(2, &["--wait", "12s", "--json"]);
    for other in &mut others {
        other.wait_for(
            "party 2 (carol) has gone: nobody listens at its address any more; waiting for it for up to 12 s",
        );
    }
    for ended in others.into_iter().map(Process::end) {
        ended.expect_failure(&["party 2 (carol)"]);
        let said = ["the link was not back within 12 s", "ended the run"];
        assert!(said.iter().any(|text| ended.err.contains(text)), "{ended:#?}");
    }
    assert!(since.elapsed() > Duration::from_secs(10), "{:?}", since.elapsed());
}
