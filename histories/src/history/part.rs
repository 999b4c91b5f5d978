//! Parts of a history: some of its operations, with or without the places of the others.

use super::push::{NO_KEY, NO_NODE, NO_PAIR, NO_SESSION, nothing};
use super::{EventIndex, History};
use crate::event::{Kind, Process};

/// What stands in the place of an event that was taken out.
const ABSENT: &str = "absent";

impl History {
    /// The same history without the operations whose invocation `keep` denies; what has no invocation is kept. Every
    /// other event keeps its index: in the place of one that was taken out stands an event of the nemesis that says
    /// nothing, and the tables of keys and values are the same.
    pub fn only(&self, keep: impl Fn(EventIndex) -> bool) -> History {
        let mut part = self.clone();
        let Ok(absent) = part.intern_function(ABSENT) else { return part };
        for event in self.events() {
            let invocation = match self.kind(event) {
                Kind::Invoke => Some(event),
                _ => self.pair_of(event),
            };
            if self.process(event).is_nemesis() || invocation.is_none_or(&keep) {
                continue;
            }
            let i = event.0 as usize;
            part.open.remove(&self.processes[i]);
            (part.processes[i], part.kinds[i], part.functions[i]) = (Process::NEMESIS, Kind::Info, absent);
            (part.keys[i], part.payloads[i]) = (NO_KEY, nothing(true));
            (part.nodes[i], part.sessions[i], part.pairs[i]) = (NO_NODE, NO_SESSION, NO_PAIR);
            part.errors.remove(&event.0);
        }
        part.irregularities.retain(|(event, _)| part.processes[event.0 as usize] == self.processes[event.0 as usize]);
        part
    }

    /// A history of these operations alone, in the order of this one, with indices of its own, and for each of its
    /// events the index here. Operations are named by their invocations, in any order and as often as one likes; events
    /// of the nemesis may be among them, and completions are left out.
    pub fn extract(&self, invocations: &[EventIndex]) -> (History, Vec<EventIndex>) {
        let mut events: Vec<EventIndex> = invocations
            .iter()
            .filter(|e| (e.0 as usize) < self.len() && self.starts(**e))
            .flat_map(|e| std::iter::once(*e).chain(self.pair_of(*e)))
            .collect();
        events.sort_unstable();
        events.dedup();
        let mut part = History::new();
        for event in &events {
            part.push(&self.event(*event));
        }
        (part, events)
    }

    fn starts(&self, event: EventIndex) -> bool {
        self.kind(event) == Kind::Invoke || self.process(event).is_nemesis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation;

    #[test]
    fn what_is_left_keeps_its_place() {
        let whole = notation::history("1<ax1 2:ry_ 1>ax1 !heal 3<rx");
        let part = whole.only(|e| whole.process(e) != Process(1));
        assert_eq!(part.len(), whole.len());
        assert!(part.process(EventIndex(0)).is_nemesis() && part.process(EventIndex(3)).is_nemesis());
        assert_eq!(part.event(EventIndex(2)), whole.event(EventIndex(2)));
        assert_eq!((part.operations().count(), whole.operations().count()), (2, 3));
        assert_eq!(part.open_invocation(Process(3)), Some(EventIndex(5)));
        assert_eq!(whole.only(|e| e != EventIndex(5)).open_invocation(Process(3)), None);
    }

    #[test]
    fn an_extract_is_a_history_of_its_own() {
        let whole = notation::history("1<ax1 2:ry_ 1>ax1 !heal 3<rx");
        let (part, places) =
            whole.extract(&[EventIndex(5), EventIndex(0), EventIndex(0), EventIndex(2), EventIndex(99)]);
        assert_eq!(places, [EventIndex(0), EventIndex(3), EventIndex(5)]);
        assert_eq!(
            notation::print(&part.events().map(|e| part.event(e)).collect::<Vec<_>>()),
            "1<ax1 t=3 1>ax1 t=5 3<rx"
        );
        assert_eq!(part.operations().count(), 2);
    }
}
