//! Asking a run to end.
//!
//! Whoever waits for the other parties, and the machine before every instruction, looks whether it was asked, and a party
//! tells the others why it ends. An instruction that takes long does not look: a front-end that does not want to wait for
//! it ends the process, unless the run has noticed or is writing its results ([`Stop::is_noticed`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a run is to end, and whether that has been noticed. Clones are about the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    noticed: Arc<AtomicBool>,
}

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// What waits elsewhere looks at, and what a signal sets.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }

    /// Whether the run is to end. Who asks has noticed.
    pub fn is_asked(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked {
            self.noticed.store(true, Ordering::Relaxed);
        }
        asked
    }

    /// From now on nothing should end the process in the middle of what it does.
    pub(crate) fn ignore(&self) {
        self.noticed.store(true, Ordering::Relaxed);
    }

    /// Whether the run ends by itself from here on.
    pub fn is_noticed(&self) -> bool {
        self.noticed.load(Ordering::Relaxed)
    }
}
