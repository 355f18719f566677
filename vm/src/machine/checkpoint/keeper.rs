//! When a point is due, and writing it.
//!
//! All parties must keep a point at the same iteration. If it is due after so many iterations, each counts for itself. If it is due after a time,
//! their clocks are compared, but not at every iteration: what they tell each other also says when they compare next, so that few messages
//! pass in all (the iterations until then at most double).

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use tern_bytecode::Program;
use tern_bytecode::live::{self, Live};

use super::choice::{Stage, file_of, remove_but, whose};
use super::file::{self, All, Head, State};
use super::{Checkpoints, Every, Point, Registers, ending};
use crate::machine::error::Fault;
use crate::machine::host::RunId;
use crate::machine::memory::Memory;
use crate::net::{Links, Party};
use crate::protocol::{PartyError, Terms};
use crate::ring::Ring;

/// Points that are kept, of those that all parties have.
const KEPT: usize = 2;

/// Between two comparisons of clocks, once iterations have shown how long they take: so long a party that wants to leave waits.
const HEARING: Duration = Duration::from_secs(5);

/// Keeps points of a run.
pub(crate) struct Keeper {
    checkpoints: Checkpoints,
    head: Head,
    me: Option<Party>,
    /// By loop.
    live: BTreeMap<u32, Live>,
    /// Iterations that have begun.
    now: u64,
    /// The last point, and when it was.
    last: u64,
    since: Instant,
    /// When clocks are compared next.
    next: u64,
    /// Points that all parties have on disk, oldest first.
    common: Vec<u64>,
}

impl Keeper {
    /// For a valid program; `attempt` is what its parties have in common now, which is the run unless that goes on.
    pub(crate) fn new(
        program: &Program,
        checkpoints: &Checkpoints,
        terms: Terms,
        me: Option<Party>,
        attempt: RunId,
    ) -> Result<Keeper, Fault> {
        let (run, now) = checkpoints.start.as_ref().map_or((attempt, 0), |start| (start.run, start.point));
        let keeper = Keeper {
            checkpoints: checkpoints.clone(),
            head: Head { terms, whose: whose(me), run: run.0, point: now, attempt: attempt.0 },
            me,
            live: live::at_heads(program)?,
            now,
            last: now,
            since: Instant::now(),
            next: now + 1,
            common: checkpoints.start.iter().map(|start| start.point).collect(),
        };
        // Whatever else is there is later, and all go back; or they begin.
        let directory = &checkpoints.directory;
        let removed = remove_but(directory, me, &keeper.common)
            .and_then(|()| ending::remove(directory, me))
            .and_then(|()| file::sync(directory));
        removed.map_err(|cause| {
            Fault::from(super::Refusal::Directory { directory: directory.clone(), cause })
        })?;
        Ok(keeper)
    }

    /// The run, which may have begun before this attempt.
    pub(crate) fn run(&self) -> RunId {
        RunId(self.head.run)
    }

    /// What is live where iterations of a loop begin.
    pub(crate) fn live(&self, at: u32) -> &Live {
        static NOTHING: Live = Live::new();
        self.live.get(&at).unwrap_or(&NOTHING)
    }

    /// An iteration begins: whether a point is due. A party that wants one `early` says so where clocks are compared; one that is alone has it.
    pub(crate) fn is_due(&mut self, links: Option<&mut Links>, early: bool) -> Result<bool, PartyError> {
        self.now += 1;
        let time = match self.checkpoints.every {
            _ if early && links.is_none() => return Ok(true),
            Every::Iterations(n) => return Ok(self.now.is_multiple_of(n)),
            Every::Time(_) if self.now < self.next => return Ok(false),
            Every::Time(time) => time,
        };
        let mut passed = self.since.elapsed();
        if let Some(links) = links {
            let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
            let millis = if early { u64::MAX } else { millis }.to_le_bytes();
            let theirs = links.swap(&millis, millis.len())?;
            let of = |bytes: &Vec<u8>| bytes[..].try_into().map_or(0, u64::from_le_bytes);
            let most = theirs.iter().map(|(_, bytes)| of(bytes)).fold(u64::from_le_bytes(millis), u64::max);
            // the same number at all parties
            passed = Duration::from_millis(most);
        }
        self.next = self.now + until_next(self.now - self.last, passed, time);
        Ok(passed >= time)
    }

    /// Writes a point; what became of it. The state is that of a machine whose innermost loop begins an iteration.
    pub(crate) fn keep<R: Ring>(
        &mut self,
        state: &State,
        memory: &Memory<R>,
        backend: Option<&dyn Registers>,
    ) -> Point {
        let started = Instant::now();
        self.head.point = self.now;
        let at = state.trips.last().map_or(0, |trip| trip.at);
        let registers = All { memory, backend, live: self.live(at) };
        let path = file_of(&self.checkpoints.directory, self.me, self.now, Stage::Pending);
        let outcome = file::write(&path, &self.head, state, registers).map_err(|error| error.to_string());
        Point { number: self.now, outcome, time: started.elapsed() }
    }

    /// Tells the others what became of a point, and hears what did there: it counts if all have it, and is settled then.
    pub(crate) fn settle(&mut self, point: &mut Point, links: Option<&mut Links>) -> Result<(), PartyError> {
        let started = Instant::now();
        if let Some(links) = links {
            let theirs = links.swap(&[u8::from(point.outcome.is_ok())], 1)?;
            let without: Vec<String> = theirs
                .iter()
                .filter(|(_, said)| said[..] != [1])
                .map(|(party, _)| links.who(party).to_string())
                .collect();
            if point.outcome.is_ok() && !without.is_empty() {
                point.outcome = Err(format!("{} could not write it", without.join(" and ")));
            }
        }
        if point.outcome.is_ok() {
            let path = |stage| file_of(&self.checkpoints.directory, self.me, point.number, stage);
            // If it cannot be renamed, or is not when the system fails, it serves under the name that it has.
            let _ = fs::rename(path(Stage::Pending), path(Stage::Settled));
            self.common.push(point.number);
            let old = self.common.len().saturating_sub(KEPT);
            self.common.drain(..old);
        }
        // What cannot be removed now is so next time, or is refused.
        let _ = remove_but(&self.checkpoints.directory, self.me, &self.common);
        (self.last, self.since, self.next) = (self.now, Instant::now(), self.now + 1);
        point.time += started.elapsed();
        Ok(())
    }
}

/// Iterations until clocks are compared again, `done` having taken the time `passed` of `time`.
fn until_next(done: u64, passed: Duration, time: Duration) -> u64 {
    let left = time.saturating_sub(passed).min(HEARING).as_secs_f64();
    let rate = left / passed.as_secs_f64().max(1e-3);
    ((done as f64 * rate.min(1.0)) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_seldom_and_in_time() {
        // an iteration takes 10 ms, a point is due after 10 s
        let (mut now, mut comparisons) = (0u64, 0);
        loop {
            let passed = Duration::from_millis(10 * now);
            if passed >= Duration::from_secs(10) {
                break;
            }
            now += until_next(now, passed, Duration::from_secs(10));
            comparisons += 1;
        }
        assert!(comparisons < 20, "{comparisons}");
        assert!(now <= 1010, "{now}");
    }
}
