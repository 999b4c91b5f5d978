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
//! # Nobody waits for another node
//!
//! A process that waits for a hung disk takes seconds to stop or to die, and a machine takes its time to boot. A [`Step`] is
//! therefore begun first, and carried out on any thread afterwards. Begun, it is in the ledger and has its place in the row
//! of each node that it is aimed at; it does its part on a node as soon as everything is over there that was begun before it.
//!
//! ```text
//!   begun         1 pause n1 n2    2 cut n2    3 kill n1    4 kill n2    heal 3
//!
//!   links                          2
//!   row of n1     1 ·············· hung ············ 1│ 3  heal 3
//!   row of n2     1│                           4│
//! ```
//!
//! So every node suffers what it would if all steps came one after the other, and only nodes do not wait for each other. A
//! fault is in force on a node from its turn there to the turn of its heal. Links are set while the step is begun, and a
//! disk is set right without waiting for a turn: whoever has to die first may be waiting for just that disk. The part of a
//! step that ends last keeps its turn until the effect has been told, so that effects are told in the order of the rows.

mod devices;
mod effect;
mod keeping;
mod ledger;
mod links;
mod machines;
mod nodes;
mod owed;
mod resources;
mod sparing;
mod step;
mod touch;
mod turns;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};

pub use effect::{Effect, Outcome};
pub use ledger::{Ledger, LedgerError, Record};
pub use machines::{Blow, Machines};
pub use step::Step;

use crate::fault::{self, Fault};
use crate::hosts::HostId;
use ledger::Installed;
use step::Task;
use touch::{Touch, condition_of, touch_of};
use turns::{Ticket, Turns};

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
    /// Held for moments only, and never while a machine is asked for something that it may have to wait for.
    ledger: Mutex<Ledger>,
    nodes: Vec<Node>,
}

/// What is known of a node. It is changed by whoever has the turn.
#[derive(Debug, Default)]
struct Node {
    turns: Arc<Turns>,
    state: Mutex<State>,
    /// Held while its disk is made to be as the ledger wants.
    disk: Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// How far down it is or may be.
    condition: Condition,
    /// The fault that ended it, and that could not start it again when it was healed.
    owed: Option<FaultId>,
}

impl Default for State {
    fn default() -> State {
        State { condition: Condition::Running, owed: None }
    }
}

impl<M: Machines> Injector<M> {
    /// Nothing is installed. The ledger is also written to this file, which is made anew.
    pub fn new(machines: M, layout: Layout, ledger: Option<&Path>) -> Result<Self, LedgerError> {
        let names = layout.nodes.iter().map(|(name, host)| (*host, name.clone()));
        let clients = layout.clients.iter().map(|host| (*host, "clients".to_owned()));
        let ledger = Mutex::new(Ledger::new(ledger, names.chain(clients).collect())?);
        let nodes = layout.nodes.iter().map(|_| Node::default()).collect();
        Ok(Injector { machines, layout, ledger, nodes })
    }

    /// Writes down a fault that is about to be installed, and lines up for its nodes; one of links is installed at once.
    /// `targets` is what [`Fault::resolve`] returned just now; `id` comes from the
    /// [`Driver`](crate::schedule::Driver) or from [`Injector::fresh_id`].
    pub fn begin_install(&self, id: FaultId, fault: &Fault, targets: &[usize]) -> Step {
        let targets: Vec<usize> = targets.iter().copied().filter(|node| *node < self.nodes.len()).collect();
        let effect = Effect::of(fault.name(), id, self.asked(fault, &targets));
        let installed = self.prepare(fault, targets.clone());
        let touch = touch_of(fault);
        let nothing = match touch {
            Touch::Links => installed.links.is_empty().then_some("it touches no link of this cluster"),
            _ => targets.is_empty().then_some("it hits no node of this cluster"),
        };
        let mut ledger = self.ledger();
        if ledger.knows(id) {
            return Step::done(id, effect.skipped(format!("fault {} was installed before", id.0)));
        }
        if let Some(why) = nothing {
            return Step::done(id, effect.skipped(why.to_owned()));
        }
        if let Err(error) = ledger.install(id, installed) {
            return Step::done(id, effect.skipped(error.to_string()));
        }
        if touch != Touch::Links {
            return Step::new(id, effect, Task::Install(touch), self.line_up(&targets));
        }
        let effect = self.impair(&ledger, id, effect);
        ledger.installed(id, &effect);
        Step::done(id, effect)
    }

    /// Lines up to undo a fault; one of links is undone at once. Links and nodes that another installed fault holds stay as
    /// that one wants them. Does nothing when it is not installed.
    pub fn begin_heal(&self, id: FaultId) -> Step {
        let mut ledger = self.ledger();
        let Some(installed) = ledger.get(id) else { return Step::done(id, not_there(&ledger, id)) };
        let (touch, targets) = (touch_of(&installed.fault), installed.targets.clone());
        let mut asked = self.asked(&installed.fault, &targets);
        asked["heal"] = json!(id);
        let effect = Effect::of("heal", id, asked);
        ledger.heal(id);
        if touch != Touch::Links {
            return Step::new(id, effect, Task::Heal(touch), self.line_up(&targets));
        }
        let effect = self.restore(&ledger, id, effect);
        ledger.healed(id, &effect);
        Step::done(id, effect)
    }

    /// What is installed now, the first first: its id, the fault, the names of the nodes it is aimed at.
    pub fn installed(&self) -> Vec<(FaultId, Fault, Vec<String>)> {
        let names = |targets: &[usize]| targets.iter().map(|node| self.name(*node).to_owned()).collect();
        let ledger = self.ledger();
        ledger.iter().map(|(id, installed)| (id, installed.fault.clone(), names(&installed.targets))).collect()
    }

    /// What the nemesis has made of each node, by position.
    pub fn conditions(&self) -> Vec<Condition> {
        (0..self.nodes.len()).map(|node| self.condition(node)).collect()
    }

    /// An id that was not used yet.
    pub fn fresh_id(&self) -> FaultId {
        self.ledger().fresh_id()
    }

    /// The machines.
    pub fn machines(&self) -> &M {
        &self.machines
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// A place behind all that was begun so far.
    fn line_up(&self, nodes: &[usize]) -> Vec<(usize, Ticket)> {
        nodes.iter().map(|node| (*node, self.nodes[*node].turns.ticket())).collect()
    }

    fn condition(&self, node: usize) -> Condition {
        lock(&self.nodes[node].state).condition
    }

    fn now_is(&self, node: usize, condition: Condition) {
        lock(&self.nodes[node].state).condition = condition;
    }

    fn name(&self, node: usize) -> &str {
        self.layout.nodes.get(node).map_or("?", |(name, _)| name)
    }

    fn host(&self, node: usize) -> HostId {
        self.layout.nodes[node].1
    }

    /// A node's host, and where its data is.
    fn place(&self, node: usize) -> (HostId, Option<&Path>) {
        let host = self.host(node);
        (host, self.layout.data.get(&host).map(PathBuf::as_path))
    }

    fn asked(&self, fault: &Fault, targets: &[usize]) -> Json {
        let targets: Vec<_> = targets.iter().map(|node| self.name(*node)).collect();
        json!({ "fault": fault.name(), "targets": targets, "spec": fault })
    }

    fn prepare(&self, fault: &Fault, targets: Vec<usize>) -> Installed {
        let nodes: Vec<HostId> = self.layout.nodes.iter().map(|(_, host)| *host).collect();
        let links = fault::links(fault, &targets, &nodes, &self.layout.clients);
        let before = self.stats(&links);
        Installed::new(fault, targets, links, before)
    }
}

impl<M: Machines + Sync> Injector<M> {
    /// Installs a fault and waits until it is there.
    pub fn install(&self, id: FaultId, fault: &Fault, targets: &[usize]) -> Effect {
        self.carry_out(self.begin_install(id, fault, targets), |effect| effect)
    }

    /// Undoes a fault and waits until it is gone.
    pub fn heal(&self, id: FaultId) -> Effect {
        self.carry_out(self.begin_heal(id), |effect| effect)
    }

    /// Undoes everything that is installed, the last first, whatever fails on the way. What was begun before is waited for
    /// on the nodes that it concerns.
    pub fn heal_all(&self) -> Vec<(FaultId, Effect)> {
        let ids: Vec<FaultId> = self.ledger().iter().map(|(id, _)| id).rev().collect();
        let steps: Vec<_> = ids.into_iter().map(|id| (id, Mutex::new(Some(self.begin_heal(id))))).collect();
        let carry_out = |(id, step): &(FaultId, Mutex<Option<Step>>)| {
            let step = lock(step).take()?;
            Some((*id, self.carry_out(step, |effect| effect)))
        };
        step::side_by_side(&steps, carry_out).into_iter().flatten().collect()
    }

    /// Does what was begun, on each node as soon as its turn there comes, and waits for the end. What comes after it on these
    /// nodes waits at least on one of them until `told` returns.
    pub fn carry_out<T>(&self, step: Step, told: impl FnOnce(Effect) -> T) -> T {
        let effect = match step.task {
            Task::Nothing => step.effect.clone(),
            Task::Install(touch) => self.carry_out_install(&step, touch),
            Task::Heal(touch) => self.carry_out_heal(&step, touch),
        };
        let told = told(effect);
        drop(step);
        told
    }

    fn carry_out_install(&self, step: &Step, touch: Touch) -> Effect {
        let effect = step.effect.clone();
        let effect = match touch {
            Touch::Links => effect,
            Touch::Node(blow) => self.strike(step, &blow, effect),
            Touch::Clock => self.wind(step, effect, Outcome::Installed),
            Touch::Disk => self.spoil(step, effect),
            Touch::Resources => self.ration(step, effect),
            Touch::Data => self.despoil(step, effect),
            Touch::Backup => self.back_up(step, effect),
        };
        self.ledger().installed(step.id, &effect);
        effect
    }

    fn carry_out_heal(&self, step: &Step, touch: Touch) -> Effect {
        let effect = step.effect.clone();
        let effect = match touch {
            Touch::Links => effect,
            Touch::Node(_) | Touch::Data => self.revive(step, effect),
            Touch::Clock => self.wind(step, effect, Outcome::Healed),
            Touch::Disk => self.mend(step, effect),
            Touch::Resources => self.unration(step, effect),
            Touch::Backup => self.roll_back(step, effect),
        };
        let mut ledger = self.ledger();
        // Another heal may have been faster.
        if ledger.get(step.id).is_none() {
            return not_there(&ledger, step.id);
        }
        ledger.healed(step.id, &effect);
        effect
    }
}

/// The heal of a fault that is not installed.
fn not_there(ledger: &Ledger, id: FaultId) -> Effect {
    let reason = if ledger.knows(id) { "it is healed already" } else { "it was not installed" };
    Effect::of("heal", id, json!({ "heal": id })).skipped(reason.to_owned())
}

/// Nothing is left half-changed under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
