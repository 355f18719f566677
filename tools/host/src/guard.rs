//! What a party does to keep its memory to itself; docs/security.md says what it does not cover.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on this process overwrites memory when it frees it, if its allocator is
/// [`tern_vm::erase::Erasing`], and neither a core dump nor another process of the same user shows it.
///
/// # Errors
/// If the system refuses.
pub fn guard_memory() -> anyhow::Result<()> {
    tern_vm::erase::erase_from_now_on();
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("core dumps cannot be turned off")?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .context("core dumps cannot be turned off")?;
    Ok(())
}
