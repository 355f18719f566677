//! Ctrl-C is noticed soon, whatever a party is doing.

use std::time::{Duration, Instant};

use crate::support::{ENDLESS, Process, World};

/// How long it may take a party to notice, on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(8);

/// Seconds of work without a loop.
const STRAIGHT: &str = "
input x: fix[4, 2] from party 0
input y: fix[4, 2] from party 1

fn main() {
    metric(\"begun\", reveal(sum(x)))
    var z = broadcast(sum(x) / 64, [200, 200])
    unroll for i in 0..300 {
        z = z @ z
    }
    output product = z * sum(y) to party 2
}
";

#[test]
fn without_loops() {
    let world = World::new(&[]);
    (0..3).for_each(|party| world.compile(party, STRAIGHT, &[]));
    let mut parties = world.start_all();
    parties[1].wait_for("begun");
    let asked = Instant::now();
    parties[1].signal("-INT");
    let ended = parties.map(Process::end);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    ended[1].expect_failure(&["the run was cancelled"]);
    for other in [0, 2] {
        ended[other].expect_failure(&["party 1 (bob) ended the run", "the run was cancelled"]);
        assert!(!world.has_output(other));
    }
}

/// A party that waits for one that does not answer, and would for minutes.
#[test]
fn while_another_is_silent() {
    let world = World::new(&[ENDLESS]);
    let start = |party| Process::start(&mut world.patient_command(party, 300));
    let [mut zero, one, two] = [0, 1, 2].map(start);
    zero.wait_for("begun");
    two.signal("-STOP");
    std::thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    zero.signal("-TERM");
    zero.end().expect_failure(&["the run was cancelled"]);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    one.end().expect_failure(&["party 0 (alice) ended the run", "the run was cancelled"]);
    two.signal("-CONT");
    two.end().expect_failure(&["party"]);
}
