//! How fast the links are, measured before a run, and how long its communication takes at least.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_bytecode::report::report;
use tern_vm::net::{Links, NetError};

/// Exchanges of a byte, of which the median counts.
const ROUNDS: usize = 5;
/// Bytes of the exchange that shows how many pass in a second.
const BULK: usize = 1 << 20;

/// What the links do, as one party sees them.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long an exchange with all others takes.
    pub round: Duration,
    /// Bytes per second over a link, both ways at the same time.
    pub rate: f64,
}

impl Pace {
    /// Exchanges a few messages with all others, who do the same. They are not counted.
    ///
    /// # Errors
    /// What the links say.
    pub fn measure(links: &mut Links) -> Result<Pace, NetError> {
        let mut times = [Duration::ZERO; ROUNDS];
        // All begin together. Whoever says more than it should is of another version, which is found out next.
        links.swap(&[0], BULK)?;
        for time in &mut times {
            let begun = Instant::now();
            links.swap(&[0], BULK)?;
            *time = begun.elapsed();
        }
        times.sort_unstable();
        let round = times[ROUNDS / 2];
        let begun = Instant::now();
        links.swap(&vec![0; BULK], BULK)?;
        let bulk = begun.elapsed().saturating_sub(round).as_secs_f64();
        Ok(Pace { round, rate: BULK as f64 / bulk.max(1e-6) })
    }
}

/// What a run needs, said before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Bytes of memory that a party takes.
    pub memory: u64,
    /// Rounds of the whole program; at most, if there are branches or breaks.
    pub rounds: u64,
    /// Bytes over the busiest link of each round.
    pub bytes: u64,
    /// Seconds of a round, as measured.
    pub round: f64,
    /// Bytes per second over a link, as measured.
    pub rate: f64,
    /// Seconds that communication takes: computing comes on top.
    pub seconds: f64,
}

impl Forecast {
    /// Of a program over links of this pace.
    pub fn of(program: &Program, pace: Pace) -> Forecast {
        let costs = report(program);
        let (round, bytes) = (pace.round.as_secs_f64(), costs.serial_bits / 8);
        Forecast {
            memory: costs.memory.total(),
            rounds: costs.rounds,
            bytes,
            round,
            rate: pace.rate,
            seconds: costs.rounds as f64 * round + bytes as f64 / pace.rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tern_vm::net::memory;

    use super::*;

    #[test]
    fn all_measure_the_same_links() {
        let links = memory::mesh(3, Duration::from_secs(20));
        // whoever is done first stays until the others are
        let measure = |mut links: Links| thread::spawn(move || (Pace::measure(&mut links), links));
        let all: Vec<_> = links.into_iter().map(measure).collect();
        let all: Vec<_> = all.into_iter().map(|party| party.join().unwrap()).collect();
        for (pace, _) in all {
            let pace = pace.unwrap();
            assert!(pace.round < Duration::from_secs(1) && pace.rate > 1e6, "{pace:?}");
        }
    }
}
