//! Nothing that passes validation makes the emulator panic.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use tern_bytecode::container::decode_body;
use tern_bytecode::disasm::disassemble;
use tern_bytecode::instr::REFERENCE;
use tern_bytecode::report::report;
use tern_bytecode::{Program, encode, validate};
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip, Watch};
use tern_vm::{Host, Options, emulate};

use super::build::seeded;
use super::measure::processor_time;
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

/// A number from the environment.
fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Bytecode altered at random: decoded, validated, listed, its costs reported, and executed with limits of memory and of steps. `TERN_MUTANTS` says
/// how many, `TERN_SEED` from which number on; a failure prints the one of its own.
#[test]
fn damaged_programs() {
    let (count, seed) = (variable("TERN_MUTANTS", 20_000), variable("TERN_SEED", 1));
    println!("{count} mutants from seed {seed}");
    let dense = smoke::dense_layer(tern_bytecode::program::Rounding::Nearest).program;
    let grown = (0..40).map(|seed| grown::program(&mut grown::numbers(seed)));
    let bodies: Vec<Vec<u8>> =
        std::iter::once(dense).chain(grown).map(|program| encode(&program)[38..].to_vec()).collect();
    let (mut valid, mut longest) = (0u64, Duration::ZERO);
    for seed in seed..seed.saturating_add(count) {
        let mut numbers = grown::numbers(seed);
        let mut below = |n: usize| (numbers.next().expect("numbers without end") % n as u64) as usize;
        // half of them from the program that the smoke test runs
        let mut body = bodies[below(2) * below(bodies.len())].clone();
        for _ in 0..1 + below(3) {
            let at = below(body.len());
            let most = [256, 16][below(2)];
            body[at] = below(most) as u8;
        }
        let begun = processor_time();
        let outcome = std::panic::catch_unwind(|| examine(&body));
        valid += u64::from(outcome.unwrap_or_else(|_| panic!("TERN_SEED={seed} TERN_MUTANTS=1 panics")));
        let taken = processor_time().zip(begun).map_or(Duration::ZERO, |(end, begun)| end - begun);
        longest = longest.max(taken);
        assert!(longest < Duration::from_secs(10), "TERN_SEED={seed} TERN_MUTANTS=1 takes {longest:?}");
    }
    println!("{valid} programs were valid; the longest took {longest:?}");
    assert!(valid > count / 100, "too few programs were valid to mean anything: {valid}");
}

/// Everything that is done with bytecode of unknown origin; whether it was valid.
fn examine(body: &[u8]) -> bool {
    let Ok(program) = decode_body(body) else { return false };
    assert!(!disassemble(&program).is_empty());
    if validate(&program).is_ok() {
        assert!(!report(&program).to_text(|_, _| None).is_empty());
    }
    survives(&program)
}
