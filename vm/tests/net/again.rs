//! Connections that break in the middle of a run: nothing is lost, nothing comes twice, and nobody else takes their place.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tern_vm::net::{Links, Live, Party};

use crate::support::{PARTIES, World, after, assert_balanced, checked_round, others};
use crate::weather::{Break, Forecast, Weather};

const CONNECT: Duration = Duration::from_secs(30);

/// A world in which every connection goes through weather of its own.
fn under(world: &mut World, forecast: Forecast) -> Vec<Weather> {
    let mut all = Vec::new();
    for me in PARTIES {
        let mut seen = world.hosts.clone();
        for party in PARTIES.into_iter().filter(|party| *party > me) {
            let seed = forecast.seed * 100 + all.len() as u64;
            let weather = Weather::to(&world.hosts.host(party).address, Forecast { seed, ..forecast });
            seen.parties[party.index()].address = weather.address().to_owned();
            all.push(weather);
        }
        world.own_hosts[me.index()] = Some(seen);
    }
    all
}

fn size(round: usize, from: Party, to: Party) -> usize {
    let sizes = [0, 1, 15, 16_352, 16_369, 131_073, 400_003, 7];
    sizes[(round * 5 + from.index() * 4 + to.index()) % sizes.len()]
}

/// Rounds until all weather is over, and some more.
fn long_run(links: &mut Links, weather: &[Weather]) {
    let mut round = 0;
    loop {
        checked_round(links, |from, to| size(round, from, to), round).unwrap();
        round += 1;
        // All have to agree on the end.
        let quiet = [u8::from(weather.iter().all(|weather| weather.left() == 0))];
        let told = links.swap(&quiet, 1).unwrap();
        if quiet[0] == 1 && told.iter().all(|(_, told)| told[0] == 1) {
            break;
        }
    }
    links.finish().unwrap();
}

fn survives(world: &mut World, forecast: Forecast) {
    let weather = under(world, forecast);
    let traffic = world.run(|links| {
        links.keep_alive().unwrap();
        long_run(links, &weather);
        links.traffic()
    });
    assert_balanced(traffic);
    for me in PARTIES {
        let rounds = traffic[me.index()].rounds as usize;
        let sent: usize = (0..rounds).map(|round| size(round, me, after(me))).sum();
        assert_eq!(traffic[me.index()].sent[after(me)], sent as u64);
    }
}

#[test]
fn connections_that_end_and_are_reset_at_any_byte() {
    for seed in 1..4 {
        let ways = &[Break::End, Break::Reset, Break::Half];
        let mut world = World::new().with_timeouts(CONNECT, Duration::from_secs(20));
        survives(&mut world, Forecast { ways, breaks: 40, most: 3_000_000, seed });
    }
}

/// Small pieces: in the middle of handshakes, headers and words of the end.
#[test]
fn connections_that_break_early() {
    let ways = &[Break::End, Break::Reset];
    let mut world = World::new().with_timeouts(CONNECT, Duration::from_secs(20));
    survives(&mut world, Forecast { ways, breaks: 60, most: 30_000, seed: 5 });
}

#[test]
fn connections_that_go_silent() {
    let ways = &[Break::Silence(Duration::from_millis(1500)), Break::Half];
    let mut world = World::new().with_timeouts(CONNECT, Duration::from_secs(8));
    survives(&mut world, Forecast { ways, breaks: 3, most: 3_000_000, seed: 7 });
}

#[test]
fn a_simulated_network_over_connections_that_break() {
    let ways = &[Break::End, Break::Reset];
    let mut world = World::new().with_timeouts(CONNECT, Duration::from_secs(20));
    world.network = Some("rtt=2ms,bw=1Gbit".parse().unwrap());
    survives(&mut world, Forecast { ways, breaks: 10, most: 1_000_000, seed: 8 });
}

/// Whoever watches reads that a link is lost and that it is back.
#[test]
fn both_ends_say_what_happens() {
    let ways = &[Break::Reset];
    let mut world = World::new().with_timeouts(CONNECT, Duration::from_secs(60));
    let weather = under(&mut world, Forecast { ways, breaks: 1, most: 200_000, seed: 9 });
    let said = world.run(|links| {
        let (live, lines) = (Arc::new(Live::default()), Arc::new(Mutex::new(Vec::new())));
        let heard = lines.clone();
        live.on_links(move |line| heard.lock().unwrap().push(line.to_owned()));
        links.show(live.clone());
        links.keep_alive().unwrap();
        long_run(links, &weather);
        (std::mem::take(&mut *lines.lock().unwrap()), live.interruptions())
    });
    for (me, (lines, interruptions)) in PARTIES.into_iter().zip(said) {
        let lost = |line: &&String| line.contains(" lost, connecting again (for up to 1 min)");
        assert_eq!(lines.iter().filter(lost).count() as u64, interruptions, "{lines:#?}");
        for peer in others(me) {
            let back = format!("link to {} is back", world.hosts.who(peer));
            assert!(lines.iter().any(|line| line.starts_with(&back)), "{lines:#?}");
        }
    }
}

/// Strangers, silent connections, noise and a second process of a party while connections break.
#[test]
fn nobody_else_takes_the_place_of_a_link() {
    let ways = &[Break::End, Break::Reset];
    let mut world = World::new().with_timeouts(CONNECT, Duration::from_secs(60));
    let weather = under(&mut world, Forecast { ways, breaks: 12, most: 400_000, seed: 10 });
    let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let ports: Vec<String> = [1, 2].map(|party| world.hosts.parties[party].address.clone()).into();
    thread::scope(|scope| {
        let (begun, over, ports, world) = (&begun, &over, &ports, &world);
        let waits = move || {
            while !begun.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
        };
        let silent = scope.spawn(move || {
            waits();
            let all = (0..500).flat_map(|_| ports.iter().map(TcpStream::connect)).flatten();
            all.collect::<Vec<_>>()
        });
        scope.spawn(move || {
            waits();
            while !over.load(Ordering::SeqCst) {
                for port in ports {
                    let Ok(mut noise) = TcpStream::connect(port) else { continue };
                    let _ = noise.write_all(&[22, 3, 1, 0, 200, 1, 2, 3]);
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let second = scope.spawn(move || {
            waits();
            let mut hosts = world.own_hosts[0].clone().unwrap();
            hosts.timeouts.connect = Duration::from_secs(2);
            let setup = tern_vm::net::Setup { hosts: &hosts, ..world.setup(Party::P0) };
            tern_vm::net::connect(setup, &mut |_| {}).map(drop).unwrap_err().to_string()
        });
        world.run(|links| {
            links.keep_alive().unwrap();
            begun.store(true, Ordering::SeqCst);
            let until = Instant::now() + Duration::from_secs(3);
            let mut round = 0;
            loop {
                checked_round(links, |from, to| size(round, from, to), round).unwrap();
                round += 1;
                let done = weather.iter().all(|weather| weather.left() == 0) && Instant::now() > until;
                let told = links.swap(&[u8::from(done)], 1).unwrap();
                if done && told.iter().all(|(_, told)| told[0] == 1) {
                    break;
                }
            }
            links.finish().unwrap();
        });
        over.store(true, Ordering::SeqCst);
        let error = second.join().unwrap();
        assert!(error.contains("party 1 (bob)") || error.contains("party 2 (carol)"), "{error}");
        drop(silent.join().unwrap());
    });
}
