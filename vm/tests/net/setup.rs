//! Finding each other: who is missing, who is not who it should be, and what everybody is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tern_vm::net::{Endpoint, Identity, Links, NetError, Party, connect, connect_at, ping};

use crate::support::{PARTIES, World, as_parties, checked_round, free_addresses, others, report};

const CONNECT: Duration = Duration::from_secs(4);
const STALL: Duration = Duration::from_secs(4);

/// What each party says of a set-up that is expected to fail; "fine" if it does not.
fn outcomes(world: &World) -> [String; 3] {
    as_parties(|me| match world.connect(me) {
        Ok(mut links) => {
            let result = checked_round(&mut links, |_, _| 10, 0);
            report(&mut links, result)
        }
        Err(error) => error.to_string(),
    })
}

#[test]
fn parties_start_in_any_order_and_see_who_is_missing() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let world = World::new();
        let seen = as_parties(|me| {
            thread::sleep(Duration::from_millis(300) * order[me.index()]);
            let mut missing = Vec::new();
            let mut links = connect(world.setup(me), &mut |waiting| {
                assert!(waiting.left <= world.hosts.timeouts.connect);
                missing.push(waiting.missing.clone());
            })
            .unwrap();
            checked_round(&mut links, |_, _| 100, 0).unwrap();
            links.finish().unwrap();
            missing
        });
        let first = order.iter().position(|&place| place == 0).expect("one is first");
        let last = order.iter().position(|&place| place == 2).expect("one is last");
        assert_eq!(seen[first][0].len(), 2);
        let last = world.hosts.who(PARTIES[last]);
        assert_eq!(seen[first].last(), Some(&vec![last]), "the last one is waited for");
    }
}

#[test]
fn ports_can_be_opened_before_addresses_are_known() {
    let mut world = World::new();
    let endpoints = PARTIES.map(|me| match me {
        Party::P0 => None,
        _ => Some(Endpoint::bind("127.0.0.1:0").unwrap()),
    });
    for (host, endpoint) in world.hosts.parties.iter_mut().zip(&endpoints) {
        if let Some(endpoint) = endpoint {
            host.address = endpoint.address().unwrap().to_string();
        }
    }
    let endpoints = Mutex::new(endpoints);
    as_parties(|me| {
        let endpoint = endpoints.lock().unwrap()[me.index()].take();
        let mut links = connect_at(world.setup(me), endpoint, &mut |_| {}).unwrap();
        checked_round(&mut links, |_, _| 100, 0).unwrap();
        links.finish().unwrap();
    });
}

#[test]
fn a_missing_party_is_named_when_time_is_up() {
    for missing in PARTIES {
        let world = World::new().with_timeouts(Duration::from_secs(1), STALL);
        let messages = as_parties(|me| match me {
            me if me == missing => String::new(),
            me => world.connect(me).map(drop).unwrap_err().to_string(),
        });
        let name = world.hosts.who(missing).to_string();
        let there = PARTIES.into_iter().filter(|&party| party != missing);
        for message in there.map(|party| &messages[party.index()]) {
            assert!(
                message.contains(&format!("{name} is unreachable"))
                    || message.contains(&format!("{name} did not connect")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_port_in_use_is_an_error_and_the_others_time_out() {
    let world = World::new().with_timeouts(Duration::from_secs(1), STALL);
    let taken = TcpListener::bind(&world.hosts.host(Party::P1).address).unwrap();
    let error = world.connect(Party::P1).map(drop).unwrap_err();
    assert!(matches!(error, NetError::PortInUse { .. }), "{error}");
    let address = taken.local_addr().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on {address}: the port is in use"));
}

/// Party 1 has a key of its own making, which the others' file does not list.
fn world_with_impostor(connect: Duration) -> World {
    let mut world = World::new().with_timeouts(connect, STALL);
    let day = Duration::from_secs(24 * 3600);
    world.identities[1] = Identity::generate("mallory", day).unwrap();
    world
}

#[test]
fn a_wrong_certificate_is_noticed_at_all_parties() {
    let world = world_with_impostor(CONNECT);
    let mut own_file = world.hosts.clone();
    own_file.parties[1].fingerprint = world.fingerprint(Party::P1);
    let begun = Instant::now();
    let messages = as_parties(|me| {
        let mut setup = world.setup(me);
        if me == Party::P1 {
            setup.hosts = &own_file;
        }
        connect(setup, &mut |_| {}).map(drop).unwrap_err().to_string()
    });
    assert!(begun.elapsed() < 2 * CONNECT);
    let found = world.fingerprint(Party::P1);
    let expected = world.hosts.host(Party::P1).fingerprint;
    let address = &world.hosts.host(Party::P1).address;
    let dialed = format!(
        "party 1 (bob) is not who it should be: at {address} there is the certificate {found}, expected {expected}"
    );
    // Either neighbour of party 1 may be the first to notice; the other then hears of it.
    let refused = format!("its certificate {found} is not one of those expected here");
    assert!(messages[0] == dialed || messages[0].contains(&refused), "{}", messages[0]);
    assert!(
        messages[1].contains("party 2 (carol) turned us away: it expects another certificate"),
        "{}",
        messages[1]
    );
    assert!(messages[2].contains(&dialed) || messages[2].contains(&refused), "{}", messages[2]);
}

#[test]
fn a_key_that_is_not_the_listed_one_is_noticed_before_anything_else() {
    let world = world_with_impostor(CONNECT);
    let error = world.connect(Party::P1).map(drop).unwrap_err();
    assert!(matches!(error, NetError::NotOurs { .. }), "{error}");
    assert!(error.to_string().contains("is not the one of party 1 (bob)"), "{error}");
}

#[test]
fn a_party_cannot_come_as_another_one() {
    // Party 0 dials with the certificate of party 2, which party 1 does not expect to be dialed by.
    let mut world = World::new().with_timeouts(Duration::from_secs(2), STALL);
    let stolen = world.identities[2].to_pem();
    world.identities[0] = Identity::parse(&stolen).unwrap();
    let mut own_file = world.hosts.clone();
    own_file.parties[0].fingerprint = world.fingerprint(Party::P2);
    let messages = as_parties(|me| match me {
        Party::P0 => {
            let mut setup = world.setup(me);
            setup.hosts = &own_file;
            connect(setup, &mut |_| {}).map(drop).unwrap_err().to_string()
        }
        me => world.connect(me).map(drop).unwrap_err().to_string(),
    });
    let difference = "has another hosts file: there party 0 (alice) has the certificate";
    let turned_away = "turned us away: it expects another certificate";
    assert!(messages[0].contains(difference) || messages[0].contains(turned_away), "{}", messages[0]);
    assert!(messages[1].contains("party 0 (alice)"), "{}", messages[1]);
}

#[test]
fn an_expired_certificate_is_not_accepted() {
    let mut world = World::new().with_timeouts(CONNECT, STALL);
    world.identities[2] = Identity::generate("carol", Duration::ZERO).unwrap();
    world.hosts.parties[2].fingerprint = world.fingerprint(Party::P2);
    thread::sleep(Duration::from_millis(1100)); // certificates count in seconds
    let messages = outcomes(&world);
    for message in &messages[..2] {
        assert!(message.contains("the certificate of party 2 (carol) is not acceptable"), "{message}");
        assert!(message.contains("expired"), "{message}");
    }
    assert_ne!(messages[2], "fine");
}

#[test]
fn what_does_not_speak_tls_is_named() {
    let world = World::new().with_timeouts(CONNECT, STALL);
    let listener = TcpListener::bind(&world.hosts.host(Party::P2).address).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming().take(2) {
                let _ = stream.and_then(|mut stream| {
                    stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")?;
                    stream.read(&mut [0; 1000])
                });
            }
        });
        let messages = as_parties(|me| match me {
            Party::P2 => String::new(),
            me => world.connect(me).map(drop).unwrap_err().to_string(),
        });
        let expected = format!(
            "what answers for party 2 (carol) at {} does not speak TLS",
            world.hosts.host(Party::P2).address
        );
        for message in &messages[..2] {
            assert!(message.contains(&expected), "{message}");
        }
    });
}

/// A name that only one party has wrong: that party knows why, and all hear it from it.
#[test]
fn a_wrong_address_at_one_party_is_named_by_all_with_its_cause() {
    let mut world = World::new().with_timeouts(Duration::from_secs(2), STALL);
    let mut wrong = world.hosts.clone();
    wrong.parties[2].address = "no-such-host.invalid:7000".to_owned();
    world.own_hosts[0] = Some(wrong);
    let expected = "party 2 (carol) is unreachable at no-such-host.invalid:7000: failed to lookup address";
    let messages = outcomes(&world);
    assert!(messages.iter().all(|message| message.contains(expected)), "{messages:#?}");
    // Even if another party gives up earlier, because it began to wait earlier.
    let messages = as_parties(|me| {
        if me == Party::P0 {
            thread::sleep(Duration::from_millis(1700));
        }
        world.connect(me).map(drop).unwrap_err().to_string()
    });
    assert!(messages[0].contains(expected), "{}", messages[0]);
}

/// One party's hosts file lists the same parties in another order.
#[test]
fn another_order_of_hosts_is_named_as_such() {
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for odd in PARTIES {
            let world = World::new().with_timeouts(Duration::from_secs(2), STALL);
            let mut other = world.hosts.clone();
            other.parties = order.map(|party| world.hosts.parties[party].clone()).into();
            let messages = as_parties(|me| {
                let mut setup = world.setup(me);
                if me == odd {
                    let place = order.iter().position(|&party| party == me.index()).unwrap();
                    setup.me = Party::from_index(place).unwrap();
                    setup.hosts = &other;
                }
                connect(setup, &mut |_| {}).map(drop).unwrap_err().to_string()
            });
            let named = |message: &&String| {
                message.contains("has another hosts file: there party")
                    || message.contains("it has another hosts file: there party")
            };
            assert!(messages.iter().filter(named).count() >= 2, "{order:?} at {odd}: {messages:#?}");
            assert!(!messages.iter().any(|message| message.contains("seed")), "{messages:#?}");
        }
    }
}

/// A party that runs twice: one of its processes meets the others and finishes its run, and the other says what it is.
#[test]
fn a_second_process_of_a_party_disturbs_nobody() {
    for (twice, delay) in
        [(Party::P0, 0), (Party::P0, 150), (Party::P0, 600), (Party::P1, 0), (Party::P1, 300)]
    {
        let world = World::new();
        // The second process of party 1 listens where nobody dials it.
        let mut hosts = world.hosts.clone();
        hosts.timeouts.connect = Duration::from_secs(3);
        if twice == Party::P1 {
            hosts.parties[1].address = free_addresses()[0].clone();
        }
        let second = || {
            thread::sleep(Duration::from_millis(delay));
            let mut setup = world.setup(twice);
            setup.hosts = &hosts;
            outcome(connect(setup, &mut |_| {}))
        };
        let (second, mut first) = thread::scope(|scope| {
            let second = scope.spawn(second);
            let first = as_parties(|me| {
                if me == Party::P2 {
                    thread::sleep(Duration::from_millis(300));
                }
                outcome(world.connect(me))
            });
            (second.join().unwrap(), first)
        });
        // Whichever came first is the one.
        let (lost, won) = match &second[..] {
            "fine" => (std::mem::replace(&mut first[twice.index()], second), "fine".to_owned()),
            _ => (second, "fine".to_owned()),
        };
        for message in &first {
            assert_eq!(message, &won, "{twice}, {delay}");
        }
        let causes = ["is running twice", "is unreachable", "did not connect", "is gone"];
        assert!(causes.iter().any(|cause| lost.contains(cause)), "{twice}, {delay}: {lost}");
    }
}

/// Ten rounds, of which the last is a second after the first.
fn outcome(links: Result<Links, NetError>) -> String {
    let mut links = match links {
        Ok(links) => links,
        Err(error) => return error.to_string(),
    };
    let result = (0..10).try_for_each(|round| {
        thread::sleep(Duration::from_millis(100));
        checked_round(&mut links, |_, _| 10, round)
    });
    report(&mut links, result)
}

/// More silent connections than a party has room for.
#[test]
fn many_silent_connections_do_not_keep_the_parties_apart() {
    let world = World::new();
    let address = world.hosts.host(Party::P2).address.clone();
    let messages = as_parties(|me| {
        if me == Party::P1 {
            let mut silent = Vec::new();
            let end = Instant::now() + Duration::from_secs(2);
            while silent.len() < 300 && Instant::now() < end {
                match TcpStream::connect(&address) {
                    Ok(stream) => silent.push(stream),
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            }
            assert!(silent.len() > 100, "{}", silent.len());
            let message = outcome(world.connect(me));
            drop(silent);
            return message;
        }
        outcome(world.connect(me))
    });
    assert_eq!(messages, ["fine", "fine", "fine"]);
}

/// Strangers come and go while the parties meet: one who sends nonsense, one who says nothing, one who leaves.
#[test]
fn strangers_do_not_disturb() {
    let world = World::new();
    let seen = as_parties(|me| {
        let address = world.hosts.host(Party::P2).address.clone();
        if me != Party::P2 {
            let mut tries = (0..100).map(|_| {
                thread::sleep(Duration::from_millis(20));
                TcpStream::connect(&address)
            });
            let mut nonsense = tries.find_map(Result::ok).expect("party 2 listens");
            nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let _silent = TcpStream::connect(&address).unwrap();
            drop(TcpStream::connect(&address).unwrap());
            thread::sleep(Duration::from_millis(500));
            let mut links = world.connect(me).unwrap();
            checked_round(&mut links, |_, _| 100, 0).unwrap();
            links.finish().unwrap();
            return None;
        }
        let mut refused = None;
        let mut links =
            connect(world.setup(me), &mut |waiting| refused = waiting.refused.clone().or(refused.take()))
                .unwrap();
        checked_round(&mut links, |_, _| 100, 0).unwrap();
        links.finish().unwrap();
        refused
    });
    let refused = seen[2].as_ref().expect("somebody was turned away");
    assert!(refused.contains("does not speak TLS") || refused.contains("closed the connection"), "{refused}");
}

/// Something that accepts connections and says nothing is a party that cannot be reached.
#[test]
fn a_silent_listener_is_unreachable() {
    let world = World::new().with_timeouts(Duration::from_secs(1), STALL);
    let _listener = TcpListener::bind(&world.hosts.host(Party::P1).address).unwrap();
    let error = world.connect(Party::P0).map(drop).unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. }), "{error}");
}

#[test]
fn a_failure_during_the_set_up_reaches_whoever_waits() {
    let mut world = World::new();
    // Party 1 never listens: at its usual address another test's party may, in the meantime.
    let absent = &mut world.hosts.parties[1].address;
    *absent = absent.replace("127.0.0.1", "127.0.0.7");
    let begun = Instant::now();
    let messages = as_parties(|me| match me {
        // Party 0 reaches party 2, waits for party 1, and gives up; party 2 would wait longer.
        Party::P0 => {
            let mut hosts = world.hosts.clone();
            hosts.timeouts.connect = Duration::from_secs(1);
            let mut setup = world.setup(me);
            setup.hosts = &hosts;
            connect(setup, &mut |_| {}).map(drop).unwrap_err().to_string()
        }
        Party::P1 => String::new(),
        _ => world.connect(me).map(drop).unwrap_err().to_string(),
    });
    assert!(begun.elapsed() < world.hosts.timeouts.connect / 2);
    assert!(
        messages[2].starts_with("party 0 (alice) ended the run: party 1 (bob) is unreachable"),
        "{}",
        messages[2]
    );
}

#[test]
fn a_ping_finds_everybody() {
    let world = World::new();
    as_parties(|me| {
        let reaches = ping(world.setup(me), &mut |_| {}).unwrap();
        let found: Vec<Party> = reaches.iter().map(|reach| reach.who.party).collect();
        let mut expected = others(me);
        expected.sort_unstable();
        assert_eq!(found, expected);
        for reach in reaches {
            let rtt = reach.rtt.unwrap();
            assert!(rtt > Duration::ZERO && rtt < Duration::from_secs(5), "{rtt:?}");
        }
    });
}

#[test]
fn a_ping_names_whoever_is_missing_and_whoever_is_somebody_else() {
    // Party 2 is missing, and party 1 is not who party 0 thinks it is.
    let world = world_with_impostor(Duration::from_secs(2));
    let mut own_file = world.hosts.clone();
    own_file.parties[1].fingerprint = world.fingerprint(Party::P1);
    let messages = as_parties(|me| {
        let mut setup = world.setup(me);
        if me == Party::P1 {
            setup.hosts = &own_file;
        }
        if me == Party::P2 {
            return Vec::new();
        }
        let reaches = ping(setup, &mut |_| {}).unwrap();
        reaches.into_iter().map(|reach| reach.rtt.unwrap_err().to_string()).collect()
    });
    assert!(messages[0][0].contains("party 1 (bob) is not who it should be"), "{:?}", messages[0]);
    assert!(messages[0][1].contains("party 2 (carol) is unreachable"), "{:?}", messages[0]);
    assert!(messages[1][1].contains("party 2 (carol) is unreachable"), "{:?}", messages[1]);
    assert!(messages[1][0].contains("party 0 (alice) did not connect"), "{:?}", messages[1]);
    assert!(messages[1][0].contains("it expects another certificate"), "{:?}", messages[1]);
}

#[test]
fn a_ping_and_a_run_do_not_meet() {
    let world = World::new().with_timeouts(Duration::from_secs(2), STALL);
    let messages = as_parties(|me| match me {
        Party::P0 => world.connect(me).map(drop).unwrap_err().to_string(),
        me => {
            let reaches = ping(world.setup(me), &mut |_| {}).unwrap();
            let error =
                |reach: tern_vm::net::Reach| reach.rtt.map_or_else(|e| e.to_string(), |_| String::new());
            reaches.into_iter().map(error).collect()
        }
    });
    assert!(messages[0].contains("it runs another command or version of tern"), "{}", messages[0]);
    for message in &messages[1..] {
        assert!(message.contains("party 0 (alice) did not connect"), "{message}");
    }
}
