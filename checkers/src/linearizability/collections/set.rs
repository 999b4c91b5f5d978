//! Sets: `add`, `remove`, `contains`, and reads of the whole.
//!
//! `add` and `remove` always succeed: adding what is inside and removing what is not changes nothing.
//!
//! # Without whole reads
//! The elements know nothing of each other, so each is judged by itself (Herlihy and Wing 1990: linearizability is
//! local). Most are added once and removed at most once, and then there are few ways that the element can have come and
//! gone. Let `hi` be the first end among its add and the looks that found it: by then it was in. Let `lo` be the last
//! beginning among its remove and the looks that found it: until then it was not yet out.
//!
//! ```text
//! add     |-----|                        hi = end of add, lo = beginning of remove
//! contains         |-no-|                inside from hi to lo for certain, and the look lies wholly in between:
//! remove                   |-----|       not valid
//! ```
//! - *It was removed.* Possible iff the add begins before `hi`, `lo` comes before the end of the remove, and, where
//!   `lo` is before `hi`, one moment is in all of these; and no look that missed it lies wholly between `hi` and `lo`.
//! - *It stays*, because nothing removed it or the remove came first. Possible iff the add, the looks that missed it
//!   and the remove begin before `hi`, that of the remove only if it certainly happened.
//!
//! Both ways need one pass over the operations; linear. An element that is added or removed more than once is a
//! `flag`.
//!
//! # With whole reads
//! Where nothing is removed, the sets that were read must grow: sorted by size, each contains the one before. Then the
//! reads and the adds take effect in `stages`: what is in a read but not in the one before was added
//! between them. Looks bind the adds: an add takes effect after every look that missed its element began and before
//! every look that found it ended. Of several adds of one element only the first matters, and it is over when any of
//! them is. Linear in the size of what was read.
//!
//! # Decided
//! An element of unknown outcome that nobody saw is left out. One that was acknowledged and is in no later read is a
//! `lost-element`. Where whole reads and removes meet, reads can contradict each other in ways that no element shows:
//! if nothing is wrong with an element by itself, a search decides.

mod growing;
mod member;

use histories::{EventIndex, Function, History, Payload, Scalar, ValueId};

use super::journal::{Act, Journal, NEVER, Reading, Slots, judge, value_of};
use crate::analysis::{Found, Question};
use crate::budget::Budget;

/// Looks at sets: `add`, `remove`, `contains`, and `read` of the whole.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, understand, judge_key)
}

fn understand(history: &History, invocation: EventIndex, answer: Option<EventIndex>) -> Reading {
    let act = |act, value| if value == NEVER { Reading::Foreign } else { Reading::Act(act, value) };
    match (history.function(invocation), answer) {
        (Function::Add, _) => act(Act::Put, value_of(history, invocation)),
        (Function::Remove, _) => act(Act::Take, value_of(history, invocation)),
        (Function::Contains | Function::Read, None) => Reading::Nothing,
        (Function::Contains, Some(answer)) => match history.payload(answer) {
            Payload::Pair(value, found) => match history.value(found) {
                Scalar::Bool(true) => Reading::Act(Act::Present, value.0),
                Scalar::Bool(false) => Reading::Act(Act::Absent, value.0),
                _ => Reading::Nothing,
            },
            _ => Reading::Foreign,
        },
        (Function::Read, Some(answer)) => match history.payload(answer) {
            Payload::List { .. } | Payload::Value(ValueId::NULL) => Reading::Act(Act::Read, answer.0),
            _ => Reading::Foreign,
        },
        _ => Reading::Foreign,
    }
}

fn judge_key(journal: &Journal<'_>, slots: &mut Slots, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let reads = journal.ops.iter().any(|op| op.act == Act::Read);
    let removes = journal.ops.iter().any(|op| op.act == Act::Take);
    match (reads, removes) {
        (false, _) => member::judge(journal, slots, &mut found),
        (true, false) => growing::judge(journal, slots, &mut found),
        (true, true) => {
            member::judge(journal, slots, &mut found);
            if found.groups.is_empty() {
                super::repeats::judge_set(journal, budget, &mut found);
            }
        }
    }
    found
}
