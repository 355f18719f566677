//! A party that fails tells the others, and all of them end.

use std::thread;

use tern_bytecode::instr::Axes;
use tern_bytecode::program::{Place, Rounding};
use tern_bytecode::{Instr, Kind, Program, Protocol, Reg, Route};
use tern_vm::net::memory;
use tern_vm::ring::{Ring, Z64};
use tern_vm::{Options, RunError, run_party};

use super::support::{Build, Memo, STALL, seeded};

fn program() -> Program {
    let mut b = Build::new(Protocol::Rep3, 64, Rounding::Nearest);
    let x = b.input(&[4], 0, Route(0));
    let y = b.input(&[4], 1, Route(0));
    b.output_to(x, Place::Party(2), Route(0));
    b.output_to(y, Place::Party(0), Route(0));
    b.program
}

/// The errors of three parties, each with its own program, inputs and options.
fn errors(programs: [&Program; 3], inputs: [usize; 3], options: [Options; 3]) -> [Option<RunError>; 3] {
    let mut parties = memory::mesh(3, STALL).into_iter().zip(programs).zip(inputs).zip(options);
    thread::scope(|scope| {
        [(); 3]
            .map(|()| {
                let (((mut links, program), inputs), options) = parties.next().expect("three parties");
                scope.spawn(move || {
                    let inputs = vec![vec![Z64::ONE; 4]; inputs];
                    let mut host = Memo { inputs, ..Memo::default() };
                    run_party(program, &mut links, &mut host, &options).err()
                })
            })
            .map(|party| party.join().expect("no party panics"))
    })
}

/// Error messages with their causes.
fn texts(errors: &[Option<RunError>; 3]) -> [String; 3] {
    errors.each_ref().map(|error| {
        let mut text = String::new();
        let mut cause = error.as_ref().map(|error| error as &dyn std::error::Error);
        while let Some(error) = cause {
            text += &format!("{error}; ");
            cause = error.source();
        }
        text
    })
}

#[test]
fn a_missing_input_ends_the_run_at_all_parties() {
    let program = program();
    let options = || seeded(1);
    let found = texts(&errors([&program; 3], [2, 1, 2], [options(), options(), options()]));
    println!("{found:#?}");
    assert!(found[1].contains("not given"), "{found:?}");
    for other in [0, 2] {
        assert!(found[other].contains("party 1"), "{found:?}");
    }
}

#[test]
fn parties_that_differ_do_not_begin() {
    let (one, mut other) = (program(), program());
    other.header.args.push(("epochs".into(), "2".into()));
    let (two, three) = (|| seeded(2), || seeded(3));
    let found = texts(&errors([&one, &one, &other], [2; 3], [two(), two(), two()]));
    println!("{found:#?}");
    let named = |text: &String| text.contains("epochs") || text.contains("bytecode");
    assert!(found.iter().all(named), "{found:?}");
    let found = texts(&errors([&one; 3], [2; 3], [two(), three(), two()]));
    assert!(found.iter().all(|text| text.contains("seed")), "{found:?}");
}

/// A single element, seen as more than any machine holds: no party begins, whatever is to be done with it.
#[test]
fn views_beyond_all_memory_are_refused() {
    let uses: [fn(&mut Build, Reg); 3] = [
        |b, huge| b.output_to(huge, Place::Party(2), Route(0)),
        |b, huge| b.output_to(huge, Place::Shares, Route(0)),
        |b, huge| {
            let (factor, dst) = (b.reg(Kind::Plain, &[1 << 19]), b.reg(Kind::Shared, &[1 << 19]));
            let axes = Axes { batch: 0, rows: 1, inner: 1, cols: 0 };
            b.op(Instr::Contract { dst, a: huge, b: factor, axes });
        },
    ];
    for make in uses {
        let mut b = Build::new(Protocol::Rep3, 64, Rounding::Nearest);
        let x = b.input(&[1], 0, Route(0));
        let huge = b.alias(x, 0, &[(1 << 19, 0), (1 << 19, 0)]);
        make(&mut b, huge);
        let options = || Options { memory_limit: 1 << 32, ..seeded(3) };
        let found = texts(&errors([&b.program; 3], [1; 3], [options(), options(), options()]));
        assert!(found.iter().any(|text| text.contains("bytes of memory")), "{found:?}");
        assert!(found.iter().all(|text| text.contains("memory")), "{found:?}");
    }
}

/// Without a given seed the keys are fresh, and results the same.
#[test]
fn fresh_keys() {
    let program = program();
    let options = [Options::default(), Options::default(), Options::default()];
    assert!(errors([&program; 3], [2; 3], options).iter().all(Option::is_none));
}
