//! Rectifying after taking maxima: max(relu(x)) = relu(max(x)).
//!
//! A rectifier is monotonous, so it commutes with the larger and the smaller of two, and element-wise, so it commutes with moving data. Where
//! all that becomes of a rectified tensor are maxima with fewer elements, the maxima are taken of the operand and rectified: a pooling
//! of 2×2 leaves a quarter of the comparisons.
//!
//! A maximum is what the source's `where(a >= b, a, b)` looks like, and its kin; see [`pattern::extreme`]. The bits of its comparisons may
//! have no other use: between two rectified zeros they would be decided otherwise. For the derivative that makes no difference, as it
//! vanishes there; the pass runs before derivatives are expanded, on code without dead instructions.

use std::collections::HashSet;

use super::graph::Graph;
use super::pattern;
use crate::ir::{Block, Inst, Op, Origin, Program, ValueId};

/// Moves rectifiers behind maxima.
pub fn run(program: &mut Program) {
    let mut tried = HashSet::new();
    loop {
        let graph = Graph::of(program);
        let mut body = std::mem::take(&mut program.body);
        let changed = block(program, &graph, &mut body, &mut tried);
        program.body = body;
        if !changed {
            return;
        }
    }
}

/// Moves the first rectifier that can be moved, in this block or one inside.
fn block(program: &mut Program, graph: &Graph, body: &mut Block, tried: &mut HashSet<ValueId>) -> bool {
    for at in 0..body.insts.len() {
        let inst = &mut body.insts[at];
        for region in &mut inst.regions {
            if block(program, graph, region, tried) {
                return true;
            }
        }
        let &[result] = inst.results.as_slice() else { continue };
        let Some(operand) = pattern::relu(graph, result) else { continue };
        if tried.insert(result) {
            let origin = inst.origin;
            if let Some(maxima) = Maxima::of(program, graph, body, at, result) {
                maxima.rectify_last(program, body, operand, origin);
                return true;
            }
        }
    }
    false
}

/// What becomes of a rectified tensor by moving and taking maxima.
struct Maxima {
    rectified: ValueId,
    /// Results of moves and maxima, and all that is computed on the way.
    inside: HashSet<ValueId>,
    /// Those that something else uses.
    ends: HashSet<ValueId>,
}

impl Maxima {
    fn of(program: &Program, graph: &Graph, body: &Block, at: usize, rectified: ValueId) -> Option<Maxima> {
        let mut banned = HashSet::new();
        loop {
            let mut found = collect(graph, &body.insts[at + 1..], rectified, &banned);
            found.trim(program, graph);
            // comparisons that something else looks at stay as they are
            let leaking =
                found.on_the_way.iter().find(|(value, _)| !used_inside(graph, &found.inside, *value));
            if let Some((_, maximum)) = leaking {
                banned.insert(*maximum);
                continue;
            }
            let members = found.members.iter().copied();
            let ends: HashSet<ValueId> = members.filter(|m| !used_inside(graph, &found.inside, *m)).collect();
            let after: usize = ends.iter().map(|e| program.ty(*e).len()).sum();
            let fewer = after < program.ty(rectified).len();
            return (fewer && !ends.is_empty() && !ends.contains(&rectified)).then_some(Maxima {
                rectified,
                inside: found.inside,
                ends,
            });
        }
    }

    /// Takes the maxima of the operand instead, and rectifies at the ends, whose names the users keep.
    fn rectify_last(self, program: &mut Program, body: &mut Block, operand: ValueId, origin: Origin) {
        let mut renamed = std::collections::HashMap::from([(self.rectified, operand)]);
        for mut inst in std::mem::take(&mut body.insts) {
            let inner = inst.results.iter().any(|r| self.inside.contains(r));
            if !inner {
                body.insts.push(inst);
                continue;
            }
            for arg in &mut inst.args {
                *arg = renamed.get(arg).copied().unwrap_or(*arg);
            }
            let result = inst.results[0];
            if self.ends.contains(&result) {
                let raw = program.value(program.ty(result).clone());
                renamed.insert(result, raw);
                inst.results[0] = raw;
                body.insts.push(inst);
                body.insts.extend(rectifier(program, raw, result, origin));
            } else {
                body.insts.push(inst);
            }
        }
    }
}

struct Found {
    /// The rectified tensor and what follows from it by moves and maxima.
    members: Vec<ValueId>,
    /// Bits and differences, with the maximum that they are for.
    on_the_way: Vec<(ValueId, ValueId)>,
    /// All but the rectified tensor.
    inside: HashSet<ValueId>,
}

impl Found {
    /// Leaves out moves behind the last maximum that make more elements, such as the windows of the next convolution, and what follows from them.
    fn trim(&mut self, program: &Program, graph: &Graph) {
        let mut leading = HashSet::new(); // to a maximum
        for member in self.members.iter().rev() {
            let results = graph.users(*member).flat_map(|user| &user.results);
            let mut ahead = results.filter(|r| self.inside.contains(r));
            if ahead.any(|r| leading.contains(r) || !self.members.contains(r)) {
                leading.insert(*member);
            }
        }
        let mut cut = HashSet::new();
        for member in &self.members {
            let Some(def) = graph.def(*member).filter(|def| def.op.moves_data()) else { continue };
            let grows = program.ty(*member).len() > def.args.iter().map(|a| program.ty(*a).len()).sum();
            if !leading.contains(member) && (grows || def.args.iter().any(|a| cut.contains(a))) {
                cut.insert(*member);
            }
        }
        self.members.retain(|member| !cut.contains(member));
        self.inside.retain(|value| !cut.contains(value));
    }
}

fn collect(graph: &Graph, insts: &[Inst], rectified: ValueId, banned: &HashSet<ValueId>) -> Found {
    let mut found = Found { members: vec![rectified], on_the_way: Vec::new(), inside: HashSet::new() };
    let mut members = HashSet::from([rectified]);
    for inst in insts {
        let &[result] = inst.results.as_slice() else { continue };
        let member = match &inst.op {
            Op::Concat { .. } => inst.args.iter().all(|a| members.contains(a)),
            Op::Scatter => false,
            op if op.moves_data() => members.contains(&inst.args[0]),
            Op::Add | Op::Sub if !banned.contains(&result) => match pattern::extreme(graph, result) {
                Some((a, b, _)) if members.contains(&a) && members.contains(&b) => {
                    found.on_the_way.extend(on_the_way(graph, result));
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if member {
            members.insert(result);
            found.members.push(result);
            found.inside.insert(result);
        }
    }
    found.inside.extend(found.on_the_way.iter().map(|(value, _)| *value));
    found
}

/// The values between the operands of a maximum and the maximum.
fn on_the_way(graph: &Graph, maximum: ValueId) -> Vec<(ValueId, ValueId)> {
    let Some(choice) = pattern::choice(graph, maximum) else { return Vec::new() };
    let mut values: Vec<ValueId> = choice.select.into_iter().chain(choice.difference).collect();
    let mut bit = choice.bit;
    while let Some(def) = graph.def(bit).filter(|d| matches!(d.op, Op::Not | Op::Sign { .. })) {
        values.push(bit);
        bit = def.args[0];
    }
    values.push(bit); // the difference that is compared
    values.into_iter().map(|value| (value, maximum)).collect()
}

fn used_inside(graph: &Graph, inside: &HashSet<ValueId>, value: ValueId) -> bool {
    let users = graph
        .users(value)
        .filter(|user| user.results.iter().all(|r| inside.contains(r)) && !user.results.is_empty());
    users.count() == graph.uses(value)
}

/// `result` = max(`raw`, 0).
fn rectifier(program: &mut Program, raw: ValueId, result: ValueId, origin: Origin) -> [Inst; 3] {
    let ty = program.ty(raw).clone();
    let negative = program.value(ty.clone());
    let bit = program.value(crate::ir::Type::bit(ty.shape));
    let inst = |op, args: Vec<ValueId>, result| Inst {
        op,
        args,
        results: vec![result],
        regions: Vec::new(),
        origin,
    };
    [
        inst(Op::Neg, vec![raw], negative),
        inst(Op::Sign { width: 0 }, vec![negative], bit),
        inst(Op::Select { keep: false, additive: false }, vec![bit, raw], result),
    ]
}
