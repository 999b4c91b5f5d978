//! The limits of a host's processes: who had which, and who gets which. See [`resources`](super::super::resources).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use super::super::processes::Member;
use super::super::resources::Usage;
use crate::sys::limits::{self, Limited, UNLIMITED};
use crate::sys::process::page_bytes;

/// A program that nobody was before has started by then, and uses what it uses.
const SETTLED: Duration = Duration::from_millis(500);

/// The limits of one kind.
#[derive(Debug)]
pub(super) struct Limits {
    what: Limited,
    headroom: Option<u64>,
    /// By pid and moment of start.
    limited: BTreeMap<(i32, u64), Limit>,
    /// What the last main process was limited to.
    main: Option<u64>,
}

/// What a process was limited to, and what it had before.
#[derive(Clone, Copy, Debug)]
struct Limit {
    had: u64,
    set: u64,
}

impl Limits {
    pub(super) fn none(what: Limited) -> Limits {
        Limits { what, headroom: None, limited: BTreeMap::new(), main: None }
    }

    /// Whether there is anything to look after.
    pub(super) fn are_set(&self) -> bool {
        self.headroom.is_some()
    }

    /// Changes the headroom; the same one again changes nothing. `main` is what a main process before this machine's
    /// start was limited to.
    pub(super) fn set(&mut self, headroom: Option<u64>, main: Option<u64>, members: &[Member], main_pid: Option<i32>) {
        if headroom == self.headroom {
            return;
        }
        self.lift(members);
        self.headroom = headroom;
        self.main = main.filter(|_| headroom.is_some());
        self.enforce(members, main_pid, true);
    }

    /// Sees to it that each process has the limit that it should have. `at_once`: those too that have just started.
    pub(super) fn enforce(&mut self, members: &[Member], main_pid: Option<i32>, at_once: bool) {
        let Some(headroom) = self.headroom else { return };
        let alive: Vec<_> = members.iter().filter_map(|member| Some((member, started(member)?))).collect();
        for (member, start) in &alive {
            let main = main_pid == Some(member.pid);
            // What fails here fails because the process is gone, or because it has become another user's.
            let _ = self.limit(member, *start, main, headroom, at_once);
        }
        self.limited.retain(|key, _| alive.iter().any(|(member, start)| (member.pid, *start) == *key));
    }

    fn limit(&mut self, member: &Member, start: u64, main: bool, headroom: u64, at_once: bool) -> io::Result<()> {
        let now = limits::soft(member.pid, self.what)?;
        let key = (member.pid, start);
        let limit = match self.limited.get(&key) {
            Some(limit) => *limit,
            None => match self.fresh(member, start, main, headroom, (now, at_once))? {
                Some(limit) => limit,
                None => return Ok(()),
            },
        };
        if now != limit.set {
            limits::set_soft(member.pid, self.what, limit.set)?;
        }
        if main {
            self.main = Some(limit.set);
        }
        self.limited.insert(key, limit);
        Ok(())
    }

    /// The limit of a process that has none yet; none as long as it has only just started.
    fn fresh(
        &self,
        member: &Member,
        start: u64,
        main: bool,
        headroom: u64,
        (now, at_once): (u64, bool),
    ) -> io::Result<Option<Limit>> {
        // It has its parent's.
        if let Some(inherited) = self.limited.values().find(|limit| limit.set == now && limit.had != now) {
            return Ok(Some(*inherited));
        }
        let set = match self.main.filter(|_| main) {
            Some(before) => before,
            None if !at_once && age(start) < SETTLED => return Ok(None),
            None => self.room(member, headroom)?,
        };
        Ok(Some(Limit { had: now, set: set.min(now) }))
    }

    /// The limit that leaves so much room.
    fn room(&self, member: &Member, headroom: u64) -> io::Result<u64> {
        Ok(match self.what {
            Limited::Memory => mapped(member)?.saturating_add(headroom),
            Limited::Descriptors => above(&open(member)?, headroom),
        })
    }

    /// Gives every process back what it had.
    fn lift(&mut self, members: &[Member]) {
        for member in members {
            let Some(start) = started(member) else { continue };
            let own = self.limited.get(&(member.pid, start)).copied();
            let Ok(now) = limits::soft(member.pid, self.what) else { continue };
            // One that was forked a moment ago has its parent's.
            let limit = own.or_else(|| self.limited.values().find(|limit| limit.set == now).copied());
            if let Some(limit) = limit.filter(|limit| limit.set == now) {
                let _ = limits::set_soft(member.pid, self.what, limit.had);
            }
        }
        self.limited.clear();
        self.main = None;
    }

    /// What a process uses, and what it may.
    pub(super) fn usage(&self, member: &Member) -> io::Result<Usage> {
        let limit = limits::soft(member.pid, self.what)?;
        let used = match self.what {
            Limited::Memory => mapped(member)?,
            Limited::Descriptors => open(member)?.len() as u64,
        };
        let ours = started(member).and_then(|start| self.limited.get(&(member.pid, start)));
        let lowered = ours.is_some_and(|ours| ours.set == limit && ours.set < ours.had);
        Ok(Usage { used, limit: Some(limit).filter(|limit| *limit != UNLIMITED), lowered })
    }
}

/// Bytes of address space, as RLIMIT_AS counts them.
fn mapped(member: &Member) -> io::Result<u64> {
    let text = fs::read_to_string(member.dir().join("statm"))?;
    let pages = text.split_whitespace().next().and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.ok_or(io::ErrorKind::InvalidData)?.saturating_mul(page_bytes()))
}

/// The numbers of its descriptors, ascending.
fn open(member: &Member) -> io::Result<Vec<u64>> {
    let names = fs::read_dir(member.dir().join("fd"))?.flatten().map(|entry| entry.file_name());
    let mut numbers: Vec<u64> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The highest limit below which so many numbers are free.
fn above(open: &[u64], free: u64) -> u64 {
    open.iter().fold(free, |limit, number| if *number <= limit { limit + 1 } else { limit })
}

/// When a process was started, in ticks since the machine's start.
pub(super) fn started(member: &Member) -> Option<u64> {
    super::super::processes::stat_field(member, 22)
}

fn age(start: u64) -> Duration {
    let ticks = crate::sys::process::ticks_per_second();
    let now = crate::sys::clock::since_boot();
    now.saturating_sub(Duration::from_millis(start.saturating_mul(1000) / ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_exactly_so_many_numbers_free() {
        assert_eq!(above(&[0, 1, 2], 10), 13);
        assert_eq!(above(&[0, 1, 2], 0), 3, "not one more");
        assert_eq!(above(&[0, 2, 7], 3), 5, "1, 3 and 4");
        assert_eq!(above(&[0, 1, 100], 3), 5);
        assert_eq!(above(&[], 4), 4);
        for open in [vec![0, 1, 2, 5, 9], vec![1, 2, 3], vec![0, 1, 2, 3, 4, 5, 6, 7]] {
            for free in 0..12 {
                let limit = above(&open, free);
                assert_eq!((0..limit).filter(|number| !open.contains(number)).count() as u64, free);
            }
        }
    }
}
