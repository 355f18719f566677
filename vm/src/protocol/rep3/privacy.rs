//! What a party receives tells it nothing: per operation and receiver, with the receiver's two keys and shares fixed and the third key drawn anew each time,
//! the received messages are uniform, by themselves and in pairs, and distributed alike whether the secret is the smallest or the largest. Messages of
//! openings are no part of this: they are meant to tell something.

use std::marker::PhantomData;

use tern_bytecode::Route;
use tern_bytecode::circuit::Adder;
use tern_bytecode::model::rep3::Corner;
use tern_bytecode::program::Rounding;

use super::draw::Draw;
use super::input_output::entries;
use super::op::{Op, Role, World};
use super::reshare::{Shares, addend, and_summand, reshare, reshare_planes, to_pair};
use super::ring::{OnRing, Pair};
use super::truncate::{Operand, truncate};
use super::{adder, compare, compose, select, word};
use crate::machine::Address;
use crate::net::Party;
use crate::par::Threads;
use crate::prg::Key;
use crate::protocol::linear::Entry;
use crate::protocol::uniform::{self, Running, Samples};
use crate::ring::{Ring, Z52};
use crate::rounds::engine::Message;

/// Elements of every operand: planes of bits are then whole bytes, or not.
const SIZES: [usize; 2] = [8, 5];

const PARTIES: [Party; 3] = [Party::P0, Party::P1, Party::P2];

type Start<R> = for<'w> fn(Op<'w, R>, Operands<R>) -> Running<'w>;

/// One party's shares of the operands.
#[derive(Clone)]
struct Operands<R> {
    n: usize,
    x: Shares<R>,
    y: Shares<R>,
    bits: Shares<u64>,
}

/// Operations on a ring.
struct Of<R>(PhantomData<R>);

impl<R: Ring> Of<R> {
    /// Everything that interacts and is not an opening.
    const OPERATIONS: &[(&str, Start<R>)] = &[
        ("input", |op, with| {
            Box::pin(async move {
                let owner = Party::P1;
                let entries = <[Entry<'_>; 2]>::from(entries(op, owner));
                if entries.iter().any(|entry| matches!(entry, Entry::Received)) {
                    op.hear([(op.side_of(owner), Message::Elements(op.room(with.n)))]).await;
                    return;
                }
                let [mut x, mut mask] = [with.x.next, op.room(with.n)];
                for entry in &entries {
                    if let Entry::Stream(stream) = entry {
                        stream.fill_bits(&op.world.threads, R::BITS, 0, &mut mask);
                        op.each(&mut x, [], [&mask], |x, [], [r]| x - r);
                    }
                }
                let rest = entries.iter().find_map(|entry| match entry {
                    Entry::Rest(to) => Some(op.side_of(to[0])),
                    Entry::None | Entry::Zero | Entry::Stream(_) | Entry::Received => None,
                });
                match rest {
                    Some(to) => drop(op.tell([(to, Message::Elements(x))]).await),
                    None => op.idle().await,
                }
            })
        }),
        ("reshare", |op, with| Box::pin(async move { drop(reshare(op, with.x.next).await) })),
        ("and", |op, with| {
            Box::pin(async move {
                let Pair { next, prev } = with.bits;
                let z = vec![and_summand([next[0], prev[0]], [prev[0], next[0]])];
                drop(reshare_planes(op, Draw::Reshare, z, with.n).await);
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
            Box::pin(async move { drop(word::word(op, places, with.n).await) })
        }),
        ("compose", |op, with| {
            let places = vec![with.bits.clone(), with.bits];
            Box::pin(async move { drop(compose::compose(op, places, with.n).await) })
        }),
        ("bit to element", |op, with| {
            Box::pin(async move { drop(word::bit_to_element(op, with.bits, with.n).await) })
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
        ("select a quotient", |op, with| {
            let x = Operand::Shared(with.x);
            Box::pin(
                async move { drop(select::select_quotient(op, with.bits, x, 16, with.y.next, false).await) },
            )
        }),
        ("select a quotient of a product", |op, with| {
            let x = Operand::Additive(with.x.next);
            Box::pin(
                async move { drop(select::select_quotient(op, with.bits, x, 9, with.y.next, true).await) },
            )
        }),
    ];

    /// A comparison by a test for zero. Its corner is to see something in the sum of two messages, which is looked at in [`tests_tell_nothing`].
    const TESTED: Start<R> =
        |op, with| Box::pin(async move { drop(compare::sign(op, 16, 48, addend(op, with.x)).await) });

    /// Operations that tell something.
    const LEAKS: &[(&str, Start<R>)] = &[
        ("a message without a mask", |op, with| Box::pin(tell_corner(op, with, |_, share| share))),
        ("a mask that the receiver knows", |op, with| {
            Box::pin(tell_corner(op, with, |op, mut share| {
                op.each(&mut share, [op.masks(op.side(Role::Corner), Draw::Input)], [], |x, [mask], []| {
                    x - mask
                });
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
                        let room = || (op.side(Role::A), Message::Elements(op.room(with.n)));
                        op.hear([room(), room()]).await;
                    }
                    Role::B => op.idle().await,
                }
            })
        }),
    ];
}

/// A sends the share that the corner misses, as `made`.
async fn tell_corner<'w, R: Ring>(
    op: Op<'w, R>,
    with: Operands<R>,
    made: impl Fn(Op<'w, R>, Vec<R>) -> Vec<R>,
) {
    match op.role() {
        Role::A => {
            let share = made(op, with.x[op.side(Role::B)].clone());
            op.tell([(op.side(Role::Corner), Message::Elements(share))]).await;
        }
        Role::Corner => {
            op.hear([(op.side(Role::A), Message::Elements(op.room(with.n)))]).await;
        }
        Role::B => op.idle().await,
    }
}

/// The parties' shares of `n` elements: those of `receiver` are fixed, and what it misses makes `secret` (of bits, the lowest of it).
fn operands<R: Ring>(receiver: Party, secret: R, n: usize) -> [Operands<R>; 3] {
    let [x, y] = [10, 20].map(|seed| uniform::words::<R, 3>(receiver.index(), seed, n, secret));
    let bits = uniform::bits::<3>(receiver.index(), 70, n, secret.bit(0));
    // party i has x_{i-1} in common with the next
    let share =
        |me: Party, of: &[Vec<R>; 3]| Pair::new(of[me.prev().index()].clone(), of[me.next().index()].clone());
    PARTIES.map(|me| Operands {
        n,
        x: share(me, &x),
        y: share(me, &y),
        bits: Pair::new(vec![bits[me.prev().index()]], vec![bits[me.next().index()]]),
    })
}

/// All that `receiver` receives in one run.
fn view<R: Ring>(
    start: Start<R>,
    route: Route,
    receiver: Party,
    (secret, n): (R, usize),
    trial: u32,
) -> Vec<u8> {
    let mut pairs = [[1; 16], [2; 16], [3; 16]];
    pairs[receiver.next().index()] = uniform::unknown_key(trial);
    let worlds = PARTIES.map(|me| {
        let keys = Pair::new(pairs[me.index()], pairs[me.prev().index()]);
        World::<R>::new(me, keys, Key::new(&[4; 16]), Threads::single())
    });
    let part = |(world, with)| {
        let address = Address { instruction: 5, iteration: 6 };
        start(Op::new(world, address, route).expect("a small address"), with)
    };
    let parts = worlds.iter().zip(operands(receiver, secret, n)).map(part).collect();
    uniform::view(&worlds.each_ref().map(|world| &world.rounds), parts, receiver)
}

fn receivers<R: Ring>(start: Start<R>, route: Route, n: usize) -> Vec<(Party, Samples)> {
    uniform::receivers(3, |receiver, secret, trial| view(start, route, receiver, (secret, n), trial))
}

#[test]
fn views_are_uniform() {
    fn all<R: Ring>() {
        for (name, start) in Of::<R>::OPERATIONS {
            for (route, n) in [Route(1), Route(5)].into_iter().zip(SIZES) {
                let name = format!("{name}, {route:?}, {n} elements of {} bits", R::BITS);
                uniform::expect_uniform(&name, receivers(*start, route, n), n);
            }
        }
    }
    all::<Z52>();
}

#[test]
fn leaks_are_noticed() {
    for (name, start) in Of::<Z52>::LEAKS {
        SIZES.into_iter().for_each(|n| uniform::expect_leak(name, &receivers(*start, Route(0), n), n));
    }
}

/// What is tested for zero: A, the corner, B in turn receive it. Each message is uniform, to the corner the second one less the first is not: it is alike for both secrets, has one zero or none,
/// equally often and everywhere, and is uniform otherwise.
#[test]
fn tests_tell_nothing() {
    for (route, n) in [Route(1), Route(5)].into_iter().zip(SIZES) {
        let corner = Corner(route).party();
        for (receiver, samples) in receivers(Of::<Z52>::TESTED, route, n) {
            let name = format!("a test, {route:?}, {n} elements, {receiver}");
            if receiver.index() != corner {
                uniform::check(&samples, n).unwrap_or_else(|fault| panic!("{name}: {fault}"));
                continue;
            }
            let halves = |second: bool| {
                samples.each_ref().map(|views| {
                    let half = |view: &Vec<u8>| view[8 * n * usize::from(second)..][..8 * n].to_vec();
                    views.iter().map(half).collect()
                })
            };
            for half in [false, true] {
                uniform::check(&halves(half), n).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            }
            check_tests(&name, &samples, n);
        }
    }
}

/// What the corner sees in the sum of its two messages.
fn check_tests(name: &str, samples: &Samples, n: usize) {
    let trials = (samples[0].len() * n) as f64;
    let histograms = samples.each_ref().map(|views| {
        let (mut places, mut values) = (vec![0f64; 9], vec![0f64; 256]);
        for view in views {
            for element in 0..n {
                let sum: [u8; 8] =
                    std::array::from_fn(|i| view[8 * element + i] ^ view[8 * (n + element) + i]);
                let zeros = sum.iter().filter(|byte| **byte == 0).count();
                assert!(zeros < 2, "{name}: {zeros} zeros");
                places[sum.iter().position(|byte| *byte == 0).unwrap_or(8)] += 1.0;
                sum.iter().filter(|byte| **byte != 0).for_each(|byte| values[usize::from(*byte)] += 1.0);
            }
        }
        (places, values)
    });
    let near = |what: &str, found: f64, expected: f64| {
        let deviations = (found - expected).abs() / expected.sqrt();
        assert!(deviations < 6.0, "{name}: {what} {found} times, expected {expected}");
    };
    for (places, values) in &histograms {
        (0..8).for_each(|place| near(&format!("zero at {place}"), places[place], trials / 16.0));
        near("no zero", places[8], trials / 2.0);
        let rest = values.iter().sum::<f64>() / 255.0;
        (1..256).for_each(|value| near(&format!("value {value}"), values[value], rest));
    }
}
