//! Programs given as text, compiled, and run in the emulator or in the interpreter of the intermediate representation.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_traits::Signed;
use tern_bytecode::{Program, rings};
use tern_compiler::diagnostics::{Look, Origin, SourceMap, render_all};
use tern_compiler::ir::interpret::{Setting, Tensor, interpret};
use tern_compiler::ir::{self, Optimise, Protocol, Rounding, Settings};
use tern_compiler::lower::Entry;
use tern_compiler::{Compilation, Request, compile, compile_with_room};
use tern_vm::machine::{Elements, ElementsMut, HostError, RangeReport, Trip, Watch};
use tern_vm::{Host, Options, emulate};

/// Tensors by name, in row-major order.
pub type Values = BTreeMap<String, Vec<f64>>;

/// The precisions and roundings at which the library is tested.
pub const WAYS: [(u32, Rounding); 4] = [
    (16, Rounding::Probabilistic),
    (16, Rounding::Nearest),
    (32, Rounding::Probabilistic),
    (32, Rounding::Nearest),
];

/// The ring that `--ring auto` begins with.
///
/// # Panics
/// If there is none of so many bits.
pub fn ring(frac: u32, total: u32) -> u32 {
    rings::at_least(rings::needed(frac, total)).expect("a ring")
}

/// `f` fraction bits of 2 f in all, in the ring that is chosen for them.
pub fn settings(frac: u32, rounding: Rounding) -> Settings {
    Settings {
        protocol: Protocol::Rep3,
        ring: ring(frac, 2 * frac),
        frac,
        total: 2 * frac,
        rounding,
        optimise: Optimise::Balanced,
    }
}

/// Compiles a program without modules of its own.
///
/// # Panics
/// If it has errors, with their text.
pub fn compiled(source: &str, settings: Settings) -> Compilation {
    let compilation = tried(source, settings);
    if compilation.program.is_none() {
        panic!("{}\n{source}", render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN));
    }
    compilation
}

/// The messages about a program, as they are printed without colours.
pub fn messages(source: &str, settings: Settings) -> String {
    let compilation = tried(source, settings);
    render_all(&compilation.diagnostics, &compilation.sources, Look::PLAIN)
}

fn tried(source: &str, settings: Settings) -> Compilation {
    let mut sources = SourceMap::new();
    let file = sources.add("test.mpc".to_string(), source.to_string(), Origin::User);
    let request = Request {
        name: "test",
        file,
        entry: Entry::Main,
        settings,
        args: BTreeMap::new(),
        resolve: &|_| None,
        print_after: None,
    };
    // as `--ring auto` does
    match settings.ring == ring(settings.frac, settings.total) {
        true => compile_with_room(request, sources),
        false => compile(request, sources),
    }
}

/// The outputs of a run in the emulator, and the last values of its metrics.
///
/// # Panics
/// If it fails.
pub fn emulated(program: &Program, inputs: &Values, seed: u64) -> Values {
    let mut host = Tensors { program, inputs, outputs: Values::new() };
    let options = Options { seed: Some(seed), ..Options::default() };
    emulate(program, &mut host, &options).unwrap_or_else(|error| panic!("{error}"));
    host.outputs
}

/// Ring integers by name, in row-major order.
pub type Integers = BTreeMap<String, Vec<BigInt>>;

/// The outputs of a run in the emulator as ring integers, and what its range mode says.
///
/// # Panics
/// If it fails.
pub fn watched(program: &Program, inputs: &Integers, seed: u64) -> (Integers, RangeReport) {
    let mut host = Whole { program, inputs, outputs: Integers::new() };
    let options = Options { seed: Some(seed), ranges: Watch::Limits, ..Options::default() };
    let report = emulate(program, &mut host, &options).unwrap_or_else(|error| panic!("{error}"));
    (host.outputs, report.ranges.expect("asked for"))
}

/// The outputs in double precision.
///
/// # Panics
/// If the interpreter refuses the program.
pub fn interpreted(program: &ir::Program, inputs: &Values, seed: u64) -> Values {
    let tensor = |input: &ir::Input| Tensor::new(input.shape.clone(), inputs[&input.name].clone());
    let inputs = program.inputs.iter().map(|input| (input.name.clone(), tensor(input))).collect();
    let setting = Setting { inputs, seed, ..Setting::default() };
    let outputs = interpret(program, &setting).unwrap_or_else(|error| panic!("{error}\n{program}"));
    let named = |(i, tensor): (u32, Tensor)| (program.outputs[i as usize].name.clone(), tensor.data);
    outputs.outputs.into_iter().map(named).collect()
}

/// Surroundings that hold tensors in memory.
struct Tensors<'a> {
    program: &'a Program,
    inputs: &'a Values,
    outputs: Values,
}

impl Host for Tensors<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let declared = &self.program.inputs[input];
        let scale = 2f64.powi(declared.frac as i32);
        let values = &self.inputs[&declared.name][start as usize..];
        for (limbs, value) in elements.words.chunks_exact_mut(elements.limbs).zip(values) {
            let number = (value * scale).round() as i128;
            limbs.fill((number >> 127) as u64);
            limbs[0] = number as u64;
            if let Some(high) = limbs.get_mut(1) {
                *high = (number >> 64) as u64;
            }
        }
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let declared = &self.program.outputs[output];
        self.outputs.insert(declared.name.clone(), elements.to_f64(declared.frac).collect());
        Ok(())
    }

    fn metric(&mut self, name: &str, values: &[f64], _: &[Trip]) {
        self.outputs.insert(name.to_string(), values.to_vec());
    }
}

/// Surroundings that hold ring integers in memory.
struct Whole<'a> {
    program: &'a Program,
    inputs: &'a Integers,
    outputs: Integers,
}

impl Host for Whole<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let values = &self.inputs[&self.program.inputs[input].name][start as usize..];
        for (limbs, value) in elements.words.chunks_exact_mut(elements.limbs).zip(values) {
            let sign = if value.is_negative() { u8::MAX } else { 0 };
            let mut bytes = value.to_signed_bytes_le();
            bytes.resize(8 * limbs.len(), sign);
            for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
                *limb = u64::from_le_bytes(*bytes);
            }
        }
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let whole = |limbs: &[u64]| {
            let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            BigInt::from_signed_bytes_le(&bytes)
        };
        let values = elements.words.chunks_exact(elements.limbs).map(whole).collect();
        self.outputs.insert(self.program.outputs[output].name.clone(), values);
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}
}
