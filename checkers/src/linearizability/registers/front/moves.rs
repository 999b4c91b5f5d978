//! Which open operations take effect before one that has to, and what that leads to.

use super::super::operations::Does;
use super::nodes::{Node, Window};
use super::walk::Registered;

impl<const N: usize> Registered<N> {
    /// The moves before the forced one.
    pub fn moves(&mut self, at: usize, op: u32, window: &Window<N>, node: Node<N>, out: &mut Vec<Node<N>>) {
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
    pub fn is_worth_showing(&self, at: usize, v: u32, window: &Window<N>, node: &Node<N>) -> bool {
        let values = &self.plan.values;
        values[v as usize].needed as usize > at
            || self.plan.last_failed.is_some_and(|begin| begin as usize > at)
            || self.is_useful(at, v, window, node)
    }

    /// A write takes effect: it absorbs all others that are open.
    pub fn write(&self, at: usize, v: u32, place: Option<u32>, window: &Window<N>, node: Node<N>) -> Option<Node<N>> {
        let mut next = node;
        next.value = v;
        next.free = window.writes.without(next.done);
        self.settle(at, place, window, &node, next)
    }

    /// A compare-and-set takes effect.
    pub fn swap(&self, at: usize, v: u32, place: Option<u32>, window: &Window<N>, node: Node<N>) -> Option<Node<N>> {
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
}
