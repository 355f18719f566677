//! Copies of a function's own rule.
//!
//! A rule is written for adjoints at the scale of `fix`. It is linear in them, so adjoints with more fraction bits can go through it as
//! they are: what depends on them has as many bits more, and everything else is raised where the two meet.

use std::collections::{HashMap, HashSet};

use super::adjoint::Sweep;
use crate::ir::{Algebra, Block, Inst, Kind, Op, Origin, Program, ValueId};

/// Appends a copy of the rule with these adjoints, of any scales, and returns what it yields.
pub(super) fn copied(cx: &mut Sweep, rule: &Block, given: Vec<ValueId>) -> Vec<ValueId> {
    let written = rule.params.iter().map(|param| cx.frac_of(*param)).max().unwrap_or(0);
    let finest = given.iter().map(|d| cx.frac_of(*d)).max().unwrap_or(written);
    let wanted = finest.saturating_sub(written);
    let more = largest_product(&cx.builder.program, rule).map_or(0, |frac| cx.room_above(frac, wanted));
    let mut args = Vec::with_capacity(given.len());
    for (param, d) in rule.params.iter().zip(given) {
        let frac = cx.frac_of(*param) + more;
        args.push(cx.scaled_to(d, frac));
    }
    if more == 0 { cx.builder.inline(rule, &args) } else { finer(cx, rule, &args, more) }
}

/// The largest scale among the products that depend on the adjoints, not counting what a constant below 1 has beyond `fix`; nothing if an
/// operation on them is not linear, as where a rule clips.
fn largest_product(program: &Program, rule: &Block) -> Option<u32> {
    let fix = program.settings.frac;
    let mut finer: HashSet<ValueId> = rule.params.iter().copied().collect();
    let mut largest = 2 * fix;
    for inst in &rule.insts {
        let mut depends = false;
        inst.for_each_use(&mut |value| depends |= finer.contains(&value));
        if !depends {
            continue;
        }
        let among = |args: &[ValueId]| args.iter().filter(|arg| finer.contains(arg)).count();
        let linear = match &inst.op {
            Op::Mul | Op::Contract(_) => among(&inst.args) == 1,
            Op::Select { keep: false, .. } => among(&inst.args[..1]) == 0,
            Op::Gather => among(&inst.args[1..]) == 0,
            Op::Scatter => among(&inst.args[2..]) == 0,
            Op::Trunc { .. } | Op::Promote => true,
            op => matches!(op.algebra(), Algebra::Linear | Algebra::Joint),
        };
        if !linear {
            return None;
        }
        if matches!(inst.op, Op::Mul | Op::Contract(_)) {
            let small = |arg: &ValueId| inst.op == Op::Mul && program.ty(*arg).kind == Kind::Plain;
            let frac = |arg: &ValueId| program.ty(*arg).frac;
            let counted = |arg: &ValueId| if small(arg) { frac(arg).min(fix) } else { frac(arg) };
            largest = largest.max(inst.args.iter().map(counted).sum());
        }
        finer.extend(inst.results.iter().copied());
    }
    Some(largest)
}

/// A copy in which everything that depends on the parameters has `more` fraction bits than in the rule.
fn finer(cx: &mut Sweep, rule: &Block, args: &[ValueId], more: u32) -> Vec<ValueId> {
    let mut names: HashMap<ValueId, ValueId> =
        rule.params.iter().copied().zip(args.iter().copied()).collect();
    let mut depends: HashSet<ValueId> = rule.params.iter().copied().collect();
    for inst in &rule.insts {
        if !inst.args.iter().any(|arg| depends.contains(arg)) {
            let copy = cx.builder.copy(inst, &mut names);
            cx.builder.append(copy);
            continue;
        }
        let origin = cx.builder.origin;
        cx.builder.origin = Origin { user: origin.user, inner: inst.origin.inner };
        let aligned = matches!(inst.op, Op::Add | Op::Sub | Op::Concat { .. } | Op::Scatter);
        let mut operands = Vec::with_capacity(inst.args.len());
        for arg in &inst.args {
            let value = names.get(arg).copied().unwrap_or(*arg);
            let raise = aligned && !depends.contains(arg) && cx.builder.ty(value).is_ring();
            operands.push(if raise { cx.builder.one(Op::Raise { bits: more }, &[value]) } else { value });
        }
        let result = cx.builder.one(moved(inst, more), &operands);
        cx.builder.origin = origin;
        names.insert(inst.results[0], result);
        depends.insert(inst.results[0]);
    }
    rule.yields.iter().map(|value| names.get(value).copied().unwrap_or(*value)).collect()
}

/// The operation at the finer scale.
fn moved(inst: &Inst, more: u32) -> Op {
    match &inst.op {
        Op::Rescale { frac } => Op::Rescale { frac: frac + more },
        op => op.clone(),
    }
}
