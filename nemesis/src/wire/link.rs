//! What is set for each link, and what each link did.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::hosts::HostId;

/// Hosts of one run at most: addresses of a /24 without its first and last.
pub const MAX_HOSTS: usize = 254;
/// The whole, where parts are counted in millionths.
pub(super) const MILLION: u32 = 1_000_000;

/// What happens to packets from one host to another. Its default: forwarded at once.
///
/// Several faults may want something of one link at a time: [`Link::and`] says what comes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Link {
    /// Drop everything.
    #[serde(skip_serializing_if = "is_default")]
    pub cut: bool,
    /// The link is cut for `flap_down_us` at a time, and is otherwise as all else says for `flap_up_us`, beginning with
    /// the cut when the link's setting last changed. Both or neither are 0.
    #[serde(skip_serializing_if = "is_default")]
    pub flap_down_us: u64,
    /// See `flap_down_us`.
    #[serde(skip_serializing_if = "is_default")]
    pub flap_up_us: u64,
    /// Answer every TCP packet with a reset, to both ends, as a firewall that rejects does. What is not TCP is dropped.
    #[serde(skip_serializing_if = "is_default")]
    pub reset: bool,
    /// Keep packets back until this is `false` again.
    #[serde(skip_serializing_if = "is_default")]
    pub hold: bool,
    /// Hold each packet this long, microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub delay_us: u64,
    /// Plus a random time of this size, microseconds, as `shape` says.
    #[serde(skip_serializing_if = "is_default")]
    pub jitter_us: u64,
    /// How the random time is distributed.
    #[serde(skip_serializing_if = "is_default")]
    pub shape: Shape,
    /// So many of a million packets have the random time of the packet before.
    #[serde(skip_serializing_if = "is_default")]
    pub jitter_correlation_ppm: u32,
    /// No packet leaves before one that was sent earlier. Otherwise jitter lets packets overtake each other.
    #[serde(skip_serializing_if = "is_default")]
    pub in_order: bool,
    /// Drop this many of a million.
    #[serde(skip_serializing_if = "is_default")]
    pub loss_ppm: u32,
    /// So many of a million packets have the fate of the packet before: losses come in bursts, and are as many.
    #[serde(skip_serializing_if = "is_default")]
    pub loss_correlation_ppm: u32,
    /// Send this many of a million twice.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate_ppm: u32,
    /// Hold this many of a million back for `reorder_us`, so that later packets overtake them.
    #[serde(skip_serializing_if = "is_default")]
    pub reorder_ppm: u32,
    /// How long, microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub reorder_us: u64,
    /// Flip one bit in this many of a million.
    #[serde(skip_serializing_if = "is_default")]
    pub corrupt_ppm: u32,
    /// Flip the bit in what the application sent, and make the checksum right again, so that nobody but the application
    /// can notice. Packets that carry nothing for an application are left alone.
    #[serde(skip_serializing_if = "is_default")]
    pub repair_checksums: bool,
    /// At most this many bytes per second (a queue of 100 ms, then loss); 0 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub rate_bytes: u64,
    /// A link that was idle passes this many bytes at once before the limit holds: the size of the token bucket.
    #[serde(skip_serializing_if = "is_default")]
    pub burst_bytes: u64,
}

/// How the random part of a delay is distributed. `jitter` is [`Link::jitter_us`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Evenly between 0 and jitter.
    #[default]
    Uniform,
    /// Around 0 with a standard deviation of jitter, within 3.5 of them (a sum of four uniform numbers). A packet is
    /// never sent before it came.
    Normal,
    /// Exponential with mean jitter, at most 20 of it.
    Exponential,
    /// Pareto type II (Lomax) with shape 2 and scale jitter: mean jitter, no finite variance, at most 100 of it. Half of
    /// all packets take less than 0.42 jitter, one of a hundred more than 9.
    Pareto,
}

impl Link {
    /// What comes of two faults on one link: cut, held or reset if either wants it, delays add up, losses happen
    /// independently, the lower rate holds. Jitter has the shape of the larger one, flapping the rhythm of the one that
    /// is down longer at a time.
    pub fn and(self, other: Link) -> Link {
        let larger = if other.jitter_us > self.jitter_us { other } else { self };
        let slower = match (self.rate_bytes, other.rate_bytes) {
            (0, _) => other,
            (_, 0) => self,
            (a, b) => {
                if b < a {
                    other
                } else {
                    self
                }
            }
        };
        let flapping = if other.flap_down_us > self.flap_down_us { other } else { self };
        Link {
            cut: self.cut || other.cut,
            flap_down_us: flapping.flap_down_us,
            flap_up_us: flapping.flap_up_us,
            reset: self.reset || other.reset,
            hold: self.hold || other.hold,
            delay_us: self.delay_us.saturating_add(other.delay_us),
            jitter_us: self.jitter_us.saturating_add(other.jitter_us),
            shape: larger.shape,
            jitter_correlation_ppm: self.jitter_correlation_ppm.max(other.jitter_correlation_ppm),
            in_order: self.in_order || other.in_order,
            loss_ppm: either(self.loss_ppm, other.loss_ppm),
            loss_correlation_ppm: self.loss_correlation_ppm.max(other.loss_correlation_ppm),
            duplicate_ppm: either(self.duplicate_ppm, other.duplicate_ppm),
            reorder_ppm: either(self.reorder_ppm, other.reorder_ppm),
            reorder_us: self.reorder_us.max(other.reorder_us),
            corrupt_ppm: either(self.corrupt_ppm, other.corrupt_ppm),
            repair_checksums: self.repair_checksums || other.repair_checksums,
            rate_bytes: slower.rate_bytes,
            burst_bytes: slower.burst_bytes,
        }
    }
}

impl Link {
    /// Whether it is cut so long after its setting changed.
    pub(super) fn is_cut_after(&self, ns: u64) -> bool {
        let (down, up) = (u128::from(self.flap_down_us) * 1000, u128::from(self.flap_up_us) * 1000);
        self.cut || (down > 0 && u128::from(ns) % (down + up) < down)
    }
}

/// How many of a million either of two independent chances hits.
fn either(a: u32, b: u32) -> u32 {
    let (a, b) = (u64::from(a.min(MILLION)), u64::from(b.min(MILLION)));
    (a + b - a * b / u64::from(MILLION)) as u32
}

/// Whether there is nothing to write.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Packets of one link, or of all, since the start. When nothing is in flight,
        /// `sent + duplicated = forwarded + cut + rejected + lost + limited + down + overflowed`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct LinkStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// Counters of one link.
        #[derive(Default)]
        pub(super) struct Row {
            $(pub(super) $name: Counter,)*
        }

        impl Row {
            fn stats(&self) -> LinkStats {
                LinkStats { $($name: self.$name.get(),)* }
            }
        }

        impl LinkStats {
            /// The sum of both, number by number.
            pub fn plus(self, other: LinkStats) -> LinkStats {
                LinkStats { $($name: self.$name.saturating_add(other.$name),)* }
            }

            /// What came since `before`, number by number.
            pub fn since(self, before: LinkStats) -> LinkStats {
                LinkStats { $($name: self.$name.saturating_sub(before.$name),)* }
            }
        }
    };
}

counters! {
    /// Delivered.
    forwarded
    /// Dropped because the link was cut.
    cut
    /// Answered with resets, or dropped where that could not be.
    rejected
    /// Dropped by loss.
    lost
    /// Dropped by the rate limit.
    limited
    /// Sent later than they came: by delay, jitter, rate limit, hold or reordering.
    delayed
    /// By how much altogether, microseconds, as asked for; how late they were beyond that, [`Lag`](super::Lag) says.
    /// Time in a hold is not counted.
    delay_us
    /// Kept back by a hold.
    held
    /// Held back so that others overtake them.
    reordered
    /// With a bit flipped.
    corrupted
    /// Handed to the wire by the sender.
    sent
    /// Copies made by duplication.
    duplicated
    /// Dropped because the receiving host was down.
    down
    /// Dropped because a queue of the wire or of the receiver's device was full: loss that nobody asked for.
    overflowed
    /// Bytes delivered.
    bytes
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
    /// When it was set, on the clock of the policy's maker.
    pub(super) since: Option<Instant>,
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
        let now = Instant::now();
        for (from, to, link) in changes.iter().filter(known) {
            let setting = &mut next.links[from.0 * next.width + to.0];
            if link.cut && !setting.link.cut {
                setting.cut_in = next.generation;
            }
            if setting.link != *link {
                setting.since = Some(now);
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

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Link = Link { cut: true, ..OPEN };
    const OPEN: Link = Link {
        cut: false,
        flap_down_us: 0,
        flap_up_us: 0,
        reset: false,
        hold: false,
        delay_us: 0,
        jitter_us: 0,
        shape: Shape::Uniform,
        jitter_correlation_ppm: 0,
        in_order: false,
        loss_ppm: 0,
        loss_correlation_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_us: 0,
        corrupt_ppm: 0,
        repair_checksums: false,
        rate_bytes: 0,
        burst_bytes: 0,
    };

    #[test]
    fn two_faults_on_a_link_both_hold_and_the_order_does_not_matter() {
        let lossy = Link { loss_ppm: 500_000, delay_us: 10, rate_bytes: 1000, ..OPEN };
        let slow =
            Link { loss_ppm: 500_000, delay_us: 5, jitter_us: 7, shape: Shape::Pareto, rate_bytes: 2000, ..OPEN };
        let both = lossy.and(slow);
        assert_eq!(both, slow.and(lossy));
        assert_eq!((both.loss_ppm, both.delay_us, both.jitter_us), (750_000, 15, 7));
        assert_eq!((both.shape, both.rate_bytes), (Shape::Pareto, 1000));
        assert_eq!(OPEN.and(lossy), lossy);
        assert_eq!(OPEN, Link::default());
    }

    #[test]
    fn a_flapping_link_begins_with_a_cut() {
        let link = Link { flap_down_us: 2, flap_up_us: 3, ..OPEN };
        let down: Vec<u64> = (0..12).filter(|us| link.is_cut_after(us * 1000)).collect();
        assert_eq!(down, [0, 1, 5, 6, 10, 11]);
        assert!(!OPEN.is_cut_after(0) && CUT.is_cut_after(7));
    }

    #[test]
    fn only_what_is_set_is_written() {
        let link = Link { loss_ppm: 5, shape: Shape::Normal, ..OPEN };
        let text = serde_json::to_string(&link).expect("plain data");
        assert_eq!(text, r#"{"shape":"normal","loss_ppm":5}"#);
        assert_eq!(serde_json::from_str::<Link>(&text).expect("what was written"), link);
    }

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
