//! Views of the bytecode, and what it must be like: loops are loops, whatever their number of iterations.

use std::time::Instant;

use expect_test::expect_file;
use tern_bytecode::Instr;

use crate::shell::{Shell, repository};

const PROGRAM: &str = r#"input x: fix[2, 3] from party 0
input w: fix[3] from party 1

fn main() {
    var w = w
    for i in 0..10 {
        let positive = x @ w > 0
        w -= 0.5 * sum(where(expand(positive, axis=1), x, 0), axis=0)
    }
    output w to party 2
}
"#;

#[test]
fn views() {
    let mut shell = Shell::new();
    shell.write("small.mpc", PROGRAM);
    shell.succeeds("inspect small.mpc");
    let bytecode = std::mem::take(&mut shell.transcript);
    shell.succeeds("inspect small.mpc --view schedule");
    shell.succeeds("inspect small.mpc --view ir");
    expect_file!["golden/views.txt"].assert_eq(&(bytecode + &shell.transcript));
    let dot = shell.succeeds("inspect small.mpc --view dot");
    expect_file!["golden/schedule.dot"].assert_eq(&dot);
    // from bytecode the views are the same
    shell.succeeds("compile small.mpc");
    assert_eq!(shell.succeeds("inspect small.tbc --view dot"), dot);
}

/// The loops of a file of bytecode: their trip counts.
fn trips(bytes: &[u8]) -> Vec<u32> {
    let program = tern_bytecode::decode(bytes).unwrap();
    let trips = program
        .code
        .iter()
        .filter_map(|i| if let Instr::Loop { trips, .. } = i { Some(*trips) } else { None });
    trips.collect()
}

#[test]
fn epochs_and_batches_are_loops() {
    let mut shell = Shell::new();
    let program = repository("programs/mnist_a.mpc");
    let mut sizes = Vec::new();
    for (epochs, n) in [(1, 1280), (15, 1280), (1, 60000), (15, 60000)] {
        let started = Instant::now();
        shell.succeeds(&format!("compile {program} -o a.tbc --arg EPOCHS={epochs} --arg N={n}"));
        let bytes = shell.read("a.tbc");
        println!("EPOCHS={epochs} N={n}: {} bytes, {:.2} s", bytes.len(), started.elapsed().as_secs_f64());
        let loops = trips(&bytes);
        assert!(loops.contains(&(n as u32).div_ceil(128)), "batches: {loops:?}");
        assert!(epochs == 1 || loops.contains(&epochs), "epochs: {loops:?}");
        sizes.push(bytes.len());
    }
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(most - least < 64, "{sizes:?}");
    assert!(*most < 64 << 10, "{sizes:?}");
}

/// The programs of the repository.
fn programs() -> Vec<String> {
    let entries = std::fs::read_dir(repository("programs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut programs: Vec<String> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "mpc"))
        .map(|p| p.to_str().unwrap().to_string())
        .collect();
    programs.sort();
    assert!(programs.len() >= 2);
    programs
}

#[test]
fn every_program_compiles_quickly() {
    let mut shell = Shell::new();
    for program in programs() {
        let started = Instant::now();
        shell.succeeds(&format!("compile {program} -o a.tbc"));
        let seconds = started.elapsed().as_secs_f64();
        println!("{program}: {seconds:.2} s, {} bytes", shell.read("a.tbc").len());
        // a second with optimisation on an idle machine
        assert!(seconds < 10.0, "{program}: {seconds} s");
    }
}

#[test]
fn every_program_compiles_at_every_precision() {
    let mut shell = Shell::new();
    for program in programs() {
        let roundings = ["probabilistic", "nearest"].into_iter().cycle();
        for (fixed, rounding) in
            ["8", "16", "20", "24", "32", "48", "64", "16,40", "24,64"].into_iter().zip(roundings)
        {
            shell.succeeds(&format!("check {program} --fixed {fixed} --rounding {rounding}"));
        }
        for ring in ["52", "64", "104", "128", "192", "256"] {
            shell.succeeds(&format!("check {program} --ring {ring}"));
        }
    }
}
