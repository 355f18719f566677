//! Ctrl-C, and requests to terminate.
//!
//! The first one asks: whoever waits for the other parties, and the machine before every instruction, looks
//! whether it was asked, and a party tells the others why it ends. An instruction that takes long does not look, so
//! a while later the process ends by itself. The second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use tern_tools::say;

/// Between two looks at whether somebody asks.
const LOOK: Duration = Duration::from_millis(100);
/// How long whoever was asked has to notice it.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Whether a run is to end, and whether that has been noticed.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    noticed: Arc<AtomicBool>,
}

impl Stop {
    /// Asked by signals from now on.
    pub(crate) fn on_signals() -> anyhow::Result<Stop> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: what the first signal sets is looked at before it is set.
            flag::register_conditional_shutdown(signal, 128 + signal, stop.asked.clone())
                .and_then(|_| flag::register(signal, stop.asked.clone()))
                .context("cannot listen for signals")?;
        }
        let watched = stop.clone();
        std::thread::spawn(move || watched.watch());
        Ok(stop)
    }

    /// What waits elsewhere looks at.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }

    /// Whether the run is to end. Who asks has noticed.
    pub(crate) fn is_asked(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked {
            self.noticed.store(true, Ordering::Relaxed);
        }
        asked
    }

    /// From now on nothing ends the process in the middle of what it does.
    pub(crate) fn ignore(&self) {
        self.noticed.store(true, Ordering::Relaxed);
    }

    fn watch(&self) {
        while !self.asked.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(PATIENCE);
        if !self.noticed.load(Ordering::Relaxed) {
            say::errln("error: the run was cancelled in the middle of an operation");
            std::process::exit(1);
        }
    }
}

/// A file that may not grow is an error where it is written, rather than the end of the process.
pub(crate) fn survive_file_limits() -> anyhow::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).context("cannot listen for signals")?;
    Ok(())
}
