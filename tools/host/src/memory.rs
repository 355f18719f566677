//! Whether there is enough memory, before anything begins.

use anyhow::bail;
use tern_bytecode::Program;
use tern_vm::machine::limits::{Needed, available};

/// Refuses to run parties of a program on this machine if it has not the memory for all of them.
///
/// # Errors
/// How much they need, and how much there is.
pub fn check(program: &Program, parties: u64) -> anyhow::Result<()> {
    let (needed, there) = (Needed::of(program), available());
    if needed.total().saturating_mul(parties) <= there.bytes {
        return Ok(());
    }
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let who = match parties {
        1 => "a party of this program needs".to_string(),
        _ => format!(
            "{parties} local parties need {} of memory, each of them",
            gigabytes(needed.total().saturating_mul(parties))
        ),
    };
    let whose = if there.is_group { "the control group of this process" } else { "this machine" };
    bail!(
        "{who} {} for tensors and {} for messages on their way; {whose} has {}",
        gigabytes(needed.tensors),
        gigabytes(needed.messages),
        gigabytes(there.bytes)
    )
}
