//! How much memory there is, and how much a party needs.

use std::fs;
use std::path::Path;

use tern_bytecode::cost::{self, Links};
use tern_bytecode::{Instr, Program, Reg};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Memory that this process can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    /// Bytes; all there are if the system does not say.
    pub bytes: u64,
    /// Whether its control group has less than the machine.
    pub is_group: bool,
}

/// Memory that a party needs for a program, besides its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Bytes of the program's buffers, shares and public values.
    pub tensors: u64,
    /// Bytes of what is on its way at most: messages that are sent and received in one round, and the copies of their operands that
    /// operations in flight hold.
    pub messages: u64,
}

impl Needed {
    /// Of a party of the program's protocol.
    pub fn of(program: &Program) -> Needed {
        let (model, ring) = (program.header.protocol.model(), program.header.ring);
        let sizes = program.buffers.iter().map(|buffer| model.bytes(buffer.kind, buffer.len, ring));
        Needed { tensors: sizes.fold(0, u64::saturating_add), messages: in_flight(program) }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.tensors.saturating_add(self.messages)
    }
}

/// An operation in flight.
struct Flight {
    /// What it sends in the rounds to come.
    rounds: std::vec::IntoIter<Links>,
    /// Bytes of its operands and results.
    held: u64,
}

/// The most that is on its way at once, at the party that has most: as in [`Needed::messages`].
fn in_flight(program: &Program) -> u64 {
    let mut flights: Vec<Flight> = Vec::new();
    let mut most = 0;
    for instr in &program.code {
        if matches!(instr, Instr::Send {}) {
            let mut links = Links::default();
            flights.iter_mut().filter_map(|f| f.rounds.next()).for_each(|l| cost::add(&mut links, &l, 1));
            let held = flights.iter().fold(0u64, |sum, flight| sum.saturating_add(flight.held));
            most = most.max(held.saturating_add(busiest(&links)));
            flights.retain(|flight| flight.rounds.len() > 0);
            continue;
        }
        let rounds = cost::traffic(program, instr).into_iter();
        if rounds.len() > 0 {
            flights.push(Flight { rounds, held: held(program, instr) });
        } else {
            let held = flights.iter().fold(copied(program, instr), |sum, f| sum.saturating_add(f.held));
            most = most.max(held);
        }
    }
    most
}

/// Bytes of the operand that an instruction without messages copies: of a view without limits on one element, more than all buffers.
fn copied(program: &Program, instr: &Instr) -> u64 {
    let (Instr::Contract { a: reg, .. } | Instr::Output { a: reg, .. }) = *instr else { return 0 };
    bytes(program, reg)
}

/// Bytes that the party with the most traffic sends and receives.
fn busiest(links: &Links) -> u64 {
    let all = 0..links.len();
    let of = |me: usize| {
        all.clone().fold(0u64, |n, i| n.saturating_add(links[me][i]).saturating_add(links[i][me]))
    };
    all.clone().map(of).max().unwrap_or(0)
}

fn held(program: &Program, instr: &Instr) -> u64 {
    instr.registers().fold(0, |sum, (reg, _)| bytes(program, reg).saturating_add(sum))
}

/// Bytes of a dense copy of a register.
fn bytes(program: &Program, reg: Reg) -> u64 {
    let view = &program.views[reg.0 as usize];
    let kind = program.buffers[view.buffer as usize].kind;
    program.header.protocol.model().bytes(kind, view.len(), program.header.ring)
}

/// What the system says.
pub fn available() -> Available {
    let machine = of_machine(&fs::read_to_string("/proc/meminfo").unwrap_or_default()).unwrap_or(u64::MAX);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match of_groups(&groups, Path::new(GROUPS)) {
        Some(bytes) if bytes < machine => Available { bytes, is_group: true },
        _ => Available { bytes: machine, is_group: false },
    }
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
