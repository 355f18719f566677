//! Speed of the emulator: an epoch of network A (784-128-128-10, ReLU, squared error) on synthetic data of MNIST's size, f = 16.
//!
//! `cargo bench -p tern-vm --bench emulator [THREADS]` prints the time of a batch and the slowest instructions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tern_bytecode::program::Rounding;
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip};
use tern_vm::{Host, Options, emulate};

use self::training::{BATCH, SAMPLES, training};

mod training;

fn main() {
    let threads = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(2);
    let program = training(64, 16, Rounding::Probabilistic);
    let batches = SAMPLES.div_ceil(BATCH);
    for profile in [false, true] {
        let options = Options { seed: Some(1), threads, profile, ..Options::default() };
        let report = emulate(&program, &mut Synthetic, &options).expect("the program is valid");
        let seconds = report.elapsed.as_secs_f64();
        println!(
            "{threads} threads: {seconds:.2} s per epoch, {:.2} ms per batch",
            1e3 * seconds / f64::from(batches)
        );
        let mut times = BTreeMap::new();
        for (instr, time) in program.code.iter().zip(&report.times) {
            *times.entry(instr.name()).or_insert(0.0) += time.as_secs_f64();
        }
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (name, seconds) in times.into_iter().take(12) {
            println!("    {name:<12} {:8.3} ms per batch", 1e3 * seconds / f64::from(batches));
        }
    }
}

/// Small numbers instead of data.
struct Synthetic;

impl Host for Synthetic {
    fn input(&mut self, input: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let small = if input < 2 { 1 << 16 } else { 1 << 13 };
        for (i, word) in elements.words.iter_mut().enumerate() {
            let mixed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            *word = (mixed % small).wrapping_sub(if input < 2 { 0 } else { small / 2 });
        }
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
