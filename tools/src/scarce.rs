//! What the command says when the system refuses it memory in the middle of something. Other parties are told by the virtual machine.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tern_tools::say;
use tern_vm::machine::limits::{Limit, available};
use tern_vm::scarce::{Handler, when_refused};

/// Whether the command has failed and tells the other parties why.
static EXCUSING: AtomicBool = AtomicBool::new(false);

/// Whether the command has said why it fails.
static SAID: AtomicBool = AtomicBool::new(false);

/// Whether the caller is the one to say why the command fails, which is the first to ask: two threads that are refused memory at once have one
/// reason.
pub(crate) fn says_why() -> bool {
    !SAID.swap(true, Ordering::Relaxed)
}

/// The command has said why it fails, and has only to tell the other parties.
pub(crate) fn excusing() {
    EXCUSING.store(true, Ordering::Relaxed);
}

/// From now on memory that is refused is an error of the command.
pub(crate) fn say_when_refused() {
    let say = |bytes| match EXCUSING.load(Ordering::Relaxed) {
        true => say::errln(format_args!("warning: the other parties could not be told: {}", message(bytes))),
        false if says_why() => say::errln(format_args!("error: {}", message(bytes))),
        false => {}
    };
    when_refused(Handler { say, end: || std::process::exit(1) });
}

/// The same for a party of a local run, whose leader speaks for all.
pub(crate) fn tell_the_leader_when_refused() {
    let say = |bytes| {
        let event = json!({"event": "failed", "blame": "own", "message": message(bytes)});
        // If the leader has gone, so does this process.
        let _ = say::event(&event.to_string());
    };
    when_refused(Handler { say, end: || std::process::exit(1) });
}

fn message(bytes: usize) -> String {
    let why = match available().says {
        Limit::Machine => "",
        Limit::Group => "; the control group of this process has a limit",
        Limit::Process => "; this process has a limit (ulimit -v)",
    };
    format!("the system refuses {:.1} MB more of memory{why}", bytes as f64 / 1e6)
}
