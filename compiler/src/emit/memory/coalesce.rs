//! Stores that become one, so that a copy between them is none.

use std::cmp::Reverse;

use tern_bytecode::instr::{Instr, Reg};

use super::live::Life;
use crate::emit::code::Code;
use crate::emit::linear::Linear;

/// Stores that share their memory.
#[derive(Debug)]
pub struct Groups {
    /// By store: another one of its group, or itself.
    parent: Vec<u32>,
    /// By representative: when the group is alive.
    lives: Vec<Life>,
}

impl Groups {
    fn new(lives: Vec<Life>) -> Groups {
        Groups { parent: (0..lives.len() as u32).collect(), lives }
    }

    /// The representative of a store's group.
    pub fn of(&self, mut store: u32) -> u32 {
        while self.parent[store as usize] != store {
            store = self.parent[store as usize];
        }
        store
    }

    /// When the group of a representative is alive.
    pub fn life(&self, representative: u32) -> &Life {
        &self.lives[representative as usize]
    }

    fn join(&mut self, a: u32, b: u32) {
        let life = std::mem::take(&mut self.lives[b as usize]);
        self.lives[a as usize] = merged(&self.lives[a as usize], &life);
        self.parent[b as usize] = a;
    }
}

/// Joins stores across copies: copies in inner loops first, then the larger ones.
pub fn coalesce(code: &Code, linear: &Linear, lives: Vec<Life>) -> Groups {
    let mut groups = Groups::new(lives);
    let mut copies = Vec::new();
    let mut depth = 0u32;
    for (at, step) in linear.steps.iter().enumerate() {
        match step.instr {
            Instr::Loop { .. } | Instr::If { .. } => depth += 1,
            Instr::End {} => depth = depth.saturating_sub(1),
            Instr::Copy { dst, a } if whole(code, dst, a) => {
                copies.push((
                    Reverse((depth, code.view(dst).len())),
                    at,
                    code.store_of(dst),
                    code.store_of(a),
                ));
            }
            _ => {}
        }
    }
    copies.sort();
    for (_, _, dst, a) in copies {
        let (x, y) = (groups.of(dst), groups.of(a));
        if x != y && apart(code, linear, &groups, x, y) {
            groups.join(x, y);
        }
    }
    groups
}

/// Whether a copy is between two whole stores of one layout.
fn whole(code: &Code, dst: Reg, a: Reg) -> bool {
    let (to, from) = (code.view(dst), code.view(a));
    let buffers = &code.program.buffers;
    to.offset == from.offset
        && to.dims == from.dims
        && buffers[to.buffer as usize] == buffers[from.buffer as usize]
        && to.len() == code.stores[to.buffer as usize].elements
        && from.len() == code.stores[from.buffer as usize].elements
}

/// Whether two groups are never alive together, except while one is copied to the other.
fn apart(code: &Code, linear: &Linear, groups: &Groups, x: u32, y: u32) -> bool {
    let (a, b) = (groups.life(x), groups.life(y));
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (start, end) = (a[i].0.max(b[j].0), a[i].1.min(b[j].1));
        if start < end
            && !(end - start == 1 && start % 2 == 1 && copies(code, linear, groups, start / 2, x, y))
        {
            return false;
        }
        if a[i].1 < b[j].1 { i += 1 } else { j += 1 }
    }
    true
}

/// Whether step `at` copies between the two groups.
fn copies(code: &Code, linear: &Linear, groups: &Groups, at: u32, x: u32, y: u32) -> bool {
    match linear.steps[at as usize].instr {
        Instr::Copy { dst, a } => {
            let pair = (groups.of(code.store_of(dst)), groups.of(code.store_of(a)));
            whole(code, dst, a) && (pair == (x, y) || pair == (y, x))
        }
        _ => false,
    }
}

fn merged(a: &Life, b: &Life) -> Life {
    let mut all: Life = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let next = if j == b.len() || i < a.len() && a[i] <= b[j] {
            i += 1;
            a[i - 1]
        } else {
            j += 1;
            b[j - 1]
        };
        match all.last_mut() {
            Some(last) if next.0 <= last.1 => last.1 = last.1.max(next.1),
            _ => all.push(next),
        }
    }
    all
}
