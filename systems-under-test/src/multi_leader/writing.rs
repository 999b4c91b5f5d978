//! How an update becomes an event, and a read an answer.

use std::collections::BTreeMap;

use histories::{Micro, Operation, Scalar};
use serde_json::{Value as Json, json};

use super::bugs::Bug;
use super::clock::wall_alone;
use super::event::{Dot, Effect, Event, Stamp, Vector};
use super::message::{Message, Record};
use super::options::Conflicts;
use super::site::{Owed, Site, seen};
use super::values::Kind;
use crate::parts::json::{Item, Raw};
use crate::specimen::{Ask, Caller, Context, Outcome, RequestId, mix};

/// The last request of each client that has become an event here, and at which position: what is asked again is known.
#[derive(Debug, Default)]
pub struct Requests(BTreeMap<u64, (u64, u64)>);

impl Requests {
    /// An event of this node.
    pub fn event(&mut self, event: &Event) {
        if let Some(RequestId { client, number }) = event.request {
            let last = self.0.entry(client).or_default();
            *last = (*last).max((number, event.dot.1));
        }
    }

    /// The position of this request, or of a later one of its client, if there is one.
    fn position(&self, request: Option<RequestId>) -> Option<u64> {
        let RequestId { client, number } = request?;
        self.0.get(&client).filter(|(last, _)| *last >= number).map(|(_, position)| *position)
    }
}

/// The leader that a key has as its home.
pub(super) fn home(key: &Item, leaders: usize) -> usize {
    let text = serde_json::to_string(key).expect("scalars have a JSON form");
    let hash = text.bytes().fold(0u64, |hash, byte| mix(hash ^ u64::from(byte)));
    (hash % leaders as u64) as usize
}

/// The keys that an operation writes.
pub(super) fn written_keys(operation: &Operation) -> Vec<Item> {
    match operation {
        Operation::Txn(micros) => {
            let writes = micros.iter().filter(|micro| !matches!(micro, Micro::Read { .. }));
            let mut keys: Vec<Item> = writes.map(|micro| Item(micro.key().clone())).collect();
            keys.sort();
            keys.dedup();
            keys
        }
        update if update.is_update() => vec![key_of(update)],
        _ => Vec::new(),
    }
}

fn key_of(operation: &Operation) -> Item {
    Item(operation.key().cloned().unwrap_or(Scalar::Null))
}

/// What an update is to know: its event's name and stamp, and what it replaces.
struct Pen {
    dot: Dot,
    stamp: Stamp,
    seen: Vector,
}

impl Site {
    /// Answers a read, when what it shows is on the disk.
    pub(super) fn read(&self, caller: Caller, ask: &Ask, cx: &mut Context<Self>) {
        let found = match &ask.operation {
            Operation::Read { .. } => self.values.read(&key_of(&ask.operation)),
            Operation::Txn(micros) => {
                Json::Array(micros.iter().map(|micro| self.values.read(&Item(micro.key().clone()))).collect())
            }
            other => return cx.answer(caller, Outcome::NoEffect(format!("no command is named '{}'", other.f()))),
        };
        cx.durably().answer_with(caller, Outcome::Done(Raw::of(&found)), self.token());
    }

    /// Takes an update, sends it to who takes it, or begins to ask the others.
    pub(super) fn update(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        if let Some(outcome) = self.elsewhere(&ask.operation) {
            return cx.answer(caller, outcome);
        }
        if let Some(position) = self.requests.position(ask.request).filter(|_| !self.repeats(&ask)) {
            return self.repeat(caller, &ask, position, cx);
        }
        match self.settings.sync && self.needs_agreement(&ask.operation) {
            true => self.propose(caller, ask, cx),
            false => self.commit(caller, ask, None, cx),
        }
    }

    /// Who takes this update, if it is not this node, or why nobody does.
    fn elsewhere(&self, operation: &Operation) -> Option<Outcome> {
        let me = self.seat.me;
        let to = |node: usize, why: &str| Some(Outcome::Refused { why: why.to_owned(), ask: Some(node) });
        if !self.leads() {
            return to(self.settings.leader_of(me, self.seat.count()), "a follower takes no writes");
        }
        if self.settings.conflicts == Conflicts::Avoidance {
            let homes: Vec<usize> = written_keys(operation).iter().map(|key| home(key, self.map.leaders)).collect();
            return match homes[..] {
                [first, ref rest @ ..] if rest.iter().any(|other| *other != first) => {
                    Some(Outcome::NoEffect("its keys have different homes".to_owned()))
                }
                [first, ..] if first != me => to(first, "the key has its home elsewhere"),
                _ => None,
            };
        }
        let alone = self.settings.keeps_all() && !self.settings.sync;
        (alone && matches!(operation, Operation::Cas { .. }))
            .then(|| Outcome::NoEffect("nobody alone can compare what several may write at once".to_owned()))
    }

    /// Whether what is asked again is done again: only with the planted bug.
    fn repeats(&self, ask: &Ask) -> bool {
        self.settings.bug.is(Bug::RepeatsRequests) && ask.request.is_some()
    }

    /// Answers a request that was executed before.
    fn repeat(&mut self, caller: Caller, ask: &Ask, position: u64, cx: &mut Context<Self>) {
        if matches!(ask.operation, Operation::Txn(_)) {
            return cx.answer(caller, Outcome::Unknown("it was executed before, and what it read is gone".to_owned()));
        }
        self.acknowledge(caller, position, Raw::of(&()), cx);
    }

    /// Makes an event of an update and puts it into the log.
    pub(super) fn commit(&mut self, caller: Caller, ask: Ask, agreed: Option<u64>, cx: &mut Context<Self>) {
        let me = self.seat.me;
        if let Err(why) = self.check(&ask.operation) {
            return cx.answer(caller, Outcome::NoEffect(why));
        }
        let stamp = match self.settings.bug.is(Bug::WallClockAlone) {
            true => wall_alone(cx.wall(), me),
            false => self.clock.next(cx.wall(), me),
        };
        let after = self.logs.vector().clone();
        let dot = Dot(me, after.of(me) + 1);
        let seen = if self.settings.session_decides() { seen(&ask) } else { after.clone() };
        let (effects, answer) = self.execute(&ask.operation, &Pen { dot, stamp, seen });
        let event = Event { dot, after, stamp, effects, request: ask.request, agreed };
        cx.keep(Record::Event(event.clone()));
        self.note_event(event);
        cx.failpoint("after-append");
        cx.durably().send(me, Message::Flushed(dot.1));
        cx.durably().failpoint("before-ack");
        self.acknowledge(caller, dot.1, Raw::of(&answer), cx);
    }

    fn acknowledge(&mut self, caller: Caller, position: u64, answer: Raw, cx: &mut Context<Self>) {
        if self.settings.sync {
            return self.owed.push(Owed { position, caller, answer });
        }
        cx.durably().answer_with(caller, Outcome::Done(answer), self.token());
    }

    /// Why an update has no effect, if that is so.
    pub(super) fn check(&self, operation: &Operation) -> Result<(), String> {
        let steps: Vec<(Item, Kind)> = match operation {
            Operation::Write { .. } | Operation::Cas { .. } => vec![(key_of(operation), Kind::Register)],
            Operation::Append { .. } => vec![(key_of(operation), Kind::List)],
            Operation::Add { .. } | Operation::Remove { .. } => vec![(key_of(operation), Kind::Set)],
            Operation::Increment { .. } => vec![(key_of(operation), Kind::Counter)],
            Operation::Txn(micros) => micros.iter().filter_map(needs).collect(),
            other => return Err(format!("no command is named '{}'", other.f())),
        };
        for (i, (key, needs)) in steps.iter().enumerate() {
            let made = steps[..i].iter().find(|(other, _)| other == key).map(|(_, kind)| *kind);
            if self.values.kind(key).or(made).is_some_and(|holds| holds != *needs) {
                return Err(format!("{} is something else", key.0));
            }
        }
        match operation {
            Operation::Cas { key, old, .. } => self.compare(&Item(key.clone().unwrap_or(Scalar::Null)), old),
            _ => Ok(()),
        }
    }

    fn compare(&self, key: &Item, old: &Scalar) -> Result<(), String> {
        match self.values.single(key) {
            Some(found) if found.0 == *old => Ok(()),
            Some(found) => Err(format!("{} is {}, not {old}", key.0, found.0)),
            None => Err(format!("{} holds several values, not {old}", key.0)),
        }
    }

    /// Applies an update here, step by step, and says what the others are to apply.
    fn execute(&mut self, operation: &Operation, pen: &Pen) -> (Vec<Effect>, Json) {
        let Operation::Txn(micros) = operation else {
            let effect = self.effect(operation, pen);
            self.values.apply(&effect, pen.dot, pen.stamp, 0);
            return (vec![effect], Json::Null);
        };
        let (mut effects, mut answer) = (Vec::new(), Vec::new());
        for micro in micros {
            let Some(step) = step(micro) else {
                answer.push(self.values.read(&Item(micro.key().clone())));
                continue;
            };
            let effect = self.effect(&step, pen);
            self.values.apply(&effect, pen.dot, pen.stamp, effects.len());
            effects.push(effect);
            answer.push(Json::Null);
        }
        (effects, json!(answer))
    }

    fn effect(&self, operation: &Operation, pen: &Pen) -> Effect {
        let key = key_of(operation);
        match operation {
            Operation::Write { value, .. } | Operation::Cas { new: value, .. } => self.put(key, value, pen),
            Operation::Append { value, .. } => self.append(key, Item(value.clone())),
            Operation::Add { value, .. } => Effect::Add { key, value: Item(value.clone()) },
            Operation::Remove { value, .. } => {
                let value = Item(value.clone());
                Effect::Remove { adds: self.values.additions(&key, &value), key, value }
            }
            Operation::Increment { by, .. } if self.settings.bug.is(Bug::ShipsCounterTotal) => {
                // What the sum is here, and nobody else knows why.
                Effect::Total { sum: self.values.sum(&key).wrapping_add(*by), key }
            }
            Operation::Increment { by, .. } => Effect::Increment { key, by: *by },
            other => unreachable!("{} was refused before", other.f()),
        }
    }

    fn put(&self, key: Item, value: &Scalar, pen: &Pen) -> Effect {
        let (held, revision) = self.values.versions(&key);
        let keeps = self.settings.keeps_all();
        let replaces = held.into_iter().filter(|dot| keeps && (pen.seen.has(*dot) || *dot == pen.dot)).collect();
        let stamp = match self.settings.revisions {
            true => Stamp { time: revision + 1, count: 0, origin: pen.dot.0 },
            false => pen.stamp,
        };
        Effect::Put { key, value: Item(value.clone()), stamp, replaces }
    }

    fn append(&self, key: Item, value: Item) -> Effect {
        let Conflicts::Custom(resolver) = self.settings.conflicts else { return Effect::Append { key, value } };
        let (replaces, mut items) = self.values.resolved(&key, resolver);
        items.push(value);
        Effect::Whole { key, items, replaces }
    }
}

/// A step of a transaction that writes, as an operation of its own.
fn step(micro: &Micro) -> Option<Operation> {
    match micro {
        Micro::Write { key, value } => Some(Operation::Write { key: Some(key.clone()), value: value.clone() }),
        Micro::Append { key, value } => Some(Operation::Append { key: Some(key.clone()), value: value.clone() }),
        _ => None,
    }
}

fn needs(micro: &Micro) -> Option<(Item, Kind)> {
    match micro {
        Micro::Write { key, .. } => Some((Item(key.clone()), Kind::Register)),
        Micro::Append { key, .. } => Some((Item(key.clone()), Kind::List)),
        _ => None,
    }
}
