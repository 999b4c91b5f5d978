//! A simulated cluster, what befalls it, and the judge.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use checkers::registry::{self, CheckConfig};
use harness::analyses;
use harness::verdict::{Circumstances, Judgement, Terms, Verdict, judge};
use harness::workloads::{self, Shape, Turn, Workload};
use histories::{Completion, Guarantee, Operation, Process};
use nemesis::seed::{ChaCha8Rng, Seed};
use serde_json::json;
use systems_under_test::specimen::simulation::{Chance, Simulation, Source, Weather};
use systems_under_test::specimen::{Bundled, Specimen};
use systems_under_test::{Options, System};

/// What can befall a simulated cluster: names of faults or their families, as contracts know them.
pub const ALL: &[&str] = &["kill", "crash", "pause", "partition", "clients-cut", "clock"];

/// One simulated run.
pub struct Storm<'a> {
    /// Options other than the defaults; `bug` among them.
    pub set: &'a [(&'a str, &'a str)],
    pub nodes: usize,
    /// What befalls it, of [`ALL`]; how bad links and disks are all the time is `weather`.
    pub faults: &'a [&'a str],
    pub weather: Weather,
    /// Workloads; none: all that the system can do.
    pub workloads: &'a [&'a str],
    /// How many times something happens, some 400 ms apart.
    pub events: usize,
    /// So many nodes are harmed at a time at most; `None`: a minority.
    pub most_down: Option<usize>,
}

impl Default for Storm<'_> {
    fn default() -> Self {
        let weather = Weather::default();
        Storm { set: &[], nodes: 3, faults: ALL, weather, workloads: &[], events: 12, most_down: None }
    }
}

/// What came of it.
pub struct Outcome {
    pub judgement: Judgement,
    /// Operations that were acknowledged.
    pub ok_count: usize,
    pub operation_count: usize,
    /// The nodes' logs, for a failure.
    pub notes: String,
}

impl Outcome {
    /// Whether something promised was violated.
    pub fn is_invalid(&self) -> bool {
        self.judgement.verdict == Verdict::Invalid
    }

    /// The guarantees that were violated, promised or not.
    pub fn violated(&self) -> BTreeSet<Guarantee> {
        let rows = self.judgement.guarantees.iter();
        rows.filter(|(_, row)| row.observed == checkers::Observed::Violated).map(|(g, _)| *g).collect()
    }
}

/// The harness's own workloads, side by side, as a source of simulated clients.
struct Workloads {
    made: Vec<Box<dyn Workload>>,
    rng: ChaCha8Rng,
}

/// Shared with whoever wants the final reads of them in the end.
#[derive(Clone)]
struct SharedWorkloads(Rc<RefCell<Workloads>>);

impl Source for SharedWorkloads {
    fn next(&mut self, _: &mut Chance, client: usize, process: Process) -> Option<Operation> {
        let this = &mut *self.0.borrow_mut();
        let count = this.made.len();
        Some(this.made[client % count].next(turn(client, process), &mut this.rng))
    }

    fn observe(&mut self, client: usize, process: Process, asked: &Operation, completion: &Completion) {
        let this = &mut *self.0.borrow_mut();
        let count = this.made.len();
        this.made[client % count].observe(turn(client, process), asked, completion);
    }
}

fn turn(client: usize, process: Process) -> Turn {
    Turn { worker: client, process: process.0, session: process.0 }
}

/// Runs one storm and judges what its clients saw.
pub fn run<S: Specimen>(storm: &Storm, seed: u64) -> Outcome {
    let system = Bundled::<S>::default();
    let set: Vec<(String, String)> =
        storm.set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = Options::new(&system, &set).expect("options of the system");
    let settings = S::settings(&options).expect("validated");
    let mut simulation = Simulation::<S>::new(settings, storm.nodes, storm.weather, seed);
    let workloads =
        Rc::new(RefCell::new(Workloads { made: make(&system, storm), rng: Seed(seed).stream("workloads") }));
    simulation.run(1_500_000);
    simulation.mark("phase", json!("faults"), None);
    simulation.clients(6.max(2 * workloads.borrow().made.len()), SharedWorkloads(workloads.clone()));
    befall(&mut simulation, storm);
    simulation.heal();
    simulation.mark("heal-all", json!({}), None);
    simulation.run(4_000_000);
    simulation.turn_to(|_: &mut Chance, _: usize| None);
    simulation.run(3_000_000);
    simulation.mark("phase", json!("final-reads"), None);
    for (node, dump) in simulation.dumps().into_iter().enumerate() {
        simulation.mark("dump", dump, Some(node));
    }
    let mut reads: Vec<Operation> = workloads.borrow().made.iter().flat_map(|w| w.final_reads()).collect();
    simulation.turn_to(move |_: &mut Chance, _: usize| reads.pop());
    simulation.run(5_000_000);
    simulation.mark("phase", json!("end"), None);
    conclude(&simulation, &system, &options, storm)
}

fn make<S: Specimen>(system: &Bundled<S>, storm: &Storm) -> Vec<Box<dyn Workload>> {
    let wanted = |name: &str| storm.workloads.is_empty() || storm.workloads.contains(&name);
    let specs = workloads::supported(system.functions()).into_iter().filter(|spec| wanted(spec.name));
    let transactions = system.functions().contains(&systems_under_test::Function::Txn);
    let compare_and_set = system.functions().contains(&systems_under_test::Function::Cas);
    specs.map(|spec| (spec.make)(Shape { key_count: 2, concurrency: 6, transactions, compare_and_set })).collect()
}

/// Lets things happen to the cluster: never more nodes at a time than it is said to bear.
fn befall<S: Specimen>(simulation: &mut Simulation<S>, storm: &Storm) {
    let count = simulation.count();
    let most_down = storm.most_down.unwrap_or((count - 1) / 2);
    for _ in 0..storm.events {
        if storm.faults.is_empty() {
            simulation.run(400_000);
            continue;
        }
        let what = storm.faults[simulation.chance.below(storm.faults.len() as u64) as usize];
        let harmed = 1 + simulation.chance.below(most_down.max(1) as u64) as usize;
        let mut nodes: Vec<usize> = (0..count).collect();
        for i in 0..count {
            let j = i + simulation.chance.below((count - i) as u64) as usize;
            nodes.swap(i, j);
        }
        // Leaders are what faults are for.
        if let Some(leader) = simulation.leader().filter(|_| simulation.chance.percent(50)) {
            nodes.retain(|node| *node != leader);
            nodes.insert(0, leader);
        }
        nodes.truncate(if most_down == 0 && what != "clock" { 0 } else { harmed });
        strike(simulation, what, &nodes);
        let lasts = 100_000 + simulation.chance.below(900_000);
        simulation.run(lasts);
        simulation.heal();
        let quiet = simulation.chance.below(500_000);
        simulation.run(quiet);
    }
}

fn strike<S: Specimen>(simulation: &mut Simulation<S>, what: &str, nodes: &[usize]) {
    simulation.mark(what, json!({ "nodes": nodes }), None);
    match what {
        "partition" if simulation.chance.percent(40) => {
            // One way only.
            for node in nodes {
                for other in 0..simulation.count() {
                    let (from, to) = if simulation.chance.percent(50) { (*node, other) } else { (other, *node) };
                    simulation.cut(from, to, true);
                }
            }
        }
        "partition" => simulation.part(nodes),
        _ => {
            for node in nodes {
                match what {
                    "kill" => simulation.kill(*node),
                    "crash" => simulation.crash(*node),
                    "pause" => simulation.pause(*node),
                    "clients-cut" => simulation.hide(*node, true),
                    "clock" => {
                        let offset = simulation.chance.below(120_000_000) as i64 - 60_000_000;
                        simulation.skew(*node, offset);
                    }
                    other => panic!("what is '{other}'?"),
                }
            }
        }
    }
}

fn conclude<S: Specimen>(simulation: &Simulation<S>, system: &Bundled<S>, options: &Options, storm: &Storm) -> Outcome {
    let history = simulation.history();
    let mut findings = registry::check(&history, &CheckConfig::default());
    findings.append(&mut analyses::whole(&history).findings);
    let invoked = |event: &&histories::Event| event.kind == histories::Kind::Invoke;
    let ok = |event: &&histories::Event| event.kind == histories::Kind::Ok;
    let (operation_count, ok_count) =
        (simulation.events().iter().filter(invoked).count(), simulation.events().iter().filter(ok).count());
    let contract = system.contract(options, storm.nodes).without(Guarantee::Liveness);
    // Links lose and double messages all the time; nothing else of theirs is bad.
    let mut faults: Vec<String> = storm.faults.iter().map(|fault| (*fault).to_owned()).collect();
    faults.push("link".to_owned());
    let terms = Terms { contract, required: Default::default(), faults };
    let circumstances = Circumstances { ok_count: ok_count as u64, ..Circumstances::default() };
    let judgement = judge(&terms, findings, circumstances);
    let notes = simulation.notes().iter().map(|(at, node, line)| format!("{at:>10} n{} {line}\n", node + 1)).collect();
    Outcome { judgement, ok_count, operation_count, notes }
}

/// No promise is broken under any of these seeds, and enough happens for that to mean something.
pub fn keeps_its_promises<S: Specimen>(storm: &Storm, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = run::<S>(storm, seed);
        let rows: Vec<String> = outcome
            .judgement
            .guarantees
            .iter()
            .filter(|(_, row)| row.promised && row.observed == checkers::Observed::Violated)
            .map(|(guarantee, row)| format!("{guarantee}: {} {:?}", row.summary, row.anomalies.first()))
            .collect();
        assert!(
            !outcome.is_invalid(),
            "seed {seed} {:?}: {}\n{}\n{}",
            storm.set,
            outcome.judgement.reason,
            rows.join("\n"),
            outcome.notes
        );
        assert!(outcome.ok_count * 4 > outcome.operation_count, "seed {seed}: {} ok", outcome.ok_count);
    }
}

/// How many of these seeds break a promise that is about this guarantee.
pub fn breaks<S: Specimen>(storm: &Storm, guarantee: Guarantee, seeds: std::ops::Range<u64>) -> usize {
    seeds.filter(|seed| run::<S>(storm, *seed).violated().contains(&guarantee)).count()
}
