//! What hosts get of their own besides a network: clocks and disks, where faults of the schedule need them and the machine
//! offers them.
//!
//! Faults of clocks and disks, and power cuts, *need* such hosts: where they cannot be had the run is refused before it
//! starts, or goes on without those faults (`--allow-degraded`) and says so. A machine crash only *wants* a disk: without
//! one it loses no data that was written and not fsynced, which a real crash would; that is told as well.
//!
//! Two needs have two answers. Clocks of the trap tier, which monotonic clocks need, cost programs more than others, so they are
//! had only where they are [asked for](crate::run::RunSpec::trap_clocks); and disks that fail, and lose nothing, are had
//! without simulated disks too, by answering the nodes' file operations.

use std::collections::{BTreeMap, BTreeSet};

use nemesis::clock::ClockTier;
use nemesis::disk::{FilesSpec, Operation};
use nemesis::doctor;
use nemesis::fault::{Fault, FaultName, Need};
use nemesis::hosts::Rung;
use nemesis::schedule::Schedule;

use crate::failure::Failure;

/// What hosts of nodes have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Equipment {
    /// Clocks, and which.
    pub clock: Option<ClockTier>,
    /// A disk.
    pub disk: bool,
    /// Without one: the operations on their files that can fail.
    pub files: BTreeSet<Operation>,
    /// What was wanted and is not to be had here, and why.
    pub lacking: BTreeMap<Need, String>,
    /// What faults need that were asked for: whether they are drawn or not, a machine that cannot have them is told of.
    pub asked: BTreeSet<Need>,
}

impl Equipment {
    /// What a schedule can use that was drawn from these faults; the trap tier of clocks only if it is `trapped`.
    pub fn wanted(schedule: &Schedule, asked: &[FaultName], trapped: bool) -> Self {
        let needs = |need| schedule.faults().any(|fault| fault.needs() == Some(need));
        let crashes = schedule.faults().any(|fault| matches!(fault, Fault::Crash { .. }));
        let asked = asked.iter().filter_map(|fault| fault.needs()).collect();
        let clock = match (needs(Need::Clock), needs(Need::MonotonicClock)) {
            (true, _) | (_, true) if trapped => Some(ClockTier::Trap),
            (true, _) => Some(ClockTier::Vdso),
            (false, _) => None,
        };
        let disk = needs(Need::Disk) || needs(Need::FailingDisk) || crashes;
        Equipment { clock, disk, files: failing(schedule), lacking: BTreeMap::new(), asked }
    }

    /// As much of it as hosts that are made so can have. A machine may make such a host and still not let programs start
    /// on it, so this is tried before the nodes' hosts are made.
    pub fn offered(self, rung: Rung) -> Self {
        self.offered_by(|need| doctor::offers(need, rung))
    }

    fn offered_by(mut self, offers: impl Fn(Need) -> Result<(), String>) -> Self {
        let is_asked = |need| self.asked.contains(&need);
        let mut lacks = |need| offers(need).err().map(|why| self.lacking.insert(need, why)).is_some();
        if (self.clock == Some(ClockTier::Trap) || is_asked(Need::MonotonicClock)) && lacks(Need::MonotonicClock) {
            self.clock = self.clock.map(|_| ClockTier::Vdso);
        }
        let with_trap = self.clock == Some(ClockTier::Trap);
        if (self.clock.is_some() || is_asked(Need::Clock)) && !with_trap && lacks(Need::Clock) {
            self.clock = None;
        }
        let failing = !self.files.is_empty() || is_asked(Need::FailingDisk);
        if (self.disk || is_asked(Need::Disk) || failing) && lacks(Need::Disk) {
            self.disk = false;
            if failing && lacks(Need::FailingDisk) {
                self.files.clear();
            }
        } else {
            self.files.clear();
        }
        self
    }

    /// The same and less, best first, to be tried one after the other.
    pub fn ladder(&self) -> Vec<Equipment> {
        let all = [(true, true), (true, false), (false, true), (false, false)];
        let mut ladder: Vec<Equipment> = Vec::new();
        for (clock, disk) in all {
            let (clock, disk) = (self.clock.filter(|_| clock), disk && self.disk);
            let rung = Equipment { clock, disk, lacking: BTreeMap::new(), ..self.clone() };
            if !ladder.contains(&rung) {
                ladder.push(rung);
            }
        }
        ladder
    }

    /// This much is to be had of what was `wanted`, because of `why`.
    pub fn instead_of(mut self, wanted: &Equipment, why: &str) -> Self {
        let clocks =
            [Need::Clock, Need::MonotonicClock].map(|need| (need, wanted.clock.is_some() && self.clock.is_none()));
        let disks = [Need::Disk, Need::FailingDisk].map(|need| (need, wanted.disk && !self.disk));
        let lost = clocks.into_iter().chain(disks).filter(|(_, lost)| *lost);
        self.lacking.extend(lost.map(|(need, _)| (need, why.to_owned())));
        self
    }

    /// Why a fault cannot be had, if so.
    pub fn refuses(&self, fault: &Fault) -> Option<String> {
        self.lacks(fault.needs()?)
    }

    fn lacks(&self, need: Need) -> Option<String> {
        self.lacking.get(&need).map(|why| format!("this machine offers no {}: {why}", thing(need)))
    }

    /// Refuses a schedule and what it was drawn from, by the names of the faults that cannot be had: whether a fault is in it
    /// must not depend on the seed.
    pub fn check(&self, schedule: &Schedule, asked: &[FaultName]) -> Result<(), Failure> {
        let drawn = schedule.faults().filter_map(|fault| Some((fault.name(), self.refuses(fault)?)));
        let named = asked.iter().filter_map(|fault| Some((fault.as_str(), self.lacks(fault.needs()?)?)));
        let mut refused: Vec<(&str, String)> = drawn.chain(named).collect();
        refused.sort();
        refused.dedup();
        let Some((_, why)) = refused.first() else { return Ok(()) };
        let names: Vec<&str> = refused.iter().map(|(name, _)| *name).collect();
        Err(Failure::usage(format!("{} cannot be had here: {why}", names.join(", "))).help(
            "see `splitbrain doctor` for the remedy; choose other --faults; or --allow-degraded to run without them",
        ))
    }

    /// What the reader of a verdict should know.
    pub fn notes(&self, schedule: &Schedule) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.files.is_empty() {
            let how = "faults of disks are answered system calls, as this machine offers no simulated disks: \
                       memory-mapped files do not suffer them";
            notes.push(how.to_owned());
        }
        let crashes = schedule.faults().any(|fault| matches!(fault, Fault::Crash { .. }));
        for (need, why) in &self.lacking {
            let lost: Vec<FaultName> =
                schedule.faults().filter(|fault| fault.needs() == Some(*need)).map(Fault::fault_name).collect();
            if !lost.is_empty() {
                let named = counted(&lost);
                notes.push(format!("degraded: left out {named}, as this machine offers no {} ({why})", things(*need)));
            }
            if crashes && *need == Need::Disk {
                notes.push(format!(
                    "crashes lost no data that was not fsynced: this machine offers no simulated disks ({why})"
                ));
            }
        }
        notes
    }

    /// How many faults of a schedule cannot be had.
    pub fn left_out(&self, schedule: &Schedule) -> u64 {
        schedule.faults().filter(|fault| self.refuses(fault).is_some()).count() as u64
    }
}

/// `clock-freeze, clock-jump (3 times)`.
fn counted(faults: &[FaultName]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    faults.iter().for_each(|fault| *counts.entry(fault.as_str()).or_default() += 1);
    let told = counts.into_iter().map(|(name, count)| match count {
        1 => name.to_owned(),
        count => format!("{name} ({count} times)"),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn thing(need: Need) -> &'static str {
    match need {
        Need::Clock => "clock per node",
        Need::MonotonicClock => "monotonic clock per node",
        Need::Disk => "simulated disk",
        Need::FailingDisk => "disk that fails",
    }
}

fn things(need: Need) -> &'static str {
    match need {
        Need::Clock => "clocks per node",
        Need::MonotonicClock => "monotonic clocks per node",
        Need::Disk => "simulated disks",
        Need::FailingDisk => "disks that fail",
    }
}

/// The operations that faults are to hit which can be had without a simulated disk.
fn failing(schedule: &Schedule) -> BTreeSet<Operation> {
    let operations = |fault: &Fault| match fault {
        Fault::Disk { misbehaves, .. } => FilesSpec::operations_of(misbehaves),
        _ => None,
    };
    schedule.faults().filter_map(operations).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis::disk::{DiskFault, Effect, ErrorKind, PowerCut};
    use nemesis::fault::{ClockFault, Target};
    use nemesis::schedule::Step;

    fn schedule(faults: Vec<Fault>) -> Schedule {
        Schedule { steps: faults.into_iter().map(|fault| Step::inject(0, fault, 1)).collect() }
    }

    #[test]
    fn a_crash_wants_a_disk_and_a_power_cut_needs_one() {
        let crash = schedule(vec![Fault::Crash { target: Target::All }]);
        let cut = schedule(vec![Fault::PowerCut { target: Target::All, cut: PowerCut::DROP }]);
        for (schedule, refused) in [(&crash, false), (&cut, true)] {
            let wanted = Equipment::wanted(schedule, &[], true);
            assert_eq!((wanted.clock, wanted.disk, wanted.ladder().len()), (None, true, 2));
            let had = wanted.ladder().remove(1).instead_of(&wanted, "no /dev/fuse");
            assert_eq!(had.check(schedule, &[]).is_err(), refused);
            assert_eq!(had.notes(schedule).len(), 1);
        }
        assert_eq!(Equipment::wanted(&schedule(Vec::new()), &[], true), Equipment::default());
    }

    #[test]
    fn what_is_not_offered_is_not_tried() {
        let schedule = schedule(vec![
            Fault::Clock { target: Target::All, change: ClockFault::Freeze },
            Fault::Crash { target: Target::All },
        ]);
        let asked = std::cell::RefCell::new(Vec::new());
        let offers = |need| {
            asked.borrow_mut().push(need);
            if need == Need::Clock { Err("busy".to_owned()) } else { Ok(()) }
        };
        let had = Equipment::wanted(&schedule, &[], false).offered_by(offers);
        assert_eq!((had.clock, had.disk, had.check(&schedule, &[]).is_err()), (None, true, true));
        assert_eq!(asked.take(), [Need::Clock, Need::Disk]);
        assert_eq!(Equipment::default().offered_by(offers), Equipment::default());
        assert_eq!(asked.take(), [], "what is not wanted is not tried");
    }

    #[test]
    fn what_was_asked_for_is_refused_whether_it_was_drawn_or_not() {
        let schedule = schedule(vec![Fault::Kill { target: Target::All }]);
        let asked = [FaultName::Kill, FaultName::DiskFull, FaultName::DiskSlow];
        let had = Equipment::wanted(&schedule, &asked, false).offered_by(|_| Err("no /dev/fuse".to_owned()));
        let refused = had.check(&schedule, &asked).map_err(|failure| failure.what);
        let what = "disk-full, disk-slow cannot be had here: this machine offers no disk that fails: no /dev/fuse";
        assert_eq!(refused, Err(what.to_owned()));
        assert_eq!((had.notes(&schedule), had.left_out(&schedule)), (vec![], 0), "nothing was left out");
    }

    #[test]
    fn what_is_left_out_is_named() {
        let freeze = || Fault::Clock { target: Target::All, change: ClockFault::Freeze };
        let schedule = schedule(vec![freeze(), freeze(), Fault::Kill { target: Target::All }]);
        let had = Equipment::wanted(&schedule, &[], false).offered_by(|_| Err("no ptrace".to_owned()));
        let note = "degraded: left out clock-freeze (2 times), as this machine offers no clocks per node (no ptrace)";
        assert_eq!((had.notes(&schedule), had.left_out(&schedule)), (vec![note.to_owned()], 2));
    }

    #[test]
    fn monotonic_clocks_are_refused_where_only_the_others_can_be_had() {
        let clock = |change| Fault::Clock { target: Target::All, change };
        let schedule = schedule(vec![clock(ClockFault::Freeze), clock(ClockFault::MonotonicFreeze)]);
        let offers = |need| if need == Need::MonotonicClock { Err("an old processor".to_owned()) } else { Ok(()) };
        let had = Equipment::wanted(&schedule, &[], true).offered_by(offers);
        assert_eq!(had.clock, Some(ClockTier::Vdso));
        let refused = had.check(&schedule, &[]).map_err(|failure| failure.what).unwrap_err();
        assert!(refused.starts_with("clock-monotonic-freeze cannot be had here"), "{refused}");
        assert_eq!(Equipment::wanted(&schedule, &[], true).offered_by(|_| Ok(())).clock, Some(ClockTier::Trap));
        assert_eq!(Equipment::wanted(&schedule, &[], false).clock, Some(ClockTier::Vdso));
    }

    #[test]
    fn disks_that_fail_and_lose_nothing_can_be_had_without_disks() {
        let disk = |fault: DiskFault| Fault::Disk { target: Target::All, misbehaves: fault };
        let eio = DiskFault::new(Effect::Error(ErrorKind::Eio)).on(&[Operation::Fsync]);
        let slow = DiskFault::new(Effect::Delay { us: 1, jitter_us: 0 }).on(&[Operation::Write]);
        let failing = schedule(vec![disk(eio.clone()), disk(slow)]);
        let no_fuse = |need| if need == Need::Disk { Err("no /dev/fuse".to_owned()) } else { Ok(()) };
        let had = Equipment::wanted(&failing, &[], false).offered_by(no_fuse);
        assert_eq!((had.disk, had.files.len(), had.check(&failing, &[]).is_ok()), (false, 2, true));
        assert_eq!(had.notes(&failing).len(), 1);
        assert!(Equipment::wanted(&failing, &[], false).offered_by(|_| Ok(())).files.is_empty());
        let lying = schedule(vec![disk(eio.clone()), disk(DiskFault::new(Effect::LyingFsync))]);
        let refused = Equipment::wanted(&lying, &[], false)
            .offered_by(no_fuse)
            .check(&lying, &[])
            .map_err(|f| f.what)
            .unwrap_err();
        assert!(refused.starts_with("lying-fsync cannot be had here"), "{refused}");
        let nothing = |_| Err("no seccomp".to_owned());
        let refused =
            Equipment::wanted(&failing, &[], false).offered_by(nothing).check(&failing, &[]).map_err(|f| f.what);
        assert!(refused.unwrap_err().starts_with("disk-error, disk-slow cannot be had here"));
        // What the kernel answers by itself, no agent is asked about.
        let lookups = schedule(vec![disk(eio.on(&[Operation::Lookup]))]);
        assert!(Equipment::wanted(&lookups, &[], false).offered_by(no_fuse).check(&lookups, &[]).is_err());
    }

    #[test]
    fn the_refusal_names_the_faults() {
        let schedule = schedule(vec![Fault::Clock { target: Target::All, change: ClockFault::Freeze }]);
        let wanted = Equipment::wanted(&schedule, &[], false);
        assert_eq!(wanted.check(&schedule, &[]).map_err(|failure| failure.what), Ok(()));
        let had = Equipment::default().instead_of(&wanted, "no ptrace");
        let refused = had.check(&schedule, &[]).map_err(|failure| failure.what);
        assert_eq!(
            refused,
            Err("clock-freeze cannot be had here: this machine offers no clock per node: no ptrace".into())
        );
    }
}
