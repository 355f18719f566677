//! Dead code: instructions without effect whose results nothing uses.
//!
//! Post-condition: every instruction has an effect or a use, or a region with an effect; every carried value of a loop and every result of a
//! branch is used (a carried value that is computed only from itself is not); carried values change; every input is used.
//!
//! Loops keep their order and number of iterations. The second result of a selection goes if it is not used.

use std::collections::HashMap;

use crate::ir::{Block, Inst, Op, Program, ValueId};

/// Removes dead code and unused inputs.
pub fn run(program: &mut Program) {
    settle(&mut program.body, &mut HashMap::new());
    let mut marker = Marker { live: vec![false; program.values.len()], changed: true };
    while marker.changed {
        marker.changed = false;
        marker.block(&program.body);
    }
    sweep(&mut program.body, &marker.live);
    drop_inputs(program);
}

// ---- values that do not change

/// Puts the initial values in the place of carried values that a loop passes on unchanged, and in the place of results on which both arms of a
/// branch agree.
fn settle(block: &mut Block, names: &mut HashMap<ValueId, ValueId>) {
    for inst in &mut block.insts {
        rename(&mut inst.args, names);
        match (&inst.op, inst.regions.as_mut_slice()) {
            (Op::For { .. }, [body]) => settle_loop(&inst.args, &inst.results, body, names),
            (Op::If, [then, otherwise]) => {
                settle(then, names);
                settle(otherwise, names);
                let agreed = then.yields.iter().zip(&otherwise.yields).zip(&inst.results);
                names.extend(agreed.filter(|((a, b), _)| a == b).map(|((a, _), result)| (*result, *a)));
            }
            (_, regions) => regions.iter_mut().for_each(|region| settle(region, names)),
        }
    }
    rename(&mut block.yields, names);
}

fn settle_loop(
    initial: &[ValueId],
    results: &[ValueId],
    body: &mut Block,
    names: &mut HashMap<ValueId, ValueId>,
) {
    let mut settled = vec![false; initial.len()];
    loop {
        settle(body, names);
        let passed_on = |i: usize| [body.params[i + 1], initial[i]].contains(&body.yields[i]);
        let Some(i) = (0..initial.len()).find(|i| !settled[*i] && passed_on(*i)) else { break };
        settled[i] = true;
        names.insert(body.params[i + 1], initial[i]);
        names.insert(results[i], initial[i]);
    }
}

fn rename(values: &mut [ValueId], names: &HashMap<ValueId, ValueId>) {
    for value in values {
        *value = names.get(value).copied().unwrap_or(*value);
    }
}

// ---- what is used

struct Marker {
    /// By value: whether something that stays uses it.
    live: Vec<bool>,
    changed: bool,
}

impl Marker {
    fn mark(&mut self, value: ValueId) {
        let live = &mut self.live[value.0 as usize];
        self.changed |= !*live;
        *live = true;
    }

    fn is_live(&self, value: ValueId) -> bool {
        self.live[value.0 as usize]
    }

    /// Marks what the instructions that stay use, from behind, so that one walk follows a chain to its beginning. A block's own yields are
    /// marked by the instruction around it.
    fn block(&mut self, block: &Block) {
        for inst in block.insts.iter().rev() {
            if stays(inst, &self.live) {
                self.inst(inst);
            }
        }
    }

    fn inst(&mut self, inst: &Inst) {
        match (&inst.op, inst.regions.as_slice()) {
            (Op::For { breaks, .. }, [body]) => {
                for (i, initial) in inst.args.iter().enumerate() {
                    if self.is_live(inst.results[i]) || self.is_live(body.params[i + 1]) {
                        self.mark(body.yields[i]);
                        self.mark(*initial);
                        self.mark(inst.results[i]);
                    }
                }
                if let (true, Some(flag)) = (breaks, body.yields.last()) {
                    self.mark(*flag);
                }
            }
            (Op::If, arms) => {
                self.mark(inst.args[0]);
                for (i, result) in inst.results.iter().enumerate() {
                    if self.is_live(*result) {
                        arms.iter().for_each(|arm| self.mark(arm.yields[i]));
                    }
                }
            }
            (_, regions) => {
                inst.args.iter().for_each(|arg| self.mark(*arg));
                regions.iter().flat_map(|region| &region.yields).for_each(|value| self.mark(*value));
            }
        }
        inst.regions.iter().for_each(|region| self.block(region));
    }
}

/// Whether an instruction has an effect, in a region too, or a use.
fn stays(inst: &Inst, live: &[bool]) -> bool {
    let used = inst.results.iter().any(|result| live[result.0 as usize]);
    used || inst.op.has_effect() || inst.regions.iter().any(has_effect)
}

fn has_effect(block: &Block) -> bool {
    block.insts.iter().any(|inst| inst.op.has_effect() || inst.regions.iter().any(has_effect))
}

// ---- removal

fn sweep(block: &mut Block, live: &[bool]) {
    block.insts.retain(|inst| stays(inst, live));
    for inst in &mut block.insts {
        let used: Vec<bool> = inst.results.iter().map(|result| live[result.0 as usize]).collect();
        match (&mut inst.op, inst.regions.as_mut_slice()) {
            (Op::For { .. }, [body]) => {
                keep(&mut inst.results, &used);
                keep(&mut inst.args, &used);
                keep(&mut body.yields, &[used.as_slice(), &[true]].concat());
                keep(&mut body.params, &[&[true], used.as_slice()].concat());
            }
            (Op::If, arms) => {
                keep(&mut inst.results, &used);
                arms.iter_mut().for_each(|arm| keep(&mut arm.yields, &used));
            }
            (Op::Select { keep: half @ true, .. }, _) if !used[1] => {
                *half = false;
                inst.results.truncate(1);
            }
            (_, _) => {}
        }
        inst.regions.iter_mut().for_each(|region| sweep(region, live));
    }
}

/// Keeps the items with their flag set.
fn keep<T>(items: &mut Vec<T>, flags: &[bool]) {
    let mut flags = flags.iter();
    items.retain(|_| flags.next().copied().unwrap_or(false));
}

fn drop_inputs(program: &mut Program) {
    let mut used = vec![false; program.inputs.len()];
    for_each_input(&mut program.body, &mut |index| used[*index as usize] = true);
    let mut next = 0;
    let places: Vec<u32> = used
        .iter()
        .map(|used| {
            next += u32::from(*used);
            next.wrapping_sub(1)
        })
        .collect();
    for_each_input(&mut program.body, &mut |index| *index = places[*index as usize]);
    keep(&mut program.inputs, &used);
}

fn for_each_input(block: &mut Block, f: &mut impl FnMut(&mut u32)) {
    for inst in &mut block.insts {
        if let Op::Input(index) = &mut inst.op {
            f(index);
        }
        inst.regions.iter_mut().for_each(|region| for_each_input(region, f));
    }
}
