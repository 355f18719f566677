//! Passes over the intermediate representation: text in, text out.

use expect_test::{Expect, expect};
use tern_compiler::diagnostics::Severity;
use tern_compiler::ir::Program;
use tern_compiler::ir::text::parse;
use tern_compiler::ir::verify::verify;
use tern_compiler::passes::{Failure, PIPELINE, run_passes};

/// What the tests' programs begin with.
const HEADER: &str = "program test ring 64 fix 32.16 probabilistic\n";

fn program(header: &str, text: &str) -> Program {
    let program = parse(&format!("{header}{text}")).unwrap_or_else(|error| panic!("{error}"));
    verify(&program).unwrap_or_else(|error| panic!("{error}"));
    program
}

/// Runs passes by name and returns the program without its header, behind the messages.
fn passed(names: &str, header: &str, text: &str) -> String {
    let mut program = program(header, text);
    let find = |name| PIPELINE.iter().find(|p| p.name == name).copied().unwrap_or_else(|| panic!("{name}"));
    let passes: Vec<_> = names.split_whitespace().map(find).collect();
    let messages = match run_passes(&passes, &mut program, &mut ()) {
        Ok(messages) | Err(Failure::Messages(messages)) => messages,
        Err(failure) => panic!("{failure}\n{program}"),
    };
    let mut shown = String::new();
    for m in messages {
        let severity = if m.severity == Severity::Error { "error" } else { "warning" };
        let label = m.labels.first().map_or("", |l| l.text.as_str());
        shown += &format!("{severity}[{}]: {}: {label}\n", m.code, m.message);
    }
    let printed = program.to_string();
    let (_, body) = printed.split_once("\n\n").unwrap_or(("", &printed));
    shown + body
}

fn check(names: &str, text: &str, expected: Expect) {
    expected.assert_eq(&passed(names, HEADER, text));
}

mod late_truncation {
    use super::*;

    /// A term with many fraction bits: the contract of the sum leaves no room, the ranges do.
    #[test]
    fn a_sum_by_its_ranges() {
        check(
            "late_truncation",
            "
            input 0 x: fix.16[4] from party 0, range -1 to 1
            output 0 y: fix to party 0

            %x = input 0
            %c: plain.33[4] = const 1/100000
            %u = mul %x, %x
            %t = trunc 16 %u
            %v = mul %x, %c
            %w = trunc 33 %v
            %y = add %t, %w
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: plain.33[4] = const 1/100000
                %2: shared.32[4] = mul %0, %0
                %3: shared.16[4] = trunc 16 %2
                %4: shared.49[4] = mul %0, %1
                %5: shared.16[4] = trunc 33 %4
                %6: shared.49[4] = raise 17 %2
                %7: shared.49[4] = add %6, %4
                %8: shared.16[4] = trunc 33 %7
                output 0 %8
            "#]],
        );
    }

    /// Affine maps added up: one truncation for two products and a bias.
    #[test]
    fn sums_of_products_are_truncated_once() {
        check(
            "late_truncation",
            "
            input 0 x: fix.16[8, 3] from party 0
            input 1 w: fix.16[3, 4] from party 1
            input 2 b: fix.16[8, 4] from party 1
            output 0 y: fix to party 0

            %x = input 0
            %w = input 1
            %b = input 2
            %u = contract 0.1.1.1 %x, %w
            %t = trunc 16 %u
            %v = mul %b, %b
            %s = trunc 16 %v
            %a = add %t, %s
            %n = neg %a
            %y = sub %n, %b
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[8, 3] = input 0
                %1: shared.16[3, 4] = input 1
                %2: shared.16[8, 4] = input 2
                %3: shared.32[8, 4] = contract 0.1.1.1 %0, %1
                %4: shared.16[8, 4] = trunc 16 %3
                %5: shared.32[8, 4] = mul %2, %2
                %6: shared.16[8, 4] = trunc 16 %5
                %7: shared.32[8, 4] = add %3, %5
                %8: shared.16[8, 4] = trunc 16 %7
                %9: shared.32[8, 4] = neg %7
                %10: shared.16[8, 4] = trunc 16 %9
                %11: shared.32[8, 4] = raise 16 %2
                %12: shared.32[8, 4] = sub %9, %11
                %13: shared.16[8, 4] = trunc 16 %12
                output 0 %13
            "#]],
        );
    }

    /// Rows are summed before they are rounded; the columns of a stretched value are not.
    #[test]
    fn truncations_go_where_there_are_fewer_elements() {
        check(
            "late_truncation",
            "
            input 0 x: fix.16[8, 3] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %t = trunc 16 %u
            %s = sum [0] %t
            %r = reshape [3, 1] %s
            %y = broadcast [3, 5] %r
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[8, 3] = input 0
                %1: shared.32[8, 3] = mul %0, %0
                %2: shared.16[8, 3] = trunc 16 %1
                %3: shared.32[3] = sum [0] %1
                %4: shared.16[3] = trunc 16 %3
                %5: shared.32[3, 1] = reshape [3, 1] %3
                %6: shared.16[3, 1] = trunc 16 %5
                %7: shared.16[3, 5] = broadcast [3, 5] %6
                output 0 %7
            "#]],
        );
    }

    /// A truncation with two users stays, and one in a loop does not leave it.
    #[test]
    fn shared_truncations_stay() {
        check(
            "late_truncation",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %t = trunc 16 %u
            %a = neg %t
            %o = trunc 16 %u
            %l = for 3 %i (%c = %x) {
                %d = add %c, %o
                %e = mul %d, %t
                %f = trunc 16 %e
                %g = add %f, %c
                yield %g
            }
            %y = add %a, %l
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: shared.32[4] = mul %0, %0
                %2: shared.16[4] = trunc 16 %1
                %3: shared.16[4] = neg %2
                %4: shared.16[4] = trunc 16 %1
                %5: shared.16[4] = for 3 %6 (%7 = %0) {
                    %8: shared.16[4] = add %7, %4
                    %9: shared.32[4] = mul %8, %2
                    %10: shared.16[4] = trunc 16 %9
                    %11: shared.32[4] = raise 16 %7
                    %12: shared.32[4] = add %9, %11
                    %13: shared.16[4] = trunc 16 %12
                    yield %13
                }
                %14: shared.16[4] = add %3, %5
                output 0 %14
            "#]],
        );
    }

    /// Scales differ: the coarser product is raised to the finer, as long as there is room.
    #[test]
    fn different_scales_meet_where_there_is_room() {
        let text = |bits: u32| {
            format!(
                "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %c: plain.{bits}[4] = const 3/1024
            %u = mul %x, %x
            %t = trunc 16 %u
            %v = mul %x, %c
            %s = trunc {bits} %v
            %y = sub %s, %t
            output 0 %y
            "
            )
        };
        check(
            "late_truncation",
            &text(19),
            expect![[r#"
            %0: shared.16[4] = input 0
            %1: plain.19[4] = const 3/1024
            %2: shared.32[4] = mul %0, %0
            %3: shared.16[4] = trunc 16 %2
            %4: shared.35[4] = mul %0, %1
            %5: shared.16[4] = trunc 19 %4
            %6: shared.35[4] = raise 3 %2
            %7: shared.35[4] = sub %4, %6
            %8: shared.16[4] = trunc 19 %7
            output 0 %8
        "#]],
        );
        check(
            "late_truncation",
            &text(40),
            expect![[r#"
            %0: shared.16[4] = input 0
            %1: plain.40[4] = const 3/1024
            %2: shared.32[4] = mul %0, %0
            %3: shared.16[4] = trunc 16 %2
            %4: shared.56[4] = mul %0, %1
            %5: shared.16[4] = trunc 40 %4
            %6: shared.16[4] = sub %5, %3
            output 0 %6
        "#]],
        );
    }

    /// Waiting for a comparison before the truncation would lengthen the chain of rounds for nothing.
    #[test]
    fn what_comes_later_is_added_later() {
        check(
            "late_truncation",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %t = trunc 16 %u
            %n = neg %x
            %b = sign 0 %n
            %s = select %b, %x
            %y = add %s, %t
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: shared.32[4] = mul %0, %0
                %2: shared.16[4] = trunc 16 %1
                %3: shared.16[4] = neg %0
                %4: bit[4] = sign %3
                %5: shared.16[4] = select %4, %0
                %6: shared.16[4] = add %5, %2
                output 0 %6
            "#]],
        );
    }
}

mod fuse_truncations {
    use super::*;

    /// A gradient of bounded terms times the learning rate over the batch size.
    fn update(bound: &str) -> String {
        format!(
            "
            input 0 x: fix.16[128, 3] from party 0
            input 1 d: fix.16[128, 4] from party 1, range 0 to {bound}
            output 0 y: fix to party 0

            %x = input 0
            %d = input 1
            %s = assume -1 to 1 %x
            %c: plain.29[3, 4] = const 41943/536870912
            %r = permute [1, 0] %s
            %u = contract 0.1.1.1 %r, %d
            %t = trunc 16 %u
            %v = mul %t, %c
            %y = trunc 29 %v
            output 0 %y
            "
        )
    }

    #[test]
    fn gradient_and_learning_rate() {
        check(
            "fuse_truncations",
            &update("1"),
            expect![[r#"
            %0: shared.16[128, 3] = input 0
            %1: shared.16[128, 4] = input 1
            %2: shared.16[128, 3] = assume -1 to 1 %0
            %3: plain.29[3, 4] = const 41943/536870912
            %4: shared.16[3, 128] = permute [1, 0] %2
            %5: shared.32[3, 4] = contract 0.1.1.1 %4, %1
            %6: shared.16[3, 4] = trunc 16 %5
            %7: shared.45[3, 4] = mul %6, %3
            %8: shared.61[3, 4] = mul %5, %3
            %9: shared.16[3, 4] = trunc 45 %8
            output 0 %9
        "#]],
        );
    }

    /// The same without room: the truncations stay apart.
    #[test]
    fn without_room_truncations_stay_apart() {
        check(
            "fuse_truncations",
            &update("32767"),
            expect![[r#"
            %0: shared.16[128, 3] = input 0
            %1: shared.16[128, 4] = input 1
            %2: shared.16[128, 3] = assume -1 to 1 %0
            %3: plain.29[3, 4] = const 41943/536870912
            %4: shared.16[3, 128] = permute [1, 0] %2
            %5: shared.32[3, 4] = contract 0.1.1.1 %4, %1
            %6: shared.16[3, 4] = trunc 16 %5
            %7: shared.45[3, 4] = mul %6, %3
            %8: shared.16[3, 4] = trunc 29 %7
            output 0 %8
        "#]],
        );
    }

    /// A product of secrets over a power of two.
    #[test]
    fn power_of_two() {
        check(
            "fuse_truncations",
            "
            input 0 x: fix.16[4] from party 0, range -8 to 8
            output 0 y: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %t = trunc 16 %u
            %v = rescale 20 %t
            %w = trunc 4 %v
            output 0 %w
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: shared.32[4] = mul %0, %0
                %2: shared.16[4] = trunc 16 %1
                %3: shared.20[4] = rescale 20 %2
                %4: shared.36[4] = rescale 36 %1
                %5: shared.16[4] = trunc 20 %4
                output 0 %5
            "#]],
        );
    }

    /// The inner truncation has another user, and would have to be paid besides.
    #[test]
    fn a_truncation_that_stays_is_not_fused() {
        check(
            "fuse_truncations",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %c: plain.17[4] = const 1/100000
            %u = mul %x, %x
            %t = trunc 16 %u
            %v = mul %t, %c
            %w = trunc 17 %v
            %y = sub %t, %w
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: plain.17[4] = const 1/100000
                %2: shared.32[4] = mul %0, %0
                %3: shared.16[4] = trunc 16 %2
                %4: shared.33[4] = mul %3, %1
                %5: shared.16[4] = trunc 17 %4
                %6: shared.16[4] = sub %3, %5
                output 0 %6
            "#]],
        );
    }

    #[test]
    fn constant_factors_become_one() {
        check(
            "fuse_truncations",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %c: plain.4[4] = const 3/16
            %d: plain.3[4] = const [1/8, 3/8, 0, -5/8]
            %u = mul %x, %c
            %t = trunc 4 %u
            %v = mul %t, %d
            %y = trunc 3 %v
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: plain.4[4] = const 3/16
                %2: plain.3[4] = const [1/8, 3/8, 0, -5/8]
                %3: shared.20[4] = mul %0, %1
                %4: shared.16[4] = trunc 4 %3
                %5: shared.19[4] = mul %4, %2
                %6: shared.23[4] = mul %3, %2
                %7: shared.16[4] = trunc 7 %6
                output 0 %7
            "#]],
        );
    }
}

mod narrow {
    use super::*;

    #[test]
    fn comparisons_are_as_wide_as_their_ranges() {
        check(
            "narrow",
            "
            input 0 x: fix.16[4] from party 0
            input 1 p: fix.16[4] from party 0, range 0 to 1
            input 2 q: fix.16[4] from party 0, one_hot
            output 0 y: fix to party 0

            %x = input 0
            %p = input 1
            %q = input 2
            %a = sign %x
            %d = sub %p, %q
            %b = sign %d
            %e = assume -1/8 to 3 %x
            %c = sign %e
            %i = xor %a, %b
            %j = xor %i, %c
            %y = select %j, %x
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: shared.16[4] = input 1
                %2: shared.16[4] = input 2
                %3: bit[4] = sign 32 %0
                %4: shared.16[4] = sub %1, %2
                %5: bit[4] = sign 18 %4
                %6: shared.16[4] = assume -1/8 to 3 %0
                %7: bit[4] = sign 19 %6
                %8: bit[4] = xor %3, %5
                %9: bit[4] = xor %8, %7
                %10: shared.16[4] = select %9, %0
                output 0 %10
            "#]],
        );
    }

    /// What is rectified is not negative, nor is the larger of such two; absolute values are not either.
    #[test]
    fn decided_comparisons_become_constants() {
        check(
            "narrow",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0
            output 1 z: fix to party 0

            %x = input 0
            %n = neg %x
            %p = sign %n
            %r = select %p, %x
            %b = sign %r
            %y = select %b, %x
            %s = sign %x
            %d = sub %n, %x
            %e = select %s, %d
            %a = add %x, %e
            %t = sign %a
            %u = not %t
            %z = select %u, %x
            output 0 %y
            output 1 %z
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: shared.16[4] = neg %0
                %2: bit[4] = sign 32 %1
                %3: shared.16[4] = select %2, %0
                %4: int[4] = const 0
                %5: bit[4] = promote_bits %4
                %6: plain.16[4] = const 0
                %7: shared.16[4] = promote %6
                %8: bit[4] = sign 32 %0
                %9: shared.16[4] = sub %1, %0
                %10: shared.16[4] = select %8, %9
                %11: shared.16[4] = add %0, %10
                %12: int[4] = const 0
                %13: bit[4] = promote_bits %12
                %14: int[4] = const 1
                %15: bit[4] = promote_bits %14
                output 0 %7
                output 1 %0
            "#]],
        );
    }

    #[test]
    fn products_beyond_the_ring_are_errors() {
        let shown = passed(
            "narrow",
            "program test ring 64 fix 48.24 nearest\n",
            "
            input 0 x: fix.24[4] from party 0
            input 1 p: fix.24[4] from party 0, range 0 to 1
            output 0 y: fix to party 0
            output 1 z: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %y = trunc 24 %u
            %p = input 1
            %v = mul %p, %p
            %z = trunc 24 %v
            output 0 %y
            output 1 %z
            ",
        );
        let messages: Vec<&str> = shown.lines().filter(|l| l.contains("]: ")).collect();
        expect!["error[R001]: this may take 72 bits before it is rounded, and a ring of 64 bits has room for 63: up to 8388608 with 48 fraction bits"].assert_eq(&messages.join("\n"));
    }

    #[test]
    fn factors_that_vanish_are_warned_of() {
        let shown = passed(
            "narrow",
            HEADER,
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %l = for 3 %i (%c = %x) {
                %r = int_to_real %i
                %o: real[] = const 1
                %s = real_binary add %r, %o
                %k: real[] = const 1/100000
                %t = real_binary mul %s, %k
                %e = encode 16 %t
                %f = reshape [1] %e
                %g = broadcast [4] %f
                %m = mul %c, %g
                %n = trunc 16 %m
                yield %n
            }
            output 0 %l
            ",
        );
        let messages: Vec<&str> = shown.lines().filter(|l| l.contains("]: ")).collect();
        expect![
            "warning[R004]: this factor is less than one step of 2^-16: public, between 0.000010 and 0.000030"
        ]
        .assert_eq(&messages.join("\n"));
    }
}

mod pool_relu {
    use super::*;

    /// A pooling of windows of two, written as the library does: rectified before.
    fn pooled(used: &str) -> String {
        format!(
            "
            input 0 x: fix.16[6] from party 0
            output 0 y: fix to party 0
            output 1 z: fix to party 0

            %x = input 0
            %n = neg %x
            %p = sign %n
            %r = select %p, %x
            %v = reshape [3, 2] %r
            %a = slice [0, 0] by [1, 1] shape [3, 1] %v
            %b = slice [0, 1] by [1, 1] shape [3, 1] %v
            %d = sub %a, %b
            %s = sign %d
            %c = not %s
            %e = sub %a, %b
            %f = select %c, %e
            %m = add %b, %f
            %y = reshape [3] %m
            output 0 %y
            {used}
            "
        )
    }

    #[test]
    fn maxima_are_taken_before_rectifying() {
        check(
            "pool_relu",
            &pooled(""),
            expect![[r#"
            %0: shared.16[6] = input 0
            %1: shared.16[6] = neg %0
            %2: bit[6] = sign %1
            %3: shared.16[6] = select %2, %0
            %4: shared.16[3, 2] = reshape [3, 2] %0
            %5: shared.16[3, 1] = slice [0, 0] by [1, 1] shape [3, 1] %4
            %6: shared.16[3, 1] = slice [0, 1] by [1, 1] shape [3, 1] %4
            %7: shared.16[3, 1] = sub %5, %6
            %8: bit[3, 1] = sign %7
            %9: bit[3, 1] = not %8
            %10: shared.16[3, 1] = sub %5, %6
            %11: shared.16[3, 1] = select %9, %10
            %12: shared.16[3, 1] = add %6, %11
            %13: shared.16[3] = reshape [3] %12
            %14: shared.16[3] = neg %13
            %15: bit[3] = sign %14
            %16: shared.16[3] = select %15, %13
            output 0 %16
        "#]],
        );
    }

    /// What follows the maxima does not count, not even if it has more elements, as the windows of a convolution have.
    #[test]
    fn windows_behind_the_maxima_do_not_count() {
        let text = pooled("%w = reshape [1, 3] %y\n%v2 = broadcast [3, 3] %w\noutput 1 %v2");
        let found = passed("pool_relu", HEADER, &text.replace("output 0 %y", ""));
        let (before, after) = found.split_once("add %").expect("a maximum");
        assert!(before.matches("select").count() == 2 && after.contains("= select"), "{found}");
    }

    /// The rectified tensor itself, and the bits of comparisons, may be needed.
    #[test]
    fn what_is_used_otherwise_stays() {
        for used in ["output 1 %r", "%g = select %c, %a\noutput 1 %g"] {
            let text = pooled(used);
            assert_eq!(passed("pool_relu", HEADER, &text), passed("", HEADER, &text), "{used}");
        }
    }
}

mod forms {
    use super::*;

    /// A selection and what it leaves, side by side, like the gradient of a maximum: the selection is reshared, not the larger sum.
    #[test]
    fn terms_from_one_value_share_the_price() {
        check(
            "forms",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %b = sign %x
            %s = select %b, %x
            %r = sub %x, %s
            %p = pad [4] and [0] between [0] %s
            %q = pad [0] and [4] between [0] %r
            %y = add %p, %q
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: bit[4] = sign %0
                %2: shared.16[4] = select %1, %0
                %3: shared.16[4] = sub %0, %2
                %4: shared.16[8] = pad [4] and [0] between [0] %2
                %5: shared.16[8] = pad [0] and [4] between [0] %3
                %6: shared.16[8] = add %4, %5
                output 0 %6
            "#]],
        );
    }

    /// A sum of products is reshared once, for both of its users; a truncation takes what is there.
    #[test]
    fn sums_are_reshared_once() {
        check(
            "forms",
            "
            input 0 x: fix.16[4, 4] from party 0
            input 1 w: fix.16[4, 4] from party 1
            output 0 y: fix to party 0
            output 1 z: fix to party 0

            %x = input 0
            %w = input 1
            %u = contract 0.1.1.1 %x, %w
            %v = mul %x, %w
            %s = add %u, %v
            %c: plain.32[4, 4] = const 1/2
            %d = sub %s, %c
            %y = trunc 16 %d
            %e = raise 16 %x
            %f = sub %e, %v
            %b = sign %f
            %z = select %b, %x
            output 0 %y
            output 1 %z
            ",
            expect![[r#"
                %0: shared.16[4, 4] = input 0
                %1: shared.16[4, 4] = input 1
                %2: additive.32[4, 4] = contract 0.1.1.1 %0, %1
                %3: additive.32[4, 4] = mul %0, %1
                %4: additive.32[4, 4] = add %2, %3
                %5: plain.32[4, 4] = const 1/2
                %6: shared.32[4, 4] = promote %5
                %7: additive.32[4, 4] = widen %6
                %8: additive.32[4, 4] = sub %4, %7
                %9: shared.16[4, 4] = trunc 16 %8
                %10: shared.32[4, 4] = raise 16 %0
                %11: additive.32[4, 4] = widen %10
                %12: additive.32[4, 4] = sub %11, %3
                %13: shared.32[4, 4] = reshare %12
                %14: bit[4, 4] = sign %13
                %15: shared.16[4, 4] = select %14, %0
                output 0 %9
                output 1 %15
            "#]],
        );
    }

    /// Before a stretch, after a sum.
    #[test]
    fn resharing_is_done_where_there_are_fewest_elements() {
        check(
            "forms",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0
            output 1 z: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %v = reshape [4, 1] %u
            %w = broadcast [4, 5] %v
            %r = raise 16 %x
            %s = reshape [4, 1] %r
            %t = broadcast [4, 5] %s
            %d = sub %w, %t
            %a = sign %d
            %p = mul %x, %x
            %q = sum [0] %p
            %b = sign %q
            %c = reshape [1, 1] %b
            %e = broadcast [4, 5] %c
            %f = xor %a, %e
            %y = select %f, %w
            output 0 %y
            output 1 %q
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: additive.32[4] = mul %0, %0
                %2: additive.32[4, 1] = reshape [4, 1] %1
                %3: shared.32[4, 1] = reshare %2
                %4: shared.32[4, 5] = broadcast [4, 5] %3
                %5: shared.32[4] = raise 16 %0
                %6: shared.32[4, 1] = reshape [4, 1] %5
                %7: shared.32[4, 5] = broadcast [4, 5] %6
                %8: shared.32[4, 5] = sub %4, %7
                %9: bit[4, 5] = sign %8
                %10: additive.32[4] = mul %0, %0
                %11: additive.32[] = sum [0] %10
                %12: shared.32[] = reshare %11
                %13: bit[] = sign %12
                %14: bit[1, 1] = reshape [1, 1] %13
                %15: bit[4, 5] = broadcast [4, 5] %14
                %16: bit[4, 5] = xor %9, %15
                %17: shared.32[4, 5] = select %16, %4
                output 0 %17
                output 1 %12
            "#]],
        );
    }

    /// A selection ends additive if it is summed with something additive, or over an axis, and replicated if not.
    #[test]
    fn selections_end_in_the_cheaper_form() {
        check(
            "forms",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0
            output 1 z: fix to party 0
            output 2 s: fix to party 0

            %x = input 0
            %b = sign %x
            %t = select %b, %x
            %y = add %x, %t
            %v = select %b, %y
            %m = mul %x, %y
            %n = rescale 16 %m
            %z = add %v, %n
            %w = select %b, %z
            %s = sum [0] %w
            output 0 %y
            output 1 %z
            output 2 %s
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: bit[4] = sign %0
                %2: shared.16[4] = select %1, %0
                %3: shared.16[4] = add %0, %2
                %4: additive.16[4] = select additive %1, %3
                %5: additive.32[4] = mul %0, %3
                %6: additive.16[4] = rescale 16 %5
                %7: additive.16[4] = add %4, %6
                %8: shared.16[4] = reshare %7
                %9: additive.16[4] = select additive %1, %8
                %10: additive.16[] = sum [0] %9
                %11: shared.16[] = reshare %10
                output 0 %3
                output 1 %8
                output 2 %11
            "#]],
        );
    }

    /// What loops carry is replicated, and what they take from outside.
    #[test]
    fn blocks_begin_and_end_with_replicated_values() {
        check(
            "forms",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %u = mul %x, %x
            %l = for 3 %i (%c = %x) {
                %v = trunc 16 %u
                %s = sub %c, %v
                %p = mul %s, %c
                %q = rescale 16 %p
                yield %q
            }
            output 0 %l
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: additive.32[4] = mul %0, %0
                %2: shared.32[4] = reshare %1
                %3: shared.16[4] = for 3 %4 (%5 = %0) {
                    %6: shared.16[4] = trunc 16 %2
                    %7: shared.16[4] = sub %5, %6
                    %8: additive.32[4] = mul %7, %5
                    %9: additive.16[4] = rescale 16 %8
                    %10: shared.16[4] = reshare %9
                    yield %10
                }
                output 0 %3
            "#]],
        );
    }
}

mod select_sharing {
    use super::*;

    #[test]
    fn the_first_selection_of_a_block_keeps_its_half() {
        check(
            "select_sharing",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %b = sign %x
            %c = not %b
            %s = select %b, %x
            %t = select %b, %s
            %l = for 3 %i (%e = %t) {
                %u = select %b, %e
                yield %u
            }
            %v = select %c, %l
            %w = select %b, %v
            output 0 %w
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: bit[4] = sign %0
                %2: bit[4] = not %1
                %3: shared.16[4], %4: half[4] = select keep %1, %0
                %5: shared.16[4] = select_again %4, %1, %3
                %6: shared.16[4] = for 3 %7 (%8 = %5) {
                    %9: shared.16[4] = select %1, %8
                    yield %9
                }
                %10: shared.16[4] = select %2, %6
                %11: shared.16[4] = select_again %4, %1, %10
                output 0 %11
            "#]],
        );
    }
}

mod select_quotients {
    use super::*;

    /// Only what nothing else uses is divided on the way, and never the first selection by a bit.
    #[test]
    fn a_truncation_and_the_selection_behind_it() {
        check(
            "select_quotients",
            "
            input 0 x: fix.16[4] from party 0
            output 0 y: fix to party 0

            %x = input 0
            %b = sign %x
            %p = mul %x, %x
            %t = trunc 16 %p
            %s, %h = select keep %b, %t
            %q = mul %s, %x
            %u = trunc 16 %q
            %v = select_again %h, %b, %u
            %r = mul %v, %x
            %w = trunc 16 %r
            %z = select_again %h, %b, %w
            %y = add %z, %w
            output 0 %y
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: bit[4] = sign %0
                %2: shared.32[4] = mul %0, %0
                %3: shared.16[4] = trunc 16 %2
                %4: shared.16[4], %5: half[4] = select keep %1, %3
                %6: shared.32[4] = mul %4, %0
                %7: shared.16[4] = trunc 16 %6
                %8: shared.16[4] = select_again 16 %5, %1, %6
                %9: shared.32[4] = mul %8, %0
                %10: shared.16[4] = trunc 16 %9
                %11: shared.16[4] = select_again %5, %1, %10
                %12: shared.16[4] = add %11, %10
                output 0 %12
            "#]],
        );
    }
}

mod promises {
    use super::*;

    /// Sums may leave the bits of `fix`, truncations of what fits may not.
    #[test]
    fn trust_is_written_down() {
        check(
            "promises",
            "
            input 0 x: fix.16[4] from party 0, range -1 to 1
            input 1 w: fix.16[4] from party 1
            output 0 y: fix to party 0

            %x = input 0
            %w = input 1
            %u = add %x, %x
            %v = add %w, %u
            %p = mul %x, %w
            %q = trunc 16 %p
            %r = sub %v, %q
            output 0 %r
            ",
            expect![[r#"
                %0: shared.16[4] = input 0
                %1: shared.16[4] = input 1
                %2: shared.16[4] = assume -2147483647/65536 to 2147483647/65536 %1
                %3: shared.16[4] = add %0, %0
                %4: shared.16[4] = add %1, %3
                %5: shared.16[4] = assume -2147483647/65536 to 2147483647/65536 %4
                %6: shared.32[4] = mul %0, %1
                %7: shared.16[4] = trunc 16 %6
                %8: shared.16[4] = sub %4, %7
                %9: shared.16[4] = assume -2147483647/65536 to 2147483647/65536 %8
                output 0 %8
            "#]],
        );
    }
}
