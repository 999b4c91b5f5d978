//! Sessions as chains of operations.

use histories::{EventIndex, History};
use rustc_hash::FxHashMap;

use super::{Place, Table, completed};

/// When an operation of unknown outcome was completed.
const NEVER: u32 = u32::MAX;

/// Where each node stands; see [`super::Trace`].
pub(super) struct Lanes {
    pub places: Vec<Place>,
    pub nodes: Table<u32>,
    pub session_of: Vec<u32>,
    pub joins: Vec<(u32, u32)>,
    pub by_completion: Vec<u32>,
}

/// The end of a lane that can go on.
#[derive(Clone, Copy)]
struct End {
    lane: u32,
    /// Its last node.
    node: u32,
    /// When that one's operation was completed.
    completed: u32,
}

#[derive(Default)]
struct Session {
    /// The invocation of its last operation.
    last: u32,
    ends: Vec<End>,
}

struct Laying<'h> {
    history: &'h History,
    events: &'h [u32],
    places: Vec<Place>,
    lengths: Vec<u32>,
    session_of: Vec<u32>,
    joins: Vec<(u32, u32)>,
    /// For each node the one before it in its lane, to walk back by.
    before: Vec<u32>,
}

impl Lanes {
    /// `there` says of each node whether it happened.
    pub(super) fn new(history: &History, events: &[u32], there: &[bool]) -> Lanes {
        let (numbers, mut sessions) = sessions(history, events, there);
        let mut laying = Laying {
            history,
            events,
            places: vec![Place::ABSENT; events.len()],
            lengths: Vec::new(),
            session_of: Vec::new(),
            joins: Vec::new(),
            before: vec![NEVER; events.len()],
        };
        for node in (0..events.len()).filter(|node| there[*node]) {
            let session = numbers[&history.session(EventIndex(events[node]))];
            laying.lay(node, session, &mut sessions[session as usize]);
        }
        let Laying { places, session_of, mut joins, lengths, .. } = laying;
        joins.sort_unstable();
        let laid = (0..).zip(&places).filter(|(_, place)| **place != Place::ABSENT);
        let nodes = Table::from_pairs(lengths.len(), laid.map(|(node, place)| (place.lane, node)), 0);
        Lanes { by_completion: by_completion(history, events, there), places, nodes, session_of, joins }
    }
}

/// The sessions, numbered from 0, and when each of them does its last operation.
fn sessions(history: &History, events: &[u32], there: &[bool]) -> (FxHashMap<u32, u32>, Vec<Session>) {
    let mut numbers = FxHashMap::default();
    let mut sessions: Vec<Session> = Vec::new();
    for (event, _) in events.iter().zip(there).filter(|(_, there)| **there) {
        let next = sessions.len() as u32;
        let number = *numbers.entry(history.session(EventIndex(*event))).or_insert(next);
        if number == next {
            sessions.push(Session::default());
        }
        sessions[number as usize].last = *event;
    }
    (numbers, sessions)
}

impl Laying<'_> {
    fn lay(&mut self, node: usize, number: u32, session: &mut Session) {
        let event = self.events[node];
        if node > 0 && self.events[node - 1] == event && self.places[node - 1] != Place::ABSENT {
            return self.same_operation(node, session);
        }
        let completed = completion(self.history, event);
        let free = (0..session.ends.len()).filter(|i| session.ends[*i].completed < event);
        let free = free.max_by_key(|i| session.ends[*i].completed);
        for (i, end) in session.ends.iter().enumerate() {
            if Some(i) != free {
                self.join(node as u32, *end);
            }
        }
        let follows = free.filter(|_| completed != NEVER || event == session.last);
        if let (Some(free), None) = (free, follows) {
            self.join(node as u32, session.ends[free]);
        }
        let lane = follows.map_or_else(|| self.new_lane(number), |i| session.ends[i].lane);
        self.put(node, lane, follows.map(|i| session.ends[i].node));
        let end = End { lane, node: node as u32, completed };
        match follows {
            Some(i) => session.ends[i] = end,
            // Nothing follows what may take effect at any time; its lane ends here.
            None if completed == NEVER && event != session.last => {}
            None => session.ends.push(end),
        }
    }

    /// A further step of the operation of the node before.
    fn same_operation(&mut self, node: usize, session: &mut Session) {
        let lane = self.places[node - 1].lane;
        self.put(node, lane, Some(node as u32 - 1));
        if let Some(end) = session.ends.iter_mut().find(|end| end.lane == lane) {
            end.node = node as u32;
        }
    }

    fn new_lane(&mut self, session: u32) -> u32 {
        self.lengths.push(0);
        self.session_of.push(session);
        self.lengths.len() as u32 - 1
    }

    fn put(&mut self, node: usize, lane: u32, before: Option<u32>) {
        let position = &mut self.lengths[lane as usize];
        self.places[node] = Place { lane, position: *position };
        *position += 1;
        self.before[node] = before.unwrap_or(NEVER);
    }

    /// The last node of another lane that was completed before this one was invoked precedes it.
    fn join(&mut self, node: u32, end: End) {
        let event = self.events[node as usize];
        let mut earlier = end.node;
        while earlier != NEVER && completion(self.history, self.events[earlier as usize]) >= event {
            earlier = self.before[earlier as usize];
        }
        if earlier != NEVER {
            self.joins.push((node, earlier));
        }
    }
}

fn completion(history: &History, event: u32) -> u32 {
    completed(history, event).unwrap_or(NEVER)
}

fn by_completion(history: &History, events: &[u32], there: &[bool]) -> Vec<u32> {
    // For each completion its first node; the further ones of the operation follow it.
    let mut first = vec![NEVER; history.len()];
    let mut open = Vec::new();
    for node in (0..events.len()).rev().filter(|node| there[*node]) {
        match completion(history, events[node]) {
            NEVER => open.push(node as u32),
            completed => first[completed as usize] = node as u32,
        }
    }
    let mut nodes = Vec::new();
    for start in first.into_iter().filter(|node| *node != NEVER) {
        let event = events[start as usize];
        let same = |node: &u32| events.get(*node as usize) == Some(&event);
        nodes.extend((start..).take_while(same).filter(|node| there[*node as usize]));
    }
    nodes.extend(open.into_iter().rev());
    nodes
}
