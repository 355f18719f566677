//! Where values come from and go to: parties, and the shares of an earlier run.

use tern_bytecode::program::{Place, Rounding};
use tern_bytecode::{Instr, Kind, Route};
use tern_vm::net::{Party, memory};
use tern_vm::ring::{Ring, Z64, Z128};

use super::support::{Build, Memo, ROUTES, STALL, over, over_each, seeded};

fn values<R: Ring>(n: usize) -> Vec<R> {
    let edges = [R::MIN, R::MAX, R::ZERO, -R::ONE];
    (0..n).map(|i| if i < 4 { edges[i] } else { R::from_u64(i as u64 * 0x9e37_79b9) - R::ONE }).collect()
}

/// From every party to every party, by every route.
#[test]
fn inputs_and_outputs_of_parties() {
    fn check<R: Ring>() {
        for (n, route) in [0, 1, 5, 65].into_iter().flat_map(|n| (0..ROUTES).map(move |r| (n, Route(r)))) {
            let mut b = Build::new(R::BITS, Rounding::Nearest);
            for from in 0..3 {
                let x = b.input(&[n], from, route);
                (0..3).for_each(|to| b.output_to(x, Place::Party(to), route));
            }
            let x = values::<R>(n as usize);
            let inputs = [0, 1, 2].map(|i| x.iter().map(|x| *x + R::from_u64(i)).collect::<Vec<_>>());
            let hosts = over(memory::triangle(STALL), &b.program, &inputs, &seeded(9));
            for (to, host) in hosts.iter().enumerate() {
                assert_eq!(host.outputs.len(), 3, "each party has its own outputs only");
                for (from, x) in inputs.iter().enumerate() {
                    assert_eq!(host.outputs[&(3 * from + to)], *x);
                }
            }
        }
    }
    check::<Z64>();
    check::<Z128>();
}

/// A party needs its own inputs only.
#[test]
fn each_party_is_asked_for_its_own_inputs() {
    let mut b = Build::new(64, Rounding::Nearest);
    let x = b.input(&[4], 2, Route(3));
    b.output_to(x, Place::Party(0), Route(0));
    let hosts = Party::ALL.map(|party| Memo {
        inputs: if party == Party::P2 { vec![values::<Z64>(4)] } else { vec![] },
        ..Memo::default()
    });
    let hosts = over_each(memory::triangle(STALL), &b.program, hosts, &seeded(9));
    assert_eq!(hosts[0].outputs[&0], values::<Z64>(4));
}

/// Shares that one run writes add up to the value, and another run goes on with them.
#[test]
fn shares_are_kept_from_run_to_run() {
    let n = 65;
    let mut first = Build::new(64, Rounding::Nearest);
    let x = first.input(&[n], 1, Route(2));
    first.output_to(x, Place::Shares, Route(0));
    let x = values::<Z64>(n as usize);
    let kept = over(memory::triangle(STALL), &first.program, std::slice::from_ref(&x), &seeded(1));
    let kept = kept.map(|host| host.outputs[&0].clone());
    for i in 0..n as usize {
        // party i holds x_{i-1} and then x_{i+1}
        let [of_0, of_1, of_2] = [0, 1, 2].map(|party: usize| [kept[party][i], kept[party][n as usize + i]]);
        assert_eq!([of_0[0], of_1[0], of_2[0]], [of_1[1], of_2[1], of_0[1]], "what two hold is the same");
        assert_eq!(of_0[0] + of_1[0] + of_2[0], x[i]);
    }

    let mut second = Build::new(64, Rounding::Nearest);
    let y = second.input(&[n], 1, Route(0));
    second.program.inputs[0].from = Place::Shares;
    second.program.code.truncate(1); // without the rounds of a party's input
    second.program.lines.truncate(1);
    let open = second.reg(Kind::Plain, &[n]);
    second.op(Instr::Reveal { dst: open, a: y, route: Route(5) });
    second.output(open, Route(1));
    let hosts = kept.map(|shares| Memo { inputs: vec![shares], ..Memo::default() });
    let hosts = over_each(memory::triangle(STALL), &second.program, hosts, &seeded(2));
    assert_eq!(hosts[1].outputs[&0], x);
}
