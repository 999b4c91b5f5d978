//! How much: what a step says of bad links, clocks and disks, on top of what is usual for their kind.

use toml::Spanned;

use super::{RawStep, Reader, ScheduleError, Target};
use crate::clock::Skew;
use crate::data::{DamageKind, FileDamage};
use crate::disk::{CutMode, DiskFault, Effect, ErrorKind, FILLING, Operation, PowerCut, WRITING};
use crate::fault::{ClockFault, Fault, FaultName, LinkKind, Reach, Shortage};
use crate::schedule::amounts::{Share, Short};
use crate::wire::Link;

/// More is no damage but another file.
const MOST_DAMAGE: u64 = 10_000;

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

    /// In which way a clock is wrong. How much has to be said: a jump that is usual for one system is nothing to another.
    pub(super) fn clock(
        &self,
        step: &RawStep,
        fault: FaultName,
        name: &Spanned<String>,
    ) -> Result<ClockFault, ScheduleError> {
        let say = |example: &str| {
            self.error(name.span(), format!("{fault} does not say how much"), &format!("add {example}"))
        };
        let still = step.by.as_ref().filter(|by| by.get_ref().0 == 0).map(Spanned::span);
        let nothing = still.or(step.ppm.as_ref().filter(|ppm| *ppm.get_ref() == 0).map(Spanned::span));
        if let Some(place) = nothing {
            let what = format!("a {fault} of nothing leaves the clock as it is");
            return Err(self.error(place, what, "say how wrong it is to be"));
        }
        let by = || step.by.as_ref().map(|by| by.get_ref().0);
        let drift = || -> Result<i64, ScheduleError> {
            let ppm = step.ppm.as_ref().ok_or_else(|| say("ppm = 500000"))?;
            let skew = Skew { drift_ppm: *ppm.get_ref(), ..Skew::default() };
            skew.check().map_err(|error| self.error(ppm.span(), error.to_string(), "give another ppm"))?;
            Ok(*ppm.get_ref())
        };
        Ok(match fault {
            FaultName::ClockDrift => ClockFault::Drift { ppm: drift()? },
            FaultName::ClockMonotonicDrift => ClockFault::MonotonicDrift { ppm: drift()? },
            FaultName::ClockMonotonicFreeze => ClockFault::MonotonicFreeze,
            FaultName::ClockMonotonicJump => {
                let by_ms = by().ok_or_else(|| say("by = \"2s\""))?;
                let place = step.by.as_ref().map_or(0..0, Spanned::span);
                let back =
                    || self.error(place, "a monotonic clock never goes back".to_owned(), "give a time without a minus");
                ClockFault::MonotonicJump { by_ms: u64::try_from(by_ms).map_err(|_| back())? }
            }
            FaultName::ClockStrobe => {
                let by_ms = by().ok_or_else(|| say("by = \"200ms\""))?;
                let period_us = step.period.as_ref().map_or(10_000, |period| period.get_ref().0);
                ClockFault::Strobe { by_ms, period_ms: (period_us / 1000).max(1) }
            }
            FaultName::ClockFreeze => ClockFault::Freeze,
            _ => ClockFault::Jump { by_ms: by().ok_or_else(|| say("by = \"-2s\""))? },
        })
    }

    /// What is left of what was not fsynced: nothing, unless it is said.
    pub(super) fn power_cut(&self, step: &RawStep) -> Result<PowerCut, ScheduleError> {
        let keep = step.keep.as_ref().map_or(0.5, |share| fraction(share.get_ref().0));
        let mode = match step.mode.as_ref().map(|mode| (mode.get_ref().as_str(), mode)) {
            None | Some(("drop", _)) => CutMode::Drop,
            Some(("prefix", _)) => CutMode::Prefix,
            Some(("subset", _)) => CutMode::Subset { probability: keep },
            Some(("torn", _)) => CutMode::Torn,
            Some((other, place)) => {
                let what = format!("there is no mode '{other}'");
                return Err(self.error(place.span(), what, "modes are drop, prefix, subset (with keep) and torn"));
            }
        };
        if let (Some(keep), false) = (&step.keep, matches!(mode, CutMode::Subset { .. })) {
            let what = "`keep` goes with mode = \"subset\"".to_owned();
            return Err(self.error(keep.span(), what, "remove `keep`, or change the mode"));
        }
        Ok(PowerCut { mode, seed: number(&step.seed, 0) })
    }

    /// Of what there is too little.
    pub(super) fn shortage(&self, step: &RawStep, fault: FaultName) -> Result<Shortage, ScheduleError> {
        Ok(match fault {
            FaultName::MemoryLimit => Shortage::Memory { headroom: number(&step.headroom_bytes, 16 << 20) },
            FaultName::DescriptorLimit => Shortage::Descriptors { headroom: number(&step.headroom, 10) },
            _ => {
                let ppm = step.cpu.as_ref().map_or(200_000, |share| share.get_ref().0);
                let percent = u8::try_from(ppm / 10_000).ok().filter(|percent| (1..=99).contains(percent));
                let place = step.cpu.as_ref().map_or(0..0, Spanned::span);
                let what = "a throttle leaves between 1% and 99%, in whole percents".to_owned();
                let remedy = "give another share, such as cpu = \"20%\"; or use fault = \"pause\"";
                let whole = percent.filter(|percent| u32::from(*percent) * 10_000 == ppm);
                Shortage::Cpu { percent: whole.ok_or_else(|| self.error(place, what, remedy))? }
            }
        })
    }

    /// Which files are damaged, and how: one bit of any, unless it is said.
    pub(super) fn file_damage(&self, step: &RawStep) -> Result<FileDamage, ScheduleError> {
        if let Some(count) = step.count.as_ref().filter(|count| !(1..=MOST_DAMAGE).contains(count.get_ref())) {
            let what = format!("{} pieces of damage", count.get_ref());
            return Err(self.error(count.span(), what, &format!("give a count from 1 to {MOST_DAMAGE}")));
        }
        Ok(FileDamage {
            kind: step.damage.as_ref().map_or(DamageKind::FlipBits, |kind| *kind.get_ref()),
            path: step.path.as_ref().map(|path| path.get_ref().clone()),
            count: number(&step.count, 1),
            seed: number(&step.seed, 0),
        })
    }

    /// In which way a disk misbehaves.
    pub(super) fn disk(&self, step: &RawStep, fault: FaultName) -> Result<DiskFault, ScheduleError> {
        let usual = usual(fault, step);
        let misbehaves = DiskFault {
            operations: step.operations.as_ref().map_or(usual.operations.clone(), |some| some.get_ref().clone()),
            path: step.path.as_ref().map(|path| path.get_ref().clone()),
            probability: step.probability.as_ref().map_or(usual.probability, |share| fraction(share.get_ref().0)),
            count: step.at_most.as_ref().map(|count| *count.get_ref()).or(usual.count),
            seed: number(&step.seed, 0),
            ..usual
        };
        match misbehaves.complaint() {
            None => Ok(misbehaves),
            Some(what) if matches!(fault, FaultName::BitFlips) => {
                let place = step.bits.as_ref().map_or(0..0, Spanned::span);
                Err(self.error(place, what, "give another number of bits"))
            }
            Some(what) => {
                let place = step.operations.as_ref().map_or(0..0, Spanned::span);
                Err(self.error(place, what, "name other operations"))
            }
        }
    }
}

fn usual(fault: FaultName, step: &RawStep) -> DiskFault {
    let delay_us = step.delay.as_ref().map_or(100_000, |delay| delay.get_ref().0);
    let jitter_us = step.jitter.as_ref().map_or(0, |jitter| jitter.get_ref().0);
    match fault {
        FaultName::DiskFull => DiskFault::new(Effect::Error(ErrorKind::Enospc)).on(FILLING),
        FaultName::DiskSlow => DiskFault::new(Effect::Delay { us: delay_us, jitter_us }).on(WRITING),
        FaultName::DiskHang => DiskFault::new(Effect::Hang).on(WRITING),
        FaultName::LyingFsync => DiskFault::new(Effect::LyingFsync),
        FaultName::Fsyncgate => DiskFault::new(Effect::Fsyncgate).times(1),
        FaultName::BitFlips => {
            let bits = step.bits.as_ref().map_or(1, |bits| *bits.get_ref());
            DiskFault { probability: 0.05, ..DiskFault::new(Effect::FlipBits { bits }) }
        }
        FaultName::MisdirectedRead => DiskFault { probability: 0.05, ..DiskFault::new(Effect::MisdirectedRead) },
        FaultName::MisdirectedWrite => DiskFault { probability: 0.05, ..DiskFault::new(Effect::MisdirectedWrite) },
        FaultName::StaleRead => DiskFault { probability: 0.05, ..DiskFault::new(Effect::StaleRead) },
        _ => {
            let kind = step.error.as_ref().map_or(ErrorKind::Eio, |kind| *kind.get_ref());
            DiskFault::new(Effect::Error(kind)).on(&[Operation::Read, Operation::Write, Operation::Fsync])
        }
    }
}

fn fraction(ppm: u32) -> f64 {
    f64::from(ppm) / 1e6
}

fn number(field: &Option<Spanned<u64>>, usual: u64) -> u64 {
    field.as_ref().map_or(usual, |number| *number.get_ref())
}

/// What is usual, changed to what the step says.
fn amounts(usual: Link, step: &RawStep) -> Link {
    let time = |field: &Option<Spanned<Short>>, usual: u64| field.as_ref().map_or(usual, |time| time.get_ref().0);
    let share = |field: &Option<Spanned<Share>>, usual: u32| field.as_ref().map_or(usual, |share| share.get_ref().0);
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
