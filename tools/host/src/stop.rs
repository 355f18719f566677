//! Asking a run to end.
//!
//! Whoever waits for the other parties, and the machine before every instruction, looks whether it was asked, and a party
//! tells the others why it ends. An instruction that takes long does not look: a front-end that does not want to wait for
//! it ends the process, unless the run has noticed or is writing its results ([`Stop::is_noticed`]). A run that keeps checkpoints ends
//! with the next one, which all parties then keep early; a front-end that does not want to wait for that says [`Stop::end`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a run is to end, and whether that has been noticed. Clones are about the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// The run ends with its next checkpoint.
    put_off: Arc<AtomicBool>,
    /// The run ends as soon as it can.
    now: Arc<AtomicBool>,
    noticed: Arc<AtomicBool>,
}

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        if !self.is_put_off() {
            self.end();
        }
    }

    /// What a signal sets, in place of [`Stop::ask`]; somebody has to look at it, and see to the end.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }

    /// What waits elsewhere looks at.
    pub(crate) fn at_once(&self) -> Arc<AtomicBool> {
        self.now.clone()
    }

    /// Whether the run is where it may keep a checkpoint: then it ends with that.
    pub(crate) fn put_off(&self, keeps: bool) {
        self.put_off.store(keeps, Ordering::Relaxed);
    }

    /// Whether the run ends with its next checkpoint, and not at once.
    pub fn is_put_off(&self) -> bool {
        self.put_off.load(Ordering::Relaxed)
    }

    /// Ends the run without waiting for a checkpoint any longer.
    pub fn end(&self) {
        self.now.store(true, Ordering::Relaxed);
    }

    /// Whether it has been said that the run ends as soon as it can.
    pub fn ends(&self) -> bool {
        self.now.load(Ordering::Relaxed)
    }

    /// Whether the run was asked to end. Who asks this has noticed.
    pub fn is_asked(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked {
            self.noticed.store(true, Ordering::Relaxed);
        }
        asked
    }

    /// Whether the run is to end as soon as it can. Who asks this has noticed.
    pub(crate) fn is_over(&self) -> bool {
        if self.asked.load(Ordering::Relaxed) && !self.is_put_off() {
            self.end();
        }
        let over = self.ends();
        if over {
            self.noticed.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether a checkpoint is to be kept as soon as can be.
    pub(crate) fn wants_point(&self) -> bool {
        self.is_put_off() && self.asked.load(Ordering::Relaxed)
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
