//! How much: what a step says of bad links, on top of what is usual for their kind.

use toml::Spanned;

use super::{RawStep, Reader, ScheduleError, Target};
use crate::fault::{Fault, LinkKind, Reach};
use crate::schedule::amounts::{Share, Short};
use crate::wire::Link;

impl Reader<'_> {
    /// Bad links; of all nodes, among nodes, both ways, unless it is said otherwise.
    pub(super) fn link(&self, step: &RawStep, kind: LinkKind) -> Result<Fault, ScheduleError> {
        let target = step.target.as_ref().map_or(Ok(Target::All), |target| self.names(step, target))?;
        let peers = step.peers.as_ref().map(|peers| *peers.get_ref()).unwrap_or_default();
        let direction = step.direction.as_ref().map(|direction| *direction.get_ref()).unwrap_or_default();
        let link = amounts(kind.usual(), step);
        if kind == LinkKind::RateLimit && link.rate_bytes == 0 {
            let place = step.rate_bytes.as_ref().map_or(0..0, Spanned::span);
            let what = "a rate of 0 bytes a second".to_owned();
            return Err(self.error(place, what, "give a rate above 0, or use fault = \"hold\""));
        }
        if kind == LinkKind::Flapping && (link.flap_down_us == 0 || link.flap_up_us == 0) {
            let place = step.down.as_ref().or(step.up.as_ref()).map_or(0..0, Spanned::span);
            let what = "a flapping link is down and up for some time each".to_owned();
            return Err(self.error(place, what, "give times above 0, or use a partition"));
        }
        Ok(Fault::Link { kind, link, reach: Reach { target, peers, direction } })
    }
}

/// What is usual, changed to what the step says.
fn amounts(usual: Link, step: &RawStep) -> Link {
    let time = |field: &Option<Spanned<Short>>, usual: u64| field.as_ref().map_or(usual, |time| time.get_ref().0);
    let share = |field: &Option<Spanned<Share>>, usual: u32| field.as_ref().map_or(usual, |share| share.get_ref().0);
    let number = |field: &Option<Spanned<u64>>, usual: u64| field.as_ref().map_or(usual, |number| *number.get_ref());
    let correlation = share(&step.correlation, 0);
    Link {
        delay_us: time(&step.delay, usual.delay_us),
        jitter_us: time(&step.jitter, usual.jitter_us),
        shape: step.shape.as_ref().map_or(usual.shape, |shape| *shape.get_ref()),
        jitter_correlation_ppm: if usual.jitter_us > 0 { correlation } else { 0 },
        in_order: step.in_order.as_ref().map_or(usual.in_order, |in_order| *in_order.get_ref()),
        loss_ppm: share(&step.loss, usual.loss_ppm),
        loss_correlation_ppm: if usual.loss_ppm > 0 { correlation } else { 0 },
        duplicate_ppm: share(&step.duplicate, usual.duplicate_ppm),
        reorder_ppm: share(&step.reorder, usual.reorder_ppm),
        reorder_us: time(&step.reorder_by, usual.reorder_us),
        corrupt_ppm: share(&step.corrupt, usual.corrupt_ppm),
        rate_bytes: number(&step.rate_bytes, usual.rate_bytes),
        burst_bytes: number(&step.burst_bytes, usual.burst_bytes),
        flap_down_us: time(&step.down, usual.flap_down_us),
        flap_up_us: time(&step.up, usual.flap_up_us),
        ..usual
    }
}
