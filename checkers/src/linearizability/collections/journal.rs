//! The operations of a history by key, in flat tables, and one judgement for each key.
//!
//! Within a key the events are numbered from 0 as *positions*, so that a table over time is as long as the key's part
//! of the history. An operation that may have happened but was not acknowledged returns [`NEVER`]; one that certainly
//! did not happen is left out.

use std::sync::atomic::{AtomicUsize, Ordering};

use histories::{EventIndex, Function, History, KeyId, Kind, Payload, Scalar};

use crate::analysis::Found;
use crate::budget::Budget;
use crate::finding::Finding;
use crate::fold::words;

/// No position: after everything. As a value: none.
pub(super) const NEVER: u32 = u32::MAX;

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Put a value in: enqueue, push, add, append, increment.
    Put,
    /// Took a value out: dequeue, pop, remove.
    Take,
    /// Found the collection empty.
    Empty,
    /// Took something out, or found it empty, or did nothing: it was not answered.
    Unknown,
    /// Took values out until nothing was left; the value is the index of the completion, [`NEVER`] if there is none.
    Drain,
    /// Found the value inside.
    Present,
    /// Did not find the value inside.
    Absent,
    /// Read everything; the value is the index of the completion.
    Read,
}

/// An operation on one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    /// Position of the invocation.
    pub call: u32,
    /// Position of the completion; [`NEVER`] where the outcome is unknown.
    pub ret: u32,
    /// The value's id, or what [`Act`] says.
    pub value: u32,
    /// What it did.
    pub act: Act,
}

/// How a kind of collection understands an operation.
pub(super) enum Reading {
    /// As this act, with this value.
    Act(Act, u32),
    /// It changes and shows nothing.
    Nothing,
    /// It is none of this collection's.
    Foreign,
}

/// How a kind of collection understands an invocation and, where it ended `ok`, its completion.
pub(super) type Understand = fn(&History, EventIndex, Option<EventIndex>) -> Reading;

/// The operations on one key, in the order of their invocations.
pub(super) struct Journal<'a> {
    pub history: &'a History,
    pub key: KeyId,
    pub ops: &'a [Op],
    /// The event at each position.
    events: &'a [u32],
}

impl Journal<'_> {
    /// Number of positions; all are below it.
    pub fn end(&self) -> u32 {
        self.events.len() as u32
    }

    /// The event at a position.
    pub fn event(&self, position: u32) -> u32 {
        self.events[position as usize]
    }

    /// The key's name, where it has one.
    pub fn name(&self) -> Option<String> {
        let name = self.history.key_name(self.key);
        (*name != Scalar::Null).then(|| name.to_string())
    }
}

/// A table over the values of a history, lent to one key after the other and left as it was found.
pub(super) struct Slots(Vec<u32>);

impl Slots {
    /// What was noted of this value; [`NEVER`] at first.
    pub fn get(&self, value: u32) -> u32 {
        self.0[value as usize]
    }

    /// Notes something of this value.
    pub fn set(&mut self, value: u32, to: u32) {
        self.0[value as usize] = to;
    }
}

/// Judges each key by itself: linearizability is local (Herlihy and Wing 1990). The answer is the same for every number
/// of threads: each key has a place of its own, and the places are read in order.
pub(super) fn judge<J>(history: &History, budget: &Budget<'_>, understand: Understand, judge: J) -> Found
where
    J: Fn(&Journal<'_>, &mut Slots, &Budget<'_>) -> Found + Sync,
{
    let tables = Tables::new(history, understand);
    let mut found = Found::default();
    found.checked.insert("operations", tables.op_count());
    found.checked.insert("keys", tables.busy_keys().count() as u64);
    found.doubts = tables.doubts(history);
    let busy: Vec<usize> = tables.busy_keys().collect();
    // The same for each, whoever comes first.
    let share = Budget { steps: budget.steps / busy.len().max(1) as u64, threads: 1, ..*budget };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut slots = Slots(vec![NEVER; history.value_count()]);
        let mut done = Vec::new();
        while let Some(key) = busy.get(next.fetch_add(1, Ordering::Relaxed)) {
            if (budget.stop)() {
                break;
            }
            done.push((*key, judge(&tables.journal(history, *key), &mut slots, &share)));
        }
        done
    };
    let mut parts = side_by_side(budget.threads.clamp(1, busy.len().max(1)), &work);
    parts.sort_by_key(|(key, _)| *key);
    if parts.len() < busy.len() {
        found.doubts.push(format!("the time budget was used up after {} of {} keys.", parts.len(), busy.len()));
    }
    parts.into_iter().for_each(|(_, part)| merge(&mut found, part));
    found
}

fn side_by_side<T: Send>(threads: usize, work: &(impl Fn() -> Vec<T> + Sync)) -> Vec<T> {
    if threads == 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// How many doubts are told one by one.
const DOUBTS: usize = 20;

fn merge(found: &mut Found, part: Found) {
    for (kind, group) in part.groups {
        let mut cases = group.cases.into_iter();
        let room = found.groups.get(&kind).map_or(Finding::KEPT, |g| Finding::KEPT - g.cases.len());
        let untold = group.count - cases.len().min(room) as u64;
        for case in cases.by_ref().take(room) {
            found.add(kind, || case);
        }
        if let Some(group) = found.groups.get_mut(&kind) {
            group.count += untold;
        }
    }
    for doubt in part.doubts {
        match found.doubts.len() {
            n if n < DOUBTS => found.doubts.push(doubt),
            DOUBTS => found.doubts.push("there are more doubts of this kind about other keys.".to_owned()),
            _ => {}
        }
    }
}

/// All keys' operations and events, one key behind the other.
struct Tables {
    ops: Vec<Op>,
    events: Vec<u32>,
    /// Where each key's operations and events start, and where the last one's end.
    op_starts: Vec<usize>,
    event_starts: Vec<usize>,
    /// Where each key's operations end.
    op_ends: Vec<usize>,
    foreign: (u64, u32),
    otherwise: (u64, u32),
}

impl Tables {
    fn new(history: &History, understand: Understand) -> Tables {
        let nameless = history.find_key(&Scalar::Null);
        let (mut op_starts, mut event_starts) = (vec![0; history.key_count() + 1], vec![0; history.key_count() + 1]);
        for event in history.events() {
            if let Some(key) = key_of(history, event, nameless) {
                event_starts[key + 1] += 1;
                op_starts[key + 1] += usize::from(history.kind(event) == Kind::Invoke);
            }
        }
        running_sum(&mut op_starts);
        running_sum(&mut event_starts);
        let (op_count, event_count) = (op_starts[history.key_count()], event_starts[history.key_count()]);
        let nothing = Op { call: 0, ret: NEVER, value: NEVER, act: Act::Unknown };
        let mut tables = Tables {
            ops: vec![nothing; op_count],
            events: vec![0; event_count],
            op_ends: op_starts[..history.key_count()].to_vec(),
            op_starts,
            event_starts,
            foreign: (0, 0),
            otherwise: (0, 0),
        };
        tables.fill(history, nameless, understand);
        tables
    }

    fn fill(&mut self, history: &History, nameless: Option<KeyId>, understand: Understand) {
        let mut place = vec![NEVER; history.len()];
        let mut next = self.event_starts.clone();
        for event in history.events() {
            let Some(key) = key_of(history, event, nameless) else { continue };
            let position = (next[key] - self.event_starts[key]) as u32;
            self.events[next[key]] = event.0;
            next[key] += 1;
            match history.kind(event) {
                Kind::Invoke => {
                    if let Some((act, value, answered)) = self.understood(history, event, understand) {
                        place[event.0 as usize] = if answered { self.op_ends[key] as u32 } else { NEVER };
                        self.ops[self.op_ends[key]] = Op { call: position, ret: NEVER, value, act };
                        self.op_ends[key] += 1;
                    }
                }
                Kind::Ok => {
                    let op = history.pair_of(event).map_or(NEVER, |invocation| place[invocation.0 as usize]);
                    if op != NEVER {
                        self.ops[op as usize].ret = position;
                    }
                }
                _ => {}
            }
        }
    }

    /// What an operation did, with which value, and whether its completion says so.
    fn understood(
        &mut self,
        history: &History,
        invocation: EventIndex,
        understand: Understand,
    ) -> Option<(Act, u32, bool)> {
        let completion = history.pair_of(invocation);
        let mut answer = match completion.map(|c| history.kind(c)) {
            Some(Kind::Fail) => return None,
            Some(Kind::Ok) => completion,
            _ => None,
        };
        if let Some(completion) = answer
            && (history.function(completion) != history.function(invocation)
                || history.key(completion) != history.key(invocation))
        {
            note(&mut self.otherwise, invocation);
            answer = None;
        }
        match understand(history, invocation, answer) {
            Reading::Act(act, value) => Some((act, value, answer.is_some())),
            Reading::Nothing => None,
            Reading::Foreign => {
                note(&mut self.foreign, invocation);
                None
            }
        }
    }

    fn op_count(&self) -> u64 {
        self.op_starts.iter().zip(&self.op_ends).map(|(start, end)| (end - start) as u64).sum()
    }

    fn busy_keys(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.op_ends.len()).filter(|key| self.op_ends[*key] > self.op_starts[*key])
    }

    fn journal<'a>(&'a self, history: &'a History, key: usize) -> Journal<'a> {
        Journal {
            history,
            key: KeyId(key as u32),
            ops: &self.ops[self.op_starts[key]..self.op_ends[key]],
            events: &self.events[self.event_starts[key]..self.event_starts[key + 1]],
        }
    }

    fn doubts(&self, history: &History) -> Vec<String> {
        let mut doubts = Vec::new();
        if let (n @ 1.., first) = self.foreign {
            let n = words::count(n, "operation is", "operations are");
            let first = words::numbered(history, first);
            doubts.push(format!("{n} not understood here and could not be looked at, the first being {first}."));
        }
        if let (n @ 1.., first) = self.otherwise {
            let n = words::count(n, "operation was", "operations were");
            doubts.push(format!(
                "{n} completed as something else than was invoked, the first being #{first}; what became of them was \
                 taken to be unknown."
            ));
        }
        if let Some((event, irregularity)) = history.irregularities().first() {
            doubts.push(format!(
                "this is not the history of processes that do one thing at a time: event {} {}.",
                event.0,
                irregularity.describe()
            ));
        }
        doubts
    }
}

fn note(tally: &mut (u64, u32), invocation: EventIndex) {
    if tally.0 == 0 {
        tally.1 = invocation.0;
    }
    tally.0 += 1;
}

fn running_sum(counts: &mut [usize]) {
    for i in 1..counts.len() {
        counts[i] += counts[i - 1];
    }
}

/// The key of a client's event; that of a `drain` without one is the nameless one.
fn key_of(history: &History, event: EventIndex, nameless: Option<KeyId>) -> Option<usize> {
    if history.process(event).is_nemesis() {
        return None;
    }
    let key = history.key(event).or_else(|| match history.function(event) {
        f @ Function::Custom(_) if history.function_name(f) == "drain" => nameless,
        _ => None,
    });
    key.map(|key| key.0 as usize)
}

/// The id of the value that an event names, or [`NEVER`].
pub(super) fn value_of(history: &History, event: EventIndex) -> u32 {
    match history.payload(event) {
        Payload::Value(value) => value.0,
        _ => NEVER,
    }
}
