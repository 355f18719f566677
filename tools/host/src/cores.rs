//! How many threads a run has, if nobody says.

/// Processors of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Those of each of so many local parties.
pub fn cores_each(parties: usize) -> usize {
    (cores() / parties).max(1)
}
