//! Finds, for every stretch of time in which the stack cannot be empty, an item that can lie at its bottom.
//!
//! See the module above for why this decides. A stretch lies between two `valleys` at which
//! nothing need be inside. It reaches from the first push completed in it to the last pop begun in it, and an item fits
//! at the bottom if its push begins before the one and its pop ends after the other.

use super::reach::Reach;
use super::valleys::Valleys;
use crate::linearizability::collections::items::Item;
use crate::linearizability::collections::journal::NEVER;

/// A stretch in which no item fits at the bottom.
pub(super) struct Stretch {
    /// Where its first push ends.
    pub from: u32,
    /// Where its last pop begins.
    pub to: u32,
    /// Its items, by their place among all. Those that lie below the stretch are not among them.
    pub items: Vec<u32>,
}

/// All stretches without a bottom.
pub(super) fn without_bottom(items: &[Item], end: u32) -> Vec<Stretch> {
    let mut bottoms = Bottoms::new(items, end);
    let mut wrong = Vec::new();
    while let Some((left, right)) = bottoms.open.pop() {
        match bottoms.bottom(left, right) {
            Step::Nothing => {}
            Step::Fits(k) => bottoms.remove(k, left, right),
            Step::None(stretch) => wrong.push(stretch),
        }
    }
    wrong.sort_unstable_by_key(|stretch: &Stretch| stretch.from);
    wrong
}

/// An item that stays, with positions.
#[derive(Clone, Copy)]
struct Stay {
    push_call: u32,
    push_ret: u32,
    pop_call: u32,
    pop_ret: u32,
    /// Which valleys it spans: the first, and the last; none if the last is less.
    first: u32,
    last: u32,
    /// Its place in the order in which the pops begin.
    pop_rank: u32,
    /// Its place among all items.
    item: u32,
}

enum Step {
    Nothing,
    Fits(usize),
    None(Stretch),
}

struct Bottoms {
    /// In the order in which the pushes end.
    stays: Vec<Stay>,
    /// The item of each place in the order in which the pops begin.
    by_pop: Vec<u32>,
    /// For each valley, how many pushes have ended, and how many pops have begun, before it.
    pushes: Vec<u32>,
    pops: Vec<u32>,
    valleys: Valleys,
    /// Leads from each item to the first one from it on that is left; from each pop to the last one up to it.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// Built when it is first asked.
    reach: Option<Reach>,
    /// The stretches to be looked at, by their valleys.
    open: Vec<(u32, u32)>,
    zeros: Vec<u32>,
}

impl Bottoms {
    fn new(items: &[Item], end: u32) -> Bottoms {
        let mut shape = Shape::new(items, end);
        shape.walk(items, end);
        let Shape { stays, by_pop, pushes, pops, levels, .. } = shape;
        let count = stays.len() as u32;
        let zeros = (0..levels.len() as u32).filter(|v| levels[*v as usize] == 0);
        let zeros: Vec<u32> = zeros.collect();
        Bottoms {
            open: zeros.windows(2).map(|pair| (pair[0], pair[1])).collect(),
            valleys: Valleys::new(&levels.iter().map(|l| if *l == 0 { i32::MAX / 2 } else { *l }).collect::<Vec<_>>()),
            next: (0..=count).collect(),
            previous: (0..=count).collect(),
            zeros: Vec::new(),
            stays,
            by_pop,
            pushes,
            pops,
            reach: None,
        }
    }

    /// An item that fits at the bottom of the stretch between two valleys.
    fn bottom(&mut self, left: u32, right: u32) -> Step {
        let (from, to) = (self.pushes[left as usize], self.pushes[right as usize]);
        let first = find(&mut self.next, from);
        if first >= to {
            return Step::Nothing;
        }
        // One more than the pop, so that there is room for none.
        let last = find(&mut self.previous, self.pops[right as usize]);
        let start = self.stays[first as usize].push_ret;
        let (latest, stop) = match self.by_pop.get((last as usize).wrapping_sub(1)) {
            Some(k) => (*k as usize, self.stays[*k as usize].pop_call),
            None => return Step::Nothing,
        };
        if self.stays[first as usize].pop_ret > stop {
            return Step::Fits(first as usize);
        }
        if self.stays[latest].push_call < start {
            return Step::Fits(latest);
        }
        match self.any(first, to, start, stop) {
            Some(k) => Step::Fits(k),
            None => Step::None(self.stretch(first, to, start, stop)),
        }
    }

    /// Looks at all items whose push is under way at the start.
    fn any(&mut self, first: u32, to: u32, start: u32, stop: u32) -> Option<usize> {
        let stays = &self.stays;
        let reach = self.reach.get_or_insert_with(|| Reach::new(stays.iter().map(|s| (s.push_call, s.pop_ret))));
        let mut k = first;
        loop {
            let fits = reach.first(k as usize, to as usize, start, stop)? as u32;
            k = find(&mut self.next, fits);
            if k == fits {
                return Some(k as usize);
            }
            if k >= to {
                return None;
            }
        }
    }

    fn stretch(&mut self, first: u32, to: u32, start: u32, stop: u32) -> Stretch {
        let mut items = Vec::new();
        let mut k = first;
        while k < to {
            items.push(self.stays[k as usize].item);
            k = find(&mut self.next, k + 1);
        }
        Stretch { from: start, to: stop, items }
    }

    /// Takes the bottom away and opens the stretches that are left.
    fn remove(&mut self, k: usize, left: u32, right: u32) {
        let stay = self.stays[k];
        self.next[k] = k as u32 + 1;
        self.previous[stay.pop_rank as usize + 1] = stay.pop_rank;
        let mut zeros = std::mem::take(&mut self.zeros);
        if stay.first <= stay.last {
            self.valleys.lower(stay.first as usize, stay.last as usize, &mut zeros);
        }
        let mut at = left;
        for zero in zeros.drain(..) {
            self.open.push((at, zero));
            at = zero;
        }
        self.open.push((at, right));
        self.zeros = zeros;
    }
}

/// Follows a table to an entry that leads to itself, and shortens the way.
fn find(table: &mut [u32], from: u32) -> u32 {
    let mut at = from;
    while table[at as usize] != at {
        let next = table[at as usize];
        table[at as usize] = table[next as usize];
        at = table[at as usize];
    }
    at
}

/// Where the valleys are.
struct Shape {
    /// For each position, an item: twice its index where its push ends, and one more where its pop begins.
    marks: Vec<u32>,
    /// Further pops that begin where another one is marked, in order.
    more_pops: Vec<(u32, u32)>,
    stays: Vec<Stay>,
    by_pop: Vec<u32>,
    pushes: Vec<u32>,
    pops: Vec<u32>,
    levels: Vec<i32>,
    inside: i32,
    climbing: bool,
}

impl Shape {
    fn new(items: &[Item], end: u32) -> Shape {
        let (mut marks, mut more_pops) = (vec![NEVER; end as usize], Vec::new());
        let mut count = 0;
        for (i, item) in items.iter().enumerate().filter(|(_, item)| item.stays()) {
            count += 1;
            marks[item.put_ret as usize] = 2 * i as u32;
            match item.take_call {
                NEVER => {}
                call if marks[call as usize] == NEVER => marks[call as usize] = 2 * i as u32 + 1,
                call => more_pops.push((call, i as u32)),
            }
        }
        more_pops.sort_unstable();
        Shape {
            marks,
            more_pops,
            stays: Vec::with_capacity(count),
            by_pop: Vec::with_capacity(count),
            pushes: Vec::new(),
            pops: Vec::new(),
            levels: Vec::new(),
            inside: 0,
            climbing: false,
        }
    }

    fn walk(&mut self, items: &[Item], end: u32) {
        // Where each item is among those that stay.
        let mut place = vec![NEVER; items.len()];
        let mut more = 0;
        for position in 0..end as usize {
            let mark = self.marks[position];
            match (mark, mark & 1) {
                (NEVER, _) => {}
                (_, 0) => {
                    let i = (mark >> 1) as usize;
                    place[i] = self.stays.len() as u32;
                    self.push(&items[i], i as u32, end);
                }
                _ => {
                    let k = place[(mark >> 1) as usize];
                    self.pop(k);
                }
            }
            while let Some((_, i)) = self.more_pops.get(more).filter(|(at, _)| *at as usize == position) {
                self.pop(place[*i as usize]);
                more += 1;
            }
        }
        for k in 0..self.stays.len() {
            if self.stays[k].pop_call == end {
                self.pop(k as u32);
            }
        }
        self.valley();
    }

    fn valley(&mut self) {
        self.levels.push(self.inside);
        self.pushes.push(self.stays.len() as u32);
        self.pops.push(self.by_pop.len() as u32);
    }

    fn push(&mut self, item: &Item, index: u32, end: u32) {
        if !self.climbing {
            self.valley();
            self.climbing = true;
        }
        self.inside += 1;
        self.stays.push(Stay {
            push_call: item.put_call,
            push_ret: item.put_ret,
            pop_call: item.take_call.min(end),
            pop_ret: item.take_ret,
            first: self.levels.len() as u32,
            last: 0,
            pop_rank: 0,
            item: index,
        });
    }

    fn pop(&mut self, k: u32) {
        self.climbing = false;
        self.inside -= 1;
        let stay = &mut self.stays[k as usize];
        stay.last = self.levels.len() as u32 - 1;
        stay.pop_rank = self.by_pop.len() as u32;
        self.by_pop.push(k);
    }
}
