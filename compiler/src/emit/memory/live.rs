//! When stores are alive.
//!
//! Instruction p reads at time 2p and writes at time 2p + 1. An operation in flight keeps all its registers until the `receive` that
//! completes it. Lives are found walking backwards: a read begins a life, what writes a store in full (or for the first time) ends it. Across
//! a loop live what it uses from outside, and at its end the carried values.

use std::collections::{BTreeSet, HashMap};

use tern_bytecode::cost;
use tern_bytecode::instr::{Instr, Reg, Role};

use crate::emit::code::Code;
use crate::emit::linear::Linear;

/// Half-open intervals of time, rising and apart.
pub type Life = Vec<(u32, u32)>;

/// The life of every store.
pub fn lives(code: &Code, linear: &Linear) -> Vec<Life> {
    let stores = code.stores.len();
    let mut walk = Walk {
        code,
        linear,
        done: completions(code, linear),
        first: first_uses(code, linear),
        across: across_loops(code, linear),
        end: vec![None; stores],
        live: BTreeSet::new(),
        lives: vec![Vec::new(); stores],
        arms: Vec::new(),
    };
    for at in (0..linear.steps.len()).rev() {
        walk.step(at);
    }
    // empty tensors are read without having been written
    for store in walk.live.clone() {
        walk.close(store, 0);
    }
    walk.lives.into_iter().map(normal).collect()
}

struct Walk<'a> {
    code: &'a Code,
    linear: &'a Linear,
    /// By step: the step that completes it.
    done: Vec<u32>,
    /// By store: the step that uses it first.
    first: Vec<u32>,
    /// By end of a loop: what is alive there whatever comes after.
    across: HashMap<usize, Vec<u32>>,
    /// By store: the end of the interval that is being extended backwards.
    end: Vec<Option<u32>>,
    /// Stores with such an end.
    live: BTreeSet<u32>,
    lives: Vec<Life>,
    /// Branches around the current step: what is alive after them, and then before their second arm.
    arms: Vec<Vec<u32>>,
}

impl Walk<'_> {
    fn step(&mut self, at: usize) {
        let time = 2 * at as u32;
        match self.linear.steps[at].instr {
            Instr::End {} => match self.across.get(&at) {
                Some(stores) => stores.clone().iter().for_each(|s| self.reach(*s, time + 2)),
                None => self.arms.push(self.live.iter().copied().collect()),
            },
            Instr::Else {} => self.other_arm(time),
            Instr::If { cond } => {
                for store in self.arms.pop().unwrap_or_default() {
                    self.reach(store, time + 2);
                }
                self.reach(self.code.store_of(cond), time + 1);
            }
            Instr::Loop { counter, .. } => self.define(self.code.store_of(counter), time + 1, time + 2),
            Instr::BreakIf { cond } => self.reach(self.code.store_of(cond), time + 1),
            Instr::Send {} | Instr::Receive {} => {}
            instr => self.operation(at as u32, &instr),
        }
    }

    /// From the second arm of a branch to the end of the first.
    fn other_arm(&mut self, time: u32) {
        let before: Vec<u32> = self.live.iter().copied().collect();
        for store in &before {
            self.close(*store, time + 1);
        }
        let after = self.arms.last_mut().map(|arm| std::mem::replace(arm, before)).unwrap_or_default();
        for store in after {
            self.reach(store, time + 1);
        }
    }

    fn operation(&mut self, at: u32, instr: &Instr) {
        let time = 2 * at;
        let complete = 2 * self.done[at as usize] + 2;
        let registers: Vec<(Reg, Role)> = instr.registers().collect();
        for &(reg, role) in registers.iter().filter(|(_, role)| *role != Role::Read) {
            let view = self.code.view(reg);
            let (store, all) = (view.buffer, view.len() == self.code.stores[view.buffer as usize].elements);
            if self.first[store as usize] == at || role == Role::Write && all {
                self.define(store, time + 1, complete);
            } else {
                self.reach(store, complete);
            }
        }
        for &(reg, _) in registers.iter().filter(|(_, role)| *role == Role::Read) {
            let end = if self.overwritable(instr, reg, &registers) { time + 1 } else { complete };
            self.reach(self.code.store_of(reg), end);
        }
    }

    /// Whether the result may lie exactly where this operand is.
    fn overwritable(&self, instr: &Instr, operand: Reg, registers: &[(Reg, Role)]) -> bool {
        let a = self.code.view(operand);
        instr.in_place()
            && registers.iter().filter(|(_, role)| *role == Role::Write).all(|(dst, _)| {
                let dst = self.code.view(*dst);
                a.offset == dst.offset && a.dims == dst.dims
            })
    }

    /// Alive until `end` at least.
    fn reach(&mut self, store: u32, end: u32) {
        let known = &mut self.end[store as usize];
        *known = Some(known.map_or(end, |e| e.max(end)));
        self.live.insert(store);
    }

    /// Alive from `start`, until `end` at least, but not before.
    fn define(&mut self, store: u32, start: u32, end: u32) {
        self.reach(store, end);
        self.close(store, start);
    }

    fn close(&mut self, store: u32, start: u32) {
        if let Some(end) = self.end[store as usize].take() {
            self.lives[store as usize].push((start, end));
        }
        self.live.remove(&store);
    }
}

fn normal(mut life: Life) -> Life {
    life.sort_unstable();
    life.dedup_by(|next, last| {
        let joint = next.0 <= last.1;
        if joint {
            last.1 = last.1.max(next.1);
        }
        joint
    });
    life
}

/// By step: where it is complete.
fn completions(code: &Code, linear: &Linear) -> Vec<u32> {
    let receives: Vec<u32> = linear
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.instr == Instr::Receive {})
        .map(|(at, _)| at as u32)
        .collect();
    let mut passed = 0;
    let complete = |(at, step): (usize, &super::super::linear::Step)| {
        passed += usize::from(step.instr == Instr::Receive {});
        match cost::rounds(&code.program, &step.instr) {
            0 => at as u32,
            rounds => receives.get(passed + rounds as usize - 1).copied().unwrap_or(at as u32),
        }
    };
    linear.steps.iter().enumerate().map(complete).collect()
}

fn first_uses(code: &Code, linear: &Linear) -> Vec<u32> {
    let mut first = vec![u32::MAX; code.stores.len()];
    for (at, step) in linear.steps.iter().enumerate() {
        for (reg, _) in step.instr.registers() {
            let first = &mut first[code.store_of(reg) as usize];
            *first = (*first).min(at as u32);
        }
    }
    first
}

/// By end of a loop: the stores that are alive there in any case, because the next iteration reads them.
fn across_loops(code: &Code, linear: &Linear) -> HashMap<usize, Vec<u32>> {
    let first = first_uses(code, linear);
    let mut across = HashMap::new();
    let mut open: Vec<(usize, BTreeSet<u32>)> = Vec::new();
    for (at, step) in linear.steps.iter().enumerate() {
        match step.instr {
            Instr::Loop { .. } => {
                let homes = linear.homes.get(&at).into_iter().flatten().copied().collect();
                open.push((at, homes));
            }
            Instr::If { .. } => open.push((usize::MAX, BTreeSet::new())),
            Instr::End {} => {
                let (begin, stores) = open.pop().unwrap_or_default();
                if begin != usize::MAX {
                    across.insert(at, stores.into_iter().collect());
                }
                continue;
            }
            _ => {}
        }
        for (reg, _) in step.instr.registers() {
            let store = code.store_of(reg);
            let outside = |begin: usize| begin != usize::MAX && (first[store as usize] as usize) < begin;
            for (_, stores) in open.iter_mut().filter(|(begin, _)| outside(*begin)) {
                stores.insert(store);
            }
        }
    }
    across
}
