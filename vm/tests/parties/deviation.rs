//! A party of the four that does not follow the protocol: whatever it changes, the others notice before anything is revealed, and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tern_bytecode::program::{Place, Rounding};
use tern_bytecode::{Instr, Kind, Program, Protocol, Reg, Route, cost};
use tern_vm::net::{Party, memory};
use tern_vm::ring::{Ring, Z64};
use tern_vm::run_party;

use super::support::{Build, Memo, seeded};

/// Longer than any round takes on a busy machine; nobody is silent here.
const STALL: Duration = Duration::from_secs(60);
/// Rounds of the set-up with a given seed: the parties compare what they run.
const SETUP: u64 = 2;
/// Elements of every operand.
const N: u32 = 70;
/// Runs side by side.
const AT_ONCE: usize = 24;

type Op = fn(&mut Build, Reg, Reg, Route) -> Reg;

fn result(b: &mut Build, kind: Kind, instr: impl Fn(Reg) -> Instr) -> Reg {
    let dst = b.reg(kind, &[N]);
    b.op(instr(dst));
    dst
}

fn planes(b: &mut Build, a: Reg, count: u32, route: Route) -> Reg {
    let whole = b.reg(Kind::Bit, &[count * 128]);
    let dst = b.alias(whole, 0, &[(count, 128), (N, 1)]);
    b.op(Instr::Bits { dst, a, low: 0, high: count, route });
    dst
}

/// Every operation that sends something, on two inputs.
const OPERATIONS: &[(&str, Op)] = &[
    ("input", |_, x, _, _| x),
    ("reshare", |b, x, y, route| {
        let product = result(b, Kind::Additive, |dst| Instr::Mul { dst, a: x, b: y });
        result(b, Kind::Shared, |dst| Instr::Reshare { dst, a: product, route })
    }),
    ("truncate", |b, x, _, route| {
        result(b, Kind::Shared, |dst| Instr::Truncate { dst, a: x, bits: 16, route })
    }),
    ("truncate a product", |b, x, y, route| {
        let product = result(b, Kind::Additive, |dst| Instr::Mul { dst, a: x, b: y });
        result(b, Kind::Shared, |dst| Instr::Truncate { dst, a: product, bits: 16, route })
    }),
    ("sign and conjunction", |b, x, y, route| {
        let one = result(b, Kind::Bit, |dst| Instr::Sign { dst, a: x, width: 12, route });
        let other = result(b, Kind::Bit, |dst| Instr::Sign { dst, a: y, width: 4, route });
        result(b, Kind::Bit, |dst| Instr::And { dst, a: one, b: other, route })
    }),
    ("bits and word", |b, x, _, route| {
        let a = planes(b, x, 3, route);
        result(b, Kind::Shared, |dst| Instr::Word { dst, a, route })
    }),
    ("compose", |b, x, _, route| {
        let a = planes(b, x, 3, route);
        result(b, Kind::Shared, |dst| Instr::Compose { dst, a, route })
    }),
    ("select", |b, x, y, route| {
        let bit = result(b, Kind::Bit, |dst| Instr::Sign { dst, a: x, width: 2, route });
        let keep = b.reg(Kind::Half, &[N]);
        let first = result(b, Kind::Shared, |dst| Instr::Select { dst, keep: Some(keep), bit, a: y, route });
        result(b, Kind::Shared, |dst| Instr::SelectAgain { dst, half: keep, bit, a: first, bits: 0, route })
    }),
];

/// The operation between two inputs and what it ends with.
fn program(op: Op, rounding: Rounding, route: Route, end: fn(&mut Build, Reg, Route)) -> Program {
    let mut b = Build::new(Protocol::Rep4, 64, rounding);
    let (x, y) = (b.input(&[N], 0, route), b.input(&[N], 2, route));
    let shown = op(&mut b, x, y, route);
    end(&mut b, shown, route);
    b.program
}

/// To one party; of bits, to all.
fn shown(b: &mut Build, shown: Reg, route: Route) {
    let kind = b.program.buffers[b.program.views[shown.0 as usize].buffer as usize].kind;
    match kind {
        Kind::Bit => {
            let dst = b.reg(Kind::Int, &[N]);
            b.op(Instr::RevealBits { dst, a: shown, route });
        }
        _ => b.output_to(shown, Place::Party(3), route),
    }
}

/// The number of a message's round among those of the program, counted from 0, in which the opening's comparison takes place.
fn comparison(program: &Program) -> u64 {
    let opening = program.code.iter().position(|instr| {
        matches!(instr, Instr::Output { .. } | Instr::Reveal { .. } | Instr::RevealBits { .. })
    });
    let before = &program.code[..opening.expect("the program shows something")];
    before.iter().filter(|instr| matches!(instr, Instr::Receive {})).count() as u64
}

/// What became of a run in which one message was changed.
struct Outcome {
    /// By party.
    errors: Vec<Option<String>>,
    /// Whether an honest party's host was given an output; what a cheater writes for itself is its own affair.
    given: bool,
    /// Whether anything of an opening, or later, left an honest party.
    opened: bool,
}

/// Runs the parties; `cheat` changes messages of party `who`, of rounds counted from the program's first.
fn run(
    program: &Program,
    who: Party,
    cheat: impl Fn(u64, Party, &mut Vec<u8>) + Send + Sync + 'static,
) -> Outcome {
    let last = comparison(program);
    let opened = Arc::new(AtomicBool::new(false));
    let seen = opened.clone();
    let tap = move |message: &mut memory::Message| {
        let Some(round) = message.round.checked_sub(SETUP + 1) else { return };
        if message.from == who {
            cheat(round, message.to, &mut message.payload);
        } else if round > last {
            seen.store(true, Ordering::SeqCst);
        }
    };
    let links = memory::mesh_with_tap(4, STALL, Arc::new(tap));
    let hosts: Vec<_> = thread::scope(|scope| {
        let party = |mut links: tern_vm::net::Links| {
            scope.spawn(move || {
                let values = |i: i128| (0..i128::from(N)).map(|j| Z64::from_i128(i * j - 40)).collect();
                let mut host = Memo::<Z64> { inputs: vec![values(3), values(5)], ..Memo::default() };
                let run = run_party(program, &mut links, &mut host, &seeded(7));
                (run.err().map(|error| error.to_string()), !host.outputs.is_empty())
            })
        };
        let parties: Vec<_> = links.into_iter().map(party).collect();
        parties.into_iter().map(|party| party.join().expect("no party panics")).collect()
    });
    Outcome {
        given: hosts.iter().enumerate().any(|(party, (_, given))| *given && party != who.index()),
        errors: hosts.into_iter().map(|(error, _)| error).collect(),
        opened: opened.load(Ordering::SeqCst),
    }
}

/// All messages of the program before an opening: round, sender, receiver.
fn messages(program: &Program) -> Vec<(u64, Party, Party)> {
    let mut rounds: Vec<cost::Links> = Vec::new();
    for instr in &program.code {
        if matches!(instr, Instr::Output { .. } | Instr::Reveal { .. } | Instr::RevealBits { .. }) {
            break;
        }
        rounds.extend(cost::traffic(program, instr)); // one instruction after the other
    }
    let mut all = Vec::new();
    for (round, links) in rounds.iter().enumerate() {
        for from in Party::all(4) {
            for to in Party::all(4).filter(|to| links[from.index()][to.index()] > 0) {
                all.push((round as u64, from, to));
            }
        }
    }
    all
}

fn check(name: &str, program: &Program, (round, who, to): (u64, Party, Party), at: fn(usize) -> usize) {
    let outcome = run(program, who, move |now, receiver, payload| {
        if (now, receiver) == (round, to) && !payload.is_empty() {
            let place = at(payload.len());
            payload[place] ^= 1;
        }
    });
    let case = format!("{name}: {who} changed what it sent to {to} in round {round}");
    assert!(!outcome.given && !outcome.opened, "{case}: something was revealed");
    // the others, who compare what they have, all find the message
    let line = format!("in round {}", round + 1);
    // the two who receive an input check each other: one of them is named as its receiver
    let receivers: Vec<Party> = match round {
        0 | 1 => Party::all(4).filter(|party| *party != who).collect(),
        _ => vec![to],
    };
    for (party, error) in outcome.errors.iter().enumerate() {
        let error = error.as_ref().unwrap_or_else(|| panic!("{case}: party {party} did not notice"));
        let mut lines = receivers.iter().map(|to| format!("disagree about what {who} sent to {to} {line}"));
        let found = lines.any(|line| error.contains(&format!("{line} (")));
        assert!(found || party == who.index(), "{case}: {error}");
    }
}

#[test]
fn every_changed_message_is_noticed_before_anything_is_revealed() {
    for (name, op) in OPERATIONS {
        let mut cheaters = [false; 4];
        for route in [Route(0), Route(9), Route(17)] {
            for rounding in [Rounding::Probabilistic, Rounding::Nearest] {
                if rounding == Rounding::Nearest && !name.starts_with("truncate") {
                    continue;
                }
                let program = program(*op, rounding, route, shown);
                let messages = messages(&program);
                messages.iter().for_each(|message| cheaters[message.1.index()] = true);
                // who has changed something does not say what it knows, which the others wait for a moment
                for messages in messages.chunks(AT_ONCE) {
                    thread::scope(|scope| {
                        for &message in messages {
                            let program = &program;
                            scope.spawn(move || check(name, program, message, |size| size / 2));
                        }
                    });
                }
            }
        }
        println!("{name}: changed by {cheaters:?}");
    }
}

/// The first and the last bit of long messages count like any other.
#[test]
fn the_ends_of_a_message_count() {
    let program = program(OPERATIONS[3].1, Rounding::Probabilistic, Route(3), shown);
    for message in messages(&program) {
        check("the first byte", &program, message, |_| 0);
        check("the last byte", &program, message, |size| size - 1);
    }
}

/// An owner that gives the two who receive it different values.
#[test]
fn an_owner_that_tells_two_stories_is_noticed() {
    let program = program(OPERATIONS[0].1, Rounding::Probabilistic, Route(5), shown);
    let inputs: Vec<_> = messages(&program).into_iter().filter(|(round, ..)| *round == 0).collect();
    assert_eq!(inputs.len(), 2, "an owner sends to two");
    for message in inputs {
        check("an input", &program, message, |size| size / 3);
    }
    // nothing was computed from it, so it is what is named
    let outcome = run(&program, Party::P0, |round, to, payload| {
        if round == 0 && !payload.is_empty() {
            payload[0] ^= to.index() as u8;
        }
    });
    for error in outcome.errors.iter().skip(1).flatten() {
        assert!(error.contains("disagree about what party 0 sent to"), "{error}");
        assert!(error.contains("in round 1 ") || error.contains("in round 1("), "{error}");
    }
}

/// What travels in the opening itself: a wrong summand or digest never becomes a value.
#[test]
fn openings_are_right_or_fail() {
    type End = fn(&mut Build, Reg, Route);
    let ends: [(&str, End); 2] = [
        ("reveal", |b, a, route| {
            let dst = b.reg(Kind::Plain, &[N]);
            b.op(Instr::Reveal { dst, a, route });
        }),
        ("output", |b, a, route| b.output_to(a, Place::Party(3), route)),
    ];
    for (name, end) in ends {
        let program = program(OPERATIONS[0].1, Rounding::Probabilistic, Route(11), end);
        let first = comparison(&program);
        for round in [first, first + 1] {
            for who in Party::all(4) {
                let outcome = run(&program, who, move |now, _, payload| {
                    if now == round && !payload.is_empty() {
                        let middle = payload.len() / 2;
                        payload[middle] ^= 1;
                    }
                });
                // of an output, not everybody sends something in the second round
                let failed = outcome.errors.iter().any(Option::is_some);
                let sends = name == "reveal" || round == first || outcome.errors.iter().all(Option::is_some);
                assert_eq!(failed, sends, "{name}, round {round}, {who}: {:?}", outcome.errors);
                if failed {
                    assert!(!outcome.given, "{name}, round {round}, {who}");
                    assert!(
                        outcome.errors.iter().all(Option::is_some),
                        "everybody ends: {:?}",
                        outcome.errors
                    );
                }
            }
        }
    }
}

/// Shares for a later run look complete: they are written after a comparison.
#[test]
fn shares_are_not_written_after_a_deviation() {
    let end = |b: &mut Build, a: Reg, route: Route| b.output_to(a, Place::Shares, route);
    let program = program(OPERATIONS[1].1, Rounding::Probabilistic, Route(2), end);
    for message in messages(&program) {
        check("shares", &program, message, |size| size / 2);
    }
}

/// Nothing is noticed where nobody deviates.
#[test]
fn honest_parties_agree() {
    for (name, op) in OPERATIONS {
        let program = program(*op, Rounding::Nearest, Route(4), shown);
        let outcome = run(&program, Party::P0, |_, _, _| {});
        assert!(outcome.errors.iter().all(Option::is_none), "{name}: {:?}", outcome.errors);
    }
}
