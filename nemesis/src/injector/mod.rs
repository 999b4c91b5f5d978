//! Installs faults, heals them, keeps the ledger, says what each one did.
//!
//! # Overlapping faults compose
//!
//! Nothing is ever undone by remembering what was there before: with two faults that overlap, whichever is healed first
//! would restore too much. What a link or a node must be is computed from the [`Ledger`], from all faults that are
//! installed at that moment:
//!
//! ```text
//!   a link is            cut, slow, lossy … while any installed fault makes it so: Link::and says what both come to
//!   a clock is           off by all that installed faults want of it
//!   a disk               misbehaves in every way that an installed fault wants of it
//!   processes            get the least that any installed fault leaves them
//!   a node is            crashed, else killed, stopped, paused, while any installed fault makes it so; else running
//!
//!   time →              crash n1           kill n1       heal crash          heal kill
//!   n1 must be  running |      crashed     |   crashed   |      killed       | running
//!   done to it          crash              nothing       reboot              start
//! ```
//!
//! So healing is idempotent, in any order, after a partial installation too; a heal that could not be carried out stays
//! in the ledger and is tried again by [`Injector::heal_all`].
//!
//! # Proof that it bit
//!
//! Every [`Effect`] says what was asked and what took effect, as read back: links cut and the packets that they dropped,
//! processes killed, stopped as the kernel reports it, machines gone, processes that run after the heal. A fault that
//! changed nothing is [`inert`](Effect::inert). For a link that is known only when it is healed. Packets on a link that
//! two faults cut are counted for both. A clock is read back by a program on the node; a disk counts its misdeeds; limits of
//! processes are read back from the kernel, and the files that are gone or damaged are counted.
//!
//! Two things are not undone by healing. Data that is gone or damaged stays so; and a rollback strikes when it is *healed*: it
//! takes its backup when it is installed, so that what lies between the two is what the node forgets.
//!
//! An outcome is never "failed": a fault is installed, or skipped for a reason, or it is not known whether it took
//! hold, and then it is healed like one that did.
//!
//! All calls block, for microseconds where only links change and for as long as a process takes to die or a machine to
//! boot otherwise.

mod devices;
mod effect;
mod keeping;
mod ledger;
mod machines;
mod resources;
mod sparing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

pub use effect::{Effect, Outcome};
pub use ledger::{Ledger, LedgerError, Record};
pub use machines::{Blow, Machines};

use crate::disk::PowerCut;
use crate::fault::{Fault, LinkKind, links};
use crate::hosts::{HostId, HostsError};
use crate::wire::{Link, LinkStats};
use effect::{Counts, Tally};
use ledger::Installed;

/// One fault of a run, in the order of injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u32);

/// Who is who among the hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The nodes by position: name and host.
    pub nodes: Vec<(String, HostId)>,
    /// The hosts of clients.
    pub clients: Vec<HostId>,
    /// Where the data of nodes is, by host; of one with a simulated disk it need not be said.
    pub data: BTreeMap<HostId, PathBuf>,
}

/// What the nemesis has made of a node, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Left alone. (Its processes may have ended by themselves.)
    Running,
    /// Its processes stand still.
    Paused,
    /// Its processes were asked to end, its machine is up.
    Stopped,
    /// Its processes are dead, its machine is up.
    Killed,
    /// Its machine is gone.
    Crashed,
}

/// Installs and heals faults on one set of machines. See the module's essay.
pub struct Injector<M> {
    machines: M,
    layout: Layout,
    ledger: Ledger,
    /// How far down each node is or may be, by position.
    conditions: Vec<Condition>,
    /// Nodes that ended for the sake of a disk that is healed by now, and could not be started because they were paused.
    owed: BTreeSet<usize>,
}

impl<M: Machines> Injector<M> {
    /// Nothing is installed. The ledger is also written to this file, which is made anew.
    pub fn new(machines: M, layout: Layout, ledger: Option<&Path>) -> Result<Self, LedgerError> {
        let nodes = layout.nodes.iter().map(|(name, host)| (*host, name.clone()));
        let clients = layout.clients.iter().map(|host| (*host, "clients".to_owned()));
        let ledger = Ledger::new(ledger, nodes.chain(clients).collect())?;
        let conditions = vec![Condition::Running; layout.nodes.len()];
        Ok(Injector { machines, layout, ledger, conditions, owed: BTreeSet::new() })
    }

    /// Installs a fault. `targets` is what [`Fault::resolve`] returned just now; `id` comes from the
    /// [`Driver`](crate::schedule::Driver) or from [`Injector::fresh_id`].
    pub fn install(&mut self, id: FaultId, fault: &Fault, targets: &[usize]) -> Effect {
        let targets: Vec<usize> = targets.iter().copied().filter(|node| *node < self.layout.nodes.len()).collect();
        let effect = Effect::of(fault.name(), id, self.asked(fault, &targets));
        if self.ledger.knows(id) {
            return effect.skipped(format!("fault {} was installed before", id.0));
        }
        let installed = self.prepare(fault, targets);
        let touch = touch_of(fault);
        match touch {
            Touch::Links if installed.links.is_empty() => {
                return effect.skipped("it touches no link of this cluster".to_owned());
            }
            Touch::Links => {}
            _ if installed.targets.is_empty() => return effect.skipped("it hits no node of this cluster".to_owned()),
            _ => {}
        }
        if let Err(error) = self.ledger.install(id, installed) {
            return effect.skipped(error.to_string());
        }
        let effect = match touch {
            Touch::Links => self.impair(id, effect),
            Touch::Node(blow) => self.strike(id, &blow, effect),
            Touch::Clock => self.wind(id, effect, Outcome::Installed),
            Touch::Disk => self.spoil(id, effect, Outcome::Installed),
            Touch::Resources => self.ration(id, effect, None),
            Touch::Data => self.despoil(id, effect),
            Touch::Backup => self.back_up(id, effect),
        };
        self.ledger.installed(id, &effect);
        effect
    }

    /// Undoes a fault; links and nodes that another installed fault holds stay as that one wants them. Does nothing
    /// when it is not installed.
    pub fn heal(&mut self, id: FaultId) -> Effect {
        let Some(installed) = self.ledger.get(id) else {
            let reason = if self.ledger.knows(id) { "it is healed already" } else { "it was not installed" };
            return Effect::of("heal", id, json!({ "heal": id })).skipped(reason.to_owned());
        };
        let mut asked = self.asked(&installed.fault, &installed.targets);
        asked["heal"] = json!(id);
        let effect = Effect::of("heal", id, asked);
        let touch = touch_of(&installed.fault);
        if !installed.healing {
            self.look_back(id, touch);
        }
        let so_far = (touch == Touch::Resources).then(|| self.look_at_resources(id));
        self.ledger.heal(id);
        let effect = match touch {
            Touch::Links => self.restore(id, effect),
            Touch::Node(_) | Touch::Data => self.revive(id, effect),
            Touch::Clock => self.wind(id, effect, Outcome::Healed),
            Touch::Disk => self.spoil(id, effect, Outcome::Healed),
            Touch::Resources => self.ration(id, effect, so_far),
            Touch::Backup => self.roll_back(id, effect),
        };
        self.ledger.healed(id, &effect);
        effect
    }

    /// What a fault has done, as far as that is seen only while it is there. A heal that is tried again would find nothing.
    fn look_back(&mut self, id: FaultId, touch: Touch) {
        match touch {
            Touch::Clock => self.look_at_clocks(id),
            Touch::Disk => self.ledger.hit(id, self.disk_hits(id)),
            Touch::Links | Touch::Node(_) | Touch::Resources | Touch::Data | Touch::Backup => {}
        }
    }

    /// Undoes everything that is installed, the last first, whatever fails on the way.
    pub fn heal_all(&mut self) -> Vec<(FaultId, Effect)> {
        let ids: Vec<FaultId> = self.ledger.iter().map(|(id, _)| id).rev().collect();
        ids.into_iter().map(|id| (id, self.heal(id))).collect()
    }

    /// What is installed now, the first first: its id, the fault, the names of the nodes it is aimed at.
    pub fn installed(&self) -> Vec<(FaultId, &Fault, Vec<&str>)> {
        let names = |targets: &[usize]| targets.iter().map(|node| self.name(*node)).collect();
        self.ledger.iter().map(|(id, installed)| (id, &installed.fault, names(&installed.targets))).collect()
    }

    /// What the nemesis has made of each node, by position.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// An id that was not used yet.
    pub fn fresh_id(&self) -> FaultId {
        self.ledger.fresh_id()
    }

    /// The machines.
    pub fn machines(&self) -> &M {
        &self.machines
    }

    fn name(&self, node: usize) -> &str {
        self.layout.nodes.get(node).map_or("?", |(name, _)| name)
    }

    /// A node's host, and where its data is.
    fn place(&self, node: usize) -> (HostId, Option<&Path>) {
        let host = self.layout.nodes[node].1;
        (host, self.layout.data.get(&host).map(PathBuf::as_path))
    }

    fn asked(&self, fault: &Fault, targets: &[usize]) -> Json {
        let targets: Vec<_> = targets.iter().map(|node| self.name(*node)).collect();
        json!({ "fault": fault.name(), "targets": targets, "spec": fault })
    }

    fn prepare(&self, fault: &Fault, targets: Vec<usize>) -> Installed {
        let nodes: Vec<HostId> = self.layout.nodes.iter().map(|(_, host)| *host).collect();
        let links = links(fault, &targets, &nodes, &self.layout.clients);
        let before = self.stats(&links);
        let (readings, backups) = (BTreeMap::new(), BTreeMap::new());
        let fault = fault.clone();
        Installed { fault, targets, links, before, readings, backups, bit: false, hits: 0, healing: false }
    }

    /// What these links have done, in all.
    fn stats(&self, links: &[(HostId, HostId)]) -> LinkStats {
        links.iter().map(|(from, to)| self.machines.stats(*from, *to)).fold(LinkStats::default(), LinkStats::plus)
    }

    /// Makes these links what the ledger wants them to be. Returns how many are.
    fn set_links(&self, links: &[(HostId, HostId)]) -> usize {
        let wanted: Vec<_> = links.iter().map(|link| (link.0, link.1, self.ledger.link(link))).collect();
        self.machines.set_links(&wanted);
        wanted.iter().filter(|(from, to, link)| self.machines.link(*from, *to) == *link).count()
    }

    /// Cuts the links of a fault that is in the ledger, or makes them worse.
    fn impair(&mut self, id: FaultId, effect: Effect) -> Effect {
        let Some(installed) = self.ledger.get(id) else { return effect };
        let set_count = self.set_links(&installed.links);
        let counted = if is_cut(&installed.fault) { "links_cut" } else { "links_impaired" };
        let took_effect = json!({ counted: set_count });
        match installed.links.len() - set_count {
            0 => effect.took(Outcome::Installed, took_effect, false),
            missing => {
                let all = installed.links.len();
                let reason = format!("{missing} of {all} links are not as asked for when read back");
                effect.took(Outcome::Indeterminate(reason), took_effect, set_count == 0)
            }
        }
    }

    /// Makes the links of a fault what the others want them to be, and counts what it did to packets.
    fn restore(&mut self, id: FaultId, effect: Effect) -> Effect {
        let Some(installed) = self.ledger.get(id) else { return effect };
        let set_count = self.set_links(&installed.links);
        let still_wanted = installed.links.iter().filter(|link| self.ledger.link(link) != Link::default()).count();
        let stats = self.stats(&installed.links).since(installed.before);
        let packets = packets(&installed.fault, &stats);
        let counted = if is_cut(&installed.fault) { "packets_dropped" } else { "packets_hit" };
        let missing = installed.links.len() - set_count;
        let restored = (installed.links.len() - still_wanted).saturating_sub(missing);
        let mut took_effect = json!({ counted: packets, "links_restored": restored });
        if packets == 0 {
            // Whether there was anything to hit.
            took_effect["packets_sent"] = json!(stats.sent);
        }
        if let Fault::Link { kind: LinkKind::Slow | LinkKind::Jitter | LinkKind::RateLimit, .. } = installed.fault {
            took_effect["mean_delay_us"] = json!(stats.delay_us.checked_div(stats.delayed).unwrap_or(0));
        }
        match missing {
            0 => effect.took(Outcome::Healed, took_effect, packets == 0),
            _ => {
                let reason = format!("{missing} links are not restored when read back");
                effect.took(Outcome::Indeterminate(reason), took_effect, packets == 0)
            }
        }
    }

    /// Brings the targets of a fault that is in the ledger down to where it wants them, all at once.
    fn strike(&mut self, id: FaultId, blow: &Blow, effect: Effect) -> Effect {
        let Some(installed) = self.ledger.get(id) else { return effect };
        let targets = installed.targets.clone();
        let before = self.conditions.clone();
        let (higher, lower): (Vec<usize>, Vec<usize>) = targets.iter().partition(|node| before[**node] < blow.to);
        let mut tally = Tally::default();
        for (node, result) in higher.iter().zip(self.lower(&higher, blow)) {
            tally.add(self.name(*node), ("was", before[*node]), result);
        }
        for node in lower {
            tally.add(self.name(node), ("was", before[node]), Ok(Counts::default()));
        }
        let bit = tally.total.is_harm();
        if bit {
            self.ledger.bit(id);
        }
        tally.effect(effect, Outcome::Installed, !bit)
    }

    /// Brings the targets of a fault up to where the other faults want them.
    fn revive(&mut self, id: FaultId, effect: Effect) -> Effect {
        let Some(installed) = self.ledger.get(id) else { return effect };
        let bit = installed.bit;
        let mut tally = Tally::default();
        for node in installed.targets.clone() {
            let result = self.raise(node, self.ledger.condition(node));
            tally.add(self.name(node), ("is", self.conditions[node]), result);
            self.ledger.hand_over(id, node);
        }
        tally.effect(effect, Outcome::Healed, !bit)
    }

    /// Does to nodes what makes them worse. The condition is noted first: after an error they may be that bad.
    fn lower(&mut self, nodes: &[usize], blow: &Blow) -> Vec<Result<Counts, HostsError>> {
        nodes.iter().for_each(|node| self.conditions[*node] = blow.to);
        let hosts: Vec<HostId> = nodes.iter().map(|node| self.layout.nodes[*node].1).collect();
        let results = self.machines.strike(&hosts, blow);
        results.into_iter().map(|result| result.map(|crashed| Counts::harm(blow.to, &crashed))).collect()
    }

    /// Does to a node what makes it better, one step at a time, and counts what runs on it afterwards.
    fn raise(&mut self, node: usize, to: Condition) -> Result<Counts, HostsError> {
        let host = self.layout.nodes[node].1;
        while self.conditions[node] > to {
            self.conditions[node] = match self.conditions[node] {
                Condition::Crashed => {
                    self.machines.reboot(host)?;
                    Condition::Killed
                }
                // Dead is dead: nothing is to be started that should be down.
                Condition::Killed if to == Condition::Stopped => Condition::Stopped,
                Condition::Killed | Condition::Stopped => {
                    // Whoever was asked to end and has not ended by now does not end by itself.
                    if self.conditions[node] == Condition::Stopped {
                        self.machines.kill(host)?;
                    }
                    self.machines.restart(host)?;
                    Condition::Running
                }
                Condition::Paused | Condition::Running => {
                    self.machines.resume(host)?;
                    Condition::Running
                }
            };
        }
        if to == Condition::Running && self.owed.contains(&node) {
            if self.machines.process_count(host)? == 0 {
                self.machines.restart(host)?;
            }
            self.owed.remove(&node);
        }
        // A node that was started while a pause lasts has to be stopped again.
        let mut stopped = 0;
        if self.conditions[node] < to {
            for result in self.lower(&[node], &Blow { to, cut: PowerCut::DROP }) {
                stopped += result?.processes_stopped;
            }
        }
        let running = self.machines.process_count(host)?.saturating_sub(stopped);
        Ok(Counts { processes_running: Some(running), processes_stopped: stopped, ..Counts::default() })
    }
}

/// What a fault changes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Touch {
    Links,
    Node(Blow),
    Clock,
    Disk,
    Resources,
    /// What a node has kept, while it is down.
    Data,
    /// What a node has kept, when the fault is healed.
    Backup,
}

fn touch_of(fault: &Fault) -> Touch {
    let node = |to| Touch::Node(Blow { to, cut: PowerCut::DROP });
    match fault {
        Fault::Pause { .. } => node(Condition::Paused),
        Fault::Stop { .. } => node(Condition::Stopped),
        Fault::Kill { .. } | Fault::CrashLoop { .. } => node(Condition::Killed),
        Fault::Crash { .. } => node(Condition::Crashed),
        Fault::PowerCut { cut, .. } => Touch::Node(Blow { to: Condition::Crashed, cut: *cut }),
        Fault::Clock { .. } => Touch::Clock,
        Fault::Disk { .. } => Touch::Disk,
        Fault::Resources { .. } => Touch::Resources,
        Fault::Wipe { .. } | Fault::FileDamage { .. } => Touch::Data,
        Fault::Rollback { .. } => Touch::Backup,
        Fault::PartitionOne { .. }
        | Fault::PartitionHalves { .. }
        | Fault::PartitionSide { .. }
        | Fault::PartitionRing { .. }
        | Fault::Bridge { .. }
        | Fault::OneWay { .. }
        | Fault::PartitionMatrix { .. }
        | Fault::ClientsCut { .. }
        | Fault::Link { .. } => Touch::Links,
    }
}

/// What a fault makes of a node; nothing when it leaves the node's processes alone.
fn condition_of(fault: &Fault) -> Option<Condition> {
    match touch_of(fault) {
        Touch::Node(blow) => Some(blow.to),
        Touch::Data => Some(Condition::Killed),
        Touch::Links | Touch::Clock | Touch::Disk | Touch::Resources | Touch::Backup => None,
    }
}

/// Whether all that a fault does is to cut links.
fn is_cut(fault: &Fault) -> bool {
    fault.link().cut
}

/// To how many packets a fault of links did what it does.
fn packets(fault: &Fault, stats: &LinkStats) -> u64 {
    match fault {
        Fault::Link { kind, .. } => kind.packets(stats),
        _ => stats.cut,
    }
}
