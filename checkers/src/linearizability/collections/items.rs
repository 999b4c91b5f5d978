//! What went into a queue, a stack or a priority queue, and what came out: one entry for each item.
//!
//! What is wrong with an item by itself is found here, because it is the same for all of them: an item that nobody put
//! in, one that was taken out twice, and one that was taken out before anybody began to put it in. Whatever is wrong
//! like that is told and left out, put and take together. So is an item whose put is of unknown outcome and that nobody
//! took out. Neither can turn a linearizable rest into one that is not: a linearization stays one when an item is
//! struck from it, since all that an item does to the others is to stand in their way.

use histories::{EventIndex, Function, History, ItemFunction, Payload, Scalar, ValueId};

use super::journal::{Act, Journal, NEVER, Op, Reading, Slots, value_of};
use super::words;
use crate::analysis::Found;
use crate::models::AnomalyType;

/// An item. All its numbers but the first are positions in its [`Journal`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub value: u32,
    /// Where the put begins.
    pub put_call: u32,
    /// Where the put ends; [`NEVER`] if it was not acknowledged.
    pub put_ret: u32,
    /// Where the take begins; [`NEVER`] if nobody is known to have taken it.
    pub take_call: u32,
    /// Where the take ends; [`NEVER`] if nobody is known to have taken it.
    pub take_ret: u32,
}

impl Item {
    const BLANK: Item = Item { value: 0, put_call: NEVER, put_ret: NEVER, take_call: NEVER, take_ret: NEVER };

    /// Whether somebody is known to have taken it out.
    pub fn taken(&self) -> bool {
        self.take_ret != NEVER
    }

    /// Whether it is inside at some time, wherever its two operations take effect: from the end of the put to the
    /// beginning of the take.
    pub fn stays(&self) -> bool {
        self.put_ret < self.take_call
    }
}

/// An operation that found nothing inside at some point after one position and before another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Empty {
    /// Where it begins; the position of its invocation unless it is the end of a `drain`.
    pub call: u32,
    /// Where it ends.
    pub ret: u32,
    /// The position of its invocation.
    pub invocation: u32,
}

/// Everything that happened to one collection of items.
#[derive(Default)]
pub(super) struct Contents {
    /// The items that certainly were inside, in the order in which they are first spoken of.
    pub items: Vec<Item>,
    /// Who found nothing.
    pub empties: Vec<Empty>,
    /// Where the takes of unknown outcome begin, in order.
    pub unknown: Vec<u32>,
    /// The drains that were answered: position and items, in their order.
    pub drains: Vec<Drained>,
    /// Number of positions.
    pub end: u32,
    /// Some value was put in twice, by this position and that: nothing here may be relied on.
    pub repeated: Option<(u32, u32)>,
}

/// What one drain took out.
pub(super) struct Drained {
    pub call: u32,
    pub ret: u32,
    pub values: Vec<u32>,
    /// Which of the empties is its end.
    empty: usize,
}

/// How queues understand operations.
pub(super) fn of_queue(history: &History, invocation: EventIndex, answer: Option<EventIndex>) -> Reading {
    let drains = |f| matches!(f, Function::Custom(_)) && history.function_name(f) == "drain";
    match history.function(invocation) {
        Function::Item(ItemFunction::Enqueue) => put(history, invocation),
        Function::Item(ItemFunction::Dequeue) => take(history, answer),
        f if drains(f) => Reading::Act(Act::Drain, answer.map_or(NEVER, |a| a.0)),
        _ => Reading::Foreign,
    }
}

/// How stacks understand operations.
pub(super) fn of_stack(history: &History, invocation: EventIndex, answer: Option<EventIndex>) -> Reading {
    match history.function(invocation) {
        Function::Item(ItemFunction::Push) => put(history, invocation),
        Function::Item(ItemFunction::Pop) => take(history, answer),
        _ => Reading::Foreign,
    }
}

fn put(history: &History, invocation: EventIndex) -> Reading {
    match value_of(history, invocation) {
        NEVER => Reading::Foreign,
        value if value == ValueId::NULL.0 => Reading::Foreign,
        value => Reading::Act(Act::Put, value),
    }
}

fn take(history: &History, answer: Option<EventIndex>) -> Reading {
    match answer.map(|a| value_of(history, a)) {
        Some(value) if value == ValueId::NULL.0 => Reading::Act(Act::Empty, NEVER),
        None | Some(NEVER) => Reading::Act(Act::Unknown, NEVER),
        Some(value) => Reading::Act(Act::Take, value),
    }
}

/// Builds [`Contents`], and tells what is wrong with single items.
pub(super) struct Builder<'j, 's> {
    journal: &'j Journal<'j>,
    slots: &'s mut Slots,
    contents: Contents,
    /// Values put in again, with where.
    puts_again: Vec<(u32, u32)>,
    /// Values taken out again, with where.
    takes_again: Vec<(u32, u32)>,
    /// Items taken out that no operation speaks of otherwise: a drain that answers with them, and their text.
    strangers: Vec<(u32, String)>,
    drains_unknown: Vec<u32>,
}

/// What went in and out of one collection. What is wrong with single items is added to `found`.
pub(super) fn contents(journal: &Journal<'_>, slots: &mut Slots, found: &mut Found) -> Contents {
    let mut builder = Builder {
        journal,
        slots,
        contents: Contents { items: Vec::with_capacity(journal.ops.len() / 2 + 1), ..Contents::default() },
        puts_again: Vec::new(),
        takes_again: Vec::new(),
        strangers: Vec::new(),
        drains_unknown: Vec::new(),
    };
    for op in journal.ops {
        builder.take_in(op, found);
    }
    builder.finish(found)
}

impl Builder<'_, '_> {
    fn take_in(&mut self, op: &Op, found: &mut Found) {
        match op.act {
            Act::Put => self.put(op),
            Act::Take => self.take(op.value, op.call, op.ret),
            Act::Empty => {
                self.contents.empties.push(Empty { call: op.call, ret: op.ret, invocation: op.call });
            }
            Act::Drain if op.value != NEVER => self.drain(op, found),
            Act::Drain => self.drains_unknown.push(op.call),
            _ => self.contents.unknown.push(op.call),
        }
    }

    fn item(&mut self, value: u32) -> &mut Item {
        let mut slot = self.slots.get(value);
        if slot == NEVER {
            slot = self.contents.items.len() as u32;
            self.slots.set(value, slot);
            self.contents.items.push(Item { value, ..Item::BLANK });
        }
        &mut self.contents.items[slot as usize]
    }

    fn put(&mut self, op: &Op) {
        let item = self.item(op.value);
        if item.put_call == NEVER {
            (item.put_call, item.put_ret) = (op.call, op.ret);
        } else {
            self.puts_again.push((op.value, op.call));
        }
    }

    fn take(&mut self, value: u32, call: u32, ret: u32) {
        let item = self.item(value);
        if item.take_call == NEVER {
            (item.take_call, item.take_ret) = (call, ret);
        } else {
            self.takes_again.push((value, call));
        }
    }

    fn drain(&mut self, op: &Op, found: &mut Found) {
        let history = self.journal.history;
        let Some(scalars) = drained(history, EventIndex(op.value)) else {
            let drain = self.journal.event(op.call);
            found.doubts.push(format!("the answer of drain #{drain} is no list of items; it was passed over."));
            self.drains_unknown.push(op.call);
            return;
        };
        let mut values = Vec::with_capacity(scalars.len());
        for scalar in scalars {
            match history.find_value(&scalar) {
                Some(value) if value != ValueId::NULL => {
                    self.take(value.0, op.call, op.ret);
                    values.push(value.0);
                }
                _ => self.strangers.push((op.call, scalar.to_string())),
            }
        }
        let empty = self.contents.empties.len();
        self.contents.empties.push(Empty { call: op.call, ret: op.ret, invocation: op.call });
        self.contents.drains.push(Drained { call: op.call, ret: op.ret, values, empty });
    }

    fn finish(mut self, found: &mut Found) -> Contents {
        self.contents.end = self.journal.end();
        self.bound_drains();
        self.tell_strangers(found);
        self.tell_doubles(found);
        for item in &self.contents.items {
            self.slots.set(item.value, NEVER);
        }
        if let Some((value, again)) = self.puts_again.first() {
            let first = self.contents.items.iter().find(|item| item.value == *value);
            self.contents.repeated = first.map(|first| (first.put_call, *again));
        }
        self.keep_sound(found);
        // The first one alone may have taken all that is left; the others add nothing to that.
        if let Some(first) = self.drains_unknown.first() {
            let left = self.contents.items.iter().filter(|item| !item.taken()).count();
            self.contents.unknown.extend(std::iter::repeat_n(*first, left));
        }
        self.contents.unknown.sort_unstable();
        self.contents
    }

    /// A drain finds nothing only after the last of its items was put in.
    fn bound_drains(&mut self) {
        for drain in &self.contents.drains {
            let puts = drain.values.iter().map(|v| self.contents.items[self.slots.get(*v) as usize].put_call);
            let last = puts.filter(|p| *p != NEVER).max().unwrap_or(0);
            if last < drain.ret {
                let empty = &mut self.contents.empties[drain.empty];
                empty.call = empty.call.max(last);
            }
        }
    }

    fn tell_strangers(&mut self, found: &mut Found) {
        for (call, text) in &self.strangers {
            found.add(AnomalyType::UnexpectedElement, || {
                let drain = self.journal.event(*call);
                let why = format!(
                    "drain #{drain} took {text} out, but no put of {text} took effect: nobody tried, or it failed."
                );
                words::anomaly(self.journal, AnomalyType::UnexpectedElement, vec![*call], why)
            });
        }
    }

    /// An item that came out more often than it went in.
    fn tell_doubles(&mut self, found: &mut Found) {
        self.takes_again.sort_unstable();
        self.puts_again.sort_unstable();
        for group in self.takes_again.chunk_by(|a, b| a.0 == b.0) {
            let value = group[0].0;
            let item = self.contents.items[self.slots.get(value) as usize];
            let again = self.puts_again.iter().filter(|(v, _)| *v == value).count();
            if item.put_call == NEVER || group.len() <= again {
                continue;
            }
            found.add(AnomalyType::DoubleDequeue, || {
                let takes: Vec<u32> = std::iter::once(item.take_call).chain(group.iter().map(|g| g.1)).collect();
                words::taken_twice(self.journal, &item, 1 + again, &takes)
            });
            self.contents.items[self.slots.get(value) as usize].put_ret = NEVER;
            self.contents.items[self.slots.get(value) as usize].take_ret = NEVER;
        }
    }

    /// Strikes the items that were told, and those that need not have been inside.
    fn keep_sound(&mut self, found: &mut Found) {
        let (journal, repeated) = (self.journal, self.contents.repeated.is_some());
        self.contents.items.retain(|item| {
            if item.put_call == NEVER {
                found.add(AnomalyType::UnexpectedElement, || words::from_nowhere(journal, item));
                return false;
            }
            if item.take_ret < item.put_call && !repeated {
                found.add(AnomalyType::Nonlinearizable, || words::taken_before_put(journal, item));
                return false;
            }
            item.put_ret != NEVER || item.taken()
        });
    }
}

/// The items in the answer of a drain.
fn drained(history: &History, completion: EventIndex) -> Option<Vec<Scalar>> {
    let Payload::Value(value) = history.payload(completion) else { return None };
    let text = match history.value(value) {
        Scalar::Json(text) => text,
        _ => return None,
    };
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Array(items)) => Some(items.into_iter().map(Scalar::from_json).collect()),
        _ => None,
    }
}
