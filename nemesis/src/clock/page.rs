//! The state page: how a host's clocks differ from the machine's, in one page that all its processes read.
//!
//! ```text
//!   word 0       sequence: its lowest bit names the slot that counts
//!   word 1, 2    a mark and a number of this page, by which an injection is verified
//!   word 8..     slot 0:  clocks[16 bytes]  REALTIME group (5 words)  … MONOTONIC group  … RAW  … COARSE  … BOOTTIME
//!   word 72..    slot 1:  the same
//! ```
//!
//! `clocks[id]` is the word of the clock's group, counted from the start of its slot, or 0: this clock is the machine's.
//! The real-time clocks share a group, because they show one time. Each monotonic clock has its own, because each shows
//! another on the machine, and each must go on from what it showed. A group turns the machine's nanoseconds into the host's:
//!
//! ```text
//!   passed = machine − reference
//!   host   = origin + (passed × rate) / 2³²,  and strobe_by more while passed / strobe_period is odd
//! ```
//!
//! The rate has 32 binary places; 0 is a clock that stands still. A result before 1970 is 1970.
//!
//! The writer fills the slot that does not count, then raises the sequence, so a writer that dies in the middle has
//! changed nothing, and nobody ever waits for it. A reader that finds the sequence changed after its reading reads again.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

/// Size of the file; programs map the page of memory that holds it.
pub(crate) const BYTES: usize = 4096;
/// Words of the page.
pub(crate) const WORDS: usize = BYTES / 8;

const MARK: u64 = u64::from_le_bytes(*b"sb-clock");
const FIRST_SLOT: usize = 8;
const SLOT_WORDS: usize = 64;
const CLOCK_IDS: usize = 16;
const REALTIME_GROUP: usize = 2;
/// Of the monotonic clocks, in their order.
const MONOTONIC_GROUPS: [usize; 4] = [8, 14, 20, 26];
/// `CLOCK_REALTIME`, `CLOCK_REALTIME_COARSE`, `CLOCK_TAI`: setting a machine's clock changes these.
pub(crate) const REALTIME_CLOCKS: [usize; 3] = [0, 5, 11];
/// `CLOCK_MONOTONIC`, `_RAW`, `_COARSE`, `CLOCK_BOOTTIME`.
pub(crate) const MONOTONIC_CLOCKS: [usize; 4] = [1, 4, 6, 7];

/// One nanosecond a nanosecond.
pub(crate) const TRUE_RATE: i64 = 1 << 32;

/// How the clocks of one kind differ from the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The machine's time at which the host's was `origin`, ns.
    pub(crate) reference: i64,
    pub(crate) origin: i64,
    /// With 32 binary places.
    pub(crate) rate: i64,
    pub(crate) strobe_by: i64,
    /// 0: no strobe.
    pub(crate) strobe_period: u64,
}

impl Group {
    /// The host's time when the machine's is `real`, both in ns. Exactly what the machine code in `stub` computes.
    pub(crate) fn at(&self, real: i64) -> i64 {
        let passed = real.wrapping_sub(self.reference);
        let mut host = ((i128::from(passed) * i128::from(self.rate)) >> 32) as i64;
        host = host.wrapping_add(self.origin);
        let strobes = self.strobe_period != 0 && passed >= 0;
        if strobes && (passed as u64 / self.strobe_period) & 1 == 1 {
            host = host.wrapping_add(self.strobe_by);
        }
        host.max(0)
    }

    /// The machine's time from which on the host's is `host` or later, both in ns: where a wait until `host` ends. It may
    /// have been long ago; `None` is never, because the clock stands still before.
    pub(crate) fn when(&self, host: i64) -> Option<i64> {
        let Some(period) = i64::try_from(self.strobe_period).ok().filter(|period| *period > 0) else {
            return self.without_strobe(host);
        };
        let right = self.without_strobe(host).map(|at| self.in_phase(at, period, 0));
        let wrong = self.without_strobe(host.saturating_sub(self.strobe_by)).map(|at| self.in_phase(at, period, 1));
        right.into_iter().chain(wrong).min()
    }

    fn without_strobe(&self, host: i64) -> Option<i64> {
        let missing = i128::from(host) - i128::from(self.origin);
        match self.rate {
            0 if missing > 0 => None,
            0 => Some(self.reference),
            rate => {
                let (missing, rate) = (missing << 32, i128::from(rate));
                let passed = missing.div_euclid(rate) + i128::from(missing.rem_euclid(rate) != 0);
                let machine = i128::from(self.reference) + passed;
                Some(machine.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
            }
        }
    }

    /// The first time from `at` on at which a strobe is on this side. Before its reference it is on side 0.
    fn in_phase(&self, at: i64, period: i64, side: i64) -> i64 {
        let passed = at.saturating_sub(self.reference);
        match passed < 0 {
            true if side == 0 => at,
            true => self.reference.saturating_add(period),
            false if (passed / period) & 1 == side => at,
            false => self.reference.saturating_add((passed / period + 1).saturating_mul(period)),
        }
    }

    fn of_words(words: &[u64]) -> Group {
        Group {
            reference: words[0] as i64,
            origin: words[1] as i64,
            rate: words[2] as i64,
            strobe_by: words[3] as i64,
            strobe_period: words[4],
        }
    }

    fn words(&self) -> [u64; 5] {
        [self.reference as u64, self.origin as u64, self.rate as u64, self.strobe_by as u64, self.strobe_period]
    }
}

/// The groups of the monotonic clocks, in the order of [`MONOTONIC_CLOCKS`].
pub(crate) type Monotonic = [Group; MONOTONIC_CLOCKS.len()];

/// What one slot says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) realtime: Option<Group>,
    pub(crate) monotonic: Option<Monotonic>,
}

impl Slot {
    /// The slot that counts.
    pub(crate) fn read(words: &[AtomicU64]) -> Slot {
        loop {
            let sequence = words[0].load(Acquire);
            let first = FIRST_SLOT + SLOT_WORDS * (sequence & 1) as usize;
            let read: Vec<u64> = words[first..first + SLOT_WORDS].iter().map(|word| word.load(Relaxed)).collect();
            fence(Acquire);
            if words[0].load(Relaxed) == sequence {
                return Slot::of_words(&read);
            }
        }
    }

    /// How this clock differs from the machine's, if it does.
    pub(crate) fn group(&self, clock: i32) -> Option<Group> {
        let clock = usize::try_from(clock).ok()?;
        if REALTIME_CLOCKS.contains(&clock) {
            return self.realtime;
        }
        let position = MONOTONIC_CLOCKS.iter().position(|id| *id == clock)?;
        self.monotonic.map(|groups| groups[position])
    }

    fn of_words(words: &[u64]) -> Slot {
        let is_there = |id: usize| words[id / 8].to_le_bytes()[id % 8] != 0;
        let group = |at: usize| Group::of_words(&words[at..at + 5]);
        Slot {
            realtime: is_there(REALTIME_CLOCKS[0]).then(|| group(REALTIME_GROUP)),
            monotonic: is_there(MONOTONIC_CLOCKS[0]).then(|| MONOTONIC_GROUPS.map(group)),
        }
    }

    fn words(&self) -> [u64; SLOT_WORDS] {
        let mut words = [0; SLOT_WORDS];
        let mut clocks = [0u8; CLOCK_IDS];
        let mut put = |group: Group, word: usize, ids: &[usize]| {
            words[word..word + 5].copy_from_slice(&group.words());
            ids.iter().for_each(|id| clocks[*id] = word as u8);
        };
        if let Some(group) = self.realtime {
            put(group, REALTIME_GROUP, &REALTIME_CLOCKS);
        }
        for (i, group) in self.monotonic.into_iter().flatten().enumerate() {
            put(group, MONOTONIC_GROUPS[i], &MONOTONIC_CLOCKS[i..=i]);
        }
        words[0] = u64::from_le_bytes(clocks[..8].try_into().unwrap_or_default());
        words[1] = u64::from_le_bytes(clocks[8..].try_into().unwrap_or_default());
        words
    }
}

/// Marks a fresh page, whose clocks are the machine's.
pub(crate) fn prepare(words: &[AtomicU64], number: u64) {
    words[2].store(number, Relaxed);
    words[1].store(MARK, Release);
}

/// What a process that maps the page with this number finds in its first words, after the sequence.
pub(crate) fn signature(number: u64) -> [u64; 2] {
    [MARK, number]
}

/// Makes `slot` count, for all processes at once. One writer at a time.
pub(crate) fn publish(words: &[AtomicU64], slot: &Slot) {
    let sequence = words[0].load(Relaxed);
    let first = FIRST_SLOT + SLOT_WORDS * ((sequence + 1) & 1) as usize;
    // Whoever sees one of the following words sees the sequence of the publication before, too.
    fence(Release);
    for (word, value) in words[first..first + SLOT_WORDS].iter().zip(slot.words()) {
        word.store(value, Relaxed);
    }
    words[0].store(sequence + 1, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(rate: i64) -> Group {
        Group { reference: 1_000, origin: 5_000, rate, strobe_by: 0, strobe_period: 0 }
    }

    #[test]
    fn a_group_jumps_drifts_freezes_and_strobes() {
        assert_eq!(group(TRUE_RATE).at(1_500), 5_500);
        assert_eq!(group(TRUE_RATE * 3 / 2).at(1_500), 5_750);
        assert_eq!(group(TRUE_RATE * 3 / 2).at(0), 3_500);
        assert_eq!(group(0).at(i64::MAX), 5_000);
        let strobe = Group { strobe_by: 100, strobe_period: 10, ..group(TRUE_RATE) };
        assert_eq!([1_009, 1_010, 1_019, 1_020].map(|real| strobe.at(real)), [5_009, 5_110, 5_119, 5_020]);
        // Before its reference there is no strobe.
        assert_eq!(strobe.at(985), 4_985);
    }

    #[test]
    fn a_wait_ends_when_the_clock_shows_its_time_and_not_before() {
        let strobe = |by| Group { strobe_by: by, strobe_period: 10, ..group(TRUE_RATE) };
        let groups =
            [group(TRUE_RATE), group(TRUE_RATE * 3), group(TRUE_RATE / 3), strobe(100), strobe(-100), strobe(7)];
        for group in groups {
            for host in 4_900..5_300 {
                let when = group.when(host).unwrap();
                assert!(group.at(when) >= host, "{group:?} {host}: {when}");
                assert!((900..when).all(|before| group.at(before) < host), "{group:?} {host}: {when}");
            }
        }
        assert_eq!((group(0).when(5_000), group(0).when(5_001)), (Some(1_000), None));
        assert_eq!(group(1).when(i64::MAX), Some(i64::MAX));
    }

    #[test]
    fn there_is_no_time_before_1970() {
        assert_eq!(Group { origin: -9_000, ..group(TRUE_RATE) }.at(1_500), 0);
    }

    #[test]
    fn a_publication_fills_the_slot_that_does_not_count() {
        let words: Vec<AtomicU64> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        publish(&words, &Slot { realtime: Some(group(7)), monotonic: None });
        assert_eq!(words[0].load(Relaxed), 1);
        let second = FIRST_SLOT + SLOT_WORDS;
        assert_eq!(words[second].load(Relaxed).to_le_bytes(), [2, 0, 0, 0, 0, 2, 0, 0]);
        assert_eq!(words[second + 1].load(Relaxed).to_le_bytes(), [0, 0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(words[second + REALTIME_GROUP + 2].load(Relaxed), 7);
        assert!(words[FIRST_SLOT..second].iter().all(|word| word.load(Relaxed) == 0));
        assert_eq!(Slot::read(&words), Slot { realtime: Some(group(7)), monotonic: None });
        publish(&words, &Slot::default());
        assert_eq!(Slot::read(&words), Slot::default());
        assert_eq!(words[FIRST_SLOT].load(Relaxed), 0);
        assert_eq!(words[0].load(Relaxed), 2);
        let each = Slot { realtime: None, monotonic: Some([1, 2, 3, 4].map(group)) };
        publish(&words, &each);
        assert_eq!(Slot::read(&words), each);
        assert_eq!([0, 1, 4, 6, 7, 2].map(|clock| each.group(clock).map(|group| group.rate)), {
            [None, Some(1), Some(2), Some(3), Some(4), None]
        });
    }
}
