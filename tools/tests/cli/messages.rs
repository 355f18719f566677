//! What the command line says to bad input: transcripts in `golden/`, one per kind of input.
//! `UPDATE_EXPECT=1 cargo test -p tern --test cli` writes them anew.

use crate::shell::Shell;
use expect_test::expect_file;
use tern_bytecode::Instr;

/// Two inputs, two arguments, an output.
const PROGRAM: &str = r#"const ROUNDS = arg(2)
const METHOD = arg("plain", "squared")
const RATE   = arg(0.5)

input x: fix[4, 2] from party 0, range = 0..10
input y: fix[4, 3] from party 1, one_hot

fn main() {
    var z = x
    for i in 0..ROUNDS {
        z = z * RATE
        metric("sum", reveal(sum(z)))
    }
    output joined = concat(z, y, axis=1) to party 2
}
"#;

fn shell() -> Shell {
    let shell = Shell::new();
    shell.write("small.mpc", PROGRAM);
    shell.write("x.csv", "1,2\n3,4\n5,6\n7,8\n");
    shell.write("y.csv", "0\n1\n2\n1\n");
    shell
}

#[test]
fn data() {
    let mut shell = shell();
    shell.write("short.csv", "1,2\n3,4\n5,6\n");
    shell.write("wide.csv", "1,2,3\n4,5,6\n7,8,9\n1,2,3\n");
    shell.write("words.csv", "1,2\n3,four\n5,6\n7,8\n");
    shell.write("range.csv", "1,2\n3,4\n5,60\n7,8\n");
    shell.write("label.csv", "0\n1\n3\n1\n");
    shell.write("empty.csv", "");
    shell.write("photo.npy", "GIF89a");
    shell.make_folder("folder");
    for file in ["nowhere.csv", "short.csv", "wide.csv", "words.csv", "range.csv", "empty.csv", "photo.npy"] {
        shell.refuses(&format!("emulate small.mpc --input x={file} --input y=y.csv"));
    }
    shell.refuses("emulate small.mpc --input x=x.csv --input y=label.csv");
    shell.refuses("emulate small.mpc --input x=words.csv --input y=wide.csv");
    shell.refuses("emulate small.mpc --input x=x.csv");
    shell.refuses("emulate small.mpc --data folder");
    shell.refuses("emulate small.mpc --data nowhere --input x=x.csv");
    shell.refuses("emulate small.mpc --input z=x.csv");
    shell.refuses("emulate small.mpc --input x=x.csv --input x=x.csv");
    shell.refuses("emulate small.mpc --input x.csv");
    expect_file!["golden/data.txt"].assert_eq(&shell.transcript);
}

#[test]
fn arguments() {
    let mut shell = shell();
    shell.refuses("check small.mpc --arg ROUND=3");
    shell.refuses("check small.mpc --arg ROUNDS=three --arg METHOD=cubed --arg RATE=fast");
    shell.refuses("check small.mpc --arg ROUNDS=2.5");
    shell.refuses("check small.mpc --arg ROUNDS");
    shell.refuses("check small.mpc --arg ROUNDS=1 --arg ROUNDS=2");
    shell.refuses("check small.mpc --fixed 1");
    shell.refuses("check small.mpc --fixed 16,16");
    shell.refuses("check small.mpc --fixed many");
    shell.refuses("check small.mpc --fixed 32 --ring 64");
    shell.refuses("check small.mpc --ring 100");
    shell.refuses("check small.mpc --rounding down");
    shell.refuses("check nowhere.mpc");
    shell.refuses("cost small.mpc --network fast");
    shell.refuses("explain X999");
    shell.refuses("quux small.mpc");
    expect_file!["golden/arguments.txt"].assert_eq(&shell.transcript);
}

#[test]
fn bytecode() {
    let mut shell = shell();
    shell.succeeds("compile small.mpc");
    shell.transcript.clear();
    let good = shell.read("small.tbc");
    let damaged = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    shell.write("empty.tbc", "");
    shell.write("text.tbc", PROGRAM);
    shell.write("head.tbc", &good[..20]);
    shell.write("version.tbc", damaged(4));
    shell.write("hash.tbc", damaged(10));
    shell.write("body.tbc", damaged(good.len() - 100));
    shell.write("truncated.tbc", &good[..good.len() / 2]);
    // with the right hash, but with a rule broken
    let mut program = tern_bytecode::decode(&good).unwrap();
    let at = program.code.iter().position(|i| matches!(i, Instr::End {})).unwrap();
    program.code[at] = Instr::Else {};
    shell.write("invalid.tbc", tern_bytecode::encode(&program));
    for file in ["nowhere", "empty", "text", "head", "version", "hash", "body", "truncated", "invalid"] {
        shell.refuses(&format!("inspect {file}.tbc"));
    }
    shell.refuses("emulate body.tbc --input x=x.csv --input y=y.csv");
    shell.refuses("cost truncated.tbc");
    shell.refuses("emulate small.tbc --input x=x.csv --input y=y.csv --arg ROUNDS=3");
    shell.refuses("inspect small.tbc --fixed 32");
    shell.refuses("inspect small.tbc --view ir");
    shell.refuses("check small.tbc");
    expect_file!["golden/bytecode.txt"].assert_eq(&shell.transcript);
}

#[test]
fn ranges() {
    let mut shell = shell();
    shell.write(
        "narrow.mpc",
        r#"input x: fix[4, 2] from party 0

fn halved(v: fix[..s]) -> fix[..s] {
    assume(v, 0, 6) / 2
}

fn main() {
    for i in 0..3 {
        let h = halved(x + i)
        metric("sum", reveal(sum(h)))
    }
}
"#,
    );
    shell.refuses("emulate narrow.mpc --input x=x.csv --seed 1 --ranges");
    shell.write("small.csv", "1,2\n3,4\n0,1\n2,3\n");
    shell.succeeds("emulate narrow.mpc --input x=small.csv --seed 1 --ranges");
    expect_file!["golden/ranges.txt"].assert_eq(&shell.transcript);
}
