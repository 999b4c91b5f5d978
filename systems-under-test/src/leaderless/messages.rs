//! What nodes say to each other, and what they keep.
//!
//! Every message can be lost, late, doubled or overtaken: rows merge, so that it does not matter what of an update comes when; and
//! an answer names the question, by a ticket that no other life of the coordinator has given.

use serde::{Deserialize, Serialize};

use super::row::{Cell, Column, Row};
use super::stamps::Stamp;
use crate::parts::json::Item;

/// A question of one life of a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket {
    /// Which life.
    pub start: u64,
    /// Which question.
    pub number: u64,
}

/// What nodes say to each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// To itself: this life's number is on the disk.
    Awake,
    /// What do you hold of this key?
    Get {
        /// The question.
        ticket: Ticket,
        /// The key.
        key: Item,
    },
    /// This.
    Row {
        /// The question.
        ticket: Ticket,
        /// What is held, on the disk.
        row: Row,
    },
    /// Take this in.
    Put {
        /// The question.
        ticket: Ticket,
        /// The key.
        key: Item,
        /// What.
        row: Row,
        /// On behalf of this home, which does not answer: as a hint.
        instead_of: Option<usize>,
    },
    /// It is on the disk.
    Kept {
        /// The question.
        ticket: Ticket,
        /// At this home, or in its place.
        home: usize,
    },
    /// This was kept for you.
    Hand {
        /// Which hint of the sender's life.
        ticket: Ticket,
        /// The key.
        key: Item,
        /// What.
        row: Row,
    },
    /// I have it.
    Handed {
        /// Which hint.
        ticket: Ticket,
        /// The key.
        key: Item,
    },
    /// A step of comparing trees.
    Compare(Compare),
    /// This is a tombstone: what you have of it, here or as a hint, is gone.
    Bury {
        /// The key.
        key: Item,
        /// What is gone.
        column: Column,
        /// The tombstone.
        cell: Cell,
    },
    /// I know.
    Buried {
        /// The key.
        key: Item,
        /// What is gone.
        column: Column,
        /// When it was removed.
        stamp: Stamp,
    },
    /// All have known for long: the tombstone itself can go.
    Collect {
        /// The key.
        key: Item,
        /// What is gone.
        column: Column,
        /// When it was removed.
        stamp: Stamp,
    },
}

/// How two nodes compare what both are homes of. Each step stands for itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// My root.
    Root(u64),
    /// It is not mine; these are my branches.
    Branches(Vec<u64>),
    /// This branch is not mine; these are my leaves in it.
    Leaves {
        /// Which branch.
        branch: usize,
        /// Its leaves.
        leaves: Vec<u64>,
    },
    /// This leaf is not mine; this is all that I have in it.
    Rows {
        /// Which leaf.
        leaf: usize,
        /// Keys and what I hold of them.
        rows: Vec<(Item, Row)>,
        /// And what do you have?
        ask: bool,
    },
}

/// What a node keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// It started.
    Start(u64),
    /// It took this in.
    Merge(Item, Row),
    /// It put this in the place of what it had.
    Replace(Item, Row),
    /// It collected a tombstone.
    Collect(Item, Column, Stamp),
    /// It keeps this for another.
    Hint(usize, Item, Row),
    /// The other has it.
    Handed(usize, Item),
}
