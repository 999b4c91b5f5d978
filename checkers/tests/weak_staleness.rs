//! Reads are as old as the definition says, on every small history, and Δ is the least that will do.

mod weak_reference;

use checkers::weak::staleness::{self, Staleness};
use histories::{Event, History, Scalar, Value, notation};
use weak_reference::orders::{Op, What, operations};
use weak_reference::{Rng, Shape, history};

fn measure(events: &[Event]) -> Staleness {
    staleness::measure(&History::from_events(events), None)
}

/// For each read that is stale its operation, age and count, by trying all pairs.
fn by_definition(events: &[Event]) -> Vec<(u32, u64, u64)> {
    let ops = operations(events);
    let longest = |key: &Scalar| -> Vec<Scalar> {
        let lists = ops.iter().filter(|op| op.key == *key).filter_map(|op| match &op.what {
            What::Read(Value::List(items)) => Some(items.clone()),
            _ => None,
        });
        lists.rev().max_by_key(Vec::len).unwrap_or_default()
    };
    let mut stale = Vec::new();
    for read in ops.iter().filter(|op| !op.is_write()) {
        let newer = |write: &&Op| match (&read.what, &write.what) {
            (What::Read(Value::List(shown)), What::Append(value)) => {
                let order = longest(&read.key);
                let at = |value: &Scalar| order.iter().position(|other| other == value);
                at(value).is_some_and(|this| shown.last().is_none_or(|last| at(last).is_some_and(|last| last < this)))
            }
            (What::Read(Value::Scalar(Scalar::Null)), What::Write(_)) => true,
            (What::Read(Value::Scalar(found)), What::Write(_)) => {
                let same = ops.iter().filter(|op| op.key == read.key);
                let shows = |op: &&Op| match &op.what {
                    What::Write(value) | What::Read(Value::Scalar(value)) => value == found,
                    _ => false,
                };
                same.filter(shows).map(|op| op.completed).min().is_some_and(|effect| effect < write.invoked)
            }
            _ => false,
        };
        let missed = ops.iter().filter(|op| op.is_write() && op.key == read.key && op.completed < read.invoked);
        let missed: Vec<usize> = missed.filter(newer).map(|op| op.completed).collect();
        if let Some(first) = missed.iter().min() {
            let age = events[read.invoked].time - events[*first].time;
            stale.push((read.invoked as u32, age, missed.len() as u64));
        }
    }
    stale.sort_by_key(|(operation, age, _)| (std::cmp::Reverse(*age), *operation));
    stale
}

#[test]
fn reads_are_as_old_as_the_definition_says() {
    let shapes = [
        Shape { infos: 10, overlaps: 30, fresh: 30, operations: 9, nothing: 15, ..Shape::default() },
        Shape { keys: 1, overlaps: 60, operations: 8, ..Shape::default() },
        Shape { lists: true, operations: 9, overlaps: 30, infos: 8, ..Shape::default() },
    ];
    for shape in shapes {
        let mut stale = 0;
        for seed in 0..20_000 {
            let events = history(&mut Rng(seed), shape);
            let (measured, expected) = (measure(&events), by_definition(&events));
            let worst = measured.worst.iter().map(|read| (read.operation, read.age_ns, read.versions));
            assert_eq!(worst.collect::<Vec<_>>(), expected, "{}", notation::print(&events));
            assert_eq!(measured.all.stale, expected.len() as u64);
            assert_eq!(measured.all.age_ns.max, expected.first().map_or(0, |read| read.1));
            stale += u64::from(!expected.is_empty());
        }
        assert!(stale > 5_000 && stale < 19_900, "{stale}");
    }
}

/// Whether there is a linearization of one register, each read invoked so much earlier.
fn is_linearizable(events: &[Event], ops: &[Op], delta: u64) -> bool {
    fn go(ops: &[(u64, u64, &What)], left: u32, now: &Scalar) -> bool {
        if left == 0 {
            return true;
        }
        let remaining = || (0..ops.len()).filter(move |i| left >> i & 1 == 1);
        remaining().filter(|i| remaining().all(|j| j == *i || ops[j].1 >= ops[*i].0)).any(|i| match ops[i].2 {
            What::Write(value) => go(ops, left & !(1 << i), value),
            What::Read(Value::Scalar(found)) => found == now && go(ops, left & !(1 << i), now),
            _ => false,
        })
    }
    let time = |event: usize| events.get(event).map_or(u64::MAX, |event| event.time);
    let observed = |op: &&Op| {
        !op.doubtful
            || ops.iter().any(|other| {
                matches!((&other.what, &op.what),
        (What::Read(Value::Scalar(found)), What::Write(value)) if found == value)
            })
    };
    let moved = |op: &Op| if op.is_write() { time(op.invoked) } else { time(op.invoked).saturating_sub(delta) };
    let timed: Vec<(u64, u64, &What)> =
        ops.iter().filter(observed).map(|op| (moved(op), time(op.completed), &op.what)).collect();
    go(&timed, (1 << timed.len()) - 1, &Scalar::Null)
}

#[test]
fn delta_is_the_least_that_makes_a_register_linearizable() {
    let shape = Shape { keys: 1, overlaps: 50, infos: 8, fresh: 60, nothing: 10, operations: 6, ..Shape::default() };
    let (mut positive, mut none) = (0, 0);
    for seed in 0..20_000 {
        let events = history(&mut Rng(seed), shape);
        let ops = operations(&events);
        if ops.iter().all(Op::is_write) {
            continue;
        }
        let delta = measure(&events).keys["x"].delta_ns;
        let expected = [0].into_iter().chain((0..40).map(|ms| ms * 1_000_000));
        let expected = expected.into_iter().find(|delta| is_linearizable(&events, &ops, *delta));
        assert_eq!(delta, expected, "{}", notation::print(&events));
        positive += u64::from(delta.is_some_and(|delta| delta > 0));
        none += u64::from(delta.is_none());
    }
    assert!(positive > 2_000 && none > 500, "{positive} {none}");
}

#[test]
fn a_read_is_two_versions_behind() {
    let text = "1:wx1 1:wx2 1:wx3 2:rx1";
    let measured = staleness::measure(&notation::history(text), None);
    assert_eq!((measured.all.reads, measured.all.stale), (1, 1));
    assert_eq!((measured.worst[0].age_ns, measured.worst[0].versions), (3_000_000, 2));
    assert_eq!(measured.worst[0].missed, 2);
    let fresh = staleness::measure(&notation::history("1:wx1 1:wx2 1<wx3 2:rx2 1>"), None);
    assert_eq!((fresh.all.stale, fresh.all.delta_ns), (0, Some(0)));
}
