//! The nemesis of a run: follows the schedule, writes what it did into the same history, and heals everything.

mod core;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use nemesis::fault::Fault;
use nemesis::hosts::Exit;
use nemesis::injector::{FaultId, Injector, Layout, Outcome};
use nemesis::schedule::{Driver, Due, Observed, OutputTail};
use serde_json::{Value as Json, json};

use super::cluster::RunningCluster;
use super::lateness::Lateness;
use super::record::Recorder;
use super::steps::{Done, Steps};
use super::watching::{ClockWatch, LeaderWatch};
use crate::clock::RunClock;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::report::FaultRecord;
use crate::rundir::RunDir;

/// See the [module](self).
pub struct Nemesis {
    cluster: Arc<RunningCluster>,
    recorder: Arc<Recorder>,
    clock: RunClock,
    driver: Driver,
    tail: Option<OutputTail>,
    leader: Option<LeaderWatch>,
    clocks: Option<ClockWatch>,
    steps: Steps,
    lateness: Lateness,
    exits: Option<Receiver<Exit>>,
    /// Nodes that ended although nobody ended them.
    unexpected: Ended,
    /// Every fault so far, with the id of the injector.
    pub records: Vec<FaultRecord>,
    ids: Vec<FaultId>,
    /// The names of those that are being installed.
    names: BTreeMap<FaultId, Vec<&'static str>>,
    /// Every name under which a contract may speak of the faults that were installed.
    pub suffered: BTreeSet<String>,
    /// Injections that were skipped, with the reason.
    skipped: Vec<String>,
    /// The schedule, in words, by step.
    planned: Vec<String>,
}

impl Nemesis {
    /// Nothing is installed yet.
    pub fn new(
        plan: &Plan,
        cluster: Arc<RunningCluster>,
        recorder: Arc<Recorder>,
        clock: RunClock,
        dir: &RunDir,
    ) -> Result<Self, Failure> {
        let driver = Driver::new(&plan.schedule).map_err(|e| Failure::usage("the schedule").because(&e))?;
        let names = cluster.names().iter().zip(cluster.nodes()).map(|(name, host)| (name.to_string(), *host));
        let layout = Layout { nodes: names.collect(), clients: cluster.clients(), data: cluster.data() };
        let injector = Injector::new(cluster.hosts().clone(), layout, Some(&dir.file("ledger.jsonl")))
            .map_err(|e| Failure::harness("the ledger").because(&e))?;
        let tail = plan.schedule.watches_output().then(|| OutputTail::new(cluster.outputs()));
        // To ask when a fault is due would hold up all others: a node that is down answers after a while only.
        let wants_leader = plan.schedule.watches_leader() || plan.schedule.faults().any(Fault::needs_leader);
        let leader = wants_leader.then(|| LeaderWatch::start(cluster.clone()));
        let has_clocks = cluster.equipment().clock.is_some();
        let clocks = has_clocks.then(|| ClockWatch::start(cluster.clone(), recorder.clone()));
        Ok(Nemesis {
            exits: cluster.exits(),
            steps: Steps::new(injector, recorder.clone(), clock),
            lateness: Lateness::default(),
            cluster,
            recorder,
            clock,
            driver,
            tail,
            leader,
            clocks,
            unexpected: Ended::default(),
            records: Vec::new(),
            ids: Vec::new(),
            names: BTreeMap::new(),
            suffered: BTreeSet::new(),
            skipped: Vec::new(),
            planned: plan.schedule.steps.iter().map(ToString::to_string).collect(),
        })
    }

    /// Does what is due at `now_ms` of the workload, when so many operations were `completed` and `acknowledged`.
    pub fn tick(&mut self, now_ms: u64, completed: u64, acknowledged: u64) {
        self.collect_exits();
        let lines = self.tail.as_mut().map(OutputTail::read).unwrap_or_default();
        let leader = self.leader.as_ref().and_then(LeaderWatch::seen);
        for due in self.driver.poll(&Observed { now_ms, completed, acknowledged, lines: &lines, leader }) {
            match due {
                Due::Inject { id, fault, due_ms, .. } => self.inject(id, &fault, Some(due_ms)),
                Due::Heal { id, due_ms, .. } => self.steps.heal(id, Some(due_ms)),
            }
        }
        let done = self.steps.done();
        self.take_note(done);
    }

    fn inject(&mut self, id: FaultId, fault: &Fault, due_ms: Option<u64>) {
        if let Some(why) = self.cluster.equipment().refuses(fault) {
            self.recorder
                .nemesis(fault.name(), json!({ "id": id, "asked": { "spec": fault }, "outcome": { "skipped": why } }));
            return;
        }
        let leader = self.leader.as_ref().and_then(LeaderWatch::seen).filter(|_| fault.needs_leader());
        let targets = fault.resolve(self.cluster.nodes().len(), leader);
        // Its first victims come before it is all in place: the history must not show them before the fault.
        let aimed_at: Vec<_> = targets.iter().filter_map(|node| self.cluster.name(*node)).collect();
        let aimed_at: Vec<&str> = aimed_at.iter().map(|name| &**name).collect();
        let begun = json!({ "id": id, "asked": { "spec": fault, "targets": aimed_at }, "outcome": "installing" });
        self.recorder.nemesis(fault.name(), begun.clone());
        self.ids.push(id);
        self.records.push(FaultRecord {
            fault: fault.name().to_owned(),
            from_ms: self.clock.elapsed_ms(),
            to_ms: None,
            late_ms: 0,
            heal_late_ms: None,
            healing: None,
            outcome: begun["outcome"].clone(),
            inert: true,
            asked: begun["asked"].clone(),
            took_effect: json!({}),
        });
        self.names.insert(id, fault.names());
        // Without a known leader the fault hits the node that was drawn for that case.
        let name = fault.needs_leader().then(|| json!(leader.and_then(|l| self.cluster.name(l)).as_deref()));
        let more = name.map(|name| ("leader", name)).into_iter().collect();
        self.steps.install(id, fault, &targets, due_ms, more);
    }

    /// Heals everything, whatever is installed, and says so in the history. What cannot be healed after a second
    /// attempt is a failure of ours: the store must not be judged by it.
    pub async fn heal_all(&mut self) -> Result<(), Failure> {
        self.driver.stop();
        let mut healed = 0;
        for _ in 0..2 {
            for (id, ..) in self.steps.injector().installed().into_iter().rev() {
                self.steps.heal(id, None);
            }
            let done = self.steps.finish().await;
            let by_now = |done: &&Done| done.heal && done.late_ms.is_none() && done.effect.outcome == Outcome::Healed;
            healed += done.iter().filter(by_now).count();
            self.take_note(done);
        }
        let left = self.installed();
        if left.is_empty() && !self.steps.are_broken() {
            self.recorder.nemesis("heal-all", json!({ "healed": healed }));
            return Ok(());
        }
        let last = self.records.iter().rev().find_map(|r| r.healing.clone()).unwrap_or_default();
        Err(Failure::harness(format!("not everything could be healed: {}", left.join(", "))).help(last))
    }

    /// Waits until nothing is under way.
    async fn finish(&mut self) {
        let done = self.steps.finish().await;
        self.take_note(done);
    }

    fn take_note(&mut self, done: Vec<Done>) {
        let any = !done.is_empty();
        for done in done {
            if let Some(position) = self.ids.iter().position(|known| *known == done.id) {
                if done.heal { self.healed(position, &done) } else { self.injected(position, &done) }
            }
        }
        if any {
            self.look_at_clocks();
        }
    }

    fn injected(&mut self, position: usize, done: &Done) {
        let effect = &done.effect;
        match &effect.outcome {
            Outcome::Skipped(reason) => self.skipped.push(format!("{} was skipped: {reason}", effect.f)),
            Outcome::Indeterminate(reason) => {
                self.skipped.push(format!("it is not known whether {} took hold: {reason}", effect.f));
            }
            Outcome::Installed | Outcome::Healed => {}
        }
        if !matches!(effect.outcome, Outcome::Skipped(_)) {
            self.suffered.extend(self.names.remove(&done.id).into_iter().flatten().map(str::to_owned));
            self.note_lateness(done);
        }
        let record = &mut self.records[position];
        record.late_ms = done.late_ms.unwrap_or(0);
        record.outcome = json!(effect.outcome);
        record.inert = effect.inert;
        record.asked.clone_from(&effect.asked);
        record.took_effect.clone_from(&effect.took_effect);
    }

    fn healed(&mut self, position: usize, done: &Done) {
        let effect = &done.effect;
        if matches!(effect.outcome, Outcome::Skipped(_)) {
            return;
        }
        self.note_lateness(done);
        let record = &mut self.records[position];
        record.to_ms = Some(done.at_ms);
        record.heal_late_ms = done.late_ms.or(record.heal_late_ms);
        record.inert = effect.inert;
        // A second attempt may have done what the first did not.
        record.healing = match &effect.outcome {
            Outcome::Indeterminate(reason) => Some(reason.clone()),
            _ => None,
        };
        merge(&mut record.took_effect, &effect.took_effect);
    }

    fn note_lateness(&mut self, done: &Done) {
        let Some(late_ms) = done.late_ms else { return };
        let asked = &done.effect.asked;
        let what = || {
            let nodes = asked["targets"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let words: Vec<_> = asked["fault"].as_str().into_iter().chain(nodes).collect();
            let heal = if done.heal { "the heal of " } else { "" };
            let due_ms = done.at_ms.saturating_sub(late_ms);
            format!("{heal}{}, due at {:.1} s", words.join(" "), due_ms as f64 / 1000.0)
        };
        self.lateness.note(late_ms, what);
    }

    fn look_at_clocks(&self) {
        let Some(clocks) = &self.clocks else { return };
        let installed = self.steps.injector().installed();
        clocks.set_wrong(installed.iter().any(|(_, fault, _)| matches!(fault, Fault::Clock { .. })));
    }

    /// What broke of the nemesis itself.
    pub fn broken(&self) -> Option<Failure> {
        self.steps.are_broken().then(|| Failure::harness("the injector broke; please report this with its directory"))
    }

    /// The faults that are installed now: name and targets.
    pub fn installed(&self) -> Vec<String> {
        let installed = self.steps.injector().installed();
        installed.iter().map(|(_, fault, nodes)| format!("{} {}", fault.name(), nodes.join(" "))).collect()
    }

    /// Takes note of nodes that ended by themselves.
    pub fn collect_exits(&mut self) {
        let Some(exits) = &self.exits else { return };
        while let Ok(exit) = exits.try_recv() {
            if !exit.main || exit.expected {
                continue;
            }
            let Some(node) = self.cluster.nodes().iter().position(|host| *host == exit.host) else { continue };
            let Some(name) = self.cluster.name(node) else { continue };
            self.recorder.nemesis("exit", json!({"node": &*name, "code": exit.code, "signal": exit.signal}));
            let said = self.cluster.last_words(&name);
            self.unexpected.note(&name, (exit.code, exit.signal), self.clock.elapsed_ms(), said);
        }
    }

    /// What the reader should know.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.unexpected.notes();
        notes.extend(told_once(&self.skipped));
        notes.extend(self.lateness.note_for_reader());
        let never = self.driver.never_due().into_iter().filter_map(|step| Some((step + 1, &**self.planned.get(step)?)));
        notes.extend(never_due(&never.collect::<Vec<_>>()));
        notes
    }
}

/// Nodes that ended by themselves: of each, in which ways.
#[derive(Default)]
struct Ended(BTreeMap<String, BTreeMap<String, Ends>>);

/// How often a node ended in one way, and what it said last of all.
#[derive(Default)]
struct Ends {
    at_ms: Vec<u64>,
    said: Option<String>,
}

/// No more of a node's last words than this is quoted, characters.
const QUOTED: usize = 160;

impl Ended {
    fn note(&mut self, name: &str, (code, signal): (Option<i32>, Option<i32>), at_ms: u64, said: Option<String>) {
        let how = match (code, signal) {
            (Some(code), _) => format!(" with code {code}"),
            (None, Some(signal)) => format!(" by signal {signal}"),
            (None, None) => String::new(),
        };
        let ends = self.0.entry(name.to_owned()).or_default().entry(how).or_default();
        ends.at_ms.push(at_ms);
        ends.said = said.or(ends.said.take());
    }

    /// A line for each node and way: under faults of disks a node may well end every other second.
    fn notes(&self) -> Vec<String> {
        let ways = self.0.iter().flat_map(|(name, ways)| ways.iter().map(move |(how, at_ms)| (name, how, at_ms)));
        let line = |(name, how, Ends { at_ms, said }): (&String, &String, &Ends)| {
            let seconds = |ms: u64| ms as f64 / 1000.0;
            let when = match at_ms[..] {
                [first, .., last] => {
                    format!(", {} times from {:.1} s to {:.1} s", at_ms.len(), seconds(first), seconds(last))
                }
                _ => format!(" at {:.1} s", at_ms.first().map_or(0.0, |ms| seconds(*ms))),
            };
            let quoted = said.as_ref().map(|said| match said.char_indices().nth(QUOTED) {
                Some((end, _)) => format!("\"{}…\"", &said[..end]),
                None => format!("\"{said}\""),
            });
            let said = quoted.map(|said| format!("; it said last: {said}")).unwrap_or_default();
            format!("{name} ended by itself{how}{when}{said} (nodes/{name}/stderr.log)")
        };
        ways.map(line).collect()
    }
}

/// A run that ends early leaves most of its schedule undone: then the first step is enough.
fn never_due(steps: &[(usize, &str)]) -> Vec<String> {
    match steps {
        [(first, words), _, _, _, ..] => {
            let count = steps.len();
            vec![format!("{count} steps of the schedule were never due, the first of them step {first}: {words}")]
        }
        few => {
            let line = |(step, words): &(usize, &str)| format!("step {step} of the schedule was never due: {words}");
            few.iter().map(line).collect()
        }
    }
}

/// Each of these lines once, with how often it was there, in the order in which they came first.
fn told_once(lines: &[String]) -> Vec<String> {
    let mut counted: Vec<(&String, usize)> = Vec::new();
    for line in lines {
        match counted.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => counted.push((line, 1)),
        }
    }
    let told =
        |(line, count): (&String, usize)| if count == 1 { line.clone() } else { format!("{line} ({count} times)") };
    counted.into_iter().map(told).collect()
}

/// What a heal says beside what the installation said, node by node; where both say something the heal has the last word.
fn merge(into: &mut Json, from: &Json) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(into), Some(from)) => {
            from.iter().for_each(|(name, value)| merge(into.entry(name.clone()).or_insert(Json::Null), value));
        }
        _ => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_and_again_is_one_line() {
        let mut ended = Ended::default();
        for at_ms in [1_200, 3_400, 9_000] {
            ended.note("n4", (Some(1), None), at_ms, Some(format!("n4: cannot write at {at_ms}")));
        }
        ended.note("n4", (None, Some(6)), 5_000, None);
        let notes = [
            "n4 ended by itself by signal 6 at 5.0 s (nodes/n4/stderr.log)",
            "n4 ended by itself with code 1, 3 times from 1.2 s to 9.0 s; it said last: \"n4: cannot write at 9000\" \
             (nodes/n4/stderr.log)",
        ];
        assert_eq!(ended.notes(), notes);
        assert_eq!(never_due(&[(2, "at 1s: x"), (7, "at 9s: y")]).len(), 2);
        let many: Vec<(usize, &str)> = (14..64).map(|step| (step, "at 5s: x")).collect();
        assert_eq!(never_due(&many), ["50 steps of the schedule were never due, the first of them step 14: at 5s: x"]);
        let lines = ["a", "b", "a"].map(str::to_owned);
        assert_eq!(told_once(&lines), ["a (2 times)", "b"]);
    }
}
