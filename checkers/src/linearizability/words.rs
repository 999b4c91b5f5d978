//! What the checkers of this module have in common when they speak.

use histories::{EventIndex, History, KeyId, Scalar, ValueId};

use super::registers::operations::UNHEARD;
use crate::budget::Exhausted;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

/// What a checker had to leave out, and has to say so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    foreign: u64,
    first_foreign: Option<u32>,
    otherwise: u64,
    first_otherwise: Option<u32>,
}

impl Skipped {
    /// Notes an operation that belongs to no object of this kind.
    pub(crate) fn foreign(&mut self, invocation: EventIndex) {
        self.foreign += 1;
        self.first_foreign.get_or_insert(invocation.0);
    }

    /// Whether a completion answers its invocation, and not another operation.
    pub(crate) fn answers(&mut self, history: &History, invocation: EventIndex, completion: EventIndex) -> bool {
        let same = history.function(invocation) == history.function(completion)
            && history.key(invocation) == history.key(completion);
        if !same {
            self.otherwise += 1;
            self.first_otherwise.get_or_insert(invocation.0);
        }
        same
    }

    /// The doubts that follow.
    pub(crate) fn doubts(&self, history: &History, kind: &str) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Some(first) = self.first_foreign {
            let first = words::numbered(history, first);
            let n = words::count(self.foreign, "operation is", "operations are");
            doubts.push(format!("{n} none of {kind} and could not be looked at, the first being {first}."));
        }
        if let Some(first) = self.first_otherwise {
            let n = words::count(self.otherwise, "operation was", "operations were");
            doubts.push(format!(
                "{n} completed as something else than was invoked, the first being #{first}; their outcome was taken as unknown."
            ));
        }
        doubts
    }
}

/// ` of x`, or nothing for a store with one object.
pub(crate) fn of_key(history: &History, key: KeyId) -> String {
    match history.key_name(key) {
        Scalar::Null => String::new(),
        name => format!(" of {name}"),
    }
}

/// The name of a key, where it has one.
pub(crate) fn key_name(history: &History, key: KeyId) -> Option<String> {
    let name = history.key_name(key);
    (*name != Scalar::Null).then(|| name.to_string())
}

/// A value in words; `initial` is shown where the number is that of a start which the history does not name. What was
/// read and stands nowhere else is told with the read.
pub(crate) fn value(history: &History, id: u32, initial: Option<&Scalar>) -> String {
    match initial {
        _ if (id as usize) < history.value_count() => history.value(ValueId(id)).to_string(),
        Some(initial) if id != UNHEARD => initial.to_string(),
        _ => "that value".to_owned(),
    }
}

/// Why a search ended, as a doubt about one object.
pub(crate) fn undecided(object: &str, proven: usize, all: usize, why: Exhausted) -> String {
    format!("{object}: {why}; the first {proven} of {all} operations were proven linearizable.")
}

/// One operation was over before the other began.
pub(crate) fn realtime(from: u32, to: u32) -> Relation {
    let reason = format!("#{from} was completed before #{to} was invoked");
    Relation { from, to, kind: RelationKind::Realtime, reason }
}

/// An anomaly of kind [`AnomalyType::Nonlinearizable`].
pub(crate) fn nonlinearizable(
    key: Option<String>,
    operations: Vec<u32>,
    relations: Vec<Relation>,
    explanation: String,
) -> Anomaly {
    Anomaly::new(AnomalyType::Nonlinearizable, key, operations, relations, explanation)
}
