//! What is set for each link, and what each link did.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::hosts::HostId;

/// Hosts of one run at most: addresses of a /24 without its first and last.
pub const MAX_HOSTS: usize = 254;

/// What happens to packets from one host to another. All zero and `false`: forwarded at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Link {
    /// Drop everything.
    pub cut: bool,
    /// Hold each packet this long, microseconds.
    pub delay_us: u64,
    /// Plus a uniform random time up to this, microseconds; packets overtake each other.
    pub jitter_us: u64,
    /// Drop this many of a million.
    pub loss_ppm: u32,
    /// Send this many of a million twice.
    pub duplicate_ppm: u32,
    /// Flip one bit in this many of a million.
    pub corrupt_ppm: u32,
    /// At most this many bytes per second (a queue of 100 ms, then loss); 0 is no limit.
    pub rate_bytes: u64,
    /// Keep packets back until this is `false` again.
    pub hold: bool,
}

/// Packets of one link, or of all, since the start. When nothing is in flight,
/// `sent + duplicated = forwarded + cut + lost + down + overflowed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LinkStats {
    /// Delivered.
    pub forwarded: u64,
    /// Dropped because the link was cut.
    pub cut: u64,
    /// Dropped by loss or by the rate limit.
    pub lost: u64,
    /// Delayed, held, duplicated or corrupted.
    pub altered: u64,
    /// Handed to the wire by the sender.
    pub sent: u64,
    /// Copies made by duplication.
    pub duplicated: u64,
    /// Dropped because the receiving host was down.
    pub down: u64,
    /// Dropped because a queue of the wire or of the receiver's device was full: loss that nobody asked for.
    pub overflowed: u64,
    /// Bytes delivered.
    pub bytes: u64,
}

/// The settings of all links at one moment. Replaced as a whole, so that every packet is judged by one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    /// Counts the changes.
    pub(super) generation: u64,
    width: usize,
    links: Vec<Setting>,
}

/// A link's setting in a policy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Setting {
    /// As asked for.
    pub(super) link: Link,
    /// The generation in which it was last cut. What was sent before that and has not arrived never will, even if
    /// the link was healed in the meantime.
    pub(super) cut_in: u64,
}

impl Policy {
    pub(super) fn get(&self, from: usize, to: usize) -> Setting {
        if from < self.width && to < self.width { self.links[from * self.width + to] } else { Setting::default() }
    }

    /// The next policy, with these links changed. Ids beyond [`MAX_HOSTS`] name no host and are passed over.
    pub(super) fn with(&self, changes: &[(HostId, HostId, Link)]) -> Policy {
        let known = |(from, to, _): &&(HostId, HostId, Link)| from.0 < MAX_HOSTS && to.0 < MAX_HOSTS;
        let width = changes.iter().filter(known).map(|(from, to, _)| from.0.max(to.0) + 1).max().unwrap_or(0);
        let mut next = self.widened(width.max(self.width));
        next.generation = self.generation + 1;
        for (from, to, link) in changes.iter().filter(known) {
            let setting = &mut next.links[from.0 * next.width + to.0];
            if link.cut && !setting.link.cut {
                setting.cut_in = next.generation;
            }
            setting.link = *link;
        }
        next
    }

    fn widened(&self, width: usize) -> Policy {
        if width == self.width {
            return self.clone();
        }
        let cells = (0..width * width).map(|i| self.get(i / width, i % width));
        Policy { generation: self.generation, width, links: cells.collect() }
    }
}

/// Counters of all links. The switch writes, everybody reads; a sender's row exists once it has sent something.
pub(super) struct Counters {
    rows: Vec<OnceLock<Box<[Row]>>>,
}

/// Counters of one link.
#[derive(Default)]
pub(super) struct Row {
    pub(super) forwarded: Counter,
    pub(super) cut: Counter,
    pub(super) lost: Counter,
    pub(super) altered: Counter,
    pub(super) sent: Counter,
    pub(super) duplicated: Counter,
    pub(super) down: Counter,
    pub(super) overflowed: Counter,
    pub(super) bytes: Counter,
}

/// A number that one thread counts up and others read.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        // One writer, so no read-modify-write is needed.
        self.0.store(self.0.load(Relaxed) + n, Relaxed);
    }

    pub(super) fn raise_to(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).max(n), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    pub(super) fn new() -> Self {
        Counters { rows: (0..MAX_HOSTS).map(|_| OnceLock::new()).collect() }
    }

    /// The counters of one link. `from` and `to` are below [`MAX_HOSTS`].
    pub(super) fn link(&self, from: usize, to: usize) -> &Row {
        &self.rows[from].get_or_init(|| (0..MAX_HOSTS).map(|_| Row::default()).collect())[to]
    }

    pub(super) fn stats(&self, from: usize, to: usize) -> LinkStats {
        let row = self.rows.get(from).and_then(OnceLock::get).and_then(|row| row.get(to));
        row.map(Row::stats).unwrap_or_default()
    }

    pub(super) fn total(&self) -> LinkStats {
        let rows = self.rows.iter().filter_map(OnceLock::get).flat_map(|row| row.iter());
        rows.map(Row::stats).fold(LinkStats::default(), LinkStats::plus)
    }
}

impl Row {
    fn stats(&self) -> LinkStats {
        LinkStats {
            forwarded: self.forwarded.get(),
            cut: self.cut.get(),
            lost: self.lost.get(),
            altered: self.altered.get(),
            sent: self.sent.get(),
            duplicated: self.duplicated.get(),
            down: self.down.get(),
            overflowed: self.overflowed.get(),
            bytes: self.bytes.get(),
        }
    }
}

impl LinkStats {
    /// The sum of both, number by number.
    pub fn plus(self, other: LinkStats) -> LinkStats {
        LinkStats {
            forwarded: self.forwarded + other.forwarded,
            cut: self.cut + other.cut,
            lost: self.lost + other.lost,
            altered: self.altered + other.altered,
            sent: self.sent + other.sent,
            duplicated: self.duplicated + other.duplicated,
            down: self.down + other.down,
            overflowed: self.overflowed + other.overflowed,
            bytes: self.bytes + other.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Link = Link {
        cut: true,
        delay_us: 0,
        jitter_us: 0,
        loss_ppm: 0,
        duplicate_ppm: 0,
        corrupt_ppm: 0,
        rate_bytes: 0,
        hold: false,
    };

    #[test]
    fn a_policy_grows_with_the_ids_it_is_told_of_and_keeps_what_was_set() {
        let one = Policy::default().with(&[(HostId(0), HostId(1), CUT)]);
        let two = one.with(&[(HostId(5), HostId(0), CUT)]);
        assert_eq!(two.generation, 2);
        assert!(two.get(0, 1).link.cut && two.get(5, 0).link.cut);
        assert!(!two.get(1, 0).link.cut && !two.get(99, 3).link.cut);
    }

    #[test]
    fn healing_remembers_when_the_link_was_cut() {
        let cut = Policy::default().with(&[(HostId(0), HostId(1), CUT)]);
        let again = cut.with(&[(HostId(0), HostId(1), CUT)]);
        let healed = again.with(&[(HostId(0), HostId(1), Link::default())]);
        assert_eq!((healed.get(0, 1).cut_in, healed.generation), (1, 3));
    }

    #[test]
    fn ids_that_name_no_host_are_passed_over() {
        let policy = Policy::default().with(&[(HostId(usize::MAX), HostId(0), CUT)]);
        assert_eq!((policy.generation, policy.width), (1, 0));
    }
}
