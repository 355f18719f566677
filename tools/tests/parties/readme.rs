//! The README's commands for several machines, literally except for names, addresses and a shorter training. Each party has a directory
//! of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Ended, Process, free_port, root};

struct Machines {
    dir: TempDir,
    names: &'static [&'static str],
    ports: Vec<u16>,
}

impl Machines {
    fn new(names: &'static [&'static str]) -> Machines {
        let machines = Machines {
            dir: TempDir::new().unwrap(),
            names,
            ports: names.iter().map(|_| free_port()).collect(),
        };
        let programs = fs::canonicalize(root().join("programs")).unwrap();
        for name in names {
            fs::create_dir(machines.of(name)).unwrap();
            symlink(&programs, machines.of(name).join("programs")).unwrap();
        }
        machines
    }

    fn of(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command of one party, given by all at once in their own names.
    fn step(&self, command: &str) -> Vec<Ended> {
        let started: Vec<Process> = (0..self.names.len()).map(|party| self.start(command, party)).collect();
        started.into_iter().map(|process| process.end().expect_success()).collect()
    }

    fn start(&self, command: &str, party: usize) -> Process {
        let command = command.replace("alice.example.org:7000", &format!("127.0.0.1:{}", self.ports[party]));
        let command = match command.starts_with("cat") {
            true => command,
            false => command.replace("alice", self.names[party]),
        };
        let own = format!("--party {party}");
        let command = command.replace("--party 0", &own).replace("--party 3", &own);
        let command = command.replace("programs/digits.mpc", "programs/digits.mpc --arg EPOCHS=1");
        let binary = Path::new(env!("CARGO_BIN_EXE_tern")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        Process::start(shell.arg("-c").arg(command).current_dir(self.of(self.names[party])).env("PATH", path))
    }

    /// Everybody sends the public file of `keygen` to the others.
    fn exchange(&self) {
        for (from, to) in self.names.iter().flat_map(|from| self.names.iter().map(move |to| (from, to))) {
            let file = format!("{from}.toml");
            if from != to {
                fs::copy(self.of(from).join(&file), self.of(to).join(&file)).unwrap();
            }
        }
    }

    /// All of them train, and party 1 alone has the weights.
    fn train(&self, command: &str) {
        for ended in self.step(command) {
            assert!(ended.out.contains("accuracy") && ended.out.contains("as announced"), "{ended:#?}");
        }
        let has_weights = |name: &&str| self.of(name).join("tern-out/weights.npz").exists();
        let with: Vec<usize> =
            (0..self.names.len()).filter(|party| has_weights(&self.names[*party])).collect();
        assert_eq!(with, [1]);
    }
}

/// The commands of the section: five for three machines, three that differ for four.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Going to several machines").nth(1).unwrap().split("\n## ").next().unwrap();
    let commands: Vec<String> =
        section.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect();
    assert_eq!(commands.len(), 8);
    commands
}

#[test]
fn the_readme_says_how_to_go_to_three_machines() {
    let (machines, commands) = (Machines::new(&["alice", "bob", "carol"]), commands());
    machines.step(&commands[0]);
    machines.exchange();
    commands[1..4].iter().for_each(|command| drop(machines.step(command)));
    machines.train(&commands[4]);
}

#[test]
fn the_readme_says_how_to_go_to_four_machines() {
    let (machines, commands) = (Machines::new(&["alice", "bob", "carol", "dave"]), commands());
    machines.step(&commands[0]);
    machines.exchange();
    commands[5..7].iter().for_each(|command| drop(machines.step(command)));
    machines.train(&commands[7]);
}
