//! Random programs compute the same before and after every pass.

use proptest::prelude::*;
use tern_compiler::ir::Program;
use tern_compiler::ir::interpret::{Setting, interpret};
use tern_compiler::ir::verify::verify;
use tern_compiler::passes::{Failure, PIPELINE, Pass, run_passes};
use tern_tests::random::{Flavour, generate, setting};

/// What a program computes, in a form in which NaN equals itself and -0 equals 0: ring elements have neither.
fn meaning(program: &Program, setting: &Setting) -> String {
    format!("{:?}", interpret(program, setting)).replace("-0.0,", "0.0,").replace("-0.0]", "0.0]")
}

/// Runs passes; nothing if the program does not fit its ring.
fn passed(passes: &[Pass], program: &Program) -> Option<Program> {
    let mut program = program.clone();
    match run_passes(passes, &mut program, &mut ()) {
        Ok(_) => Some(program),
        Err(Failure::Messages(_)) => None,
        Err(failure) => panic!("{failure}\n{program}"),
    }
}

proptest! {
    /// The interpreter computes with real numbers, in which moving a truncation changes nothing; the generator makes
    /// only numbers that doubles represent.
    #[test]
    fn passes_keep_the_meaning(seed: u64, size in 0usize..60, smooth: bool) {
        let mut before = generate(seed, size, if smooth { Flavour::Smooth } else { Flavour::Any });
        (before.settings.ring, before.settings.total) = (256, 128); // room for whatever it generates
        let setting = setting(&before, seed);
        let expected = meaning(&before, &setting);
        for pass in PIPELINE {
            let Some(after) = passed(&[*pass], &before) else { continue };
            prop_assert_eq!(verify(&after), Ok(()));
            let found = meaning(&after, &setting);
            prop_assert_eq!(&found, &expected, "{}\n{}\n{}", pass.name, before, after);
        }
        if let Some(after) = passed(PIPELINE, &before) {
            let found = meaning(&after, &setting);
            prop_assert_eq!(&found, &expected, "{}\n{}", before, after);
        }
    }
}
