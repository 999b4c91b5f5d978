//! The nemesis leaves a core of nodes to itself: see [`nemesis::schedule::Liveness`].

use nemesis::injector::FaultId;
use nemesis::schedule::Liveness;
use serde_json::json;

use super::Nemesis;
use crate::failure::Failure;

impl Nemesis {
    /// Breaks the others for good, heals everything that harms the core, and says so in the history. No step of the schedule
    /// is due any more. Returns who is the core and what stays on the others.
    ///
    /// # Errors
    /// When something that harms the core cannot be healed: then the store must not be judged by it.
    pub async fn leave_core_alone(&mut self, liveness: &Liveness) -> Result<Liveness, Failure> {
        self.driver.stop();
        let leader = if liveness.leader_out { self.cluster.leader().await } else { None };
        let liveness = liveness.under(leader);
        for fault in &liveness.rest {
            let id = self.next_id();
            self.inject(id, fault, None);
        }
        self.finish().await;
        let mut harming = Vec::new();
        for _ in 0..2 {
            for id in self.steps.injector().harming(&liveness.core) {
                self.steps.heal(id, None);
            }
            self.finish().await;
            harming = self.steps.injector().harming(&liveness.core);
            if harming.is_empty() {
                break;
            }
        }
        let names = |nodes: &[usize]| nodes.iter().filter_map(|n| self.cluster.name(*n)).collect::<Vec<_>>().join(" ");
        if !harming.is_empty() {
            let what = format!("{} could not be healed, to be left alone", names(&liveness.core));
            return Err(Failure::harness(what).help(self.installed().join(", ")));
        }
        let core: Vec<_> = liveness.core.iter().filter_map(|node| self.cluster.name(*node)).collect();
        let others = (0..self.cluster.nodes().len()).filter(|node| !liveness.core.contains(node));
        let rest: Vec<_> = others.filter_map(|node| self.cluster.name(node)).collect();
        let said = json!({
            "core": core.iter().map(|name| &**name).collect::<Vec<_>>(),
            "rest": rest.iter().map(|name| &**name).collect::<Vec<_>>(),
            "faults": self.installed(),
            "within_ms": liveness.within_ms,
        });
        self.recorder.nemesis("core", said);
        Ok(liveness)
    }

    /// One that no fault of this run has, installed or skipped.
    fn next_id(&self) -> FaultId {
        let known = self.ids.iter().max().map_or(0, |id| id.0 + 1);
        FaultId(self.steps.injector().fresh_id().0.max(known))
    }
}
