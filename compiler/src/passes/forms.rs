//! Forms become explicit: which values are replicated, and which are additive.
//!
//! A product of two replicated values leaves additive shares; so does a selection that stops a round early. Everything linear works on either form, a truncation takes
//! either, the rest needs replicated shares. Afterwards
//!
//! - every product of secrets is [`Kind::Additive`], and [`Op::Reshare`] stands where a replicated value is made of it, once per value,
//!   right behind it: all its users take the replicated one then;
//! - the operands of sums, differences and concatenations have one kind: [`Op::Promote`] and [`Op::Widen`] are written out.
//!
//! **Where to reshare.** Values that somebody needs replicated are reshared. For the others, going backwards, the price of staying
//! additive is what follows from it: that of collecting the shares for a truncation, the price of resharing for the result
//! of a linear operation on it, if no other operand is additive anyway. Operands that all come from one value, like a selection and what it leaves, share
//! the price, so that this value bears all of it. Where that is more than resharing it, the value itself is
//! reshared; so a value that is stretched or used several times is reshared before, a sum over axes after. A selection has a
//! price of its own for ending replicated. The prices are the protocol's ([`tern_bytecode::model::Prices`]), in ring elements.
//!
//! **Opened values.** Under a protocol that opens values under masks ([`Forms::Opened`]) what is said of replicated values holds of opened ones, and resharing is opening: a value is
//! opened once, in the iteration in which it is made, whatever uses it, and what comes of it by public linear maps is opened already. So what is
//! decided here is which values are masked. Truncations take opened values too; they and words leave additive ones, as selections do. What is put out or revealed may be either.
//! A truncation that rounds at random opens its result with the bits that it takes away (decision 0018), so where a sum has to be opened whose only additive terms are truncations,
//! these are opened instead of the sum if that is fewer bits.
//! A dealer does not know revealed values, so what they multiply or pick rows from is additive.
//!
//! **What stays in shares is shared anew.** An output to shares is reshared, unless resharing has just made it: linear operations leave
//! old masks, and an old file of one party and a new one of another would tell the value (decision 0010). Values that are opened come from masks of
//! this run anyway.

use std::collections::HashMap;

use tern_bytecode::model::Forms;

use super::graph::Graph;
use super::hidden;
use super::ranges::{Basis, Ranges};
use crate::ir::infer::infer;
use crate::ir::{Algebra, Block, Inst, Kind, Op, Origin, Program, Rounding, ValueId};

/// Decides on forms and writes them out.
pub fn run(program: &mut Program) {
    if opens(program) {
        program.widths = widths(program);
    }
    let mut body = std::mem::take(&mut program.body);
    let mut plan = Plan::new(program, &body);
    plan.demands(program, &body);
    plan.produce(program, &body);
    plan.prices(program, &body);
    if opens(program) && program.settings.rounding == Rounding::Probabilistic {
        plan.descend(program, &body);
    }
    program.explicit_forms = true;
    Writer { program, plan, out: Vec::new() }.block(&mut body);
    program.body = body;
}

/// How many bits the ranges of values take that are truncated or told to somebody, with two more, and one for rounding to the nearest.
fn widths(program: &Program) -> HashMap<ValueId, u32> {
    let ranges = Ranges::of(program, &Graph::of(program), Basis::Contract);
    let mut widths = HashMap::new();
    ranged(&program.body, &mut |value| {
        let bits = ranges.whole(program, value).magnitude().bits() as u32 + 2;
        let rounded = u32::from(program.settings.rounding == Rounding::Nearest);
        widths.insert(value, (bits + rounded).min(program.settings.ring));
    });
    widths
}

fn ranged(block: &Block, found: &mut impl FnMut(ValueId)) {
    for inst in &block.insts {
        inst.regions.iter().for_each(|region| ranged(region, found));
        if matches!(inst.op, Op::Trunc { .. } | Op::Output(_) | Op::Reveal) {
            found(inst.args[0]);
        }
    }
}

/// More than any sum of prices.
const NEVER: u64 = u64::MAX / 4;

/// Decisions by value.
struct Plan {
    /// Somebody takes only the replicated value.
    demanded: Vec<bool>,
    /// The value is additive unless something is done about it.
    additive: Vec<bool>,
    /// What it costs to leave it additive, in ring elements.
    price: Vec<u64>,
    /// The block of its definition.
    home: Vec<u32>,
    /// The one additive value that it was computed from by linear operations, which may be the value itself.
    root: Vec<ValueId>,
    /// Whether a dealer does not know it: it comes of what was revealed.
    hidden: Vec<bool>,
}

/// What an operation does with the form of its operands.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// It takes replicated operands and gives a replicated result, or none.
    Strict,
    /// Additive shares come out of replicated ones.
    Product,
    /// A selection, which can end in either form.
    Selection,
    /// The result is additive if an operand is.
    Linear,
    /// The same, but the result is made of the operands side by side.
    Joint,
    /// It takes either form and gives a replicated value.
    Truncation,
    /// It takes either form and gives nothing that has one.
    Telling,
}

fn role(program: &Program, inst: &Inst) -> Role {
    let opens = opens(program);
    match inst.op.algebra() {
        Algebra::Product if program.multiplies_secrets(inst) => Role::Product,
        Algebra::Product => Role::Linear,
        Algebra::Selection => Role::Selection,
        Algebra::Truncation | Algebra::Word if opens => Role::Product,
        Algebra::Telling if opens => Role::Telling,
        Algebra::Truncation => Role::Truncation,
        Algebra::Joint => Role::Joint,
        Algebra::Linear => Role::Linear,
        Algebra::Word | Algebra::Telling | Algebra::Apart => Role::Strict,
    }
}

fn opens(program: &Program) -> bool {
    program.settings.protocol.model().forms == Forms::Opened
}

impl Plan {
    fn new(program: &Program, body: &Block) -> Plan {
        let values = program.values.len();
        let hidden = if opens(program) { hidden::values(program, body) } else { vec![false; values] };
        Plan {
            hidden,
            demanded: vec![false; values],
            additive: vec![false; values],
            price: vec![0; values],
            home: vec![0; values],
            root: (0..values as u32).map(ValueId).collect(),
        }
    }

    /// Finds values that must be replicated: for operations that take nothing else, for what a block yields, and for what a region
    /// takes from around it, where a loop would pay again and again.
    fn demands(&mut self, program: &Program, body: &Block) {
        let mut blocks = 0;
        self.demands_of(program, body, &mut blocks);
    }

    fn demands_of(&mut self, program: &Program, block: &Block, blocks: &mut u32) {
        let own = *blocks;
        for inst in &block.insts {
            let strict = matches!(role(program, inst), Role::Strict | Role::Product | Role::Selection);
            let telling = role(program, inst) == Role::Telling;
            for arg in &inst.args {
                self.demanded[at(*arg)] |= strict || !telling && self.home[at(*arg)] != own;
            }
            for region in &inst.regions {
                *blocks += 1;
                self.demands_of(program, region, blocks);
            }
            for result in &inst.results {
                self.home[at(*result)] = own;
            }
        }
        for value in &block.yields {
            self.demanded[at(*value)] = true;
        }
    }

    /// Finds values that are additive, given what is demanded.
    fn produce(&mut self, program: &Program, block: &Block) {
        for inst in &block.insts {
            let additive = match role(program, inst) {
                Role::Strict | Role::Truncation | Role::Telling => false,
                Role::Product | Role::Selection => inst.args.iter().any(|a| program.ty(*a).is_secret()),
                Role::Linear | Role::Joint => {
                    self.is_moved_by_hidden(program, inst) || inst.args.iter().any(|a| self.stays(*a))
                }
            };
            if let Some(result) = inst.results.first() {
                self.additive[at(*result)] = additive;
                if matches!(role(program, inst), Role::Linear | Role::Joint) {
                    self.root[at(*result)] = self.common_root(&inst.args).unwrap_or(*result);
                }
            }
            for region in &inst.regions {
                self.produce(program, region);
            }
        }
    }

    /// Whether what becomes of masks depends on values that a dealer does not know: then the result is additive.
    fn is_moved_by_hidden(&self, program: &Program, inst: &Inst) -> bool {
        let moves = matches!(inst.op, Op::Mul | Op::Contract(_) | Op::Gather | Op::Scatter);
        let (hidden, secret): (Vec<ValueId>, Vec<ValueId>) =
            inst.args.iter().partition(|arg| !program.ty(**arg).is_secret());
        let is_ring = |arg: &ValueId| program.ty(*arg).is_ring();
        // rows of public numbers among secret ones have no mask
        let decides = |arg: &ValueId| self.hidden[at(*arg)] && (!is_ring(arg) || inst.op != Op::Scatter);
        moves && hidden.iter().any(decides) && secret.iter().any(is_ring)
    }

    /// The root of all operands that are additive, if it is one and the same.
    fn common_root(&self, args: &[ValueId]) -> Option<ValueId> {
        let mut roots = args.iter().filter(|a| self.stays(**a)).map(|a| self.root[at(*a)]);
        let first = roots.next()?;
        roots.all(|root| root == first).then_some(first)
    }

    /// Whether a value is left additive, as far as decided.
    fn stays(&self, value: ValueId) -> bool {
        self.additive[at(value)] && !self.demanded[at(value)]
    }

    /// Going backwards, compares what additive values cost further on with what resharing them costs.
    fn prices(&mut self, program: &Program, block: &Block) {
        for inst in block.insts.iter().rev() {
            for region in &inst.regions {
                self.prices(program, region);
            }
            let role = role(program, inst);
            if let Some(result) = inst.results.first().filter(|r| self.stays(**r)) {
                self.demanded[at(*result)] = self.price[at(*result)] > conversion(program, inst, role);
            }
            let additive: Vec<ValueId> = inst.args.iter().copied().filter(|a| self.stays(*a)).collect();
            for arg in &additive {
                let price = self.price_of_use(program, inst, role, *arg, &additive);
                self.price[at(*arg)] = (self.price[at(*arg)] + price).min(NEVER);
            }
        }
    }

    /// Going backwards, moves openings from linear operations to truncations that these are computed from, where fewer bits are opened there.
    fn descend(&mut self, program: &Program, body: &Block) {
        let mut bits = vec![0; program.values.len()];
        self.openings(program, body, &mut bits);
        self.move_openings(program, body, &bits);
        self.produce(program, body);
    }

    /// How many bits it takes to open a value: there, or where it comes from.
    fn openings(&self, program: &Program, block: &Block, bits: &mut [u64]) {
        for inst in &block.insts {
            inst.regions.iter().for_each(|region| self.openings(program, region, bits));
            let Some(result) = inst.results.first().filter(|r| self.additive[at(**r)]) else { continue };
            let own = opening(program, inst);
            bits[at(*result)] = match self.moves(program, inst) {
                true => own.min(self.operands(inst, bits)),
                false => own,
            };
        }
    }

    /// Whether a linear operation can be done on opened operands instead of opening its result.
    fn moves(&self, program: &Program, inst: &Inst) -> bool {
        matches!(role(program, inst), Role::Linear | Role::Joint) && !self.is_moved_by_hidden(program, inst)
    }

    /// What it takes to open all operands.
    fn operands(&self, inst: &Inst, bits: &[u64]) -> u64 {
        inst.args.iter().filter(|a| self.stays(**a)).map(|a| bits[at(*a)]).fold(0, u64::saturating_add)
    }

    fn move_openings(&mut self, program: &Program, block: &Block, bits: &[u64]) {
        for inst in block.insts.iter().rev() {
            inst.regions.iter().for_each(|region| self.move_openings(program, region, bits));
            let opened = inst.results.first().is_some_and(|r| self.additive[at(*r)] && self.demanded[at(*r)]);
            if opened && self.moves(program, inst) && self.operands(inst, bits) < opening(program, inst) {
                inst.args.iter().for_each(|arg| self.demanded[at(*arg)] |= self.additive[at(*arg)]);
            }
        }
    }

    /// What follows from leaving `arg` additive, one of the operands that are, at this use.
    fn price_of_use(
        &self,
        program: &Program,
        inst: &Inst,
        role: Role,
        arg: ValueId,
        additive: &[ValueId],
    ) -> u64 {
        let elements = |v: ValueId| program.ty(v).len() as u64;
        let prices = program.settings.protocol.model().prices;
        match role {
            Role::Truncation => prices.collect * elements(arg),
            Role::Linear | Role::Joint => {
                let own = conversion(program, inst, role);
                let result = at(inst.results[0]);
                let result = if self.demanded[result] { own } else { self.price[result].min(own) };
                // The parts of a whole that is replicated otherwise are reshared by themselves, if that is all it takes.
                let parts = additive.iter().map(|a| prices.reshare * elements(*a)).sum();
                match role {
                    Role::Joint if result > parts => prices.reshare * elements(arg) + 1,
                    _ if additive.iter().all(|a| self.root[at(*a)] == self.root[at(arg)]) => {
                        result / additive.len() as u64
                    }
                    _ => 0,
                }
            }
            Role::Strict | Role::Product | Role::Selection | Role::Telling => 0,
        }
    }
}

/// What it costs, in ring elements, to have the result replicated.
fn conversion(program: &Program, inst: &Inst, role: Role) -> u64 {
    let elements = inst.results.first().map_or(0, |r| program.ty(*r).len()) as u64;
    let prices = program.settings.protocol.model().prices;
    elements * if role == Role::Selection { prices.replicate } else { prices.reshare }
}

/// How many bits are opened of the result, if it is: of a truncation only those that it takes away.
fn opening(program: &Program, inst: &Inst) -> u64 {
    let elements = inst.results.first().map_or(0, |r| program.ty(*r).len()) as u64;
    let bits = match inst.op {
        Op::Trunc { bits } => bits,
        _ => program.settings.ring,
    };
    elements.saturating_mul(bits.into())
}

fn at(value: ValueId) -> usize {
    value.0 as usize
}

/// Writes the plan out.
struct Writer<'p> {
    program: &'p mut Program,
    plan: Plan,
    out: Vec<Inst>,
}

impl Writer<'_> {
    fn block(&mut self, block: &mut Block) {
        let outer = std::mem::take(&mut self.out);
        for mut inst in std::mem::take(&mut block.insts) {
            for region in &mut inst.regions {
                self.block(region);
            }
            self.inst(inst);
        }
        block.insts = std::mem::replace(&mut self.out, outer);
    }

    fn inst(&mut self, mut inst: Inst) {
        let replicated = inst.results.first().is_some_and(|r| self.plan.demanded[at(*r)]);
        let opened = opens(self.program);
        if self.plan.is_moved_by_hidden(self.program, &inst) {
            self.widen_all(&mut inst);
        }
        match &mut inst.op {
            Op::Select { additive, .. } | Op::SelectAgain { additive, .. } => {
                *additive = opened || !replicated;
            }
            Op::Add | Op::Sub | Op::Concat { .. } | Op::Scatter => self.same_kind(&mut inst),
            Op::Output(output) if !opened && self.program.outputs[*output as usize].to.is_shared() => {
                inst.args[0] = self.anew(inst.args[0], inst.origin);
            }
            _ => {}
        }
        let Some(kind) = self.kind(&inst) else { return self.out.push(inst) };
        let result = inst.results[0];
        if kind == Kind::Additive && replicated {
            // The users keep the name, the sum of shares gets a new one.
            let mut ty = self.program.ty(result).clone();
            ty.kind = Kind::Additive;
            inst.results[0] = self.program.value(ty);
            let reshare = Inst {
                op: Op::Reshare,
                args: vec![inst.results[0]],
                results: vec![result],
                regions: Vec::new(),
                origin: inst.origin,
            };
            self.out.extend([inst, reshare]);
        } else {
            self.program[result].ty.kind = kind;
            self.out.push(inst);
        }
    }

    /// The kind of an instruction's result, from the kinds that its operands have now; nothing if it has none, or has regions.
    fn kind(&self, inst: &Inst) -> Option<Kind> {
        if inst.results.is_empty() || !inst.regions.is_empty() {
            return None;
        }
        let types = infer(self.program, &inst.op, &inst.args, &[])
            .unwrap_or_else(|error| unreachable!("forms of {:?}: {error}", inst.op));
        Some(types[0].kind)
    }

    /// Brings ring operands to the kind of the result.
    fn same_kind(&mut self, inst: &mut Inst) {
        let kinds: Vec<Kind> = inst.args.iter().map(|a| self.program.ty(*a).kind).collect();
        let kind = match kinds.as_slice() {
            kinds if kinds.contains(&Kind::Additive) => Kind::Additive,
            kinds if kinds.contains(&Kind::Shared) => Kind::Shared,
            _ => return,
        };
        for arg in &mut inst.args {
            let origin = inst.origin;
            if self.program.ty(*arg).kind == Kind::Plain {
                *arg = self.convert(Op::Promote, *arg, Kind::Shared, origin);
            }
            if self.program.ty(*arg).kind == Kind::Shared && kind == Kind::Additive {
                *arg = self.convert(Op::Widen, *arg, Kind::Additive, origin);
            }
        }
    }

    /// Brings all secret ring operands to additive form.
    fn widen_all(&mut self, inst: &mut Inst) {
        for arg in &mut inst.args {
            if self.program.ty(*arg).kind == Kind::Shared {
                *arg = self.convert(Op::Widen, *arg, Kind::Additive, inst.origin);
            }
        }
    }

    /// A replicated value under masks of this run.
    fn anew(&mut self, value: ValueId, origin: Origin) -> ValueId {
        if self.out.iter().any(|inst| inst.op == Op::Reshare && inst.results.contains(&value)) {
            return value;
        }
        let summands = self.convert(Op::Widen, value, Kind::Additive, origin);
        self.convert(Op::Reshare, summands, Kind::Shared, origin)
    }

    fn convert(&mut self, op: Op, arg: ValueId, kind: Kind, origin: Origin) -> ValueId {
        let mut ty = self.program.ty(arg).clone();
        ty.kind = kind;
        let result = self.program.value(ty);
        self.plan.demanded.push(false);
        self.plan.hidden.push(false);
        self.out.push(Inst { op, args: vec![arg], results: vec![result], regions: Vec::new(), origin });
        result
    }
}
