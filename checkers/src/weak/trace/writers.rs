//! Who wrote a value.

use rustc_hash::{FxHashMap, FxHashSet};

const NOBODY: u32 = u32::MAX;

/// For each key and value the node that wrote it. Values are mostly written to one key only, so one array of them does
/// nearly all.
pub(super) struct Writers {
    /// For each value the first key that it was written to, and by whom.
    first: Vec<(u32, u32)>,
    more: FxHashMap<(u32, u32), u32>,
    repeated: FxHashSet<(u32, u32)>,
    failed: FxHashMap<(u32, u32), u32>,
    intermediate: FxHashSet<(u32, u32)>,
}

/// Who wrote a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nobody.
    Nobody,
    /// This node.
    Node(u32),
    /// More than one node.
    Several,
}

impl Writers {
    pub(super) fn new(value_count: usize) -> Self {
        Writers {
            first: vec![(NOBODY, NOBODY); value_count],
            more: FxHashMap::default(),
            repeated: FxHashSet::default(),
            failed: FxHashMap::default(),
            intermediate: FxHashSet::default(),
        }
    }

    /// A node wrote a value.
    pub(super) fn add(&mut self, key: u32, value: u32, node: u32) {
        let first = &mut self.first[value as usize];
        if first.1 == NOBODY {
            *first = (key, node);
            return;
        }
        let known = if first.0 == key { &mut first.1 } else { self.more.entry((key, value)).or_insert(node) };
        if *known != node {
            self.repeated.insert((key, value));
        }
    }

    /// The operation of this invocation would have written a value, and failed.
    pub(super) fn add_failed(&mut self, key: u32, value: u32, event: u32) {
        self.failed.entry((key, value)).or_insert(event);
    }

    /// The same transaction wrote `value` over `old`.
    pub(super) fn replace(&mut self, key: u32, old: u32, value: u32) {
        self.intermediate.insert((key, old));
        self.intermediate.remove(&(key, value));
    }

    /// Who wrote it.
    #[inline]
    pub(super) fn of(&self, key: u32, value: u32) -> Writer {
        let first = self.first[value as usize];
        let node = if first.0 == key { Some(first.1) } else { self.more.get(&(key, value)).copied() };
        match node {
            None => Writer::Nobody,
            Some(_) if !self.repeated.is_empty() && self.repeated.contains(&(key, value)) => Writer::Several,
            Some(node) => Writer::Node(node),
        }
    }

    /// The invocation of a failed operation that would have written it.
    pub(super) fn failed(&self, key: u32, value: u32) -> Option<u32> {
        self.failed.get(&(key, value)).copied()
    }

    /// Whether its transaction wrote another value over it.
    pub(super) fn is_intermediate(&self, key: u32, value: u32) -> bool {
        !self.intermediate.is_empty() && self.intermediate.contains(&(key, value))
    }
}
