//! Work that takes long, on a thread of its own. Python's thread waits for it without the interpreter's lock, passes on events, and looks
//! whether somebody wants it to end: Ctrl-C ends a run as it does in the command, one that keeps checkpoints with its next one if that comes soon.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tern_host::{Event, Keeping, Sink, Stop};

use crate::failed;

/// Between two looks at signals.
const LOOK: Duration = Duration::from_millis(50);
/// How long work that was asked to end may still take; then it is left to itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the command's main thread.
const STACK: usize = 8 << 20;

/// Where a run's events go on their way to Python.
pub(crate) struct Heard(Sender<Event>);

impl Sink for Heard {
    fn event(&mut self, event: &Event) {
        // Nobody listens any more to work that was left to itself.
        let _ = self.0.send(event.clone());
    }
}

/// Does work while `listener`, if there is one, is called with each event as JSON.
///
/// # Errors
/// Those of the work, as exceptions; an exception of the listener or of a signal's handler, after the work was asked to end.
pub(crate) fn attend<T: Send + 'static>(
    py: Python<'_>,
    stop: &Stop,
    listener: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(Heard) -> anyhow::Result<T> + Send + 'static,
) -> PyResult<T> {
    let (sender, mut events) = channel();
    let (done, outcome) = channel();
    let run = move || drop(done.send(work(Heard(sender))));
    let thread = std::thread::Builder::new().name("tern".into()).stack_size(STACK).spawn(run);
    let thread =
        thread.map_err(|error| PyRuntimeError::new_err(format!("no thread can be started: {error}")))?;
    loop {
        let heard = next(py, &mut events, LOOK);
        let listened = match (&heard, listener) {
            (Ok(event), Some(listener)) => listener.call1((event.to_json().to_string(),)).map(drop),
            _ => Ok(()),
        };
        if let Err(interrupt) = listened.and_then(|()| py.check_signals()) {
            stop.ask();
            let is_over = stop.is_put_off() && wait(py, &mut events, Keeping::LAST_POINT);
            stop.end();
            if is_over || wait(py, &mut events, PATIENCE) {
                // What it holds is free then, such as its directory.
                let _ = py.detach(move || thread.join());
            }
            return Err(interrupt);
        }
        if let Err(RecvTimeoutError::Disconnected) = heard {
            break;
        }
    }
    // The sink may be gone before the work is over.
    let outcome = py.detach(move || (thread.join(), outcome.recv()));
    match outcome {
        (Err(panic), _) => std::panic::resume_unwind(panic),
        (Ok(()), Ok(result)) => result.map_err(|error| failed::exception(py, error)),
        (Ok(()), Err(_)) => Err(PyRuntimeError::new_err("the run has ended without a result")),
    }
}

fn next(py: Python<'_>, events: &mut Receiver<Event>, limit: Duration) -> Result<Event, RecvTimeoutError> {
    py.detach(move || events.recv_timeout(limit))
}

/// Waits for the end of work that was asked to end, or for somebody who does not want to: whether it has told all that it has to tell.
fn wait(py: Python<'_>, events: &mut Receiver<Event>, limit: Duration) -> bool {
    let since = Instant::now();
    while since.elapsed() < limit && py.check_signals().is_ok() {
        if let Err(RecvTimeoutError::Disconnected) = next(py, events, LOOK) {
            return true;
        }
    }
    false
}
