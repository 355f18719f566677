//! Where values come from and go to: parties, and the shares of an earlier run.

use tern_bytecode::program::{Place, Rounding};
use tern_bytecode::{Instr, Kind, Protocol, Route, cost};
use tern_vm::net::Party;
use tern_vm::ring::{Ring, Z52, Z64, Z104, Z128};

use super::support::{Build, Memo, mesh, over, over_each, seeded};

fn values<R: Ring>(n: usize) -> Vec<R> {
    let edges = [R::MIN, R::MAX, R::ZERO, -R::ONE];
    (0..n).map(|i| if i < 4 { edges[i] } else { R::from_u64(i as u64 * 0x9e37_79b9) - R::ONE }).collect()
}

/// From every party to every party, by every route.
#[test]
fn inputs_and_outputs_of_parties() {
    fn check<R: Ring>(protocol: Protocol) {
        let (parties, routes) = (protocol.model().owners, protocol.model().all_routes());
        for (n, route) in routes.flat_map(|route| [0, 1, 5, 65].map(|n| (n, route))) {
            let mut b = Build::new(protocol, R::BITS, Rounding::Nearest);
            for from in 0..parties as u8 {
                let x = b.input(&[n], from, route);
                (0..parties as u8).for_each(|to| b.output_to(x, Place::Party(to), route));
            }
            let x = values::<R>(n as usize);
            let plus = |i: usize| x.iter().map(|x| *x + R::from_u64(i as u64)).collect::<Vec<_>>();
            let inputs: Vec<_> = (0..parties).map(plus).collect();
            let hosts = over(mesh(&b.program), &b.program, &inputs, &seeded(9));
            for (to, host) in hosts.iter().enumerate() {
                if to >= parties {
                    assert!(host.outputs.is_empty(), "a dealer has no outputs");
                    continue;
                }
                assert_eq!(host.outputs.len(), parties, "each party has its own outputs only");
                for (from, x) in inputs.iter().enumerate() {
                    assert_eq!(host.outputs[&(parties * from + to)], *x);
                }
            }
        }
    }
    for &protocol in Protocol::ALL {
        check::<Z52>(protocol);
        check::<Z64>(protocol);
        check::<Z104>(protocol);
        check::<Z128>(protocol);
    }
}

/// A party needs its own inputs only.
#[test]
fn each_party_is_asked_for_its_own_inputs() {
    for &protocol in Protocol::ALL {
        let mut b = Build::new(protocol, 64, Rounding::Nearest);
        let x = b.input(&[4], 2, Route(3));
        b.output_to(x, Place::Party(0), Route(0));
        let owner = 2 % protocol.model().owners;
        let host = |party: Party| Memo {
            inputs: if party.index() == owner { vec![values::<Z64>(4)] } else { vec![] },
            ..Memo::default()
        };
        let hosts = Party::all(protocol.model().parties).map(host).collect();
        let hosts = over_each(mesh(&b.program), &b.program, hosts, &seeded(9));
        assert_eq!(hosts[0].outputs[&0], values::<Z64>(4));
    }
}

/// What party `i` holds of a value of which party j's own summand is missing at j: by which party each summand that it keeps is missing.
fn kept_by(protocol: Protocol, i: usize) -> Vec<usize> {
    match protocol {
        Protocol::Rep3 => vec![(i + 2) % 3, (i + 1) % 3],
        Protocol::Rep4 => (0..4).filter(|j| *j != i).collect(),
        // each party has a summand of its own, the dealer none
        Protocol::Dealer => (0..2).filter(|j| *j == i).collect(),
    }
}

/// Shares that one run writes add up to the value, and another run goes on with them.
#[test]
fn shares_are_kept_from_run_to_run() {
    for &protocol in Protocol::ALL {
        let n = 65;
        let mut first = Build::new(protocol, 64, Rounding::Nearest);
        let x = first.input(&[n], 1, Route(2));
        first.output_to(x, Place::Shares, Route(0));
        let x = values::<Z64>(n as usize);
        let kept = over(mesh(&first.program), &first.program, std::slice::from_ref(&x), &seeded(1));
        let kept: Vec<Vec<Z64>> =
            kept.iter().map(|host| host.outputs.get(&0).cloned().unwrap_or_default()).collect();
        for at in 0..n as usize {
            let mut summands = vec![None; protocol.model().parties];
            for (party, shares) in kept.iter().enumerate() {
                for (position, lacks) in kept_by(protocol, party).into_iter().enumerate() {
                    let summand = shares[position * n as usize + at];
                    assert_eq!(*summands[lacks].get_or_insert(summand), summand, "what two hold is the same");
                }
            }
            let sum = summands.into_iter().flatten().fold(Z64::ZERO, |sum, summand| sum + summand);
            assert_eq!(sum, x[at]);
        }

        let mut second = Build::new(protocol, 64, Rounding::Nearest);
        let y = second.input(&[n], 1, Route(0));
        second.program.inputs[0].from = Place::Shares;
        second.program.code.truncate(1); // without the rounds of a party's input
        second.program.lines.truncate(1);
        second.rounds(cost::rounds(&second.program, &second.program.code[0]));
        let open = second.reg(Kind::Plain, &[n]);
        second.op(Instr::Reveal { dst: open, a: y, route: Route(5) });
        second.output(open, Route(1));
        let hosts = kept.into_iter().map(|shares| Memo { inputs: vec![shares], ..Memo::default() }).collect();
        let hosts = over_each(mesh(&second.program), &second.program, hosts, &seeded(2));
        assert_eq!(hosts[1].outputs[&0], x);
    }
}
