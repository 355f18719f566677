//! What tests of the intermediate representation share.

mod random;

use std::collections::BTreeMap;

pub use random::{Flavour, Random, generate};
use tern_compiler::ir::Program;
use tern_compiler::ir::interpret::{Setting, Tensor};

/// Inputs for a generated program: eighths, exact in doubles and small enough for the bounds that the generator assumes.
pub fn setting(program: &Program, seed: u64) -> Setting {
    let mut random = Random::new(seed ^ 0x5eed);
    let mut inputs = BTreeMap::new();
    for input in &program.inputs {
        let len = input.shape.iter().product();
        let data = (0..len).map(|_| random.between(-128, 128) as f64 / 8.0).collect();
        inputs.insert(input.name.clone(), Tensor::new(input.shape.clone(), data));
    }
    Setting { inputs, seed, nudge: None }
}
