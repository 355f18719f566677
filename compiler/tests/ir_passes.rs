//! Folding, common subexpressions and dead code: what they do, and that they change nothing else.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tern_compiler::ir::interpret::{Outputs, Tensor, interpret};
use tern_compiler::ir::text::parse;
use tern_compiler::ir::verify::verify;
use tern_compiler::ir::{Block, Program};
use tern_compiler::passes::{cse, dce, fold};
use tern_tests::random::{Flavour, generate, setting};

/// Numbers in print, so that results which are not numbers equal themselves, and a zero is a zero.
fn printed(outputs: &Outputs) -> String {
    let list = |tensors: &mut dyn Iterator<Item = &Tensor>| {
        tensors
            .map(|t| format!("{:?} {:?}\n", t.shape, t.data.iter().map(|x| x + 0.0).collect::<Vec<_>>()))
            .collect::<String>()
    };
    [
        list(&mut outputs.metrics.iter().map(|m| &m.1)),
        list(&mut outputs.debug.iter().map(|m| &m.1)),
        list(&mut outputs.revealed.iter()),
        list(&mut outputs.outputs.iter().map(|m| &m.1)),
    ]
    .join("\n")
}

/// The program computes the same after the pass.
fn check(seed: u64, size: usize, pass: fn(&mut Program)) -> Result<Program, TestCaseError> {
    let program = generate(seed, size, Flavour::Any);
    let mut after = program.clone();
    pass(&mut after);
    prop_assert!(verify(&after).is_ok(), "{}\n{program}\n{after}", verify(&after).unwrap_err());
    let setting = setting(&program, seed);
    let (expected, found) = (interpret(&program, &setting).unwrap(), interpret(&after, &setting));
    prop_assert!(found.is_ok(), "{}\n{program}\n{after}", found.unwrap_err());
    let (expected, found) = (printed(&expected), printed(&found.unwrap()));
    prop_assert!(expected == found, "{expected}\n{found}\n{program}\n{after}");
    Ok(after)
}

fn all(program: &mut Program) {
    for _ in 0..2 {
        fold::run(program);
        cse::run(program);
        dce::run(program);
    }
}

fn insts(block: &Block) -> usize {
    block.insts.iter().map(|inst| 1 + inst.regions.iter().map(insts).sum::<usize>()).sum()
}

proptest! {
    #[test]
    fn folding_keeps_the_meaning(seed: u64, size in 0usize..80) {
        check(seed, size, fold::run)?;
    }

    #[test]
    fn merging_keeps_the_meaning(seed: u64, size in 0usize..80) {
        check(seed, size, cse::run)?;
    }

    #[test]
    fn removal_keeps_the_meaning_and_leaves_nothing_to_remove(seed: u64, size in 0usize..80) {
        let mut after = check(seed, size, dce::run)?;
        let left = (insts(&after.body), after.inputs.len());
        dce::run(&mut after);
        prop_assert_eq!(left, (insts(&after.body), after.inputs.len()));
    }

    #[test]
    fn all_together_keep_the_meaning(seed: u64, size in 0usize..80) {
        check(seed, size, all)?;
    }
}

fn becomes(pass: fn(&mut Program), text: &str, expected: Expect) {
    let mut program = parse(&format!("program test ring 64 fix 32.16 nearest\n{text}")).unwrap();
    assert_eq!(verify(&program), Ok(()));
    pass(&mut program);
    assert_eq!(verify(&program), Ok(()));
    let printed = program.to_string();
    let (_, rest) = printed.split_once('\n').unwrap();
    expected.assert_eq(rest);
}

fn folded(program: &mut Program) {
    fold::run(program);
    dce::run(program);
}

#[test]
fn constants_are_computed() {
    let text = "names a
        %0: plain.16[2] = const 1/3
        %1: plain.16[2] = const [1, 2]
        %2 = mul %0, %1
        %3 = trunc 16 %2
        debug a %3
        %4: int[] = const 7
        %5: int[] = const -2
        %6 = int_binary div %4, %5
        %7 = int_binary rem %4, %5
        debug a %6
        debug a %7
        %8: int[] = const 0
        %9 = int_binary div %4, %8
        debug a %9
        %10 = promote %1
        %11 = bits 15 to 18 %10
        %12 = word %11
        debug a %12
        %13 = contract 0.0.1.0 %1, %10
        debug a %13
        %14 = sign %10
        %15 = reveal_bits %14";
    becomes(
        folded,
        text,
        expect![[r#"
        names a

        %0: plain.16[2] = const [21845/65536, 21845/32768]
        debug a %0
        %1: int[] = const 7
        %2: int[] = const -4
        %3: int[] = const -1
        debug a %2
        debug a %3
        %4: int[] = const 0
        %5: int[] = int_binary div %1, %4
        debug a %5
        %6: plain.0[2] = const [2, 4]
        %7: shared.0[2] = promote %6
        debug a %7
        %8: plain.32[] = const 5
        %9: shared.32[] = promote %8
        debug a %9
        %10: int[2] = const 0
        %11: bit[2] = promote_bits %10
        %12: int[2] = reveal_bits %11
    "#]],
    );
}

#[test]
fn multiplication_by_one_with_its_truncation_is_nothing() {
    let text = "names a\ninput 0 x: fix.16[2] from party 0
        %x = input 0
        %one: plain.16[2] = const 1
        %shared = promote %one
        %p = mul %shared, %x
        %t = trunc 16 %p
        debug a %t
        %half: plain.1[2] = const -1/2
        %q = mul %t, %half
        %u = trunc 1 %q
        debug a %u
        %two: plain.16[2] = const 2
        %r = mul %x, %two
        %v = trunc 16 %r
        debug a %v
        %zero = sub %x, %x
        %w = mul %zero, %v
        debug a %w";
    becomes(
        folded,
        text,
        expect![[r#"
        input 0 x: fix.16[2] from party 0
        names a

        %0: shared.16[2] = input 0
        debug a %0
        %1: shared.17[2] = rescale 17 %0
        %2: shared.17[2] = neg %1
        %3: shared.16[2] = trunc 1 %2
        debug a %3
        %4: shared.17[2] = raise 1 %0
        %5: shared.16[2] = rescale 16 %4
        debug a %5
        %6: plain.32[2] = const 0
        %7: shared.32[2] = promote %6
        debug a %7
    "#]],
    );
}

#[test]
fn products_with_public_values_stay_local() {
    let text = "names a\ninput 0 x: fix.16[2, 3] from party 0
        %x = input 0
        %u = public_uniform [3]
        %p = encode 16 %u
        %s = promote %p
        %column = reshape [1, 3] %s
        %all = broadcast [2, 3] %column
        %y = mul %all, %x
        debug a %y
        %z = contract 0.1.1.0 %x, %s
        debug a %z
        %sum = add %s, %s
        debug a %sum";
    becomes(
        folded,
        text,
        expect![[r#"
        input 0 x: fix.16[2, 3] from party 0
        names a

        %0: shared.16[2, 3] = input 0
        %1: real[3] = public_uniform [3]
        %2: plain.16[3] = encode 16 %1
        %3: plain.16[1, 3] = reshape [1, 3] %2
        %4: plain.16[2, 3] = broadcast [2, 3] %3
        %5: shared.32[2, 3] = mul %4, %0
        debug a %5
        %6: shared.32[2] = contract 0.1.1.0 %0, %2
        debug a %6
        %7: plain.16[3] = add %2, %2
        %8: shared.16[3] = promote %7
        debug a %8
    "#]],
    );
}

#[test]
fn moves_are_merged() {
    let text = "names a\ninput 0 x: fix.16[2, 6] from party 0
        %x = input 0
        %0 = slice [0, 1] by [1, 2] shape [2, 3] %x
        %1 = slice [1, 0] by [1, 2] shape [1, 2] %0
        debug a %1
        %2 = permute [1, 0] %x
        %3 = permute [1, 0] %2
        %4 = reverse [0, 1] %3
        %5 = reverse [1] %4
        debug a %5
        %6 = concat 1 %0, %x
        %7 = slice [0, 4] by [1, 1] shape [2, 2] %6
        debug a %7
        %8 = reshape [12] %x
        %9 = reshape [2, 6] %8
        debug a %9
        %10 = sum [1] %x
        %11 = sum [0] %10
        debug a %11";
    becomes(
        folded,
        text,
        expect![[r#"
        input 0 x: fix.16[2, 6] from party 0
        names a

        %0: shared.16[2, 6] = input 0
        %1: shared.16[1, 2] = slice [1, 1] by [1, 4] shape [1, 2] %0
        debug a %1
        %2: shared.16[2, 6] = reverse [0] %0
        debug a %2
        %3: shared.16[2, 2] = slice [0, 1] by [1, 1] shape [2, 2] %0
        debug a %3
        debug a %0
        %4: shared.16[] = sum [0, 1] %0
        debug a %4
    "#]],
    );
}

#[test]
fn bits_and_selections() {
    let text = "names a\ninput 0 x: fix.16[2] from party 0
        %x = input 0
        %c = sign %x
        %one: int[2] = const 1
        %ones = promote_bits %one
        %n = xor %c, %ones
        %m = not %n
        %s = select %m, %x
        debug a %s
        %t, %h = select keep %ones, %x
        %again = select_again %h, %ones, %s
        debug a %t
        debug a %again
        %mixed: int[2] = const [0, 1]
        %bits = promote_bits %mixed
        %u = select %bits, %x
        debug a %u
        %k: int[2] = iota 2 from 0 by 1
        %e = compare eq %k, %k
        %f = and_public %c, %e
        debug a %f";
    becomes(
        folded,
        text,
        expect![[r#"
        input 0 x: fix.16[2] from party 0
        names a

        %0: shared.16[2] = input 0
        %1: bit[2] = sign %0
        %2: shared.16[2] = select %1, %0
        debug a %2
        debug a %0
        debug a %2
        %3: plain.0[2] = const [0, 1]
        %4: shared.16[2] = mul %0, %3
        debug a %4
        debug a %1
    "#]],
    );
}

#[test]
fn known_branches_and_empty_loops() {
    let text = "names a\ninput 0 x: fix.16[] from party 0
        %x = input 0
        %c: int[] = const 2
        %y = if %c {
            %a = add %x, %x
            yield %a
        } else {
            yield %x
        }
        %z = for 0 %i (%v = %y) {
            %b = neg %v
            yield %b
        }
        debug a %z";
    becomes(
        folded,
        text,
        expect![[r#"
        input 0 x: fix.16[] from party 0
        names a

        %0: shared.16[] = input 0
        %1: shared.16[] = add %0, %0
        debug a %1
    "#]],
    );
}

#[test]
fn equal_instructions_are_merged() {
    let text = "names a\ninput 0 x: fix.16[2] from party 0
        %x = input 0
        %y = input 0
        %0 = mul %x, %y
        %1 = mul %y, %x
        %2 = sub %0, %1
        %r = random_bits [2]
        %s = random_bits [2]
        %t = xor %r, %s
        for 3 %i {
            %3 = mul %x, %x
            %4 = neg %3
            debug a %4
        }
        %5 = neg %1
        %6 = reveal %5
        %7 = reveal %5";
    becomes(
        cse::run,
        text,
        expect![[r#"
        input 0 x: fix.16[2] from party 0
        names a

        %0: shared.16[2] = input 0
        %1: shared.32[2] = mul %0, %0
        %2: shared.32[2] = sub %1, %1
        %3: bit[2] = random_bits [2]
        %4: bit[2] = random_bits [2]
        %5: bit[2] = xor %3, %4
        for 3 %6 {
            %7: shared.32[2] = neg %1
            debug a %7
        }
        %8: shared.32[2] = neg %1
        %9: plain.32[2] = reveal %8
        %10: plain.32[2] = reveal %8
    "#]],
    );
}

#[test]
fn dead_code_is_removed() {
    let text = "names a\ninput 0 x: fix.16[2] from party 0\ninput 1 y: fix.16[2] from party 1\ninput 2 z: fix.16[2] from party 2
        %x = input 0
        %y = input 1
        %z = input 2
        %c: int[] = const 1
        %used, %feeds_itself, %feeds_used, %same = for 5 %i (%0 = %z, %1 = %y, %2 = %z, %3 = %z) {
            %4 = add %0, %2
            %5 = add %1, %1
            %6 = neg %2
            %7 = add %4, %3
            %dead = mul %7, %5
            yield %7, %5, %6, %3
        }
        %8, %9, %10 = if %c {
            %11 = neg %used
            %12 = neg %11
            yield %11, %12, %same
        } else {
            %13 = reveal %used
            yield %used, %used, %same
        }
        %14 = add %8, %10
        %15 = sign %14
        %16, %17 = select keep %15, %14
        debug a %16
        %k: int[] = const 0
        %last = for 2 breaks %j (%count = %k) {
            %more = int_binary add %count, %j
            %18 = decode_int %open
            %stop = compare lt %more, %18
            metric a %18
            yield %more, %stop
        }";
    let text = text.replace("%last", "%number: plain.0[] = const 2\n%open = assume 0 to 3 %number\n%last");
    becomes(
        dce::run,
        &text,
        expect![[r#"
        input 0 z: fix.16[2] from party 2
        names a

        %0: shared.16[2] = input 0
        %1: int[] = const 1
        %2: shared.16[2], %3: shared.16[2] = for 5 %4 (%5 = %0, %6 = %0) {
            %7: shared.16[2] = add %5, %6
            %8: shared.16[2] = neg %6
            %9: shared.16[2] = add %7, %0
            yield %9, %8
        }
        %10: shared.16[2] = if %1 {
            %11: shared.16[2] = neg %2
            yield %11
        } else {
            %12: plain.16[2] = reveal %2
            yield %2
        }
        %13: shared.16[2] = add %10, %0
        %14: bit[2] = sign %13
        %15: shared.16[2] = select %14, %13
        debug a %15
        %16: int[] = const 0
        %17: plain.0[] = const 2
        %18: plain.0[] = assume 0 to 3 %17
        %19: int[] = for 2 breaks %20 (%21 = %16) {
            %22: int[] = int_binary add %21, %20
            %23: int[] = decode_int %18
            %24: int[] = compare lt %22, %23
            metric a %23
            yield %22, %24
        }
    "#]],
    );
}
