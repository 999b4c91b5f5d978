//! Whether a history is of the kind that a workload is about: nothing is certified of what nobody looked at.
//!
//! An analyzer takes what it understands and finds no fault with the rest. A history of transfers between accounts has no
//! appends, so as lists that transactions append to it is flawless:
//!
//! ```text
//!   list-append   > ~transfer{"from":1,"to":2,"amount":5} r({"1":5,"2":15})
//!                 no list, no append, no anomaly — and nothing that was judged
//! ```
//!
//! What was decided: an operation *shows* something to a workload if its answer can contradict it, *fits* if it is one of
//! its kind, and is *foreign* otherwise. A history in which no successful operation shows anything is not judged. One with
//! foreign operations is judged only in part, which is a doubt. Custom operations that nobody knows are passed over,
//! as Elle and Jepsen do: they fit, and show nothing.
//!
//! What it does not do: it looks at each operation by itself. Whether the reads of a register belong to its writes is a matter
//! of the analyzers.

use histories::{EventIndex, Function, History, ItemFunction, Kind, MicroFunction, MicroOp, Payload, Scalar, ValueId};

use super::Workload;
use crate::fold::words;

/// What an operation is to a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    /// Its answer can contradict what is asked.
    Shows,
    /// One of its kind.
    Fits,
    /// None of its kind.
    Foreign,
}

use Sort::{Fits, Foreign, Shows};

/// How many operations of each sort there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    shown: u64,
    foreign: u64,
    first_foreign: Option<EventIndex>,
}

impl Fit {
    /// Of all client operations that happened, or may have.
    pub(super) fn of(history: &History, workload: Workload) -> Fit {
        let mut fit = Fit::default();
        for event in history.client_events() {
            let certain = match (history.kind(event), history.pair_of(event)) {
                (Kind::Ok, _) => true,
                (Kind::Invoke, None) => false,
                (Kind::Info, Some(_)) => false,
                _ => continue,
            };
            let said = if certain { event } else { history.pair_of(event).unwrap_or(event) };
            match sort(history, workload, said, certain) {
                Shows => fit.shown += u64::from(certain),
                Fits => {}
                Foreign => {
                    fit.foreign += 1;
                    fit.first_foreign.get_or_insert(history.pair_of(event).unwrap_or(event));
                }
            }
        }
        fit
    }

    /// Whether no successful operation shows anything.
    pub(super) fn shows_nothing(self) -> bool {
        self.shown == 0
    }

    /// Why nothing was judged.
    pub(super) fn nothing(self, workload: Workload) -> String {
        match self.foreign {
            0 => format!("no operation succeeded that a {workload} history is judged by"),
            _ => format!(
                "there is nothing in it to judge: no operation that succeeded shows anything of a {workload} history"
            ),
        }
    }

    /// What was left out, if anything.
    pub(super) fn doubt(self, history: &History, workload: Workload) -> Option<String> {
        let first = words::numbered(history, self.first_foreign?.0);
        let count = words::count(self.foreign, "operation is", "operations are");
        Some(format!("{count} none of a {workload} history and could not be looked at, the first being {first}."))
    }
}

fn sort(history: &History, workload: Workload, event: EventIndex, certain: bool) -> Sort {
    let payload = history.payload(event);
    match history.function(event) {
        Function::Txn => transaction(workload, history.micros(payload), certain),
        function @ Function::Custom(_) => custom(workload, history.function_name(function), payload),
        function => single(history, workload, function, payload, certain),
    }
}

fn custom(workload: Workload, name: &str, payload: Payload) -> Sort {
    match (workload, name) {
        (Workload::UniqueIds, "generate") if is_something(payload) => Shows,
        (Workload::FifoQueue | Workload::Queue | Workload::PriorityQueue | Workload::Stack, "drain") => Shows,
        _ => Fits,
    }
}

fn single(history: &History, workload: Workload, function: Function, payload: Payload, certain: bool) -> Sort {
    use Function as F;
    use Workload as W;
    match (workload, function) {
        (W::ListAppend | W::AppendLog, F::Append) => Shows,
        (W::ListAppend | W::AppendLog, F::Read) => read(payload, certain, is_list),
        (W::RwRegister, F::Write | F::Cas) => Shows,
        (W::RwRegister, F::Read) => read(payload, certain, is_value),
        (W::Predicate, F::Write) => Shows,
        (W::Predicate, F::Read) => read(payload, certain, is_value).max(Fits),
        (W::Register | W::CasRegister | W::MultiRegister, F::Read | F::Write | F::Cas) => Shows,
        (W::KeyValue, F::Read | F::Write | F::Append) => Shows,
        (W::Sessions, F::Read | F::Write | F::Append | F::Cas) => Shows,
        (W::Set, F::Add | F::Remove) => Fits,
        (W::Set, F::Read) => read(payload, certain, is_list),
        (W::MembershipSet, F::Add | F::Remove | F::Contains) => Shows,
        (W::MembershipSet, F::Read) => read(payload, certain, is_list),
        (W::Counter, F::Increment) => Fits,
        (W::Counter, F::Add) if is_whole(history, payload) => Fits,
        (W::Counter, F::Read) => read(payload, certain, is_value),
        (W::Queue, F::Item(ItemFunction::Dequeue)) => Shows,
        (W::Queue, F::Item(ItemFunction::Enqueue)) => Fits,
        (W::FifoQueue | W::PriorityQueue, F::Item(ItemFunction::Enqueue | ItemFunction::Dequeue)) => Shows,
        (W::Stack, F::Item(ItemFunction::Push | ItemFunction::Pop)) => Shows,
        (W::Lock, F::Item(ItemFunction::Acquire | ItemFunction::Release)) => Shows,
        (W::Bank, F::Read) => read(payload, certain, is_value),
        (W::LongFork, F::Read | F::Write) => Fits,
        _ => Foreign,
    }
}

fn transaction(workload: Workload, steps: &[MicroOp], certain: bool) -> Sort {
    use MicroFunction as M;
    use Workload as W;
    let reads = steps.iter().all(|step| step.f == M::Read);
    let step = |step: &MicroOp| match (workload, step.f) {
        (W::ListAppend, M::Append) => Shows,
        (W::ListAppend, M::Read) => read(step.value, certain, is_list),
        (W::RwRegister | W::MultiRegister, M::Write) => Shows,
        (W::RwRegister | W::MultiRegister, M::Read) => read(step.value, certain, is_value),
        (W::Predicate, M::Read | M::Write | M::Insert | M::Delete | M::Predicate) => Shows,
        (W::Sessions, M::Read | M::Write | M::Append) => Shows,
        (W::Bank, M::Read) if reads => read(step.value, certain, is_value),
        (W::Bank, M::Read | M::Write) => Fits,
        (W::LongFork, M::Read) if reads && steps.len() > 1 => Shows,
        (W::LongFork, M::Read | M::Write) => Fits,
        _ => Foreign,
    };
    let sorts = || steps.iter().map(step);
    if sorts().any(|sort| sort == Foreign) { Foreign } else { sorts().min().unwrap_or(Fits) }
}

/// A read shows something if its answer has this form, or if it found nothing.
fn read(payload: Payload, certain: bool, fits: fn(Payload) -> bool) -> Sort {
    match payload {
        Payload::Unknown => Fits,
        Payload::Value(ValueId::NULL) => Shows,
        _ if !certain || fits(payload) => Shows,
        _ => Foreign,
    }
}

fn is_list(payload: Payload) -> bool {
    matches!(payload, Payload::List { .. })
}

fn is_value(payload: Payload) -> bool {
    matches!(payload, Payload::Value(_))
}

fn is_something(payload: Payload) -> bool {
    !matches!(payload, Payload::Unknown | Payload::Value(ValueId::NULL))
}

fn is_whole(history: &History, payload: Payload) -> bool {
    matches!(payload, Payload::Value(value) if matches!(history.value(value), Scalar::Int(_)))
}
