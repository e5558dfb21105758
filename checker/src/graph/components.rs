//! Strongly connected components, after Tarjan (1972), without recursion.

use super::{Graph, reason};

/// A component for each node: those of one component have the same number.
#[derive(Debug)]
pub(crate) struct Components {
    of: Vec<u32>,
    /// How many nodes each has.
    sizes: Vec<u32>,
}

impl Components {
    /// The components of the graph of those edges whose reasons are among `reasons`.
    pub(crate) fn new(graph: &Graph, reasons: u8) -> Components {
        let successors = |node: u32, mut step: u32| {
            let out = graph.out(node);
            while out.start + step < out.end {
                let edge = graph.edges[(out.start + step) as usize];
                step += 1;
                if edge.reason & reasons != 0 {
                    return Some((edge.to, step));
                }
            }
            None
        };
        tarjan(graph.nodes(), successors)
    }

    /// The components of walks on which no two anti-dependencies follow each other.
    ///
    /// Such a walk is one through a graph with two nodes for each transaction: `2 * t` for having come by anything
    /// else, and `2 * t + 1` for having come by an anti-dependency, from where none leads on. A closed walk without
    /// adjacent anti-dependencies is a cycle there; so one exists exactly if a component has a cycle (Cerone and
    /// Gotsman, 2018: a history is allowed by snapshot isolation exactly if there is none).
    pub(crate) fn nonadjacent(graph: &Graph, reasons: u8) -> Components {
        let successors = |node: u32, mut step: u32| {
            let out = graph.out(node / 2);
            while out.start + step < out.end {
                let edge = graph.edges[(out.start + step) as usize];
                step += 1;
                let is_anti = edge.reason & reason::ANTI != 0;
                if edge.reason & reasons != 0 && !(is_anti && node % 2 == 1) {
                    return Some((2 * edge.to + u32::from(is_anti), step));
                }
            }
            None
        };
        tarjan(2 * graph.nodes(), successors)
    }

    /// Whether two nodes are in one component.
    pub(crate) fn same(&self, one: u32, other: u32) -> bool {
        self.of[one as usize] == self.of[other as usize]
    }

    /// Which component a node is in.
    pub(crate) fn of(&self, node: u32) -> u32 {
        self.of[node as usize]
    }

    /// How many nodes the component of a node has.
    pub(crate) fn size(&self, node: u32) -> u32 {
        self.sizes[self.of(node) as usize]
    }

    /// Whether any component has more than one node.
    pub(crate) fn any_cycle(&self) -> bool {
        self.sizes.iter().any(|&size| size > 1)
    }
}

/// Tarjan's algorithm. `successors(node, step)` gives the next successor of a node and the step to go on from.
pub(crate) fn tarjan(nodes: usize, successors: impl Fn(u32, u32) -> Option<(u32, u32)>) -> Components {
    const NEW: u32 = u32::MAX;
    let mut state =
        State { index: vec![NEW; nodes], low: vec![0; nodes], of: vec![NEW; nodes], ..State::default() };
    let mut calls: Vec<(u32, u32)> = Vec::new();
    for root in 0..nodes as u32 {
        if state.index[root as usize] != NEW {
            continue;
        }
        state.enter(root);
        calls.push((root, 0));
        while let Some((node, step)) = calls.last_mut() {
            match successors(*node, *step) {
                Some((to, next)) if state.index[to as usize] == NEW => {
                    *step = next;
                    state.enter(to);
                    calls.push((to, 0));
                }
                Some((to, next)) => {
                    *step = next;
                    if state.of[to as usize] == NEW {
                        state.low[*node as usize] = state.low[*node as usize].min(state.index[to as usize]);
                    }
                }
                None => {
                    let node = *node;
                    calls.pop();
                    state.leave(node);
                    if let Some((caller, _)) = calls.last() {
                        state.low[*caller as usize] =
                            state.low[*caller as usize].min(state.low[node as usize]);
                    }
                }
            }
        }
    }
    Components { of: state.of, sizes: state.sizes }
}

#[derive(Default)]
struct State {
    /// In which order the nodes were met.
    index: Vec<u32>,
    /// The first node that each is known to reach.
    low: Vec<u32>,
    of: Vec<u32>,
    sizes: Vec<u32>,
    /// Met, and in no component yet.
    stack: Vec<u32>,
    met: u32,
}

impl State {
    fn enter(&mut self, node: u32) {
        self.index[node as usize] = self.met;
        self.low[node as usize] = self.met;
        self.met += 1;
        self.stack.push(node);
    }

    /// If `node` is the first one of its component, that is all which was met after it.
    fn leave(&mut self, node: u32) {
        if self.low[node as usize] != self.index[node as usize] {
            return;
        }
        let component = self.sizes.len() as u32;
        let start = self.stack.iter().rposition(|&other| other == node).unwrap_or(0);
        self.sizes.push((self.stack.len() - start) as u32);
        for member in self.stack.drain(start..) {
            self.of[member as usize] = component;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Edge, reason};
    use super::*;

    fn graph(nodes: usize, edges: &[(u32, u32, u8)]) -> Graph {
        let edge = |&(from, to, reason)| Edge { from, to, reason, evidence: 0 };
        Graph::of(nodes, &edges.iter().map(edge).collect::<Vec<_>>())
    }

    #[test]
    fn components_are_what_reaches_each_other() {
        use reason::{RW, WR, WW};
        let graph = graph(6, &[(0, 1, WW), (1, 2, WW), (2, 0, RW), (2, 3, WW), (3, 4, WW), (4, 3, WR)]);
        let all = Components::new(&graph, reason::ALL);
        assert!(all.same(0, 1) && all.same(1, 2) && all.same(3, 4) && !all.same(2, 3) && !all.same(4, 5));
        let less = Components::new(&graph, reason::DEPENDS);
        assert!(!less.same(0, 1) && less.same(3, 4) && less.any_cycle());
        assert!(!Components::new(&graph, WW).any_cycle());
    }

    #[test]
    fn adjacent_antidependencies_lead_nowhere() {
        use reason::{RW, WR};
        let skew = graph(2, &[(0, 1, RW), (1, 0, RW)]);
        assert!(Components::new(&skew, reason::ALL).any_cycle());
        assert!(!Components::nonadjacent(&skew, reason::ALL).any_cycle());
        let fork = graph(4, &[(0, 1, RW), (1, 2, WR), (2, 3, RW), (3, 0, WR)]);
        assert!(Components::nonadjacent(&fork, reason::ALL).any_cycle());
    }

    #[test]
    fn a_long_path_takes_no_stack() {
        let edges: Vec<_> = (0..300_000).map(|node| (node, (node + 1) % 300_000, reason::WW)).collect();
        let graph = graph(300_000, &edges);
        assert!(Components::new(&graph, reason::ALL).same(0, 299_999));
    }
}
