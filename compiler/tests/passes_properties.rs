//! Random programs compute the same before and after every pass.

use proptest::prelude::*;
use tern_compiler::ir::Program;
use tern_compiler::ir::interpret::{Setting, interpret};
use tern_compiler::ir::text::parse;
use tern_compiler::ir::verify::verify;
use tern_compiler::passes::{Failure, PIPELINE, Pass, run_passes};
use tern_tests::random::{Flavour, Random, generate, setting};

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

/// The derivative of a convolution by its image, as differentiation writes it: patches laid over one another. The operands stand in either order, the
/// axes of the filter too.
fn scattered(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let mut size = |most| 1 + random.below(most);
    let (batch, channels, filters) = (size(3), size(3), size(3));
    let (k, l) = (size(4), size(4));
    let (s, t) = (size(3), size(3));
    let (y, x) = (size(4), size(4));
    let (height, width) = ((y - 1) * s + k + size(s) - 1, (x - 1) * t + l + size(t) - 1);
    // d [b, y, x, o] with w [o, c, k, l] gives [b, y, x, c, k, l]; the other way round [c, k, l, b, y, x]
    let (contraction, order) = match random.below(2) {
        0 => ("%p = contract 0.3.1.3 %d, %w", "[0, 3, 1, 2, 4, 5]"),
        _ => (
            "%e = permute [3, 0, 1, 2] %d\n%v = permute [1, 2, 3, 0] %w\n%p = contract 0.3.1.3 %v, %e",
            "[3, 0, 4, 5, 1, 2]",
        ),
    };
    let text = format!(
        "program test ring 64 fix 32.16 probabilistic
        input 0 d: fix.16[{batch}, {y}, {x}, {filters}] from party 0
        input 1 w: fix.16[{filters}, {channels}, {k}, {l}] from party 1
        output 0 g: fix to party 0

        %d = input 0
        %w = input 1
        {contraction}
        %q = trunc 16 %p
        %r = permute {order} %q
        %g = overlay 2 sizes [{k}, {l}] by [{s}, {t}] shape [{batch}, {channels}, {height}, {width}] %r
        output 0 %g
        "
    );
    parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

proptest! {
    /// Gathering windows gives what laying patches over one another gives.
    #[test]
    fn derivatives_of_convolutions_are_convolutions(seed: u64) {
        let before = scattered(seed);
        let setting = setting(&before, seed);
        let named = |name| PIPELINE.iter().find(|pass| pass.name == name).copied().expect("a pass");
        let after = passed(&["convolutions", "dce"].map(named), &before).expect("it fits");
        prop_assert!(!after.to_string().contains("overlay"), "{}", after);
        prop_assert_eq!(meaning(&after, &setting), meaning(&before, &setting), "{}\n{}", before, after);
    }

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
