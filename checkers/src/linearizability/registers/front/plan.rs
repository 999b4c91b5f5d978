//! The operations of one register as the search sees them: who is where among the open ones, and who uses which value last.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::operations::{Does, NEVER, Op};

/// An event of one register.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// An operation begins; it takes a place among the open ones.
    Begins(u32),
    Ends(u32),
    /// An operation without an end begins; nothing has to be done but to look whether it is wanted.
    Appears,
}

/// Operations that never ended and do the same.
#[derive(Debug)]
pub(super) struct Class {
    /// What is needed for them to take effect.
    pub old: Option<u32>,
    pub new: u32,
    /// Positions where one more of them begins.
    pub begins: Vec<u32>,
}

/// The operations of one register as the search sees them: values are numbers from 0.
#[derive(Debug)]
pub(super) struct Plan {
    pub initial: u32,
    pub does: Vec<Does>,
    pub ends: Vec<u32>,
    /// Which of the operations given each is.
    pub origin: Vec<usize>,
    pub events: Vec<Event>,
    /// The place of each operation among the open ones.
    pub places: Vec<u32>,
    /// How many places there are.
    pub width: usize,
    pub classes: Vec<Class>,
    pub values: Vec<Use>,
    /// Where the last of those begins that failed.
    pub last_failed: Option<u32>,
}

/// Who begins when, for one value: the last position, or 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    /// The last that needs it.
    pub needed: u32,
    /// The last that needs it and certainly happened.
    pub demanded: u32,
    /// The last end of one that needs it.
    pub until: u32,
    /// The last that writes it.
    pub written: u32,
    /// Classes that write it.
    pub classes: Vec<u32>,
    /// Classes that need it.
    pub leavers: Vec<u32>,
}

/// Which values anybody looks at.
pub(super) struct Looks {
    pub needed: FxHashSet<u32>,
    pub avoided: FxHashSet<u32>,
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
    pub fn new(ops: &[Op], initial: u32) -> Self {
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
