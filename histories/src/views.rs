//! A history by process, session, key and node.
//!
//! [`Views`] is built once, in two passes over the history, and answers from then on without searching: each group is
//! a slice of event indices in the order of the history. It takes 4 bytes for each event in each of four tables, and as
//! much again for every further key of a transaction; a million events take about 0.1 s.
//!
//! It does not grow with its history. What folds over a history while it is recorded keeps tables of its own.
//!
//! For one pass without tables there are iterators on the history: [`History::client_events`],
//! [`History::nemesis_events`] and [`History::operations`], which cost nothing but the pass.

use std::collections::BTreeMap;

use crate::event::{Kind, Process};
use crate::history::{EventIndex, History, KeyId, NodeId};

/// One operation of a client: its invocation and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Where it begins.
    pub invocation: EventIndex,
    /// Where it ends; `None` while it is open.
    pub completion: Option<EventIndex>,
    /// How it ends; an open operation ends `info`.
    pub outcome: Kind,
}

/// In one pass.
impl History {
    /// The events of clients, in order.
    pub fn client_events(&self) -> impl DoubleEndedIterator<Item = EventIndex> {
        self.events().filter(|e| !self.process(*e).is_nemesis())
    }

    /// The events of the nemesis, in order.
    pub fn nemesis_events(&self) -> impl DoubleEndedIterator<Item = EventIndex> {
        self.events().filter(|e| self.process(*e).is_nemesis())
    }

    /// The operations of clients, in the order of their invocations. A completion that was never invoked is in none.
    pub fn operations(&self) -> impl DoubleEndedIterator<Item = Pair> {
        self.client_events().filter(|e| self.kind(*e) == Kind::Invoke).map(|invocation| Pair {
            invocation,
            completion: self.pair_of(invocation),
            outcome: self.outcome(invocation),
        })
    }

    /// The objects of an event: its own, or those of its micro-operations, as often as they occur.
    pub fn keys_of(&self, event: EventIndex) -> impl Iterator<Item = KeyId> {
        self.key(event).into_iter().chain(self.micros(self.payload(event)).iter().map(|micro| micro.key))
    }
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Views {
    processes: BTreeMap<Process, u32>,
    sessions: BTreeMap<u32, u32>,
    by_process: Groups,
    by_session: Groups,
    by_key: Groups,
    by_node: Groups,
}

impl Views {
    /// The views of a history as it is now.
    pub fn new(history: &History) -> Self {
        let processes = numbered(history.events().map(|e| history.process(e)));
        let sessions = numbered(history.client_events().map(|e| history.session(e)));
        let process = |e| std::iter::once(processes[&history.process(e)]);
        let session = |e| {
            let client = !history.process(e).is_nemesis();
            client.then(|| sessions[&history.session(e)]).into_iter()
        };
        Views {
            by_process: Groups::new(history, processes.len(), process),
            by_session: Groups::new(history, sessions.len(), session),
            by_key: Groups::new(history, history.key_count(), |e| history.keys_of(e).map(|key| key.0)),
            by_node: Groups::new(history, history.nodes().count(), |e| {
                history.node(e).map(|node| node.0.into()).into_iter()
            }),
            processes,
            sessions,
        }
    }

    /// All processes, in the order of their numbers; the nemesis is the last.
    pub fn processes(&self) -> impl Iterator<Item = Process> {
        self.processes.keys().copied()
    }

    /// All sessions of clients, in the order of their numbers. Without recorded sessions, each process is one.
    pub fn sessions(&self) -> impl Iterator<Item = u32> {
        self.sessions.keys().copied()
    }

    /// The events of a process.
    pub fn process(&self, process: Process) -> &[EventIndex] {
        self.processes.get(&process).map_or(&[], |group| self.by_process.group(*group))
    }

    /// The events of a session.
    pub fn session(&self, session: u32) -> &[EventIndex] {
        self.sessions.get(&session).map_or(&[], |group| self.by_session.group(*group))
    }

    /// The events on a key, by themselves or in a step of their transaction, each of them once.
    pub fn key(&self, key: KeyId) -> &[EventIndex] {
        self.by_key.group(key.0)
    }

    /// The events at a node.
    pub fn node(&self, node: NodeId) -> &[EventIndex] {
        self.by_node.group(node.0.into())
    }
}

fn numbered<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, u32> {
    let mut numbers: BTreeMap<T, u32> = items.map(|item| (item, 0)).collect();
    for (i, number) in numbers.values_mut().enumerate() {
        *number = i as u32;
    }
    numbers
}

/// Lists of events, one behind the other.
#[derive(Clone, Debug)]
struct Groups {
    /// Where each group starts, and where the last one ends.
    starts: Vec<usize>,
    events: Vec<EventIndex>,
}

impl Groups {
    /// Counts the groups' members, then puts them in place.
    fn new<I: Iterator<Item = u32>>(history: &History, count: usize, groups_of: impl Fn(EventIndex) -> I) -> Self {
        let mut starts = vec![0; count + 1];
        each(history, count, &groups_of, |group, _| starts[group + 1] += 1);
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let mut events = vec![EventIndex(0); starts[count]];
        let mut next = starts.clone();
        each(history, count, &groups_of, |group, event| {
            events[next[group]] = event;
            next[group] += 1;
        });
        Groups { starts, events }
    }

    /// Empty for a group that came later than the views.
    fn group(&self, group: u32) -> &[EventIndex] {
        let group = group as usize;
        match (self.starts.get(group), self.starts.get(group + 1)) {
            (Some(start), Some(end)) => &self.events[*start..*end],
            _ => &[],
        }
    }
}

/// Calls `member` once for each event and group of it.
fn each<I: Iterator<Item = u32>>(
    history: &History,
    count: usize,
    groups_of: &impl Fn(EventIndex) -> I,
    mut member: impl FnMut(usize, EventIndex),
) {
    let mut last = vec![None; count];
    for event in history.events() {
        for group in groups_of(event) {
            let group = group as usize;
            if last[group].replace(event) != Some(event) {
                member(group, event);
            }
        }
    }
}
