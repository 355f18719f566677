//! How fast links and machine are, measured before a run, and how long it takes by that.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tern_bytecode::Program;
use tern_bytecode::report::report;
use tern_bytecode::work::Work;
use tern_vm::machine::Speed;
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
    /// Seconds that communication takes at least.
    pub seconds: f64,
    /// Seconds that computing takes besides, roughly.
    pub computing: f64,
}

/// Passes over a word of a result that an instruction makes on average, and over the words that an element's bits of messages would fill: what
/// `tools/measure/forecast.py` found for networks A and C among three and four parties.
const PASSES: (f64, f64) = (4.0, 4.0);

impl Forecast {
    /// Of a program over links of this pace, on a machine of this speed.
    pub fn of(program: &Program, pace: Pace, speed: Speed) -> Forecast {
        let (costs, work) = (report(program), Work::of(program));
        let (round, bytes) = (pace.round.as_secs_f64(), costs.serial_bits / 8);
        let of = |row: &Vec<u64>| row.iter().fold(0u64, |sum, bits| sum.saturating_add(*bits));
        let bits = costs.bits_by_link.iter().map(of).max().unwrap_or(0);
        Forecast {
            memory: costs.memory.total(),
            rounds: costs.rounds,
            bytes,
            round,
            rate: pace.rate,
            seconds: costs.rounds as f64 * round + bytes as f64 / pace.rate,
            computing: computing(program, work, bits, speed),
        }
    }
}

/// Seconds of computing at a party that sends so many bits. Of a value it has a word less than there are parties, and a product of two values is as
/// many products.
fn computing(program: &Program, work: Work, bits: u64, speed: Speed) -> f64 {
    let header = &program.header;
    let words = header.protocol.model().parties as f64 - 1.0;
    let passes = PASSES.0 * words * work.elements as f64 + PASSES.1 * bits as f64 / f64::from(header.ring);
    words * work.products as f64 / speed.products + passes / speed.elements
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
