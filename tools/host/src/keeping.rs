//! Checkpoints of a run, and what becomes of it when a party is gone.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tern_vm::machine::{Checkpoints, Every};
use tern_vm::net::{NetError, Party};

use crate::run::net_error;

/// That a run keeps points on disk and goes on from them, and how it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keeping {
    /// Where the points are.
    pub directory: PathBuf,
    /// How often one is kept; the same at all parties.
    pub every: Every,
    /// Whether the run must go on from a point. Otherwise it does if there is one, and else begins.
    pub resume: bool,
    /// How long a party that is gone is waited for.
    pub wait: Duration,
    /// How often the parties meet again without getting further than before.
    pub retries: u32,
}

impl Keeping {
    /// How long a party that is gone is waited for, where nobody says.
    pub const WAIT: Duration = Duration::from_secs(600);
    /// How long a run that is asked to end has for its last point.
    pub const LAST_POINT: Duration = Duration::from_secs(20);

    /// As the machine takes it.
    pub(crate) fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.directory.clone(), self.every, self.resume)
    }

    /// Forgets a run that is over, of which all has been said: the next one begins.
    pub fn forget(&self, me: Party) {
        self.checkpoints().forget(me);
    }
}

/// How often it is still tried.
pub(crate) struct Attempts {
    allowed: u32,
    left: u32,
}

impl Attempts {
    pub(crate) fn new(keeping: Option<&Keeping>) -> Attempts {
        let allowed = keeping.map_or(0, |keeping| keeping.retries);
        Attempts { allowed, left: allowed }
    }

    /// Whether there is another one, the last having come to a new point or not.
    pub(crate) fn another(&mut self, came_further: bool) -> bool {
        if came_further {
            self.left = self.allowed;
        }
        let another = self.left > 0;
        self.left = self.left.saturating_sub(1);
        another
    }
}

/// Whether a run may go on when all parties are there again: a party is gone, or has ended the run for a reason of its own. One that declines to begin
/// is waited for only where something would be lost: if this process `has_points`. What it hears of a process before it, which has declined as the party
/// `me`, is mended by its being here.
pub(crate) fn is_passing(error: &anyhow::Error, me: Party, has_points: bool) -> bool {
    match net_error(error) {
        Some(NetError::Aborted { origin, declines, .. }) => has_points || !declines || origin.party == me,
        Some(
            NetError::Stalled { .. }
            | NetError::Cut { .. }
            | NetError::CutBetween { .. }
            | NetError::Alone { .. }
            | NetError::Died { .. },
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tern_vm::net::Who;

    use super::*;

    #[test]
    fn who_declines_is_waited_for_only_when_there_is_something_to_lose() {
        let ended = |declines| {
            let (who, reason) = (Who::from(Party::P1), "it cannot begin".to_string());
            anyhow::Error::new(NetError::Aborted {
                who: who.clone(),
                origin: who,
                suspect: None,
                declines,
                reason,
            })
        };
        let (me, declines) = (Party::P0, ended(true));
        assert!(is_passing(&ended(false), me, false) && is_passing(&declines, me, true));
        assert!(!is_passing(&declines, me, false) && is_passing(&declines, Party::P1, false));
        assert!(!is_passing(&anyhow::Error::new(NetError::Stopped), me, true));
    }

    #[test]
    fn attempts_that_come_further_are_not_counted() {
        let keeping = Keeping {
            directory: PathBuf::new(),
            every: Every::Iterations(1),
            resume: false,
            wait: Duration::ZERO,
            retries: 2,
        };
        let mut attempts = Attempts::new(Some(&keeping));
        assert!([false, false, true, false].into_iter().all(|further| attempts.another(further)));
        assert!(!attempts.another(false));
        assert!(!Attempts::new(None).another(true));
    }
}
