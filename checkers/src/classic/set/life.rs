//! The life of each element of one set: when it must be there, and which reads missed it.

use histories::{History, Kind, Payload, ValueId};

use super::evidence::Evidence;
use super::{Set, Update};
use crate::analysis::Found;
use crate::budget::{Exhausted, Meter};
use crate::models::AnomalyType;

/// A read that was answered.
pub(super) struct Read {
    pub(super) call: u32,
    pub(super) ret: u32,
    pub(super) shown: Payload,
}

/// No such event, or not in this history.
pub(super) const NEVER: u32 = u32::MAX;

/// The mark of a value that has no number in the set at hand.
pub(super) const UNNUMBERED: u32 = u32::MAX;

/// What is known of an element.
#[derive(Clone)]
pub(super) struct Element {
    pub(super) value: ValueId,
    /// Invocation of its first add.
    pub(super) first_add: u32,
    /// Invocation of an add that did not fail, if there is one.
    pub(super) possible: u32,
    /// When the last of its adds had ended: `NEVER` if one of them has no certain end.
    adds_ended: u32,
    /// Since when it must be there, and the operation (add or read) by which that is known.
    pub(super) known: u32,
    pub(super) known_by: u32,
    acked: bool,
    /// Somebody was asked to remove it, and that did not fail.
    removed: bool,
    /// The first removal that nothing can undo: its invocation and when it was acknowledged.
    pub(super) removal: u32,
    pub(super) gone: u32,
    /// Among the reads: the last that showed it, the next that has to, and the first that missed it.
    last_shown: u32,
    next: u32,
    pub(super) first_missed: u32,
    /// What was reported of it.
    reported: u8,
}

const UNEXPECTED: u8 = 1;
const DUPLICATE: u8 = 2;
const RESURRECTED: u8 = 4;
const EARLY: u8 = 8;

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was never there for certain, or could have been removed.
    Open,
    /// All reads that had to show it did.
    Kept,
    /// No read had to show it.
    NeverRead,
    /// Missed, and shown again.
    Stale,
    /// Missed to the end.
    Lost,
}

impl Element {
    fn new(value: ValueId) -> Element {
        Element {
            value,
            first_add: NEVER,
            possible: NEVER,
            adds_ended: 0,
            known: NEVER,
            known_by: NEVER,
            acked: false,
            removed: false,
            removal: NEVER,
            gone: NEVER,
            last_shown: NEVER,
            next: 0,
            first_missed: NEVER,
            reported: 0,
        }
    }

    fn add(&mut self, update: &Update) {
        let call = update.pair.invocation.0;
        self.first_add = self.first_add.min(call);
        let ended = match (update.pair.outcome, update.pair.completion) {
            (Kind::Ok | Kind::Fail, Some(completion)) => completion.0,
            _ => NEVER,
        };
        self.adds_ended = self.adds_ended.max(ended);
        if update.pair.outcome != Kind::Fail {
            self.possible = self.possible.min(call);
        }
        if update.pair.outcome == Kind::Ok {
            self.acked = true;
            self.know(ended, call);
        }
    }

    fn remove(&mut self, update: &Update) {
        self.removed |= update.pair.outcome != Kind::Fail;
        if let (Kind::Ok, Some(completion)) = (update.pair.outcome, update.pair.completion)
            && update.pair.invocation.0 > self.adds_ended
            && completion.0 < self.gone
        {
            (self.removal, self.gone) = (update.pair.invocation.0, completion.0);
        }
    }

    fn know(&mut self, since: u32, by: u32) {
        if since < self.known {
            (self.known, self.known_by) = (since, by);
        }
    }

    /// An add of unknown outcome that was seen to have happened.
    pub(super) fn is_recovered(&self) -> bool {
        !self.acked && self.possible != NEVER && self.known != NEVER
    }

    /// Whether this is the first time that it is said.
    fn say(&mut self, what: u8) -> bool {
        let new = self.reported & what == 0;
        self.reported |= what;
        new
    }
}

/// See the [module](self).
pub(super) struct Lives<'h> {
    history: &'h History,
    set: &'h Set,
    elements: Vec<Element>,
    numbers: &'h mut [u32],
}

impl<'h> Lives<'h> {
    /// Numbers the elements of what was added and removed. `numbers` has a place for every value, none of them numbered.
    pub(super) fn new(history: &'h History, set: &'h Set, numbers: &'h mut [u32]) -> Self {
        let mut lives = Lives { history, set, elements: Vec::new(), numbers };
        for update in set.updates.iter().filter(|update| !update.removes) {
            lives.element(update.value).add(update);
        }
        for update in set.updates.iter().filter(|update| update.removes) {
            lives.element(update.value).remove(update);
        }
        lives
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.elements.iter()
    }

    fn element(&mut self, value: ValueId) -> &mut Element {
        let number = &mut self.numbers[value.0 as usize];
        if *number == UNNUMBERED {
            *number = self.elements.len() as u32;
            self.elements.push(Element::new(value));
        }
        &mut self.elements[*number as usize]
    }

    /// Goes through the reads twice: to learn since when each element must be there, and to see who missed it.
    pub(super) fn watch(&mut self, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
        let (history, set) = (self.history, self.set);
        for (at, read) in set.reads.iter().enumerate() {
            let shown = history.list(read.shown);
            meter.spend(1 + shown.len() as u64)?;
            shown.iter().for_each(|value| self.learn(at as u32, read, *value, found));
        }
        for element in &mut self.elements {
            element.next = set.reads.partition_point(|read| read.call <= element.known) as u32;
        }
        for (at, read) in set.reads.iter().enumerate() {
            let shown = history.list(read.shown);
            meter.spend(1 + shown.len() as u64)?;
            for value in shown {
                self.element(*value).shown(at as u32);
            }
        }
        Ok(())
    }

    fn learn(&mut self, at: u32, read: &Read, value: ValueId, found: &mut Found) {
        let evidence = Evidence { history: self.history, key: self.set.key };
        let element = self.element(value);
        if element.last_shown == at && element.say(DUPLICATE) {
            found.add(AnomalyType::DuplicateElements, || evidence.duplicate(element, read));
        }
        element.last_shown = at;
        if element.first_add == NEVER {
            if element.say(UNEXPECTED) {
                found.add(AnomalyType::UnexpectedElement, || evidence.unexpected(element, read));
            }
        } else if element.possible == NEVER {
            if element.say(UNEXPECTED) {
                found.add(AnomalyType::G1a, || evidence.aborted(element, read));
            }
        } else if read.ret < element.possible {
            if element.say(EARLY) {
                found.add(AnomalyType::Nonlinearizable, || evidence.early(element, read));
            }
        } else {
            element.know(read.ret, read.call);
        }
        if element.gone < read.call && element.say(RESURRECTED) {
            found.add(AnomalyType::ResurrectedElement, || evidence.resurrected(element, read));
        }
    }

    pub(super) fn fate(&self, element: &Element) -> Fate {
        let reads = self.set.reads.len() as u32;
        let due = self.set.reads.partition_point(|read| read.call <= element.known) as u32;
        if element.possible == NEVER || element.removed || element.known == NEVER {
            Fate::Open
        } else if due == reads {
            Fate::NeverRead
        } else if element.next < reads {
            Fate::Lost
        } else if element.first_missed != NEVER {
            Fate::Stale
        } else {
            Fate::Kept
        }
    }

    /// Reports what is lost or stale, and takes the numbers back.
    pub(super) fn end(self, found: &mut Found) {
        let evidence = Evidence { history: self.history, key: self.set.key };
        for element in &self.elements {
            let reads = &self.set.reads;
            match self.fate(element) {
                Fate::Lost => {
                    let last = (element.last_shown != NEVER).then(|| &reads[element.last_shown as usize]);
                    let missed = &reads[element.next as usize];
                    found.add(AnomalyType::LostElement, || evidence.lost(element, last, missed));
                }
                Fate::Stale => {
                    let (missed, again) = (&reads[element.first_missed as usize], &reads[element.last_shown as usize]);
                    found.add(AnomalyType::StaleElement, || evidence.stale(element, missed, again));
                }
                Fate::Open | Fate::Kept | Fate::NeverRead => {}
            }
        }
        for element in &self.elements {
            self.numbers[element.value.0 as usize] = UNNUMBERED;
        }
    }
}

impl Element {
    /// The read at this place shows it. Places come in order.
    fn shown(&mut self, at: u32) {
        if at >= self.next {
            if at > self.next && self.first_missed == NEVER {
                self.first_missed = self.next;
            }
            self.next = at + 1;
        }
    }
}
