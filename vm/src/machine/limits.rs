//! How much memory there is.

use std::fs;
use std::path::Path;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Memory that this process can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    /// Bytes; all there are if the system does not say.
    pub bytes: u64,
    /// Who says so.
    pub says: Limit,
}

/// Who says how much memory a process can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The machine has no more.
    Machine,
    /// The control group of the process.
    Group,
    /// The limit of its address space or of its data.
    Process,
}

/// What the system says.
pub fn available() -> Available {
    let machine = of_machine(&fs::read_to_string("/proc/meminfo").unwrap_or_default()).unwrap_or(u64::MAX);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = of_groups(&groups, Path::new(GROUPS)).unwrap_or(u64::MAX);
    let process = of_process(&fs::read_to_string("/proc/self/statm").unwrap_or_default());
    let all = [(machine, Limit::Machine), (group, Limit::Group), (process, Limit::Process)];
    let (bytes, says) = all.into_iter().min_by_key(|(bytes, _)| *bytes).unwrap_or((machine, Limit::Machine));
    Available { bytes, says }
}

/// What the limits of this process (`ulimit -v`, `ulimit -d`) leave it; `statm` is what `/proc/self/statm` says.
fn of_process(statm: &str) -> u64 {
    let limit = |resource| getrlimit(resource).current.unwrap_or(u64::MAX);
    let limit = limit(Resource::As).min(limit(Resource::Data));
    if limit == u64::MAX {
        return limit;
    }
    // What is resident, since the allocator has reserved more, which it will give.
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    limit.saturating_sub(pages.saturating_mul(page_size() as u64))
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()?.saturating_mul(1024))
}

/// The least that the control groups of this process, and those around them, allow; `groups` is what `/proc/self/cgroup` says.
fn of_groups(groups: &str, root: &Path) -> Option<u64> {
    let group = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (root, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            other if other.split(',').any(|c| c == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let inner = root.join(path.trim_start_matches('/'));
        let around = inner.ancestors().take_while(|path| path.starts_with(&root));
        around.filter_map(|path| fs::read_to_string(path.join(file)).ok()?.trim().parse::<u64>().ok()).min()
    };
    groups.lines().filter_map(group).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says() {
        assert_eq!(of_machine("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(of_machine("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_least_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |group: &str, file: &str, text: &str| {
            fs::create_dir_all(root.path().join(group)).unwrap();
            fs::write(root.path().join(group).join(file), text).unwrap();
        };
        write("a/b", "memory.max", "max\n");
        assert_eq!(of_groups("0::/a/b\n", root.path()), None);
        write("a", "memory.max", "4096\n");
        assert_eq!(of_groups("0::/a/b\n", root.path()), Some(4096));
        write("a/b", "memory.max", "8192\n");
        assert_eq!(of_groups("0::/a/b\n", root.path()), Some(4096));
        // in a container the path is not the one outside
        write(".", "memory.max", "2048\n");
        assert_eq!(of_groups("0::/somewhere/else\n", root.path()), Some(2048));
        write("memory/c", "memory.limit_in_bytes", "1024\n");
        assert_eq!(of_groups("3:cpu,memory:/c\n2:cpu:/a\n", root.path()), Some(1024));
        assert_eq!(of_groups("no groups", root.path()), None);
    }
}
