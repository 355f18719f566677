//! When each instruction runs, and over which links.
//!
//! Loops and branches cut a block into straight pieces; nothing is in flight where they begin or end. Within a piece the dependency
//! graph ([`graph`]) decides how many rounds there are, the slack of every node and the memory that it needs when it runs
//! ([`slots`]), and the rounds which way the operations send ([`route`]). [`show`] prints the schedule of a finished program.

pub mod graph;
pub mod route;
pub mod show;
pub mod slots;

use std::collections::HashMap;

use petgraph::graph::NodeIndex;
use tern_bytecode::Instr;
use tern_bytecode::cost::Links;
use tern_bytecode::instr::Role;

use crate::emit::code::{Block, Code, Item, Op};
use crate::emit::linear::{Linear, Step};
use slots::{Slots, Wish};

/// The code in the fewest rounds.
pub fn schedule(code: &Code) -> Linear {
    let mut scheduler =
        Scheduler { code, linear: Linear::default(), pieces: pieces(code), piece: 0, kept: HashMap::new() };
    scheduler.block(&code.body);
    scheduler.linear
}

struct Scheduler<'a> {
    code: &'a Code,
    linear: Linear,
    /// By store: the only piece that uses it, if there is one.
    pieces: Vec<Option<u32>>,
    /// The number of the current piece.
    piece: u32,
    kept: route::Kept,
}

impl Scheduler<'_> {
    fn block(&mut self, block: &Block) {
        let mut carried = Links::default();
        let mut ops: Vec<Op> = Vec::new();
        for item in &block.items {
            match item {
                Item::Op(op) => ops.push(op.clone()),
                Item::Loop(_) | Item::Branch(_) => {
                    self.straight(std::mem::take(&mut ops), &mut carried);
                    self.region(item);
                }
            }
        }
        self.straight(ops, &mut carried);
    }

    fn region(&mut self, item: &Item) {
        match item {
            Item::Loop(l) => {
                self.linear.homes.insert(self.linear.steps.len(), l.homes.clone());
                self.linear.control(Instr::Loop { counter: l.counter, trips: l.trips }, l.line);
                self.block(&l.body);
                if let Some(cond) = l.until {
                    self.linear.control(Instr::BreakIf { cond }, l.line);
                }
                self.linear.control(Instr::End {}, l.line);
            }
            Item::Branch(b) => {
                self.linear.control(Instr::If { cond: b.cond }, b.line);
                self.block(&b.then);
                self.linear.control(Instr::Else {}, b.line);
                self.block(&b.otherwise);
                self.linear.control(Instr::End {}, b.line);
            }
            Item::Op(_) => {}
        }
    }

    /// Schedules a straight piece.
    fn straight(&mut self, mut ops: Vec<Op>, carried: &mut Links) {
        let instrs: Vec<Instr> = ops.iter().map(|op| op.instr).collect();
        let graph = graph::dependencies(&self.code.program, &instrs);
        let slots = slots::place(&graph, |early| {
            let wishes = self.wishes(&instrs, early);
            move |node| wishes.of(node)
        });
        let candidates = ops.iter_mut().enumerate().filter(|(i, _)| graph[NodeIndex::new(*i)] > 0);
        let candidates = candidates
            .map(|(i, op)| route::Candidate { round: slots.slot[i] / 2, instr: &mut op.instr })
            .collect();
        route::assign(&self.code.program, candidates, carried, &mut self.kept);
        self.append(&ops, &slots);
        self.piece += 1;
    }

    /// Appends the operations slot by slot; within a slot their own order is a correct one.
    fn append(&mut self, ops: &[Op], slots: &Slots) {
        let mut by_slot = vec![Vec::new(); 2 * slots.rounds as usize + 1];
        for (op, slot) in ops.iter().zip(&slots.slot) {
            by_slot[*slot as usize].push(Step { instr: op.instr, line: op.line, op: Some(op.id) });
        }
        for (slot, steps) in by_slot.into_iter().enumerate() {
            let round = slots.critical.get(slot / 2).map(|node| ops[*node].line);
            self.linear.steps.extend(steps);
            match round {
                Some(line) if slot % 2 == 0 => self.linear.control(Instr::Send {}, line),
                Some(line) => self.linear.control(Instr::Receive {}, line),
                None => {}
            }
        }
    }

    fn wishes(&self, instrs: &[Instr], early: &[u32]) -> Wishes<'_> {
        let mut ends: HashMap<u32, u32> = HashMap::new();
        let mut uses = Vec::with_capacity(instrs.len());
        for (node, instr) in instrs.iter().enumerate() {
            let mut mine: Vec<(u32, Role)> =
                instr.registers().map(|(reg, role)| (self.code.store_of(reg), role)).collect();
            mine.sort_unstable_by_key(|(store, role)| (*store, *role == Role::Read));
            mine.dedup_by_key(|(store, _)| *store);
            for (store, _) in &mine {
                let end = ends.entry(*store).or_default();
                *end = early[node].max(*end);
            }
            uses.push(mine);
        }
        let early = early.to_vec();
        Wishes { code: self.code, pieces: &self.pieces, piece: self.piece, early, ends, uses }
    }
}

/// What each node of a piece does to the memory in use.
struct Wishes<'a> {
    code: &'a Code,
    pieces: &'a [Option<u32>],
    piece: u32,
    /// By node: its earliest slot.
    early: Vec<u32>,
    /// By store: the latest of those of its users.
    ends: HashMap<u32, u32>,
    /// By node: its stores.
    uses: Vec<Vec<(u32, Role)>>,
}

impl Wishes<'_> {
    /// A node runs early if it lets go of more than it makes. What goes home does so at the end.
    fn of(&self, node: usize) -> Wish {
        let (mut made, mut freed) = (0, 0);
        for &(store, role) in &self.uses[node] {
            if role != Role::Read {
                if self.code.stores[store as usize].home {
                    return Wish::Late;
                }
                made += self.bytes(store);
            } else if self.pieces[store as usize] == Some(self.piece) && self.ends[&store] <= self.early[node]
            {
                freed += self.bytes(store);
            }
        }
        if freed > made { Wish::Early } else { Wish::Late }
    }

    fn bytes(&self, store: u32) -> u64 {
        let buffer = self.code.program.buffers[store as usize];
        let header = &self.code.program.header;
        header.protocol.model().bytes(buffer.kind, buffer.len, header.ring)
    }
}

/// By store: the only straight piece that uses it, if there is one. Pieces are numbered in the order in which they are scheduled.
fn pieces(code: &Code) -> Vec<Option<u32>> {
    let mut found = Pieces { code, by_store: vec![None; code.stores.len()], piece: 0 };
    found.block(&code.body);
    found.by_store.into_iter().map(Option::flatten).collect()
}

struct Pieces<'a> {
    code: &'a Code,
    /// `Some(None)`: several pieces.
    by_store: Vec<Option<Option<u32>>>,
    piece: u32,
}

impl Pieces<'_> {
    fn block(&mut self, block: &Block) {
        for item in &block.items {
            match item {
                Item::Op(op) => {
                    for (reg, _) in op.instr.registers() {
                        self.by(self.code.store_of(reg), Some(self.piece));
                    }
                }
                Item::Loop(l) => {
                    self.piece += 1;
                    self.block(&l.body);
                    l.until.iter().for_each(|cond| self.by(self.code.store_of(*cond), None));
                }
                Item::Branch(b) => {
                    self.by(self.code.store_of(b.cond), None);
                    self.piece += 1;
                    self.block(&b.then);
                    self.block(&b.otherwise);
                }
            }
        }
        self.piece += 1;
    }

    fn by(&mut self, store: u32, piece: Option<u32>) {
        let entry = &mut self.by_store[store as usize];
        *entry = Some(match *entry {
            None => piece,
            Some(known) => known.filter(|p| Some(*p) == piece),
        });
    }
}
