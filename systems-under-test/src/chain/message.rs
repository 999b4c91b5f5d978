//! What nodes say to each other, and what they keep.
//!
//! Messages come late, twice and out of order, so each says what it is about: the epoch, the ballot, the number of an update, the
//! position of a state. Whatever is of another epoch than the one a node is in is ignored; only a [`Configuration`] counts always,
//! for it has been decided.

use serde::{Deserialize, Serialize};

use super::configuration::{Configuration, Epoch};
use super::history::Update;
use super::register::{Ballot, Vote};
use crate::parts::json::Raw;
use crate::specimen::Micros;

/// One message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// I am here, in this configuration, and ask for a lease in it.
    Beat {
        /// The newest configuration that I know.
        configuration: Configuration,
        /// Which life of mine this is, and what my clock says.
        life: (u64, Micros),
        /// Whom I hear.
        hears: Vec<usize>,
        /// With whom I have a link.
        links: Vec<usize>,
    },
    /// You have a lease of this epoch, from when your clock said that.
    Granted {
        /// The epoch.
        epoch: Epoch,
        /// As in the [`Message::Beat`].
        life: (u64, Micros),
    },

    /// Promise to take part in no lower ballot about what follows this configuration.
    Prepare {
        /// What is to be followed.
        after: Configuration,
        /// The attempt.
        ballot: Ballot,
    },
    /// I do; this is what I accepted last.
    Promised {
        /// The epoch that is to be followed.
        after: Epoch,
        /// The attempt.
        ballot: Ballot,
        /// What, and under which ballot.
        accepted: Option<(Ballot, Vec<usize>)>,
    },
    /// Accept this chain.
    Accept {
        /// What is to be followed.
        after: Configuration,
        /// The attempt.
        ballot: Ballot,
        /// The chain.
        chain: Vec<usize>,
    },
    /// I have.
    Accepted {
        /// The epoch that is to be followed.
        after: Epoch,
        /// The attempt.
        ballot: Ballot,
    },
    /// I have promised a higher ballot.
    Outbid {
        /// The epoch that is to be followed.
        after: Epoch,
        /// The ballot that was promised.
        promised: Ballot,
    },
    /// This has been decided.
    Decided(Configuration),

    /// To the next node of the chain, or to a joiner: execute these.
    Updates {
        /// The configuration, for the successor may not know yet that it is one.
        configuration: Configuration,
        /// In their order.
        updates: Vec<Update>,
    },
    /// To the node before: everything up to here is on every disk from the tail to me.
    Acknowledged {
        /// The epoch.
        epoch: Epoch,
        /// The number of the last update.
        up_to: u64,
    },
    /// To the tail: how far are you? A key that I am asked for is dirty.
    HowFar {
        /// The epoch.
        epoch: Epoch,
        /// Comes back.
        question: u64,
    },
    /// This far.
    ThisFar {
        /// The epoch.
        epoch: Epoch,
        /// As asked.
        question: u64,
        /// The number of the last update that the tail has acknowledged.
        up_to: u64,
    },

    /// To a joiner: a part of the state.
    Part {
        /// The epoch.
        epoch: Epoch,
        /// How many updates are in this state.
        position: u64,
        /// Which part, of how many.
        index: (usize, usize),
        /// What it says.
        part: Raw,
    },
    /// To whoever transfers its state: I have this much on my disk.
    Have {
        /// The epoch.
        epoch: Epoch,
        /// The number of the last update.
        position: u64,
    },
    /// To whoever wants to transfer its state: I listen to another in this epoch.
    Taken {
        /// The epoch.
        epoch: Epoch,
    },

    /// To oneself: what was kept up to here is on the disk.
    Stored {
        /// Which history it is of; a transfer begins another.
        lineage: u64,
        /// The number of the last update.
        up_to: u64,
    },
}

/// One record of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// This configuration was decided; what was voted about it is past.
    Configuration(Configuration),
    /// My vote on what follows it.
    Vote(Vote),
    /// My state was replaced by this one.
    State {
        /// The epoch in which it was transferred.
        epoch: Epoch,
        /// By whom.
        source: usize,
        /// How many updates are in it.
        position: u64,
        /// What it says.
        parts: Vec<Raw>,
    },
    /// These updates came; up to `settled` they had been acknowledged by the tail.
    Updates {
        /// The last update that was settled then.
        settled: u64,
        /// In their order.
        updates: Vec<Update>,
    },
}
