//! What an operation does, step by step, as far as it is known.

use histories::{EventIndex, Function, History, KeyId, Kind, MicroFunction, MicroOp, Payload, ValueId};

/// One step of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A read that was answered.
    Read(KeyId, Payload),
    /// A write of a register.
    Write(KeyId, ValueId),
    /// An append to a list.
    Append(KeyId, ValueId),
    /// Anything else on this key.
    Other(KeyId),
}

/// Calls `take` for each step of the operation of this invocation. `certain` is for one that is known to have happened;
/// otherwise only its updates are steps.
pub(super) fn steps(history: &History, invocation: EventIndex, certain: bool, mut take: impl FnMut(Step)) {
    let said = match history.pair_of(invocation) {
        Some(completion) if certain => completion,
        _ => invocation,
    };
    let payload = history.payload(said);
    if history.function(said) == Function::Txn {
        for micro in history.micros(payload) {
            if let Some(step) = micro_step(*micro).filter(|step| certain || !matches!(step, Step::Read(..))) {
                take(step);
            }
        }
    } else if let Some(key) = history.key(said) {
        single(history.function(said), key, payload, certain, take);
    }
}

/// Whether it certainly happened, and its completion says what.
pub(super) fn is_certain(history: &History, invocation: EventIndex) -> bool {
    history.pair_of(invocation).is_some_and(|completion| {
        history.kind(completion) == Kind::Ok
            && history.function(completion) == history.function(invocation)
            && history.key(completion) == history.key(invocation)
    })
}

fn single(function: Function, key: KeyId, payload: Payload, certain: bool, mut take: impl FnMut(Step)) {
    match (function, payload) {
        (Function::Read, Payload::Unknown) => {}
        (Function::Read, _) if certain => take(Step::Read(key, payload)),
        (Function::Write, Payload::Value(value)) => take(Step::Write(key, value)),
        (Function::Append, Payload::Value(value)) => take(Step::Append(key, value)),
        (Function::Cas, Payload::Pair(old, new)) => {
            if certain {
                take(Step::Read(key, Payload::Value(old)));
            }
            take(Step::Write(key, new));
        }
        (Function::Add | Function::Remove | Function::Increment | Function::Contains, _) => take(Step::Other(key)),
        _ => {}
    }
}

fn micro_step(micro: MicroOp) -> Option<Step> {
    match (micro.f, micro.value) {
        (MicroFunction::Read, Payload::Unknown) => None,
        (MicroFunction::Read, value) => Some(Step::Read(micro.key, value)),
        (MicroFunction::Write | MicroFunction::Insert | MicroFunction::Delete, Payload::Value(value)) => {
            Some(Step::Write(micro.key, value))
        }
        (MicroFunction::Append, Payload::Value(value)) => Some(Step::Append(micro.key, value)),
        _ => None,
    }
}
