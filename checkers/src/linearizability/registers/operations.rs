//! The operations of registers, taken out of a history and sorted by key.

use histories::{EventIndex, Function, History, KeyId, Kind, Pair, Payload, Scalar, Value, ValueId};

use super::super::words::Skipped;

/// The end of an operation that may take effect at any later time.
pub(crate) const NEVER: u32 = u32::MAX;

/// A value that stands nowhere in the history but in a read.
pub(crate) const UNHEARD: u32 = u32::MAX;

/// What an operation says about the register, by the numbers of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// It held this.
    Read(u32),
    /// It held something else: a compare-and-set that failed.
    Not(u32),
    /// Now it holds this.
    Write(u32),
    /// It held the one, and now holds the other.
    Cas(u32, u32),
}

/// One operation on one register. Times are positions in the history plus one, so that 0 is before everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub start: u32,
    /// [`NEVER`] where the outcome is unknown.
    pub end: u32,
    pub does: Does,
}

impl Op {
    /// Index of its invocation.
    pub(crate) fn index(&self) -> u32 {
        self.start - 1
    }

    pub(crate) fn is_certain(&self) -> bool {
        self.end != NEVER
    }

    /// The value that it leaves.
    pub(crate) fn writes(&self) -> Option<u32> {
        match self.does {
            Does::Write(v) | Does::Cas(_, v) => Some(v),
            Does::Read(_) | Does::Not(_) => None,
        }
    }

    /// The value that it found.
    pub(crate) fn needs(&self) -> Option<u32> {
        match self.does {
            Does::Read(v) | Does::Cas(v, _) => Some(v),
            Does::Write(_) | Does::Not(_) => None,
        }
    }
}

/// The operations of all registers of a history.
pub(crate) struct Registers {
    /// By key, and in the order of their invocations.
    ops: Vec<Op>,
    /// Where each key starts, and where the last one ends.
    starts: Vec<usize>,
    /// The value at the start.
    pub initial: u32,
    pub skipped: Skipped,
}

impl Registers {
    pub(crate) fn new(history: &History, initial: Option<&Scalar>) -> Self {
        let mut skipped = Skipped::default();
        let mut counts = vec![0usize; history.key_count() + 1];
        let mut all: Vec<(u32, Op)> = Vec::with_capacity(history.len() / 2);
        for pair in history.operations() {
            let (Some(key), Some(op)) = (history.key(pair.invocation), operation(history, pair, &mut skipped)) else {
                continue;
            };
            counts[key.0 as usize + 1] += 1;
            all.push((key.0, op));
        }
        let initial = initial_id(history, initial);
        let (ops, starts) = by_key(all, counts);
        Registers { ops, starts, initial, skipped }
    }

    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// The keys that have operations, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = KeyId> {
        (0..self.starts.len() - 1).filter(|k| self.starts[*k] < self.starts[k + 1]).map(|k| KeyId(k as u32))
    }

    pub(crate) fn of(&self, key: KeyId) -> &[Op] {
        &self.ops[self.starts[key.0 as usize]..self.starts[key.0 as usize + 1]]
    }
}

/// The number of the initial value; one that stands nowhere if the history does not have it.
pub(crate) fn initial_id(history: &History, initial: Option<&Scalar>) -> u32 {
    initial.map_or(ValueId::NULL.0, |v| history.find_value(v).map_or(UNHEARD - 1, |v| v.0))
}

/// The operations of one key as they were known after an event.
pub(crate) fn of_prefix(history: &History, key: KeyId, last: EventIndex) -> Vec<Op> {
    let mut skipped = Skipped::default();
    let known = history.operations().take_while(|pair| pair.invocation <= last);
    let of_key = known.filter(|pair| history.key(pair.invocation) == Some(key));
    of_key
        .filter_map(|pair| match pair.completion {
            Some(end) if end > last => {
                let open = Pair { completion: None, outcome: Kind::Info, ..pair };
                operation(history, open, &mut skipped)
            }
            _ => operation(history, pair, &mut skipped),
        })
        .collect()
}

/// Puts operations behind each other, key by key. `counts` holds how many each key has, one place further on.
fn by_key(all: Vec<(u32, Op)>, mut counts: Vec<usize>) -> (Vec<Op>, Vec<usize>) {
    for k in 1..counts.len() {
        counts[k] += counts[k - 1];
    }
    let starts = counts.clone();
    if all.first().is_none_or(|(k, _)| starts[*k as usize] == 0 && starts[*k as usize + 1] == all.len()) {
        return (all.into_iter().map(|(_, op)| op).collect(), starts);
    }
    let mut ops = vec![Op { start: 0, end: 0, does: Does::Read(0) }; all.len()];
    for (key, op) in all {
        ops[counts[key as usize]] = op;
        counts[key as usize] += 1;
    }
    (ops, starts)
}

/// What an operation says, or nothing: it never happened, it is a read without an answer, or none of a register.
fn operation(history: &History, pair: Pair, skipped: &mut Skipped) -> Option<Op> {
    let (call, start) = (pair.invocation, pair.invocation.0.saturating_add(1));
    let answer = pair.completion.filter(|c| skipped.answers(history, call, *c));
    let ok = answer.filter(|_| pair.outcome == Kind::Ok);
    let end = ok.map_or(NEVER, |c| c.0 + 1);
    let does = match (history.function(call), history.payload(call), pair.outcome) {
        (Function::Read, ..) => Does::Read(answer_of(history, ok?)),
        (Function::Cas, Payload::Pair(old, _), Kind::Fail) => {
            let fail = answer.filter(|c| is_mismatch(history, *c, old))?;
            return Some(Op { start, end: fail.0 + 1, does: Does::Not(old.0) });
        }
        (_, _, Kind::Fail) => return None,
        (Function::Write, Payload::Value(v), _) => Does::Write(v.0),
        (Function::Cas, Payload::Pair(old, new), _) => Does::Cas(old.0, new.0),
        (Function::Custom(_), ..) => return None,
        _ => {
            skipped.foreign(call);
            return None;
        }
    };
    Some(Op { start, end, does })
}

/// What a read returned. A list is compared with the JSON text that a write of it holds.
pub(crate) fn answer_of(history: &History, completion: EventIndex) -> u32 {
    match history.payload(completion) {
        Payload::Value(v) => v.0,
        payload @ Payload::List { .. } => {
            let items = history.list(payload).iter().map(|v| history.value(*v).clone()).collect();
            let whole = Scalar::from_json(Value::List(items).to_json());
            history.find_value(&whole).map_or(UNHEARD, |v| v.0)
        }
        _ => ValueId::NULL.0,
    }
}

/// Whether a compare-and-set failed because it found something else, as its reason has to say: `fail` alone is only that it
/// did not happen, which is also true of a store that could not be reached.
pub(crate) fn is_mismatch(history: &History, completion: EventIndex, old: ValueId) -> bool {
    const SAID: [&str; 4] = ["mismatch", "precondition-failed", "compare failed", "not equal"];
    let error = history.error(completion).unwrap_or_default();
    let lower = error.to_ascii_lowercase();
    SAID.iter().any(|said| lower.contains(said)) || error.ends_with(&format!(", not {}", history.value(old)))
}
