//! Machines that exist in memory only, and can be told to refuse.

#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard};

use nemesis::clock::{ClockReading, Coverage, ProcessClock, Skew, Variant};
use nemesis::data::{Backup, FileDamage, Harm};
use nemesis::disk::{DiskFault, Lost, PowerCut};
use nemesis::fault::Fault;
use nemesis::hosts::{Crashed, HostId, HostsError, ProcessResources, ResourceLimits, ResourceReading, Usage};
use nemesis::injector::{Effect, FaultId, Injector, Layout, Machines};
use nemesis::wire::{Link, LinkStats};

/// Machines, their processes, and what was done to them.
#[derive(Default)]
pub struct Fake {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    links: BTreeMap<(HostId, HostId), Link>,
    stats: BTreeMap<(HostId, HostId), LinkStats>,
    gone: BTreeSet<HostId>,
    clocks: BTreeMap<HostId, Skew>,
    stubborn_clocks: bool,
    disks: BTreeMap<HostId, Vec<(DiskFault, u64)>>,
    processes: BTreeMap<HostId, Processes>,
    limits: BTreeMap<HostId, ResourceLimits>,
    stops: BTreeMap<HostId, u64>,
    /// What each node has kept.
    data: BTreeMap<HostId, String>,
    refuses: BTreeSet<&'static str>,
    /// Hosts that answer nothing, and how many questions wait there.
    hung: BTreeMap<HostId, usize>,
    done: BTreeMap<HostId, Vec<String>>,
    watched: Option<PathBuf>,
}

#[derive(Clone, Copy)]
struct Processes {
    count: usize,
    stopped: bool,
}

impl Fake {
    /// Machines with one process each.
    pub fn new(node_count: usize) -> Fake {
        let fake = Fake::default();
        let running = (0..node_count).map(|node| (HostId(node), Processes { count: 1, stopped: false }));
        fake.state().processes = running.collect();
        fake
    }

    /// From now on these calls fail.
    pub fn refuse(&self, calls: &[&'static str]) {
        self.state().refuses = calls.iter().copied().collect();
    }

    /// From now on [`Fake::done`] tells after how many lines of this file each thing was done.
    pub fn watch(&self, file: &Path) {
        self.state().watched = Some(file.to_owned());
    }

    /// Sends a packet over every link between the first `count` hosts.
    pub fn chatter(&self, count: usize) {
        let mut state = self.state();
        for ((from, to), link) in state.links.clone() {
            if from.0 < count && to.0 < count {
                let stats = state.stats.entry((from, to)).or_default();
                stats.cut += u64::from(link.cut);
                stats.delayed += u64::from(!link.cut && link.delay_us > 0);
                stats.delay_us += if link.cut { 0 } else { link.delay_us };
            }
        }
    }

    /// What this node's clock is set to.
    pub fn clock(&self, node: usize) -> Skew {
        self.state().clocks.get(&HostId(node)).copied().unwrap_or_default()
    }

    /// How this node's disk misbehaves.
    pub fn disk(&self, node: usize) -> Vec<DiskFault> {
        let state = self.state();
        state
            .disks
            .get(&HostId(node))
            .map(|disk| disk.iter().map(|(fault, _)| fault.clone()).collect())
            .unwrap_or_default()
    }

    /// Every misdeed of this node's disk happens once.
    pub fn use_disk(&self, node: usize) {
        self.state().disks.entry(HostId(node)).or_default().iter_mut().for_each(|(_, hits)| *hits += 1);
    }

    /// From now on clocks are what the machine's is, whatever they are set to.
    pub fn clocks_do_not_follow(&self) {
        self.state().stubborn_clocks = true;
    }

    /// What limits this node's processes.
    pub fn limits(&self, node: usize) -> ResourceLimits {
        self.state().limits.get(&HostId(node)).copied().unwrap_or_default()
    }

    /// This node writes something down; a process that stands still or is dead writes nothing.
    pub fn write(&self, node: usize, text: &str) {
        assert_eq!(self.is(node), "running");
        self.state().data.entry(HostId(node)).or_default().push_str(text);
    }

    /// What this node has kept.
    pub fn kept(&self, node: usize) -> String {
        self.state().data.get(&HostId(node)).cloned().unwrap_or_default()
    }

    fn reading(&self, host: HostId) -> Option<ResourceReading> {
        let state = self.state();
        let limits = state.limits.get(&host).copied().unwrap_or_default();
        let usage = |limit: Option<u64>| Usage { used: 3, limit: limit.map(|more| 3 + more), lowered: limit.is_some() };
        let process = ProcessResources {
            pid: 2,
            main: true,
            memory: usage(limits.memory_headroom),
            descriptors: usage(limits.descriptor_headroom),
        };
        let count = state.processes.get(&host).map_or(0, |processes| processes.count);
        let stops = state.stops.get(&host).copied().unwrap_or(0);
        let reading = ResourceReading { stops, processes: vec![process; count], ..ResourceReading::default() };
        (!state.gone.contains(&host)).then_some(reading)
    }

    /// Files of a node whose processes must be down are changed; how many bytes are others now.
    fn change(&self, what: &'static str, host: HostId, to: &str) -> Result<Harm, HostsError> {
        let mut state = self.call(what, host)?;
        let up = state.processes.get(&host).is_some_and(|processes| processes.count > 0);
        assert!(!up || state.gone.contains(&host), "{what}: no process may be there");
        let before = state.data.insert(host, to.to_owned()).unwrap_or_default();
        let bytes = before.len().abs_diff(to.len()) as u64;
        Ok(Harm { files: u64::from(before != to), bytes, examples: Vec::new() })
    }

    /// The process of this node ends by itself.
    pub fn dies(&self, node: usize) {
        self.state().processes.insert(HostId(node), Processes { count: 0, stopped: false });
    }

    pub fn cut_links(&self) -> BTreeSet<(HostId, HostId)> {
        let state = self.state();
        state.links.iter().filter(|(_, link)| link.cut).map(|(link, _)| *link).collect()
    }

    /// The links that are anything but open, and what they are.
    pub fn set_links(&self) -> BTreeMap<(HostId, HostId), Link> {
        let state = self.state();
        state.links.iter().filter(|(_, link)| **link != Link::default()).map(|(ends, link)| (*ends, *link)).collect()
    }

    /// `running`, `stopped`, `dead` or `gone`.
    pub fn is(&self, node: usize) -> &'static str {
        let state = self.state();
        match state.processes.get(&HostId(node)) {
            _ if state.gone.contains(&HostId(node)) => "gone",
            Some(Processes { count: 1.., stopped: true }) => "stopped",
            Some(Processes { count: 1.., stopped: false }) => "running",
            _ => "dead",
        }
    }

    /// What was done since the last time, such as `kill 0, restart 0`, host by host: what is done to two has no order.
    pub fn done(&self) -> String {
        std::mem::take(&mut self.state().done).into_values().flatten().collect::<Vec<_>>().join(", ")
    }

    /// From now on nobody who asks something of this node gets an answer.
    pub fn hang(&self, node: usize) {
        self.state().hung.insert(HostId(node), 0);
    }

    /// Waits until somebody waits for this node.
    pub fn wait_hanging(&self, node: usize) {
        let nobody = |state: &mut State| state.hung.get(&HostId(node)) == Some(&0);
        drop(self.changed.wait_while(self.state(), nobody).expect("nobody panics under this lock"));
    }

    /// Answers everybody.
    pub fn go_on(&self, node: usize) {
        self.state().hung.remove(&HostId(node));
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn call(&self, what: &'static str, host: HostId) -> Result<MutexGuard<'_, State>, HostsError> {
        let mut state = self.state();
        if let Some(waiting) = state.hung.get_mut(&host).filter(|_| what != "set_disk") {
            *waiting += 1;
            self.changed.notify_all();
            let hangs = |state: &mut State| state.hung.contains_key(&host);
            state = self.changed.wait_while(state, hangs).expect("nobody panics under this lock");
        }
        let lines =
            state.watched.as_ref().map(|file| std::fs::read_to_string(file).unwrap_or_default().lines().count());
        let after = lines.map(|count| format!(" after line {count}")).unwrap_or_default();
        state.done.entry(host).or_default().push(format!("{what} {}{after}", host.0));
        match state.refuses.contains(what) {
            true => Err(HostsError::Host { host: format!("n{}", host.0 + 1), what: format!("refuses to {what}") }),
            false => Ok(state),
        }
    }
}

impl Machines for Fake {
    fn set_links(&self, links: &[(HostId, HostId, Link)]) {
        let mut state = self.state();
        if state.refuses.contains("set_links") {
            return;
        }
        state.links.extend(links.iter().map(|(from, to, link)| ((*from, *to), *link)));
    }
    fn link(&self, from: HostId, to: HostId) -> Link {
        self.state().links.get(&(from, to)).copied().unwrap_or_default()
    }
    fn stats(&self, from: HostId, to: HostId) -> LinkStats {
        self.state().stats.get(&(from, to)).copied().unwrap_or_default()
    }
    fn stop(&self, host: HostId) -> Result<usize, HostsError> {
        let mut state = self.call("stop", host)?;
        let dead = Processes { count: 0, stopped: false };
        Ok(state.processes.insert(host, dead).map_or(0, |before| before.count))
    }
    fn kill(&self, host: HostId) -> Result<usize, HostsError> {
        let mut state = self.call("kill", host)?;
        let dead = Processes { count: 0, stopped: false };
        Ok(state.processes.insert(host, dead).map_or(0, |before| before.count))
    }
    fn restart(&self, host: HostId) -> Result<(), HostsError> {
        let mut state = self.call("restart", host)?;
        assert!(!state.gone.contains(&host), "a machine that is gone starts no process");
        state.processes.insert(host, Processes { count: 1, stopped: false });
        Ok(())
    }
    fn crash(&self, host: HostId, cut: &PowerCut) -> Result<Crashed, HostsError> {
        let mut state = self.call("crash", host)?;
        state.gone.insert(host);
        let dead = Processes { count: 0, stopped: false };
        let processes = state.processes.insert(host, dead).map_or(0, |before| before.count);
        let bytes = if *cut == PowerCut::DROP { 0 } else { 7 };
        Ok(Crashed { processes, lost: Lost { bytes, ..Lost::default() } })
    }
    fn set_clock(&self, host: HostId, skew: &Skew) -> Result<(), HostsError> {
        self.call("set_clock", host)?.clocks.insert(host, *skew);
        Ok(())
    }
    fn read_clock(&self, host: HostId) -> Result<ClockReading, HostsError> {
        let state = self.call("read_clock", host)?;
        let asked_ns = state.clocks.get(&host).map_or(0, |skew| skew.jump_ns);
        let offset_ns = if state.stubborn_clocks { 0 } else { asked_ns };
        let runs = state.processes.get(&host).is_some_and(|processes| processes.count > 0);
        let main = ProcessClock { pid: 2, name: "node".to_owned(), main: true, coverage: Coverage::Covered };
        let processes = if runs { vec![main] } else { Vec::new() };
        let started_now = Ok(Variant::Shadow);
        Ok(ClockReading { offset_ns, asked_ns, precision_ns: 1, monotonic: None, started_now, processes })
    }
    fn set_disk(&self, host: HostId, faults: &[DiskFault]) -> Result<(), HostsError> {
        let mut state = self.call("set_disk", host)?;
        let mut before = state.disks.remove(&host).unwrap_or_default();
        let mut hits = |fault: &DiskFault| {
            let same = before.iter().position(|(old, _)| old == fault);
            same.map_or(0, |at| before.remove(at).1)
        };
        let disk = faults.iter().map(|fault| (fault.clone(), hits(fault))).collect();
        state.disks.insert(host, disk);
        Ok(())
    }
    fn disk_hits(&self, host: HostId) -> Vec<u64> {
        self.state().disks.get(&host).map(|disk| disk.iter().map(|(_, hits)| *hits).collect()).unwrap_or_default()
    }
    fn reboot(&self, host: HostId) -> Result<(), HostsError> {
        self.call("reboot", host)?.gone.remove(&host);
        Ok(())
    }
    fn pause(&self, host: HostId) -> Result<usize, HostsError> {
        let mut state = self.call("pause", host)?;
        let processes = state.processes.get_mut(&host);
        Ok(processes.map_or(0, |processes| {
            processes.stopped = true;
            processes.count
        }))
    }
    fn resume(&self, host: HostId) -> Result<usize, HostsError> {
        let mut state = self.call("resume", host)?;
        let processes = state.processes.get_mut(&host);
        Ok(processes.map_or(0, |processes| {
            processes.stopped = false;
            processes.count
        }))
    }
    fn set_resources(&self, host: HostId, limits: &ResourceLimits) -> Result<Option<ResourceReading>, HostsError> {
        let mut state = self.call("set_resources", host)?;
        if limits.cpu_percent.is_some() && state.processes.get(&host).is_some_and(|processes| processes.count > 0) {
            *state.stops.entry(host).or_default() += 1;
        }
        state.limits.insert(host, *limits);
        drop(state);
        Ok(self.reading(host))
    }
    fn read_resources(&self, host: HostId) -> Result<Option<ResourceReading>, HostsError> {
        drop(self.call("read_resources", host)?);
        Ok(self.reading(host))
    }
    fn wipe(&self, host: HostId, _: Option<&Path>) -> Result<Harm, HostsError> {
        self.change("wipe", host, "")
    }
    fn damage(&self, host: HostId, _: Option<&Path>, damage: &FileDamage) -> Result<Harm, HostsError> {
        let to = self.kept(host.0).replacen('a', "?", damage.count as usize);
        self.change("damage", host, &to)
    }
    fn back_up(&self, host: HostId, _: Option<&Path>) -> Result<Backup, HostsError> {
        let state = self.call("back_up", host)?;
        let moving = state.processes.get(&host).is_some_and(|processes| processes.count > 0 && !processes.stopped);
        assert!(!moving || state.gone.contains(&host), "what is written to is not copied");
        Ok(Backup::new(state.data.get(&host).cloned().unwrap_or_default()))
    }
    fn roll_back(&self, host: HostId, _: Option<&Path>, to: &Backup) -> Result<Harm, HostsError> {
        self.change("roll_back", host, to.get::<String>().expect("a backup of these machines"))
    }
    fn process_count(&self, host: HostId) -> Result<usize, HostsError> {
        Ok(self.state().processes.get(&host).map_or(0, |processes| processes.count))
    }
}

/// Nodes `n1`, …, and two clients.
pub fn layout(node_count: usize) -> Layout {
    Layout {
        nodes: (0..node_count).map(|node| (format!("n{}", node + 1), HostId(node))).collect(),
        clients: vec![HostId(node_count), HostId(node_count + 1)],
        ..Layout::default()
    }
}

pub fn injector(fake: &Fake, node_count: usize) -> Injector<&Fake> {
    Injector::new(fake, layout(node_count), None).expect("no file is involved")
}

/// Installs a fault while the first node leads.
pub fn install(injector: &Injector<&Fake>, fault: &Fault) -> (FaultId, Effect) {
    let id = injector.fresh_id();
    let node_count = injector.conditions().len();
    (id, injector.install(id, fault, &fault.resolve(node_count, Some(0))))
}
