//! What the shortcuts cannot decide, by search: items that repeat, sums of several increments, whole reads of sets from
//! which elements are removed.
//!
//! These are NP-complete in general (Gibbons and Korach 1997), so the search has a budget, and it is a doubt when that
//! is used up. How it works is told where it [lives](crate::linearizability::specification).

use histories::{EventIndex, Scalar, ValueId};

use super::counter;
use super::items::Contents;
use super::journal::{Act, Journal, NEVER, Op};
use super::words;
use crate::analysis::Found;
use crate::budget::{Budget, Meter};
use crate::fold::words::count;
use crate::linearizability::specification::{Judgement, Specification, Stuck, Timed, WIDEST, linearize};
use crate::models::AnomalyType;

/// What kind of collection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In whatever order.
    Bag,
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Stack,
    /// The largest first.
    Priority,
    /// A set.
    Set,
    /// A list.
    List,
    /// A counter; its number is the only element of its state.
    Counter,
}

/// What was done, and what was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Put(i128),
    Take(i128),
    Remove(i128),
    Empty,
    Unknown,
    Look(i128, bool),
    Read(Vec<i128>),
}

/// One copy of a collection. What it holds is the numbers of its values: their ids, or the values themselves where
/// their order matters.
impl Specification for Kind {
    type State = Vec<i128>;
    type Call = Call;

    fn initial(&self) -> Vec<i128> {
        if *self == Kind::Counter { vec![0] } else { Vec::new() }
    }

    fn step(&self, state: &Vec<i128>, call: &Call) -> impl IntoIterator<Item = Vec<i128>> {
        match call {
            Call::Put(value) => vec![self.put(state, *value)],
            Call::Take(value) => self.take(state, *value).into_iter().collect(),
            Call::Remove(value) => vec![state.iter().copied().filter(|v| v != value).collect()],
            Call::Empty => state.is_empty().then(Vec::new).into_iter().collect(),
            Call::Unknown => self.take_any(state),
            Call::Look(value, found) => (state.contains(value) == *found).then(|| state.clone()).into_iter().collect(),
            Call::Read(all) => (state == all).then(|| state.clone()).into_iter().collect(),
        }
    }

    fn only_looks(&self, call: &Call) -> bool {
        matches!(call, Call::Empty | Call::Look(..) | Call::Read(_))
    }
}

impl Kind {
    fn put(self, state: &[i128], value: i128) -> Vec<i128> {
        let mut next = state.to_vec();
        match self {
            Kind::Counter => next[0] += value,
            Kind::Fifo | Kind::Stack | Kind::List => next.push(value),
            Kind::Set if next.contains(&value) => {}
            _ => next.insert(next.partition_point(|v| *v < value), value),
        }
        next
    }

    fn take(self, state: &[i128], value: i128) -> Option<Vec<i128>> {
        let at = match self {
            Kind::Fifo => 0,
            Kind::Bag => state.iter().position(|v| *v == value)?,
            _ => state.len().checked_sub(1)?,
        };
        (state.get(at) == Some(&value)).then(|| without(state, at))
    }

    fn take_any(self, state: &[i128]) -> Vec<Vec<i128>> {
        match self {
            Kind::Bag => (0..state.len()).map(|at| without(state, at)).collect(),
            Kind::Fifo => (!state.is_empty()).then(|| without(state, 0)).into_iter().collect(),
            _ => state.len().checked_sub(1).map(|at| without(state, at)).into_iter().collect(),
        }
    }
}

fn without(state: &[i128], at: usize) -> Vec<i128> {
    let mut next = state.to_vec();
    next.remove(at);
    next
}

/// Judges a collection of items of which some were put in more than once. What its single items say is already found.
pub(super) fn judge(
    kind: Kind,
    journal: &Journal<'_>,
    contents: &Contents,
    budget: &Budget<'_>,
    mut found: Found,
) -> Found {
    if !found.groups.is_empty() {
        return found;
    }
    if !contents.drains.is_empty() || journal.ops.iter().any(|op| op.act == Act::Drain) {
        if let Some((first, again)) = contents.repeated {
            let (first, again) = (words::number(journal, first), words::number(journal, again));
            found.doubts.push(format!(
                "{first} and {again} put the same value in, and drains took items out; together this could not be \
                 decided."
            ));
        }
        return found;
    }
    let as_number = |value: u32| match (kind, journal.history.value(ValueId(value))) {
        (Kind::Priority, Scalar::Int(priority)) => Some(i128::from(*priority)),
        (Kind::Priority, _) => None,
        _ => Some(i128::from(value)),
    };
    let call = |op: &Op| match op.act {
        Act::Put => as_number(op.value).map(Call::Put),
        Act::Take => as_number(op.value).map(Call::Take),
        Act::Empty => Some(Call::Empty),
        _ => Some(Call::Unknown),
    };
    search(kind, journal, call, budget, &mut found);
    found
}

/// Judges a set that is read whole and from which elements are removed.
pub(super) fn judge_set(journal: &Journal<'_>, budget: &Budget<'_>, found: &mut Found) {
    let call = |op: &Op| {
        let value = i128::from(op.value);
        Some(match op.act {
            Act::Put => Call::Put(value),
            Act::Take => Call::Remove(value),
            Act::Present => Call::Look(value, true),
            Act::Absent => Call::Look(value, false),
            _ => {
                let mut all = whole(journal, op);
                all.sort_unstable();
                Call::Read(all)
            }
        })
    };
    search(Kind::Set, journal, call, budget, found);
}

/// Judges a list to which a value was appended twice.
pub(super) fn judge_list(journal: &Journal<'_>, budget: &Budget<'_>, found: &mut Found) {
    let call = |op: &Op| {
        Some(match op.act {
            Act::Put => Call::Put(op.value.into()),
            _ => Call::Read(whole(journal, op)),
        })
    };
    search(Kind::List, journal, call, budget, found);
}

/// Judges a counter with increments of several sizes.
pub(super) fn judge_counter(journal: &Journal<'_>, budget: &Budget<'_>, found: &mut Found) {
    let call = |op: &Op| {
        let amount = counter::amount(journal, op);
        Some(if op.act == Act::Put { Call::Put(amount) } else { Call::Read(vec![amount]) })
    };
    search(Kind::Counter, journal, call, budget, found);
}

fn whole(journal: &Journal<'_>, read: &Op) -> Vec<i128> {
    let values = journal.history.list(journal.history.payload(EventIndex(read.value)));
    values.iter().map(|value| value.0.into()).collect()
}

fn search(
    kind: Kind,
    journal: &Journal<'_>,
    call: impl Fn(&Op) -> Option<Call>,
    budget: &Budget<'_>,
    found: &mut Found,
) {
    let timed = |op: &Op| Some(Timed::new(call(op)?, op.call, Some(op.ret).filter(|ret| *ret != NEVER)));
    let Some(calls) = journal.ops.iter().map(timed).collect::<Option<Vec<_>>>() else {
        found.doubts.push(words::undecided(journal, "some items are no whole numbers and have no priority"));
        return;
    };
    match linearize(&kind, &calls, &Meter::new(budget)) {
        Judgement::Linearizable => {}
        Judgement::Not(stuck) => tell(kind, journal, &stuck, found),
        Judgement::Undecided { proven, why } => {
            let all = count(calls.len() as u64, "operation", "operations");
            found
                .doubts
                .push(words::undecided(journal, &format!("{why}; the first {proven} of {all} can be put in order")));
        }
        Judgement::TooWide => {
            found.doubts.push(words::undecided(journal, &format!("more than {WIDEST} operations were open at once")));
        }
    }
}

/// So many states are shown, and so many elements of each.
const SHOWN: usize = 4;

fn tell(kind: Kind, journal: &Journal<'_>, stuck: &Stuck<Vec<i128>>, found: &mut Found) {
    let op = journal.ops[stuck.call];
    found.add(AnomalyType::Nonlinearizable, || {
        let mut states: Vec<String> = stuck.states.iter().map(|state| holds(kind, journal, state)).collect();
        states.sort();
        states.dedup();
        let more = states.len().saturating_sub(SHOWN);
        states.truncate(SHOWN);
        let why = format!(
            "{}. The {} before the end of it can be put in an order, after which the collection holds {}{}; but from \
             there it cannot follow, whichever of the operations then under way take effect first.",
            words::told(journal, op.call),
            count(stuck.completed as u64, "operation completed", "operations completed"),
            states.join(" or "),
            if more > 0 { format!(" or one of {more} others") } else { String::new() },
        );
        words::anomaly(journal, AnomalyType::Nonlinearizable, vec![op.call], why)
    });
}

fn holds(kind: Kind, journal: &Journal<'_>, state: &[i128]) -> String {
    let name = |value: &i128| match (kind, u32::try_from(*value)) {
        (Kind::Priority | Kind::Counter, _) | (_, Err(_)) => value.to_string(),
        (_, Ok(id)) => words::value(journal, id),
    };
    match state {
        [] => "nothing".to_owned(),
        [one] if kind == Kind::Counter => name(one),
        state => {
            let shown: Vec<String> = state.iter().rev().take(2 * SHOWN).rev().map(name).collect();
            let more = if state.len() > shown.len() { "… " } else { "" };
            format!("[{more}{}]", shown.join(" "))
        }
    }
}
