//! Collections in which a value was put in more than once: not for the shortcuts.

use super::items::Contents;
use super::journal::Journal;
use super::words;
use crate::analysis::Found;
use crate::budget::Budget;

/// What kind of collection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In whatever order.
    Bag,
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Stack,
    /// The largest first.
    Priority,
}

pub(super) fn judge(
    _kind: Kind,
    journal: &Journal<'_>,
    contents: &Contents,
    _budget: &Budget<'_>,
    mut found: Found,
) -> Found {
    if let Some((first, again)) = contents.repeated {
        let (first, again) = (words::number(journal, first), words::number(journal, again));
        found.doubts.push(format!("{first} and {again} put the same value in; what came of it could not be decided."));
    }
    found
}
