//! What a party receives tells it nothing: per operation and receiver, with the receiver's key, its shares and what is open fixed and the other's key drawn anew each time, all that
//! comes from the other party and from the dealer is uniform, by itself and in pairs, and distributed alike whether the secret is the smallest or the largest. Messages of
//! outputs are no part of this: they are meant to tell something. The dealer receives nothing, which the links count (`vm/tests/parties`).

use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::adder::{self, Network};
use super::draw::Draw;
use super::op::{Op, World};
use super::opened::{self, Opened};
use super::parcel::{Outgoing, Parcel};
use super::truncate::{self, Dealt, Masked, Truncation};
use super::{select, word};
use crate::machine::Address;
use crate::net::Party;
use crate::par::Threads;
use crate::prg::Key;
use crate::protocol::uniform::{self, Running};
use crate::ring::{Ring, Z52};

/// Elements of every operand: of half as many, values of any width are whole bytes, and so are planes of bits.
const N: usize = 16;

type R = Z52;
/// What the dealer sends, from the masks of two opened values.
type Deal = for<'w> fn(Op<'w, R>, [Vec<R>; 2], &mut Outgoing);
/// A party's part, with what it is dealt.
type Start = for<'w> fn(Op<'w, R>, Operands, Parcel) -> Running<'w>;

/// What a party has of the operands.
#[derive(Clone)]
struct Operands {
    /// A share of an additive value.
    share: Vec<R>,
    /// An opened value.
    x: Opened<R>,
    /// A share of bits.
    bits: Vec<u64>,
}

const NOTHING: Deal = |_, _, _| ();

/// Truncations whose dealt and opened values are whole bytes.
const SHARES: Truncation =
    Truncation { bits: 16, width: R::BITS, rounding: Rounding::Probabilistic, opened: None };
const NARROW: Truncation = Truncation { bits: 16, width: 48, ..SHARES };
const NEAREST: Truncation = Truncation { bits: 8, rounding: Rounding::Nearest, ..SHARES };
const EXTENSION: Truncation = Truncation { bits: 0, width: 40, ..SHARES };
const UNDER: Masked = Masked { more: 16, mask: 3 };
const TO_OPENED: Truncation = Truncation { opened: Some(UNDER), ..NARROW };

const TRUNCATIONS: [(&str, Deal, Start); 5] = [
    (
        "truncate",
        |op, [mask, _], to| drop(truncate::deal(op, mask, SHARES, to)),
        |op, with, from| truncation(op, with, from, SHARES),
    ),
    (
        "truncate fewer bits",
        |op, [mask, _], to| drop(truncate::deal(op, mask, NARROW, to)),
        |op, with, from| truncation(op, with, from, NARROW),
    ),
    (
        "truncate to the nearest",
        |op, [mask, _], to| drop(truncate::deal(op, mask, NEAREST, to)),
        |op, with, from| truncation(op, with, from, NEAREST),
    ),
    (
        "extend",
        |op, [mask, _], to| drop(truncate::deal(op, mask, EXTENSION, to)),
        |op, with, from| truncation(op, with, from, EXTENSION),
    ),
    (
        "truncate to an opened value",
        |op, [mask, _], to| drop(truncate::deal(op, mask, TO_OPENED, to)),
        |op, with, mut from| {
            let dealt = Dealt::take(op, N, TO_OPENED, &mut from);
            Box::pin(async move {
                drop(truncate::to_opened(op, with.x.open, TO_OPENED, UNDER, dealt).await);
            })
        },
    ),
];

fn truncation(op: Op<'_, R>, with: Operands, mut from: Parcel, how: Truncation) -> Running<'_> {
    let dealt = Dealt::take(op, N, how, &mut from);
    Box::pin(async move { drop(truncate::truncate(op, with.x.open, how, dealt).await) })
}

/// Everything that is dealt or sent and is not an output.
const OPERATIONS: &[(&str, Deal, Start)] = &[
    ("open", NOTHING, |op, with, _| {
        Box::pin(async move { drop(opened::open(op, with.share, R::BITS, op.mask_of(op.me(), 3)).await) })
    }),
    ("open fewer bits", NOTHING, |op, with, _| {
        Box::pin(async move { drop(opened::open(op, with.share, 48, op.mask_of(op.me(), 3)).await) })
    }),
    ("input", NOTHING, |op, with, _| {
        Box::pin(async move {
            if op.leads() {
                let mut x = with.share;
                op.each(&mut x, [opened::input_mask(op, 0)], [], |x, [mask], []| x - mask);
                op.tell(x).await;
            } else {
                op.hear(N).await;
            }
        })
    }),
    (
        "product",
        |op, [a, b], to| {
            to.elements(op, Draw::Product, op.make(N, [], [&a, &b], |[], [a, b]| a * b), R::BITS);
        },
        |op, _, mut from| {
            drop(from.elements::<R>(op, Draw::Product, N, R::BITS));
            Box::pin(async {})
        },
    ),
    TRUNCATIONS[0],
    TRUNCATIONS[1],
    TRUNCATIONS[2],
    TRUNCATIONS[3],
    TRUNCATIONS[4],
    (
        "sign",
        |op, [mask, _], to| adder::deal(op, &Adder::new(10, 11), &mask, to),
        |op, with, mut from| {
            let network = Network::take(op, Adder::new(10, 11), N, &mut from);
            Box::pin(async move { drop(network.sums(op, &with.x.open).await) })
        },
    ),
    (
        "bits",
        |op, [mask, _], to| adder::deal(op, &Adder::new(3, 8), &mask, to),
        |op, with, mut from| {
            let network = Network::take(op, Adder::new(3, 8), N, &mut from);
            Box::pin(async move { drop(network.sums(op, &with.x.open).await) })
        },
    ),
    (
        "and",
        |op, _, to| word::deal_and(op, N, to),
        |op, with, mut from| {
            let product = from.planes(op, Draw::Conjunction, N, 1);
            Box::pin(async move { drop(word::and(op, with.bits.clone(), with.bits, N, product).await) })
        },
    ),
    (
        "word",
        |op, _, to| word::deal(op, 2, N, to),
        |op, with, mut from| {
            let masks = word::take(op, 2, N, &mut from);
            let places = [with.bits.clone(), with.bits].concat();
            Box::pin(async move { drop(word::word(op, places, N, masks).await) })
        },
    ),
    (
        "select",
        |op, [mask, _], to| {
            let bits = select::masks(op, N);
            to.elements(op, Draw::Half, bits.clone(), R::BITS);
            select::deal(op, &bits, mask, to);
        },
        |op, with, mut from| {
            let part = from.elements(op, Draw::Half, N, R::BITS);
            let product = from.elements(op, Draw::Chosen, N, R::BITS);
            Box::pin(async move {
                let half = select::open(op, with.bits, N, part).await;
                drop(select::select(op, &half, with.x, product));
            })
        },
    ),
];

/// Operations that tell something, to party 0 alone.
const LEAKS: &[(&str, Deal, Start)] = &[
    ("a message without a mask", NOTHING, |op, with, _| Box::pin(tell(op, vec![with.share]))),
    ("a mask that the receiver knows", NOTHING, |op, with, _| {
        Box::pin(async move {
            let mut share = with.share;
            // the keys of both are the same in this one
            op.each(
                &mut share,
                [op.stream(KNOWN.get_or_init(known), 77).values(R::BITS)],
                [],
                |x, [mask], []| x - mask,
            );
            tell(op, vec![share]).await;
        })
    }),
    ("one mask for two values", NOTHING, |op, with, _| {
        Box::pin(async move {
            let sent = [with.share, with.x.part].map(|mut share| {
                op.each(&mut share, [op.mask_of(op.me(), 3)], [], |x, [mask], []| x - mask);
                share
            });
            tell(op, sent.into()).await;
        })
    }),
    (
        "what is dealt without the other's share",
        |op, [mask, _], to| {
            let _ = op;
            to.to[0].extend_from_slice(bytemuck::cast_slice(&mask));
        },
        |_, _, _| Box::pin(async {}),
    ),
];

static KNOWN: std::sync::OnceLock<Key> = std::sync::OnceLock::new();

fn known() -> Key {
    Key::new(&[9; 16])
}

/// Party 1 sends, party 0 receives.
async fn tell(op: Op<'_, R>, messages: Vec<Vec<R>>) {
    let message = messages.concat();
    if op.leads() {
        op.hear(message.len()).await;
    } else {
        op.tell(message).await;
    }
}

/// The parties' operands, and the masks of opened values at the dealer: what `receiver` has is fixed, as is what is open; what it misses makes `secret`.
fn operands(receiver: Party, secret: R) -> ([Operands; 2], [Vec<R>; 2]) {
    let other = 1 - receiver.index();
    let shares = uniform::words::<R, 2>(other, 10, N, secret);
    let bits = uniform::bits::<2>(other, 70, N, secret.bit(0));
    // of three words that make the secret, the first is open
    let words = uniform::words::<R, 3>(1 + other, 20, N, secret);
    let sum = |x: &[R], y: &[R]| x.iter().zip(y).map(|(x, y)| *x + *y).collect::<Vec<R>>();
    let mask = sum(&words[1], &words[2]);
    let at = |i: usize| Operands {
        share: shares[i].clone(),
        x: Opened { open: words[0].clone(), part: words[1 + i].clone() },
        bits: vec![bits[i]],
    };
    ([at(0), at(1)], [mask.clone(), mask])
}

/// All that `receiver` receives in one run.
fn view((deal, start): (Deal, Start), receiver: Party, secret: R, trial: u32) -> Vec<u8> {
    let mut keys = [[1; 16], [2; 16]];
    keys[1 - receiver.index()] = uniform::unknown_key(trial);
    let [zero, one] = keys.each_ref().map(Key::new);
    let both = keys.each_ref().map(|key| Some(Key::new(key)));
    let world = |me, keys| World::<R>::new(me, keys, None, Threads::single());
    let worlds = [world(Party::P0, [Some(zero), None]), world(Party::P1, [None, Some(one)])];
    let dealer = world(Party::P2, both);
    let address = Address { instruction: 5, iteration: 6 };
    let op = |world| Op::new(world, address).expect("a small address");
    let (with, masks) = operands(receiver, secret);
    let mut outgoing = Outgoing::default();
    deal(op(&dealer), masks, &mut outgoing);
    let mut seen = outgoing.to[receiver.index()].clone();
    let parcels = outgoing.to.map(Parcel::new);
    let part = |((world, with), parcel)| start(op(world), with, parcel);
    let parts = worlds.iter().zip(with).zip(parcels).map(part).collect();
    seen.extend(uniform::view(&worlds.each_ref().map(|world| &world.rounds), parts, receiver));
    seen
}

fn receivers(deal: Deal, start: Start) -> Vec<(Party, uniform::Samples)> {
    uniform::receivers(2, |receiver, secret, trial| view((deal, start), receiver, secret, trial))
}

#[test]
fn views_are_uniform() {
    for (name, deal, start) in OPERATIONS {
        uniform::expect_uniform(name, receivers(*deal, *start), N);
    }
}

#[test]
fn leaks_are_noticed() {
    for (name, deal, start) in LEAKS {
        uniform::expect_leak(name, &receivers(*deal, *start), N);
    }
}
