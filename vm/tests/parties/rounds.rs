//! Rounds are shared: whatever is ready travels together. And a message that is not what was announced is noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tern_bytecode::program::Rounding;
use tern_bytecode::{Instr, Kind, Program, Protocol, Reg, Route, cost};
use tern_vm::net::{Party, memory};
use tern_vm::ring::{Ring, Z64};
use tern_vm::run_party;

use super::support::{Build, Memo, STALL, emulated, seeded, shared};

/// Two comparisons, one after the other or side by side, of different values by different routes.
fn comparisons(protocol: Protocol, side_by_side: bool) -> Build {
    let mut b = Build::new(protocol, 64, Rounding::Nearest);
    let operands: Vec<(Reg, Reg, Route)> = [(0, Route(1)), (1, Route(5))]
        .map(|(from, route)| (b.input(&[70], from, route), b.reg(Kind::Bit, &[70]), route))
        .into();
    for (a, dst, route) in &operands {
        let route = Route(route.0 % protocol.model().routes);
        let sign = Instr::Sign { dst: *dst, a: *a, width: 64, route };
        if side_by_side {
            b.push(sign)
        } else {
            b.op(sign)
        }
        if side_by_side && *dst == operands[1].1 {
            b.rounds(cost::rounds(&b.program, &sign));
        }
    }
    operands.iter().for_each(|(_, dst, route)| b.output(*dst, *route));
    b
}

fn receives(program: &Program) -> usize {
    program.code.iter().filter(|instr| matches!(instr, Instr::Receive {})).count()
}

#[test]
fn two_comparisons_take_the_rounds_of_one() {
    for &protocol in Protocol::ALL {
        saved_rounds(protocol);
    }
}

fn saved_rounds(protocol: Protocol) {
    let (one, both) = (comparisons(protocol, false), comparisons(protocol, true));
    let sign = Instr::Sign { dst: Reg(1), a: Reg(0), width: 64, route: Route(0) };
    let saved = cost::rounds(&both.program, &sign) as usize;
    assert!(saved >= 5);
    assert_eq!(receives(&one.program), receives(&both.program) + saved);
    let inputs = [3, 4].map(|step| (0..70).map(|i| Z64::from_i128(i * step - 100)).collect::<Vec<_>>());
    let expected = emulated(&one.program, &inputs, 5);
    // `shared` also compares bytes and rounds at the links with the cost model
    assert_eq!(shared(&one.program, &inputs, &seeded(5)), expected);
    assert_eq!(shared(&both.program, &inputs, &seeded(5)), expected);
}

/// Runs three parties of which one link adds `extra` bytes to its `nth` message of the program; the errors of the parties.
fn damaged(program: &Program, input: &[Z64], extra: usize, nth: u64) -> Vec<Option<String>> {
    let seen = AtomicU64::new(0);
    let tap = move |message: &mut memory::Message| {
        // the set-up compares programs in two messages before
        let watched = message.from == Party::P1 && message.to == Party::P2 && message.round > 2;
        if watched && seen.fetch_add(1, Ordering::Relaxed) == nth {
            message.payload.extend(vec![0; extra]);
        }
    };
    let links = memory::mesh_with_tap(3, STALL, Arc::new(tap));
    thread::scope(|scope| {
        let parties: Vec<_> = links
            .into_iter()
            .map(|mut links| {
                scope.spawn(move || {
                    let mut host = Memo { inputs: vec![input.to_vec(); 2], ..Memo::default() };
                    run_party(program, &mut links, &mut host, &seeded(1)).err().map(|error| error.to_string())
                })
            })
            .collect();
        parties.into_iter().map(|party| party.join().expect("no party panics")).collect()
    })
}

#[test]
fn a_byte_more_fails_the_run_everywhere() {
    let program = comparisons(Protocol::Rep3, true).program;
    let input: Vec<Z64> = (0..70).map(Z64::from_u64).collect();
    assert_eq!(damaged(&program, &input, 0, 0), vec![None, None, None], "the tap alone does no harm");
    for nth in 0..4 {
        let errors = damaged(&program, &input, 1, nth);
        println!("{errors:?}");
        assert!(errors.iter().all(Option::is_some), "message {nth}: {errors:?}");
    }
}
