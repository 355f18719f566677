//! Random programs on shares: under nearest truncation and one seed, the parties and the emulator agree bit for bit, and the links carry what the cost model
//! says. Programs whose values leave their ranges, which the emulator finds, are discarded and counted.

use tern_bytecode::{Protocol, rings};
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::emit::emit;
use tern_tests::parties::{Seen, emulated, shared};
use tern_tests::programs::{has_loop, program, rounded};
use tern_tests::run::Values;

/// Programs that must agree.
const WANTED: usize = 500;

#[test]
fn three_parties_and_emulator_agree() {
    agree(Protocol::Rep3);
}

#[test]
fn four_parties_and_emulator_agree() {
    agree(Protocol::Rep4);
}

#[test]
fn two_parties_with_a_dealer_and_emulator_agree() {
    agree(Protocol::Dealer);
}

fn agree(protocol: Protocol) {
    let (mut agreed, mut discarded, mut loops, mut gradients) = (0, 0, 0, 0);
    for seed in 0.. {
        let Some((program, setting)) = program(seed, protocol) else {
            discarded += 1;
            continue;
        };
        let name = format!("seed {seed}, ring {}\n{program}", program.settings.ring);
        let code = match emit(&program, &SourceMap::new()) {
            Ok(code) => code,
            Err(errors) => panic!("{errors:?}\n{name}"),
        };
        let inputs: Values = setting.inputs.into_iter().map(|(name, tensor)| (name, tensor.data)).collect();
        let Some(expected) = emulated(&code, &inputs, seed) else {
            discarded += 1;
            assert!(discarded < 4 * WANTED, "nearly all programs leave their ranges");
            continue;
        };
        let found = shared(&code, &inputs, seed, &name);
        assert_eq!(found, expected, "{name}");
        agreed += 1;
        loops += usize::from(has_loop(&program.body));
        gradients += usize::from(seed.is_multiple_of(3));
        if agreed == WANTED {
            break;
        }
    }
    println!(
        "{protocol:?}: {agreed} programs agree, {loops} with loops, {gradients} with gradients; {discarded} discarded"
    );
    assert!(loops > WANTED / 10 && gradients > WANTED / 10);
}

/// How many programs must be close.
const CLOSE: usize = 200;
/// With how many roundings the emulator runs each.
const ROUNDINGS: u64 = 6;
/// With how many, where the results are not among these.
const RARE: u64 = 2000;
/// Units of the ring beyond the emulator's results, and as many times their spread.
const SLACK: i128 = 8;

#[test]
fn three_parties_round_at_random_as_the_emulator_does() {
    close(Protocol::Rep3);
}

#[test]
fn two_parties_with_a_dealer_round_at_random_as_the_emulator_does() {
    close(Protocol::Dealer);
}

/// Under probabilistic truncation, results of the parties lie among those of the emulator with other roundings, or next to them. What goes wrong in a
/// truncation is wrong by a power of two that is far beyond.
fn close(protocol: Protocol) {
    let (mut agreed, mut widest) = (0, 0);
    for seed in 0.. {
        assert!(seed < 10 * CLOSE as u64, "nearly all programs leave their ranges");
        let Some((program, setting)) = rounded(seed, protocol) else { continue };
        let name = format!("seed {seed}, ring {}\n{program}", program.settings.ring);
        let code = emit(&program, &SourceMap::new()).unwrap_or_else(|errors| panic!("{errors:?}\n{name}"));
        let inputs: Values = setting.inputs.into_iter().map(|(name, tensor)| (name, tensor.data)).collect();
        let clear: Option<Vec<_>> = (0..ROUNDINGS).map(|i| emulated(&code, &inputs, i)).collect();
        let Some(clear) = clear else { continue };
        let limbs = rings::limbs(program.settings.ring) as usize;
        let found = shared(&code, &inputs, seed, &name);
        let mut spread = beyond(&found, &clear, limbs);
        if spread.is_err() {
            // what few roundings have not shown may be rare
            let more = (ROUNDINGS..RARE).filter_map(|i| emulated(&code, &inputs, i));
            spread = beyond(&found, &clear.into_iter().chain(more).collect::<Vec<_>>(), limbs);
        }
        widest = widest.max(spread.unwrap_or_else(|fault| panic!("{fault}\n{name}")));
        agreed += 1;
        if agreed == CLOSE {
            break;
        }
    }
    println!("{protocol:?}: {agreed} programs are close, the widest spread is {widest} units");
}

/// The widest spread of the emulator's results, next to which all that was found lies.
fn beyond(found: &Seen, clear: &[Seen], limbs: usize) -> Result<i128, String> {
    let elements = |words: &[u64]| words.chunks(limbs).map(signed).collect::<Vec<i128>>();
    let mut widest = 0;
    for (output, words) in &found.outputs {
        let clear: Vec<Vec<i128>> = clear.iter().map(|seen| elements(&seen.outputs[output])).collect();
        for (i, found) in elements(words).into_iter().enumerate() {
            let all = clear.iter().map(|one| one[i]);
            let (low, high) = (all.clone().min().unwrap(), all.max().unwrap());
            let slack = SLACK * (1 + high - low);
            if !(low - slack..=high + slack).contains(&found) {
                return Err(format!("{low} to {high}: {found}"));
            }
            widest = widest.max(high - low);
        }
    }
    Ok(widest)
}

/// A ring element as a number; those of this test have few bits.
fn signed(limbs: &[u64]) -> i128 {
    match limbs {
        [low] => i128::from(low.cast_signed()),
        [low, high, ..] => i128::from(*low) | i128::from(high.cast_signed()) << 64,
        [] => 0,
    }
}
