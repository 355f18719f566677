//! Random programs: what is emitted computes in the emulator what the interpreter of the intermediate representation computes.

use std::collections::HashMap;

use num_rational::BigRational;
use num_traits::{One, Zero};
use proptest::prelude::*;
use tern_bytecode::Program;
use tern_bytecode::disasm::disassemble;
use tern_bytecode::program::Input;
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::emit::emit;
use tern_compiler::ir::interpret::{Outputs, Setting, interpret};
use tern_compiler::ir::{self, Block, Const, Inst, Op, Type};
use tern_tests::random::{Flavour, Random, generate, setting};
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip};
use tern_vm::ring::{Ring, Z256};
use tern_vm::{Host, Options, emulate};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn emitted_programs_compute_what_they_say(seed: u64, size in 0usize..80) {
        if let Err(message) = check(seed, size) {
            prop_assert!(false, "{}", message);
        }
    }
}

/// One that squares a public number twice, and leaves out bits of what is then beyond fix.
#[test]
fn public_numbers_that_leave_fix_by_the_way() {
    check(3_507_348_251_610_842_555, 70).unwrap();
}

/// Compares a run of the emitted program with the interpretation of the original.
fn check(seed: u64, size: usize) -> Result<(), String> {
    let mut ir = generate(seed, size, Flavour::Any);
    ir.settings.ring = 256;
    without_chance(&mut ir, seed);
    if ir.values.iter().map(|value| value.ty.len()).sum::<usize>() > 1_000_000 {
        return Ok(()); // padded again and again
    }
    let setting = Setting { bounded: true, ..setting(&ir, seed) };
    let Ok(expected) = interpret(&ir, &setting) else { return Ok(()) };
    let program = match emit(&ir, &SourceMap::new()) {
        Err(errors) if errors.iter().all(|e| e.message.contains("axes; there can be")) => return Ok(()),
        other => other.map_err(|error| format!("{error:?}\n{ir}"))?,
    };
    let listing = || disassemble(&program);
    let found = run(&program, &setting).map_err(|error| format!("{error}\n{ir}\n{}", listing()))?;
    same(&found, &expected).map_err(|error| format!("{error}\n{ir}\n{}", listing()))
}

/// Replaces random values, which the interpreter draws in its own way, by constants.
fn without_chance(program: &mut ir::Program, seed: u64) {
    let mut random = Random::new(seed);
    let mut body = std::mem::take(&mut program.body);
    constants(program, &mut body, &mut random);
    program.body = body;
}

fn constants(program: &mut ir::Program, block: &mut Block, random: &mut Random) {
    let mut insts = Vec::with_capacity(block.insts.len());
    for mut inst in std::mem::take(&mut block.insts) {
        let ty = inst.results.first().map(|r| program.ty(*r).clone());
        match (&inst.op, ty) {
            (Op::Shuffle { n, .. }, Some(ty)) => {
                let rows = (0..ty.len()).map(|i| if i < *n as usize { i } else { i % *n as usize });
                inst.op = Op::Const(Const::dense(
                    ty.clone(),
                    rows.rev().map(|i| BigRational::from_integer(i.into())).collect(),
                ));
            }
            (Op::PublicUniform(_), Some(ty)) => {
                let number = BigRational::new(random.between(0, 7).into(), 8.into());
                inst.op = Op::Const(Const::splat(ty, number));
            }
            (Op::RandomBits(_), Some(ty)) => {
                let bit = |random: &mut Random| {
                    if random.below(2) == 1 { BigRational::one() } else { BigRational::zero() }
                };
                let bits = (0..ty.len()).map(|_| bit(random)).collect();
                let ints = Type::int(ty.shape.clone());
                let value = program.value(ints.clone());
                let op = Op::Const(Const::dense(ints, bits));
                insts.push(Inst {
                    op,
                    args: vec![],
                    results: vec![value],
                    regions: vec![],
                    origin: inst.origin,
                });
                (inst.op, inst.args) = (Op::PromoteBits, vec![value]);
            }
            _ => inst.regions.iter_mut().for_each(|region| constants(program, region, random)),
        }
        insts.push(inst);
    }
    block.insts = insts;
}

fn run(program: &Program, setting: &Setting) -> Result<Seen, String> {
    let mut host = Tester { program, setting, seen: Seen::default() };
    let options = Options { seed: Some(1), ..Options::default() };
    emulate(program, &mut host, &options).map_err(|error| error.to_string())?;
    Ok(host.seen)
}

/// What a run shows, in order.
#[derive(Debug, Default)]
struct Seen {
    metrics: Vec<(String, Vec<f64>)>,
    debug: Vec<(String, Vec<f64>)>,
    outputs: HashMap<usize, Vec<f64>>,
}

struct Tester<'a> {
    program: &'a Program,
    setting: &'a Setting,
    seen: Seen,
}

impl Host for Tester<'_> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let declared: &Input = &self.program.inputs[input];
        let data = &self.setting.inputs[&declared.name].data;
        let elements = elements.of::<Z256>().expect("the ring of these programs");
        let scale = 2f64.powi(declared.frac as i32);
        for (to, from) in elements.iter_mut().zip(&data[start as usize..]) {
            *to = Z256::from_i128((from * scale) as i128);
        }
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let values = elements.to_f64(self.program.outputs[output].frac).collect();
        self.seen.outputs.insert(output, values);
        Ok(())
    }

    fn metric(&mut self, name: &str, values: &[f64], _: &[Trip]) {
        self.seen.metrics.push((name.to_string(), values.to_vec()));
    }

    fn debug(&mut self, label: &str, _: &[u32], values: &[f64]) {
        self.seen.debug.push((label.to_string(), values.to_vec()));
    }
}

fn same(found: &Seen, expected: &Outputs) -> Result<(), String> {
    named("metrics", &found.metrics, &expected.metrics)?;
    named("debug", &found.debug, &expected.debug)?;
    for (i, tensor) in &expected.outputs {
        let values = &found.outputs[&(*i as usize)];
        if !close(values, &tensor.data) {
            return Err(format!("output {i}: {values:?}, expected {:?}", tensor.data));
        }
    }
    Ok(())
}

fn named(
    what: &str,
    found: &[(String, Vec<f64>)],
    expected: &[(String, ir::interpret::Tensor)],
) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} {what}, expected {}", found.len(), expected.len()));
    }
    for ((name, values), (other, tensor)) in found.iter().zip(expected) {
        if name != other || !close(values, &tensor.data) {
            return Err(format!("{what}: {name} {values:?}, expected {other} {:?}", tensor.data));
        }
    }
    Ok(())
}

/// Equal but for the last bits of doubles.
fn close(a: &[f64], b: &[f64]) -> bool {
    let same = |(a, b): (&f64, &f64)| {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}
