//! Links that are worse than they should be: which ones, and in what way.
//!
//! A partition is silence; what is here is everything between silence and a good network. The wire does it packet by
//! packet ([`Link`]); the names below are the ways in which networks are really bad, and what a generated schedule draws.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::wire::{Link, Shape, is_default};

/// One way of being bad. What each one is, [`super::registry::FAULTS`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum LinkKind {
    Slow,
    Jitter,
    Lossy,
    Duplicate,
    Reorder,
    Corrupt,
    CorruptUnnoticed,
    RateLimit,
    Hold,
    Reset,
    Flapping,
}

/// Which links: those between the targets and their peers, in one direction or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Whose links.
    pub target: Target,
    /// With whom.
    #[serde(default, skip_serializing_if = "is_default")]
    pub peers: Peers,
    /// Which way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub direction: Direction,
}

/// Who is at the other end of the targets' links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peers {
    /// The other nodes.
    #[default]
    Nodes,
    /// The clients.
    Clients,
    /// Both.
    All,
}

/// Which way, as the targets see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// What the targets send.
    Out,
    /// What the targets receive.
    In,
}

impl LinkKind {
    /// Whether the counters of a link show that it did this to a packet.
    pub fn packets(self, stats: &crate::wire::LinkStats) -> u64 {
        match self {
            LinkKind::Slow | LinkKind::Jitter => stats.delayed,
            LinkKind::Lossy => stats.lost,
            LinkKind::Duplicate => stats.duplicated,
            LinkKind::Reorder => stats.reordered,
            LinkKind::Corrupt | LinkKind::CorruptUnnoticed => stats.corrupted,
            LinkKind::RateLimit => stats.limited + stats.delayed,
            LinkKind::Hold => stats.held,
            LinkKind::Reset => stats.rejected,
            LinkKind::Flapping => stats.cut,
        }
    }

    /// What it is unless somebody says how much: bad enough to be noticed, not so bad that nothing works.
    pub fn usual(self) -> Link {
        let link = Link::default();
        match self {
            LinkKind::Slow => Link { delay_us: 100_000, ..link },
            LinkKind::Jitter => Link { delay_us: 10_000, jitter_us: 50_000, shape: Shape::Pareto, ..link },
            LinkKind::Lossy => Link { loss_ppm: 200_000, ..link },
            LinkKind::Duplicate => Link { duplicate_ppm: 300_000, ..link },
            LinkKind::Reorder => Link { reorder_ppm: 250_000, reorder_us: 20_000, ..link },
            LinkKind::Corrupt => Link { corrupt_ppm: 100_000, ..link },
            LinkKind::CorruptUnnoticed => Link { corrupt_ppm: 10_000, repair_checksums: true, ..link },
            LinkKind::RateLimit => Link { rate_bytes: 32_000, burst_bytes: 8_000, ..link },
            LinkKind::Hold => Link { hold: true, ..link },
            LinkKind::Reset => Link { reset: true, ..link },
            LinkKind::Flapping => Link { flap_down_us: 200_000, flap_up_us: 200_000, ..link },
        }
    }
}

/// For people: what is set, such as `100 ms late, 20 % lost`.
pub(super) fn in_words(link: &Link) -> String {
    let mut parts = Vec::new();
    let mut say = |there: bool, words: String| parts.extend(there.then_some(words));
    let (delay, jitter) = (Micros(link.delay_us), Micros(link.jitter_us));
    say(link.cut, "cut".to_owned());
    say(link.flap_down_us > 0, format!("{} down, {} up", Micros(link.flap_down_us), Micros(link.flap_up_us)));
    say(link.reset, "reset".to_owned());
    say(link.hold, "held".to_owned());
    say(link.delay_us > 0, format!("{delay} late"));
    let order = if link.in_order { ", in order" } else { "" };
    say(link.jitter_us > 0, format!("{jitter} {} jitter{order}", shape_name(link.shape)));
    let bursts = if link.loss_correlation_ppm > 0 { " in bursts" } else { "" };
    say(link.loss_ppm > 0, format!("{} lost{bursts}", Percent(link.loss_ppm)));
    say(link.duplicate_ppm > 0, format!("{} twice", Percent(link.duplicate_ppm)));
    say(link.reorder_ppm > 0, format!("{} held back {}", Percent(link.reorder_ppm), Micros(link.reorder_us)));
    let repaired = if link.repair_checksums { " unnoticed" } else { "" };
    say(link.corrupt_ppm > 0, format!("{} corrupt{repaired}", Percent(link.corrupt_ppm)));
    say(link.rate_bytes > 0, format!("{} bytes/s", link.rate_bytes));
    parts.join(", ")
}

fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Uniform => "uniform",
        Shape::Normal => "normal",
        Shape::Exponential => "exponential",
        Shape::Pareto => "Pareto",
    }
}

struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us if us % 1000 == 0 => write!(f, "{} ms", us / 1000),
            us => write!(f, "{us} µs"),
        }
    }
}

struct Percent(u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}

/// For people: `n1 → nodes`, `all nodes`, `clients → the leader`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = match self.peers {
            Peers::Nodes => "nodes",
            Peers::Clients => "clients",
            Peers::All => "nodes and clients",
        };
        match self.direction {
            Direction::Both if self.peers == Peers::Nodes => write!(f, "{}", self.target),
            Direction::Both => write!(f, "{} ↔ {peers}", self.target),
            Direction::Out => write!(f, "{} → {peers}", self.target),
            Direction::In => write!(f, "{peers} → {}", self.target),
        }
    }
}
