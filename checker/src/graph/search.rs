//! Looks for cycles of each kind, from the worst to the mildest.
//!
//! Whether a cycle exists is told by components, in linear time: each edge within a component is on a cycle. Which one
//! is short is told by breadth-first searches: from the end of an edge that the kind needs, a *pivot*, back to its
//! beginning, through the component. What else the kind needs (another anti-dependency, say) is part of the state that
//! is searched, so that a transaction may be met once for each such state.
//!
//! A component can be as large as the history, with as many pivots. So the search for shorter cycles, and for kinds
//! that share components with others, has a limit. What decides on levels has none: [`Goal::decides`].

use super::components::Components;
use super::{Cycle, Edge, Graph, reason};
use crate::anomaly::CycleKind;
use std::collections::BTreeMap;

/// How many edges may be walked for one kind in one component, and in all of them together.
const STEPS_PER_COMPONENT: usize = 2_000_000;
const STEPS: usize = 20_000_000;

/// What else a walk needs.
mod need {
    pub(super) const WR: u8 = 2;
    pub(super) const ANTI: u8 = 4;
    pub(super) const SECOND_ANTI: u8 = 8;
    pub(super) const ADJACENT: u8 = 16;
    pub(super) const PREDICATE: u8 = 32;
    /// In a state: the last edge was an anti-dependency.
    pub(super) const LAST_WAS_ANTI: u8 = 1;
    pub(super) const STATES: usize = 64;
}

/// How anti-dependencies may follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Antis {
    One,
    Nonadjacent,
    Any,
}

/// A kind of cycle to look for.
#[derive(Clone, Copy, Debug)]
struct Goal {
    /// One of these edges is where the search begins.
    pivot: u8,
    allowed: u8,
    antis: Antis,
    needs: u8,
    /// Any cycle will do, to know that there is one: the first pivot of each component has one.
    decides: bool,
}

/// Cycles by kind, at most `examples` of each, and each in its own component or found by another search.
pub(crate) fn cycles(graph: &Graph, examples: usize) -> BTreeMap<CycleKind, Vec<Cycle>> {
    let mut found = BTreeMap::new();
    if !Components::new(graph, reason::ALL).any_cycle() {
        return found;
    }
    let mut search =
        Search { graph, marks: vec![0; graph.nodes() * need::STATES], mark: 0, visits: Vec::new() };
    for order in [0, reason::SESSION, reason::REAL_TIME] {
        for goal in goals(order) {
            search.goal(goal, examples, &mut found);
        }
    }
    found
}

/// What to look for; with an order, cycles that need it.
fn goals(order: u8) -> Vec<Goal> {
    use need::{ADJACENT, ANTI, PREDICATE, SECOND_ANTI, WR};
    use reason::{DEPENDS, RW, WW};
    let orders = match order {
        reason::REAL_TIME => reason::SESSION | reason::REAL_TIME,
        order => order,
    };
    let goal = |pivot: u8, allowed: u8, antis: Antis, needs: u8| {
        let pivot = if order == 0 { pivot } else { order };
        Goal { pivot, allowed: allowed | orders, antis, needs, decides: false }
    };
    let decides = |goal: Goal| Goal { needs: 0, decides: true, ..goal };
    let mut goals = vec![
        goal(WW, WW, Antis::Any, 0),
        decides(goal(WW, WW, Antis::Any, 0)),
        goal(reason::WR | reason::PREDICATE_WR, DEPENDS, Antis::Any, WR),
        decides(goal(reason::WR | reason::PREDICATE_WR, DEPENDS, Antis::Any, 0)),
    ];
    for (anti, also) in [(RW, 0), (reason::ANTI, PREDICATE)] {
        let pivot = if also == 0 { RW } else { reason::PREDICATE_RW };
        let kind = |antis, needs| goal(pivot, DEPENDS | anti, antis, needs | also);
        let any = |antis| decides(goal(anti, DEPENDS | anti, antis, 0));
        goals.extend([
            kind(Antis::One, ANTI),
            kind(Antis::Nonadjacent, ANTI | SECOND_ANTI),
            any(Antis::Nonadjacent),
            kind(Antis::Any, ANTI | SECOND_ANTI | ADJACENT),
            any(Antis::Any),
        ]);
    }
    goals
}

struct Search<'a> {
    graph: &'a Graph,
    /// For each transaction and state the number of the last search that met it.
    marks: Vec<u32>,
    mark: u32,
    /// What the search has met, in order.
    visits: Vec<Visit>,
}

#[derive(Clone, Copy)]
struct Visit {
    edge: u32,
    state: u8,
    /// The visit that it came from.
    from: u32,
    length: u32,
}

/// The components that a goal's walks stay in.
struct Area {
    components: Components,
    is_product: bool,
}

impl Area {
    fn new(graph: &Graph, goal: Goal) -> Area {
        let is_product = goal.antis != Antis::Any;
        let components = match is_product {
            true => Components::nonadjacent(graph, goal.allowed),
            false => Components::new(graph, goal.allowed),
        };
        Area { components, is_product }
    }

    fn node(&self, transaction: u32, by_anti: bool) -> u32 {
        if self.is_product { 2 * transaction + u32::from(by_anti) } else { transaction }
    }

    /// The component that an edge is inside of, if it is.
    fn inside(&self, edge: &Edge) -> Option<u32> {
        let is_anti = edge.reason & reason::ANTI != 0;
        let to = self.node(edge.to, is_anti);
        let by_other = self.node(edge.from, false);
        let by_anti = self.node(edge.from, true);
        let is_inside = self.components.same(by_other, to) || (!is_anti && self.components.same(by_anti, to));
        is_inside.then(|| self.components.of(to))
    }

    fn same(&self, edge: &Edge, component: u32) -> bool {
        self.components.of(self.node(edge.to, edge.reason & reason::ANTI != 0)) == component
    }
}

impl Search<'_> {
    fn goal(&mut self, goal: Goal, examples: usize, found: &mut BTreeMap<CycleKind, Vec<Cycle>>) {
        let area = Area::new(self.graph, goal);
        let mut pivots: Vec<(u32, u32)> = (0..)
            .zip(self.graph.edges())
            .filter(|(_, edge)| edge.reason & goal.pivot != 0)
            .filter_map(|(number, edge)| Some((area.inside(edge)?, number)))
            .collect();
        pivots.sort_unstable();
        let mut budget = STEPS;
        let mut new = 0;
        for pivots in pivots.chunk_by(|one, other| one.0 == other.0) {
            if budget == 0 || new >= examples {
                break;
            }
            let walk = self.shortest(goal, &area, pivots, &mut budget);
            for cycle in walk.iter().flat_map(|walk| Cycle::of_walk(walk)) {
                if adds(found, &cycle, examples) {
                    found.entry(cycle.kind()).or_default().push(cycle);
                    new += 1;
                }
            }
        }
    }

    /// The shortest closed walk through one of the pivots of a component, as far as the budget goes.
    fn shortest(
        &mut self,
        goal: Goal,
        area: &Area,
        pivots: &[(u32, u32)],
        budget: &mut usize,
    ) -> Option<Vec<Edge>> {
        let mut steps = STEPS_PER_COMPONENT.min(*budget);
        let allowed = steps;
        let mut best: Option<Vec<Edge>> = None;
        for &(component, pivot) in pivots {
            let longest = best.as_ref().map_or(u32::MAX, |walk| walk.len() as u32 - 1);
            if steps == 0 || longest < 2 || (goal.decides && best.is_some()) {
                break;
            }
            best = self.walk(goal, area, component, pivot, longest, &mut steps).or(best);
        }
        *budget -= allowed - steps;
        best
    }

    /// The shortest walk from the end of the pivot to its beginning, and the pivot.
    fn walk(
        &mut self,
        goal: Goal,
        area: &Area,
        component: u32,
        pivot: u32,
        longest: u32,
        steps: &mut usize,
    ) -> Option<Vec<Edge>> {
        let first = self.graph.edges[pivot as usize];
        self.mark += 1;
        self.visits.clear();
        let state = after(goal, goal.needs, &first)?;
        self.visits.push(Visit { edge: pivot, state, from: 0, length: 1 });
        let mut next = 0;
        while next < self.visits.len() {
            let Visit { edge, state, length, .. } = self.visits[next];
            if length >= longest {
                return None;
            }
            let out = self.graph.out(self.graph.edges[edge as usize].to);
            // A search that decides is always finished; it is made once for each component.
            if !goal.decides {
                *steps = steps.saturating_sub(out.len());
            }
            for number in out {
                let edge = &self.graph.edges[number as usize];
                if edge.reason & goal.allowed == 0 || !area.same(edge, component) {
                    continue;
                }
                let Some(state) = after(goal, state, edge) else { continue };
                let visit = Visit { edge: number, state, from: next as u32, length: length + 1 };
                if edge.to == first.from && is_done(goal, state, &first) {
                    return Some(self.trace(visit));
                }
                let mark = &mut self.marks[edge.to as usize * need::STATES + usize::from(state)];
                if std::mem::replace(mark, self.mark) != self.mark {
                    self.visits.push(visit);
                }
            }
            if *steps == 0 {
                return None;
            }
            next += 1;
        }
        None
    }

    /// The walk that led to a visit.
    fn trace(&self, last: Visit) -> Vec<Edge> {
        let mut walk = vec![self.graph.edges[last.edge as usize]];
        let mut visit = last;
        while visit.length > 1 {
            visit = self.visits[visit.from as usize];
            walk.push(self.graph.edges[visit.edge as usize]);
        }
        walk.reverse();
        walk
    }
}

/// Whether a cycle says more than those that were found already: it doesn't if one of them has the same transactions
/// and is as bad or worse.
fn adds(found: &BTreeMap<CycleKind, Vec<Cycle>>, cycle: &Cycle, examples: usize) -> bool {
    let kind = cycle.kind();
    let is_as_bad = |other: &CycleKind| {
        other.family <= kind.family && other.order <= kind.order && other.is_predicate <= kind.is_predicate
    };
    let mut as_bad = found.iter().filter(|(other, _)| is_as_bad(other)).flat_map(|(_, cycles)| cycles);
    let members = cycle.members();
    found.get(&kind).is_none_or(|same| same.len() < examples)
        && !as_bad.any(|other| other.members() == members)
}

/// The state after an edge; none if it is not allowed there.
fn after(goal: Goal, state: u8, edge: &Edge) -> Option<u8> {
    let is_anti = edge.reason & reason::ANTI != 0;
    let was_anti = state & need::LAST_WAS_ANTI != 0;
    let mut needs = state & !need::LAST_WAS_ANTI;
    if edge.reason & (reason::WR | reason::PREDICATE_WR) != 0 {
        needs &= !need::WR;
    }
    if !is_anti {
        return Some(needs);
    }
    let is_refused = match goal.antis {
        Antis::One => needs & need::ANTI == 0,
        Antis::Nonadjacent => was_anti,
        Antis::Any => false,
    };
    if is_refused {
        return None;
    }
    if needs & need::ANTI == 0 {
        needs &= !need::SECOND_ANTI;
    }
    needs &= !need::ANTI;
    if was_anti {
        needs &= !need::ADJACENT;
    }
    if edge.reason & reason::PREDICATE_RW != 0 {
        needs &= !need::PREDICATE;
    }
    Some(needs | need::LAST_WAS_ANTI)
}

/// Whether a walk that is back where the pivot begins has all it needs.
fn is_done(goal: Goal, state: u8, pivot: &Edge) -> bool {
    let meets_anti = state & need::LAST_WAS_ANTI != 0 && pivot.reason & reason::ANTI != 0;
    let mut needs = state & !need::LAST_WAS_ANTI;
    if meets_anti {
        needs &= !need::ADJACENT;
    }
    needs == 0 && !(meets_anti && goal.antis == Antis::Nonadjacent)
}
