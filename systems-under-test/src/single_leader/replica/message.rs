//! What replicas say to each other. Every message carries the epoch in which its sender says it.

use serde::{Deserialize, Serialize};

use super::log::{Entry, Mark};
use crate::parts::json::Raw;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// Leader to follower: these entries come after `prev`. Without entries: I am still here.
    Append {
        /// Of the leader.
        epoch: u64,
        /// What must stand in the follower's log before the first entry.
        prev: Mark,
        /// The leader's last position.
        last: u64,
        /// Everything up to here is committed.
        commit: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// Leader to follower: one part of the state at `mark`, for a follower that cannot be helped with entries.
    Snapshot {
        /// Of the leader.
        epoch: u64,
        /// The place in the log whose state this is.
        mark: Mark,
        /// The leader's last position.
        last: u64,
        /// Which part, from 0.
        part: usize,
        /// How many there are; 0 when the state is empty, and then this message is all there is.
        parts: usize,
        /// The part; `null` when there are none.
        data: Raw,
    },
    /// Follower to leader: up to here my log is on my disk and the same as yours.
    Ack {
        /// In which the follower obeys.
        epoch: u64,
        /// The position.
        position: u64,
    },
    /// Follower to leader: I cannot take that; or, when the epoch is higher: you are not the leader any more.
    Reject {
        /// Of the follower.
        epoch: u64,
        /// The position that I was asked about.
        asked: u64,
        /// Try what comes after this position.
        hint: u64,
        /// My log differs below what I can undo: send the state.
        snapshot: bool,
    },
    /// Candidate to all: would you vote for me, if I asked in the epoch after this one?
    Canvass {
        /// Of the candidate, without having stood yet.
        epoch: u64,
        /// The end of its log.
        last: Mark,
        /// An operator asks for it: whether a leader is alive does not matter.
        forced: bool,
    },
    /// The answer to [`Message::Canvass`].
    Lean {
        /// Of the voter.
        epoch: u64,
        /// The epoch of the question.
        asked: u64,
        /// Yes or no.
        granted: bool,
    },
    /// Candidate to all: vote for me.
    Stand {
        /// In which it stands.
        epoch: u64,
        /// The end of its log.
        last: Mark,
    },
    /// The answer to [`Message::Stand`].
    Vote {
        /// Of the voter.
        epoch: u64,
        /// Yes or no.
        granted: bool,
    },
}

impl Message {
    /// The epoch of the sender.
    pub fn epoch(&self) -> u64 {
        match self {
            Message::Append { epoch, .. }
            | Message::Snapshot { epoch, .. }
            | Message::Ack { epoch, .. }
            | Message::Reject { epoch, .. }
            | Message::Canvass { epoch, .. }
            | Message::Lean { epoch, .. }
            | Message::Stand { epoch, .. }
            | Message::Vote { epoch, .. } => *epoch,
        }
    }

    /// Whether it answers another message and so belongs on the connection by which that one came.
    pub fn is_answer(&self) -> bool {
        matches!(self, Message::Ack { .. } | Message::Reject { .. } | Message::Lean { .. } | Message::Vote { .. })
    }
}
