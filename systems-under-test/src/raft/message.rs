//! What nodes say to each other, and what each of them keeps.

use serde::{Deserialize, Serialize};

use super::log::{Entry, Mark};
use super::machine::Snapshot;

/// A message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// I am the node with this identity; whom do you know under my name?
    Greet {
        /// Drawn when its journal was made.
        identity: u64,
    },
    /// The first whom I met under your name, and shall for ever take for you.
    Known {
        /// Its identity.
        identity: u64,
    },
    /// Would you vote for me, or do you?
    Canvass(Canvass),
    /// The answer.
    Vote {
        /// The voter's term.
        term: u64,
        /// The term that was asked for.
        asked: u64,
        /// Whether it was only asked whether it would.
        pre: bool,
        /// Yes or no.
        granted: bool,
    },
    /// Entries, or none: I lead.
    Append(Append),
    /// The state at some position, for one whose next entry is forgotten.
    Install {
        /// The leader's term.
        term: u64,
        /// As in [`Append`].
        round: u64,
        /// The state.
        snapshot: Box<Snapshot>,
    },
    /// To both.
    Appended(Appended),
    /// Stand for election at once: I hand over to you.
    HandOver {
        /// The leader's term.
        term: u64,
    },
    /// Up to where must I have come, to answer a read that came just now?
    AskIndex {
        /// Comes back with the answer.
        read: u64,
    },
    /// Up to here; `None`: ask somebody else.
    Index {
        /// As asked.
        read: u64,
        /// The position.
        index: Option<u64>,
    },
}

/// What a candidate asks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Canvass {
    /// The term in which it would lead.
    pub term: u64,
    /// The end of its log.
    pub last: Mark,
    /// Whether it only asks whether it would get the vote.
    pub pre: bool,
    /// Whether the leader itself wants it to lead.
    pub handed_over: bool,
}

/// What a leader says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Append {
    /// Its term.
    pub term: u64,
    /// Grows with each time that the leader asks whether it still leads; comes back with the answer.
    pub round: u64,
    /// The entry before the first of these.
    pub prev: Mark,
    /// The entries.
    pub entries: Vec<Entry>,
    /// Up to where the leader has committed.
    pub commit: u64,
}

/// What a follower answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Appended {
    /// Its term.
    pub term: u64,
    /// As it was asked; 0 to a leader of the past.
    pub round: u64,
    /// `Ok`: its log is the leader's up to here, on its disk. `Err`: it does not fit; the leader may try after this position.
    pub reached: Result<u64, u64>,
    /// Whether it may be counted: see [`founding`](super::founding).
    pub counts: bool,
}

/// What a node keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Its term, and for whom it voted in it.
    Ballot {
        /// The term.
        term: u64,
        /// The node that has its vote.
        vote: Option<usize>,
    },
    /// Entries; whatever stood after `after` is gone.
    Entries {
        /// The position before the first.
        after: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// The state at some position. A log that does not have that entry begins there.
    Snapshot(Box<Snapshot>),
    /// Who it is.
    Born {
        /// Its identity.
        identity: u64,
    },
    /// Whom it has met under a node's name.
    Met {
        /// The node.
        node: usize,
        /// Its identity.
        identity: u64,
    },
    /// Everybody knows it under its identity, or somebody knows another.
    Accepted(bool),
}
