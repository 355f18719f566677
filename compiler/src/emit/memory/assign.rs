//! Buffers for groups of stores.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tern_bytecode::program::Buffer;

use super::coalesce::Groups;
use super::live::Life;
use crate::emit::code::Code;

/// Where the stores are.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// By store: its buffer.
    pub place: Vec<u32>,
}

/// Gives every group a buffer.
pub fn assign(code: &Code, groups: Groups) -> Plan {
    let stores = code.stores.len() as u32;
    let length = |store: u32| code.program.buffers[store as usize].len;
    let mut order: Vec<u32> =
        (0..stores).filter(|s| groups.of(*s) == *s && !groups.life(*s).is_empty()).collect();
    order.sort_by_key(|s| (code.kind(*s), Reverse(length(*s)), groups.life(*s).first().copied()));
    let mut plan = Plan { buffers: Vec::new(), place: vec![0; stores as usize] };
    let mut used: Vec<Used> = Vec::new();
    for group in order {
        let (kind, life) = (code.kind(group), groups.life(group));
        // from the smallest: buffers of one kind were made in falling order of size
        let same = (0..used.len()).rev().take_while(|i| plan.buffers[*i].kind == kind);
        let found = same.into_iter().find(|i| used[*i].free(life));
        let buffer = found.unwrap_or_else(|| {
            plan.buffers.push(Buffer { kind, len: length(group) });
            used.push(Used::default());
            used.len() - 1
        });
        used[buffer].take(life);
        plan.place[group as usize] = buffer as u32;
    }
    for store in 0..stores {
        plan.place[store as usize] = plan.place[groups.of(store) as usize];
    }
    plan
}

/// Times at which a buffer is taken: from start to end.
#[derive(Default)]
struct Used(BTreeMap<u32, u32>);

impl Used {
    fn free(&self, life: &Life) -> bool {
        life.iter().all(|&(start, end)| {
            let before = self.0.range(..end).next_back();
            before.is_none_or(|(_, taken)| *taken <= start)
        })
    }

    fn take(&mut self, life: &Life) {
        self.0.extend(life.iter().copied());
    }
}
