//! Four real parties, of which one may do anything.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tern_bytecode::{Program, cost};
use tern_vm::net::{self, Hosts, Identity, Links, Party, Peers, Setup};
use tern_vm::{Options, Terms};

use crate::support::{PROGRAM, Process, TIMEOUT, free_port, keygen, tern};

/// A directory per party, with a key each, the same hosts file, the same program, and own data.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let world = World { dir: TempDir::new().expect("a temporary directory") };
        let hosts: String = (0..4).map(|party| keygen(&world.path(party, ""), party, free_port())).collect();
        for party in 0..4 {
            fs::write(world.path(party, "hosts.toml"), &hosts).unwrap();
            fs::write(world.path(party, "prog.mpc"), PROGRAM).unwrap();
            let mut compile = tern();
            compile.args(["compile", "--protocol", "rep4"]).arg(world.path(party, "prog.mpc"));
            let output = compile.output().expect("the compiler runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(world.path(0, "x.csv"), "0.5,1\n1.5,2\n-2.5,3\n3.5,-4\n").unwrap();
        fs::write(world.path(1, "y.csv"), "1,-1\n0.5,1\n1,0.25\n-1,1\n").unwrap();
        world
    }

    fn path(&self, party: usize, file: &str) -> PathBuf {
        self.dir.path().join(party.to_string()).join(file)
    }

    fn start(&self, party: usize) -> Process {
        let mut command = tern();
        command.arg("run").arg(self.path(party, "prog.tbc"));
        command.args(["--party", &party.to_string(), "--timeout", &TIMEOUT.to_string()]);
        command.arg("--hosts").arg(self.path(party, "hosts.toml")).arg("--out").arg(self.path(party, "out"));
        for (owner, input) in [(0, "x"), (1, "y")] {
            if party == owner {
                let file = self.path(party, &format!("{input}.csv"));
                command.arg("--input").arg(format!("{input}={}", file.display()));
            }
        }
        Process::start(&mut command)
    }

    /// What is in a party's directory of results, but for the log.
    fn results(&self, party: usize) -> usize {
        let files = fs::read_dir(self.path(party, "out")).into_iter().flatten().flatten();
        files.filter(|file| file.file_name() != "metrics.jsonl").count()
    }
}

#[test]
fn four_real_parties_meet_and_get_their_own_outputs_only() {
    let world = World::new();
    let parties = [3, 1, 0, 2].map(|party| world.start(party));
    for party in parties {
        party.end().expect_success();
    }
    assert_eq!([0, 1, 2, 3].map(|party| world.results(party)), [0, 0, 1, 0]);
}

/// The three others end within the time-out, with a line that names the cheater and what it sent, and nothing was revealed.
#[test]
fn a_party_that_cheats_is_caught_by_the_others() {
    let world = World::new();
    let honest = [1, 2, 3].map(|party| world.start(party));
    cheat(&world);
    for (party, ended) in honest.into_iter().enumerate() {
        let ended = ended.end();
        // the input is read in the first round, and compared in the second
        ended.expect_failure(&["disagree about what party 0 sent to", "in round 1 (", "prog.mpc:"]);
        assert!(!ended.out.contains("begun"), "the first opened number was shown: {}", ended.out);
        assert_eq!(world.results(party + 1), 0);
    }
}

/// Plays party 0: it gives the two who receive its input different numbers, and then takes part in the comparison.
fn cheat(world: &World) {
    let mut hosts = Hosts::load(&world.path(0, "hosts.toml")).unwrap();
    hosts.timeouts.stall = Duration::from_secs(TIMEOUT);
    let identity = Identity::load(&world.path(0, "alice.key.pem"), &world.path(0, "alice.cert.pem")).unwrap();
    let setup = Setup { hosts: &hosts, me: Party::P0, identity: &identity, network: None };
    let program = tern_bytecode::decode(&fs::read(world.path(0, "prog.tbc")).unwrap()).unwrap();
    let mut links: Links = net::connect(setup, &mut |_| {}).unwrap();
    tern_host::run::Pace::measure(&mut links).unwrap();
    links.swap(&Terms::of(&program, &Options::default()).to_bytes(), 1 << 20).unwrap();
    net::keys::agree(&mut links, &tern_vm::protocol::groups(program.header.protocol)).unwrap();
    for (number, moved) in rounds(&program).into_iter().enumerate().take(2) {
        let sizes = |from: Party, to: Party| moved[from.index()][to.index()] as usize;
        let send = Peers::new(Party::P0, 4, |to| sizes(Party::P0, to));
        let receive = Peers::new(Party::P0, 4, |from| sizes(from, Party::P0));
        links.begin(send, receive).unwrap();
        for (to, size) in send.iter() {
            links.send(to, &vec![to.index() as u8; *size]).unwrap();
        }
        for (from, size) in receive.iter() {
            // what the others say in the second round, if they do not end before
            let heard = links.receive(from, &mut vec![0; *size]);
            assert!(heard.is_ok() || number == 1, "{heard:?}");
        }
    }
    std::thread::sleep(Duration::from_millis(500));
}

/// What travels in each round of a program without loops before its first opening.
fn rounds(program: &Program) -> Vec<cost::Links> {
    let mut rounds: Vec<cost::Links> = Vec::new();
    let mut now = 0;
    for instr in &program.code {
        for (later, links) in cost::traffic(program, instr).iter().enumerate() {
            rounds.resize(rounds.len().max(now + later + 1), cost::Links::default());
            cost::add(&mut rounds[now + later], links, 1);
        }
        now += usize::from(matches!(instr, tern_bytecode::Instr::Send {}));
    }
    rounds
}
