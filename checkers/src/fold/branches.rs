//! The order in which a list grew, as reads have shown it.
//!
//! Each read of an append-only list is a prefix of the longest one, as long as all is well, and then a read costs one
//! comparison of memory and the elements that are new. Where two reads disagree the list has *branches*: each of them
//! remembers which writes in effect it does not have.
//!
//! ```text
//!   reads    [1 2]  [1 2 3 4]  [1 2 3]        one branch     1 2 3 4
//!            [1 2 5]                          another one    1 2 5         (3 and 4 are absent from it)
//! ```

use std::collections::VecDeque;

use histories::{KeyId, ValueId};

use super::versions::{NEVER, VersionId};
use super::world::World;

/// A list as some reads have shown it.
#[derive(Default)]
pub(crate) struct Branch {
    pub(crate) list: Vec<ValueId>,
    /// For each position, the latest invocation of a write at it or before it.
    latest: Vec<u32>,
    /// Positions from which on no write has come into effect earlier than the one here, with that time, ascending.
    earliest_from: Vec<(u32, u32)>,
    /// Writes in effect that are not in the list, with the time since when they are.
    absent: VecDeque<(u32, VersionId)>,
    /// The invocation of the longest read.
    pub(crate) reader: u32,
    /// When it was last the one that was read.
    used: u32,
}

/// The branches of one key.
#[derive(Default)]
pub(crate) struct Branches {
    all: Vec<Branch>,
    current: usize,
}

/// Which branch a read is on, and how much of it it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) branch: usize,
    pub(crate) len: usize,
    /// For a read that contradicts those before it: the invocation of one of them.
    pub(crate) fork: Option<u32>,
}

/// For each version, the branches of its key that have it, as bits.
#[derive(Default)]
pub(crate) struct Held(Vec<u8>);

impl Held {
    #[inline]
    pub(crate) fn has(&self, id: VersionId, branch: usize) -> bool {
        self.0.get(id.0 as usize).is_some_and(|bits| bits & (1 << branch) != 0)
    }

    /// Whether it was not there before.
    #[inline]
    pub(crate) fn insert(&mut self, id: VersionId, branch: usize) -> bool {
        let bits = super::keys::slot(&mut self.0, id.0 as usize);
        let new = *bits & (1 << branch) == 0;
        *bits |= 1 << branch;
        new
    }

    fn remove(&mut self, id: VersionId, branch: usize) {
        super::keys::slot(&mut self.0, id.0 as usize);
        self.0[id.0 as usize] &= !(1 << branch);
    }
}

impl Branches {
    /// More than this many are not told apart: the one that was read longest ago is forgotten.
    const KEPT: usize = 8;

    pub(crate) fn get(&self, branch: usize) -> &Branch {
        &self.all[branch]
    }

    pub(crate) fn get_mut(&mut self, branch: usize) -> &mut Branch {
        &mut self.all[branch]
    }

    /// Finds or makes the branch that this read belongs to. `effective` are the writes in effect. What of the list is new
    /// to the branch is for the caller to [`Branch::push`].
    #[inline]
    pub(crate) fn place(
        &mut self,
        world: &World,
        held: &mut Held,
        key: KeyId,
        shown: &[ValueId],
        call: u32,
        effective: &[(u32, VersionId)],
    ) -> Place {
        let fits = |branch: &Branch| branch.list.starts_with(shown) || shown.starts_with(&branch.list);
        let found = match self.all.get(self.current) {
            Some(branch) if fits(branch) => Some(self.current),
            _ => self.all.iter().position(fits),
        };
        let mut fork = None;
        let index = found.unwrap_or_else(|| {
            fork = self.all.get(self.current).map(|branch| branch.reader);
            self.room(world, held, key, effective)
        });
        self.current = index;
        let branch = &mut self.all[index];
        branch.used = call;
        Place { branch: index, len: shown.len(), fork }
    }

    /// A write came into effect: it is absent from the branches that do not have it.
    #[inline]
    pub(crate) fn enrol(&mut self, held: &Held, id: VersionId, effective: u32) {
        for (i, branch) in self.all.iter_mut().enumerate() {
            if !held.has(id, i) {
                branch.absent.push_back((effective, id));
            }
        }
    }

    /// An empty branch, from which everything in effect is absent.
    fn room(&mut self, world: &World, held: &mut Held, key: KeyId, effective: &[(u32, VersionId)]) -> usize {
        let index = if self.all.len() < Self::KEPT {
            self.all.push(Branch::default());
            self.all.len() - 1
        } else {
            let (oldest, _) = self.all.iter().enumerate().min_by_key(|(_, b)| b.used).unwrap_or((0, &self.all[0]));
            for value in std::mem::take(&mut self.all[oldest]).list {
                if let Some(id) = world.any(key, value) {
                    held.remove(id, oldest);
                }
            }
            oldest
        };
        self.all[index].absent = effective.iter().copied().collect();
        index
    }
}

impl Branch {
    /// Adds an element to the end: the invocation that wrote it and since when it is in effect, if it is known.
    #[inline]
    pub(crate) fn push(&mut self, value: ValueId, call: u32, effective: u32) {
        let position = self.list.len() as u32;
        self.list.push(value);
        self.latest.push(self.latest.last().copied().unwrap_or(0).max(call));
        if effective != NEVER {
            while self.earliest_from.last().is_some_and(|(_, other)| *other >= effective) {
                self.earliest_from.pop();
            }
            self.earliest_from.push((position, effective));
        }
    }

    /// The latest invocation of a write among the first elements.
    pub(crate) fn latest_of(&self, len: usize) -> u32 {
        len.checked_sub(1).map_or(0, |last| self.latest[last])
    }

    /// Since when the first one of the writes in effect that are not among the first elements is in effect.
    pub(crate) fn earliest_beyond(&mut self, world: &World, held: &Held, index: usize, len: usize) -> u32 {
        let from = self.earliest_from.partition_point(|(position, _)| (*position as usize) < len);
        let within = self.earliest_from.get(from).map_or(NEVER, |(_, effective)| *effective);
        within.min(self.earliest_absent(world, held, index))
    }

    /// Since when the first one of the writes in effect that the branch does not have is in effect.
    #[inline]
    pub(crate) fn earliest_absent(&mut self, world: &World, held: &Held, index: usize) -> u32 {
        while let Some((effective, id)) = self.absent.front() {
            if *effective == world.effective(*id) && !held.has(*id, index) {
                return *effective;
            }
            self.absent.pop_front();
        }
        NEVER
    }

    /// The writes in effect before a moment that the branch does not have.
    pub(crate) fn absent_before(&self, time: u32) -> impl Iterator<Item = (u32, VersionId)> {
        self.absent.iter().copied().take_while(move |(effective, _)| *effective < time)
    }

    /// Forgets absent writes that need not be known any more.
    pub(crate) fn forget(&mut self, mut done: impl FnMut(VersionId) -> bool) {
        self.absent.retain(|(_, id)| !done(*id));
    }
}
