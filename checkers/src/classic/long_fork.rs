//! Long forks: two readers see two independent writes in opposite orders.
//!
//! Groups of keys are each written once and read together. In one order of commits what a group shows only ever grows,
//! so of any two reads of it one shows everything that the other one shows. Where each shows a key that the other one
//! misses, the order of commits has forked:
//!
//! ```text
//!   write x ← 1              write y ← 1
//!        │ \                  / │
//!        │   read: x = 1, y = nothing: x first
//!        │                      │
//!        read: x = nothing, y = 1: y first
//! ```
//! Parallel snapshot isolation allows it (Sovran, Power, Aguilera, Li: *Transactional Storage for Geo-Replicated
//! Systems*, SOSP 2011), snapshot isolation does not. The test is that of `jepsen.tests.long-fork` (Kingsbury), which
//! compares all pairs of reads of a group. Here the reads of a group are sorted by how many keys they show: they are a chain
//! if and only if each shows all that its neighbour below shows. That takes n log n steps instead of n².
//!
//! # What was decided
//!
//! Every two neighbours that do not fit are one long fork: how often the chain breaks, not how many pairs of readers
//! disagree. Reads that show the same count once. A group with a key that was seen with two values is not judged and is a
//! doubt; a value that nobody wrote, or whose write failed, is reported as what it is.
//!
//! # What it does not detect
//!
//! Forks between groups that share keys without being the same, and whatever else transactions can do to one another: see
//! [`crate::transactions`].

use std::collections::BTreeMap;

use histories::{EventIndex, Function, History, KeyId, Kind, MicroFunction, MicroOp, Payload, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Odd, relation, stopped};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::finding::{Anomaly, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

/// Looks for reads of one group that do not form a chain. Finds [`AnomalyType::LongFork`],
/// [`AnomalyType::GarbageRead`] and [`AnomalyType::G1a`].
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let initial = question.assume.initial.as_ref().and_then(|value| history.find_value(value));
    let reader = Reader { history, initial: initial.unwrap_or(ValueId::NULL) };
    match judge(reader, &Meter::new(budget), &mut found) {
        Ok(()) => found,
        Err(why) => stopped(found, why),
    }
}

fn judge(reader: Reader<'_>, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
    let history = reader.history;
    let writes = Writes::of(history, meter)?;
    let mut groups = Groups::default();
    groups.gather(reader, meter)?;
    writes.look_up(history, &groups, found);
    let (mut reads, mut unjudged) = (0, Odd::default());
    for (keys, group) in &groups.groups {
        reads += group.count;
        meter.spend(group.states.len() as u64 * keys.len() as u64)?;
        match keys.iter().any(|key| groups.rewritten.contains(key)) {
            true => unjudged.note(group.states.values().copied().min().unwrap_or(0)),
            false => group.judge(reader, keys, &writes, found),
        }
    }
    unjudged.doubt(found, "read a group in which a key was seen with two values");
    groups.odd.doubt(found, "read one key twice in one transaction, or what is no single value");
    found.checked = [("groups", groups.groups.len() as u64), ("reads", reads), ("writes", writes.count)].into();
    Ok(())
}

/// Who wrote what.
#[derive(Default)]
struct Writes {
    count: u64,
    writers: FxHashMap<(KeyId, ValueId), (u32, Kind)>,
}

impl Writes {
    fn of(history: &History, meter: &Meter<'_>) -> Result<Writes, Exhausted> {
        let mut writes = Writes::default();
        for pair in history.operations() {
            meter.spend(1)?;
            let (invocation, payload) = (pair.invocation, history.payload(pair.invocation));
            if let (Function::Write, Some(key), Payload::Value(value)) =
                (history.function(invocation), history.key(invocation), payload)
            {
                writes.note(key, value, invocation, pair.outcome);
            }
            for micro in history.micros(payload).iter().filter(|micro| micro.f == MicroFunction::Write) {
                if let Payload::Value(value) = micro.value {
                    writes.note(micro.key, value, invocation, pair.outcome);
                }
            }
        }
        Ok(writes)
    }

    /// A write that did not fail hides one that did.
    fn note(&mut self, key: KeyId, value: ValueId, invocation: EventIndex, outcome: Kind) {
        self.count += 1;
        let entry = self.writers.entry((key, value)).or_insert((invocation.0, outcome));
        if entry.1 == Kind::Fail {
            *entry = (invocation.0, outcome);
        }
    }

    /// Reports values that were read and not written. Of each, once.
    fn look_up(&self, history: &History, groups: &Groups, found: &mut Found) {
        for ((key, value), read) in &groups.seen {
            match self.writers.get(&(*key, *value)) {
                None => found.add(AnomalyType::GarbageRead, || garbage(history, *key, *value, *read)),
                Some((write, Kind::Fail)) => {
                    found.add(AnomalyType::G1a, || aborted(history, *key, *value, *read, *write));
                }
                Some(_) => {}
            }
        }
    }
}

/// Which of its keys a read of a group shows, in the order of the keys.
type State = Vec<bool>;

#[derive(Default)]
struct Group {
    count: u64,
    /// The first read that shows it, by invocation.
    states: BTreeMap<State, u32>,
}

#[derive(Default)]
struct Groups {
    groups: BTreeMap<Vec<KeyId>, Group>,
    /// Each value seen of a key, with the first read that showed it.
    seen: BTreeMap<(KeyId, ValueId), u32>,
    value_of: FxHashMap<KeyId, ValueId>,
    rewritten: FxHashSet<KeyId>,
    odd: Odd,
}

impl Groups {
    fn gather(&mut self, reader: Reader<'_>, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let history = reader.history;
        for pair in history.operations() {
            let (Some(completion), Kind::Ok) = (pair.completion, pair.outcome) else { continue };
            let micros = history.micros(history.payload(completion));
            meter.spend(1 + micros.len() as u64)?;
            if micros.iter().any(|micro| micro.f != MicroFunction::Read) {
                continue;
            }
            match reader.shown(micros) {
                Some(shown) => self.add(shown, pair.invocation.0),
                None => self.odd.note(pair.invocation.0),
            }
        }
        Ok(())
    }

    fn add(&mut self, shown: Vec<(KeyId, Option<ValueId>)>, read: u32) {
        for (key, value) in &shown {
            let Some(value) = value else { continue };
            self.seen.entry((*key, *value)).or_insert(read);
            if self.value_of.entry(*key).or_insert(*value) != value {
                self.rewritten.insert(*key);
            }
        }
        if shown.len() > 1 {
            let (keys, state): (Vec<KeyId>, State) = shown.into_iter().map(|(key, v)| (key, v.is_some())).unzip();
            let group = self.groups.entry(keys).or_default();
            group.count += 1;
            group.states.entry(state).or_insert(read);
        }
    }
}

#[derive(Clone, Copy)]
struct Reader<'h> {
    history: &'h History,
    /// What a key holds that was not written.
    initial: ValueId,
}

impl Reader<'_> {
    /// What a transaction read, in the order of keys; `None` where a key was read twice or what was read is no value.
    fn shown(self, micros: &[MicroOp]) -> Option<Vec<(KeyId, Option<ValueId>)>> {
        let read = |micro: &MicroOp| self.value(micro).map(|value| (micro.key, value));
        let mut shown: Vec<_> = micros.iter().map(read).collect::<Option<_>>()?;
        shown.sort_by_key(|(key, _)| *key);
        shown.windows(2).all(|two| two[0].0 != two[1].0).then_some(shown)
    }

    fn value(self, micro: &MicroOp) -> Option<Option<ValueId>> {
        match micro.value {
            Payload::Value(value) if value == ValueId::NULL || value == self.initial => Some(None),
            Payload::Value(value) => Some(Some(value)),
            list @ Payload::List { .. } => match self.history.list(list) {
                [] => Some(None),
                [value] => Some(Some(*value)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Group {
    fn judge(&self, reader: Reader<'_>, keys: &[KeyId], writes: &Writes, found: &mut Found) {
        let mut chain: Vec<(&State, u32)> = self.states.iter().map(|(state, read)| (state, *read)).collect();
        chain.sort_by_key(|(state, read)| (state.iter().filter(|shown| **shown).count(), *read));
        for two in chain.windows(2) {
            let ((less, one), (more, other)) = (two[0], two[1]);
            let only = |a: &State, b: &State| (0..keys.len()).find(|i| a[*i] && !b[*i]);
            if let (Some(x), Some(y)) = (only(less, more), only(more, less)) {
                let fork = Fork { reader, writes, sides: [(one, keys[x]), (other, keys[y])] };
                found.add(AnomalyType::LongFork, || fork.told());
            }
        }
    }
}

/// Two reads, each with a key that it alone shows.
struct Fork<'h> {
    reader: Reader<'h>,
    writes: &'h Writes,
    sides: [(u32, KeyId); 2],
}

impl Fork<'_> {
    fn told(&self) -> Anomaly {
        let [(one, x), (other, y)] = self.sides;
        let history = self.reader.history;
        let named = |key: KeyId| history.key_name(key);
        let explanation = format!(
            "{}; {}. The first shows {x} and not {y}, so {x} was written before {y}; the second shows {y} and not {x}, so \
             {y} was written before {x}: a contradiction",
            words::told(history, one),
            words::told(history, other),
            x = named(x),
            y = named(y),
        );
        let (write_x, write_y) = (self.writer(one, x), self.writer(other, y));
        let mut relations = Vec::new();
        for (write, key, shows, misses) in [(write_x, x, one, other), (write_y, y, other, one)] {
            let Some(write) = write else { continue };
            let shown = format!("#{shows} shows {}, which #{write} wrote", named(key));
            relations.push(relation(write, shows, RelationKind::Wr, shown));
            let missed = format!("#{misses} does not show {}, which #{write} wrote", named(key));
            relations.push(relation(misses, write, RelationKind::Rw, missed));
        }
        let operations = [write_x, write_y].into_iter().flatten().chain([one, other]).collect();
        Anomaly::new(AnomalyType::LongFork, None, operations, relations, explanation)
    }

    fn writer(&self, read: u32, key: KeyId) -> Option<u32> {
        let history = self.reader.history;
        let completion = history.pair_of(EventIndex(read))?;
        let shown = self.reader.shown(history.micros(history.payload(completion)))?;
        let (_, value) = shown.into_iter().find(|(of, _)| *of == key)?;
        self.writes.writers.get(&(key, value?)).map(|(write, _)| *write)
    }
}

fn garbage(history: &History, key: KeyId, value: ValueId, read: u32) -> Anomaly {
    let (told, name, value) = (words::told(history, read), history.key_name(key), history.value(value));
    let explanation = format!("{told}, but nobody was ever asked to write {value} to {name}");
    Anomaly::new(AnomalyType::GarbageRead, Some(name.to_string()), vec![read], Vec::new(), explanation)
}

fn aborted(history: &History, key: KeyId, value: ValueId, read: u32, write: u32) -> Anomaly {
    let (told, name, value) = (words::told(history, read), history.key_name(key), history.value(value));
    let explanation = format!("{told}, but the write of {value} to {name} (#{write}) failed");
    let reason = format!("#{read} shows {value}, which #{write} was to write and did not");
    let relations = vec![relation(write, read, RelationKind::Wr, reason)];
    Anomaly::new(AnomalyType::G1a, Some(name.to_string()), vec![write, read], relations, explanation)
}
