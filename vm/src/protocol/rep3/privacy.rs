//! What a party receives tells it nothing: per operation and receiver, with the receiver's two keys and shares fixed and the third key drawn anew each time,
//! the received messages are uniform, by themselves and in pairs, and distributed alike whether the secret is the smallest or the largest. Messages of
//! openings are no part of this: they are meant to tell something.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tern_bytecode::Route;
use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::draw::Draw;
use super::input_output::{Part, masked, receive};
use super::op::{Op, Role, World};
use super::reshare::{Shares, addend, and_summand, reshare, reshare_planes, to_pair};
use super::ring::{OnRing, Pair, Side};
use super::truncate::{Operand, truncate};
use super::{adder, compose, select, word};
use crate::machine::Address;
use crate::net::Party;
use crate::par::Threads;
use crate::prg::Key;
use crate::protocol::uniform;
use crate::ring::{Ring, Z64};
use crate::rounds::engine::Message;

/// Runs of an operation with one secret.
const TRIALS: u32 = uniform::TRIALS;
/// Elements of every operand; planes of bits are then whole bytes.
const N: usize = 8;

const PARTIES: [Party; 3] = [Party::P0, Party::P1, Party::P2];

type R = Z64;
type Running<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;
type Start = for<'w> fn(Op<'w, R>, Operands) -> Running<'w>;

/// One party's shares of the operands.
#[derive(Clone)]
struct Operands {
    x: Shares<R>,
    y: Shares<R>,
    bits: Shares<u64>,
}

/// Everything that interacts and is not an opening.
const OPERATIONS: &[(&str, Start)] = &[
    ("input", |op, with| {
        Box::pin(async move {
            match Part::of(op, Party::P1) {
                Part::Owner { to } => {
                    let mut x = with.x.next;
                    masked(op, to.other(), 0, &mut x);
                    op.tell([(to, Message::Elements(x))]).await;
                }
                Part::Near { from } => drop(receive(op, from, op.room(N)).await),
                Part::Far { .. } => op.idle().await,
            }
        })
    }),
    ("reshare", |op, with| Box::pin(async move { drop(reshare(op, with.x.next).await) })),
    ("and", |op, with| {
        Box::pin(async move {
            let Pair { next, prev } = with.bits;
            let z = vec![and_summand([next[0], prev[0]], [prev[0], next[0]])];
            drop(reshare_planes(op, Draw::Reshare, z, N).await);
        })
    }),
    ("to pair", |op, with| Box::pin(async move { drop(to_pair(op, with.x.next, R::ONE).await) })),
    ("truncate", |op, with| {
        let x = Operand::Shared(with.x);
        Box::pin(async move { drop(truncate(op, x, 16, Rounding::Probabilistic).await) })
    }),
    ("truncate a product", |op, with| {
        let x = Operand::Additive(with.x.next);
        Box::pin(async move { drop(truncate(op, x, 16, Rounding::Probabilistic).await) })
    }),
    ("truncate to the nearest", |op, with| {
        let x = Operand::Shared(with.x);
        Box::pin(async move { drop(truncate(op, x, 8, Rounding::Nearest).await) })
    }),
    ("sign", |op, with| {
        Box::pin(async move { drop(adder::sums(op, &Adder::new(10, 11), &addend(op, with.x)).await) })
    }),
    ("bits", |op, with| {
        Box::pin(async move { drop(adder::sums(op, &Adder::new(3, 8), &addend(op, with.x)).await) })
    }),
    ("word", |op, with| {
        let places = vec![with.bits.clone(), with.bits];
        Box::pin(async move { drop(word::word(op, places, N).await) })
    }),
    ("compose", |op, with| {
        let places = vec![with.bits.clone(), with.bits];
        Box::pin(async move { drop(compose::compose(op, places, N).await) })
    }),
    ("bit to element", |op, with| {
        Box::pin(async move { drop(word::bit_to_element(op, with.bits, N).await) })
    }),
    ("select", |op, with| {
        Box::pin(async move { drop(select::select(op, with.bits, with.x, None, false).await) })
    }),
    ("select, additive", |op, with| {
        Box::pin(async move { drop(select::select(op, with.bits, with.x, None, true).await) })
    }),
    ("select again", |op, with| {
        let kept = Some(with.y.next);
        Box::pin(async move { drop(select::select(op, with.bits, with.x, kept, false).await) })
    }),
];

/// Operations that tell something.
const LEAKS: &[(&str, Start)] = &[
    ("a message without a mask", |op, with| Box::pin(tell_corner(op, with, |_, share| share))),
    ("a mask that the receiver knows", |op, with| {
        Box::pin(tell_corner(op, with, |op, mut share| {
            op.each(&mut share, [op.masks(op.side(Role::Corner), Draw::Input)], [], |x, [mask], []| x - mask);
            share
        }))
    }),
    ("one mask for two messages", |op, with| {
        Box::pin(async move {
            let (corner, other) = (op.side(Role::Corner), op.side(op.role().partner()));
            match op.role() {
                Role::A => {
                    let sent = [with.x[other].clone(), with.y[other].clone()].map(|mut share| {
                        op.each(&mut share, [op.masks(other, Draw::Input)], [], |x, [mask], []| x - mask);
                        (corner, Message::Elements(share))
                    });
                    op.tell(sent).await;
                }
                Role::Corner => {
                    let room = || (op.side(Role::A), Message::Elements(op.room(N)));
                    op.hear([room(), room()]).await;
                }
                Role::B => op.idle().await,
            }
        })
    }),
];

/// A sends the share that the corner misses, as `made`.
async fn tell_corner<'w>(op: Op<'w, R>, with: Operands, made: impl Fn(Op<'w, R>, Vec<R>) -> Vec<R>) {
    match op.role() {
        Role::A => {
            let share = made(op, with.x[op.side(Role::B)].clone());
            op.tell([(op.side(Role::Corner), Message::Elements(share))]).await;
        }
        Role::Corner => {
            op.hear([(op.side(Role::A), Message::Elements(op.room(N)))]).await;
        }
        Role::B => op.idle().await,
    }
}

/// Pseudo-random words.
fn word_at(seed: u64, index: u64) -> u64 {
    let hash = blake3::hash(&[seed.to_le_bytes(), index.to_le_bytes()].concat());
    u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]))
}

/// The parties' shares: those of `receiver` are fixed, and what it misses makes `secret` (of bits, the lowest of it).
fn operands(receiver: Party, secret: R) -> [Operands; 3] {
    let fixed = |seed: u64| {
        let mut shares =
            [1, 2, 3].map(|i| (0..N as u64).map(|j| R::from_u64(word_at(seed + i, j))).collect::<Vec<_>>());
        let [held, other] = [receiver.next(), receiver.prev()].map(|party| &shares[party.index()]);
        let missing = held.iter().zip(other).map(|(x, y)| secret - *x - *y).collect();
        shares[receiver.index()] = missing;
        shares
    };
    let mut bits = [0, 1, 2].map(|i| word_at(70, i) & 0xff);
    let pattern = if secret.bit(0) { 0xff } else { 0 };
    bits[receiver.index()] = pattern ^ bits[receiver.next().index()] ^ bits[receiver.prev().index()];
    let (x, y) = (fixed(10), fixed(20));
    // party i has x_{i-1} in common with the next
    let share =
        |me: Party, of: &[Vec<R>; 3]| Pair::new(of[me.prev().index()].clone(), of[me.next().index()].clone());
    PARTIES.map(|me| Operands {
        x: share(me, &x),
        y: share(me, &y),
        bits: Pair::new(vec![bits[me.prev().index()]], vec![bits[me.next().index()]]),
    })
}

/// All that `receiver` receives in one run, of which `trial` fixes the key that it does not know.
fn view(start: Start, route: Route, receiver: Party, secret: R, trial: u32) -> Vec<u8> {
    let mut pairs = [[1; 16], [2; 16], [3; 16]];
    let unknown = blake3::hash(&trial.to_le_bytes());
    pairs[receiver.next().index()] = std::array::from_fn(|i| unknown.as_bytes()[i]);
    let worlds = PARTIES.map(|me| {
        let keys = Pair::new(pairs[me.index()], pairs[me.prev().index()]);
        World::<R>::new(me, keys, Key::new(&[4; 16]), Threads::single())
    });
    let mut parties: Vec<_> = worlds
        .iter()
        .zip(operands(receiver, secret))
        .map(|(world, with)| {
            let address = Address { instruction: 5, iteration: 6 };
            Some(start(Op::new(world, address, route).expect("a small address"), with))
        })
        .collect();
    let mut seen = Vec::new();
    while parties.iter().any(Option::is_some) {
        for party in &mut parties {
            let running = party.as_mut().expect("all parties take equally many rounds");
            if let Poll::Ready(()) = running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                *party = None;
            }
        }
        for (world, side) in worlds.iter().flat_map(|world| Side::BOTH.map(|side| (world, side))) {
            let to = world.me.at(side);
            let bytes = world.take_outgoing(to);
            worlds[to.index()].deliver(world.me, &bytes);
            if to == receiver {
                seen.extend(bytes);
            }
        }
    }
    seen
}

/// Samples of all receivers' views; those that receive nothing have none.
fn receivers(start: Start, route: Route) -> Vec<(Party, [Vec<Vec<u8>>; 2])> {
    let sample = |receiver: Party| {
        [R::MIN, R::MAX]
            .map(|secret| (0..TRIALS).map(|trial| view(start, route, receiver, secret, trial)).collect())
    };
    PARTIES
        .into_iter()
        .map(|receiver| (receiver, sample(receiver)))
        .filter(|(_, s): &(_, [Vec<Vec<u8>>; 2])| !s[0][0].is_empty())
        .collect()
}

#[test]
fn views_are_uniform() {
    for (name, start) in OPERATIONS {
        for route in [Route(1), Route(5)] {
            let receivers = receivers(*start, route);
            assert!(!receivers.is_empty(), "{name} sends nothing");
            for (receiver, samples) in receivers {
                uniform::check(&samples, N)
                    .unwrap_or_else(|fault| panic!("{name}, {route:?}, {receiver}: {fault}"));
            }
        }
    }
}

#[test]
fn leaks_are_noticed() {
    for (name, start) in LEAKS {
        let receivers = receivers(*start, Route(0));
        assert_eq!(receivers.len(), 1, "only the corner receives");
        let fault = uniform::check(&receivers[0].1, N).expect_err(name);
        println!("{name}: {fault}");
    }
}
