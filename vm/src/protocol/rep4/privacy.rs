//! What a party receives tells it nothing: per operation and receiver, with the receiver's keys and shares fixed and the key that it lacks drawn anew each
//! time, the received messages are uniform, by themselves and in pairs, and distributed alike whether the secret is the smallest or the
//! largest. Messages of openings are no part of this: they are meant to tell something; those of the comparison before them are.

use std::marker::PhantomData;

use tern_bytecode::Route;
use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::op::{Op, Shares};
use super::reshare::{addend, reshare};
use super::truncate::{Operand, truncate};
use super::{World, adder, check, compose, draw, select, word};
use crate::machine::Address;
use crate::net::Party;
use crate::par::Threads;
use crate::prg::Key;
use crate::protocol::linear::Halves;
use crate::protocol::uniform::{self, Running, Samples};
use crate::ring::{Ring, Z52};
use crate::rounds::engine::Message;

/// Elements of every operand: planes of bits are then whole bytes, or not.
const SIZES: [usize; 2] = [8, 5];

type Start<R> = for<'w> fn(Op<'w, R>, Operands<R>) -> Running<'w>;

/// One party's shares of the operands, by role; and the terms of one as an additive value, by partner.
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
        ("reshare", |op, with| Box::pin(async move { drop(reshare(op, with.x, with.n).await) })),
        ("and", |op, with| {
            Box::pin(async move {
                drop(adder::and(op, &with.bits, &with.bits, 1, with.n, draw::Draw::Reshare).await);
            })
        }),
        ("truncate", |op, with| {
            let x = Operand::Shared(with.x);
            Box::pin(async move { drop(truncate(op, x, with.n, 16, Rounding::Probabilistic).await) })
        }),
        ("truncate a product", |op, with| {
            let x = Operand::Additive(with.x);
            Box::pin(async move { drop(truncate(op, x, with.n, 16, Rounding::Probabilistic).await) })
        }),
        ("truncate to the nearest", |op, with| {
            let x = Operand::Shared(with.x);
            Box::pin(async move { drop(truncate(op, x, with.n, 8, Rounding::Nearest).await) })
        }),
        ("sign", |op, with| {
            Box::pin(async move { drop(adder::sums(op, &Adder::new(10, 11), addend(op, with.x)).await) })
        }),
        ("bits", |op, with| {
            Box::pin(async move { drop(adder::sums(op, &Adder::new(3, 8), addend(op, with.x)).await) })
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
            Box::pin(
                async move { drop(select::select(op, with.bits, with.x, with.n, Halves::New, false).await) },
            )
        }),
        ("select, additive", |op, with| {
            Box::pin(
                async move { drop(select::select(op, with.bits, with.x, with.n, Halves::New, true).await) },
            )
        }),
        ("select again", |op, with| {
            let kept = Halves::Kept(with.y);
            Box::pin(async move { drop(select::select(op, with.bits, with.x, with.n, kept, false).await) })
        }),
    ];

    /// Operations that tell something.
    const LEAKS: &[(&str, Start<R>)] = &[
        ("a message without a mask", |op, with| {
            Box::pin(async move {
                // to role 0 the summand that it lacks
                match op.role {
                    0 => drop(
                        op.round_of(vec![], vec![(op.party(1), Message::Elements(op.room(with.n)))]).await,
                    ),
                    1 => {
                        let message = Message::Elements(with.x[0].clone());
                        drop(op.round_of(vec![(op.party(0), message)], vec![]).await);
                    }
                    _ => drop(op.round_of(vec![], vec![]).await),
                }
            })
        }),
        ("a mask that the receiver knows", |op, with| {
            Box::pin(async move {
                match op.role {
                    0 => drop(
                        op.round_of(vec![], vec![(op.party(1), Message::Elements(op.room(with.n)))]).await,
                    ),
                    1 => {
                        let mut share = with.x[0].clone();
                        op.each(
                            &mut share,
                            [op.narrow(2, draw::Draw::Input, R::BITS)],
                            [],
                            |x, [mask], []| x - mask,
                        );
                        drop(op.round_of(vec![(op.party(0), Message::Elements(share))], vec![]).await);
                    }
                    _ => drop(op.round_of(vec![], vec![]).await),
                }
            })
        }),
    ];
}

/// All that `receiver` receives in one run: the summands that it has are fixed, and what it lacks makes `secret` (of bits, the lowest of it).
fn view<R: Ring>(
    start: Start<R>,
    route: Route,
    receiver: Party,
    (secret, n): (R, usize),
    trial: u32,
) -> Vec<u8> {
    let mut keys = [[1; 16], [2; 16], [3; 16], [4; 16]];
    keys[receiver.index()] = uniform::unknown_key(trial);
    let worlds: Vec<_> = Party::all(4)
        .map(|me| {
            let held: Vec<_> = (0..4).map(|i| (i != me.index()).then_some(keys[i])).collect();
            World::<R>::new(me, &held, Key::new(&[5; 16]), Threads::single())
        })
        .collect();
    let [x, y] = [10, 20].map(|seed| uniform::words::<R, 4>(receiver.index(), seed, n, secret));
    let bits = uniform::bits::<4>(receiver.index(), 70, n, secret.bit(0)).map(|word| vec![word]);
    let part = |world| {
        let address = Address { instruction: 5, iteration: 6 };
        let op = Op::new(world, address, route).expect("a small address");
        let mut with = [x.clone(), y.clone()].map(|shares| op.by_role(shares));
        let mut bits = op.by_role(bits.clone());
        with.iter_mut().for_each(|shares| shares[op.role].clear());
        bits[op.role].clear();
        let [x, y] = with;
        start(op, Operands { n, x, y, bits })
    };
    let parts = worlds.iter().map(part).collect();
    let rounds: Vec<_> = worlds.iter().map(|world| &world.rounds).collect();
    uniform::view(&rounds, parts, receiver)
}

fn receivers<R: Ring>(start: Start<R>, route: Route, n: usize) -> Vec<(Party, Samples)> {
    uniform::receivers(4, |receiver, secret, trial| view(start, route, receiver, (secret, n), trial))
}

#[test]
fn views_are_uniform() {
    fn all<R: Ring>() {
        for (name, start) in Of::<R>::OPERATIONS {
            for (route, n) in [Route(1), Route(17)].into_iter().zip(SIZES) {
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

/// The digests of what a party has no part in are uniform to it, whatever was sent: here the same by all.
#[test]
fn comparisons_tell_nothing_of_others_messages() {
    let digests: Start<Z52> = |op, _| {
        Box::pin(async move {
            let agreed = check::compare(op).await;
            assert_eq!(agreed, Ok(()));
        })
    };
    for (receiver, samples) in receivers(digests, Route(0), 8) {
        // of each of the three senders, the second half: the first is of what the receiver knows itself
        let hidden = |views: &Vec<Vec<u8>>| -> Vec<Vec<u8>> {
            views.iter().map(|view| view[64..128].to_vec()).collect()
        };
        let samples = samples.each_ref().map(hidden);
        uniform::check(&samples, 8).unwrap_or_else(|fault| panic!("{receiver}: {fault}"));
    }
}
