//! Time that does not depend on what else the machine is doing.

use std::time::Duration;

/// What this process has computed so far, on all its threads; `None` where that cannot be found out.
pub fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the name of the program, in parentheses, may have blanks
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks)) // Linux reports hundredths of a second
}
