//! The dependency graph of a straight piece of code.
//!
//! An edge weighs the rounds that have to pass between the issue of its source and the start of its target. An operation in flight
//! owns its registers, so an edge weighs as many whatever the dependency: written then read, read then written, written twice.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};
use tern_bytecode::instr::Role;
use tern_bytecode::{Instr, Program, cost};

use crate::emit::view::extent;

/// Nodes in the order of the code, which is topological; weights are the rounds that they take.
pub type Graph = DiGraph<u32, Edge>;

/// A dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Rounds from the issue of the source to the start of the target.
    pub rounds: u32,
    /// Whether the target reads what the source writes.
    pub data: bool,
}

/// The graph of `code`, whose registers are views of `program`.
pub fn dependencies(program: &Program, code: &[Instr]) -> Graph {
    let mut graph = Graph::with_capacity(code.len(), 2 * code.len());
    let mut memory: HashMap<u32, Earlier> = HashMap::new();
    let mut effect = None;
    for instr in code {
        let node = graph.add_node(cost::rounds(program, instr));
        if has_effect(instr)
            && let Some(last) = effect.replace(node)
        {
            graph.add_edge(last, node, Edge { rounds: 0, data: false });
        }
        // reads first: an instruction does not wait for itself
        let mut registers: Vec<_> = instr.registers().collect();
        registers.sort_by_key(|(_, role)| *role != Role::Read);
        for (reg, role) in registers {
            let view = &program.views[reg.0 as usize];
            let Some((low, high)) = extent(view) else { continue };
            let all = role == Role::Write && view.len() == high - low + 1;
            let access = Access { node, low, high, write: role != Role::Read };
            access.order(&mut graph, memory.entry(view.buffer).or_default(), all);
        }
    }
    graph
}

/// Effects are seen in the order of the source.
fn has_effect(instr: &Instr) -> bool {
    matches!(
        instr,
        Instr::Metric { .. }
            | Instr::Output { .. }
            | Instr::Debug { .. }
            | Instr::Reveal { .. }
            | Instr::RevealBits { .. }
    )
}

/// A use of a range of a buffer.
#[derive(Clone, Copy)]
struct Access {
    node: NodeIndex,
    low: u64,
    high: u64,
    write: bool,
}

impl Access {
    fn meets(&self, other: &Access) -> bool {
        other.node != self.node && other.low <= self.high && self.low <= other.high
    }

    fn hides(&self, other: &Access) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// Draws the edges from earlier uses and joins them. What `all` of the range hides, later uses need not look at.
    fn order(self, graph: &mut Graph, earlier: &mut Earlier, all: bool) {
        let mut before: Vec<Access> = earlier.writes.iter().filter(|a| self.meets(a)).copied().collect();
        if self.write {
            before.extend(earlier.reads.iter().filter(|a| self.meets(a)));
            before.sort_by_key(|access| (access.node, access.write));
        }
        for access in before {
            let edge = Edge { rounds: graph[access.node], data: !self.write };
            graph.add_edge(access.node, self.node, edge);
        }
        if all {
            earlier.writes.retain(|access| !self.hides(access));
            earlier.reads.retain(|access| !self.hides(access));
        }
        if self.write { earlier.writes.push(self) } else { earlier.reads.push(self) }
    }
}

/// Earlier uses of a buffer. Reads do not wait for each other, and there may be many.
#[derive(Default)]
struct Earlier {
    writes: Vec<Access>,
    reads: Vec<Access>,
}
