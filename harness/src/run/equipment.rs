//! What hosts get of their own besides a network: clocks and disks, where faults of the schedule need them and the machine
//! offers them.
//!
//! Faults of clocks and disks, and power cuts, *need* such hosts: where they cannot be had the run is refused before it
//! starts, or goes on without those faults (`--allow-degraded`) and says so. A machine crash only *wants* a disk: without
//! one it loses no data that was written and not fsynced, which a real crash would; that is told as well.

use std::collections::{BTreeMap, BTreeSet};

use nemesis::doctor;
use nemesis::fault::{Fault, FaultName, Need};
use nemesis::hosts::Rung;
use nemesis::schedule::Schedule;

use crate::failure::Failure;

/// What hosts of nodes have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Equipment {
    /// A clock.
    pub clock: bool,
    /// A disk.
    pub disk: bool,
    /// What was wanted and is not to be had here, and why.
    pub lacking: BTreeMap<Need, String>,
    /// What faults need that were asked for: whether they are drawn or not, a machine that cannot have them is told of.
    pub asked: BTreeSet<Need>,
}

impl Equipment {
    /// What a schedule can use that was drawn from these faults.
    pub fn wanted(schedule: &Schedule, asked: &[FaultName]) -> Self {
        let needs = |need| schedule.faults().any(|fault| fault.needs() == Some(need));
        let crashes = schedule.faults().any(|fault| matches!(fault, Fault::Crash { .. }));
        let asked = asked.iter().filter_map(|fault| fault.needs()).collect();
        Equipment { clock: needs(Need::Clock), disk: needs(Need::Disk) || crashes, lacking: BTreeMap::new(), asked }
    }

    /// As much of it as hosts that are made so can have. A machine may make such a host and still not let programs start
    /// on it, so this is tried before the nodes' hosts are made.
    pub fn offered(self, rung: Rung) -> Self {
        self.offered_by(|need| doctor::offers(need, rung))
    }

    fn offered_by(mut self, offers: impl Fn(Need) -> Result<(), String>) -> Self {
        for (need, wanted) in [(Need::Clock, &mut self.clock), (Need::Disk, &mut self.disk)] {
            if (*wanted || self.asked.contains(&need))
                && let Err(why) = offers(need)
            {
                *wanted = false;
                self.lacking.insert(need, why);
            }
        }
        self
    }

    /// The same and less, best first, to be tried one after the other.
    pub fn ladder(&self) -> Vec<Equipment> {
        let all = [(true, true), (true, false), (false, true), (false, false)];
        let rungs = all.map(|(clock, disk)| (clock && self.clock, disk && self.disk));
        let mut ladder: Vec<Equipment> = Vec::new();
        for (clock, disk) in rungs {
            let rung = Equipment { clock, disk, lacking: BTreeMap::new(), asked: self.asked.clone() };
            if !ladder.contains(&rung) {
                ladder.push(rung);
            }
        }
        ladder
    }

    /// This much is to be had of what was `wanted`, because of `why`.
    pub fn instead_of(mut self, wanted: &Equipment, why: &str) -> Self {
        if wanted.clock && !self.clock {
            self.lacking.insert(Need::Clock, why.to_owned());
        }
        if wanted.disk && !self.disk {
            self.lacking.insert(Need::Disk, why.to_owned());
        }
        self
    }

    /// Why a fault cannot be had, if so.
    pub fn refuses(&self, fault: &Fault) -> Option<String> {
        self.refuses_named(fault.fault_name())
    }

    fn refuses_named(&self, fault: FaultName) -> Option<String> {
        let need = fault.needs()?;
        self.lacking.get(&need).map(|why| format!("this machine offers no {}: {why}", thing(need)))
    }

    /// Refuses a schedule and what it was drawn from, by the names of the faults that cannot be had: whether a fault is in it
    /// must not depend on the seed.
    pub fn check(&self, schedule: &Schedule, asked: &[FaultName]) -> Result<(), Failure> {
        let all = schedule.faults().map(Fault::fault_name).chain(asked.iter().copied());
        let mut refused: Vec<(&str, String)> =
            all.filter_map(|fault| Some((fault.as_str(), self.refuses_named(fault)?))).collect();
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
        Need::Disk => "simulated disk",
    }
}

fn things(need: Need) -> &'static str {
    match need {
        Need::Clock => "clocks per node",
        Need::Disk => "simulated disks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis::disk::PowerCut;
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
            let wanted = Equipment::wanted(schedule, &[]);
            assert_eq!((wanted.clock, wanted.disk, wanted.ladder().len()), (false, true, 2));
            let had = wanted.ladder().remove(1).instead_of(&wanted, "no /dev/fuse");
            assert_eq!(had.check(schedule, &[]).is_err(), refused);
            assert_eq!(had.notes(schedule).len(), 1);
        }
        assert_eq!(Equipment::wanted(&schedule(Vec::new()), &[]), Equipment::default());
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
        let had = Equipment::wanted(&schedule, &[]).offered_by(offers);
        assert_eq!((had.clock, had.disk, had.check(&schedule, &[]).is_err()), (false, true, true));
        assert_eq!(asked.take(), [Need::Clock, Need::Disk]);
        assert_eq!(Equipment::default().offered_by(offers), Equipment::default());
        assert_eq!(asked.take(), [], "what is not wanted is not tried");
    }

    #[test]
    fn what_was_asked_for_is_refused_whether_it_was_drawn_or_not() {
        let schedule = schedule(vec![Fault::Kill { target: Target::All }]);
        let asked = [FaultName::Kill, FaultName::DiskFull, FaultName::DiskSlow];
        let had = Equipment::wanted(&schedule, &asked).offered_by(|_| Err("no /dev/fuse".to_owned()));
        let refused = had.check(&schedule, &asked).map_err(|failure| failure.what);
        let what = "disk-full, disk-slow cannot be had here: this machine offers no simulated disk: no /dev/fuse";
        assert_eq!(refused, Err(what.to_owned()));
        assert_eq!((had.notes(&schedule), had.left_out(&schedule)), (vec![], 0), "nothing was left out");
    }

    #[test]
    fn what_is_left_out_is_named() {
        let freeze = || Fault::Clock { target: Target::All, change: ClockFault::Freeze };
        let schedule = schedule(vec![freeze(), freeze(), Fault::Kill { target: Target::All }]);
        let had = Equipment::wanted(&schedule, &[]).offered_by(|_| Err("no ptrace".to_owned()));
        let note = "degraded: left out clock-freeze (2 times), as this machine offers no clocks per node (no ptrace)";
        assert_eq!((had.notes(&schedule), had.left_out(&schedule)), (vec![note.to_owned()], 2));
    }

    #[test]
    fn the_refusal_names_the_faults() {
        let schedule = schedule(vec![Fault::Clock { target: Target::All, change: ClockFault::Freeze }]);
        let wanted = Equipment::wanted(&schedule, &[]);
        assert_eq!(wanted.check(&schedule, &[]).map_err(|failure| failure.what), Ok(()));
        let had = Equipment::default().instead_of(&wanted, "no ptrace");
        let refused = had.check(&schedule, &[]).map_err(|failure| failure.what);
        assert_eq!(
            refused,
            Err("clock-freeze cannot be had here: this machine offers no clock per node: no ptrace".into())
        );
    }
}
