//! A good guess at which item each take of unknown outcome took.
//!
//! An item that nobody is known to have taken stands in the way of some others that were taken later: it must have been
//! out by the time the first of these takes ended. That is when it is *due*. Items are served in the order in which
//! they are due, and any take that begins before that will do, so that as many as possible are served: what will do for
//! one will do for all that are due later. A take that had begun when the item went in is the best, since it can take
//! it out at once.
//!
//! What is still in the way then is taken out as the proofs against the guess name it, for a few rounds.

use std::collections::BTreeSet;

use super::Blame;
use crate::linearizability::collections::items::{Contents, Item};
use crate::linearizability::collections::journal::NEVER;

/// So many rounds, and so many proofs in each.
const ROUNDS: usize = 8;
const PROOFS: usize = 64;

/// A take that can have ended only when an item was out: it begins after the item went in, and ends there.
#[derive(Clone, Copy)]
pub(crate) struct Past {
    pub call: u32,
    pub ret: u32,
}

/// Collects takes and says which of those so far that begin after a position ends first.
pub(crate) struct Dues {
    /// Of takes that begin at certain positions, the first end; a tree of ranges that end at each position.
    first: Vec<u32>,
}

impl Dues {
    /// Of a collection with so many positions.
    pub fn new(end: u32) -> Self {
        Dues { first: vec![NEVER; end as usize + 1] }
    }

    /// Takes in one more.
    pub fn add(&mut self, past: Past) {
        let mut at = past.call as usize + 1;
        while at > 0 {
            self.first[at] = self.first[at].min(past.ret);
            at &= at - 1;
        }
    }

    /// When an item is due that went in at this position; [`NEVER`] if at no time.
    pub fn due(&self, put_ret: u32) -> u32 {
        let mut at = put_ret as usize + 1;
        let mut due = NEVER;
        while at < self.first.len() {
            due = due.min(self.first[at]);
            at += at & at.wrapping_neg();
        }
        due
    }
}

/// The items with the takes that they were given, if nothing speaks against it.
pub(super) fn guess<P>(
    contents: &Contents,
    mut due: Vec<(u32, usize)>,
    look: &impl Fn(&[Item]) -> Vec<P>,
    blame: &impl Fn(&P, &[Item]) -> Blame,
) -> bool {
    let mut items = contents.items.clone();
    let mut free: BTreeSet<(u32, usize)> = contents.unknown.iter().copied().zip(0..).collect();
    due.sort_unstable();
    for (due, item) in due {
        give(&mut items[item], due, &mut free);
    }
    for _ in 0..ROUNDS {
        let against = look(&items);
        if against.is_empty() {
            return true;
        }
        let mut given = false;
        for proof in against.iter().take(PROOFS) {
            let Blame { values, until, .. } = blame(proof, &items);
            let in_the_way = |item: &&mut Item| item.take_call == NEVER && values.contains(&item.value);
            if let Some(item) = items.iter_mut().filter(in_the_way).max_by_key(|item| item.put_ret) {
                given |= give(item, until, &mut free);
            }
        }
        if !given {
            return false;
        }
    }
    false
}

/// Gives an item the last take that had begun when it went in, or else the first one after that.
fn give(item: &mut Item, due: u32, free: &mut BTreeSet<(u32, usize)>) -> bool {
    let at_once = free.range(..(item.put_ret.min(due), 0)).next_back();
    let take = at_once.or_else(|| free.first().filter(|(call, _)| *call < due)).copied();
    if let Some(take) = take {
        free.remove(&take);
        item.take_call = take.0;
    }
    take.is_some()
}
