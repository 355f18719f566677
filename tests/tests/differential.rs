//! Random programs on shares: under nearest truncation and one seed, the parties and the emulator agree bit for bit, and the links carry what the cost model
//! says. Programs whose values leave their ranges, which the emulator finds, are discarded and counted.

use tern_bytecode::Protocol;
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::emit::emit;
use tern_tests::parties::{emulated, shared};
use tern_tests::programs::{has_loop, program};
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
