//! Bits and rounds of the interactive instructions against the table of the design: at or under it, for the usual rings and the next larger ones.

use tern_bytecode::cost::{bytes, rounds, traffic};
use tern_bytecode::model::rep3::{Corner, MODEL};
use tern_bytecode::program::{Buffer, Dim, Header, Protocol, Rounding};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View};

const N: u64 = 64; // divisible by 8, so that bits per element come out exactly

/// Registers: 0 shared, 1 additive, 2 bit, 3 half, 4 planes of 5 bits, 5 shared.
fn program(ring: u32, frac: u32, rounding: Rounding) -> Program {
    let kinds = [Kind::Shared, Kind::Additive, Kind::Bit, Kind::Half, Kind::Bit, Kind::Shared];
    let flat = |buffer| View { buffer, offset: 0, dims: vec![Dim { size: N as u32, stride: 1 }] };
    let mut views: Vec<View> = (0..6).map(flat).collect();
    views[4].dims.insert(0, Dim { size: 5, stride: N as i64 });
    let header = Header {
        name: "t".into(),
        protocol: Protocol::Rep3,
        ring,
        frac,
        total: 2 * frac,
        rounding,
        args: vec![],
    };
    Program {
        buffers: kinds.iter().map(|kind| Buffer { kind: *kind, len: 5 * N }).collect(),
        views,
        ..Program::empty(header)
    }
}

fn cost(p: &Program, instr: Instr) -> (u64, u32) {
    let sent = bytes(&traffic(p, &instr));
    (sent * 8 / N, rounds(p, &instr))
}

#[test]
fn at_or_under_the_table() {
    let route = Route(0);
    let [value, sum, bit, half] = [0, 1, 2, 3].map(Reg);
    let dst = Reg(5);
    for (ring, frac, width, table) in [
        (52, 16, 32, [156, 100, 204, 333, 162, 156, 208, 156]),
        (64, 16, 32, [192, 112, 240, 383, 162, 192, 256, 192]),
        (104, 32, 64, [312, 200, 408, 675, 335, 312, 416, 312]),
        (128, 32, 64, [384, 224, 480, 771, 335, 384, 512, 384]),
    ] {
        let p = program(ring, frac, Rounding::Probabilistic);
        let nearest = program(ring, frac, Rounding::Nearest);
        let log = |n: u32| n.div_ceil(3).next_power_of_two().trailing_zeros();
        let rows = [
            (&p, Instr::Reshare { dst, a: sum, route }, 1),
            (&p, Instr::Truncate { dst, a: value, bits: frac, route }, 2),
            (&p, Instr::Truncate { dst, a: sum, bits: frac, route }, 3),
            (&nearest, Instr::Truncate { dst, a: value, bits: frac, route }, 4 + log(frac)),
            (&p, Instr::Sign { dst: bit, a: value, width, route }, 2 + log(width - 1)),
            (&p, Instr::Word { dst, a: bit, route }, 2),
            (&p, Instr::Select { dst, keep: Some(half), bit, a: value, route }, 2),
            (&p, Instr::SelectAgain { dst, half, bit, a: value, bits: 0, route }, 2),
        ];
        for ((p, instr, bound), bits) in rows.into_iter().zip(table) {
            let instr = match instr {
                Instr::Word { dst, route, .. } => {
                    // a single bit: one place before the value's axes
                    let mut q = p.clone();
                    q.views[4].dims[0].size = 1;
                    let (b, r) = cost(&q, Instr::Word { dst, a: Reg(4), route });
                    assert!(b <= bits && r <= bound, "word: {b} bits, {r} rounds");
                    continue;
                }
                other => other,
            };
            let (b, r) = cost(p, instr);
            assert!(b <= bits && r <= bound, "{}: {b} bits ({bits}), {r} rounds ({bound})", instr.name());
        }
    }
}

/// By a test for zero a sign of up to 33 bits takes 257 bits and three rounds, wherever it stands.
#[test]
fn tested_signs_take_three_rounds() {
    let p = program(64, 16, Rounding::Probabilistic);
    for (low, high) in [(0, 1), (0, 33), (16, 48), (31, 64)] {
        let instr = Instr::SignTested { dst: Reg(2), a: Reg(0), low, high, route: Route(0) };
        assert_eq!(cost(&p, instr), (257, 3));
    }
}

/// A later selection of a quotient takes the rounds of the division, and 6 k + 2 m bits in all of a product.
#[test]
fn selections_divide_on_the_way() {
    let p = program(64, 16, Rounding::Probabilistic);
    let [value, sum, bit, half, dst] = [0, 1, 2, 3, 5].map(Reg);
    let of = |a| cost(&p, Instr::SelectAgain { dst, half, bit, a, bits: 16, route: Route(0) });
    assert_eq!((of(value), of(sum)), ((4 * 64 + 2 * 16, 2), (6 * 64 + 2 * 16, 3)));
    let (bits, rounds) = [
        Instr::Truncate { dst, a: sum, bits: 16, route: Route(0) },
        Instr::SelectAgain { dst, half, bit, a: value, bits: 0, route: Route(0) },
    ]
    .map(|instr| cost(&p, instr))
    .into_iter()
    .fold((0, 0), |(bits, rounds), (b, r)| (bits + b, rounds + r));
    assert_eq!((bits, rounds), (of(sum).0 + 16, of(sum).1 + 2), "one after the other");
}

/// Four parties send at most twice what three do, in no more rounds: a product 384 bits, with its truncation 480, a sign of 32 bits 324.
#[test]
fn four_parties_send_at_most_twice_the_bits_of_three() {
    let (dst, route) = (Reg(5), Route(0));
    let [value, sum, bit, half] = [0, 1, 2, 3].map(Reg);
    let instrs = [
        (Instr::Reshare { dst, a: sum, route }, 384),
        (Instr::Truncate { dst, a: sum, bits: 16, route }, 480),
        (Instr::Sign { dst: bit, a: value, width: 32, route }, 324),
        (Instr::Select { dst, keep: Some(half), bit, a: value, route }, 512),
        (Instr::SelectAgain { dst, half, bit, a: value, bits: 0, route }, 384),
    ];
    let three = program(64, 16, Rounding::Probabilistic);
    let mut four = three.clone();
    four.header.protocol = Protocol::Rep4;
    for (instr, limit) in instrs {
        let ((bits, rounds), (bits4, rounds4)) = (cost(&three, instr), cost(&four, instr));
        assert!(bits4 <= limit && bits4 <= 2 * bits, "{}: {bits4} bits, {bits} of three", instr.name());
        assert!(rounds4 <= rounds, "{}: {rounds4} rounds, {rounds} of three", instr.name());
    }
}

/// A word of 32 places modulo 2^128: the adder (33 + 2·32 + 3·129), the sum opened, the carry with 96 bits three times, the sum shared.
#[test]
fn long_words_are_cheaper_through_an_adder() {
    let mut p = program(128, 32, Rounding::Probabilistic);
    p.views[4].dims[0].size = 32;
    let (bits, rounds) = cost(&p, Instr::Compose { dst: Reg(5), a: Reg(4), route: Route(0) });
    assert_eq!((bits, rounds), (33 + 64 + 387 + 32 + 3 * 96 + 128, 2 + 5 + 2));
    let (word, _) = cost(&p, Instr::Word { dst: Reg(5), a: Reg(4), route: Route(0) });
    assert!(bits < word / 4, "{bits} bits against {word}");
}

#[test]
fn links_are_those_of_the_route() {
    let p = program(64, 16, Rounding::Probabilistic);
    for route in MODEL.all_routes() {
        let t = traffic(&p, &Instr::Truncate { dst: Reg(5), a: Reg(1), bits: 16, route });
        let corner = Corner(route);
        let (a, b, c) = (corner.a(), corner.b(), corner.party());
        assert_eq!(t.len(), 3);
        assert_eq!((t[0][a][c], t[0][b][c]), (8 * N, 8 * N));
        assert_eq!(t[1][c][b], 8 * N + 2 * N);
        assert_eq!((t[2][a][b], t[2][b][a]), (2 * N, 2 * N));
    }
}

/// A program of the protocol with a dealer at f = 16; the result of a truncation or selection in register 1 is additive, in register 5 opened.
fn opened() -> Program {
    let mut p = program(64, 16, Rounding::Probabilistic);
    p.header.protocol = Protocol::Dealer;
    p
}

#[test]
fn with_a_dealer_a_product_of_opened_values_sends_nothing() {
    assert_eq!(cost(&opened(), Instr::Mul { dst: Reg(1), a: Reg(0), b: Reg(5) }), (0, 0));
}

#[test]
fn with_a_dealer_an_opening_sends_128_bits_and_fewer_where_fewer_are_used() {
    let open = |width| Instr::Open { dst: Reg(5), a: Reg(1), width, mask: 0 };
    assert_eq!(cost(&opened(), open(64)), (128, 1));
    assert_eq!(cost(&opened(), open(49)), (98, 1));
}

#[test]
fn with_a_dealer_a_truncation_of_an_opened_value_sends_nothing_unless_its_result_is_opened() {
    let truncate = |dst, more| Instr::TruncateOpened { dst, a: Reg(0), bits: 16, width: 64, more, mask: 0 };
    assert_eq!(cost(&opened(), truncate(Reg(1), 0)), (0, 0));
    assert_eq!(cost(&opened(), truncate(Reg(5), 0)), (0, 0));
    assert_eq!(cost(&opened(), truncate(Reg(5), 16)), (32, 1));
}

#[test]
fn with_a_dealer_a_sign_of_32_bits_sends_at_most_52_in_4_rounds() {
    let (bits, rounds) = cost(&opened(), Instr::Sign { dst: Reg(2), a: Reg(0), width: 32, route: Route(0) });
    assert!(bits <= 52 && rounds <= 4, "{bits} bits in {rounds} rounds");
}

#[test]
fn with_a_dealer_a_rectifier_with_its_opening_sends_at_most_182_bits_in_6_rounds() {
    let p = opened();
    let (bit, route) = (Reg(2), Route(0));
    let all = [
        Instr::Open { dst: Reg(0), a: Reg(1), width: 64, mask: 0 },
        Instr::Sign { dst: bit, a: Reg(0), width: 32, route },
        Instr::Select { dst: Reg(1), keep: None, bit, a: Reg(0), route },
    ];
    let costs = all.map(|instr| cost(&p, instr));
    let (bits, rounds) = costs.iter().fold((0, 0), |(b, r), cost| (b + cost.0, r + cost.1));
    assert!(bits <= 182 && rounds <= 6, "{bits} bits in {rounds} rounds");
}
