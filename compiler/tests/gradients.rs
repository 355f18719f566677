//! Derivatives against central differences, and their text.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tern_compiler::diagnostics::{Look, Origin as From, SourceMap, render_all};
use tern_compiler::ir::interpret::{Nudge, Setting, Tensor, interpret};
use tern_compiler::ir::text::parse;
use tern_compiler::ir::verify::verify;
use tern_compiler::ir::{Inst, Op, Program, ValueId};
use tern_compiler::passes::differentiate;
use tern_tests::losses::{Tail, random_loss};
use tern_tests::random::setting;

fn value_of(program: &Program, setting: &Setting, name: &str) -> Tensor {
    let outputs = interpret(program, setting).unwrap();
    outputs.debug.into_iter().rfind(|(n, _)| n == name).unwrap().1
}

/// The derivative of what the program shows as `loss` by one element, and how far it may be off.
///
/// A comparison that tips within the step shows as two estimates that disagree; a smaller step
/// leaves it outside, until what is left is rounding.
fn difference(program: &Program, setting: &Setting, value: ValueId, element: usize) -> (f64, f64) {
    let steps = [16, 20, 24, 28].map(|bits| 1.0 / f64::from(1u32 << bits));
    let found = steps.map(|step| difference_by(step, program, setting, value, element));
    let smooth = found.iter().find(|(by, error)| *error <= 1e-3 * by.abs().max(1.0));
    *smooth.unwrap_or(&found[0])
}

fn difference_by(
    step: f64,
    program: &Program,
    setting: &Setting,
    value: ValueId,
    element: usize,
) -> (f64, f64) {
    let loss = |by: f64| {
        let setting = Setting { nudge: Some(Nudge { value, element, by }), ..setting.clone() };
        value_of(program, &setting, "loss").data[0]
    };
    let (above, below) = (loss(step), loss(-step));
    let (far_above, far_below) = (loss(2.0 * step), loss(-2.0 * step));
    // Richardson's extrapolation; the difference of the two estimates bounds its error.
    let (near, far) = ((above - below) / (2.0 * step), (far_above - far_below) / (4.0 * step));
    let noise = 1e-15 * above.abs().max(1.0) / step * 8.0;
    ((4.0 * near - far) / 3.0, (near - far).abs() + noise + 1e-6 * near.abs())
}

proptest! {
    #[test]
    fn derivatives_agree_with_differences(seed: u64, size in 1usize..40) {
        let (program, loss, by) = random_loss(seed, size);
        prop_assert_eq!(verify(&program), Ok(()));
        let setting = setting(&program, seed);
        let mut derived = program.clone();
        let mut tail = Tail(&mut derived);
        let gradients = tail.push(Op::Grad, &[&[loss], by.as_slice()].concat());
        for (i, gradient) in gradients.iter().enumerate() {
            tail.show(&format!("by {i}"), *gradient);
        }
        let result = differentiate::run(&mut derived);
        prop_assert!(verify(&derived).is_ok(), "{}\n{derived}", verify(&derived).unwrap_err());
        if let Err(errors) = result {
            prop_assert_eq!(errors[0].code.name(), "G001");
            let constant = |value: &ValueId| (0..program.ty(*value).len())
                .all(|element| difference(&program, &setting, *value, element).0 == 0.0);
            prop_assert!(by.iter().any(constant), "{program}");
            return Ok(());
        }
        let left = |inst: &Inst| matches!(inst.op, Op::Grad | Op::Custom { .. });
        prop_assert!(!derived.body.insts.iter().any(left));
        for (i, value) in by.iter().enumerate() {
            let found = value_of(&derived, &setting, &format!("by {i}"));
            for (element, gradient) in found.data.iter().enumerate().take(8) {
                let (expected, error) = difference(&program, &setting, *value, element);
                prop_assert!((gradient - expected).abs() <= error, "{gradient} not {expected} +- {error} by {i}[{element}]\n{derived}");
            }
        }
    }
}
#[test]
fn the_random_losses_need_the_rule_of_every_operation() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (mut program, loss, by) = random_loss(seed, 25);
        let before = program.values.len() as u32;
        Tail(&mut program).push(Op::Grad, &[&[loss], by.as_slice()].concat());
        if differentiate::run(&mut program).is_ok() {
            let made = |inst: &&Inst| inst.results.first().is_some_and(|r| r.0 >= before);
            let made = program.body.insts.iter().filter(made).map(|inst| format!("{:?}", inst.op));
            seen.extend(made.map(|op| op.split(['(', ' ']).next().unwrap_or_default().to_string()));
        }
    }
    // Pad comes from Slice, Overlay from Windows, and so on.
    for made in "Add Broadcast Contract Gather Mul Neg Overlay Pad Permute Promote Raise Rescale Reshape Reverse Scatter Select Slice Sum \
        Trunc Windows"
        .split_whitespace()
    {
        assert!(seen.contains(made), "{made}");
    }
}

fn differentiated(text: &str) -> Result<Program, String> {
    let text = format!("program test ring 64 fix 32.16 nearest\n{text}");
    let mut program = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(verify(&program), Ok(()));
    let result = differentiate::run(&mut program);
    assert_eq!(verify(&program), Ok(()));
    let mut sources = SourceMap::new();
    sources.add("test.ir", text, From::User);
    result.map(|()| program).map_err(|errors| render_all(&errors, &sources, Look::PLAIN))
}

fn becomes(text: &str, expected: Expect) {
    let printed = differentiated(text).unwrap().to_string();
    let body = printed.split_once("\n\n").unwrap().1;
    expected.assert_eq(body);
}

#[test]
fn a_linear_layer_in_a_loop() {
    let text = "input 0 x: fix.16[8, 3] from party 0\ninput 1 y: fix.16[8] from party 1\ninput 2 w: fix.16[3] from party 1
        %x = input 0
        %y = input 1
        %w0 = input 2
        %w = for 10 %i (%v = %w0) {
            %z2 = contract 0.1.1.0 %x, %v
            %z = trunc 16 %z2
            %e = sub %z, %y
            %s2 = mul %e, %e
            %s = trunc 16 %s2
            %loss = sum [0] %s
            %g = grad %loss, %v
            %v1 = sub %v, %g
            yield %v1
        }";
    becomes(
        text,
        expect![[r#"
        %0: shared.16[8, 3] = input 0
        %1: shared.16[8] = input 1
        %2: shared.16[3] = input 2
        %3: shared.16[3] = for 10 %4 (%5 = %2) {
            %6: shared.32[8] = contract 0.1.1.0 %0, %5
            %7: shared.16[8] = trunc 16 %6
            %8: shared.16[8] = sub %7, %1
            %9: shared.32[8] = mul %8, %8
            %10: shared.16[8] = trunc 16 %9
            %11: shared.16[] = sum [0] %10
            %12: shared.16[8] = add %8, %8
            %13: shared.16[3, 8] = permute [1, 0] %0
            %14: shared.32[3] = contract 0.1.1.0 %13, %12
            %15: shared.16[3] = trunc 16 %14
            %16: shared.16[3] = sub %5, %15
            yield %16
        }
    "#]],
    );
}

#[test]
fn a_rule_is_copied_and_its_value_kept() {
    let text = "input 0 x: fix.16[2] from party 0
        %x = input 0
        %q = mul %x, %x
        %y = trunc 16 %q
        %z = custom %y from %x, no %x (%d: shared.16[2]) {
            %p = mul %d, %x
            %t = trunc 15 %p
            %r = rescale 16 %t
            yield %r
        }
        %three: plain.2[2] = const 3/4
        %u2 = mul %z, %three
        %u = trunc 2 %u2
        %loss = sum [0] %u
        %g = grad %loss, %x
        output 0 %g";
    becomes(
        &format!("output 0 g: fix to party 0\n{text}"),
        expect![[r#"
        %0: shared.16[2] = input 0
        %1: shared.32[2] = mul %0, %0
        %2: shared.16[2] = trunc 16 %1
        %3: plain.2[2] = const 3/4
        %4: shared.18[2] = mul %2, %3
        %5: shared.16[2] = trunc 2 %4
        %6: shared.16[] = sum [0] %5
        %7: plain.16[2] = raise 14 %3
        %8: shared.16[2] = promote %7
        %9: shared.32[2] = mul %8, %0
        %10: shared.17[2] = trunc 15 %9
        %11: shared.16[2] = rescale 16 %10
        output 0 %11
    "#]],
    );
}

#[test]
fn a_selection_uses_its_bit_again() {
    let text = "input 0 x: fix.16[2, 2] from party 0
        %x = input 0
        %negative = sign %x
        %positive = not %negative
        %relu = select %positive, %x
        %top = slice [0, 0] by [1, 1] shape [1, 2] %relu
        %scores: plain.0[1, 2] = const [2, -3]
        %m = mul %top, %scores
        %loss = sum [0, 1] %m
        %g = grad %loss, %x";
    becomes(
        text,
        expect![[r#"
        %0: shared.16[2, 2] = input 0
        %1: bit[2, 2] = sign %0
        %2: bit[2, 2] = not %1
        %3: shared.16[2, 2] = select %2, %0
        %4: shared.16[1, 2] = slice [0, 0] by [1, 1] shape [1, 2] %3
        %5: plain.0[1, 2] = const [2, -3]
        %6: shared.16[1, 2] = mul %4, %5
        %7: shared.16[] = sum [0, 1] %6
        %8: plain.16[1, 2] = raise 16 %5
        %9: shared.16[1, 2] = promote %8
        %10: shared.16[2, 2] = pad [0, 0] and [1, 0] between [0, 0] %9
        %11: shared.16[2, 2] = select %2, %10
    "#]],
    );
}

fn fails(text: &str, expected: Expect) {
    expected.assert_eq(&differentiated(text).unwrap_err());
}

/// The same of a program with an input.
fn fails_with_input(text: &str, expected: Expect) {
    fails(&format!("input 0 x: fix.16[2] from party 0\n%x = input 0\n{text}"), expected);
}

#[test]
fn losses_that_do_not_depend_on_a_value() {
    fails_with_input(
        "%loss = sum [0] %x\n%p = neg %x\n%g = grad %loss, %p",
        expect![[r#"
        error[G001]: the loss does not depend on this
           ,-[test.ir:6:1]
         5 | %p = neg %x
           | ^^^^^^^^^^^
           |      `-- it is assigned here, after the loss was computed
         6 | %g = grad %loss, %p
           | ^^^^^^^^^^^^^^^^^^^
           `----
           = help: take the gradient before the assignment

    "#]],
    );
    fails_with_input(
        "%p = neg %x\n%loss = sum [0] %x\n%g, %h = grad %loss, %x, %p",
        expect![[r#"
        error[G001]: the loss does not depend on this
           ,-[test.ir:6:1]
         6 | %g, %h = grad %loss, %x, %p
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
           `----
           = note: of its 2 tensors, number 2, of shape [2]

    "#]],
    );
}

#[test]
fn losses_of_which_a_part_has_no_derivative() {
    fails_with_input(
        "%b = sign %x\n%w = reshape [1, 2] %b\n%n = word %w\n%loss = sum [0] %n\n%g = grad %loss, %x",
        expect![[r#"
            error[G006]: a part of the loss has no derivative
               ,-[test.ir:8:1]
             8 | %g = grad %loss, %x
               | ^^^^^^^^^^^^^^^^^^^
               `----
               ,-[test.ir:4:1]
             4 | %b = sign %x
               | ^^^^^^^^^^^^
               |       `-- of this comparison a number is made, which has no derivative
               `----
               = help: math::stop_gradient(…)  around what this is computed from lets it count as a constant

        "#]],
    );
}

#[test]
fn losses_behind_loops_branches_and_derivatives() {
    fails_with_input(
        "%y = for 3 %i (%v = %x) {\n%u = add %v, %x\nyield %u\n}\n%loss = sum [0] %y\n%g = grad %loss, %x",
        expect![[r#"
            error[G004]: derivatives do not go through a loop
               ,-[test.ir:9:1]
             9 | %g = grad %loss, %x
               | ^^^^^^^^^^^^^^^^^^^
               `----
               ,-[test.ir:4:1]
             4 | %y = for 3 %i (%v = %x) {
               | ^^^^^^^^^^^^^^^^^^^^^^^^^
               |             `-- the loss depends on this loop
               `----
               = help: expand it:  unroll for

        "#]],
    );
    fails_with_input(
        "%c: int[] = const 1\n%y = if %c {\nyield %x\n} else {\n%u = neg %x\nyield %u\n}\n%loss = sum [0] %y\n%g = grad %loss, %x",
        expect![[r#"
            error[G004]: derivatives do not go through a branch
                ,-[test.ir:12:1]
             12 | %g = grad %loss, %x
                | ^^^^^^^^^^^^^^^^^^^
                `----
               ,-[test.ir:5:1]
             5 | %y = if %c {
               | ^^^^^^^^^^^^
               |       `-- the loss depends on this branch
               `----
                = help: compute both sides and select:  where(condition, a, b)

        "#]],
    );
    fails_with_input(
        "%q = mul %x, %x\n%loss = sum [0] %q\n%g = grad %loss, %x\n%norm = sum [0] %g\n%h = grad %norm, %x",
        expect![[r#"
            error[G005]: this would be a derivative of a derivative
               ,-[test.ir:8:1]
             6 | %g = grad %loss, %x
               | ^^^^^^^^^^^^^^^^^^^
               |          `-- the loss depends on this derivative
             7 | %norm = sum [0] %g
             8 | %h = grad %norm, %x
               | ^^^^^^^^^^^^^^^^^^^
               `----

        "#]],
    );
}

#[test]
fn derivatives_of_and_by_what_has_none() {
    fails_with_input(
        "%g = grad %x, %x",
        expect![[r#"
        error[G003]: there is no derivative of or by shared.16[2]
           ,-[test.ir:4:1]
         4 | %g = grad %x, %x
           | ^^^^^^^^^^^^^^^^
           `----

    "#]],
    );
    fails_with_input(
        "%p = reveal %x\n%loss = sum [0] %x\n%g = grad %loss, %p\n%h = grad %loss, %p",
        expect![[r#"
        error[G003]: there is no derivative of or by plain.16[2]
           ,-[test.ir:6:1]
         6 | %g = grad %loss, %p
           | ^^^^^^^^^^^^^^^^^^^
           `----

        error[G003]: there is no derivative of or by plain.16[2]
           ,-[test.ir:7:1]
         7 | %h = grad %loss, %p
           | ^^^^^^^^^^^^^^^^^^^
           `----

    "#]],
    );
}
