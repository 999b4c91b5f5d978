//! What becomes of one packet: a pure function of the link's setting and of the packet's draws.

use rand::Rng;

use super::link::Link;
use crate::seed::ChaCha8Rng;

/// Everything random about one packet. Always the same number of draws, whatever is set and even if the link is cut,
/// so that what happens to the k-th packet of a link depends on the seed, the link, k and the settings of that moment,
/// and on nothing that happened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draws {
    loss: u32,
    duplicate: u32,
    corrupt: u32,
    bit: u32,
    jitter: u64,
}

impl Draws {
    pub(super) fn next(stream: &mut ChaCha8Rng) -> Self {
        let (first, second) = (stream.next_u64(), stream.next_u64());
        Draws {
            loss: first as u32,
            duplicate: (first >> 32) as u32,
            corrupt: second as u32,
            bit: (second >> 32) as u32,
            jitter: stream.next_u64(),
        }
    }

    /// Whether the link loses it.
    pub(super) fn lost(&self, link: &Link) -> bool {
        hits(self.loss, link.loss_ppm)
    }

    /// Whether the link doubles it.
    pub(super) fn duplicated(&self, link: &Link) -> bool {
        hits(self.duplicate, link.duplicate_ppm)
    }

    /// Which bit of how many the link flips, if any.
    pub(super) fn corrupted(&self, link: &Link, bits: usize) -> Option<usize> {
        (bits > 0 && hits(self.corrupt, link.corrupt_ppm)).then(|| self.bit as usize % bits)
    }

    /// How long the link takes for it, nanoseconds, without its queue.
    pub(super) fn delay_ns(&self, link: &Link) -> u64 {
        let jitter_ns = link.jitter_us.saturating_mul(1000);
        // The high half of a 128-bit product maps the draw evenly onto 0..jitter.
        let jitter = (u128::from(self.jitter) * u128::from(jitter_ns)) >> 64;
        link.delay_us.saturating_mul(1000).saturating_add(jitter as u64)
    }
}

fn hits(draw: u32, ppm: u32) -> bool {
    (u64::from(draw) * 1_000_000) >> 32 < u64::from(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn rates_are_met_and_the_ends_are_exact() {
        let mut stream = Seed(1).stream("test");
        let link = Link { loss_ppm: 200_000, duplicate_ppm: 0, corrupt_ppm: 1_000_000, ..Link::default() };
        let draws: Vec<Draws> = (0..10_000).map(|_| Draws::next(&mut stream)).collect();
        let lost = draws.iter().filter(|d| d.lost(&link)).count();
        assert!((1_880..=2_120).contains(&lost), "{lost}");
        assert!(draws.iter().all(|d| !d.duplicated(&link) && d.corrupted(&link, 160).is_some_and(|bit| bit < 160)));
    }

    #[test]
    fn jitter_stays_in_its_range_and_fills_it() {
        let mut stream = Seed(2).stream("test");
        let link = Link { delay_us: 100, jitter_us: 50, ..Link::default() };
        let delays: Vec<u64> = (0..10_000).map(|_| Draws::next(&mut stream).delay_ns(&link)).collect();
        assert!(delays.iter().all(|d| (100_000..150_000).contains(d)));
        assert!(delays.iter().any(|d| *d < 101_000) && delays.iter().any(|d| *d > 149_000));
    }

    #[test]
    fn an_absurd_delay_does_not_overflow() {
        let mut stream = Seed(3).stream("test");
        let link = Link { delay_us: u64::MAX, jitter_us: u64::MAX, ..Link::default() };
        assert_eq!(Draws::next(&mut stream).delay_ns(&link), u64::MAX);
    }
}
