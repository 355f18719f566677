//! Definitions and uses, and rewriting a program in one walk.
//!
//! A rewriting pass states its rules for one instruction at a time ([`Rules`]). The walk goes in program order, so operands
//! have been rewritten before their users, and what a rule produces can be matched by the rules of later instructions. What a replaced instruction
//! leaves behind unused is not counted as a use any more, and disappears with the next elimination of dead code.

use std::collections::HashMap;

use crate::ir::infer::infer;
use crate::ir::{Block, Inst, Op, Origin, Program, Type, ValueId};

/// What computes a value.
#[derive(Debug, Clone)]
pub struct Def {
    /// The operation.
    pub op: Op,
    /// Its operands.
    pub args: Vec<ValueId>,
    /// Its results.
    pub results: Vec<ValueId>,
    /// The block that it stands in, by number in order of the walk.
    pub block: u32,
}

/// Definitions and uses of all values.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    insts: Vec<Def>,
    /// The instruction that defines a value, and which of its results it is. Parameters of blocks have none.
    defined: Vec<Option<(u32, u32)>>,
    /// The users of a value, one entry per use; [`YIELD`] for a block that passes it on.
    users: Vec<Vec<u32>>,
}

/// Stands for the end of a block among users.
const YIELD: u32 = u32::MAX;

impl Graph {
    /// Reads a whole program.
    pub fn of(program: &Program) -> Graph {
        let mut graph = Graph::default();
        graph.grow(program);
        graph.block(&program.body, &mut 0);
        graph
    }

    /// What computes a value; nothing if it is a parameter of a block.
    pub fn def(&self, value: ValueId) -> Option<&Def> {
        let (inst, _) = self.defined.get(value.0 as usize).copied().flatten()?;
        Some(&self.insts[inst as usize])
    }

    /// How often a value is used, counting what blocks yield.
    pub fn uses(&self, value: ValueId) -> usize {
        self.users.get(value.0 as usize).map_or(0, Vec::len)
    }

    /// The instruction that uses a value, if there is only one use and it is not a yield.
    pub fn sole_user(&self, value: ValueId) -> Option<&Def> {
        match self.users.get(value.0 as usize)?.as_slice() {
            [user] if *user != YIELD => Some(&self.insts[*user as usize]),
            _ => None,
        }
    }

    /// The instructions that use a value, once per use; yields are left out.
    pub fn users(&self, value: ValueId) -> impl Iterator<Item = &Def> {
        let users = self.users.get(value.0 as usize).map_or(&[][..], Vec::as_slice);
        users.iter().filter(|u| **u != YIELD).map(|u| &self.insts[*u as usize])
    }

    fn grow(&mut self, program: &Program) {
        self.defined.resize(program.values.len(), None);
        self.users.resize(program.values.len(), Vec::new());
    }

    fn block(&mut self, block: &Block, number: &mut u32) {
        let own = *number;
        for inst in &block.insts {
            self.add(inst, own);
            for region in &inst.regions {
                *number += 1;
                self.block(region, number);
            }
        }
        for value in &block.yields {
            self.users[value.0 as usize].push(YIELD);
        }
    }

    fn add(&mut self, inst: &Inst, block: u32) {
        let index = self.insts.len() as u32;
        for (i, result) in inst.results.iter().enumerate() {
            self.defined[result.0 as usize] = Some((index, i as u32));
        }
        for arg in &inst.args {
            self.users[arg.0 as usize].push(index);
        }
        let def = Def { op: inst.op.clone(), args: inst.args.clone(), results: inst.results.clone(), block };
        self.insts.push(def);
    }

    /// An instruction is gone, and with it what was computed for it alone.
    fn remove(&mut self, inst: u32) {
        for arg in std::mem::take(&mut self.insts[inst as usize].args) {
            let users = &mut self.users[arg.0 as usize];
            if let Some(at) = users.iter().position(|u| *u == inst) {
                users.swap_remove(at);
            }
            if let Some((from, _)) = self.defined[arg.0 as usize] {
                let def = &self.insts[from as usize];
                let removable = !def.op.has_effect() && !matches!(def.op, Op::For { .. } | Op::If);
                if removable && def.results.iter().all(|r| self.users[r.0 as usize].is_empty()) {
                    self.remove(from);
                }
            }
        }
    }

    /// An operand of an instruction has another name now.
    fn rename(&mut self, inst: u32, old: ValueId, new: ValueId) {
        if inst != YIELD {
            for arg in self.insts[inst as usize].args.iter_mut().filter(|a| **a == old) {
                *arg = new;
            }
        }
    }
}

/// The rules of a rewriting pass.
pub trait Rules {
    /// What takes the place of the results of `inst`, whose operands are rewritten already; nothing to leave it as it is.
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>>;

    /// Called for every instruction that the rewritten program gets, in order.
    fn added(&mut self, _cx: &Rewriter, _inst: &Inst) {}

    /// Called before a block is walked.
    fn entered(&mut self, _cx: &Rewriter, _block: &Block) {}
}

/// A walk over a program, under way.
#[derive(Debug)]
pub struct Rewriter<'p> {
    /// The program; its blocks are not in it during the walk.
    pub program: &'p mut Program,
    /// Definitions and uses, kept up to date.
    pub graph: Graph,
    /// The number of the block that the walk is in.
    pub block: u32,
    next: u32,
    renamed: HashMap<ValueId, ValueId>,
    out: Vec<Inst>,
    origin: Origin,
}

/// Rewrites a program by `rules`, in one walk.
pub fn rewrite(program: &mut Program, rules: &mut impl Rules) {
    let graph = Graph::of(program);
    let mut body = std::mem::take(&mut program.body);
    let origin = match body.insts.first() {
        Some(first) => first.origin,
        None => return program.body = body,
    };
    let mut cx =
        Rewriter { program, graph, block: 0, next: 0, renamed: HashMap::new(), out: Vec::new(), origin };
    cx.walk(&mut body, rules);
    program.body = body;
}

impl Rewriter<'_> {
    /// Appends an instruction of one result.
    ///
    /// # Panics
    /// If the typing rules forbid it: rules of passes build what they know to be well typed.
    pub fn emit(&mut self, rules: &mut impl Rules, op: Op, args: &[ValueId]) -> ValueId {
        let types = infer(self.program, &op, args, &[])
            .unwrap_or_else(|error| unreachable!("a pass builds {op:?}: {error}"));
        let results: Vec<ValueId> = types.into_iter().map(|ty| self.program.value(ty)).collect();
        let first = results[0];
        self.append(
            rules,
            Inst { op, args: args.to_vec(), results, regions: Vec::new(), origin: self.origin },
        );
        first
    }

    /// The operation and operands behind a value, if it is computed in this block and used only once.
    pub fn own(&self, value: ValueId) -> Option<&Def> {
        self.graph.def(value).filter(|def| def.block == self.block && self.graph.uses(value) == 1)
    }

    /// A value's type.
    pub fn ty(&self, value: ValueId) -> &Type {
        self.program.ty(value)
    }

    fn append(&mut self, rules: &mut impl Rules, inst: Inst) {
        self.graph.grow(self.program);
        self.graph.add(&inst, self.block);
        rules.added(self, &inst);
        self.out.push(inst);
    }

    fn name(&self, value: ValueId) -> ValueId {
        self.renamed.get(&value).copied().unwrap_or(value)
    }

    fn walk(&mut self, block: &mut Block, rules: &mut impl Rules) {
        let (outer, outer_block) = (std::mem::take(&mut self.out), self.block);
        self.block = self.next;
        rules.entered(self, block);
        for mut inst in std::mem::take(&mut block.insts) {
            inst.args = inst.args.iter().map(|a| self.name(*a)).collect();
            self.origin = inst.origin;
            for region in &mut inst.regions {
                self.next += 1;
                self.walk(region, rules);
                self.origin = inst.origin;
            }
            match rules.apply(self, &inst) {
                Some(values) => self.replace(&inst, &values),
                None => self.keep(rules, inst),
            }
        }
        block.yields = block.yields.iter().map(|y| self.name(*y)).collect();
        block.insts = std::mem::replace(&mut self.out, outer);
        self.block = outer_block;
    }

    /// The instruction stays; its operands may have other names now.
    fn keep(&mut self, rules: &mut impl Rules, inst: Inst) {
        rules.added(self, &inst);
        self.out.push(inst);
    }

    /// All uses of the instruction's results become uses of `values`.
    fn replace(&mut self, inst: &Inst, values: &[ValueId]) {
        for (old, new) in inst.results.iter().zip(values) {
            let moved = std::mem::take(&mut self.graph.users[old.0 as usize]);
            for user in &moved {
                self.graph.rename(*user, *old, *new);
            }
            self.graph.users[new.0 as usize].extend(moved);
            self.renamed.insert(*old, *new);
        }
        if let Some((index, _)) = inst.results.first().and_then(|r| self.graph.defined[r.0 as usize]) {
            self.graph.remove(index);
        }
    }
}
