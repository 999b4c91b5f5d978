//! What a node has of every origin's log, and what waits for its causes.
//!
//! *Causal delivery*: an event takes effect when everything that its origin had when it made it has taken effect here (Birman and
//! Joseph, *Reliable Communication in the Presence of Failures*, 1987; by vectors as in Schmuck's thesis, 1988). Until then it waits.
//!
//! ```text
//!   n1   insert x ───────────────── slow ──────────────────▶ n3     has   [n1: 0, n2: 0]
//!          └──▶ n2   update x, after [n1: 1] ──▶ n3: waits until it has   [n1: 1, n2: 0]
//! ```
//! The origin's own events are in a row, so a second copy of one is known by its position, by whatever way it came.

use std::collections::BTreeMap;

use super::event::{Dot, Event, Vector};

/// So many events wait for their causes; what comes besides is forgotten, for it is sent again.
const MOST_WAITING: usize = 20_000;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Logs {
    events: Vec<Vec<Event>>,
    vector: Vector,
    waiting: BTreeMap<Dot, Event>,
}

impl Logs {
    /// Empty logs of so many origins.
    pub fn new(origins: usize) -> Logs {
        Logs { events: vec![Vec::new(); origins], ..Logs::default() }
    }

    /// How much there is of each.
    pub fn vector(&self) -> &Vector {
        &self.vector
    }

    /// Everything of this origin after this position.
    pub fn after(&self, origin: usize, position: u64) -> &[Event] {
        let log = &self.events[origin];
        &log[(position as usize).min(log.len())..]
    }

    /// Everything, each origin's in a row.
    pub fn all(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().flatten()
    }

    /// Takes in an event that came from somewhere. Whether it is new.
    pub fn take(&mut self, event: Event) -> bool {
        let known = self.vector.has(event.dot) || event.dot.0 >= self.events.len();
        if known || self.waiting.contains_key(&event.dot) || self.waiting.len() >= MOST_WAITING {
            return false;
        }
        self.waiting.insert(event.dot, event);
        true
    }

    /// An event whose causes are all there, if one waits: it is to be applied and [added](Logs::add).
    pub fn ready(&mut self) -> Option<Event> {
        let next = |origin: usize| Dot(origin, self.vector.of(origin) + 1);
        let is_ready = |dot: &Dot| self.waiting.get(dot).is_some_and(|event| self.vector.covers(&event.after));
        let dot = (0..self.events.len()).map(next).find(is_ready)?;
        self.waiting.remove(&dot)
    }

    /// The next event of an origin though its causes may be missing.
    pub fn ready_or_not(&mut self) -> Option<Event> {
        let next = |origin: usize| Dot(origin, self.vector.of(origin) + 1);
        let dot = (0..self.events.len()).map(next).find(|dot| self.waiting.contains_key(dot))?;
        self.waiting.remove(&dot)
    }

    /// Adds the next event of its origin.
    pub fn add(&mut self, event: Event) {
        let Dot(origin, position) = event.dot;
        debug_assert_eq!(self.vector.of(origin) + 1, position);
        self.vector.raise(origin, position);
        self.events[origin].push(event);
    }

    /// How many wait for their causes.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multi_leader::event::Stamp;

    fn event(origin: usize, position: u64, after: &[u64]) -> Event {
        let mut vector = Vector::default();
        after.iter().enumerate().for_each(|(node, at)| vector.raise(node, *at));
        let (effects, request, agreed) = (Vec::new(), None, None);
        Event { dot: Dot(origin, position), after: vector, stamp: Stamp::default(), effects, request, agreed }
    }

    fn deliver(logs: &mut Logs) -> Vec<Dot> {
        std::iter::from_fn(|| {
            let event = logs.ready()?;
            let dot = event.dot;
            logs.add(event);
            Some(dot)
        })
        .collect()
    }

    #[test]
    fn effects_wait_for_their_causes_and_copies_are_known() {
        let mut logs = Logs::new(3);
        assert!(logs.take(event(1, 1, &[1, 0])));
        assert!(logs.take(event(0, 2, &[1, 0])));
        assert_eq!(deliver(&mut logs), []);
        assert!(logs.take(event(0, 1, &[0, 0])));
        assert_eq!(deliver(&mut logs), [Dot(0, 1), Dot(0, 2), Dot(1, 1)]);
        assert!(!logs.take(event(0, 1, &[0, 0])), "it is known, whoever sends it again");
        assert_eq!((logs.waiting_count(), logs.after(0, 1).len()), (0, 1));
    }
}
