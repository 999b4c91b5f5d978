//! How it is configured.

use super::bugs::{self, Bug};
use crate::specimen::settings::{Failpoints, count, duration};
use crate::specimen::{Micros, Planted};
use crate::system::{OptionSpec, Options, OptionsError};

/// What can be set.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "n", default: "all", choices: &[], help: "how many nodes hold each key: a number, or all" },
    OptionSpec {
        name: "w",
        default: "majority",
        choices: &[],
        help: "how many of them must have a write on disk before it is acknowledged: a number, or majority",
    },
    OptionSpec {
        name: "r",
        default: "majority",
        choices: &[],
        help: "how many of them a read asks: a number, or majority",
    },
    OptionSpec {
        name: "quorum",
        default: "strict",
        choices: &["strict", "sloppy"],
        help: "whether other nodes may stand in for homes that do not answer, and keep hints for them",
    },
    OptionSpec {
        name: "conflict",
        default: "last-write-wins",
        choices: &["last-write-wins", "siblings"],
        help: "what becomes of values that were written at once: the latest stamp stays, or all of them",
    },
    OptionSpec {
        name: "timestamps",
        default: "hybrid",
        choices: &["hybrid", "clock"],
        help: "when a write was: after everything that a read quorum has seen (hybrid logical clock), or when the coordinator's clock says",
    },
    OptionSpec {
        name: "read-repair",
        default: "sync",
        choices: &["sync", "async", "off"],
        help: "whether a read brings replicas that lag up to date: before it answers, meanwhile, or never",
    },
    OptionSpec {
        name: "anti-entropy",
        default: "300ms",
        choices: &[],
        help: "how often a node compares its Merkle tree with another's: a time, or off",
    },
    OptionSpec {
        name: "grace",
        default: "1s",
        choices: &[],
        help: "how old a tombstone is before it may go, when all nodes are known to have it",
    },
    Failpoints::OPTION,
];

/// When replicas that a read found lagging are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Before the read is answered.
    Sync,
    /// Meanwhile.
    Async,
    /// Not by reads.
    Off,
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    All,
    Majority,
    Number(usize),
}

impl Share {
    fn of(self, all: usize) -> usize {
        match self {
            Share::All => all,
            Share::Majority => all / 2 + 1,
            Share::Number(number) => number.min(all),
        }
    }
}

/// All settings, understood.
#[derive(Clone, Debug)]
pub struct Settings {
    n: Share,
    w: Share,
    r: Share,
    /// Whether others stand in for homes.
    pub sloppy: bool,
    /// Whether values that were written at once are all kept.
    pub siblings: bool,
    /// Whether stamps are later than whatever a read quorum has seen.
    pub hybrid: bool,
    /// See `Repair`.
    pub repair: Repair,
    /// How often trees are compared.
    pub anti_entropy: Option<Micros>,
    /// How old tombstones are before they may go.
    pub grace: Micros,
    /// What is wrong on purpose.
    pub bug: Planted<Bug>,
}

/// How many nodes hold a key, and how many of them must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Homes.
    pub n: usize,
    /// For a write.
    pub w: usize,
    /// For a read.
    pub r: usize,
}

impl Settings {
    /// Understands options.
    pub fn new(options: &Options) -> Result<Settings, OptionsError> {
        let share = |name: &str, word: &str, share: Share| match options.get(name) {
            text if text == word => Ok(share),
            _ => count(options, name).map(|number| Share::Number(number as usize)),
        };
        let settings = Settings {
            n: share("n", "all", Share::All)?,
            w: share("w", "majority", Share::Majority)?,
            r: share("r", "majority", Share::Majority)?,
            sloppy: options.get("quorum") == "sloppy",
            siblings: options.get("conflict") == "siblings",
            hybrid: options.get("timestamps") == "hybrid",
            repair: match options.get("read-repair") {
                "sync" => Repair::Sync,
                "async" => Repair::Async,
                _ => Repair::Off,
            },
            anti_entropy: match options.get("anti-entropy") {
                "off" => None,
                _ => Some(duration(options, "anti-entropy")?),
            },
            grace: duration(options, "grace")?,
            bug: bugs::planted(options),
        };
        settings.check()
    }

    fn check(self) -> Result<Settings, OptionsError> {
        match (self.n, self.w, self.r) {
            (Share::Number(n), Share::Number(w), _) if w > n => {
                Err(OptionsError::Combination(format!("w={w} of n={n} homes can never acknowledge a write")))
            }
            (Share::Number(n), _, Share::Number(r)) if r > n => {
                Err(OptionsError::Combination(format!("r={r} of n={n} homes can never answer a read")))
            }
            _ => Ok(self),
        }
    }

    /// The numbers, in a cluster of so many nodes: none is greater than there are.
    pub fn quorum(&self, node_count: usize) -> Quorum {
        let n = self.n.of(node_count);
        Quorum { n, w: self.w.of(n), r: self.r.of(n) }
    }

    /// Whether whoever reads meets somebody who has taken part in each acknowledged write.
    pub fn overlaps(&self, node_count: usize) -> bool {
        let Quorum { n, w, r } = self.quorum(node_count);
        w + r > n
    }
}
