//! A process that may have little of something: memory, open files. It ends with a line that says what, and the other parties name it.

use std::fs;
use std::process::Command;

use crate::support::{Ended, Process, World, tern};

/// Takes some hundred megabytes for a moment: a million products and comparisons.
const LARGE: &str = "
input x: fix[4, 2] from party 0
input y: fix[4, 2] from party 1

fn main() {
    let z = broadcast(x * y, [125000, 4, 2])
    var w = z
    for i in 0..2 {
        w = where(w > z, w * z, z)
    }
    output product = sum(w, axis=0) to party 2
}
";

/// The command under a limit, as the shell's `ulimit` sets it.
pub(crate) fn limited(command: &Command, limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}

/// Whether a process ended well; if not, it said what was refused: memory, or a thread.
fn ended_well(ended: &Ended) -> bool {
    if ended.status.success() {
        return true;
    }
    ended.expect_failure(&[]);
    let names_it = ["memory", "cannot allocate", "cannot start", "no thread"]
        .iter()
        .any(|what| ended.err.contains(what));
    assert!(names_it, "{ended:#?}");
    false
}

/// Address spaces in KiB, from what little more than the program itself takes, to plenty.
fn limits() -> impl Iterator<Item = u32> {
    (0..12).map(|i| 80_000 + 90_000 * i)
}

#[test]
fn an_emulator_without_memory_says_so() {
    let world = World::new(&[]);
    let source = world.path(0, "large.mpc");
    fs::write(&source, LARGE).unwrap();
    let (x, y) = (world.path(0, "x.csv"), world.path(1, "y.csv"));
    let mut ends = Vec::new();
    for kib in limits() {
        let mut command = tern();
        command.arg("emulate").arg(&source).arg("--out").arg(world.path(0, "emulated"));
        command.arg("--input").arg(format!("x={}", x.display()));
        command.arg("--input").arg(format!("y={}", y.display()));
        let ended = Process::start(&mut limited(&command, &format!("-v {kib}"))).end();
        println!("{kib} KiB: {}", ended.err.trim());
        ends.push(ended_well(&ended));
    }
    assert!(!ends[0] && ends[ends.len() - 1], "{ends:?}");
}

#[test]
fn a_party_without_memory_says_so_and_the_others_name_it() {
    let world = World::new(&[]);
    (0..3).for_each(|party| world.compile(party, LARGE, &[]));
    let mut ends = Vec::new();
    for kib in limits() {
        let bob = limited(&world.patient_command(1, 20), &format!("-v {kib}"));
        let mut commands = [world.patient_command(0, 20), bob, world.patient_command(2, 20)];
        let [zero, one, two] = commands.each_mut().map(Process::start).map(Process::end);
        println!("{kib} KiB: {}{}", one.err, zero.err);
        ends.push(ended_well(&one));
        for other in [zero, two] {
            match ends.last() {
                Some(true) => drop(other.expect_success()),
                _ => other.expect_failure(&["party 1 (bob)"]),
            }
        }
    }
    assert!(!ends[0] && ends[ends.len() - 1], "{ends:?}");
}

#[test]
fn a_party_with_too_few_open_files_says_so() {
    let world = World::new(&[]);
    let bob = limited(&world.command(1), "-n 8");
    let mut commands = [world.command(0), bob, world.command(2)];
    let [zero, one, two] = commands.each_mut().map(Process::start).map(Process::end);
    one.expect_failure(&["open files (ulimit -n)"]);
    for other in [zero, two] {
        other.expect_failure(&["party 1 (bob)"]);
    }
}
