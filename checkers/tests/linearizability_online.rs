//! The alarm comes with the first event after which there is no linearization, whatever is still open.

mod linearizability_support;

use checkers::linearizability::online::OnlineRegisters;
use checkers::linearizability::registers;
use checkers::{Anomaly, Budget};
use histories::{Event, EventIndex, History, Operation, Scalar, Value, notation};
use linearizability_support::orders::{self, Timed};
use linearizability_support::simulated::{self, Shape};
use linearizability_support::{Rng, question};

/// The event of the alarm, with the events known one by one.
fn alarm(events: &[Event]) -> Option<(usize, Anomaly)> {
    let mut online = OnlineRegisters::new(None);
    let mut history = History::new();
    events.iter().enumerate().find_map(|(i, event)| {
        let index = history.push(event);
        Some((i, online.step(&history, index)?))
    })
}

fn step(state: &Scalar, op: &Timed) -> Vec<Scalar> {
    let legal = |next: Option<Scalar>| next.into_iter().collect();
    match (&op.question, &op.answer) {
        (Operation::Read { .. }, Some(Operation::Read { value: Some(Value::Scalar(value)), .. })) => {
            legal((value == state).then(|| state.clone()))
        }
        (Operation::Write { value, .. }, _) => vec![value.clone()],
        (Operation::Cas { old, .. }, _) if op.failed => legal((old != state).then(|| state.clone())),
        (Operation::Cas { old, new, .. }, _) => legal((old == state).then(|| new.clone())),
        _ => vec![state.clone()],
    }
}

fn linearizable(events: &[Event]) -> bool {
    let says = |op: &Timed| !op.failed || op.reason.as_deref() == Some("mismatch");
    let all: Vec<Timed> = orders::timed(events).into_iter().filter(says).collect();
    orders::exists(&all, &Scalar::Null, &step)
}

fn shape(rng: &mut Rng) -> Shape {
    Shape {
        clients: 2 + rng.below(3),
        operations: 3 + rng.below(6),
        reads: 30 + rng.below(30),
        cas: [0, 30][rng.below(2)],
        infos: 10.0,
        lies: 40.0,
        haste: 20 + rng.below(60),
        open: rng.percent(50),
        silent: 100,
        ..Shape::busy(2, 0)
    }
}

#[test]
fn the_alarm_is_neither_early_nor_late() {
    let (mut alarms, each) = (0, 60_000u64);
    for seed in 0..each {
        let mut rng = Rng(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let shape = shape(&mut rng);
        let events = simulated::registers(&mut rng, shape);
        let raised = alarm(&events).map(|(i, _)| i);
        if let Some(i) = raised {
            alarms += 1;
            assert!(!linearizable(&events[..=i]), "seed {seed}, too early: {i}\n  {}", notation::print(&events));
        }
        let before = raised.unwrap_or(events.len());
        assert!(linearizable(&events[..before]), "seed {seed}, too late: {raised:?}\n  {}", notation::print(&events));
    }
    assert!(alarms * 5 > each && (each - alarms) * 5 > each, "{alarms} of {each}");
}

/// Compare-and-sets that failed raise it only where nothing else is possible.
#[test]
fn no_false_alarm() {
    let (mut alarms, each) = (0, 40_000u64);
    for seed in 0..each {
        let mut rng = Rng(seed.wrapping_mul(0x9876_5432_1abc_def1));
        let shape = Shape { silent: 20, cas: 40, ..shape(&mut rng) };
        let events = simulated::registers(&mut rng, shape);
        if let Some((i, _)) = alarm(&events) {
            alarms += 1;
            assert!(!linearizable(&events[..=i]), "seed {seed}, too early: {i}\n  {}", notation::print(&events));
        }
    }
    assert!(alarms * 5 > each, "{alarms} of {each}");
}

/// On longer histories the verdict is that of the whole, and the evidence is complete when the alarm is raised.
#[test]
fn the_verdict_is_that_of_the_whole() {
    let mut violated = 0;
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let clients = 2 + rng.below(20);
        let lies = [0.0, 3.0][rng.below(2)];
        let cas = [0, 20][rng.below(2)];
        let shape = Shape { cas, lies, infos: 1.0, keys: 3, silent: 100, ..Shape::busy(clients, 400) };
        let events = simulated::registers(&mut rng, shape);
        let history = History::from_events(&events);
        let whole = registers::check(&history, &question(), &Budget::default());
        let mut online = OnlineRegisters::new(None);
        let mut alarms = 0;
        for event in history.events() {
            if let Some(anomaly) = online.step(&history, event) {
                alarms += 1;
                let known = |op: &u32| EventIndex(*op) <= event;
                assert!(anomaly.operations.iter().all(known), "{anomaly:?}");
            }
        }
        assert_eq!(alarms, whole.groups.values().map(|group| group.count).sum::<u64>(), "seed {seed}");
        assert_eq!((online.violated() as u64, online.given_up()), (alarms, 0));
        violated += u64::from(alarms > 0);
    }
    assert!(violated > 100 && violated < 500, "{violated}");
}
