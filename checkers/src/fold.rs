//! What the folds share: what an event does, what a key is, what a session knew when, and the words for it.

pub(crate) mod acts;
pub(crate) mod argument;
pub(crate) mod branches;
pub(crate) mod exposure;
pub(crate) mod finals;
pub(crate) mod keys;
pub(crate) mod marks;
pub(crate) mod past;
pub(crate) mod sessions;
pub(crate) mod settled;
pub(crate) mod sums;
pub(crate) mod tally;
pub(crate) mod versions;
pub(crate) mod words;
pub(crate) mod world;
pub(crate) mod writers;
