//! What is wrong with an element, in words and relations.

use histories::{EventIndex, History, KeyId, Kind};

use super::life::{Element, NEVER, Read};
use crate::classic::{name, relation};
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

#[derive(Clone, Copy)]
pub(super) struct Evidence<'h> {
    pub(super) history: &'h History,
    pub(super) key: KeyId,
}

impl Evidence<'_> {
    fn case(self, kind: AnomalyType, ops: Vec<u32>, relations: Vec<Relation>, explanation: String) -> Anomaly {
        Anomaly::new(kind, name(self.history, self.key), ops, relations, explanation)
    }

    fn told(self, invocation: u32) -> String {
        words::told(self.history, invocation)
    }

    /// `5 was there: process 1 had added 5 (#3), and that was acknowledged`.
    fn known(self, element: &Element) -> String {
        let value = self.history.value(element.value);
        match self.by_read(element) {
            true => format!("{value} was there: {} (#{}) had shown it", self.who_read(element), element.known_by),
            false => format!("{} and that was acknowledged", self.told(element.known_by)),
        }
    }

    fn who_read(self, element: &Element) -> String {
        format!("a read of {}", words::who(self.history, element.known_by))
    }

    fn by_read(self, element: &Element) -> bool {
        self.history.function(EventIndex(element.known_by)) == histories::Function::Read
    }

    fn before(self, element: &Element, missed: &Read) -> Relation {
        let (by, read) = (element.known_by, missed.call);
        relation(by, read, RelationKind::Realtime, format!("#{by} was completed before #{read} was invoked"))
    }

    fn overwritten(self, element: &Element, missed: &Read) -> Relation {
        let (add, read) = (element.possible, missed.call);
        let value = self.history.value(element.value);
        relation(read, add, RelationKind::Rw, format!("#{read} does not show {value}, which #{add} added"))
    }

    fn shows(self, element: &Element, read: &Read) -> Relation {
        let (add, value) = (element.possible, self.history.value(element.value));
        relation(add, read.call, RelationKind::Wr, format!("#{} shows {value}, which #{add} added", read.call))
    }

    /// These operations, each once, in this order.
    fn once(self, operations: &[u32]) -> Vec<u32> {
        let mut once = Vec::new();
        for operation in operations {
            if *operation != NEVER && !once.contains(operation) {
                once.push(*operation);
            }
        }
        once
    }

    pub(super) fn lost(self, element: &Element, last: Option<&Read>, missed: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let seen = match last {
            Some(read) => format!("; #{} was the last read to show it", read.call),
            None => "; no read has ever shown it".to_owned(),
        };
        let explanation = format!(
            "{}; then {} invoked a read (#{}) that does not show {value}, and neither does any read that was invoked later: \
             it is lost{seen}",
            self.known(element),
            words::who(self.history, missed.call),
            missed.call,
        );
        let last = last.map_or(NEVER, |read| read.call);
        let operations = self.once(&[element.possible, element.known_by, last, missed.call]);
        let relations = vec![self.before(element, missed), self.overwritten(element, missed)];
        self.case(AnomalyType::LostElement, operations, relations, explanation)
    }

    pub(super) fn stale(self, element: &Element, missed: &Read, again: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let explanation = format!(
            "{}; then {} invoked a read (#{}), which does not show {value}, and #{} shows it again",
            self.known(element),
            words::who(self.history, missed.call),
            missed.call,
            again.call,
        );
        let operations = self.once(&[element.possible, element.known_by, missed.call, again.call]);
        let relations =
            vec![self.before(element, missed), self.overwritten(element, missed), self.shows(element, again)];
        self.case(AnomalyType::StaleElement, operations, relations, explanation)
    }

    pub(super) fn unexpected(self, element: &Element, read: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let explanation = format!("{}, but nobody was ever asked to add {value}", self.told(read.call));
        self.case(AnomalyType::UnexpectedElement, vec![read.call], Vec::new(), explanation)
    }

    pub(super) fn aborted(self, element: &Element, read: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let add = element.first_add;
        let explanation =
            format!("{} and finds {value} in it, but the add of {value} (#{add}) failed", self.told(read.call));
        let relations = vec![relation(
            add,
            read.call,
            RelationKind::Wr,
            format!("#{} shows {value}, which #{add} was to add and did not", read.call),
        )];
        self.case(AnomalyType::G1a, self.once(&[add, read.call]), relations, explanation)
    }

    pub(super) fn early(self, element: &Element, read: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let add = element.possible;
        let explanation = format!(
            "{} and finds {value} in it, but only after that read had ended was anybody asked to add {value} (#{add})",
            self.told(read.call)
        );
        let reason = format!("#{} was completed before #{add} was invoked", read.call);
        let relations = vec![self.shows(element, read), relation(read.call, add, RelationKind::Realtime, reason)];
        self.case(AnomalyType::Nonlinearizable, vec![read.call, add], relations, explanation)
    }

    pub(super) fn duplicate(self, element: &Element, read: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let times = self.history.list(read.shown).iter().filter(|shown| **shown == element.value).count();
        let explanation =
            format!("{} shows {value} {times} times (#{}): a set has each element once", self.a_read(read), read.call);
        self.case(AnomalyType::DuplicateElements, self.once(&[element.possible, read.call]), Vec::new(), explanation)
    }

    fn a_read(self, read: &Read) -> String {
        format!("a read of {}", words::who(self.history, read.call))
    }

    pub(super) fn resurrected(self, element: &Element, read: &Read) -> Anomaly {
        let value = self.history.value(element.value);
        let removal = element.removal;
        debug_assert_eq!(self.history.outcome(EventIndex(removal)), Kind::Ok);
        let explanation = format!(
            "{} and that was acknowledged, after every add of it had ended; then {} shows {value} again (#{})",
            self.told(removal),
            self.a_read(read),
            read.call
        );
        let reason = format!("#{removal} was completed before #{} was invoked", read.call);
        let relations = vec![relation(removal, read.call, RelationKind::Realtime, reason)];
        let operations = self.once(&[element.possible, removal, read.call]);
        self.case(AnomalyType::ResurrectedElement, operations, relations, explanation)
    }
}
