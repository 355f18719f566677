//! Something is wrong at one party: all of them end in time, each with one line that says who and why, and none leaves a result.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use tern_bytecode::cost;
use tern_vm::net::{self, Hosts, Identity, Links, Party, Peers, Setup};
use tern_vm::{Options, Terms};

use crate::support::{ENDLESS, Ended, PROGRAM, Process, World, keygen};

/// Waits for all, and checks that nobody has a result.
fn end(world: &World, parties: [Process; 3]) -> [Ended; 3] {
    let ended = parties.map(Process::end);
    assert_eq!([0, 1, 2].map(|party| world.has_output(party)), [false; 3]);
    ended
}

#[test]
fn a_key_that_is_not_the_listed_one() {
    let world = World::new(&[]);
    for file in ["bob.key.pem", "bob.cert.pem"] {
        fs::remove_file(world.path(1, file)).unwrap();
    }
    keygen(&world.path(1, ""), 1, world.ports[1]);
    let [zero, one, two] = end(&world, world.start_all());
    one.expect_failure(&["is not the one of party 1 (bob) in the hosts file"]);
    zero.expect_failure(&["party 1 (bob)"]);
    two.expect_failure(&["party 1 (bob)"]);
}

#[test]
fn a_certificate_that_the_others_do_not_expect() {
    let world = World::new(&[]);
    let old = fs::read_to_string(world.path(1, "hosts.toml")).unwrap();
    for file in ["bob.key.pem", "bob.cert.pem"] {
        fs::remove_file(world.path(1, file)).unwrap();
    }
    let entry = keygen(&world.path(1, ""), 1, world.ports[1]);
    let parts: Vec<&str> = old.split("[[party]]").collect();
    fs::write(world.path(1, "hosts.toml"), format!("[[party]]{}{entry}[[party]]{}", parts[1], parts[3]))
        .unwrap();
    let [zero, one, two] = end(&world, world.start_all());
    one.expect_failure(&["party"]);
    // Whoever sees it first tells the others: the wrong certificate there, the one that is turned away here.
    for ended in [&zero, &two] {
        ended.expect_failure(&["party 1 (bob)"]);
    }
    let causes = ["is not who it should be", "turned us away", "turned away"];
    let named = [zero, one, two].iter().any(|ended| causes.iter().any(|cause| ended.err.contains(cause)));
    assert!(named, "nobody says why");
}

#[test]
fn a_peer_that_is_not_tls() {
    let world = World::new(&[]);
    let listener = TcpListener::bind(("127.0.0.1", world.ports[1])).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read(&mut [0; 1000]);
        }
    });
    let (zero, two) = (world.start(0), world.start(2));
    zero.end().expect_failure(&["what answers for party 1 (bob)", "does not speak TLS"]);
    two.end().expect_failure(&["party 1 (bob)"]);
}

#[test]
fn a_port_in_use() {
    let world = World::new(&[]);
    let _taken = TcpListener::bind(("127.0.0.1", world.ports[2])).unwrap();
    let [zero, one, two] = end(&world, world.start_all());
    two.expect_failure(&["cannot listen on", "the port is in use"]);
    zero.expect_failure(&["party 2 (carol)"]);
    one.expect_failure(&["party 2 (carol)"]);
}

#[test]
fn another_argument() {
    let world = World::new(&[]);
    world.compile(2, PROGRAM, &["STEPS=5"]);
    let [zero, one, two] = end(&world, world.start_all());
    // Who compares first tells the others, in the same words.
    for ended in [zero, one] {
        ended.expect_failure(&["party 2 (carol)", "argument STEPS = ", "this party has"]);
    }
    two.expect_failure(&["argument STEPS = ", "this party has"]);
}

#[test]
fn another_program() {
    let world = World::new(&[]);
    world.compile(0, &PROGRAM.replace("z * y", "z + y"), &[]);
    let [zero, one, two] = end(&world, world.start_all());
    zero.expect_failure(&["bytecode = "]);
    for ended in [one, two] {
        ended.expect_failure(&["party 0 (alice)", "bytecode = "]);
    }
}

#[test]
fn a_missing_input() {
    let world = World::new(&[]);
    fs::remove_file(world.path(1, "y.csv")).unwrap();
    let [zero, one, two] = end(&world, world.start_all());
    one.expect_failure(&["y"]);
    for ended in [zero, two] {
        ended.expect_failure(&["party 1 (bob) ended the run", "no usable data for y"]);
        assert!(!ended.err.contains("csv"), "the others learn about the files of a party: {ended:#?}");
    }
}

#[test]
fn somebody_elses_input() {
    let world = World::new(&[]);
    let two = Process::start(world.command(2).args(["--input", "x=x.csv"]));
    two.end().expect_failure(&["input x comes from party 0, this is party 2"]);
}

#[test]
fn a_party_that_never_comes() {
    let world = World::new(&[]);
    let (zero, one) = (world.start(0), world.start(1));
    zero.end().expect_failure(&["party 2 (carol) is unreachable"]);
    one.end().expect_failure(&["party 2 (carol) is unreachable"]);
}

#[test]
fn a_party_that_dies() {
    let world = World::new(&[ENDLESS]);
    let mut parties = world.start_all();
    parties[1].wait_for("begun");
    parties[1].signal("-KILL");
    let [zero, _, two] = end(&world, parties);
    for ended in [zero, two] {
        ended.expect_failure(&["party 1 (bob)"]);
    }
}

#[test]
fn a_party_that_is_interrupted() {
    let world = World::new(&[ENDLESS]);
    let mut parties = world.start_all();
    parties[1].wait_for("begun");
    parties[1].signal("-INT");
    let [zero, one, two] = end(&world, parties);
    one.expect_failure(&["the run was cancelled"]);
    for ended in [zero, two] {
        ended.expect_failure(&["party 1 (bob) ended the run", "the run was cancelled"]);
    }
}

#[test]
fn a_party_that_stalls() {
    let world = World::new(&[ENDLESS]);
    let mut parties = world.start_all();
    parties[2].wait_for("begun");
    parties[2].signal("-STOP");
    let [zero, one, two] = parties;
    for ended in [zero, one] {
        ended.end().expect_failure(&["party 2 (carol) has been silent"]);
    }
    two.signal("-CONT");
    two.end().expect_failure(&["party"]);
    assert!(!world.has_output(2));
}

/// A party that follows the set-up and then sends a first message that is longer or shorter than the program says.
#[test]
fn messages_of_another_length() {
    for (length, what) in [(51, "a truncated message"), (53, "an oversized message")] {
        let world = World::new(&[]);
        let (one, two) = (world.start(1), world.start(2));
        impostor(&world, length);
        let outcomes = [one.end(), two.end()];
        let noticed: Vec<bool> = outcomes.iter().map(|ended| ended.err.contains(what)).collect();
        assert!(noticed.contains(&true), "{outcomes:#?}");
        for ended in outcomes {
            ended.expect_failure(&["party 0 (alice)"]);
        }
        assert_eq!([1, 2].map(|party| world.has_output(party)), [false; 2]);
    }
}

/// Plays party 0, whose input goes to one of the others first: 8 numbers of 52 bits.
fn impostor(world: &World, length: usize) {
    let mut hosts = Hosts::load(&world.path(0, "hosts.toml")).unwrap();
    hosts.timeouts.stall = Duration::from_secs(3);
    let identity = Identity::load(&world.path(0, "alice.key.pem"), &world.path(0, "alice.cert.pem")).unwrap();
    let setup = Setup { hosts: &hosts, me: Party::P0, identity: &identity, network: None };
    let program = tern_bytecode::decode(&fs::read(&world.programs[0]).unwrap()).unwrap();
    let mut links: Links = net::connect(setup, &mut |_| {}).unwrap();
    tern_host::run::Pace::measure(&mut links).unwrap();
    links.swap(&Terms::of(&program, &Options::default()).to_bytes(), 1 << 20).unwrap();
    let groups = tern_vm::protocol::groups(program.header.protocol);
    net::keys::agree(&mut links, &groups).unwrap();
    let input =
        program.code.iter().map(|instr| cost::traffic(&program, instr)).find(|traffic| !traffic.is_empty());
    let sizes = input.expect("the program has inputs")[0][0];
    let receiver = links.peers().find(|party| sizes[party.index()] == 52).unwrap();
    let size = |party| if party == receiver { length } else { 0 };
    links.begin(Peers::new(Party::P0, 3, size), Peers::new(Party::P0, 3, |_| 0)).unwrap();
    links.send(receiver, &vec![0; length]).unwrap();
    // A heartbeat's time later the others have seen it; what they say does not matter here.
    let _ = links.receive(Party::P1, &mut []);
    std::thread::sleep(Duration::from_millis(500));
}
