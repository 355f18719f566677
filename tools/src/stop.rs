//! Ctrl-C, and requests to terminate.
//!
//! The first one asks the run to end: with its next checkpoint, if it keeps any and that does not take long. An instruction that takes
//! long does not look whether somebody asks, so a while later the process ends by itself. The second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use tern_host::{Keeping, Stop};
use tern_tools::say;

/// Between two looks at whether somebody asks.
const LOOK: Duration = Duration::from_millis(100);
/// How long whoever was asked has to notice it.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Asked by signals from now on.
pub(crate) fn on_signals() -> anyhow::Result<Stop> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: what the first signal sets is looked at before it is set.
        flag::register_conditional_shutdown(signal, 128 + signal, stop.flag())
            .and_then(|_| flag::register(signal, stop.flag()))
            .context("cannot listen for signals")?;
    }
    let watched = stop.clone();
    std::thread::spawn(move || watch(&watched));
    Ok(stop)
}

fn watch(stop: &Stop) {
    let asked = stop.flag();
    while !asked.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    if stop.is_put_off() {
        let seconds = Keeping::LAST_POINT.as_secs();
        say::errln(format_args!(
            "the run ends with the next checkpoint, which is waited for {seconds} s; once more ends it at once"
        ));
    }
    let since = Instant::now();
    while stop.is_put_off() && !stop.ends() && since.elapsed() < Keeping::LAST_POINT {
        std::thread::sleep(LOOK);
    }
    stop.end();
    std::thread::sleep(PATIENCE);
    if !stop.is_noticed() {
        say::errln("error: the run was cancelled in the middle of an operation");
        std::process::exit(1);
    }
}

/// A file that may not grow is an error where it is written, rather than the end of the process.
pub(crate) fn survive_file_limits() -> anyhow::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).context("cannot listen for signals")?;
    Ok(())
}
