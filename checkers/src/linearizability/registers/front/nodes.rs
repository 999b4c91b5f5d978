//! What the search remembers: configurations, the operations that are open, and how many indeterminate ones are used up.

use rustc_hash::FxHashMap;

use super::super::super::mask::Mask;

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node<const N: usize> {
    pub value: u32,
    /// How many of each class are used: a number of [`Used`].
    pub used: u32,
    /// The open operations that have taken effect.
    pub done: Mask<N>,
    /// The open writes that may have taken effect unseen.
    pub free: Mask<N>,
}

/// The operations that are open.
#[derive(Clone, Debug)]
pub(super) struct Window<const N: usize> {
    pub open: Vec<u32>,
    pub reads: Mask<N>,
    pub nots: Mask<N>,
    pub writes: Mask<N>,
    pub cass: Mask<N>,
}

/// How many operations of which classes are used, each such table under a number.
pub(super) struct Used {
    pub tables: Vec<Box<[(u32, u32)]>>,
    pub numbers: FxHashMap<Box<[(u32, u32)]>, u32>,
}

impl Used {
    pub fn new() -> Self {
        let nothing: Box<[(u32, u32)]> = Box::default();
        Used { tables: vec![nothing.clone()], numbers: FxHashMap::from_iter([(nothing, 0)]) }
    }

    pub fn count(&self, table: u32, class: u32) -> u32 {
        let table = &self.tables[table as usize];
        table.binary_search_by_key(&class, |(c, _)| *c).map_or(0, |i| table[i].1)
    }

    pub fn total(&self, table: u32) -> i64 {
        self.tables[table as usize].iter().map(|(_, n)| i64::from(*n)).sum()
    }

    /// One more of a class; what `matters` no longer is forgotten.
    pub fn one_more(&mut self, table: u32, class: u32, matters: impl Fn(u32) -> bool) -> u32 {
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
    pub fn within(&self, a: u32, b: u32) -> bool {
        a == b || a == 0 || self.tables[a as usize].iter().all(|(class, n)| *n <= self.count(b, *class))
    }
}
