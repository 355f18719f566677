//! Rounds, counters and failures, over links in memory.

use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tern_vm::net::memory::{Message, Tap, transports};
use tern_vm::net::{Links, NetError, Party, keys};

use crate::support::{
    PARTIES, TIMEOUT, after, assert_balanced, checked_round, each, message, others, report, triangle,
    triangle_with_tap, with_links,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any sizes, also none, in any rounds: bytes arrive, and counters say how many.
    #[test]
    fn rounds_of_any_sizes(
        rounds in prop::collection::vec(
            prop::array::uniform6(prop_oneof![Just(0usize), 1..40usize, 16_300..16_400usize, 130_000..300_000usize]),
            1..6,
        ),
    ) {
        let size = |round: usize, from: Party, to: Party| rounds[round][from.index() * 2 + usize::from(to == after(from))];
        let traffic = with_links(triangle(TIMEOUT), |links| {
            for round in 0..rounds.len() {
                checked_round(links, |from, to| size(round, from, to), round).unwrap();
            }
            links.finish().unwrap();
            links.traffic()
        });
        for me in PARTIES {
            let traffic = traffic[me.index()];
            prop_assert_eq!(traffic.rounds, rounds.len() as u64);
            for to in others(me) {
                let sent = |round| size(round, me, to) as u64;
                prop_assert_eq!(traffic.sent[to], (0..rounds.len()).map(sent).sum::<u64>());
            }
        }
        assert_balanced(traffic);
    }

    /// However the pieces of a round are cut at both ends, and in whichever order the sides are served.
    #[test]
    fn pieces_of_any_sizes(
        sent in prop::collection::vec(1..20_000usize, 1..20), taken in prop::collection::vec(1..50_000usize, 1..20), prev_first: bool,
    ) {
        let total: usize = sent.iter().sum();
        with_links(triangle(TIMEOUT), |links| {
            let me = links.me();
            links.begin(each(me, |_| total), each(me, |_| total)).unwrap();
            for to in others(me) {
                let bytes = message(total, me, to, 0);
                let mut rest = &bytes[..];
                for &size in &sent {
                    let (piece, after) = rest.split_at(size);
                    links.send(to, piece).unwrap();
                    links.poll().unwrap();
                    rest = after;
                }
            }
            let mut from = others(me);
            if prev_first {
                from.reverse();
            }
            for from in from {
                let mut bytes = vec![0; total];
                let mut rest = &mut bytes[..];
                for size in taken.iter().cycle() {
                    let (piece, after) = rest.split_at_mut((*size).min(rest.len()));
                    links.receive(from, piece).unwrap();
                    rest = after;
                    if rest.is_empty() {
                        break;
                    }
                }
                assert_eq!(bytes, message(total, from, me, 0));
            }
            links.finish().unwrap();
        });
    }
}

/// Queues of one byte: everything that can block does.
#[test]
fn large_messages_both_ways_through_narrow_queues_do_not_deadlock() {
    const SIZE: usize = 8 << 20;
    let links =
        |(me, transport)| Links::new(me, each(me, |other| other.into()), Box::new(transport), TIMEOUT);
    let links: Vec<Links> = PARTIES.into_iter().zip(transports(3, 1)).map(links).collect();
    with_links(links.try_into().ok().expect("three"), |links| {
        checked_round(links, |_, _| SIZE, 0).unwrap();
        // The same with `send` and `receive`: what arrives while sending must be kept, and no more than that.
        let me = links.me();
        let both = each(me, |_| SIZE);
        links.begin(both, both).unwrap();
        for to in others(me) {
            links.send(to, &message(SIZE, me, to, 1)).unwrap();
            assert!(links.ready(to) <= SIZE);
        }
        for from in others(me).into_iter().rev() {
            let mut bytes = vec![0; SIZE];
            links.receive(from, &mut bytes).unwrap();
            assert!(bytes == message(SIZE, from, me, 1));
        }
        links.finish().unwrap();
    });
}

#[test]
fn swapped_bytes_arrive_and_are_not_counted() {
    with_links(triangle(TIMEOUT), |links| {
        let me = links.me();
        let ours = vec![me.index() as u8; 1000 * me.index()];
        let theirs = links.swap(&ours, 2000).unwrap();
        for from in others(me) {
            assert_eq!(theirs[from], vec![from.index() as u8; 1000 * from.index()]);
        }
        let traffic = links.traffic();
        assert_eq!((traffic.rounds, traffic.sent, traffic.received), (0, each(me, |_| 0), each(me, |_| 0)));
        assert_eq!(traffic.headers, each(me, |_| 0));
        links.finish().unwrap();
    });
}

#[test]
fn a_swap_has_a_limit() {
    let messages = with_links(triangle(TIMEOUT), |links| {
        let ours = vec![0; if links.me() == Party::P2 { 11 } else { 10 }];
        let result = links.swap(&ours, 10).map(drop);
        report(links, result)
    });
    for message in messages {
        assert!(
            message.contains("party 2 sent a message of 11 bytes where at most 10 are allowed"),
            "{message}"
        );
    }
}

/// Each party and the next.
fn pairs() -> Vec<Vec<Party>> {
    PARTIES.map(|party| vec![party, after(party)]).into()
}

#[test]
fn keys_agree_in_pairs_and_differ_from_run_to_run() {
    let run = || {
        with_links(triangle(TIMEOUT), |links| {
            let keys = keys::agree(links, &pairs()).unwrap();
            links.finish().unwrap();
            keys
        })
    };
    let (first, second) = (run(), run());
    for keys in [&first, &second] {
        for me in PARTIES {
            let (mine, next) = (&keys[me.index()], &keys[after(me).index()]);
            assert_eq!(mine.common[me.index()], next.common[me.index()]);
            assert!(mine.common[me.index()].is_some());
            assert_eq!(mine.common[after(me).index()], None, "a key of the two others");
            assert_ne!(mine.common[me.index()], next.common[after(me).index()]);
            assert_eq!(mine.public, next.public);
        }
    }
    assert_ne!(first[0].common[0], second[0].common[0]);
    assert_ne!(first[0].public, second[0].public);
    assert_eq!(format!("{:?}", first[0]), "Keys(…)");
}

/// Four parties, each of which lacks one key.
#[test]
fn keys_agree_in_larger_groups() {
    let all: Vec<Party> = Party::all(4).collect();
    let groups: Vec<Vec<Party>> =
        all.iter().map(|lacks| all.iter().copied().filter(|party| party != lacks).collect()).collect();
    let keys: Vec<keys::Keys> = std::thread::scope(|scope| {
        let threads: Vec<_> = tern_vm::net::memory::mesh(4, TIMEOUT)
            .into_iter()
            .map(|mut links| {
                let groups = &groups;
                scope.spawn(move || {
                    let keys = keys::agree(&mut links, groups).unwrap();
                    links.finish().unwrap();
                    keys
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for lacks in 0..4 {
        let held: Vec<_> = keys.iter().map(|keys| keys.common[lacks]).collect();
        assert_eq!(held[lacks], None);
        let first = held[(lacks + 1) % 4];
        assert!(first.is_some());
        assert!(held.iter().enumerate().all(|(i, key)| i == lacks || *key == first));
    }
    assert!(keys.iter().all(|other| other.public == keys[0].public));
}

/// Rounds of the agreement: commitments, openings, checks.
const OPENING: u64 = 2;
const CHECK: u64 = 3;

#[test]
fn a_party_that_opens_another_value_is_found_out() {
    let messages = with_links(
        tapped(|message| {
            if message.from == Party::P1 && message.round == OPENING {
                message.payload[31] ^= 1;
            }
        }),
        |links| {
            let result = keys::agree(links, &pairs()).map(drop);
            report(links, result)
        },
    );
    for other in [0, 2] {
        assert!(messages[other].contains("party 1 does not agree on the common seed"), "{}", messages[other]);
    }
}

/// A contribution and its commitment replaced consistently towards one party only.
#[test]
fn a_party_that_tells_two_stories_is_found_out() {
    let messages = with_links(
        tapped(|message| {
            if (message.from, message.to, message.round) == (Party::P0, Party::P2, CHECK) {
                message.payload[0] ^= 1;
            }
        }),
        |links| {
            let result = keys::agree(links, &pairs()).map(drop);
            report(links, result)
        },
    );
    assert!(
        messages[2].contains("party 0 does not agree on the common seed: its seed is another one"),
        "{}",
        messages[2]
    );
}

fn tapped(tap: impl Fn(&mut Message) + Send + Sync + 'static) -> [Links; 3] {
    triangle_with_tap(TIMEOUT, Arc::new(tap))
}

#[test]
fn a_tap_sees_whole_messages() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    let tap: Tap = Arc::new(move |message: &mut Message| record.lock().unwrap().push(message.clone()));
    with_links(triangle_with_tap(TIMEOUT, tap), |links| {
        checked_round(links, |_, to| if to == Party::P0 { 200_000 } else { 0 }, 0).unwrap();
        links.finish().unwrap();
    });
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|message| message.from);
    let expected = [Party::P1, Party::P2].map(|from| Message {
        from,
        to: Party::P0,
        round: 1,
        payload: message(200_000, from, Party::P0, 0),
    });
    assert!(seen == expected);
}

/// A byte more or less in any message of a run fails it, whichever it is.
#[test]
fn one_byte_more_or_less_in_any_message_fails_the_run() {
    for from in PARTIES {
        for to in others(from) {
            for round in 1..=3 {
                for more in [true, false] {
                    one_byte(from, to, round, more);
                }
            }
        }
    }
}

fn one_byte(from: Party, to: Party, round: u64, more: bool) {
    let links = tapped(move |message| {
        if (message.from, message.to, message.round) == (from, to, round) {
            message.payload.resize(if more { 1001 } else { 999 }, 0);
        }
    });
    let messages = with_links(links, |links| {
        let result = (0..3).try_for_each(|round| checked_round(links, |_, _| 1000, round));
        report(links, result)
    });
    let expected = match more {
        true => {
            format!("{from} sent an oversized message in round {round}: at least 1001 bytes, 1000 expected")
        }
        false => format!("{from} sent a truncated message in round {round}: 999 bytes, 1000 expected"),
    };
    assert_eq!(messages[to.index()], expected);
    for message in messages {
        assert!(message.contains(&expected), "every party learns the cause: {message}");
    }
}

#[test]
fn an_engine_that_breaks_its_word_is_stopped() {
    let links = triangle(Duration::from_secs(5));
    let [mut links, ..] = links;
    let (next, prev) = (Party::P1, Party::P2);
    let none = each(Party::P0, |_| 0);
    let (mut send, mut receive) = (none, none);
    (send[next], receive[prev]) = (10, 10);
    links.begin(send, receive).unwrap();
    links.send(next, &[0; 4]).unwrap();
    let message = |result: Result<(), NetError>| result.unwrap_err().to_string();
    assert_eq!(message(links.send(next, &[0; 7])), "round 1, to party 1: 11 bytes where 10 were declared");
    assert_eq!(message(links.send(prev, &[0])), "round 1, to party 2: 1 bytes where 0 were declared");
    assert_eq!(
        message(links.receive(prev, &mut [0; 11])),
        "round 1, from party 2: 11 bytes where 10 were declared"
    );
    assert_eq!(message(links.begin(none, none)), "round 1, to party 1: 4 bytes where 10 were declared");
    links.send(next, &[0; 6]).unwrap();
    assert_eq!(message(links.finish()), "round 1, from party 2: 0 bytes where 10 were declared");
}

#[test]
fn parties_that_disagree_on_the_round_are_out_of_step() {
    let messages = with_links(triangle(TIMEOUT), |links| {
        // Party 1 has a round of its own that the others know nothing of.
        let result = match links.me() {
            Party::P1 => links.begin(each(Party::P1, |_| 0), each(Party::P1, |_| 0)),
            _ => Ok(()),
        };
        let result = result.and_then(|()| checked_round(links, |_, _| 100, 0));
        report(links, result)
    });
    assert!(messages.iter().any(|message| message.contains("out of step")), "{messages:?}");
    assert!(messages.iter().all(|message| message != "fine"), "{messages:?}");
}

#[test]
fn a_party_that_leaves_early_is_named() {
    let messages = with_links(triangle(TIMEOUT), |links| {
        let rounds = if links.me() == Party::P2 { 1 } else { 2 };
        let result = (0..rounds).try_for_each(|round| checked_round(links, |_, _| 10, round));
        report(links, result)
    });
    for message in &messages {
        assert_ne!(message, "fine", "the end counts only if all reach it");
    }
    // Whoever notices first: one of the others misses a message, or party 2 gets one too many. Party 2 itself only sees that all leave.
    let named = |message: &String| {
        message.contains("party 2 finished before the end of this run") || message.contains("out of step")
    };
    assert!(messages[..2].iter().all(named), "{messages:?}");
}

/// When all know that the run is over, a party that says no goodbye keeps nobody for as long as it would while they compute.
#[test]
fn a_goodbye_is_not_waited_for_long() {
    let begun = Instant::now();
    let left = Barrier::new(3);
    with_links(triangle(Duration::from_secs(120)), |links| {
        if links.me() != Party::P2 {
            links.leave();
        }
        left.wait();
    });
    let took = begun.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(60)).contains(&took), "{took:?}");
}

#[test]
fn a_reason_reaches_everybody() {
    let messages = with_links(triangle(TIMEOUT), |links| {
        let first = checked_round(links, |_, _| 10, 0);
        if links.me() == Party::P1 {
            links.abort("cannot read labels.idx");
            return String::new();
        }
        let result = first.and_then(|()| checked_round(links, |_, _| 10, 1));
        report(links, result)
    });
    for other in [0, 2] {
        assert!(
            messages[other].starts_with("party 1 ended the run: cannot read labels.idx"),
            "{}",
            messages[other]
        );
    }
}

#[test]
fn silence_is_a_failure_after_the_timeout_and_names_the_silent_party() {
    let stall = Duration::from_millis(400);
    let messages = with_links(triangle(stall), |links| {
        if links.me() == Party::P2 {
            std::thread::sleep(4 * stall);
            return String::new();
        }
        // Party 1 waits for party 2, party 0 for party 1 only, which is alive.
        let me = links.me();
        let [next, prev] = others(me);
        let (mut send, mut receive) = (each(me, |_| 0), each(me, |_| 0));
        (send[prev], receive[next]) = (usize::from(me == Party::P1), 1);
        let result = links.begin(send, receive).and_then(|()| match me {
            Party::P0 => links.receive(next, &mut [0]),
            _ => links.receive(next, &mut [0]).and_then(|()| links.send(prev, &[0])),
        });
        report(links, result)
    });
    assert!(messages[1].starts_with("party 2 has been silent for 0.4"), "{}", messages[1]);
    assert!(messages[1].ends_with(", to party 0 too"), "{}", messages[1]);
    assert!(messages[0].starts_with("party 1 ended the run: party 2 has been silent"), "{}", messages[0]);
}

/// A party that hears nobody may be the one that is cut off.
#[test]
fn a_party_that_hears_nobody_says_so() {
    let stall = Duration::from_millis(400);
    let messages = with_links(triangle(stall), |links| {
        if links.me() != Party::P0 {
            std::thread::sleep(8 * stall);
            return String::new();
        }
        let result = checked_round(links, |_, _| 10, 0);
        report(links, result)
    });
    let expected = "and party 2 is silent too: is this party cut off from the network?";
    assert!(messages[0].starts_with("party 1 has been silent"), "{}", messages[0]);
    assert!(messages[0].ends_with(expected), "{}", messages[0]);
}

/// A kernel that takes longer than the others' patience: the party does not look at its links, and its second thread does.
#[test]
fn a_party_that_computes_is_not_silent() {
    let stall = Duration::from_millis(400);
    with_links(triangle(stall), |links| {
        links.keep_alive().unwrap();
        if links.me() == Party::P2 {
            std::thread::sleep(4 * stall);
        }
        checked_round(links, |_, _| 10, 0).unwrap();
        links.finish().unwrap();
    });
}

/// What others report while a party computes is what its next call says.
#[test]
fn a_failure_during_a_computation_is_reported_after_it() {
    let messages = with_links(triangle(TIMEOUT), |links| {
        links.keep_alive().unwrap();
        if links.me() == Party::P1 {
            links.abort("cannot read labels.idx");
            return String::new();
        }
        std::thread::sleep(Duration::from_millis(500));
        let begun = links.begin(each(Party::P1, |_| 0), each(Party::P1, |_| 0));
        report(links, begun)
    });
    for other in [0, 2] {
        let expected = "party 1 ended the run: cannot read labels.idx";
        assert!(messages[other].starts_with(expected), "{}", messages[other]);
    }
}

/// Heartbeats keep a link alive while a party waits for somebody who computes.
#[test]
fn a_party_that_computes_and_polls_is_not_silent() {
    let stall = Duration::from_millis(400);
    with_links(triangle(stall), |links| {
        if links.me() == Party::P2 {
            for _ in 0..20 {
                std::thread::sleep(stall / 10);
                links.poll().unwrap();
            }
        }
        checked_round(links, |_, _| 10, 0).unwrap();
        links.finish().unwrap();
    });
}
