//! A register whose values repeat: the [search](crate::linearizability::search) with what is known about registers.
//!
//! A configuration is the value of the register and, for each open operation, what became of it. Six observations keep
//! them few; the first five follow from an exchange of operations in a linearization, which is sketched with each.
//!
//! - **Observers at once.** A read (or a compare-and-set that fails) changes nothing, so it is linearized as soon as the
//!   register shows what it saw: whoever could do it later can do it now.
//! - **Absorption.** When a write takes effect, every other open write may have taken effect just before it, unseen; and when the
//!   register holds `v`, so may every open write of `v`. Such a write is *free*: at its end it may be dropped for
//!   nothing, and until then it can still be used.
//! - **Useful moves.** A write that is not forced is linearized only if what it leaves is looked at before the forced
//!   one: by an open read or compare-and-set, or by one that failed on the present value. Otherwise the next write would hide it,
//!   and it is free. The last free use of a write is worth a configuration only if somebody will ever look at its value.
//! - **The same value.** Of several open writes of one value that with the earliest end is used: exchange the two in any
//!   linearization.
//! - **Dominance.** A configuration with the same value in which more reads are done, more writes are free or unused and
//!   fewer indeterminate operations are used up can do whatever the other can.
//! - **Dead values.** To leave a value that somebody still has to read, and that nobody can write again, leads nowhere.
//!
//! # Unknown outcomes
//! An operation that never ended is never forced, and never leaves the list of those that may still take effect. Those that write
//! the same (or compare and set the same) are one another's likes, so a configuration only counts how many of each it used. A write
//! is left out if its value is never looked at and no compare-and-set failed: a linearization without it is one with it, put
//! last; and in one with it, nobody sees when it is taken out. Where one did fail, a write of *anything* else may be why,
//! and all values that nobody looks at are one value.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::mask::Mask;
use super::super::search::{self, Outcome, Space};
use super::operations::{Does, NEVER, Op};
use crate::budget::Meter;

/// What a search over one register found. `at` counts events of this register.
#[derive(Debug)]
pub(super) enum Front {
    Linearizable,
    /// Nothing survives the end of `ended`, given what comes later.
    Not {
        ended: usize,
    },
    /// `proven` operations were completed in the part that has a linearization.
    Undecided {
        proven: usize,
        why: crate::budget::Exhausted,
    },
    /// More operations were open at once than the search can tell apart.
    TooWide,
}

/// An event of one register.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An operation begins; it takes a place among the open ones.
    Begins(u32),
    Ends(u32),
    /// An operation without an end begins; nothing has to be done but to look whether it is wanted.
    Appears,
}

/// Operations that never ended and do the same.
#[derive(Debug)]
struct Class {
    /// What is needed for them to take effect.
    old: Option<u32>,
    new: u32,
    /// Positions where one more of them begins.
    begins: Vec<u32>,
}

/// Searches for a linearization of these operations, of which a read is never indeterminate.
pub(super) fn search(ops: &[Op], initial: u32, meter: &Meter<'_>) -> Front {
    let plan = Plan::new(ops, initial);
    match plan.width {
        0..=64 => run::<1>(plan, meter),
        65..=128 => run::<2>(plan, meter),
        129..=256 => run::<4>(plan, meter),
        257..=1024 => run::<16>(plan, meter),
        _ => Front::TooWide,
    }
}

fn run<const N: usize>(plan: Plan, meter: &Meter<'_>) -> Front {
    let mut space = Registered::<N>::new(plan);
    match search::search(&mut space, meter) {
        Outcome::Linearizable => Front::Linearizable,
        Outcome::Undecided { at, why } => {
            let proven = space.plan.events[..at].iter().filter(|e| matches!(e, Event::Ends(_))).count();
            Front::Undecided { proven, why }
        }
        Outcome::Not { at } => {
            let Event::Ends(op) = space.plan.events[at] else { unreachable!("only an end kills") };
            Front::Not { ended: space.plan.origin[op as usize] }
        }
    }
}

/// The operations of one register as the search sees them: values are numbers from 0.
#[derive(Debug)]
struct Plan {
    initial: u32,
    does: Vec<Does>,
    ends: Vec<u32>,
    /// Which of the operations given each is.
    origin: Vec<usize>,
    events: Vec<Event>,
    /// The place of each operation among the open ones.
    places: Vec<u32>,
    /// How many places there are.
    width: usize,
    classes: Vec<Class>,
    values: Vec<Use>,
    /// Where the last of those begins that failed.
    last_failed: Option<u32>,
}

/// Who begins when, for one value: the last position, or 0.
#[derive(Clone, Debug, Default)]
struct Use {
    /// The last that needs it.
    needed: u32,
    /// The last that needs it and certainly happened.
    demanded: u32,
    /// The last end of one that needs it.
    until: u32,
    /// The last that writes it.
    written: u32,
    /// Classes that write it.
    classes: Vec<u32>,
    /// Classes that need it.
    leavers: Vec<u32>,
}

/// Which values anybody looks at.
struct Looks {
    needed: FxHashSet<u32>,
    avoided: FxHashSet<u32>,
}

impl Looks {
    fn new(ops: &[Op]) -> Self {
        let mut looks = Looks { needed: FxHashSet::default(), avoided: FxHashSet::default() };
        for op in ops {
            match op.does {
                Does::Read(v) | Does::Cas(v, _) => looks.needed.insert(v),
                Does::Not(v) => looks.avoided.insert(v),
                Does::Write(_) => false,
            };
        }
        looks
    }

    fn at(&self, value: u32) -> bool {
        self.needed.contains(&value) || self.avoided.contains(&value)
    }

    /// Whether an operation has to be in the search at all.
    fn keeps(&self, op: &Op) -> bool {
        match op.does {
            _ if op.is_certain() => true,
            Does::Write(v) => self.needed.contains(&v) || !self.avoided.is_empty(),
            Does::Cas(old, new) => old != new && (self.needed.contains(&new) || self.avoided.contains(&old)),
            Does::Read(_) | Does::Not(_) => false,
        }
    }
}

impl Plan {
    fn new(ops: &[Op], initial: u32) -> Self {
        let looks = Looks::new(ops);
        let mut plan = Plan {
            initial: 0,
            does: Vec::new(),
            ends: Vec::new(),
            origin: Vec::new(),
            events: Vec::new(),
            places: Vec::new(),
            width: 0,
            classes: Vec::new(),
            values: Vec::new(),
            last_failed: None,
        };
        let mut numbers: FxHashMap<Option<u32>, u32> = FxHashMap::from_iter([(Some(initial), 0)]);
        let mut number = |v: u32| {
            let next = numbers.len() as u32;
            *numbers.entry((looks.at(v) || v == initial).then_some(v)).or_insert(next)
        };
        for (i, op) in ops.iter().enumerate().filter(|(_, op)| looks.keeps(op)) {
            plan.does.push(match op.does {
                Does::Read(v) => Does::Read(number(v)),
                Does::Not(v) => Does::Not(number(v)),
                Does::Write(v) => Does::Write(number(v)),
                Does::Cas(old, new) => Does::Cas(number(old), number(new)),
            });
            plan.ends.push(op.end);
            plan.origin.push(i);
        }
        plan.values = vec![Use::default(); numbers.len()];
        plan.lay_out(ops);
        plan
    }

    /// The events in order, the places of the open operations, the classes, and who uses which value last.
    fn lay_out(&mut self, ops: &[Op]) {
        let mut ends: Vec<(u32, u32)> = (0..self.does.len()).map(|i| (self.ends[i], i as u32)).collect();
        ends.retain(|(end, _)| *end != NEVER);
        ends.sort_unstable();
        let mut ends = ends.into_iter().peekable();
        let mut vacant: Vec<Reverse<u32>> = Vec::new();
        let mut classes: FxHashMap<(Option<u32>, u32), u32> = FxHashMap::default();
        self.places = vec![u32::MAX; self.does.len()];
        for i in 0..self.does.len() as u32 {
            let start = ops[self.origin[i as usize]].start;
            while let Some((_, ended)) = ends.next_if(|(end, _)| *end < start) {
                self.end(ended, &mut vacant);
            }
            self.begin(i, &mut vacant, &mut classes);
        }
        for (_, ended) in ends {
            self.end(ended, &mut vacant);
        }
    }

    fn end(&mut self, op: u32, vacant: &mut Vec<Reverse<u32>>) {
        if let Does::Read(v) | Does::Cas(v, _) = self.does[op as usize] {
            let until = &mut self.values[v as usize].until;
            *until = (*until).max(self.events.len() as u32);
        }
        self.events.push(Event::Ends(op));
        vacant.push(Reverse(self.places[op as usize]));
    }

    fn begin(&mut self, op: u32, vacant: &mut Vec<Reverse<u32>>, classes: &mut FxHashMap<(Option<u32>, u32), u32>) {
        let at = self.events.len() as u32;
        match self.does[op as usize] {
            Does::Read(v) => self.need(v, op, at),
            Does::Not(_) => self.last_failed = Some(at),
            Does::Write(v) => self.values[v as usize].written = at,
            Does::Cas(old, new) => {
                self.need(old, op, at);
                self.values[new as usize].written = at;
            }
        }
        if self.ends[op as usize] == NEVER {
            self.events.push(Event::Appears);
            return self.classify(self.does[op as usize], at, classes);
        }
        self.events.push(Event::Begins(op));
        self.places[op as usize] = match vacant.pop() {
            Some(Reverse(place)) => place,
            None => {
                self.width += 1;
                self.width as u32 - 1
            }
        };
    }

    fn need(&mut self, value: u32, op: u32, at: u32) {
        let value = &mut self.values[value as usize];
        value.needed = at;
        match self.ends[op as usize] {
            NEVER => value.until = u32::MAX,
            _ => value.demanded = at,
        }
    }

    fn classify(&mut self, does: Does, at: u32, classes: &mut FxHashMap<(Option<u32>, u32), u32>) {
        let (old, new) = match does {
            Does::Write(v) => (None, v),
            Does::Cas(old, new) => (Some(old), new),
            Does::Read(_) | Does::Not(_) => return,
        };
        let class = *classes.entry((old, new)).or_insert_with(|| {
            let class = self.classes.len() as u32;
            self.classes.push(Class { old, new, begins: Vec::new() });
            match old {
                None => self.values[new as usize].classes.push(class),
                Some(old) => self.values[old as usize].leavers.push(class),
            }
            class
        });
        self.classes[class as usize].begins.push(at);
    }
}

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node<const N: usize> {
    value: u32,
    /// How many of each class are used: a number of [`Used`].
    used: u32,
    /// The open operations that have taken effect.
    done: Mask<N>,
    /// The open writes that may have taken effect unseen.
    free: Mask<N>,
}

/// The operations that are open.
#[derive(Clone, Debug)]
pub(super) struct Window<const N: usize> {
    open: Vec<u32>,
    reads: Mask<N>,
    nots: Mask<N>,
    writes: Mask<N>,
    cass: Mask<N>,
}

/// How many operations of which classes are used, each such table under a number.
struct Used {
    tables: Vec<Box<[(u32, u32)]>>,
    numbers: FxHashMap<Box<[(u32, u32)]>, u32>,
}

impl Used {
    fn new() -> Self {
        let nothing: Box<[(u32, u32)]> = Box::default();
        Used { tables: vec![nothing.clone()], numbers: FxHashMap::from_iter([(nothing, 0)]) }
    }

    fn count(&self, table: u32, class: u32) -> u32 {
        let table = &self.tables[table as usize];
        table.binary_search_by_key(&class, |(c, _)| *c).map_or(0, |i| table[i].1)
    }

    fn total(&self, table: u32) -> i64 {
        self.tables[table as usize].iter().map(|(_, n)| i64::from(*n)).sum()
    }

    /// One more of a class; what `matters` no longer is forgotten.
    fn one_more(&mut self, table: u32, class: u32, matters: impl Fn(u32) -> bool) -> u32 {
        let mut next: Vec<(u32, u32)> = self.tables[table as usize].to_vec();
        next.retain(|(c, _)| *c == class || matters(*c));
        match next.binary_search_by_key(&class, |(c, _)| *c) {
            Ok(i) => next[i].1 += 1,
            Err(i) => next.insert(i, (class, 1)),
        }
        let next = next.into_boxed_slice();
        if let Some(number) = self.numbers.get(&next) {
            return *number;
        }
        let number = self.tables.len() as u32;
        self.tables.push(next.clone());
        self.numbers.insert(next, number);
        number
    }

    /// Whether the first uses no more of anything than the second.
    fn within(&self, a: u32, b: u32) -> bool {
        a == b || a == 0 || self.tables[a as usize].iter().all(|(class, n)| *n <= self.count(b, *class))
    }
}

struct Registered<const N: usize> {
    plan: Plan,
    used: Used,
    /// Scratch: the configurations that were met at one end, with the fewest moves first.
    met: Vec<Node<N>>,
    out: Vec<Node<N>>,
    steps: u64,
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
    fn new(plan: Plan) -> Self {
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

    /// The moves before the forced one.
    fn moves(&mut self, at: usize, op: u32, window: &Window<N>, node: Node<N>, out: &mut Vec<Node<N>>) {
        let place = self.plan.places[op as usize];
        let unused = window.writes.without(node.done);
        let mut best: Vec<(u32, u32, u32)> = Vec::new();
        for p in unused.iter().filter(|p| *p != place) {
            let Does::Write(v) = self.plan.does[window.open[p as usize] as usize] else { continue };
            let end = self.plan.ends[window.open[p as usize] as usize];
            match best.iter_mut().find(|(w, ..)| *w == v) {
                Some(best) if end < best.1 => *best = (v, end, p),
                Some(_) => {}
                None => best.push((v, end, p)),
            }
        }
        for (v, _, p) in best.iter().copied() {
            let useful = match v == node.value {
                true => self.is_worth_repeating(at, v, window, &node),
                false => self.is_useful(at, v, window, &node),
            };
            if useful {
                let next = self.write(at, v, Some(p), window, node);
                self.meet(next, place, window, out);
            }
        }
        for p in window.cass.without(node.done).iter().filter(|p| *p != place) {
            let Does::Cas(old, new) = self.plan.does[window.open[p as usize] as usize] else { continue };
            if old == node.value {
                let next = self.swap(at, new, Some(p), window, node);
                self.meet(next, place, window, out);
            }
        }
        self.indeterminate_moves(at, place, window, node, &best, out);
    }

    fn indeterminate_moves(
        &mut self,
        at: usize,
        place: u32,
        window: &Window<N>,
        node: Node<N>,
        open: &[(u32, u32, u32)],
        out: &mut Vec<Node<N>>,
    ) {
        if self.plan.classes.is_empty() {
            return;
        }
        for v in self.wanted(at, window, &node) {
            for k in 0..self.plan.values[v as usize].classes.len() {
                let class = self.plan.values[v as usize].classes[k];
                if open.iter().all(|(w, ..)| *w != v) && self.is_left(at, class, &node) {
                    let next = self.write(at, v, None, window, node).map(|n| self.use_up(at, class, n));
                    self.meet(next, place, window, out);
                }
            }
        }
        for k in 0..self.plan.values[node.value as usize].leavers.len() {
            let class = self.plan.values[node.value as usize].leavers[k];
            let new = self.plan.classes[class as usize].new;
            if self.is_left(at, class, &node) && self.is_useful(at, new, window, &node) {
                let next = self.swap(at, new, None, window, node).map(|n| self.use_up(at, class, n));
                self.meet(next, place, window, out);
            }
        }
    }

    /// The values that indeterminate writes could usefully leave now.
    fn wanted(&self, at: usize, window: &Window<N>, node: &Node<N>) -> Vec<u32> {
        let stuck = !window.nots.without(node.done).is_empty();
        let mut wanted: Vec<u32> = match stuck {
            true => (0..self.plan.values.len() as u32).collect(),
            false => {
                let open = window.reads.or(window.cass).without(node.done).iter();
                let open = open.filter_map(|p| match self.plan.does[window.open[p as usize] as usize] {
                    Does::Read(v) | Does::Cas(v, _) => Some(v),
                    _ => None,
                });
                let classes = self.plan.classes.iter().enumerate();
                let classes = classes.filter(|(c, _)| self.is_left(at, *c as u32, node)).filter_map(|(_, c)| c.old);
                open.chain(classes).collect()
            }
        };
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|v| *v != node.value || self.is_worth_repeating(at, *v, window, node));
        wanted
    }

    fn meet(&mut self, next: Option<Node<N>>, place: u32, window: &Window<N>, out: &mut Vec<Node<N>>) {
        let Some(next) = next else { return };
        if next.done.has(place) {
            out.push(next);
        } else if !self.met.iter().any(|met| self.dominates(window, met, &next)) {
            self.met.push(next);
        }
    }

    fn is_left(&self, at: usize, class: u32, node: &Node<N>) -> bool {
        let begins = &self.plan.classes[class as usize].begins;
        begins.get(self.used.count(node.used, class) as usize).is_some_and(|begin| (*begin as usize) < at)
    }

    fn use_up(&mut self, at: usize, class: u32, mut node: Node<N>) -> Node<N> {
        let plan = &self.plan;
        let needed = |c: u32| plan.values[plan.classes[c as usize].new as usize].until as usize >= at;
        let matters = |c: u32| plan.last_failed.is_some() || needed(c);
        node.used = self.used.one_more(node.used, class, matters);
        node
    }

    /// Whether to leave `v` for a moment helps somebody who is open.
    fn is_useful(&self, at: usize, v: u32, window: &Window<N>, node: &Node<N>) -> bool {
        let stuck = || !window.nots.without(node.done).is_empty();
        stuck() || self.is_looked_at(v, window, node) || self.leaves(at, v, node)
    }

    /// Whether to write what is there already helps: the others that are open may have taken effect just before it, which
    /// they cannot any more once a compare-and-set has gone on from here.
    fn is_worth_repeating(&self, at: usize, v: u32, window: &Window<N>, node: &Node<N>) -> bool {
        let owed = window.writes.without(node.done.or(node.free));
        !owed.is_empty() && (self.is_looked_at(v, window, node) || self.leaves(at, v, node))
    }

    fn is_looked_at(&self, v: u32, window: &Window<N>, node: &Node<N>) -> bool {
        window.reads.or(window.cass).without(node.done).iter().any(
            |p| matches!(self.plan.does[window.open[p as usize] as usize], Does::Read(w) | Does::Cas(w, _) if w == v),
        )
    }

    /// Whether an indeterminate compare-and-set could go on from `v`.
    fn leaves(&self, at: usize, v: u32, node: &Node<N>) -> bool {
        self.plan.values[v as usize].leavers.iter().any(|class| self.is_left(at, *class, node))
    }

    /// Whether a write of `v` that need not be seen may ever be worth seeing.
    fn is_worth_showing(&self, at: usize, v: u32, window: &Window<N>, node: &Node<N>) -> bool {
        let values = &self.plan.values;
        values[v as usize].needed as usize > at
            || self.plan.last_failed.is_some_and(|begin| begin as usize > at)
            || self.is_useful(at, v, window, node)
    }

    /// A write takes effect: it absorbs all others that are open.
    fn write(&self, at: usize, v: u32, place: Option<u32>, window: &Window<N>, node: Node<N>) -> Option<Node<N>> {
        let mut next = node;
        next.value = v;
        next.free = window.writes.without(next.done);
        self.settle(at, place, window, &node, next)
    }

    /// A compare-and-set takes effect.
    fn swap(&self, at: usize, v: u32, place: Option<u32>, window: &Window<N>, node: Node<N>) -> Option<Node<N>> {
        let mut next = node;
        next.value = v;
        self.settle(at, place, window, &node, next)
    }

    /// Whoever looks at the new value does so at once; nothing is left of a configuration that cannot go on.
    fn settle(
        &self,
        at: usize,
        place: Option<u32>,
        window: &Window<N>,
        before: &Node<N>,
        mut next: Node<N>,
    ) -> Option<Node<N>> {
        if let Some(place) = place {
            next.done.add(place);
            next.free.remove(place);
        }
        if before.value == next.value {
            return Some(next);
        }
        for p in window.reads.or(window.nots).or(window.writes).without(next.done).iter() {
            match self.plan.does[window.open[p as usize] as usize] {
                Does::Read(v) if v == next.value => next.done.add(p),
                Does::Not(v) if v != next.value => next.done.add(p),
                Does::Write(v) if v == next.value => next.free.add(p),
                _ => {}
            }
        }
        (!self.is_dead(at, before.value, window, &next)).then_some(next)
    }

    /// Whether somebody who has not begun needs a value that nobody can write again.
    fn is_dead(&self, at: usize, left: u32, window: &Window<N>, node: &Node<N>) -> bool {
        let value = &self.plan.values[left as usize];
        if value.demanded as usize <= at || value.written as usize > at || !value.classes.is_empty() {
            return false;
        }
        if self.plan.classes.iter().any(|class| class.old.is_some() && class.new == left) {
            return false;
        }
        !window.writes.or(window.cass).without(node.done).iter().any(|p| {
            let does = self.plan.does[window.open[p as usize] as usize];
            matches!(does, Does::Write(v) | Does::Cas(_, v) if v == left)
        })
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

    fn dominates(&self, window: &Window<N>, a: &Node<N>, b: &Node<N>) -> bool {
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
