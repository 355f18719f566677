//! Which public values a dealer does not know: those that are revealed, and what is computed from them.
//!
//! A dealer receives nothing, so it follows a program only as far as that depends on what was compiled, on public randomness, and on nothing else.

use crate::diagnostics::{Code, Diagnostic};
use crate::ir::{Block, Inst, Op, Program, ValueId};

/// What a program decides by values that its dealer, if there is one, does not know.
pub fn check(program: &Program) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if program.settings.protocol.model().dealer.is_some() {
        decisions(&program.body, &values(program, &program.body), &mut found);
    }
    found
}

fn decisions(block: &Block, hidden: &[bool], found: &mut Vec<Diagnostic>) {
    for inst in &block.insts {
        let condition = match inst.op {
            Op::If => inst.args.first(),
            Op::For { breaks: true, .. } => inst.regions[0].yields.last(),
            _ => None,
        };
        if condition.is_some_and(|value| hidden[value.0 as usize]) {
            found.push(
                Diagnostic::error(Code::S007, "a revealed value decides what runs next")
                    .at(inst.origin.user, "")
                    .why("the dealer runs the program too, and does not learn what is revealed")
                    .help("run both ways, and select with where(condition, a, b)")
                    .help("compile for another protocol:  --protocol rep3"),
            );
        }
        inst.regions.iter().for_each(|region| decisions(region, hidden, found));
    }
}

/// By value.
pub fn values(program: &Program, body: &Block) -> Vec<bool> {
    let mut hidden = Hidden { program, values: vec![false; program.values.len()] };
    hidden.block(body);
    hidden.values
}

struct Hidden<'a> {
    program: &'a Program,
    values: Vec<bool>,
}

impl Hidden<'_> {
    fn is(&self, value: ValueId) -> bool {
        self.values[value.0 as usize]
    }

    fn mark(&mut self, value: ValueId, hidden: bool) {
        self.values[value.0 as usize] |= hidden && !self.program.ty(value).is_secret();
    }

    fn block(&mut self, block: &Block) {
        block.insts.iter().for_each(|inst| self.inst(inst));
    }

    fn inst(&mut self, inst: &Inst) {
        let reads = inst.args.iter().any(|arg| self.is(*arg));
        match &inst.op {
            Op::For { .. } => self.repeat(inst),
            Op::If => {
                for region in &inst.regions {
                    self.block(region);
                    for (result, value) in inst.results.iter().zip(&region.yields) {
                        self.mark(*result, self.is(*value));
                    }
                }
            }
            Op::Reveal | Op::RevealBits => self.mark(inst.results[0], true),
            _ => inst.results.iter().for_each(|result| self.mark(*result, reads)),
        }
    }

    /// What an iteration hands to the next one is looked at until nothing more is hidden.
    fn repeat(&mut self, inst: &Inst) {
        let region = &inst.regions[0];
        for (param, arg) in region.params[1..].iter().zip(&inst.args) {
            self.mark(*param, self.is(*arg));
        }
        loop {
            self.block(region);
            let before: Vec<bool> = region.params.iter().map(|param| self.is(*param)).collect();
            for (param, value) in region.params[1..].iter().zip(&region.yields) {
                self.mark(*param, self.is(*value));
            }
            if region.params.iter().map(|param| self.is(*param)).eq(before) {
                break;
            }
        }
        for (result, param) in inst.results.iter().zip(&region.params[1..]) {
            self.mark(*result, self.is(*param));
        }
    }
}
