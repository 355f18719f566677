//! Rounds over TLS on the loopback interface, and what can go wrong in the middle of them.

use std::time::{Duration, Instant};

use tern_vm::net::{NetError, NetworkModel, Party, keys};

use crate::support::{
    PARTIES, Wire, World, after, assert_balanced, checked_round, each, message, others, report,
};

/// A time-out that a test can wait for, and that a busy machine does not reach otherwise.
const STALL: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(20);

#[test]
fn rounds_of_many_sizes_keys_and_counters() {
    let size = |round: usize, from: Party, to: Party| {
        let sizes = [0, 1, 15, 16_352, 16_368, 16_369, 131_072, 131_073, 1_000_003];
        sizes[(round * 5 + from.index() * 4 + to.index()) % sizes.len()]
    };
    let outcome = World::new().run(|links| {
        let pairs = PARTIES.map(|party| vec![party, after(party)]);
        let keys = keys::agree(links, &pairs).unwrap();
        for round in 0..200 {
            checked_round(links, |from, to| size(round, from, to), round).unwrap();
        }
        links.finish().unwrap();
        (keys, links.traffic())
    });
    let traffic = outcome.each_ref().map(|(_, traffic)| *traffic);
    assert_balanced(traffic);
    for me in PARTIES {
        let (keys, traffic) = &outcome[me.index()];
        let (next, _) = &outcome[after(me).index()];
        assert_eq!((keys.common[me.index()], keys.public), (next.common[me.index()], next.public));
        assert_eq!(traffic.rounds, 200);
        let sent: usize = (0..200).map(|round| size(round, me, after(me))).sum();
        assert_eq!(traffic.sent[after(me)], sent as u64);
    }
}

/// Everybody sends 64 MB to everybody, and only then begins to receive.
#[test]
fn large_messages_both_ways_do_not_deadlock() {
    const SIZE: usize = 64 << 20;
    World::new().run(|links| {
        let me = links.me();
        let both = each(me, |_| SIZE);
        links.begin(both, both).unwrap();
        for to in others(me) {
            links.send(to, &message(SIZE, me, to, 0)).unwrap();
        }
        for from in others(me) {
            let mut bytes = vec![0; SIZE];
            links.receive(from, &mut bytes).unwrap();
            assert!(bytes == message(SIZE, from, me, 0));
        }
        links.finish().unwrap();
    });
}

/// The receiver looks away while the sender fills every buffer in between, and still gets everything.
#[test]
fn a_sender_waits_for_a_busy_receiver() {
    const SIZE: usize = 32 << 20;
    World::new().run(|links| {
        let me = links.me();
        let to_p1 =
            |party: Party, other: Party| if (party, other) == (Party::P0, Party::P1) { SIZE } else { 0 };
        if me == Party::P1 {
            std::thread::sleep(Duration::from_millis(500));
        }
        checked_round(links, to_p1, 0).unwrap();
        links.finish().unwrap();
    });
}

#[test]
fn a_peer_that_dies_in_the_middle_of_a_message_is_named() {
    let messages = World::new().with_timeouts(CONNECT, STALL).run(|links| {
        if links.me() == Party::P2 {
            let both = each(links.me(), |_| 1000);
            links.begin(both, both).unwrap();
            links.send(after(links.me()), &[0; 20_000][..500]).unwrap();
            return String::new(); // and the sockets close without a word
        }
        let result = checked_round(links, |_, _| 1000, 0);
        report(links, result)
    });
    for message in &messages[..2] {
        assert!(message.contains("party 2 (carol) is gone"), "{message}");
    }
}

#[test]
fn a_peer_that_stalls_is_named_within_the_timeout() {
    let begun = Instant::now();
    let messages = World::new().with_timeouts(CONNECT, STALL).run(|links| {
        if links.me() == Party::P2 {
            std::thread::sleep(2 * STALL);
            return String::new();
        }
        let result = checked_round(links, |_, _| 1000, 0);
        report(links, result)
    });
    assert!(begun.elapsed() < CONNECT);
    for message in &messages[..2] {
        assert!(message.contains("party 2 (carol) has been silent for 2."), "{message}");
    }
}

/// The connection between two parties that are alive is cut, in both ways that there are: nothing passes any more, or it is reset. Nobody accuses
/// a party, and all name the connection.
#[test]
fn a_cut_connection_is_named_and_no_party_is() {
    for reset in [false, true] {
        let mut world = World::new().with_timeouts(CONNECT, STALL);
        let wire = Wire::to(&world.hosts.host(Party::P1).address);
        let mut seen_by_p0 = world.hosts.clone();
        seen_by_p0.parties[1].address = wire.address();
        world.own_hosts[0] = Some(seen_by_p0);
        let messages = world.run(|links| {
            links.keep_alive().unwrap();
            let result = (0..1000).try_for_each(|round| {
                if (links.me(), round) == (Party::P2, 1) {
                    wire.cut(reset);
                }
                checked_round(links, |_, _| 1000, round)
            });
            report(links, result)
        });
        for message in &messages {
            assert!(message.contains("the connection between "), "{reset}: {messages:#?}");
            assert!(message.contains(" is cut"), "{reset}: {messages:#?}");
        }
        let between = "the connection between party 1 (bob) and this party is cut";
        // Told by whoever noticed first, it names the two ends in either order.
        let told = "the connection between party 0 (alice) and party 1 (bob) is cut";
        let turned = "the connection between party 1 (bob) and party 0 (alice) is cut";
        let named = [between, told, turned].iter().any(|words| messages[0].contains(words));
        assert!(named, "{messages:#?}");
        assert!(
            messages[2].contains("between party") && messages[2].contains("this party hears both"),
            "{messages:#?}"
        );
    }
}

/// The peer is alive and reads nothing, so that the sender's own queue fills up.
#[test]
fn a_peer_that_does_not_read_is_named() {
    const SIZE: usize = 64 << 20;
    let messages = World::new().with_timeouts(CONNECT, STALL).run(|links| match links.me() {
        Party::P2 => {
            std::thread::sleep(2 * STALL);
            String::new()
        }
        Party::P1 => {
            let (me, next) = (links.me(), after(links.me()));
            let size = |party: Party| if party == next { SIZE } else { 0 };
            links.begin(each(me, size), each(me, |_| 0)).unwrap();
            let result = links.send(next, &vec![0; SIZE]);
            report(links, result)
        }
        _ => report(links, Ok(())),
    });
    assert!(messages[1].contains("party 2 (carol) has been silent"), "{}", messages[1]);
    assert!(messages[0].contains("party 2 (carol) has been silent"), "{}", messages[0]);
}

#[test]
fn a_message_of_another_length_ends_the_run_at_all_parties() {
    for (sent, expected, text) in [
        (1001, 1000, "sent an oversized message in round 1: at least 1001 bytes, 1000 expected"),
        (999, 1000, "sent a truncated message in round 1: 999 bytes, 1000 expected"),
        (2_000_000, 1000, "sent an oversized message in round 1: at least 131072 bytes, 1000 expected"),
        (1, 0, "sent an oversized message in round 1: at least 1 bytes, 0 expected"),
    ] {
        let messages = World::new().with_timeouts(CONNECT, STALL).run(|links| {
            let me = links.me();
            // Party 0 and party 1 disagree on what party 0 sends to party 1.
            let size = |from, to| match (from, to) {
                (Party::P0, Party::P1) if me == Party::P0 => sent,
                (Party::P0, Party::P1) => expected,
                _ => 10,
            };
            let result = checked_round(links, size, 0);
            report(links, result)
        });
        assert_eq!(messages[1], format!("party 0 (alice) {text}"));
        for message in messages {
            assert!(message.contains(text), "{message}");
        }
    }
}

#[test]
fn a_reason_arrives_even_if_the_neighbours_were_sending() {
    let messages = World::new().with_timeouts(CONNECT, STALL).run(|links| {
        if links.me() == Party::P1 {
            links.abort("the file labels.idx has 7 entries, the program needs 8");
            return String::new();
        }
        let result = checked_round(links, |_, _| 16 << 20, 0);
        report(links, result)
    });
    for other in [0, 2] {
        let expected = "party 1 (bob) ended the run: the file labels.idx has 7 entries, the program needs 8";
        assert!(messages[other].starts_with(expected), "{}", messages[other]);
    }
}

/// The keys of a session are renewed before the cipher's limit; here a message is larger than what one record can hold many times over,
/// and heartbeats pass between rounds.
#[test]
fn parties_at_very_different_speeds_stay_together() {
    World::new().with_timeouts(CONNECT, Duration::from_secs(1)).run(|links| {
        for round in 0..4 {
            if links.me().index() == round % 3 {
                for _ in 0..15 {
                    std::thread::sleep(Duration::from_millis(100));
                    links.poll().unwrap();
                }
            }
            checked_round(links, |_, _| 300_000, round).unwrap();
        }
        links.finish().unwrap();
    });
}

/// Ten rounds take at least ten half round trips, and a message takes the time that its bytes need.
#[test]
fn a_simulated_network_is_as_slow_as_it_says() {
    let mut world = World::new();
    let network: NetworkModel = "rtt=40ms,bw=80Mbit".parse().unwrap();
    world.network = Some(network);
    let times = world.run(|links| {
        links.swap(&[], 0).unwrap();
        let begun = Instant::now();
        for round in 0..10 {
            checked_round(links, |_, _| 100, round).unwrap();
        }
        let small = begun.elapsed();
        let begun = Instant::now();
        checked_round(links, |_, _| 2_000_000, 10).unwrap();
        let large = begun.elapsed();
        links.finish().unwrap();
        (small, large)
    });
    for (small, large) in times {
        // The first and last rounds of a party can overlap with another's by a round.
        assert!(small >= network.predict(9, 0), "{small:?}");
        assert!(large >= network.predict(0, 2_000_000).mul_f64(0.95), "{large:?}");
        assert!(
            small < 5 * network.predict(10, 0) && large < 5 * network.predict(1, 2_000_000),
            "{small:?} {large:?}"
        );
    }
}

#[test]
fn failures_are_told_over_a_simulated_network_too() {
    let mut world = World::new().with_timeouts(CONNECT, STALL);
    world.network = Some(NetworkModel::LAN);
    let messages = world.run(|links| {
        let result = match links.me() {
            Party::P2 => Err(NetError::Entropy("none today".into())),
            _ => checked_round(links, |_, _| 1000, 0),
        };
        report(links, result)
    });
    for message in &messages[..2] {
        assert!(message.contains("party 2 (carol) ended the run: no random bytes"), "{message}");
    }
}
