//! The walk along the events of one register: what becomes of a configuration when an operation begins and ends.

use std::cmp::Reverse;

use super::super::super::mask::Mask;
use super::super::super::search::Space;
use super::super::operations::Does;
use super::nodes::{Node, Used, Window};
use super::plan::{Event, Plan};

pub(super) struct Registered<const N: usize> {
    pub plan: Plan,
    pub used: Used,
    /// Scratch: the configurations that were met at one end, with the fewest moves first.
    pub met: Vec<Node<N>>,
    pub out: Vec<Node<N>>,
    pub steps: u64,
}

impl<const N: usize> Space for Registered<N> {
    type Node = Node<N>;
    type Window = Window<N>;

    fn len(&self) -> usize {
        self.plan.events.len()
    }

    fn start(&self) -> (Window<N>, Vec<Node<N>>) {
        let none = Mask::default();
        let window = Window { open: vec![0; self.plan.width], reads: none, nots: none, writes: none, cass: none };
        (window, vec![Node { value: self.plan.initial, used: 0, done: none, free: none }])
    }

    fn branches(&self, at: usize) -> bool {
        matches!(self.plan.events[at], Event::Ends(_))
    }

    fn promise(&self, window: &Window<N>, node: &Node<N>) -> i64 {
        let reads = node.done.and(window.reads.or(window.nots)).count();
        let unused = window.writes.without(node.done).count();
        i64::from(2 * reads + unused + node.free.count()) - 4 * self.used.total(node.used)
    }

    fn advance(&mut self, at: usize, window: &mut Window<N>, nodes: &mut Vec<Node<N>>) -> u64 {
        self.steps = nodes.len() as u64;
        match self.plan.events[at] {
            Event::Appears => {}
            Event::Begins(op) => self.begin(op, window, nodes),
            Event::Ends(op) => self.end(at, op, window, nodes),
        }
        self.steps
    }
}

impl<const N: usize> Registered<N> {
    pub fn new(plan: Plan) -> Self {
        Registered { plan, used: Used::new(), met: Vec::new(), out: Vec::new(), steps: 0 }
    }

    fn begin(&self, op: u32, window: &mut Window<N>, nodes: &mut [Node<N>]) {
        let place = self.plan.places[op as usize];
        window.open[place as usize] = op;
        match self.plan.does[op as usize] {
            Does::Read(v) => {
                window.reads.add(place);
                nodes.iter_mut().filter(|n| n.value == v).for_each(|n| n.done.add(place));
            }
            Does::Not(v) => {
                window.nots.add(place);
                nodes.iter_mut().filter(|n| n.value != v).for_each(|n| n.done.add(place));
            }
            Does::Write(v) => {
                window.writes.add(place);
                nodes.iter_mut().filter(|n| n.value == v).for_each(|n| n.free.add(place));
            }
            Does::Cas(..) => window.cass.add(place),
        }
    }

    fn end(&mut self, at: usize, op: u32, window: &mut Window<N>, nodes: &mut Vec<Node<N>>) {
        let place = self.plan.places[op as usize];
        let does = self.plan.does[op as usize];
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        for node in nodes.iter() {
            self.leave(at, op, place, does, window, *node, &mut out);
        }
        for mask in [&mut window.reads, &mut window.nots, &mut window.writes, &mut window.cass] {
            mask.remove(place);
        }
        for node in &mut out {
            node.done.remove(place);
            node.free.remove(place);
        }
        self.thin(window, &mut out);
        self.out = std::mem::replace(nodes, out);
    }

    /// All that can become of one configuration when an operation ends.
    #[allow(clippy::too_many_arguments, reason = "the parts of one event")]
    fn leave(
        &mut self,
        at: usize,
        op: u32,
        place: u32,
        does: Does,
        window: &Window<N>,
        node: Node<N>,
        out: &mut Vec<Node<N>>,
    ) {
        if node.done.has(place) {
            return out.push(node);
        }
        if let (Does::Write(v), true) = (does, node.free.has(place)) {
            match node.value == v {
                true => out.extend(self.write(at, v, Some(place), window, node)),
                false => out.push(node),
            }
            if !self.is_worth_showing(at, v, window, &node) {
                return;
            }
        }
        self.met.clear();
        self.met.push(node);
        let mut next = 0;
        while let Some(node) = self.met.get(next).copied() {
            next += 1;
            self.steps += 1;
            if let Some(last) = self.finish(at, place, does, window, node) {
                out.push(last);
            }
            self.moves(at, op, window, node, out);
        }
    }

    /// The forced operation itself, where it can be done at once.
    fn finish(&self, at: usize, place: u32, does: Does, window: &Window<N>, node: Node<N>) -> Option<Node<N>> {
        match does {
            Does::Write(v) => self.write(at, v, Some(place), window, node),
            Does::Cas(old, new) if node.value == old => self.swap(at, new, Some(place), window, node),
            _ => None,
        }
    }

    /// Drops what is there twice, and what another can do as well.
    fn thin(&mut self, window: &Window<N>, nodes: &mut Vec<Node<N>>) {
        if nodes.len() < 2 {
            return;
        }
        let rank = |n: &Node<N>| {
            let seen = n.done.and(window.reads.or(window.nots)).count() + n.free.count();
            (n.value, Reverse(i64::from(seen) - self.used.total(n.used)), n.used, n.done, n.free)
        };
        nodes.sort_by_cached_key(rank);
        nodes.dedup();
        self.steps += nodes.len() as u64;
        let mut kept: Vec<Node<N>> = Vec::with_capacity(nodes.len());
        let mut group = 0;
        for node in nodes.iter() {
            if kept.get(group).is_some_and(|first| first.value != node.value) {
                group = kept.len();
            }
            let until = kept.len().min(group + COMPARED);
            if !kept[group..until].iter().any(|better| self.dominates(window, better, node)) {
                kept.push(*node);
            }
        }
        std::mem::swap(nodes, &mut kept);
    }

    pub fn dominates(&self, window: &Window<N>, a: &Node<N>, b: &Node<N>) -> bool {
        if a.value != b.value {
            return false;
        }
        let observers = window.reads.or(window.nots);
        let bound = window.writes.without(a.free);
        b.done.and(observers).without(a.done).is_empty()
            && a.done.differs(b.done).and(window.cass).is_empty()
            && a.done.differs(b.done).and(bound).is_empty()
            && b.free.and(bound).is_empty()
            && self.used.within(a.used, b.used)
    }
}

/// With how many better ones of the same value a configuration is compared.
const COMPARED: usize = 96;
