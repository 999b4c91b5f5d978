//! On small histories the classic checkers find what their definitions say, and nothing that some order explains.

mod classic_support;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use checkers::AnomalyType::{self, *};
use checkers::classic::{bank, counter, long_fork, set, unique_ids};
use classic_support::orders::{self, Step, explained, steps};
use classic_support::{agree, counts, found};
use histories::{Event, History, Kind, Micro, Operation, Pair, Process, Scalar, Value};
use support::Rng;
use support::random::{self, Objects, Shape};

type Counts = BTreeMap<AnomalyType, u64>;

/// How often the verdicts fell which way.
#[derive(Default, Debug)]
struct Tally {
    histories: u64,
    bad: u64,
    inexplicable: u64,
}

impl Tally {
    /// Both verdicts are common, and most of what no order explains is found.
    fn is_telling(&self, found_percent: u64) {
        assert!(self.bad * 10 > self.histories && self.bad * 10 < self.histories * 9, "{self:?}");
        assert!(self.bad * 100 >= self.inexplicable * found_percent, "{self:?}");
    }
}

fn pairs(history: &History, f: &str) -> Vec<Pair> {
    history.operations().filter(|pair| history.operation(pair.invocation).f() == f).collect()
}

fn ret(pair: &Pair) -> u32 {
    pair.completion.filter(|_| pair.outcome == Kind::Ok).map_or(u32::MAX, |completion| completion.0)
}

fn answers(history: &History) -> Vec<(Pair, Operation)> {
    let answered = history.operations().filter(|pair| pair.outcome == Kind::Ok);
    answered.filter_map(|pair| Some((pair, history.operation(pair.completion?)))).collect()
}

// Sets.

/// The definition, element by element and read by read.
fn set_by_definition(history: &History) -> Counts {
    let mut counts = Counts::new();
    let mut count = |kind, n: usize| *counts.entry(kind).or_insert(0) += n as u64;
    for key in ["x", "y", "z"].map(Scalar::from) {
        let of = |f| -> Vec<(Pair, Scalar)> {
            let of_key = pairs(history, f).into_iter().filter(|p| history.operation(p.invocation).key() == Some(&key));
            of_key.map(|p| (p, value_of(&history.operation(p.invocation)))).collect()
        };
        let (adds, removes) = (of("add"), of("remove"));
        if adds.is_empty() && removes.is_empty() {
            continue;
        }
        let of_key = answers(history).into_iter().filter(|(_, o)| o.f() == "read" && o.key() == Some(&key));
        let reads: Vec<(Pair, Vec<Scalar>)> = of_key.map(|(p, o)| (p, elements(&o))).collect();
        let shown = reads.iter().flat_map(|(_, shown)| shown.iter().cloned());
        let all: BTreeSet<Scalar> = shown.chain(adds.iter().map(|(_, v)| v.clone())).collect();
        for element in all {
            let adds: Vec<&Pair> = adds.iter().filter(|(_, v)| *v == element).map(|(p, _)| p).collect();
            let removes: Vec<&Pair> = removes.iter().filter(|(_, v)| *v == element).map(|(p, _)| p).collect();
            for kind in judged(&element, &adds, &removes, &reads) {
                count(kind, 1);
            }
        }
    }
    counts
}

fn value_of(operation: &Operation) -> Scalar {
    match operation {
        Operation::Add { value, .. } | Operation::Remove { value, .. } => value.clone(),
        _ => Scalar::Null,
    }
}

fn elements(operation: &Operation) -> Vec<Scalar> {
    match operation {
        Operation::Read { value: Some(Value::List(items)), .. } => items.clone(),
        _ => Vec::new(),
    }
}

fn judged(element: &Scalar, adds: &[&Pair], removes: &[&Pair], reads: &[(Pair, Vec<Scalar>)]) -> BTreeSet<AnomalyType> {
    let mut kinds = BTreeSet::new();
    let times = |shown: &[Scalar]| shown.iter().filter(|s| *s == element).count();
    let shows: Vec<&Pair> = reads.iter().filter(|(_, shown)| times(shown) > 0).map(|(p, _)| p).collect();
    if reads.iter().any(|(_, shown)| times(shown) > 1) {
        kinds.insert(DuplicateElements);
    }
    let possible: Vec<&&Pair> = adds.iter().filter(|add| add.outcome != Kind::Fail).collect();
    let settled = |add: &&Pair, by: u32| {
        matches!(add.outcome, Kind::Ok | Kind::Fail) && add.completion.is_some_and(|completion| completion.0 < by)
    };
    let back = |remove: &&Pair| {
        adds.iter().all(|add| settled(add, remove.invocation.0)) && shows.iter().any(|r| ret(remove) < r.invocation.0)
    };
    if removes.iter().any(back) {
        kinds.insert(ResurrectedElement);
    }
    if possible.is_empty() {
        if !shows.is_empty() {
            kinds.insert(if adds.is_empty() { UnexpectedElement } else { G1a });
        }
        return kinds;
    }
    let first = possible.iter().map(|add| add.invocation.0).min().unwrap_or(0);
    if shows.iter().any(|read| ret(read) < first) {
        kinds.insert(Nonlinearizable);
    }
    let since =
        possible.iter().map(|add| ret(add)).chain(shows.iter().map(|r| ret(r)).filter(|ret| *ret > first)).min();
    let missed = reads.iter().filter(|(read, shown)| times(shown) == 0 && since.is_some_and(|s| s < read.invocation.0));
    let last_missed = missed.map(|(read, _)| read.invocation.0).max();
    let last_shown = shows.iter().map(|read| read.invocation.0).max();
    if let (Some(missed), false) = (last_missed, removes.iter().any(|remove| remove.outcome != Kind::Fail)) {
        kinds.insert(if last_shown.is_some_and(|shown| shown > missed) { StaleElement } else { LostElement });
    }
    kinds
}

#[test]
fn sets() {
    let base = Shape { txns: 0, lies: 25, ..Shape::of(Objects::Sets) };
    let shapes = [
        base,
        Shape { keys: 1, operations: 7, infos: 20, ..base },
        Shape { keys: 1, removes: 25, reuse: 10, lies: 15, ..base },
        Shape { keys: 1, processes: 4, fails: 20, lies: 15, ..base },
    ];
    for shape in shapes {
        let mut tally = Tally::default();
        for seed in 0..15_000 {
            let events = random::history(&mut Rng(seed), shape);
            let kinds = agree(&events, |h| counts(&found(set::check, h)), set_by_definition);
            let history = History::from_events(&events);
            let explained = explained(&steps(&history), orders::Sets::new(), true, orders::set);
            assert!(kinds.is_empty() || !explained, "{kinds:?} in\n{}", histories::notation::print(&events));
            tally.histories += 1;
            tally.bad += u64::from(!kinds.is_empty());
            tally.inexplicable += u64::from(!explained);
        }
        tally.is_telling(60);
    }
}

// Counters.

fn counter_by_definition(history: &History) -> Counts {
    let mut counts = Counts::new();
    let increments: Vec<(Pair, Option<Scalar>, i128)> = history
        .operations()
        .filter_map(|pair| match history.operation(pair.invocation) {
            Operation::Increment { key, by } => Some((pair, key, by.into())),
            _ => None,
        })
        .collect();
    let reads: Vec<(Pair, Option<Scalar>, i128)> = answers(history)
        .into_iter()
        .filter_map(|(pair, operation)| match operation {
            Operation::Read { key, value } => Some((pair, key, number(value.as_ref()))),
            _ => None,
        })
        .collect();
    for (read, key, shown) in &reads {
        let of_key = || increments.iter().filter(|(pair, k, _)| k == key && pair.outcome != Kind::Fail);
        let acked = || of_key().filter(|(pair, ..)| ret(pair) < read.invocation.0);
        let possible = || of_key().filter(|(pair, ..)| pair.invocation.0 < ret(read));
        let least: i128 = acked().map(|i| i.2.max(0)).sum::<i128>() + possible().map(|i| i.2.min(0)).sum::<i128>();
        let most: i128 = possible().map(|i| i.2.max(0)).sum::<i128>() + acked().map(|i| i.2.min(0)).sum::<i128>();
        let shrinks = of_key().any(|i| i.2 < 0);
        let before = reads.iter().filter(|(r, k, _)| k == key && ret(r) < read.invocation.0);
        if *shown < least || *shown > most {
            *counts.entry(OutOfBounds).or_insert(0) += 1;
        } else if !shrinks && before.map(|r| r.2).max().is_some_and(|highest| highest > *shown) {
            *counts.entry(Nonlinearizable).or_insert(0) += 1;
        }
    }
    counts
}

fn number(value: Option<&Value>) -> i128 {
    match value {
        Some(Value::Scalar(Scalar::Int(n))) => (*n).into(),
        _ => 0,
    }
}

#[test]
fn counters() {
    let base = Shape { txns: 0, ..Shape::of(Objects::Counters) };
    let shapes = [
        base,
        Shape { keys: 1, removes: 40, operations: 7, ..base },
        Shape { keys: 1, processes: 4, fails: 15, infos: 20, lies: 30, ..base },
    ];
    for shape in shapes {
        let mut tally = Tally::default();
        for seed in 0..15_000 {
            let events = random::history(&mut Rng(seed), shape);
            let kinds = agree(&events, |h| counts(&found(counter::check, h)), counter_by_definition);
            let history = History::from_events(&events);
            let explained = explained(&steps(&history), orders::Counters::new(), true, orders::counter);
            assert!(kinds.is_empty() || !explained, "{kinds:?} in\n{}", histories::notation::print(&events));
            tally.histories += 1;
            tally.bad += u64::from(!kinds.is_empty());
            tally.inexplicable += u64::from(!explained);
        }
        tally.is_telling(60);
    }
}

// Bank.

type Accounts = BTreeMap<String, i64>;

fn event(events: &mut Vec<Event>, process: u32, kind: Kind, operation: Operation) {
    let time = events.len() as u64;
    events.push(Event { time, process: Process(process), kind, operation, node: None, session: None, error: None });
}

fn transfer_of(from: &str, to: &str, amount: i64) -> Operation {
    let value = serde_json::json!({"from": from, "to": to, "amount": amount});
    Operation::Custom { f: "transfer".into(), key: None, value }
}

fn sheet_of(accounts: &Accounts) -> Operation {
    let value = Value::from_json(serde_json::json!(accounts));
    Operation::Read { key: None, value: Some(value) }
}

const ACCOUNTS: [&str; 3] = ["a", "b", "c"];

/// Transfers and reads by three processes on a serial bank that overdraws no account, with reads that are now and then
/// half of what they should be.
fn bank_history(rng: &mut Rng) -> Vec<Event> {
    let mut accounts: Accounts = ACCOUNTS.map(|a| (a.to_owned(), 4)).into();
    let mut events = Vec::new();
    event(&mut events, 9, Kind::Invoke, Operation::Read { key: None, value: None });
    event(&mut events, 9, Kind::Ok, sheet_of(&accounts));
    let mut open: Vec<(u32, Operation, Option<Operation>)> = Vec::new();
    let lies = if rng.percent(50) { 0 } else { 30 };
    for _ in 0..6 + rng.below(5) {
        let process = rng.below(3) as u32;
        if let Some(at) = open.iter().position(|(p, ..)| *p == process) {
            let (_, question, answer) = open.swap_remove(at);
            match answer {
                Some(answer) => event(&mut events, process, Kind::Ok, answer),
                None => event(&mut events, process, Kind::Fail, question),
            }
        } else {
            let (question, answer) = bank_step(rng, &mut accounts, lies);
            event(&mut events, process, Kind::Invoke, question.clone());
            open.push((process, question, answer));
        }
    }
    events
}

/// A question, and its answer, or none if it is refused. It takes effect at once.
fn bank_step(rng: &mut Rng, accounts: &mut Accounts, lies: usize) -> (Operation, Option<Operation>) {
    let before = accounts.clone();
    let (from, to) = (*rng.pick(&ACCOUNTS), *rng.pick(&ACCOUNTS));
    let amount = 1 + rng.below(4) as i64;
    let covered = accounts[from] >= amount;
    if rng.percent(50) {
        let question = transfer_of(from, to, amount);
        if covered {
            *accounts.entry(from.to_owned()).or_default() -= amount;
            *accounts.entry(to.to_owned()).or_default() += amount;
        }
        return (question.clone(), covered.then_some(question));
    }
    let mut shown = before;
    if rng.percent(lies) {
        match rng.below(6) {
            0 => drop(shown.remove(to)),
            1 => drop(shown.insert("d".to_owned(), 0)),
            2 => {
                let all = shown[from] + 1;
                shown.insert(from.to_owned(), -1);
                *shown.entry(to.to_owned()).or_default() += all;
            }
            _ => *shown.entry(from.to_owned()).or_default() -= amount,
        }
    }
    (Operation::Read { key: None, value: None }, Some(sheet_of(&shown)))
}

fn balances(operation: &Operation) -> Option<Accounts> {
    match operation {
        Operation::Read { value: Some(Value::Scalar(Scalar::Json(text))), .. } => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn bank_by_definition(history: &History) -> Counts {
    let mut counts = Counts::new();
    let mut reads: Vec<(u32, Accounts)> =
        answers(history).into_iter().filter_map(|(pair, o)| Some((ret(&pair), balances(&o)?))).collect();
    reads.sort_by_key(|(ret, _)| *ret);
    let (_, first) = &reads[0];
    for (_, read) in &reads {
        let kind = if first.keys().any(|account| !read.contains_key(account)) {
            MissingKey
        } else if read.keys().any(|account| !first.contains_key(account)) {
            UnexpectedKey
        } else if read.values().sum::<i64>() != first.values().sum::<i64>() {
            WrongTotal
        } else if read.values().any(|balance| *balance < 0) {
            NegativeBalance
        } else {
            continue;
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    counts
}

fn bank_apply(state: &Accounts, operation: &Operation) -> Option<Accounts> {
    if let Some(shown) = balances(operation) {
        return (shown == *state).then(|| state.clone());
    }
    let Operation::Custom { value, .. } = operation else { return Some(state.clone()) };
    let (from, to) = (value["from"].as_str()?.to_owned(), value["to"].as_str()?.to_owned());
    let amount = value["amount"].as_i64()?;
    let mut next = state.clone();
    *next.get_mut(&from)? -= amount;
    (next[&from] >= 0).then_some(())?;
    *next.get_mut(&to)? += amount;
    Some(next)
}

#[test]
fn banks() {
    let mut tally = Tally::default();
    let mut seen = Counts::new();
    for seed in 0..30_000 {
        let events = bank_history(&mut Rng(seed));
        let kinds = agree(&events, |h| counts(&found(bank::check, h)), bank_by_definition_or_none);
        let history = History::from_events(&events);
        let steps: Vec<Step> = steps(&history);
        let start: Accounts = ACCOUNTS.map(|a| (a.to_owned(), 4)).into();
        let explained = explained(&steps, start, false, bank_apply);
        assert!(kinds.is_empty() || !explained, "{kinds:?} in\n{}", histories::notation::print(&events));
        tally.histories += 1;
        tally.bad += u64::from(!kinds.is_empty());
        tally.inexplicable += u64::from(!explained);
        kinds.into_iter().for_each(|(kind, n)| *seen.entry(kind).or_insert(0) += n);
    }
    tally.is_telling(60);
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [WrongTotal, NegativeBalance, UnexpectedKey, MissingKey]);
}

/// A history that was shrunk may have no read left.
fn bank_by_definition_or_none(history: &History) -> Counts {
    let has_reads = answers(history).iter().any(|(_, operation)| balances(operation).is_some());
    if has_reads { bank_by_definition(history) } else { Counts::new() }
}

// Long forks.

fn read_of(state: &[(usize, bool)]) -> Operation {
    let micro = |(key, shown): &(usize, bool)| {
        let value = if *shown { Value::Scalar(1.into()) } else { Value::Scalar(Scalar::Null) };
        Micro::Read { key: random::name(*key), value: Some(value) }
    };
    Operation::Txn(state.iter().map(micro).collect())
}

/// Three keys that are written once, and reads of all of them, or of the first two.
fn fork_history(rng: &mut Rng) -> Vec<Event> {
    let mut events = Vec::new();
    for key in 0..3 {
        let write = Operation::Txn(vec![Micro::Write { key: random::name(key), value: 1.into() }]);
        event(&mut events, key as u32, Kind::Invoke, write.clone());
        event(&mut events, key as u32, *rng.pick(&[Kind::Ok, Kind::Ok, Kind::Info]), write);
    }
    let order: Vec<usize> = if rng.percent(50) { vec![0, 1, 2] } else { vec![2, 0, 1] };
    for process in 3..5 + rng.below(3) as u32 {
        let prefix = rng.below(4);
        let size = if rng.percent(70) { 3 } else { 2 };
        let lies = rng.percent(35);
        let shown = |key: usize| order[..prefix].contains(&key);
        let mut state: Vec<(usize, bool)> = (0..size).map(|key| (key, shown(key))).collect();
        if lies {
            let at = rng.below(size);
            state[at].1 = !state[at].1;
        }
        let read = read_of(&state);
        event(&mut events, process, Kind::Invoke, read.question());
        event(&mut events, process, Kind::Ok, read);
    }
    events
}

/// Whether two reads of the same keys each show one that the other misses.
fn forked(history: &History) -> bool {
    let reads: Vec<Vec<(Scalar, bool)>> = answers(history)
        .into_iter()
        .filter_map(|(_, operation)| match operation {
            Operation::Txn(micros) => micros.iter().map(shows).collect(),
            _ => None,
        })
        .collect();
    reads.iter().any(|a| {
        reads.iter().any(|b| {
            let same = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0);
            let ahead = |a: &[(Scalar, bool)], b: &[(Scalar, bool)]| a.iter().zip(b).any(|(a, b)| a.1 && !b.1);
            same && ahead(a, b) && ahead(b, a)
        })
    })
}

fn shows(micro: &Micro) -> Option<(Scalar, bool)> {
    match micro {
        Micro::Read { key, value } => Some((key.clone(), *value != Some(Value::Scalar(Scalar::Null)))),
        _ => None,
    }
}

fn fork_apply(state: &BTreeSet<Scalar>, operation: &Operation) -> Option<BTreeSet<Scalar>> {
    let Operation::Txn(micros) = operation else { return None };
    let mut next = state.clone();
    for micro in micros {
        match shows(micro) {
            Some((key, shown)) => (shown == state.contains(&key)).then_some(())?,
            None => drop(next.insert(micro.key().clone())),
        }
    }
    Some(next)
}

#[test]
fn long_forks() {
    let mut tally = Tally::default();
    for seed in 0..20_000 {
        let events = fork_history(&mut Rng(seed));
        let is_forked = agree(&events, |h| counts(&found(long_fork::check, h)).contains_key(&LongFork), forked);
        let history = History::from_events(&events);
        let explained = explained(&steps(&history), BTreeSet::new(), false, fork_apply);
        assert!(!is_forked || !explained, "{}", histories::notation::print(&events));
        tally.histories += 1;
        tally.bad += u64::from(is_forked);
        tally.inexplicable += u64::from(!explained);
    }
    tally.is_telling(60);
}

// Unique identifiers.

#[test]
fn identifiers() {
    let mut tally = Tally::default();
    for seed in 0..10_000 {
        let mut rng = Rng(seed);
        let mut events = Vec::new();
        for process in 0..6 {
            let generate = |value| Operation::Custom { f: "generate".into(), key: None, value };
            event(&mut events, process, Kind::Invoke, generate(serde_json::Value::Null));
            let kind = *rng.pick(&[Kind::Ok, Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info]);
            event(&mut events, process, kind, generate(rng.below(20).into()));
        }
        let by_definition = |history: &History| {
            let ids: Vec<String> = answers(history).into_iter().map(|(_, o)| o.to_string()).collect();
            (ids.len() - ids.iter().collect::<BTreeSet<_>>().len()) as u64
        };
        let again =
            |history: &History| counts(&found(unique_ids::check, history)).get(&DuplicateId).copied().unwrap_or(0);
        let again = agree(&events, again, by_definition);
        tally.histories += 1;
        tally.bad += u64::from(again > 0);
    }
    tally.is_telling(0);
}
