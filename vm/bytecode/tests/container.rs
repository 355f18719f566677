//! Programs as bytes and back; damaged bytes.

mod common;
#[path = "common/random.rs"]
mod random;

use std::fs;

use common::empty;
use proptest::prelude::*;
use tern_bytecode::container::{self, DecodeError};
use tern_bytecode::disasm::disassemble;
use tern_bytecode::program::{Buffer, Dim};
use tern_bytecode::{Instr, Kind, Reg, Route, View, decode, encode, validate};

/// A program out of 64-bit numbers.
fn program() -> impl Strategy<Value = tern_bytecode::Program> {
    prop::collection::vec(any::<u64>(), 0..200).prop_map(|numbers| random::random(&mut numbers.into_iter()))
}

/// Where the body begins.
const BODY: usize = 38;

proptest! {
    #[test]
    fn round_trip(program in program()) {
        let bytes = encode(&program);
        assert_eq!(decode(&bytes).as_ref(), Ok(&program));
        assert_eq!(container::decode_body(&bytes[BODY..]).as_ref(), Ok(&program));
        prop_assert_eq!(&container::hash(&program)[..], &bytes[6..BODY]);
        // what may be written may be printed
        prop_assert!(!disassemble(&program).is_empty());
    }

    #[test]
    fn every_instruction_survives(which in 0..60usize, numbers in prop::collection::vec(any::<u64>(), 8)) {
        let mut program = empty();
        common::push(&mut program, common::instruction(which, &mut numbers.into_iter()));
        prop_assert_eq!(decode(&encode(&program)), Ok(program));
    }

    /// Any change of a file is noticed.
    #[test]
    fn damage_is_noticed(program in program(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut bytes = encode(&program);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let error = decode(&bytes).unwrap_err();
        match at {
            0..4 => prop_assert_eq!(error, DecodeError::Magic),
            4..6 => assert!(matches!(error, DecodeError::Version { .. })),
            _ => assert!(matches!(error, DecodeError::Hash { .. })),
        }
        let whole = encode(&program);
        let cut = decode(&whole[..at]).unwrap_err();
        match at {
            0..4 => prop_assert_eq!(cut, DecodeError::Magic),
            4..BODY => prop_assert_eq!(cut, DecodeError::Head { len: at }),
            _ => prop_assert_eq!(cut, DecodeError::Hash { len: at - BODY }),
        }
    }

    /// A damaged body gives a program or an error within it, and validation of whatever comes out does not panic.
    #[test]
    fn damaged_bodies(
        program in program(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0xff), Just(0x80), 0..8u8]), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut body = encode(&program)[BODY..].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        match container::decode_body(&body) {
            Ok(program) => drop(validate(&program)),
            Err(DecodeError::Body { at, .. }) => prop_assert!((BODY..=BODY + body.len()).contains(&at)),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn random_bodies(body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(program) = container::decode_body(&body) {
            drop(validate(&program));
        }
    }

    #[test]
    fn random_programs_validate_or_not(program in program()) {
        let _ = validate(&program);
    }
}

#[test]
fn an_error_names_the_byte() {
    let program = empty();
    let body = encode(&program)[BODY..].to_vec();
    // the name's length comes first, then the name, then the protocol's number
    assert_eq!(&body[..3], [1, b't', 0]);
    let mut wrong = body.clone();
    wrong[2] = 9;
    match container::decode_body(&wrong).unwrap_err() {
        DecodeError::Body { at, cause } => {
            assert_eq!(at, BODY + 3);
            assert!(!cause.is_empty());
        }
        other => panic!("{other}"),
    }
    let mut long = body.clone();
    long.extend([0; 5]);
    let error = container::decode_body(&long).unwrap_err();
    assert_eq!(error, DecodeError::Body { at: BODY + body.len(), cause: "5 bytes too many".into() });
    assert_eq!(
        error.to_string(),
        format!("the bytecode is corrupt at byte {}: 5 bytes too many", BODY + body.len())
    );
}

#[test]
fn sizes_that_nothing_holds_are_listed() {
    let mut program = empty();
    program.buffers.push(Buffer { kind: Kind::Additive, len: u64::MAX });
    let dims = vec![Dim { size: u32::MAX, stride: 1 }; 4];
    program.views.push(View { buffer: 0, offset: 0, dims });
    let (dst, a) = (Reg(0), Reg(0));
    common::push(&mut program, Instr::Truncate { dst, a, bits: u32::MAX, route: Route(0) });
    assert!(disassemble(&program).contains(&format!("{} bits", u64::MAX)));
    assert!(validate(&program).is_err());
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    // the header's strings, then a list that claims 2^60 arguments
    let mut body = vec![0, 0, 64, 16, 32, 0];
    body.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert!(matches!(container::decode_body(&body), Err(DecodeError::Body { .. })));
}

#[test]
fn other_versions_are_refused() {
    let mut bytes = encode(&empty());
    bytes[4] = 7;
    assert_eq!(decode(&bytes), Err(DecodeError::Version { found: 7 }));
    assert_eq!(
        decode(&bytes).unwrap_err().to_string(),
        "this bytecode has version 7, this program reads version 5: compile the source again"
    );
}

/// What a version's programs look like: one with an instruction of every kind, and the digest of its bytes.
#[test]
fn a_changed_format_has_a_new_version() {
    let mut program = empty();
    program.inputs.push(common::input(&[2, 3]));
    program.outputs.push(common::output(&[2, 3]));
    program.buffers.push(Buffer { kind: Kind::Bit, len: 6 });
    program.views.push(View { buffer: 0, offset: 0, dims: common::dense(&[2, 3]) });
    for which in 0..128 {
        common::push(&mut program, common::instruction(which, &mut (1..)));
    }
    let digest: String = container::hash(&program)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (container::VERSION, digest.as_str()),
        (5, "6e2ff369947f63ad"),
        "programs are written in another way: raise VERSION, and put the new pair here"
    );
}

/// The inputs that fuzzing found to reach different code.
#[test]
fn kept_inputs_of_the_fuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/bytecode");
    let paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() > 100);
    let (mut decoded, mut valid) = (0, 0);
    for path in paths {
        let Ok(program) = container::decode_body(&fs::read(path).unwrap()) else { continue };
        decoded += 1;
        assert!(!disassemble(&program).is_empty());
        if validate(&program).is_ok() {
            valid += 1;
            tern_bytecode::report::report(&program);
        }
    }
    assert!(decoded > 100 && valid > 20, "{decoded} are programs, {valid} of them valid");
}
