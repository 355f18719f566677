//! Appending instructions to a block, with inferred types.

use std::collections::HashMap;

use super::infer::{TypeError, infer};
use super::op::Op;
use super::types::Type;
use super::{Block, Inst, Origin, Program, ValueId};

/// Appends instructions to nested blocks of a program.
#[derive(Debug)]
pub struct Builder {
    /// The program under construction; its body is set by [`Builder::finish`].
    pub program: Program,
    /// Open blocks, innermost last.
    open: Vec<Block>,
    /// Where the next instructions come from.
    pub origin: Origin,
}

/// How far a program had been built.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    values: usize,
    names: usize,
    inputs: usize,
    outputs: usize,
    /// Open blocks, and instructions of the innermost.
    depth: usize,
    insts: usize,
    origin: Origin,
}

impl Builder {
    /// Where the program stands, for [`Builder::undo`].
    pub fn mark(&mut self) -> Mark {
        Mark {
            values: self.program.values.len(),
            names: self.program.names.len(),
            inputs: self.program.inputs.len(),
            outputs: self.program.outputs.len(),
            insts: self.block().insts.len(),
            depth: self.open.len(),
            origin: self.origin,
        }
    }

    /// Takes back everything that was appended since a mark: instructions, values, names, inputs and outputs, and blocks that were opened.
    /// The blocks that were open at the mark must still be so.
    pub fn undo(&mut self, mark: Mark) {
        self.open.truncate(mark.depth);
        self.block().insts.truncate(mark.insts);
        self.program.values.truncate(mark.values);
        self.program.names.truncate(mark.names);
        self.program.inputs.truncate(mark.inputs);
        self.program.outputs.truncate(mark.outputs);
        self.origin = mark.origin;
    }

    /// Begins with the program's outermost block, which is expected to be empty.
    pub fn new(program: Program, origin: Origin) -> Builder {
        Builder { program, open: vec![Block::default()], origin }
    }

    /// Appends an instruction without regions and returns its results.
    pub fn push(&mut self, op: Op, args: &[ValueId]) -> Result<Vec<ValueId>, TypeError> {
        self.push_with(op, args, Vec::new())
    }

    /// Appends an instruction of one result; the typing rules are the caller's responsibility.
    pub fn one(&mut self, op: Op, args: &[ValueId]) -> ValueId {
        let described = format!("{op:?}");
        match self.push(op, args) {
            Ok(results) if results.len() == 1 => results[0],
            Ok(results) => unreachable!("{described} has {} results", results.len()),
            Err(error) => unreachable!("{described}: {error}"),
        }
    }

    /// Appends an instruction with regions.
    pub fn push_with(
        &mut self,
        op: Op,
        args: &[ValueId],
        regions: Vec<Block>,
    ) -> Result<Vec<ValueId>, TypeError> {
        let types = infer(&self.program, &op, args, &regions)?;
        let results: Vec<ValueId> = types.into_iter().map(|ty| self.program.value(ty)).collect();
        let inst = Inst { op, args: args.to_vec(), results: results.clone(), regions, origin: self.origin };
        self.block().insts.push(inst);
        Ok(results)
    }

    /// Appends an instruction that exists already.
    pub fn append(&mut self, inst: Inst) {
        self.block().insts.push(inst);
    }

    /// Opens a nested block with parameters of these types.
    pub fn enter(&mut self, params: &[Type]) -> Vec<ValueId> {
        let params: Vec<ValueId> = params.iter().map(|ty| self.program.value(ty.clone())).collect();
        self.open.push(Block { params: params.clone(), ..Block::default() });
        params
    }

    /// Opens a closed block again, to append to it.
    pub fn reenter(&mut self, block: Block) {
        self.open.push(block);
    }

    /// Opens a nested block with parameters that exist already.
    pub fn reopen(&mut self, params: Vec<ValueId>) {
        self.open.push(Block { params, ..Block::default() });
    }

    /// Appends a copy of a region's instructions, with `args` in the place of its parameters, and returns what it yields. The copies come from
    /// the current origin's user and their own inner places.
    pub fn inline(&mut self, region: &Block, args: &[ValueId]) -> Vec<ValueId> {
        let mut names: HashMap<ValueId, ValueId> =
            region.params.iter().copied().zip(args.iter().copied()).collect();
        for inst in &region.insts {
            let copy = self.copy(inst, &mut names);
            self.append(copy);
        }
        renamed(&region.yields, &names)
    }

    /// A copy of an instruction with operands by their new names, and new results, which `names` then has. It comes from the current origin's user.
    pub fn copy(&mut self, inst: &Inst, names: &mut HashMap<ValueId, ValueId>) -> Inst {
        let regions = inst.regions.iter().map(|region| self.copy_block(region, names)).collect();
        Inst {
            op: inst.op.clone(),
            args: renamed(&inst.args, names),
            results: self.fresh(&inst.results, names),
            regions,
            origin: Origin { user: self.origin.user, inner: inst.origin.inner },
        }
    }

    fn copy_block(&mut self, block: &Block, names: &mut HashMap<ValueId, ValueId>) -> Block {
        let params = self.fresh(&block.params, names);
        let insts = block.insts.iter().map(|inst| self.copy(inst, names)).collect();
        Block { params, insts, yields: renamed(&block.yields, names) }
    }

    /// New values of the same types, under which the old ones are known from now on.
    fn fresh(&mut self, values: &[ValueId], names: &mut HashMap<ValueId, ValueId>) -> Vec<ValueId> {
        let mut list = Vec::with_capacity(values.len());
        for old in values {
            let new = self.program.value(self.program.ty(*old).clone());
            names.insert(*old, new);
            list.push(new);
        }
        list
    }

    /// Closes the innermost block.
    pub fn leave(&mut self, yields: Vec<ValueId>) -> Block {
        let mut block = self.open.pop().unwrap_or_default();
        block.yields = yields;
        block
    }

    /// The innermost open block.
    pub fn block(&mut self) -> &mut Block {
        if self.open.is_empty() {
            self.open.push(Block::default());
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    /// The instruction of an open block that gives a value; none gives a block's parameters.
    pub fn definition(&self, value: ValueId) -> Option<&Inst> {
        let insts = self.open.iter().rev().flat_map(|block| block.insts.iter().rev());
        insts.into_iter().find(|inst| inst.results.contains(&value))
    }

    /// How many blocks are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// A value's type.
    pub fn ty(&self, value: ValueId) -> &Type {
        self.program.ty(value)
    }

    /// The finished program.
    pub fn finish(mut self) -> Program {
        self.program.body = self.open.drain(..).next().unwrap_or_default();
        self.program
    }
}

fn renamed(values: &[ValueId], names: &HashMap<ValueId, ValueId>) -> Vec<ValueId> {
    values.iter().map(|v| names.get(v).copied().unwrap_or(*v)).collect()
}
