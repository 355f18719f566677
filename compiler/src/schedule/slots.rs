//! When each node of a graph runs: in the fewest rounds, and then so that little memory is in use.
//!
//! Time runs in *slots*. Slot 2t is before the `send` of round t: operations that take part in the round are issued there, and local work that
//! they wait for is done. Slot 2t + 1 lies between `send` and `receive`: local work that nothing in this round waits for. The last
//! slot comes after all rounds.

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::visit::EdgeRef;

use super::graph::{Edge, Graph};

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// Rounds from the beginning to the end.
    pub rounds: u32,
    /// By node.
    pub slot: Vec<u32>,
    /// By round: a node in flight on the longest path.
    pub critical: Vec<usize>,
}

/// When a node should run if it does not matter for the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// As early as possible: it makes room.
    Early,
    /// As late as possible: it takes room.
    Late,
}

/// Places all nodes. `wishes` is asked once, with the earliest slots of all, and answers for each node.
pub fn place<W: Fn(usize) -> Wish>(graph: &Graph, wishes: impl FnOnce(&[u32]) -> W) -> Slots {
    let early = earliest(graph);
    let wish = wishes(&early);
    let end = graph.node_indices().map(|n| early[n.index()] + 2 * graph[n]).max().unwrap_or(0);
    let mut slot = vec![end; early.len()];
    for n in graph.node_indices().rev() {
        let (i, rounds) = (n.index(), graph[n]);
        let next =
            graph.edges_directed(n, Outgoing).map(|e| slot[e.target().index()] - 2 * e.weight().rounds);
        let bound = next.min().unwrap_or(end).min(end - 2 * rounds);
        slot[i] = match (wish(i), rounds) {
            (Wish::Early, 0) => (early[i] + 1).min(bound),
            (Wish::Late, 0) if bound % 2 == 0 && bound > early[i] => bound - 1,
            (Wish::Late, 0) => bound,
            (Wish::Early, _) => early[i],
            (Wish::Late, _) => bound - bound % 2,
        };
    }
    Slots { rounds: end / 2, slot, critical: critical(graph, &early, end) }
}

/// The earliest slot of every node; even, since local work takes no round.
fn earliest(graph: &Graph) -> Vec<u32> {
    let mut early = vec![0; graph.node_count()];
    for n in graph.node_indices() {
        let before =
            graph.edges_directed(n, Incoming).map(|e| early[e.source().index()] + 2 * e.weight().rounds);
        early[n.index()] = before.max().unwrap_or(0);
    }
    early
}

/// For every round the node in flight on one path that fills all rounds.
fn critical(graph: &Graph, early: &[u32], end: u32) -> Vec<usize> {
    let mut path = vec![0; (end / 2) as usize];
    let mut at = graph.node_indices().find(|n| early[n.index()] + 2 * graph[*n] == end);
    while let Some(n) = at {
        let from = early[n.index()];
        let first = (from / 2) as usize;
        path[first..first + graph[n] as usize].fill(n.index());
        let tight = |e: &petgraph::graph::EdgeReference<'_, Edge>| {
            early[e.source().index()] + 2 * e.weight().rounds == from
        };
        at = graph.edges_directed(n, Incoming).find(tight).map(|e| e.source()).filter(|_| from > 0);
    }
    path
}
