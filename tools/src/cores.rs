//! How many threads a run has, if nobody says.

/// Processors of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Those of each of three local parties.
pub(crate) fn third_of_cores() -> usize {
    (cores() / 3).max(1)
}
