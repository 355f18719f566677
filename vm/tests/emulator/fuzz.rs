//! Nothing that passes validation makes the emulator panic.

use std::collections::HashMap;
use std::ops::ControlFlow;

use proptest::prelude::*;
use tern_bytecode::container::decode_body;
use tern_bytecode::instr::REFERENCE;
use tern_bytecode::{Program, encode, validate};
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip, Watch};
use tern_vm::{Host, Options, emulate};

use super::build::seeded;
use super::{grown, smoke};

/// Gives any input, and some patience.
struct Patient(u32);

impl Host for Patient {
    fn input(&mut self, _: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        elements
            .words
            .iter_mut()
            .enumerate()
            .for_each(|(i, word)| *word = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whether the program was valid and its views are small enough to be worked on.
fn survives(program: &Program) -> bool {
    let small = program.views.iter().all(|view| view.len() < 1 << 14);
    if validate(program).is_err() || !small {
        return false;
    }
    for (ranges, threads) in [(Watch::Nothing, 1), (Watch::Limits, 1), (Watch::Everything, 2)] {
        let options = Options {
            ranges,
            threads,
            memory_limit: 1 << 24,
            profile: ranges == Watch::Everything,
            ..seeded(1)
        };
        let _ = emulate(program, &mut Patient(50), &options);
    }
    true
}

#[test]
fn random_programs() {
    let mut used = HashMap::new();
    for seed in 0..400 {
        let program = grown::program(&mut grown::numbers(seed));
        assert!(survives(&program), "seed {seed}: {:?}", validate(&program));
        for instr in &program.code {
            *used.entry(instr.name()).or_insert(0) += 1;
        }
    }
    // the programs are worth running: nearly every instruction occurs
    let missing: Vec<_> =
        REFERENCE.iter().filter(|(name, _)| !used.contains_key(name.trim_end_matches('_'))).collect();
    assert!(missing.is_empty(), "never drawn: {missing:?}");
}

#[test]
fn damaged_programs() {
    let body = encode(&smoke::dense_layer(tern_bytecode::program::Rounding::Nearest).program)[38..].to_vec();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let byte = prop_oneof![any::<u8>(), 0..16u8];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), byte), 1..4);
    let valid = std::cell::Cell::new(0);
    let result = runner.run(&changes, |changes| {
        let mut body = body.clone();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if decode_body(&body).is_ok_and(|program| survives(&program)) {
            valid.set(valid.get() + 1);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    println!("{} programs were valid", valid.get());
    assert!(valid.get() > 500, "too few programs were valid to mean anything: {}", valid.get());
}
