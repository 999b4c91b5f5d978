//! Processes that get less than they could use, as they see it and as the kernel counts it.

use std::time::{Duration, Instant};

use nemesis::clock::ClockTier;
use nemesis::fault::{ClockFault, Fault, Shortage, Target};
use nemesis::hosts::{HostId, HostSpec, Hosts, ResourceReading, Rung};
use nemesis::injector::{Condition, FaultId, Injector, Outcome};

use crate::lab::{self, DEADLINE, Lab, wait_until};
use crate::runner::{self, Test};
use crate::{Cluster, count, node};

pub const TESTS: &[Test] = &[
    ("a_throttled_node_runs_its_share_and_then_all_the_time", a_throttled_node_runs_its_share),
    ("a_throttle_goes_on_through_kill_pause_and_crash", a_throttle_goes_on_through_kill_pause_and_crash),
    ("programs_are_followed_while_their_node_is_throttled", programs_are_followed_while_their_node_is_throttled),
    ("memory_and_descriptors_are_refused_until_the_limit_is_lifted", memory_and_descriptors_are_refused),
    ("a_limit_goes_on_through_kill_and_crash", a_limit_goes_on_through_kill_and_crash),
    ("a_limit_on_a_node_that_is_down_meets_the_next_process", a_limit_meets_the_next_process),
];

/// One node that plays a part, beside one that talks to nobody.
fn playing(rung: Rung, part: &str) -> Cluster {
    let cluster = Cluster { lab: Lab::new(rung, 2), node_count: 1 };
    let process = cluster.lab.process(0, &[part, "0"]);
    cluster.lab.hosts.spawn(HostId(0), process).expect("a process");
    cluster
}

fn shortage(shortage: Shortage) -> Fault {
    Fault::Resources { target: node(0), shortage }
}

fn reading(cluster: &Cluster) -> ResourceReading {
    cluster.lab.hosts.read_resources(HostId(0)).expect("a reading").expect("it is up")
}

/// The share of the time that the node's processes run, percent, over at least this much time.
fn share(cluster: &Cluster, window: Duration) -> f64 {
    let before = reading(cluster);
    let wall_ms = window.as_millis() as u64;
    wait_until("time", || reading(cluster).wall_ms >= before.wall_ms + wall_ms);
    let after = reading(cluster);
    100.0 * (after.cpu_ms - before.cpu_ms) as f64 / (after.wall_ms - before.wall_ms) as f64
}

fn install(cluster: &Cluster, injector: &Injector<&Hosts>, fault: &Fault) -> nemesis::injector::FaultId {
    let (id, installed) = cluster.install(injector, fault);
    assert_eq!(installed.outcome, Outcome::Installed, "{}", installed.to_json());
    id
}

fn a_throttled_node_runs_its_share(rung: Rung) {
    let cluster = playing(rung, "burn");
    wait_until("fire", || cluster.last(0, "burning").is_some());
    let injector = cluster.injector();
    let free = share(&cluster, Duration::from_millis(300));
    let (id, installed) = cluster.install(&injector, &shortage(Shortage::Cpu { percent: 10 }));
    assert_eq!((count(&installed, "processes_throttled"), installed.inert), (1, false));
    let throttled = share(&cluster, Duration::from_millis(1_500));
    // One more step of the kernel's account, and one more turn.
    assert!(throttled > 1.0 && throttled < 12.0 && throttled < free / 2.0, "{throttled} % of {free} %");
    wait_until("an absence", || cluster.last(0, "away").is_some_and(|ms| ms >= 40));
    let healed = injector.heal(id);
    assert_eq!((&healed.outcome, healed.inert), (&Outcome::Healed, false), "{}", healed.to_json());
    assert!(count(&healed, "stops") > 10, "{}", healed.to_json());
    let counted = 100.0 * count(&healed, "cpu_ms") as f64 / count(&healed, "wall_ms") as f64;
    assert!(counted < 13.0, "{counted} %");
    assert_eq!(reading(&cluster).stopped, 0);
    let after = share(&cluster, Duration::from_millis(300));
    assert!(after > 2.0 * throttled, "{after} % after {throttled} %");
}

fn a_throttle_goes_on_through_kill_pause_and_crash(rung: Rung) {
    let cluster = playing(rung, "burn");
    let injector = cluster.injector();
    let throttle = shortage(Shortage::Cpu { percent: 10 });
    let id = install(&cluster, &injector, &throttle);
    for down in [Fault::Kill { target: node(0) }, Fault::Crash { target: node(0) }] {
        let down = install(&cluster, &injector, &down);
        let healed = injector.heal(down);
        assert_eq!((&healed.outcome, count(&healed, "processes_running")), (&Outcome::Healed, 1));
        // Long enough that the turn in which it started, and a step of the kernel's account, weigh little.
        let share = share(&cluster, Duration::from_millis(1_500));
        assert!(share < 15.0, "the next process is throttled too: {share} %");
    }
    let pause = install(&cluster, &injector, &Fault::Pause { target: node(0) });
    assert_eq!(share(&cluster, Duration::from_millis(200)), 0.0);
    assert_eq!(injector.heal(id).outcome, Outcome::Healed);
    assert_eq!((reading(&cluster).stopped, injector.conditions()[0]), (1, Condition::Paused), "still paused");
    assert_eq!(share(&cluster, Duration::from_millis(200)), 0.0);
    let (id, idle) = cluster.install(&injector, &throttle);
    assert!(idle.inert, "what does not move is not throttled: {}", idle.to_json());
    assert_eq!(share(&cluster, Duration::from_millis(200)), 0.0, "a throttle wakes nobody");
    let healed = injector.heal(pause);
    assert_eq!(count(&healed, "processes_running"), 1);
    assert!(share(&cluster, Duration::from_millis(1_500)) < 15.0, "awake, and throttled");
    assert!(!injector.heal(id).inert);
    wait_until("an end of all stops", || reading(&cluster).stopped == 0);
    assert!(share(&cluster, Duration::from_millis(300)) > 20.0);
}

fn programs_are_followed_while_their_node_is_throttled(rung: Rung) {
    let lab =
        Lab::equipped(rung, 2, 1, lab::Scratch::new(), |_, spec| HostSpec { clock: Some(ClockTier::Vdso), ..spec });
    let lab = lab.unwrap_or_else(|lacking| runner::skip(lacking.to_string()));
    let process = lab.process(0, &["start", "0"]);
    lab.hosts.spawn(HostId(0), process).expect("a process");
    let cluster = Cluster { lab, node_count: 1 };
    let injector = cluster.injector();
    wait_until("programs", || cluster.last(0, "started") >= Some(3));
    for percent in [5, 50, 90] {
        let id = install(&cluster, &injector, &shortage(Shortage::Cpu { percent }));
        let jump = Fault::Clock { target: node(0), change: ClockFault::Jump { by_ms: 60_000 } };
        let (jump, installed) = cluster.install(&injector, &jump);
        assert!(!installed.inert, "{}", installed.to_json());
        let before = cluster.last(0, "started").unwrap_or(0);
        wait_until("more programs", || cluster.last(0, "started") >= Some(before + 10));
        assert_eq!(injector.heal(id).outcome, Outcome::Healed);
        injector.heal(jump);
        let before = cluster.last(0, "started").unwrap_or(0);
        wait_until("programs without a throttle", || cluster.last(0, "started") >= Some(before + 10));
    }
    let clock = cluster.lab.hosts.read_clock(HostId(0)).expect("a reading");
    let main = clock.processes.iter().find(|process| process.main).expect("it runs");
    assert!(matches!(main.coverage, nemesis::clock::Coverage::Covered), "{main:?}");
}

fn memory_and_descriptors_are_refused(rung: Rung) {
    let cluster = playing(rung, "grab");
    let injector = cluster.injector();
    wait_until("plenty", || cluster.last(0, "memory") == Some(1) && cluster.last(0, "descriptors") == Some(24));
    let had = reading(&cluster).processes[0];
    let memory = limit_memory(&cluster, &injector);
    let files = install(&cluster, &injector, &shortage(Shortage::Descriptors { headroom: 7 }));
    wait_until("a refusal of descriptors", || cluster.last(0, "descriptors").is_some_and(|got| got < 24));
    let now = reading(&cluster).processes[0];
    assert!(now.memory.lowered && now.descriptors.lowered);
    assert!(now.memory.limit < had.memory.limit.or(Some(u64::MAX)) && now.descriptors.limit < had.descriptors.limit);
    let healed = injector.heal(memory);
    assert_eq!((&healed.outcome, healed.inert), (&Outcome::Healed, false));
    wait_until("memory", || cluster.last(0, "memory") == Some(1));
    assert!(reading(&cluster).processes[0].descriptors.lowered, "the other limit stays");
    injector.heal(files);
    wait_until("descriptors", || cluster.last(0, "descriptors") == Some(24));
    let back = reading(&cluster).processes[0];
    assert_eq!((back.memory.limit, back.descriptors.limit), (had.memory.limit, had.descriptors.limit));
}

/// Limits the memory of a node so that it is refused some. A limit is relative to what its process has at that moment: one
/// that was read while it held what it grabs is lifted, and another is set.
fn limit_memory(cluster: &Cluster, injector: &Injector<&Hosts>) -> FaultId {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let id = install(cluster, injector, &shortage(Shortage::Memory { headroom: 4 << 20 }));
        let before = cluster.lab.said(0).len();
        let told = || cluster.lab.said(0)[before..].matches("memory ").count();
        wait_until("attempts", || told() >= 3);
        if cluster.lab.said(0)[before..].contains("memory 0\n") {
            return id;
        }
        injector.heal(id);
        assert!(Instant::now() < deadline, "no refusal of memory");
    }
}

fn a_limit_goes_on_through_kill_and_crash(rung: Rung) {
    let cluster = playing(rung, "grab");
    let injector = cluster.injector();
    wait_until("plenty", || cluster.last(0, "memory") == Some(1));
    let had = reading(&cluster).processes[0].memory.limit;
    let id = limit_memory(&cluster, &injector);
    let limit = reading(&cluster).processes[0].memory.limit;
    for down in [Fault::Kill { target: node(0) }, Fault::Crash { target: node(0) }] {
        let down = install(&cluster, &injector, &down);
        injector.heal(down);
        let before = cluster.lab.said(0).len();
        wait_until("a refusal", || cluster.lab.said(0)[before..].contains("memory 0\n"));
        assert_eq!(reading(&cluster).processes[0].memory.limit, limit, "what the one before it had");
    }
    assert!(!injector.heal(id).inert);
    assert_eq!(reading(&cluster).processes[0].memory.limit, had);
    wait_until("memory", || cluster.last(0, "memory") == Some(1));
}

fn a_limit_meets_the_next_process(rung: Rung) {
    let cluster = playing(rung, "grab");
    let injector = cluster.injector();
    let kill = install(&cluster, &injector, &Fault::Kill { target: node(0) });
    let (id, installed) = cluster.install(&injector, &shortage(Shortage::Descriptors { headroom: 3 }));
    assert_eq!((installed.inert, count(&installed, "processes_limited")), (true, 0));
    let began = Instant::now();
    injector.heal(kill);
    wait_until("a refusal", || cluster.last(0, "descriptors").is_some_and(|got| got < 24));
    assert!(began.elapsed() > Duration::from_millis(300), "it had time to start");
    assert!(!injector.heal(id).inert, "it bit in the end");
    wait_until("descriptors", || cluster.last(0, "descriptors") == Some(24));
    let all = Fault::Resources { target: Target::All, shortage: Shortage::Cpu { percent: 50 } };
    let crash = install(&cluster, &injector, &Fault::Crash { target: node(0) });
    let (id, installed) = cluster.install(&injector, &all);
    assert_eq!((installed.inert, &installed.took_effect["nodes"]["n1"]["is"]), (true, &"crashed".into()));
    assert!(injector.heal(id).inert);
    injector.heal(crash);
}
