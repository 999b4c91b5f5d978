//! Machines that exist in memory only, and can be told to refuse.

#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nemesis::fault::Fault;
use nemesis::hosts::{HostId, HostsError};
use nemesis::injector::{Effect, FaultId, Injector, Layout, Machines};

/// A machine, its processes, and what was done to them.
#[derive(Default)]
pub struct Fake(RefCell<State>);

#[derive(Default)]
struct State {
    cut: BTreeSet<(HostId, HostId)>,
    dropped: BTreeMap<(HostId, HostId), u64>,
    gone: BTreeSet<HostId>,
    processes: BTreeMap<HostId, Processes>,
    refuses: BTreeSet<&'static str>,
    done: Vec<String>,
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
        fake.0.borrow_mut().processes = running.collect();
        fake
    }

    /// From now on these calls fail.
    pub fn refuse(&self, calls: &[&'static str]) {
        self.0.borrow_mut().refuses = calls.iter().copied().collect();
    }

    /// From now on [`Fake::done`] tells after how many lines of this file each thing was done.
    pub fn watch(&self, file: &Path) {
        self.0.borrow_mut().watched = Some(file.to_owned());
    }

    /// Sends a packet over every link between the first `count` hosts.
    pub fn chatter(&self, count: usize) {
        let mut state = self.0.borrow_mut();
        for link in state.cut.clone().into_iter().filter(|(from, to)| from.0 < count && to.0 < count) {
            *state.dropped.entry(link).or_default() += 1;
        }
    }

    /// The process of this node ends by itself.
    pub fn dies(&self, node: usize) {
        self.0.borrow_mut().processes.insert(HostId(node), Processes { count: 0, stopped: false });
    }

    pub fn cut_links(&self) -> BTreeSet<(HostId, HostId)> {
        self.0.borrow().cut.clone()
    }

    /// `running`, `stopped`, `dead` or `gone`.
    pub fn is(&self, node: usize) -> &'static str {
        let state = self.0.borrow();
        match state.processes.get(&HostId(node)) {
            _ if state.gone.contains(&HostId(node)) => "gone",
            Some(Processes { count: 1.., stopped: true }) => "stopped",
            Some(Processes { count: 1.., stopped: false }) => "running",
            _ => "dead",
        }
    }

    /// What was done since the last time, such as `kill 0, restart 0`.
    pub fn done(&self) -> String {
        std::mem::take(&mut self.0.borrow_mut().done).join(", ")
    }

    fn call(&self, what: &'static str, host: HostId) -> Result<std::cell::RefMut<'_, State>, HostsError> {
        let mut state = self.0.borrow_mut();
        let lines =
            state.watched.as_ref().map(|file| std::fs::read_to_string(file).unwrap_or_default().lines().count());
        let after = lines.map(|count| format!(" after line {count}")).unwrap_or_default();
        state.done.push(format!("{what} {}{after}", host.0));
        match state.refuses.contains(what) {
            true => Err(HostsError::Host { host: format!("n{}", host.0 + 1), what: format!("refuses to {what}") }),
            false => Ok(state),
        }
    }
}

impl Machines for Fake {
    fn set_cut(&self, links: &[(HostId, HostId, bool)]) {
        let mut state = self.0.borrow_mut();
        if state.refuses.contains("set_cut") {
            return;
        }
        for (from, to, cut) in links {
            let link = (*from, *to);
            let _ = if *cut { state.cut.insert(link) } else { state.cut.remove(&link) };
        }
    }
    fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.0.borrow().cut.contains(&(from, to))
    }
    fn dropped_count(&self, from: HostId, to: HostId) -> u64 {
        self.0.borrow().dropped.get(&(from, to)).copied().unwrap_or(0)
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
    fn crash(&self, host: HostId) -> Result<usize, HostsError> {
        let mut state = self.call("crash", host)?;
        state.gone.insert(host);
        let dead = Processes { count: 0, stopped: false };
        Ok(state.processes.insert(host, dead).map_or(0, |before| before.count))
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
    fn process_count(&self, host: HostId) -> Result<usize, HostsError> {
        Ok(self.0.borrow().processes.get(&host).map_or(0, |processes| processes.count))
    }
}

/// Nodes `n1`, …, and two clients.
pub fn layout(node_count: usize) -> Layout {
    Layout {
        nodes: (0..node_count).map(|node| (format!("n{}", node + 1), HostId(node))).collect(),
        clients: vec![HostId(node_count), HostId(node_count + 1)],
    }
}

pub fn injector(fake: &Fake, node_count: usize) -> Injector<&Fake> {
    Injector::new(fake, layout(node_count), None).expect("no file is involved")
}

/// Installs a fault while the first node leads.
pub fn install(injector: &mut Injector<&Fake>, fault: &Fault) -> (FaultId, Effect) {
    let id = injector.fresh_id();
    let node_count = injector.conditions().len();
    (id, injector.install(id, fault, &fault.resolve(node_count, Some(0))))
}
