//! What nodes say to each other, and what they keep.

use serde::{Deserialize, Serialize};

use super::agreement::Grant;
use super::event::{Event, Vector};
use crate::parts::json::Item;

/// What nodes say to each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// Events that you may lack.
    Events(Vec<Event>),
    /// So much of every origin's log is on my disk.
    Have(Vector),
    /// To itself: so much of my own log is on my disk.
    Flushed(u64),
    /// May I write these keys? I have so much.
    Reserve {
        /// The proposal's number, unlike any other.
        id: u64,
        /// The keys.
        keys: Vec<Item>,
        /// What the proposer has.
        has: Vector,
    },
    /// You may; I let nobody else until I have your event or hear that you do not.
    Agree(u64),
    /// You may not.
    Refuse(u64),
    /// I do not write after all.
    Release(u64),
    /// What has become of your proposal?
    Inquire(u64),
}

/// What nodes keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// An event that was applied.
    Event(Event),
    /// A node has confirmed that it has this much.
    Cursor {
        /// The node.
        peer: usize,
        /// What it has.
        has: Vector,
    },
    /// Keys that another leader may write, and nobody else.
    Granted(Grant),
    /// Not any more.
    Released(u64),
}
