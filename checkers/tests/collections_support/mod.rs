//! Small random histories of collections, nearly right, and a reference that tries all linearizations.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod large;
#[path = "../support/rng.rs"]
pub mod rng;

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use checkers::analysis::Analyzer;
use checkers::{Assumptions, Budget, Found, Question};
use histories::{Event, EventIndex, History, ItemFunction, Kind, Operation, Process, Scalar, Value};
pub use rng::Rng;

/// What kind of collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    Fifo,
    Bag,
    Stack,
    Priority,
    /// Add, remove, contains.
    Members,
    /// Add, contains, whole reads.
    Growing,
    /// Add, remove, contains, whole reads.
    Whole,
    /// Increments by one, and reads.
    Counter,
    /// Increments by several, and reads.
    Sums,
    /// Appends and whole reads.
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Put(i64),
    Take,
    /// Takes until nothing is left.
    Drain,
    Remove(i64),
    Contains(i64),
    Read,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    None,
    Item(Option<i64>),
    Found(bool),
    All(Vec<i64>),
    Number(i64),
}

/// Does the call to a state and says what it answers.
pub fn apply(structure: Structure, state: &mut Vec<i64>, call: Call) -> Answer {
    use Structure::*;
    match (structure, call) {
        (Counter | Sums, Call::Put(by)) => {
            state.resize(1, 0);
            state[0] += by;
            Answer::None
        }
        (Counter | Sums, _) => Answer::Number(state.first().copied().unwrap_or(0)),
        (Fifo | Stack | List, Call::Put(v)) => {
            state.push(v);
            Answer::None
        }
        (Members | Growing | Whole, Call::Put(v)) => {
            if let Err(at) = state.binary_search(&v) {
                state.insert(at, v);
            }
            Answer::None
        }
        (_, Call::Put(v)) => {
            let at = state.partition_point(|x| *x < v);
            state.insert(at, v);
            Answer::None
        }
        (Fifo, Call::Take) => Answer::Item((!state.is_empty()).then(|| state.remove(0))),
        (_, Call::Take) => Answer::Item(state.pop()),
        (_, Call::Drain) => Answer::All(std::mem::take(state)),
        (_, Call::Remove(v)) => {
            state.retain(|x| *x != v);
            Answer::None
        }
        (_, Call::Contains(v)) => Answer::Found(state.contains(&v)),
        (_, Call::Read) => Answer::All(state.clone()),
    }
}

/// All states that the call can lead to with this answer; `None` for an answer that is not known.
fn follow(structure: Structure, state: &[i64], call: Call, answer: Option<&Answer>) -> Vec<Vec<i64>> {
    if structure == Structure::Bag && call == Call::Take {
        return match answer {
            Some(Answer::Item(None)) if state.is_empty() => vec![Vec::new()],
            Some(Answer::Item(Some(v))) => {
                state.iter().position(|x| x == v).map(|at| without(state, at)).into_iter().collect()
            }
            Some(_) => Vec::new(),
            None => (0..state.len()).map(|at| without(state, at)).collect(),
        };
    }
    let mut next = state.to_vec();
    let given = apply(structure, &mut next, call);
    let fits = match (answer, given) {
        (None, _) => true,
        (Some(Answer::All(a)), Answer::All(mut b)) => {
            let mut a = a.clone();
            if structure != Structure::List {
                a.sort_unstable();
                b.sort_unstable();
            }
            a == b
        }
        (Some(answer), given) => *answer == given,
    };
    if fits { vec![next] } else { Vec::new() }
}

fn without(state: &[i64], at: usize) -> Vec<i64> {
    let mut state = state.to_vec();
    state.remove(at);
    state
}

/// A hash that is good enough for small states, and fast.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.chunks(8).for_each(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        });
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// One operation, by the positions of its events.
#[derive(Clone, Debug)]
pub struct Done {
    pub begin: usize,
    pub end: Option<usize>,
    pub call: Call,
    pub answer: Option<Answer>,
    /// Its place among the parts of one operation, which take effect one after the other.
    pub part: usize,
}

/// Whether some order of the operations is one that the structure can have gone through.
pub fn linearizable(structure: Structure, operations: &[Done]) -> bool {
    let must: u32 = (0..operations.len()).filter(|i| operations[*i].end.is_some()).map(|i| 1 << i).sum();
    let mut seen: HashSet<(u32, Vec<i64>), BuildHasherDefault<Mix>> = HashSet::default();
    let mut open = vec![(0u32, Vec::new())];
    while let Some((done, state)) = open.pop() {
        if done & must == must {
            return true;
        }
        let next_end = (0..operations.len()).filter(|i| done & 1 << i == 0).filter_map(|i| operations[i].end).min();
        for (i, op) in operations.iter().enumerate() {
            let before = |j: &usize| operations[*j].begin == op.begin && operations[*j].part < op.part;
            let waits = (0..operations.len()).filter(before).any(|j| done & 1 << j == 0);
            if done & 1 << i != 0 || waits || next_end.is_some_and(|end| end < op.begin) {
                continue;
            }
            for next in follow(structure, &state, op.call, op.answer.as_ref()) {
                let next = (done | 1 << i, next);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

/// How a random history looks.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub structure: Structure,
    pub operations: usize,
    /// In percent: of operations that end `info`, `fail`, and of those that stay open at the end.
    pub infos: usize,
    pub fails: usize,
    /// In percent: of histories in which something is changed.
    pub changed: usize,
    /// In percent: of values that were used before.
    pub reuse: usize,
    /// In percent: of operations that are drains.
    pub drains: usize,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub process: u32,
    pub kind: Kind,
    pub call: Call,
    pub answer: Answer,
}

struct Pending {
    process: u32,
    call: Call,
    answer: Option<Answer>,
}

/// A random history: a real structure, and then one change.
pub fn random(rng: &mut Rng, shape: Shape) -> Vec<Step> {
    let mut idle: Vec<u32> = (0..2 + rng.below(3) as u32).collect();
    let mut next_process = idle.len() as u32;
    let (mut steps, mut pending, mut state) = (Vec::new(), Vec::<Pending>::new(), Vec::new());
    let mut values: Vec<i64> = (1..=9).collect();
    let mut used = Vec::new();
    let mut left = shape.operations;
    while left > 0 || !pending.is_empty() {
        if left > 0 && !idle.is_empty() && (pending.is_empty() || rng.percent(45)) {
            left -= 1;
            let process = idle.swap_remove(rng.below(idle.len()));
            let call = random_call(rng, shape, &mut values, &mut used);
            steps.push(Step { process, kind: Kind::Invoke, call, answer: Answer::None });
            pending.push(Pending { process, call, answer: None });
            continue;
        }
        if pending.is_empty() {
            break;
        }
        let i = rng.below(pending.len());
        if pending[i].answer.is_none() && rng.percent(50) {
            pending[i].answer = Some(random_apply(rng, shape.structure, &mut state, pending[i].call));
            continue;
        }
        if left == 0 && rng.percent(4) {
            break;
        }
        let Pending { process, call, answer } = pending.swap_remove(i);
        let kind = match (rng.below(100), &answer) {
            (n, _) if n < shape.infos => Kind::Info,
            (n, None) if n < shape.infos + 3 * shape.fails => Kind::Fail,
            _ => Kind::Ok,
        };
        let answer = match kind {
            Kind::Ok => answer.unwrap_or_else(|| random_apply(rng, shape.structure, &mut state, call)),
            _ => Answer::None,
        };
        steps.push(Step { process, kind, call, answer });
        idle.push(if kind == Kind::Info { next_process } else { process });
        next_process += u32::from(kind == Kind::Info);
    }
    if rng.percent(shape.changed) {
        change(rng, shape.structure, &mut steps);
    }
    steps
}

fn random_apply(rng: &mut Rng, structure: Structure, state: &mut Vec<i64>, call: Call) -> Answer {
    if structure == Structure::Bag && call == Call::Take && !state.is_empty() {
        return Answer::Item(Some(state.remove(rng.below(state.len()))));
    }
    apply(structure, state, call)
}

fn random_call(rng: &mut Rng, shape: Shape, values: &mut Vec<i64>, used: &mut Vec<i64>) -> Call {
    use Structure::*;
    let fresh = |rng: &mut Rng, values: &mut Vec<i64>, used: &mut Vec<i64>| {
        if values.is_empty() || (!used.is_empty() && rng.percent(shape.reuse)) {
            return used[rng.below(used.len())];
        }
        let at = if shape.structure == Priority { rng.below(values.len()) } else { 0 };
        used.push(values.remove(at));
        used[used.len() - 1]
    };
    let known = |rng: &mut Rng, used: &[i64]| if used.is_empty() { 1 } else { used[rng.below(used.len())] };
    match (shape.structure, rng.below(100)) {
        (Counter, n) => {
            if n < 50 {
                Call::Put(1)
            } else {
                Call::Read
            }
        }
        (Sums, n) => {
            if n < 50 {
                Call::Put([1, 2, 3, 3, -1][rng.below(if shape.reuse > 0 { 5 } else { 4 })])
            } else {
                Call::Read
            }
        }
        (List, n) => {
            if n < 50 {
                Call::Put(fresh(rng, values, used))
            } else {
                Call::Read
            }
        }
        (Members, n) => match n {
            0..35 => Call::Put(if rng.percent(70) { known(rng, used) } else { fresh(rng, values, used) }),
            35..60 => Call::Remove(known(rng, used)),
            _ => Call::Contains(known(rng, used)),
        },
        (Whole, n) => match n {
            0..30 => Call::Put(fresh(rng, values, used)),
            30..50 => Call::Remove(known(rng, used)),
            50..60 => Call::Contains(known(rng, used)),
            _ => Call::Read,
        },
        (Growing, n) => match n {
            0..45 => Call::Put(fresh(rng, values, used)),
            45..60 => Call::Contains(known(rng, used)),
            _ => Call::Read,
        },
        _ if rng.percent(shape.drains) => Call::Drain,
        (_, n) => {
            if n < 52 {
                Call::Put(fresh(rng, values, used))
            } else {
                Call::Take
            }
        }
    }
}

/// Changes one answer, exchanges two, or moves one event.
fn change(rng: &mut Rng, structure: Structure, steps: &mut [Step]) {
    let answered: Vec<usize> =
        (0..steps.len()).filter(|i| steps[*i].kind == Kind::Ok && steps[*i].answer != Answer::None).collect();
    match rng.below(10) {
        0..4 if !answered.is_empty() => {
            let at = answered[rng.below(answered.len())];
            steps[at].answer = changed(rng, structure, &steps[at].answer);
        }
        4..7 if answered.len() > 1 => {
            let (a, b) = (answered[rng.below(answered.len())], answered[rng.below(answered.len())]);
            if std::mem::discriminant(&steps[a].answer) == std::mem::discriminant(&steps[b].answer) {
                let answer = steps[a].answer.clone();
                steps[a].answer = std::mem::replace(&mut steps[b].answer, answer);
            }
        }
        _ if steps.len() > 1 => {
            for _ in 0..1 + rng.below(4) {
                let at = rng.below(steps.len() - 1);
                if steps[at].process != steps[at + 1].process {
                    steps.swap(at, at + 1);
                }
            }
        }
        _ => {}
    }
}

fn changed(rng: &mut Rng, structure: Structure, answer: &Answer) -> Answer {
    match answer {
        Answer::Item(_) if rng.percent(30) => Answer::Item(None),
        Answer::Item(_) => Answer::Item(Some(1 + rng.below(5) as i64)),
        Answer::Found(found) => Answer::Found(!found),
        Answer::Number(n) => Answer::Number(n + rng.below(4) as i64 - 1),
        Answer::All(all) => {
            let mut all = all.clone();
            match rng.below(4) {
                0 if !all.is_empty() => drop(all.remove(rng.below(all.len()))),
                1 if all.len() > 1 && structure == Structure::List => all.swap(0, 1),
                2 if !all.is_empty() && rng.percent(30) => all.push(all[0]),
                _ => all.push(1 + rng.below(5) as i64),
            }
            Answer::All(all)
        }
        Answer::None => Answer::None,
    }
}

pub fn operation(structure: Structure, call: Call, answer: &Answer) -> Operation {
    use Structure::*;
    let key = Some(Scalar::from("x"));
    let item = |f, value: Option<i64>, answered: bool| Operation::Item {
        f,
        key: key.clone(),
        value: match (value, answered) {
            (Some(v), _) => Some(v.into()),
            (None, true) => Some(Scalar::Null),
            (None, false) => None,
        },
    };
    let (taken, answered) = match answer {
        Answer::Item(taken) => (*taken, true),
        _ => (None, false),
    };
    match (structure, call) {
        (Fifo | Bag | Priority, Call::Put(v)) => item(ItemFunction::Enqueue, Some(v), false),
        (Fifo | Bag | Priority, Call::Take) => item(ItemFunction::Dequeue, taken, answered),
        (Stack, Call::Put(v)) => item(ItemFunction::Push, Some(v), false),
        (Stack, Call::Take) => item(ItemFunction::Pop, taken, answered),
        (Members | Growing | Whole, Call::Put(v)) => Operation::Add { key, value: v.into() },
        (List, Call::Put(v)) => Operation::Append { key, value: v.into() },
        (Counter | Sums, Call::Put(by)) => Operation::Increment { key, by },
        (_, Call::Drain) => Operation::Custom {
            f: "drain".into(),
            key,
            value: if let Answer::All(all) = answer { all.clone().into() } else { serde_json::Value::Null },
        },
        (_, Call::Remove(v)) => Operation::Remove { key, value: v.into() },
        (_, Call::Contains(v)) => {
            let found = if let Answer::Found(found) = answer { Some(*found) } else { None };
            Operation::Contains { key, value: v.into(), found }
        }
        (_, Call::Read) => Operation::Read {
            key,
            value: match answer {
                Answer::All(all) => Some(Value::List(all.iter().map(|v| (*v).into()).collect())),
                Answer::Number(n) => Some(Value::Scalar((*n).into())),
                _ => None,
            },
        },
        (structure, call) => panic!("{structure:?} has no {call:?}"),
    }
}

pub fn history(structure: Structure, steps: &[Step]) -> History {
    let events: Vec<Event> = steps
        .iter()
        .enumerate()
        .map(|(i, step)| Event {
            time: i as u64 * 1_000_000,
            process: Process(step.process),
            kind: step.kind,
            operation: operation(structure, step.call, &step.answer),
            node: None,
            session: None,
            error: None,
        })
        .collect();
    History::from_events(&events)
}

/// The operations of steps; those that failed are left out.
pub fn operations(steps: &[Step]) -> Vec<Done> {
    let mut done = Vec::new();
    for (begin, step) in steps.iter().enumerate().filter(|(_, step)| step.kind == Kind::Invoke) {
        let end = (begin + 1..steps.len()).find(|end| steps[*end].process == step.process);
        let (end, answer) = match end.map(|end| (end, &steps[end])) {
            Some((_, Step { kind: Kind::Fail, .. })) => continue,
            Some((end, Step { kind: Kind::Ok, answer, .. })) => (Some(end), Some(answer.clone())),
            _ => (None, None),
        };
        match (step.call, &answer) {
            (Call::Drain, Some(Answer::All(all))) => {
                let taken = all.iter().map(|v| Some(*v)).chain([None]).enumerate();
                done.extend(taken.map(|(part, item)| Done {
                    begin,
                    end,
                    call: Call::Take,
                    answer: Some(Answer::Item(item)),
                    part,
                }));
            }
            (Call::Drain, _) => {
                let puts = steps.iter().filter(|s| s.kind == Kind::Invoke && matches!(s.call, Call::Put(_))).count();
                let take = Done { begin, end: None, call: Call::Take, answer: None, part: 0 };
                done.extend(std::iter::repeat_n(take, puts));
            }
            _ => done.push(Done { begin, end, call: step.call, answer, part: 0 }),
        }
    }
    done
}

pub fn question() -> Question {
    Question { models: Vec::new(), anomalies: Vec::new(), assume: Assumptions::default() }
}

pub fn found(check: Analyzer, history: &History) -> Found {
    check(history, &question(), &Budget::default())
}

/// The smallest steps, by leaving out operations, of which something is still true.
pub fn shrink(steps: &[Step], wrong: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut steps = steps.to_vec();
    'again: loop {
        for i in 0..steps.len() {
            if steps[i].kind != Kind::Invoke {
                continue;
            }
            let end = (i + 1..steps.len()).find(|end| steps[*end].process == steps[i].process);
            let fewer: Vec<Step> =
                steps.iter().enumerate().filter(|(j, _)| *j != i && Some(*j) != end).map(|(_, s)| s.clone()).collect();
            if wrong(&fewer) {
                steps = fewer;
                continue 'again;
            }
        }
        return steps;
    }
}

/// The text of a history, in notation.
pub fn text(structure: Structure, steps: &[Step]) -> String {
    let history = history(structure, steps);
    let events: Vec<Event> = history.events().map(|e| history.event(e)).collect();
    histories::notation::print(&events)
}

/// Compares a check with the reference on many random histories, and says how many were valid, invalid and doubted.
pub fn compare(check: Analyzer, shape: Shape, histories: u64, seed: u64) -> [u64; 3] {
    let mut tally = [0; 3];
    for i in 0..histories {
        let mut rng = Rng(seed.wrapping_mul(0x1_0000_0001).wrapping_add(i));
        let operations_count = 3 + rng.below(shape.operations - 2);
        let steps = random(&mut rng, Shape { operations: operations_count, ..shape });
        let verdict = verdict(check, shape.structure, &steps);
        tally[verdict.unwrap_or_else(|wrong| {
            let small = shrink(&steps, |s| self::verdict(check, shape.structure, s).is_err());
            let why = self::verdict(check, shape.structure, &small).err().unwrap_or_default();
            panic!("history {i}: {wrong}\n  {}\n  {why}", text(shape.structure, &small))
        })] += 1;
    }
    tally
}

/// 0 for valid, 1 for invalid, 2 for a doubt; an error if the reference disagrees or the evidence proves nothing.
fn verdict(check: Analyzer, structure: Structure, steps: &[Step]) -> Result<usize, String> {
    let history = history(structure, steps);
    let found = found(check, &history);
    let right = linearizable(structure, &operations(steps));
    match (found.groups.is_empty(), right) {
        (false, true) => Err(format!("it is linearizable, but found was {found:#?}")),
        (true, false) if found.doubts.is_empty() => Err("it is not linearizable, but nothing was found".to_owned()),
        (true, _) => Ok(if found.doubts.is_empty() { 0 } else { 2 }),
        (false, false) => evidence(structure, &history, steps, &found).map(|()| 1),
    }
}

/// The operations of each anomaly are in the history and prove it alone: the others are left out, and updates of which
/// that cannot be done, because others may have seen them, may or may not happen.
fn evidence(structure: Structure, history: &History, steps: &[Step], found: &Found) -> Result<(), String> {
    use Structure::*;
    for case in found.groups.values().flat_map(|group| &group.cases) {
        let listed: BTreeSet<usize> = case.operations.iter().map(|op| *op as usize).collect();
        let known = |op: &usize| *op < history.len() && history.kind(EventIndex(*op as u32)) == Kind::Invoke;
        if listed.len() != case.operations.len() || !listed.iter().all(known) || case.explanation.is_empty() {
            return Err(format!("odd evidence: {case:#?}"));
        }
        // A search tells where it came to an end and what was possible until then.
        if case.explanation.contains("before the end of it can be put in an order") {
            continue;
        }
        let items = matches!(structure, Fifo | Bag | Stack | Priority);
        let few = operations(steps).into_iter().filter_map(|op| match listed.contains(&op.begin) || op.end.is_none() {
            true => Some(op),
            false if items || !matches!(op.call, Call::Put(_) | Call::Remove(_)) => None,
            false => Some(Done { end: None, answer: None, ..op }),
        });
        if linearizable(structure, &few.collect::<Vec<Done>>()) {
            return Err(format!("the evidence proves nothing: {case:#?}"));
        }
    }
    Ok(())
}

/// Histories that each structure is compared on, without and with operations of unknown outcome; more with
/// `SPLITBRAIN_BRUTE_FORCE`.
fn histories() -> u64 {
    std::env::var("SPLITBRAIN_BRUTE_FORCE").ok().and_then(|n| n.parse().ok()).unwrap_or(45_000)
}

fn shape(structure: Structure) -> Shape {
    Shape { structure, operations: 8, infos: 0, fails: 5, changed: 85, reuse: 0, drains: 0 }
}

/// Compares without and with operations of unknown outcome; both verdicts must be frequent, and none is in doubt.
pub fn both(check: Analyzer, structure: Structure) {
    for (seed, infos) in [(1, 0), (2, 12), (3, 30)] {
        let n = histories() / if infos == 30 { 3 } else { 1 };
        frequent(compare(check, Shape { infos, ..shape(structure) }, n, seed), n, &format!("{structure:?}, {infos} %"));
    }
}

/// Compares queues that are drained; returns the part that was left in doubt.
pub fn drained(check: Analyzer, structure: Structure) -> f64 {
    let n = histories() / 3;
    let shape = Shape { operations: 6, infos: 8, drains: 20, ..shape(structure) };
    let [valid, invalid, doubted] = compare(check, shape, n, 5);
    println!("{structure:?}, drained: {valid} valid, {invalid} invalid, {doubted} doubted");
    assert!(valid > n / 10 && invalid > n / 10, "{valid} valid, {invalid} invalid");
    doubted as f64 / n as f64
}

/// Compares where values repeat.
pub fn repeated(check: Analyzer, structure: Structure) {
    let n = histories() / 6;
    let tally = compare(check, Shape { infos: 10, reuse: 40, ..shape(structure) }, n, 4);
    frequent(tally, n, &format!("{structure:?}, repeated values"));
}

fn frequent([valid, invalid, doubted]: [u64; 3], n: u64, what: &str) {
    println!("{what}: {valid} valid, {invalid} invalid, {doubted} doubted");
    assert!(valid > n / 10 && invalid > n / 10, "{what}: {valid} valid, {invalid} invalid");
    assert_eq!(doubted, 0, "{what}: of {n}");
}
