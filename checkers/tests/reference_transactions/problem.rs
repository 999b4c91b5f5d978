//! What a history says, for one choice of what has happened: who read from whom, and what order is known.

use super::raw::{Raw, Step, Txn};
use super::search::Order;

/// One read of what another transaction, or nobody, wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    pub key: u8,
    /// `None` is the state before all.
    pub from: Option<usize>,
}

/// See the [module](self). Transactions are those of the history; the bits of a mask are transactions.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Those that have happened.
    pub all: u16,
    /// In the order of their steps.
    pub reads: Vec<Vec<Read>>,
    /// For each key its writers.
    pub writers: Vec<u16>,
    /// For each transaction, those that must precede it by what was read of lists.
    pub before: Vec<u16>,
    pub session: Vec<u16>,
    pub realtime: Vec<u16>,
    /// The order that the versions of each object follow.
    pub each_object: Order,
    /// Whether all writes of each key have known places, but for one at the most.
    pub complete: bool,
    /// A step disagrees with the steps before it in its transaction.
    pub internal: bool,
    /// Something read was aborted, or has not happened.
    aborted: bool,
    /// A version was read that its writer overwrote.
    intermediate: bool,
    /// A transaction read what it wrote only later.
    future: bool,
    /// Nobody wrote what was read.
    unwritten: bool,
    /// A list holds an element, but not one that its writer appended before it.
    pub torn: bool,
    /// One list is not a beginning of the other, or holds an element twice.
    incompatible: bool,
    /// A transaction's appends to one list have another's between them.
    interleaved: bool,
}

/// Who wrote something.
enum Writer {
    /// This transaction, at this step.
    Txn(usize, usize),
    Aborted,
    Nobody,
}

impl Problem {
    /// What the history says if these transactions, and no others, have happened.
    pub fn new(raw: &Raw, all: u16) -> Problem {
        let n = raw.txns.len();
        let mut problem = Problem {
            all,
            reads: vec![Vec::new(); n],
            writers: vec![0; raw.keys as usize],
            before: vec![0; n],
            session: (0..n).map(|t| raw.session(t) & all).collect(),
            realtime: (0..n).map(|t| raw.realtime(t) & all).collect(),
            complete: true,
            ..Problem::default()
        };
        for (t, txn) in problem.happened(raw) {
            for (key, _) in txn.steps.iter().filter_map(Step::written) {
                problem.writers[key as usize] |= 1 << t;
            }
        }
        for (t, txn) in problem.happened(raw) {
            (0..txn.steps.len()).for_each(|i| problem.read(raw, t, i));
            problem.internal |= !is_consistent(&txn.steps);
        }
        (0..raw.keys).for_each(|key| problem.order(raw, key));
        problem
    }

    fn happened<'a>(&self, raw: &'a Raw) -> Vec<(usize, &'a Txn)> {
        raw.txns.iter().enumerate().filter(|(t, _)| self.all >> t & 1 == 1).collect()
    }

    fn writer(&self, raw: &Raw, key: u8, value: i64) -> Writer {
        for (t, txn) in raw.txns.iter().enumerate() {
            if let Some(i) = txn.steps.iter().position(|s| s.written() == Some((key, value))) {
                return if self.all >> t & 1 == 1 { Writer::Txn(t, i) } else { Writer::Aborted };
            }
        }
        if raw.failed.contains(&(key, value)) { Writer::Aborted } else { Writer::Nobody }
    }

    fn read(&mut self, raw: &Raw, t: usize, i: usize) {
        match &raw.txns[t].steps[i] {
            Step::Read(key, Some(0)) => self.reads[t].push(Read { key: *key, from: None }),
            Step::Read(key, Some(value)) => self.read_version(raw, (t, i), *key, *value),
            Step::ReadList(key, Some(list)) => {
                let steps = &raw.txns[t].steps[..i];
                let is_own = |v: &i64| steps.contains(&Step::Append(*key, *v));
                let base = &list[..list.iter().rposition(|v| !is_own(v)).map_or(0, |p| p + 1)];
                for value in list.iter().filter(|v| !is_own(v)) {
                    self.element(raw, (t, i), *key, *value);
                }
                match base.last() {
                    None => self.reads[t].push(Read { key: *key, from: None }),
                    Some(value) => self.read_version(raw, (t, i), *key, *value),
                }
            }
            _ => {}
        }
    }

    /// An element that stands anywhere in a list.
    fn element(&mut self, raw: &Raw, (t, i): (usize, usize), key: u8, value: i64) {
        match self.writer(raw, key, value) {
            Writer::Txn(w, at) => self.future |= w == t && at > i,
            Writer::Aborted => self.aborted = true,
            Writer::Nobody => self.unwritten = true,
        }
    }

    /// The version that a read returns.
    fn read_version(&mut self, raw: &Raw, (t, i): (usize, usize), key: u8, value: i64) {
        self.element(raw, (t, i), key, value);
        let Writer::Txn(w, at) = self.writer(raw, key, value) else { return };
        if w == t {
            return;
        }
        let later = raw.txns[w].steps[at + 1..].iter().filter_map(Step::written);
        self.intermediate |= later.into_iter().any(|(k, _)| k == key);
        self.reads[t].push(Read { key, from: Some(w) });
    }

    /// The order of the versions of a list, from all that was read of it.
    fn order(&mut self, raw: &Raw, key: u8) {
        let lists: Vec<&Vec<i64>> = self
            .happened(raw)
            .into_iter()
            .flat_map(|(_, t)| &t.steps)
            .filter_map(|s| match s {
                Step::ReadList(k, Some(list)) if *k == key => Some(list),
                _ => None,
            })
            .collect();
        let longest = lists.iter().max_by_key(|list| list.len()).map_or(&[][..], |list| &list[..]);
        self.incompatible |= lists.iter().any(|list| !longest.starts_with(list));
        self.incompatible |= (1..longest.len()).any(|i| longest[..i].contains(&longest[i]));
        let mut known: Vec<usize> = Vec::new();
        for (i, value) in longest.iter().enumerate() {
            let Writer::Txn(w, at) = self.writer(raw, key, *value) else { continue };
            let own = raw.txns[w].steps[..at].iter().rev().filter_map(Step::written).find(|o| o.0 == key);
            self.torn |= own.is_some_and(|o| !longest[..i].contains(&o.1));
            if known.last() != Some(&w) {
                self.interleaved |= known.contains(&w);
                known.push(w);
            }
        }
        self.interleaved |= known.iter().rev().skip(1).any(|w| misses_one(&raw.txns[*w], key, longest));
        self.bind(key, &known);
    }

    fn bind(&mut self, key: u8, known: &[usize]) {
        let mut placed = 0;
        for w in known {
            self.before[*w] |= placed & !(1 << w);
            placed |= 1 << w;
        }
        let rest = self.writers[key as usize] & !placed;
        for w in (0..self.before.len()).filter(|w| rest >> w & 1 == 1) {
            self.before[w] |= placed;
        }
        self.complete &= rest.count_ones() <= 1;
    }

    /// The transactions that an order puts before this one.
    pub fn ordered(&self, order: Order, t: usize) -> u16 {
        match order {
            Order::None => 0,
            Order::Session => self.session[t],
            Order::Realtime => self.realtime[t],
        }
    }

    /// Whether the versions of each object follow the order that they should, where `position` says for each object
    /// and writer where its version stands, from 1.
    pub fn objects_in_order(&self, position: impl Fn(usize, usize) -> usize) -> bool {
        if self.each_object == Order::None {
            return true;
        }
        (0..self.writers.len()).all(|key| {
            let wrote = |t: usize| (self.writers[key] >> t & 1 == 1).then(|| position(key, t));
            let read = |t: usize| {
                let read = self.reads[t].iter().find(|r| r.key as usize == key);
                read.map(|r| r.from.map_or(0, |w| position(key, w)))
            };
            let (first, last) = (|t| read(t).or_else(|| wrote(t)), |t| wrote(t).or_else(|| read(t)));
            super::search::bits(self.all).all(|t| {
                let earlier = super::search::bits(self.ordered(self.each_object, t));
                first(t).is_none_or(|v| earlier.into_iter().filter_map(last).all(|before| before <= v))
            })
        })
    }

    /// Whether the model of the lists' versions explains them at all.
    fn is_sound(&self) -> bool {
        !self.unwritten && !self.incompatible && !self.torn
    }

    /// Adya's PL-1, with an order besides; `None` where there is no telling what was overwritten.
    pub fn uncommitted(&self, order: Order) -> Option<bool> {
        let edges = |t: usize| self.before[t] | self.ordered(order, t);
        self.is_sound().then(|| !self.interleaved && self.is_acyclic(edges))
    }

    /// Adya's PL-2, with an order besides.
    pub fn committed(&self, order: Order) -> bool {
        let dirty = self.aborted || self.intermediate || self.future || self.interleaved;
        let from = |t: usize| self.reads[t].iter().filter_map(|r| r.from).fold(0, |mask, w| mask | 1 << w);
        self.is_sound() && !dirty && self.is_acyclic(|t| self.before[t] | from(t) | self.ordered(order, t))
    }

    /// Read committed of Biswas and Enea, with sessions: besides, who has read from a transaction does not read anything
    /// older than what that wrote.
    pub fn monotonic(&self) -> bool {
        let mut before: Vec<u16> = (0..self.reads.len()).map(|t| self.before[t] | self.session[t]).collect();
        for (t, reads) in self.reads.iter().enumerate() {
            for (i, read) in reads.iter().enumerate() {
                let seen = reads[..i].iter().filter_map(|r| r.from).filter(|w| Some(*w) != read.from);
                let overwritten = seen.fold(0, |mask, w| mask | 1 << w) & self.writers[read.key as usize];
                match read.from {
                    None if overwritten != 0 => return false,
                    None => {}
                    Some(w) => {
                        before[w] |= overwritten;
                        before[t] |= 1 << w;
                    }
                }
            }
        }
        self.committed(Order::None) && self.is_acyclic(|t| before[t])
    }

    /// Whether steps agree within their transactions, and nothing dirty was read.
    pub fn is_atomic(&self) -> bool {
        !self.internal && self.committed(Order::None)
    }

    /// Takes away one transaction after the other that has none before it.
    pub fn is_acyclic(&self, before: impl Fn(usize) -> u16) -> bool {
        let mut left = self.all;
        loop {
            let free = (0..self.reads.len()).filter(|t| left >> t & 1 == 1 && before(*t) & left == 0);
            match free.fold(0, |mask, t| mask | 1 << t) {
                0 => return left == 0,
                free => left &= !free,
            }
        }
    }
}

/// Whether a transaction appended something to a list that is not in it.
fn misses_one(txn: &Txn, key: u8, list: &[i64]) -> bool {
    txn.steps.iter().filter_map(Step::written).any(|(k, v)| k == key && !list.contains(&v))
}

/// INT: what each step finds is what the steps before it on the same object left.
fn is_consistent(steps: &[Step]) -> bool {
    (0..steps.len()).all(|i| {
        let earlier = || steps[..i].iter().rev().filter(|s| s.key() == steps[i].key());
        match &steps[i] {
            Step::Read(_, Some(value)) => earlier().next().is_none_or(|s| match s {
                Step::Read(_, before) => before.is_none_or(|b| b == *value),
                other => other.written().map(|w| w.1) == Some(*value),
            }),
            Step::ReadList(_, Some(list)) => {
                let mut rest = &list[..];
                for step in earlier() {
                    match (step, rest.split_last()) {
                        (Step::Append(_, own), Some((last, others))) if own == last => rest = others,
                        (Step::Append(..), _) => return false,
                        (Step::ReadList(_, before), _) => return before.as_ref().is_none_or(|b| b == rest),
                        _ => {}
                    }
                }
                true
            }
            _ => true,
        }
    })
}
