//! Whether there is enough memory, before anything begins.

use tern_bytecode::Program;
use tern_bytecode::memory::Needed;
use tern_vm::machine::limits::{Limit, available};

/// There is not enough: how much is needed, and how much there is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TooLittle(String);

/// Refuses to run parties of a program on this machine if it has not the memory for all of them.
///
/// # Errors
/// How much they need, and how much there is.
pub fn check(program: &Program, parties: u64) -> Result<(), TooLittle> {
    let (needed, there) = (Needed::of(program), available());
    if needed.total().saturating_mul(parties) <= there.bytes {
        return Ok(());
    }
    let sized = |bytes: u64| match bytes {
        0..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    };
    let who = match parties {
        1 => "a party of this program needs".to_string(),
        _ => format!(
            "{parties} local parties need {} of memory, each of them",
            sized(needed.total().saturating_mul(parties))
        ),
    };
    let whose = match there.says {
        Limit::Machine => "this machine",
        Limit::Group => "the control group of this process",
        Limit::Process => "the limit of this process (ulimit -v)",
    };
    Err(TooLittle(format!(
        "{who} {} of memory for tensors and {} for what is on its way; {whose} has {}",
        sized(needed.buffers),
        sized(needed.in_flight),
        sized(there.bytes)
    )))
}
