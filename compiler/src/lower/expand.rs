//! Run-time loops whose counters bound a loop inside them: `for i in 0..n { for j in i + 1..n { … } }`.
//!
//! A run-time loop goes as often as stands in the bytecode, so that costs are products of numbers that are known (decision 0022). Where a bound
//! is computed from the counters of loops around it, these loops are expanded as under `unroll`; the bound is then a constant, and the loop inside is
//! a run-time loop as any other.
//!
//! The bound asks for it, each loop that it depends on notices when its body has been tried, and the outermost one that is left is expanded.

use std::collections::{BTreeSet, HashSet};

use super::Lowerer;
use super::value::{Elem, Value};
use crate::ir::{Op, ValueId};

impl Lowerer<'_> {
    /// Asks the loops whose counters the bound is computed from to be expanded; `false` if it is computed from anything else as well.
    pub(super) fn expand_for(&mut self, bound: &Value) -> bool {
        let Value::Tensor(t) = bound else { return false };
        if t.secret() || t.elem != Elem::Int || t.ty.len() != 1 {
            return false;
        }
        let counters = self.counters(t.id).unwrap_or_default();
        self.expand.extend(&counters);
        !counters.is_empty()
    }

    /// The counters that a public number is computed from, if it is computed from nothing but counters and constants.
    fn counters(&self, value: ValueId) -> Option<BTreeSet<ValueId>> {
        let mut found = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if !seen.insert(value) {
                continue;
            }
            if self.loops.contains(&value) {
                found.insert(value);
                continue;
            }
            let inst = self.builder.definition(value)?;
            match inst.op {
                Op::Const(_) => {}
                Op::IntBinary(_) | Op::Compare(_) | Op::Choose | Op::Reshape(_) => open.extend(&inst.args),
                _ => return None,
            }
        }
        Some(found)
    }
}
