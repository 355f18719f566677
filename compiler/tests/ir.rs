//! The intermediate representation: text form, verifier, interpreter.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tern_compiler::ir::interpret::{InterpretError, Setting, Tensor, interpret};
use tern_compiler::ir::text::parse;
use tern_compiler::ir::verify::verify;
use tern_compiler::ir::{Program, Type};
use tern_tests::random::{Flavour, generate, setting};

/// What the tests' programs begin with.
const HEADER: &str = "program test ring 64 fix 32.16 nearest\n";

fn program(text: &str) -> Program {
    parse(&format!("{HEADER}{text}")).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #[test]
    fn random_programs_are_valid_and_survive_printing(seed: u64, size in 0usize..60, smooth: bool) {
        let program = generate(seed, size, if smooth { Flavour::Smooth } else { Flavour::Any });
        prop_assert!(verify(&program).is_ok(), "{}\n{program}", verify(&program).unwrap_err());
        let text = program.to_string();
        prop_assert!(text.is_ascii());
        let parsed = parse(&text);
        prop_assert!(parsed.is_ok(), "{}\n{text}", parsed.unwrap_err());
        let parsed = parsed.unwrap();
        prop_assert_eq!(&text, &parsed.to_string());
        prop_assert_eq!(verify(&parsed), Ok(()));
        prop_assert_eq!(&parsed.inputs, &program.inputs);
        prop_assert_eq!(&parsed.outputs, &program.outputs);
    }

    #[test]
    fn random_programs_have_a_meaning(seed: u64, size in 0usize..60) {
        let program = generate(seed, size, Flavour::Any);
        let outputs = interpret(&program, &setting(&program, seed));
        prop_assert!(outputs.is_ok(), "{}\n{program}", outputs.unwrap_err());
    }

    /// Whatever a text contains, reading, checking and running it ends in an error or not, but never in a panic.
    #[test]
    fn damaged_texts_do_no_harm(seed: u64, edits in prop::collection::vec((any::<usize>(), any::<usize>()), 1..4)) {
        let mut text = generate(seed, 20, Flavour::Any).to_string();
        let scraps = ["", "0", "%1", "18446744073709551615", "-", "[", "]", "{", "}", "\n", ", ", "const", "yield", "/", "\u{e9}"];
        for (at, scrap) in edits {
            let at = at % (text.len() + 1);
            let end = (at + scrap % 3).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, scraps[scrap % scraps.len()]);
            }
        }
        // Large shapes are valid but too large to run.
        let small = |program: &Program| {
            let inputs = program.inputs.iter().map(|i| i.shape.iter().product::<usize>());
            inputs.chain(program.values.iter().map(|v| v.ty.len())).all(|len| len < 10_000)
        };
        if let Ok(program) = parse(&text) && verify(&program).is_ok() && small(&program) && text.len() < 10_000 {
            let _ = (program.to_string(), interpret(&program, &setting(&program, 1)).is_ok());
        }
    }
}

#[test]
fn the_generator_uses_every_operation_of_undifferentiated_programs() {
    let mut seen = BTreeSet::new();
    for seed in 0..600 {
        for line in generate(seed, 60, Flavour::Any).to_string().lines() {
            let operation = line.split_once(" = ").map_or(line, |(_, right)| right);
            seen.extend(operation.split_whitespace().next().map(str::to_string));
        }
    }
    for operation in "input iota shuffle public_uniform random_bits real_unary real_binary int_binary compare choose \
        int_to_real real_to_int encode decode decode_int add sub neg mul contract sum trunc raise rescale assume sign bits word and \
        xor not and_public promote_bits select select_again reshape permute slice pad reverse concat broadcast windows overlay gather \
        scatter promote reveal reveal_bits metric output debug const for if custom"
        .split_whitespace()
    {
        assert!(seen.contains(operation), "{operation}");
    }
}

#[test]
fn a_program_in_print() {
    let text = r#"// A comment.
        program "two words" ring 128 fix 64.32 probabilistic
        arg EPOCHS "15"
        input 0 train_x: fix.32[8, 3] from party 0, scale 1/256, range -0.5 to 1.0
        input 1 weights/out.weight: fix.32[3] from shares
        input 2 labels: int[8] from party 1, one_hot, standardise
        output 0 weights/out.weight: fix to party 2

        %x = input 0
        %w = input 1
        %final = for 469 breaks %i (%v = %w) {
            %z: shared.64[8] = contract 0.1.1.0 %x, %v
            %z32 = trunc 32 %z
            %negative = sign %z32
            %one: plain.32[8] = const 1      // stretched over the shape
            %some: plain.32[3] = const [1/2, -1, 0]
            %shared = promote %one
            %p, %half = select keep %negative, %shared
            %q = custom %p from %z32, no %shared (%d: shared.32[8]) {
                yield %d
            }
            %loss = sum [0] %q
            %g = grad %loss, %v
            %next = sub %v, %g
            %open = reveal %loss
            %number = decode %open
            metric loss %number
            %whole = real_to_int %number
            %small = if %whole {
                %yes: int[] = const 1
                yield %yes
            } else {
                yield %i
            }
            yield %next, %small
        }
        output 0 %final"#;
    let program = parse(text).unwrap();
    assert_eq!(verify(&program), Ok(()));
    expect![[r#"
        program "two words" ring 128 fix 64.32 probabilistic
        arg EPOCHS "15"
        input 0 train_x: fix.32[8, 3] from party 0, scale 1/256, range -0.5 to 1.0
        input 1 weights/out.weight: fix.32[3] from shares
        input 2 labels: int.0[8] from party 1, one_hot, standardise
        output 0 weights/out.weight: fix to party 2
        names loss

        %0: shared.32[8, 3] = input 0
        %1: shared.32[3] = input 1
        %2: shared.32[3] = for 469 breaks %3 (%4 = %1) {
            %5: shared.64[8] = contract 0.1.1.0 %0, %4
            %6: shared.32[8] = trunc 32 %5
            %7: bit[8] = sign %6
            %8: plain.32[8] = const 1
            %9: plain.32[3] = const [1/2, -1, 0]
            %10: shared.32[8] = promote %8
            %11: shared.32[8], %12: half[8] = select keep %7, %10
            %13: shared.32[8] = custom %11 from %6, no %10 (%14: shared.32[8]) {
                yield %14
            }
            %15: shared.32[] = sum [0] %13
            %16: shared.32[3] = grad %15, %4
            %17: shared.32[3] = sub %4, %16
            %18: plain.32[] = reveal %15
            %19: real[] = decode %18
            metric loss %19
            %20: int[] = real_to_int %19
            %21: int[] = if %20 {
                %22: int[] = const 1
                yield %22
            } else {
                yield %3
            }
            yield %17, %21
        }
        output 0 %2
    "#]]
    .assert_eq(&program.to_string());
}

#[test]
fn a_broken_program_can_be_printed() {
    let mut program = program("%0: plain.16[2] = const 1\n%1 = neg %0\n");
    program.body.insts.remove(0);
    assert!(program.to_string().ends_with("%0: plain.16[2] = neg %undefined0\n"), "{program}");
}

fn refused(text: &str, expected: Expect) {
    expected.assert_eq(&parse(&format!("{HEADER}{text}")).unwrap_err().to_string());
}

#[test]
fn texts_that_are_refused() {
    refused("%0 = frobnicate", expect!["line 2: there is no operation frobnicate"]);
    refused("%0 = const 1", expect!["line 2: a constant needs its type on the left"]);
    refused("%0: plain.16[2] = const [1]", expect!["line 2: 1 numbers for plain.16[2]"]);
    refused("%0: int[] = const 1/0", expect!["line 2: a denominator of 0"]);
    refused("%0: real[] = const 1\n%1 = neg %0", expect!["line 3: Neg of real[]"]);
    refused("%0: int[] = const 1\n%0: int[] = const 2", expect!["line 3: %0 is defined twice"]);
    refused(
        "%0: int[] = const 1\n\n%1: int[2] = broadcast [] %0",
        expect!["line 4: %1 is int[], not int[2]"],
    );
    refused("%0: int[99999999999999] = const 1", expect!["line 2: there is no type int[99999999999999]"]);
    refused("%0: int.3[] = const 1", expect!["line 2: there is no type int[]"]);
    refused("%0 = input 0", expect!["line 2: no input 0"]);
    refused("debug \"open %0", expect!["line 2: a text without its closing quotation mark"]);
    refused("for 3 %0 {\n", expect!["line 3: expected `}`, found ``"]);
    refused("%0: real[] = const 1 2", expect!["line 2: expected the end of the line, found `2`"]);
    refused("%0 = add %1, %1", expect!["line 2: %1 is not defined"]);
    refused("}", expect!["line 2: expected an instruction"]);
    refused(&format!("{}{}", "for 1 %0 {\n", "if %0 {\n".repeat(80)), expect!["line 66: nested too deeply"]);
}

fn invalid(text: &str, change: impl FnOnce(&mut Program), expected: Expect) {
    let mut program = program(text);
    assert_eq!(verify(&program), Ok(()));
    change(&mut program);
    expected.assert_eq(&verify(&program).unwrap_err().broken.to_string());
}

#[test]
fn every_rule_is_checked() {
    let text = "output 0 y: fix to shares\nnames a\n%0: plain.16[2] = const 1\n%1 = promote %0\n%2 = mul %1, %1\noutput 0 %2\ndebug a %2";
    invalid(text, |p| p.settings.ring = 100, expect!["fix 32.16 in a ring of 100 bits"]);
    invalid(text, |p| p.settings.total = 16, expect!["fix 16.16 in a ring of 64 bits"]);
    invalid(
        text,
        |p| p.body.yields = p.body.insts[0].results.clone(),
        expect!["the outermost block has parameters or yields something"],
    );
    invalid(
        text,
        |p| p.body.insts.swap(1, 2),
        expect!["value 1 is not there, or is defined later or in a block that has ended"],
    );
    invalid(text, |p| p.body.insts[1] = p.body.insts[0].clone(), expect!["value 0 is defined a second time"]);
    invalid(
        text,
        |p| p.values.truncate(1),
        expect!["value 1 is not there, or is defined later or in a block that has ended"],
    );
    invalid(
        text,
        |p| p.values[2].ty = Type::shared(16, [2]),
        expect![[r#"results of type ["shared.16[2]"], expected ["shared.32[2]"]"#]],
    );
    invalid(text, |p| p.body.insts[2].args.truncate(1), expect!["Mul of shared.16[2]"]);
    invalid(
        text,
        |p| p.body.insts[2].results.clear(),
        expect![[r#"results of type [], expected ["shared.32[2]"]"#]],
    );
    invalid(text, |p| p.names.clear(), expect!["there is no name 0"]);
    invalid(text, |p| p.outputs.clear(), expect!["no output 0"]);
    let twice = |p: &mut Program| p.body.insts.push(p.body.insts[3].clone());
    invalid(text, twice, expect!["output 0 is written a second time"]);
    let nested = "%0: int[] = const 1\n%1 = if %0 {\n%2 = int_to_real %0\nyield %2\n} else {\n%3: real[] = const 2\nyield %3\n}";
    invalid(
        nested,
        |p| p.body.insts[1].regions[1].yields = p.body.insts[1].regions[0].yields.clone(),
        expect!["value 1 is not there, or is defined later or in a block that has ended"],
    );
    invalid(nested, |p| p.body.insts[1].regions.truncate(1), expect!["If with 1 regions"]);
    invalid(
        nested,
        |p| p.body.insts[1].regions[0].yields.clear(),
        expect!["a branch that yields  or real[]"],
    );
    let rule = "%0: plain.16[2] = const 1\n%1 = promote %0\n%2 = custom %1 from %1 (%3: shared.16[2]) {\nyield %3\n}";
    invalid(
        rule,
        |p| p.values[2].ty = Type::shared(16, [1]),
        expect!["a rule for derivatives where shared.16[2] is expected has shared.16[1]"],
    );
    invalid(
        rule,
        |p| p.values[2].ty = Type::new(tern_bytecode::Kind::Additive, 16, [2]),
        expect!["value 2 is additive before forms are explicit"],
    );
    invalid(
        rule,
        |p| p.values[2].ty = Type::shared(1 << 20, [2]),
        expect!["a parameter shared.1048576[2] beyond all bounds"],
    );
    let input = "input 0 x: fix.16[2] from party 0";
    invalid(input, |p| p.inputs[0].shape = vec![usize::MAX, 2], expect!["input 0 is beyond all bounds"]);
}

/// The elements of what the program shows with `debug`.
fn shown(text: &str) -> Vec<Vec<f64>> {
    let program = program(text);
    let outputs = interpret(&program, &setting(&program, 7)).unwrap();
    outputs.debug.into_iter().map(|(_, tensor)| tensor.data).collect()
}

#[test]
fn bits_are_those_of_the_ring_integer() {
    let text = "%0: plain.16[3] = const [-1/65536, 3/2, -2]
        %1 = promote %0
        %2 = bits 15 to 18 %1
        %3 = sign %1
        %4 = word %2
        debug a %2\ndebug b %3\ndebug c %4
        %5 = sign 17 %1
        debug d %5";
    let expected: [&[f64]; 4] = [
        &[1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0],
        &[1.0, 0.0, 1.0],
        &[7.0, 3.0, 4.0],
        &[1.0, 1.0, 0.0],
    ];
    assert_eq!(shown(text), expected);
}

#[test]
fn loops_carry_and_break() {
    let text = "%0: int[] = const 1
        %a, %b = for 10 breaks %i (%x = %0, %y = %0) {
            %s = int_binary add %x, %y
            %limit: int[] = const 4
            %stop = compare eq %i, %limit
            yield %y, %s, %stop
        }
        debug fibonacci %b
        %none = for 0 %j (%z = %b) {
            yield %j
        }
        debug same %none";
    assert_eq!(shown(text), [[13.0], [13.0]]);
}

#[test]
fn errors_of_the_interpreter() {
    let run = |text: &str, setting: &Setting| interpret(&program(text), setting).unwrap_err();
    let none = Setting::default();
    let x = "input 0 x: fix.16[2] from party 0\n%0 = input 0";
    assert_eq!(run(x, &none), InterpretError::Input { name: "x".into(), shape: vec![2] });
    let mut wrong = Setting::default();
    wrong.inputs.insert("x".into(), Tensor::scalar(1.0));
    assert_eq!(run(x, &wrong), InterpretError::Input { name: "x".into(), shape: vec![2] });
    let division = "%0: int[] = const 0\n%1 = int_binary rem %0, %0";
    assert_eq!(run(division, &none), InterpretError::Division);
    let beyond = "%0: real[] = const 32768\n%1 = encode 20 %0";
    let bounded = Setting { bounded: true, ..Setting::default() };
    assert_eq!(run(beyond, &bounded), InterpretError::Beyond(32768.0));
    let row = "%0: int[3] = const 3\n%1 = gather %0, %0";
    assert_eq!(run(row, &none), InterpretError::Row { row: 3.0, rows: 3 });
    let grad = "%0: plain.16[] = const 1\n%1 = promote %0\n%2 = grad %1, %1";
    assert_eq!(run(grad, &none), InterpretError::Grad);
    let undefined = "%0: int[] = const 1\n%1 = if %0 {\n%2: int[] = const 1\nyield %2\n} else {\nyield %2\n}";
    assert!(matches!(run(undefined, &none), InterpretError::Invalid(_)));
}
