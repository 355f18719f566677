//! What a loop computes anew in every iteration although nothing in it changes moves in front of the loop.

use std::collections::HashMap;

use tern_bytecode::Instr;
use tern_bytecode::instr::Role;

use super::code::{Block, BlockId, Code, Item, Loop, Op, Store};

/// Moves invariant operations out of all loops, inner loops first. Results then live as long as the loop.
pub fn hoist(code: &mut Code) {
    let mut body = std::mem::replace(&mut code.body, Block { id: BlockId(0), items: Vec::new() });
    block(code, &mut body);
    code.body = body;
}

fn block(code: &mut Code, b: &mut Block) {
    let mut items = Vec::with_capacity(b.items.len());
    for mut item in std::mem::take(&mut b.items) {
        match &mut item {
            Item::Op(_) => {}
            Item::Loop(l) => {
                block(code, &mut l.body);
                items.extend(invariant(code, l, b.id).into_iter().map(Item::Op));
            }
            Item::Branch(branch) => {
                block(code, &mut branch.then);
                block(code, &mut branch.otherwise);
            }
        }
        items.push(item);
    }
    b.items = items;
}

/// Takes out of the loop's body what can stand in the block `to` around it.
fn invariant(code: &mut Code, l: &mut Loop, to: BlockId) -> Vec<Op> {
    let mut writes: HashMap<u32, u32> = HashMap::from([(code.store_of(l.counter), 1)]);
    count_writes(code, &l.body, &mut writes);
    let (mut moved, mut kept) = (Vec::new(), Vec::new());
    for item in std::mem::take(&mut l.body.items) {
        match item {
            Item::Op(op) if stays_the_same(code, &op, &writes) => {
                for (reg, role) in op.instr.registers() {
                    if role != Role::Read {
                        let store = code.store_of(reg);
                        writes.remove(&store);
                        code.stores[store as usize].owner = to;
                    }
                }
                moved.push(op);
            }
            other => kept.push(other),
        }
    }
    l.body.items = kept;
    moved
}

fn count_writes(code: &Code, b: &Block, writes: &mut HashMap<u32, u32>) {
    for item in &b.items {
        match item {
            Item::Op(op) => {
                for (reg, _) in op.instr.registers().filter(|(_, role)| *role != Role::Read) {
                    *writes.entry(code.store_of(reg)).or_default() += 1;
                }
            }
            Item::Loop(l) => {
                *writes.entry(code.store_of(l.counter)).or_default() += 1;
                count_writes(code, &l.body, writes);
            }
            Item::Branch(branch) => {
                count_writes(code, &branch.then, writes);
                count_writes(code, &branch.otherwise, writes);
            }
        }
    }
}

/// Whether the operation reads only what the loop does not write, and alone makes what it makes.
fn stays_the_same(code: &Code, op: &Op, writes: &HashMap<u32, u32>) -> bool {
    deterministic(&op.instr)
        && op.instr.registers().all(|(reg, role)| {
            let view = code.view(reg);
            let Store { elements, home, .. } = code.stores[view.buffer as usize];
            match (role, writes.get(&view.buffer)) {
                (Role::Read, written) => written.is_none(),
                (Role::Write, Some(1)) => view.len() == elements && !home,
                (Role::Write | Role::Update, _) => false,
            }
        })
}

/// Whether an instruction computes the same from the same operands, and nobody notices when.
fn deterministic(instr: &Instr) -> bool {
    !matches!(
        instr,
        Instr::Shuffle { .. }
            | Instr::PublicUniform { .. }
            | Instr::RandomBits { .. }
            | Instr::Metric { .. }
            | Instr::Output { .. }
            | Instr::Debug { .. }
            | Instr::Reveal { .. }
            | Instr::RevealBits { .. }
    )
}
