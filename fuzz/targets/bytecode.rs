//! The decoder, the validator and everything that shows bytecode on any body of a file: no panic, errors within the file, and what
//! was decoded is encoded to the same bytes again. Mutations work on decoded programs as well as on bytes, so most inputs get
//! past the decoder and many past the validator.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tern_bytecode::container::{DecodeError, decode_body};
use tern_bytecode::disasm::disassemble;
use tern_bytecode::report::report;
use tern_bytecode::{Program, decode, encode, validate};
use tern_compiler::schedule::show;

/// Bytes of a file before its body.
const HEAD: usize = 38;

fuzz_target!(|body: &[u8]| {
    let _ = decode(body);
    let program = match decode_body(body) {
        Ok(program) => program,
        Err(DecodeError::Body { at, .. }) => return assert!((HEAD..=HEAD + body.len()).contains(&at)),
        Err(other) => panic!("{other}: of the head, which is not there"),
    };
    let file = encode(&program);
    assert_eq!(decode(&file).map(|same| encode(&same)).as_ref(), Ok(&file)); // as bytes, in which NaN equals itself
    assert!(!disassemble(&program).is_empty());
    if validate(&program).is_ok() {
        let costs = report(&program);
        assert!(!costs.to_text(|_, _| None).is_empty());
        let _ = show::text(&program); // nothing, where control is all there is
        assert!(!show::dot(&program).is_empty());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mutated = decode_body(&data[..size]).ok().filter(|_| seed % 4 != 0).and_then(|mut program| {
        let mut random = Random(seed);
        for _ in 0..1 + random.below(3) {
            mutate(&mut program, &mut random);
        }
        let body = encode(&program).split_off(HEAD);
        (body.len() <= max_size).then_some(body)
    });
    match mutated {
        Some(body) => {
            data[..body.len()].copy_from_slice(&body);
            body.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

/// Changes one thing in one of the program's tables.
fn mutate(program: &mut Program, random: &mut Random) {
    match random.below(12) {
        0 => vary(&mut program.header, random),
        1 => vary_one(&mut program.inputs, random),
        2 => vary_one(&mut program.outputs, random),
        3 => vary_one(&mut program.constants, random),
        4 => vary_one(&mut program.buffers, random),
        5 | 6 => vary_one(&mut program.views, random),
        7 => vary_one(&mut program.ranges, random),
        8 | 9 => vary_one(&mut program.code, random),
        _ => move_code(program, random),
    }
}

/// Removes, repeats or swaps instructions, together with their lines.
fn move_code(program: &mut Program, random: &mut Random) {
    let len = program.code.len().min(program.lines.len());
    if len == 0 {
        return;
    }
    let (a, b) = (random.below(len), random.below(len));
    match random.below(3) {
        0 => {
            program.code.remove(a);
            program.lines.remove(a);
        }
        1 => {
            program.code.insert(a, program.code[b]);
            program.lines.insert(a, program.lines[b]);
        }
        _ => {
            program.code.swap(a, b);
            program.lines.swap(a, b);
        }
    }
}

fn vary_one<T: Serialize + DeserializeOwned + Clone>(list: &mut Vec<T>, random: &mut Random) {
    let Some(last) = list.len().checked_sub(1) else { return };
    let at = random.below(last + 1);
    match random.below(8) {
        0 => list.push(list[at].clone()),
        1 => drop(list.pop()),
        _ => vary(&mut list[at], random),
    }
}

/// Changes a byte of a value's encoding, if that gives another value.
fn vary<T: Serialize + DeserializeOwned>(value: &mut T, random: &mut Random) {
    let Ok(mut bytes) = postcard::to_stdvec(value) else { return };
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    bytes[at] = match random.below(4) {
        0 => bytes[at].wrapping_add(1),
        1 => bytes[at].wrapping_sub(1),
        2 => random.below(8) as u8,
        _ => random.below(256) as u8,
    };
    if let Ok(other) = postcard::from_bytes(&bytes) {
        *value = other;
    }
}

/// Numbers that follow from libFuzzer's seed.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // Marsaglia's xorshift; 0 would stay 0
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % bound
    }
}
