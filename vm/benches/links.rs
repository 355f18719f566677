//! Rounds between three processes over TLS on the loopback interface: time per round, and bytes per second.
//!
//! `cargo bench -p tern-vm --bench links` starts three processes of itself. Each round is all that happens: no computation. The time on the
//! processor (Linux) says what a round costs when other programs take part of the machine.

use std::env;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tern_vm::net::{Host, Hosts, Identity, Links, Party, Peers, Setup, Timeouts, connect};

const DAY: Duration = Duration::from_secs(24 * 3600);
const PARTY: &str = "LINKS_BENCH_PARTY";
/// Between the hosts file and the key, on the standard input of a party.
const SEPARATOR: &str = "\n# key\n";

fn main() {
    match env::var(PARTY) {
        Ok(party) => {
            let party = party.parse().ok().and_then(Party::from_index).expect("a party");
            run(party);
        }
        Err(_) => start(),
    }
}

/// Starts the three processes.
fn start() {
    let identities = PARTIES.map(|_| Identity::generate("bench", DAY).expect("a key"));
    let listeners = PARTIES.map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let parties = PARTIES.map(|party| Host {
        name: format!("p{}", party.index()),
        address: listeners[party.index()].local_addr().expect("an address").to_string(),
        fingerprint: identities[party.index()].fingerprint(),
        clients: None,
    });
    drop(listeners);
    let hosts = Hosts { parties: parties.into(), timeouts: Timeouts::default(), clients: Default::default() };
    let children = PARTIES.map(|party| {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.env(PARTY, party.index().to_string()).stdin(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let input = format!("{hosts}{SEPARATOR}{}", &**identities[party.index()].to_pem());
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the party reads");
        child
    });
    for mut child in children {
        assert!(child.wait().expect("the process ends").success());
    }
}

/// The parties of this measurement.
const PARTIES: [Party; 3] = [Party::P0, Party::P1, Party::P2];

/// One party. Party 0 prints what it measures.
fn run(me: Party) {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).expect("the hosts file and the key");
    let (hosts, key) = input.split_once(SEPARATOR).expect("both");
    let hosts = Hosts::parse(hosts, "standard input").expect("a hosts file");
    let identity = Identity::parse(key).expect("a key");
    let setup = Setup { hosts: &hosts, me, identity: &identity, network: None };
    let mut links = connect(setup, &mut |_| {}).expect("the set-up");
    links.swap(&[], 0).expect("the others are there");

    for (name, both) in [("to the next party", false), ("to both others", true)] {
        for (size, rounds) in [
            (8, 20_000),
            (1 << 10, 20_000),
            (16 << 10, 5_000),
            (128 << 10, 1_000),
            (1 << 20, 300),
            (16 << 20, 20),
        ] {
            rounds_of(&mut links, size, rounds / 10, both);
            let (begun, busy) = (Instant::now(), on_processor());
            rounds_of(&mut links, size, rounds, both);
            let (time, busy) = (begun.elapsed(), on_processor().saturating_sub(busy));
            if me == Party::P0 {
                let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(rounds);
                let sent = (size * if both { 2 } else { 1 }) as f64;
                println!(
                    "{size:>9} bytes {name}: {:>9.1} µs per round, {:>9.1} µs on the processor, {:>6.1} MB/s sent by each party",
                    each(time),
                    each(busy),
                    sent / each(time)
                );
            }
        }
    }
    links.finish().expect("the end");
}

fn rounds_of(links: &mut Links, size: usize, rounds: u32, both: bool) {
    let bytes = vec![1; size];
    let (me, piece): (_, &[&[u8]]) = (links.me(), &[&bytes]);
    let next = PARTIES[(me.index() + 1) % 3];
    let mut into = Peers::new(me, 3, |from| vec![0; if both || from != next { size } else { 0 }]);
    for _ in 0..rounds {
        let send = Peers::new(me, 3, |to| if both || to == next { piece } else { &[] });
        links.exchange(send, into.as_mut().map(|_, into| &mut into[..])).expect("a round");
    }
}

/// How long this thread has been running on a processor; zero where that is not known.
fn on_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
