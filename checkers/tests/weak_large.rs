//! On histories of some forty operations, too many for enumeration, the quick ways agree with the bad patterns themselves.

mod weak_reference;

use std::collections::VecDeque;

use checkers::weak::sessions::{self, Levels};
use checkers::{AnomalyType, Budget, Meter};
use histories::{Event, History, Kind, Operation, Process, Scalar, Value, notation};
use weak_reference::orders::{Op, What, is_acyclic, session_order};
use weak_reference::{Rng, Shape, agree, history};

/// Relations as sets of up to 64 operations.
type Wide = Vec<u64>;

fn has(set: u64, i: usize) -> bool {
    set >> i & 1 == 1
}

fn closed(mut before: Wide) -> Wide {
    for middle in 0..before.len() {
        for node in 0..before.len() {
            if has(before[node], middle) {
                before[node] |= before[middle];
            }
        }
    }
    before
}

fn acyclic(before: &Wide) -> bool {
    (0..before.len()).all(|i| !has(before[i], i))
}

fn sessions_of(ops: &[Op]) -> Wide {
    let before = |a: usize, b: usize| {
        let (a, b, first) = (&ops[a], &ops[b], a < b);
        a.session == b.session && (a.completed < b.invoked || a.invoked == b.invoked && first)
    };
    (0..ops.len()).map(|b| (0..ops.len()).filter(|a| before(*a, b)).fold(0, |set, a| set | 1 << a)).collect()
}

/// For each operation the write that it read from.
fn writers(ops: &[Op]) -> Vec<Option<usize>> {
    let writer = |op: &Op| match &op.what {
        What::Read(Value::Scalar(value)) if *value != Scalar::Null => {
            ops.iter().position(|other| other.key == op.key && other.what == What::Write(value.clone()))
        }
        _ => None,
    };
    ops.iter().map(writer).collect()
}

fn with_reads(order: &Wide, from: &[Option<usize>], of: impl Fn(usize) -> bool) -> Wide {
    let add = |(i, set): (usize, &u64)| set | from[i].filter(|_| of(i)).map_or(0, |w| 1 << w);
    order.iter().enumerate().map(add).collect()
}

/// Adds what the reads of a session force, until nothing is new; whether that is impossible. HB of Bouajjani et al.
fn is_impossible(ops: &[Op], from: &[Option<usize>], base: &Wide, session: u32) -> bool {
    let mut order = closed(base.clone());
    loop {
        if !acyclic(&order) {
            return true;
        }
        let mut next = order.clone();
        for (r, read) in ops.iter().enumerate().filter(|(_, op)| op.session == session && !op.is_write()) {
            for (w, _) in
                ops.iter().enumerate().filter(|(w, op)| op.is_write() && op.key == read.key && has(order[r], *w))
            {
                match from[r] {
                    None => return true,
                    Some(source) if source != w => next[source] |= 1 << w,
                    Some(_) => {}
                }
            }
        }
        let next = closed(next);
        if next == order {
            return false;
        }
        order = next;
    }
}

/// Writes that are in the past of a read of their key, and what that read from.
fn conflicts(ops: &[Op], from: &[Option<usize>], past: &Wide) -> Vec<(usize, Option<usize>)> {
    let mut conflicts = Vec::new();
    for (r, read) in ops.iter().enumerate().filter(|(_, op)| !op.is_write()) {
        for (w, write) in ops.iter().enumerate() {
            if write.is_write() && write.key == read.key && has(past[r], w) && from[r] != Some(w) {
                conflicts.push((w, from[r]));
            }
        }
    }
    conflicts
}

fn not_causal(ops: &[Op], past: &Wide) -> bool {
    let from = writers(ops);
    !acyclic(past)
        || conflicts(ops, &from, past).into_iter().any(|(missed, from)| from.is_none_or(|from| has(past[missed], from)))
}

fn causal_past(ops: &[Op]) -> Wide {
    closed(with_reads(&sessions_of(ops), &writers(ops), |_| true))
}

fn not_convergent(ops: &[Op]) -> bool {
    let past = causal_past(ops);
    let mut order = past.clone();
    for (missed, from) in conflicts(ops, &writers(ops), &past) {
        match from {
            None => return true,
            Some(from) => order[from] |= 1 << missed,
        }
    }
    !acyclic(&closed(order))
}

fn not_memory(ops: &[Op]) -> bool {
    let past = causal_past(ops);
    let session = |s: u32| {
        // Only the past of the session counts.
        let mine = (0..ops.len()).filter(|i| ops[*i].session == s).fold(0, |set, i| set | past[i] | 1 << i);
        let base: Wide = (0..ops.len()).map(|i| if has(mine, i) { past[i] } else { 0 }).collect();
        is_impossible(ops, &writers(ops), &base, s)
    };
    not_causal(ops, &past) || (0..8).any(session)
}

fn not_pram(ops: &[Op]) -> bool {
    let session = |s: u32| {
        let base = with_reads(&sessions_of(ops), &writers(ops), |i| ops[i].session == s);
        is_impossible(ops, &writers(ops), &base, s)
    };
    (0..8).any(session)
}

fn violated(events: &[Event], levels: Levels) -> bool {
    let history = History::from_events(events);
    let found = sessions::levels(&history, levels, None, &Meter::new(&Budget::default()));
    assert_eq!(found.doubts, Vec::<String>::new());
    found.groups.keys().any(|kind| *kind != AnomalyType::ThinAirRead)
}

/// Reads mostly return what a replica that lags would return, so that contradictions are rare and far apart.
fn shapes() -> Vec<Shape> {
    let shape = Shape { sessions: 4, operations: 36, keys: 3, writes: 35, nothing: 0, fresh: 97, ..Shape::default() };
    vec![
        shape,
        Shape { operations: 22, fresh: 92, ..shape },
        Shape { sessions: 3, keys: 2, fresh: 96, writes: 25, ..shape },
        Shape { operations: 60, sessions: 6, fresh: 98, ..shape },
    ]
}

const EACH: u64 = 4_000;

fn compare(levels: Levels, reference: impl Fn(&[Op]) -> bool) {
    for shape in shapes() {
        agree(
            shape,
            0..EACH,
            |events| violated(events, levels),
            |events| reference(&weak_reference::orders::operations(events)),
        );
    }
}

#[test]
fn causal_convergence() {
    compare(Levels { convergence: true, ..Levels::NONE }, not_convergent);
}

#[test]
fn causal_memory() {
    compare(Levels { memory: true, ..Levels::NONE }, not_memory);
}

#[test]
fn pram() {
    compare(Levels { pram: true, ..Levels::NONE }, not_pram);
}

/// Each session has a replica, which takes the writes of each other session in their order, at any time. So every
/// session is told a story, until a read is answered wrongly.
fn replicated(rng: &mut Rng, sessions: usize, operations: usize, keys: usize, wrong: usize) -> Vec<Event> {
    let mut state = vec![vec![Scalar::Null; keys]; sessions];
    let mut due: Vec<Vec<VecDeque<(usize, Scalar)>>> = vec![vec![VecDeque::new(); sessions]; sessions];
    let mut written = vec![vec![Scalar::Null]; keys];
    let mut events = Vec::new();
    for i in 0..operations {
        let (session, key) = (rng.below(sessions), rng.below(keys));
        for source in &mut due[session] {
            while !source.is_empty() && rng.percent(45) {
                if let Some((key, value)) = source.pop_front() {
                    state[session][key] = value;
                }
            }
        }
        let name = Some(Scalar::from(["x", "y", "z"][key]));
        let operation = match rng.percent(40) {
            true => {
                let value = Scalar::Int(i as i64 + 1);
                state[session][key] = value.clone();
                written[key].push(value.clone());
                for other in (0..sessions).filter(|other| *other != session) {
                    due[other][session].push_back((key, value.clone()));
                }
                Operation::Write { key: name, value }
            }
            false => {
                let value = match rng.below(1000) < wrong {
                    true => written[key][rng.below(written[key].len())].clone(),
                    false => state[session][key].clone(),
                };
                Operation::Read { key: name, value: Some(Value::Scalar(value)) }
            }
        };
        for (kind, operation) in [(Kind::Invoke, operation.question()), (Kind::Ok, operation)] {
            let process = Process(session as u32);
            events.push(Event { time: 0, process, kind, operation, node: None, session: None, error: None });
        }
    }
    events
}

#[test]
fn replicas_that_go_their_own_ways() {
    let all = [
        (Levels { pram: true, ..Levels::NONE }, not_pram as fn(&[Op]) -> bool),
        (Levels { memory: true, ..Levels::NONE }, not_memory),
        (Levels { convergence: true, ..Levels::NONE }, not_convergent),
    ];
    let shapes = [(3, 24, 2), (4, 40, 3), (2, 20, 1), (5, 60, 2), (3, 30, 3)];
    for (levels, reference) in all {
        let mut bad = 0;
        for seed in 0..6_000 {
            let (sessions, operations, keys) = shapes[seed as usize % shapes.len()];
            let events = replicated(&mut Rng(seed), sessions, operations, keys, 25);
            let ops = weak_reference::orders::operations(&events);
            let verdict = violated(&events, levels);
            assert_eq!(verdict, reference(&ops), "{levels:?} {}", notation::print(&events));
            bad += u64::from(verdict);
        }
        assert!(bad > 300 && bad < 5_900, "{bad}: {levels:?}");
    }
}

#[test]
fn the_two_ways_to_say_session_order_agree() {
    let events = history(&mut Rng(1), Shape::default());
    let ops = weak_reference::orders::operations(&events);
    let narrow = session_order(&ops);
    assert!(is_acyclic(&narrow));
    assert_eq!(narrow.iter().map(|set| u64::from(*set)).collect::<Wide>(), sessions_of(&ops));
}
