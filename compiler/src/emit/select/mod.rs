//! Instruction selection: from the IR's values to registers on stores.
//!
//! Every value becomes a view. Operations that only rename elements (reshape, permute, slice, windows, …) make a new view on the operand's
//! store and no instruction; the others get a store of their own, laid out in memory like their first full operand, so that chains
//! of element-wise operations run over dense memory whatever the order of the axes.
//!
//! - [`element`]: element-wise operations. - [`linear`]: products, sums, bits. - [`moves`]: data movement. - [`control`]: loops,
//!   branches, effects.

mod control;
mod element;
mod linear;
mod moves;

use std::collections::HashMap;

use tern_bytecode::instr::{Instr, Reg, Role, Route};
use tern_bytecode::program::{Constant, Dim, Line};
use tern_bytecode::validate::{MAX_AXES, MAX_ELEMENTS};
use tern_bytecode::{Kind, View};

use super::code::{Block, BlockId, Code, Item, OpId, Store};
use super::error::{Cause, EmitError};
use super::header;
use super::pool::{self, Pool};
use super::view;
use super::widths::Widths;
use crate::diagnostics::{SourceMap, Span};
use crate::ir::{self, Family, Inst, Op, Type, ValueId};

/// Where interactive operations go before the schedule has chosen.
const ANY: Route = Route(0);

type Selected<T> = Result<T, Cause>;

/// Selects the instructions of a whole program.
pub fn select(ir: &ir::Program, sources: &SourceMap) -> Result<Code, EmitError> {
    let mut selector = Selector {
        ir,
        sources,
        widths: Widths::of(ir),
        code: Code::new(header::program(ir)),
        pool: Pool::default(),
        places: vec![None; ir.values.len()],
        open: Vec::new(),
        makers: Vec::new(),
        constants: HashMap::new(),
        prelude: Vec::new(),
        files: HashMap::new(),
        span: None,
        line: Line { file: 0, line: 0 },
        inner: Line { file: 0, line: 0 },
    };
    let root = selector.code.body.clone();
    selector.open.push(root);
    let block = selector.block(&ir.body).map(|()| selector.close());
    let block = block.map_err(|cause| EmitError { span: selector.span, cause })?;
    let mut code = selector.code;
    code.program.constants = selector.pool.entries;
    code.body = Block { items: selector.prelude.into_iter().chain(block.items).collect(), ..block };
    Ok(code)
}

struct Selector<'a> {
    ir: &'a ir::Program,
    sources: &'a SourceMap,
    /// Of what is opened.
    widths: Widths<'a>,
    code: Code,
    pool: Pool,
    /// Where each value is.
    places: Vec<Option<View>>,
    /// Blocks that are being filled, innermost last.
    open: Vec<Block>,
    /// By store: the one operation that computes all of it, if there is one.
    makers: Vec<Option<OpId>>,
    /// By pool entry: the store that holds it.
    constants: HashMap<u32, u32>,
    /// Loads of constants: once, before everything else.
    prelude: Vec<Item>,
    /// From the source map's files to the bytecode's.
    files: HashMap<u32, u32>,
    /// The place of the current instruction.
    span: Option<Span>,
    line: Line,
    /// The same within the function that is called there.
    inner: Line,
}

impl Selector<'_> {
    fn block(&mut self, block: &ir::Block) -> Selected<()> {
        block.insts.iter().try_for_each(|inst| {
            self.line = self.line_of(inst.origin.user);
            self.inner = match inst.op {
                Op::Assume { .. } => self.line_of(inst.origin.inner),
                _ => self.line,
            };
            self.span = Some(inst.origin.user);
            self.inst(inst)
        })
    }

    fn inst(&mut self, inst: &Inst) -> Selected<()> {
        match inst.op.family() {
            Family::Leaf => self.leaf(inst),
            Family::Elements => self.element_wise(inst),
            Family::Sums => self.linear(inst),
            Family::Moves => self.moved(inst),
            Family::Effect => self.effect(inst),
            Family::Control => self.control(inst),
            // A rule is about derivatives; the values are what they were.
            Family::Rule => inst.results.iter().zip(&inst.args).try_for_each(|(result, arg)| {
                let place = self.place(*arg)?;
                self.set(*result, place);
                Ok(())
            }),
            Family::Derivative => Err(unexpected(inst)),
        }
    }

    fn leaf(&mut self, inst: &Inst) -> Selected<()> {
        let result = inst.results[0];
        if let Op::Const(constant) = &inst.op {
            let entry = pool::entry(constant, self.code.program.header.ring)?;
            let place = self.constant(entry, constant.ty.kind, &constant.ty.shape)?;
            self.set(result, place);
            return Ok(());
        }
        let ty = self.ir.ty(result).clone();
        let place = self.dense(ty.kind, &ty.shape)?;
        let dst = self.reg(&place);
        let instr = match inst.op {
            Op::Input(input) => Instr::Input { dst, input, route: ANY },
            Op::Iota { start, step, .. } => Instr::Iota { dst, start, step },
            Op::Shuffle { n, .. } => Instr::Shuffle { dst, n },
            Op::PublicUniform(_) => Instr::PublicUniform { dst },
            Op::RandomBits(_) => Instr::RandomBits { dst },
            _ => return Err(unexpected(inst)),
        };
        if !place.is_empty() {
            self.push(instr);
        }
        self.set(result, place);
        Ok(())
    }

    // ---- values and stores

    fn ty(&self, value: ValueId) -> &Type {
        self.ir.ty(value)
    }

    fn set(&mut self, value: ValueId, place: View) {
        self.places[value.0 as usize] = Some(place);
    }

    fn place(&self, value: ValueId) -> Selected<View> {
        let place = self.places.get(value.0 as usize).cloned().flatten();
        place.ok_or_else(|| Cause::Unexpected(format!("value %{} before its definition", value.0)))
    }

    fn kind(&self, view: &View) -> Kind {
        self.code.kind(view.buffer)
    }

    /// A new store for a tensor in row-major order.
    fn dense(&mut self, kind: Kind, shape: &[usize]) -> Selected<View> {
        self.fresh(kind, shape, None)
    }

    /// A new store for a tensor whose axes lie in memory in the order of the model's.
    fn fresh(&mut self, kind: Kind, shape: &[usize], model: Option<&View>) -> Selected<View> {
        let owner = self.open[self.open.len() - 1].id;
        self.fresh_in(owner, kind, shape, model)
    }

    fn fresh_in(
        &mut self,
        owner: BlockId,
        kind: Kind,
        shape: &[usize],
        model: Option<&View>,
    ) -> Selected<View> {
        let elements = check(shape)?;
        let (dims, len) = match model {
            Some(model) => layout(shape, model, kind == Kind::Bit && self.kind(model) == Kind::Bit),
            None => row_major(shape),
        };
        if len > MAX_ELEMENTS {
            return Err(Cause::Elements(len.into()));
        }
        let buffer = self.code.store(kind, len, Store { owner, elements, home: false });
        self.makers.push(None);
        Ok(View { buffer, offset: 0, dims })
    }

    /// A view of a constant, which is loaded once for the whole program.
    fn constant(&mut self, entry: Constant, kind: Kind, shape: &[usize]) -> Selected<View> {
        let elements = check(shape)?;
        let len = entry.len() as u64;
        let pool = self.pool.add(entry);
        let buffer = match self.constants.get(&pool) {
            Some(store) => *store,
            None => {
                let root = self.code.body.id;
                let place = self.fresh_in(root, kind, &[len as usize], None)?;
                let dst = self.reg(&place);
                let load = self.code.op(Instr::Constant { dst, pool }, self.line);
                self.prelude.push(Item::Op(load));
                self.constants.insert(pool, place.buffer);
                place.buffer
            }
        };
        let dims = if len == elements {
            row_major(shape).0
        } else {
            shape.iter().map(|&n| view::dim(n, 0)).collect()
        };
        Ok(View { buffer, offset: 0, dims })
    }

    /// One plain ring element everywhere.
    fn plain(&mut self, bytes: Vec<u8>, shape: &[usize]) -> Selected<View> {
        self.constant(Constant::Ring { width: bytes.len() as u8, bytes }, Kind::Plain, shape)
    }

    fn reg(&mut self, view: &View) -> Reg {
        self.code.register(view.clone())
    }

    // ---- instructions

    fn push(&mut self, instr: Instr) -> OpId {
        let op = self.code.op(instr, self.line);
        let id = op.id;
        for (reg, role) in instr.registers() {
            if role != Role::Read {
                let written = self.code.view(reg);
                let store = &self.code.stores[written.buffer as usize];
                let all = role == Role::Write && written.len() == store.elements && !store.home;
                self.makers[written.buffer as usize] = all.then_some(id);
            }
        }
        self.item(Item::Op(op));
        id
    }

    fn item(&mut self, item: Item) {
        let last = self.open.len() - 1;
        self.open[last].items.push(item);
    }

    fn close(&mut self) -> Block {
        self.open.pop().expect("every block that is closed was opened")
    }

    /// Copies `a` to `dst`, which has the same shape and kind.
    fn copy(&mut self, dst: &View, a: &View) -> Selected<()> {
        if self.kind(dst) == Kind::Half {
            return Err(Cause::Unexpected("a copy of the half of a bit".into()));
        }
        if !dst.is_empty() {
            let (dst, a) = (self.reg(dst), self.reg(a));
            self.push(Instr::Copy { dst, a });
        }
        Ok(())
    }

    // ---- lines

    fn line_of(&mut self, span: Span) -> Line {
        let Some(file) = self.sources.get(span.file) else { return Line { file: 0, line: 0 } };
        let next = self.files.len() as u32;
        let index = *self.files.entry(span.file.0).or_insert(next);
        if index == next {
            self.code.program.files.push(file.name.to_string());
        }
        Line { file: index, line: file.line(span.start) }
    }
}

fn unexpected(inst: &Inst) -> Cause {
    Cause::Unexpected(format!("{:?}", inst.op))
}

/// The number of elements, if a register can have this shape.
fn check(shape: &[usize]) -> Selected<u64> {
    if shape.len() > MAX_AXES {
        return Err(Cause::Axes(shape.len()));
    }
    let elements = shape.iter().fold(1u128, |n, &size| n.saturating_mul(size as u128));
    let widest = shape.iter().copied().max().unwrap_or(0);
    if elements > MAX_ELEMENTS.into() || u32::try_from(widest).is_err() {
        return Err(Cause::Elements(elements));
    }
    Ok(elements as u64)
}

/// Axes in row-major order, and the number of elements.
fn row_major(shape: &[usize]) -> (Vec<Dim>, u64) {
    let mut step = 1u64;
    let mut dims: Vec<Dim> = Vec::with_capacity(shape.len());
    for &size in shape.iter().rev() {
        dims.push(view::dim(size, step as i64));
        step *= size as u64;
    }
    dims.reverse();
    (dims, step)
}

/// Axes of the given sizes without gaps, in the memory order of the model's. With `planes`, axes on which the model goes from word
/// to word of packed bits do so here.
fn layout(shape: &[usize], model: &View, planes: bool) -> (Vec<Dim>, u64) {
    let mut dims = vec![view::dim(0, 0); shape.len()];
    let mut step = 1u64;
    for &axis in view::memory_order(model).iter().rev() {
        let d = model.dims[axis];
        if planes && d.size > 1 && d.stride != 0 && d.stride % 64 == 0 {
            step = step.next_multiple_of(64);
        }
        dims[axis] = view::dim(shape[axis], step as i64);
        step *= shape[axis] as u64;
    }
    (dims, step)
}
