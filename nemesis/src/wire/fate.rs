//! What becomes of one packet: a pure function of the link's setting and of the packet's draws.

use rand::Rng;

use super::link::{Link, MILLION, Shape};
use crate::seed::{ChaCha8Rng, scaled};

/// Everything random about one packet. Always the same number of draws, whatever is set and even if the link is cut,
/// so that what happens to the k-th packet of a link depends on the seed, the link, k and the settings of that moment,
/// and on nothing that happened before. With a correlation it also depends on the packets before, and so on what was
/// set for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draws {
    loss: u32,
    duplicate: u32,
    corrupt: u32,
    bit: u32,
    jitter: u64,
    reorder: u32,
    same_loss: u32,
    same_jitter: u32,
}

impl Draws {
    pub(super) fn next(stream: &mut ChaCha8Rng) -> Self {
        let mut halves = || {
            let both = stream.next_u64();
            (both as u32, (both >> 32) as u32)
        };
        let ((loss, duplicate), (corrupt, bit)) = (halves(), halves());
        let ((reorder, same_loss), (same_jitter, _)) = (halves(), halves());
        Draws { loss, duplicate, corrupt, bit, jitter: stream.next_u64(), reorder, same_loss, same_jitter }
    }

    /// The same packet after `before`: what is correlated sticks with the chance that is set. Drawing the old number
    /// again, rather than mixing it with the new one, keeps each packet's distribution what it is without correlation.
    pub(super) fn after(self, before: Option<Draws>, link: &Link) -> Self {
        let Some(before) = before else { return self };
        let loss = if hits(self.same_loss, link.loss_correlation_ppm) { before.loss } else { self.loss };
        let jitter = if hits(self.same_jitter, link.jitter_correlation_ppm) { before.jitter } else { self.jitter };
        Draws { loss, jitter, ..self }
    }

    /// Whether the link loses it.
    pub(super) fn lost(&self, link: &Link) -> bool {
        hits(self.loss, link.loss_ppm)
    }

    /// Whether the link doubles it.
    pub(super) fn duplicated(&self, link: &Link) -> bool {
        hits(self.duplicate, link.duplicate_ppm)
    }

    /// Whether later packets are to overtake it.
    pub(super) fn reordered(&self, link: &Link) -> bool {
        link.reorder_us > 0 && hits(self.reorder, link.reorder_ppm)
    }

    /// Which bit of how many the link flips, if any.
    pub(super) fn corrupted(&self, link: &Link, bits: usize) -> Option<usize> {
        (bits > 0 && hits(self.corrupt, link.corrupt_ppm)).then(|| self.bit as usize % bits)
    }

    /// How long the link takes for it, nanoseconds, without its queue and without reordering.
    pub(super) fn delay_ns(&self, link: &Link) -> u64 {
        let (base_ns, jitter_ns) = (link.delay_us.saturating_mul(1000), link.jitter_us.saturating_mul(1000));
        if jitter_ns == 0 {
            return base_ns;
        }
        match link.shape {
            Shape::Uniform => base_ns.saturating_add(scaled(self.jitter, jitter_ns)),
            Shape::Normal => (base_ns as f64 + jitter_ns as f64 * normal(self.jitter)) as u64,
            Shape::Exponential => base_ns.saturating_add((jitter_ns as f64 * exponential(self.jitter)) as u64),
            Shape::Pareto => base_ns.saturating_add((jitter_ns as f64 * lomax(self.jitter)) as u64),
        }
    }
}

/// About normal with mean 0 and variance 1: the sum of four uniform numbers (Irwin and Hall), each a quarter of the draw.
fn normal(draw: u64) -> f64 {
    let quarters = [draw, draw >> 16, draw >> 32, draw >> 48].map(|quarter| (quarter & 0xffff) as f64 + 0.5);
    // Four numbers of mean 1/2 and variance 1/12.
    (quarters.iter().sum::<f64>() / 65_536.0 - 2.0) * 3f64.sqrt()
}

/// Exponential with mean 1, by inversion.
fn exponential(draw: u64) -> f64 {
    (-uniform(draw).ln()).min(20.0)
}

/// Pareto type II with shape 2 and scale 1, by inversion.
fn lomax(draw: u64) -> f64 {
    (1.0 / uniform(draw).sqrt() - 1.0).min(100.0)
}

/// Above 0, at most 1.
fn uniform(draw: u64) -> f64 {
    ((draw >> 11) + 1) as f64 / (1u64 << 53) as f64
}

fn hits(draw: u32, ppm: u32) -> bool {
    (u64::from(draw) * u64::from(MILLION)) >> 32 < u64::from(ppm)
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

    /// Mean and standard deviation of a hundred thousand delays, in units of the jitter.
    fn moments(shape: Shape) -> (f64, f64, f64) {
        let mut stream = Seed(4).stream("test");
        let link = Link { delay_us: 1_000_000, jitter_us: 1000, shape, ..Link::default() };
        let delays: Vec<f64> =
            (0..100_000).map(|_| Draws::next(&mut stream).delay_ns(&link) as f64 / 1e6 - 1000.0).collect();
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        let variance = delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / delays.len() as f64;
        let most = delays.iter().copied().fold(f64::MIN, f64::max);
        (mean, variance.sqrt(), most)
    }

    #[test]
    fn each_shape_has_its_mean_and_spread() {
        let (mean, deviation, most) = moments(Shape::Normal);
        assert!(mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02 && most < 3.5, "{mean} {deviation} {most}");
        let (mean, deviation, most) = moments(Shape::Exponential);
        assert!((mean - 1.0).abs() < 0.02 && (deviation - 1.0).abs() < 0.03 && most > 8.0, "{mean} {deviation} {most}");
        let (mean, _, most) = moments(Shape::Pareto);
        // Its mean is 1 without the bound and less than a hundredth below with it; it converges slowly.
        assert!((mean - 0.99).abs() < 0.05 && most > 50.0 && most <= 100.0, "{mean} {most}");
    }

    #[test]
    fn a_delay_is_never_negative() {
        let mut stream = Seed(5).stream("test");
        let link = Link { delay_us: 1, jitter_us: 1000, shape: Shape::Normal, ..Link::default() };
        let delays: Vec<u64> = (0..1000).map(|_| Draws::next(&mut stream).delay_ns(&link)).collect();
        assert!(delays.contains(&0) && delays.iter().any(|d| *d > 1_000_000));
    }

    #[test]
    fn correlated_losses_come_in_bursts_and_are_as_many() {
        let lost_and_runs = |loss_correlation_ppm| {
            let mut stream = Seed(6).stream("test");
            let link = Link { loss_ppm: 200_000, loss_correlation_ppm, ..Link::default() };
            let mut before = None;
            let mut lost = Vec::new();
            for _ in 0..100_000 {
                let draws = Draws::next(&mut stream).after(before, &link);
                before = Some(draws);
                lost.push(draws.lost(&link));
            }
            let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            (lost.iter().filter(|lost| **lost).count(), runs)
        };
        let ((alone, single), (together, bursts)) = (lost_and_runs(0), lost_and_runs(750_000));
        assert!((19_000..21_000).contains(&alone) && (18_000..22_000).contains(&together), "{alone} {together}");
        // A run ends with the chance that a fresh number is drawn and does not lose: 0.25 × 0.8 instead of 0.8.
        assert!((3.5..4.5).contains(&(single as f64 / bursts as f64)), "{single} {bursts}");
    }
}
