//! What a party of a local run says when the system refuses it memory in the middle of something. In a Python of somebody's own nothing is set: what
//! Rust does then is as good as anything else.

use std::io::Write;

use serde_json::json;
use tern_vm::scarce::{Handler, when_refused};

/// From now on the leader hears of it, and this process ends.
pub(crate) fn tell_the_leader_when_refused() {
    let say = |bytes: usize| {
        let message = format!("the system refuses {:.1} MB more of memory", bytes as f64 / 1e6);
        let event = json!({"event": "failed", "blame": "own", "message": message});
        // If the leader has gone, so does this process.
        let _ = writeln!(std::io::stdout(), "{event}");
    };
    when_refused(Handler { say, end: || std::process::exit(1) });
}
