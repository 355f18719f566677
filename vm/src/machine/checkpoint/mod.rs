//! Points of a run that are kept on disk, and going on from one of them.
//!
//! Where an iteration of a run-time loop begins, nothing is in flight: the state of the machine is its registers, the loops in progress, and what has
//! been counted and put out so far. There a party writes that state to a file of its own, and a *point* counts when all parties have it on
//! disk. Points are numbered by the iterations that have begun, the same everywhere.
//!
//! | module | what it holds |
//! |---|---|
//! | `file` | the format: what a file says of itself, its state, its checksum |
//! | `keeper` | when a point is due, and writing it |
//! | `choice` | which point to go on from, as all parties agree |
//! | `ending` | how all come to know of the end, whoever is killed meanwhile |
//!
//! **What a file gives away.** It has what the party's memory has: its own shares, and what everybody knows. It is readable by its owner alone. Keys
//! are not in it: a run that goes on agrees on new ones, so what is computed again is masked anew, and a party that goes back never masks two values
//! alike. Randomness is addressed by the loops' counters; so under a fixed seed and with nearest rounding the results are those of an undisturbed run.

mod choice;
mod ending;
mod file;
mod keeper;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tern_bytecode::live::Live;

pub(crate) use choice::{agree, choose_alone, clear};
pub(crate) use ending::conclude;
pub use file::Refusal;
pub(crate) use file::{Restored, State};
pub(crate) use keeper::Keeper;

use super::host::RunId;

/// That a run keeps points, where, and how often.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// A directory, of this party or of all on one machine: files have the party in their names.
    pub directory: PathBuf,
    /// How often; the same at all parties.
    pub every: Every,
    /// Whether the run must go on from a point. Otherwise it does if there is one, and else begins.
    pub resume: bool,
    /// The point, once it has been chosen.
    pub(crate) start: Option<Start>,
}

impl Checkpoints {
    /// Points in a directory.
    pub fn new(directory: PathBuf, every: Every, resume: bool) -> Checkpoints {
        Checkpoints { directory, every, resume, start: None }
    }
}

/// A point to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) run: RunId,
    pub(crate) point: u64,
    pub(crate) file: PathBuf,
    /// A later point that all parties have had, and somebody has lost.
    pub(crate) lost: Option<u64>,
}

/// How far the end of a run has come, as a party has marked it beside its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All parties have their results on disk; not all may know that yet.
    Ended,
    /// All parties have marked that.
    Over,
}

/// How often a point is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Every {
    /// After so many iterations of run-time loops, those within others counted too.
    Iterations(u64),
    /// When so much time has passed at the party where most has.
    Time(Duration),
}

impl Default for Every {
    fn default() -> Every {
        Every::Time(Duration::from_secs(600))
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Every::Iterations(1) => f.write_str("every iteration"),
            Every::Iterations(n) => write!(f, "every {n} iterations"),
            Every::Time(time) => write!(f, "every {} s", time.as_secs_f64()),
        }
    }
}

/// `50`, `10min`, `90s`, `2h`.
impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Every, String> {
        if let Ok(n) = text.parse::<u64>() {
            return if n > 0 { Ok(Every::Iterations(n)) } else { Err("at least 1".into()) };
        }
        duration(text).map(Every::Time)
    }
}

/// A time as a command line has it: `10min`, `90s`, `2h`.
///
/// # Errors
/// What it should look like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [("min", 60.0), ("ms", 0.001), ("h", 3600.0), ("s", 1.0)];
    let parse = |(unit, seconds): (&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number > 0.0).then(|| Duration::try_from_secs_f64(number * seconds).ok()).flatten()
    };
    units.into_iter().find_map(parse).ok_or_else(|| format!("{text} is no time: write 10min, 90s or 2h"))
}

/// What became of a point.
#[derive(Debug)]
pub struct Point {
    /// The iterations that had begun, those of loops within others counted too.
    pub number: u64,
    /// The bytes of this party's file, if all parties have theirs; otherwise why there is no such point: older ones are still there.
    pub outcome: Result<u64, String>,
    /// How long it took.
    pub time: Duration,
}

/// Writes bytes that have been written and are read in the same order, whose number both sides know.
pub trait Registers {
    /// Writes what is live of the buffers.
    ///
    /// # Errors
    /// Those of the file.
    fn write(&self, live: &Live, to: &mut dyn io::Write) -> io::Result<()>;

    /// Reads them again.
    ///
    /// # Errors
    /// Those of the file.
    fn read(&mut self, live: &Live, from: &mut dyn io::Read) -> io::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_as_it_is_written() {
        assert_eq!("50".parse(), Ok(Every::Iterations(50)));
        assert_eq!("10min".parse(), Ok(Every::Time(Duration::from_secs(600))));
        assert_eq!("1.5s".parse(), Ok(Every::Time(Duration::from_millis(1500))));
        assert_eq!("20ms".parse(), Ok(Every::Time(Duration::from_millis(20))));
        assert_eq!("2 h".parse(), Ok(Every::Time(Duration::from_secs(7200))));
        for wrong in ["0", "", "min", "-1s", "0s", "1e300h", "NaNs", "infs", "10", "ten"] {
            assert_eq!(Every::from_str(wrong).is_ok(), wrong == "10", "{wrong}");
        }
    }
}
