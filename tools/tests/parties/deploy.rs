//! The files of `deploy/`: by the validators of their formats, and by a supervisor that starts a party again.
//!
//! The validators are Python packages, which `.ci/run` installs into `target/validators`; what is missing is said aloud.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::checkpoints::compile;
use crate::support::{Process, World, root, tern};

/// A file of the deployment.
fn file(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

/// A command of the validators, or of the system; says so if there is none.
fn tool(name: &str) -> Option<Command> {
    let own = root().join("target/validators/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).map(|directory| directory.join(name));
    let found = std::iter::once(own).chain(there).find(|path| path.is_file());
    if found.is_none() {
        println!("SKIPPED: there is no {name} here; .ci/run installs it where it can");
    }
    found.map(Command::new)
}

fn check(output: Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

#[test]
fn kubernetes_takes_the_manifests() {
    let Some(mut tool) = tool("kubernetes-validate") else { return };
    check(tool.arg("--strict").arg(file("kubernetes/party.yaml")).output().unwrap());
}

#[test]
fn the_composition_is_one() {
    let Some(mut tool) = tool("check-jsonschema") else { return };
    tool.args(["--builtin-schema", "vendor.compose-spec"]);
    check(tool.arg(file("compose.yaml")).output().unwrap());
}

#[test]
fn systemd_takes_the_unit() {
    let Some(mut tool) = tool("systemd-analyze") else { return };
    let dir = tempfile::TempDir::new().unwrap();
    let unit = fs::read_to_string(file("systemd/tern@.service")).unwrap();
    let unit = unit.replace("/usr/local/bin/tern", env!("CARGO_BIN_EXE_tern"));
    let path = dir.path().join("tern@.service");
    fs::write(&path, unit).unwrap();
    let output = tool.arg("verify").arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // what else is wrong with this machine's own units is not of interest
    assert!(!said.contains("tern@"), "{said}");
}

/// The options of a party in the composition: the words of its command.
fn composed(party: usize) -> Vec<String> {
    let name = ["alice", "bob", "carol"][party];
    let text = fs::read_to_string(file("compose.yaml")).unwrap();
    let service = text.split(&format!("\n  {name}:\n")).nth(1).expect("a service");
    let words = service.lines().skip_while(|line| line.trim() != "command:").skip(1);
    words.map_while(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect()
}

/// Every deployment runs what the command takes, with the same options.
#[test]
fn all_of_them_give_options_that_there_are() {
    let options = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| c.is_whitespace() || c == '=');
        let mut found: Vec<_> = words.filter(|word| word.starts_with("--")).map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    };
    let help = tern().args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let composition = options(&composed(0).join(" "));
    assert!(composition.len() >= 7, "{composition:?}");
    for option in &composition {
        assert!(help.contains(&format!("{option} ")), "{option}");
    }
    let manifest = fs::read_to_string(file("kubernetes/party.yaml")).unwrap();
    let args = manifest.split("args:").nth(1).unwrap().split("env:").next().unwrap();
    assert_eq!(options(args), composition);
    let unit = fs::read_to_string(file("systemd/tern@.service")).unwrap();
    let line = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert_eq!(options(line.trim_start_matches("ExecStart=")), composition);
}

/// Some hundred rounds between numbers, so that there is time for deaths.
const PROGRAM: &str = "
input x: fix[4, 2] from party 0
input y: fix[4, 2] from party 1

fn main() {
    var z = x
    for part in 0..20 {
        for step in 0..300 {
            z = z * y + x * 0.125
        }
        metric(\"sum\", reveal(sum(z)))
    }
    output product = z to party 2
}
";

/// Three parties under a supervisor, as the composition starts them. Each is killed once, and nobody but the supervisor does anything.
#[test]
fn a_run_under_a_supervisor_survives_the_death_of_each_party() {
    let (Some(daemon), Some(control)) = (tool("supervisord"), tool("supervisorctl")) else { return };
    let world = World::new(&[]);
    for (party, input) in [(0, Some("x")), (1, Some("y")), (2, None)] {
        compile(&world, party, PROGRAM);
        fs::write(world.path(party, "run"), script(&world, party, input)).unwrap();
    }
    fs::write(world.path(1, "y.csv"), "0.5,-0.75\n0.5,0.25\n0.75,0.25\n-0.5,0.125\n").unwrap();
    let expected = emulated(&world);
    let supervisor = Supervisor::start(daemon, control, &world);
    for victim in [1, 0, 2] {
        supervisor.after_a_point(&world, victim);
        supervisor.kill(victim);
    }
    supervisor.all_come_to_their_end();
    assert!(fs::read(world.path(2, "state/out/product.npz")).unwrap() == expected, "another result");
}

fn emulated(world: &World) -> Vec<u8> {
    let mut command = tern();
    command.arg("emulate").arg(&world.programs[0]).args(["--seed", "5"]);
    for (party, name) in ["x", "y"].into_iter().enumerate() {
        let csv = world.path(party, &format!("{name}.csv"));
        command.arg("--input").arg(format!("{name}={}", csv.display()));
    }
    let out = world.path(0, "expected");
    Process::start(command.arg("--out").arg(&out)).end().expect_success();
    fs::read(out.join("product.npz")).unwrap()
}

/// What a container runs: the composition's command, with its mounts as paths of this world.
fn script(world: &World, party: usize, input: Option<&str>) -> String {
    let name = ["alice", "bob", "carol"][party];
    let place = |path: PathBuf| path.display().to_string();
    let words = composed(party).into_iter().map(|word| {
        word.replace("/program.tbc", &place(world.programs[party].clone()))
            .replace("/hosts.toml", &place(world.path(party, "hosts.toml")))
            .replace(&format!("/keys/{name}"), &place(world.path(party, name)))
            .replace("/var/lib/tern", &place(world.path(party, "state")))
            .replace("0.0.0.0:9100", "127.0.0.1:0")
    });
    let mut words: Vec<String> = words.collect();
    words.extend(["--seed=5", "--insecure", "--every=100", "--timeout=20"].map(str::to_owned));
    words.extend(input.map(|x| format!("--input={x}={}", place(world.path(party, &format!("{x}.csv"))))));
    format!("exec {} {}\n", env!("CARGO_BIN_EXE_tern"), words.join(" "))
}

/// A supervisor that starts again what has not come to its end.
struct Supervisor {
    control: PathBuf,
    settings: PathBuf,
}

impl Supervisor {
    fn start(mut daemon: Command, control: Command, world: &World) -> Supervisor {
        let settings = world.path(0, "supervisor.conf");
        let socket = world.path(0, "supervisor.sock").display().to_string();
        let mut text = format!(
            "[supervisord]\nnodaemon=false\nlogfile={log}\npidfile={log}.pid\n[unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
            log = world.path(0, "supervisor.log").display(),
        );
        for party in 0..3 {
            let run = world.path(party, "run");
            text += &format!(
                "[program:party{party}]\ncommand=sh {}\nautorestart=unexpected\nstartsecs=0\nstartretries=100\nstderr_logfile={}.log\n",
                run.display(),
                run.display(),
            );
        }
        fs::write(&settings, text).unwrap();
        check(daemon.arg("-c").arg(&settings).output().unwrap());
        Supervisor { control: control.get_program().into(), settings }
    }

    fn control(&self, words: &[&str]) -> String {
        let output = Command::new(&self.control).arg("-c").arg(&self.settings).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits for a checkpoint that was not there before, nor the first: when the second is written, all parties have that one.
    fn after_a_point(&self, world: &World, party: usize) {
        let points = world.path(party, "state/points");
        let before = newest(&points).max(100);
        self.until(|| newest(&points) > before);
    }

    fn kill(&self, party: usize) {
        self.control(&["signal", "KILL", &format!("party{party}")]);
    }

    fn all_come_to_their_end(&self) {
        self.until(|| self.control(&["status"]).matches("EXITED").count() == 3);
    }

    fn until(&self, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", self.control(&["status"]));
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.control(&["shutdown"]);
    }
}

/// The number of the latest checkpoint.
fn newest(points: &Path) -> u64 {
    let names = fs::read_dir(points).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let number = |name: std::ffi::OsString| name.to_str()?.split('.').nth(1)?.parse().ok();
    names.filter_map(number).max().unwrap_or(0)
}
