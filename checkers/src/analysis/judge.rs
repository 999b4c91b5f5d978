//! From a workload and a question to an answer.
//!
//! Which analyzers look at a history follows from what is asked. A transactional history that is asked for
//! serializability is judged by its dependency graph. Asked for a model of single objects (linearizability, sequential
//! or causal consistency, a session guarantee) it is taken as what it is to a single object: each micro-operation is an
//! operation of its own, in the order of its transaction. Of what no lens decides a violation may still be seen, but
//! nothing is certified: the answer is then unknown. Models that a stronger one implies are not looked at
//! separately: what refutes them refutes it as well, and the graph finds that.

use std::collections::BTreeSet;

use histories::{Function, History};

use super::fit::Fit;
use super::sought;
use super::{Analysis, Answer, Assumptions, Found, Group, Question, Workload};
use crate::budget::{Budget, Meter};
use crate::models::{self, AnomalyType, Boundary, Model, Scope, VersionOrder};
use crate::weak::transactional::Level;
use crate::{classic, linearizability, transactions, weak};

/// A way to look at a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lens {
    /// What the workload is for.
    Own,
    /// Sessions of single operations.
    Sessions,
    /// Single objects by themselves, in real time.
    Objects,
    /// Single operations as transactions of one step.
    Transactions,
    /// Prefixes of all writes.
    Prefix,
    /// Prefixes of all transactions.
    PrefixOfTransactions,
    /// Transactions without an order of versions.
    Transactional,
    /// One order of all operations that agrees with every session.
    Sequential,
}

impl Question {
    /// What is usually asked of such a history: what Elle, Knossos and Jepsen's own checkers ask.
    pub fn usual(workload: Workload) -> Question {
        use AnomalyType as A;
        let models = match workload {
            Workload::ListAppend | Workload::RwRegister | Workload::Predicate => vec![Model::StrongSerializable],
            Workload::Sessions => vec![Model::Causal],
            Workload::Set | Workload::Queue | Workload::Bank | Workload::LongFork | Workload::UniqueIds => vec![],
            Workload::Counter => vec![],
            _ => vec![Model::Linearizable],
        };
        let anomalies = match workload {
            Workload::Set => vec![A::LostElement, A::UnexpectedElement, A::DuplicateElements, A::ResurrectedElement],
            Workload::Queue => vec![A::DoubleDequeue, A::LostItem, A::UnexpectedElement],
            Workload::Bank => vec![A::WrongTotal, A::NegativeBalance, A::UnexpectedKey, A::MissingKey],
            Workload::LongFork => vec![A::LongFork],
            Workload::UniqueIds => vec![A::DuplicateId],
            Workload::Counter => vec![A::OutOfBounds],
            _ => vec![],
        };
        Question { models, anomalies, assume: Assumptions::default() }
    }
}

/// Everything that is found in a history that is understood this way, as far as the question needs it.
pub fn look(history: &History, workload: Workload, question: &Question, budget: &Budget<'_>) -> Found {
    let single = !history.operations().any(|o| history.function(o.invocation) == Function::Txn);
    let mut lenses: BTreeSet<Lens> = BTreeSet::new();
    let mut doubts = Vec::new();
    // Anomalies that are asked for by name are sought by whoever knows them.
    if question.models.is_empty() || !question.anomalies.is_empty() {
        lenses.insert(Lens::Own);
    }
    for model in &question.models {
        let (of_model, decided) = lenses_of(workload, *model, single);
        lenses.extend(of_model);
        if !decided {
            doubts.push(format!(
                "Nothing here proves that a {workload} history satisfies {model}: only some violations are seen."
            ));
        }
    }
    let mut found = Found::default();
    for lens in &lenses {
        found.merge(through(history, workload, *lens, question, budget));
    }
    doubts.extend(sought::doubts(workload, &lenses, question, &found));
    found.doubts.append(&mut doubts);
    found
}

/// The lenses that a model needs, and whether they decide it: what they do not see they cannot certify.
fn lenses_of(workload: Workload, model: Model, single: bool) -> (Vec<Lens>, bool) {
    use Workload as W;
    let scope = model.about().scope;
    let sessions = matches!(
        model,
        Model::Pram
            | Model::Causal
            | Model::CausalMemory
            | Model::CausalConvergence
            | Model::ReadYourWrites
            | Model::MonotonicReads
            | Model::MonotonicWrites
            | Model::WritesFollowReads
    );
    match (workload, model) {
        (W::ListAppend | W::RwRegister | W::Register | W::CasRegister | W::Sessions, _) if sessions => {
            (vec![Lens::Sessions], true)
        }
        (W::ListAppend | W::RwRegister | W::Register | W::Sessions, Model::ConsistentPrefix) => {
            (vec![Lens::Prefix], true)
        }
        (W::ListAppend | W::RwRegister, Model::Prefix) => (vec![Lens::Own, Lens::PrefixOfTransactions], true),
        (W::ListAppend, Model::Linearizable) if single => (vec![Lens::Objects], true),
        (W::RwRegister | W::Sessions, Model::Linearizable) if single => (vec![Lens::Objects], true),
        (W::RwRegister, Model::ReadCommitted | Model::ReadAtomic) => (vec![Lens::Own, Lens::Transactional], true),
        (W::RwRegister, Model::CausalCerone | Model::TransactionalCausal) => {
            (vec![Lens::Own, Lens::Transactional], true)
        }
        (W::ListAppend | W::RwRegister | W::Predicate, _) => (vec![Lens::Own], scope == Scope::Transactions),
        (W::Register | W::CasRegister | W::Sessions, Model::Sequential) => (vec![Lens::Sequential], true),
        (W::Register, _) if scope == Scope::Transactions => (vec![Lens::Transactions], true),
        (W::Set | W::Counter, Model::Linearizable) => (vec![Lens::Objects], true),
        (W::MultiRegister, Model::StrongSerializable) => (vec![Lens::Own], true),
        (W::Set | W::Counter | W::Queue | W::Bank | W::LongFork | W::UniqueIds | W::Sessions, _) => {
            (vec![Lens::Own], false)
        }
        (_, Model::Linearizable) => (vec![Lens::Own], true),
        _ => (vec![Lens::Own], false),
    }
}

fn through(history: &History, workload: Workload, lens: Lens, question: &Question, budget: &Budget<'_>) -> Found {
    match lens {
        Lens::Own => own(workload)(history, question, budget),
        Lens::Sessions => weak::sessions::check(history, question, budget),
        Lens::Transactions => transactions::rw_register::check(history, question, budget),
        Lens::Objects => objects(workload)(history, question, budget),
        Lens::Prefix => weak::prefix::check(history, question.assume.initial.as_ref(), &Meter::new(budget)),
        Lens::PrefixOfTransactions => {
            weak::prefix::transactional(history, question.assume.initial.as_ref(), &Meter::new(budget))
        }
        Lens::Transactional => {
            let levels = levels(&question.models);
            weak::transactional::check(history, &levels, question.assume.initial.as_ref(), &Meter::new(budget))
        }
        Lens::Sequential => linearizability::sequential::check(history, question, budget),
    }
}

/// Who judges the objects of such a history by themselves, in real time.
fn objects(workload: Workload) -> super::Analyzer {
    match workload {
        Workload::ListAppend => linearizability::collections::list::check,
        Workload::Set => linearizability::collections::set::check,
        Workload::Counter => linearizability::collections::counter::check,
        _ => linearizability::registers::check,
    }
}

fn own(workload: Workload) -> super::Analyzer {
    match workload {
        Workload::ListAppend => transactions::list_append::check,
        Workload::RwRegister => transactions::rw_register::check,
        Workload::Predicate => transactions::predicate::check,
        Workload::Register | Workload::CasRegister => linearizability::registers::check,
        Workload::MultiRegister => linearizability::multi_register::check,
        Workload::KeyValue => linearizability::key_value::check,
        Workload::Lock => linearizability::locks::check,
        Workload::Set => classic::set::check,
        Workload::MembershipSet => linearizability::collections::set::check,
        Workload::Counter => classic::counter::check,
        Workload::FifoQueue => linearizability::collections::fifo_queue::check,
        Workload::Queue => linearizability::collections::queue::check,
        Workload::PriorityQueue => linearizability::collections::priority_queue::check,
        Workload::Stack => linearizability::collections::stack::check,
        Workload::AppendLog => linearizability::collections::list::check,
        Workload::Bank => classic::bank::check,
        Workload::LongFork => classic::long_fork::check,
        Workload::UniqueIds => classic::unique_ids::check,
        Workload::Sessions => weak::sessions::check,
    }
}

/// The levels that these models ask for; each holds the ones below.
fn levels(models: &[Model]) -> Vec<Level> {
    let level = |model: &Model| match model {
        Model::ReadCommitted => Some(Level::ReadCommitted),
        Model::ReadAtomic => Some(Level::ReadAtomic),
        Model::CausalCerone | Model::TransactionalCausal => Some(Level::Causal),
        _ => None,
    };
    models.iter().filter_map(level).collect()
}

/// Looks at a history and answers the question.
pub fn analyse(history: &History, workload: Workload, question: &Question, budget: &Budget<'_>) -> Analysis {
    let mut found = look(history, workload, question, budget);
    let fit = Fit::of(history, workload);
    // Most analyzers that pass operations over say so themselves.
    if found.doubts.is_empty() {
        found.doubts.extend(fit.doubt(history, workload));
    }
    let broken = history.irregularities().len();
    conclude(workload, question, found, fit, broken)
}

fn conclude(workload: Workload, question: &Question, found: Found, fit: Fit, broken: usize) -> Analysis {
    let order = order(&question.assume);
    let prohibited = models::prohibited_under(order, &question.models, &question.anomalies);
    let kinds: Vec<AnomalyType> = found.groups.keys().copied().collect();
    let Boundary { not, also_not, besides } = models::boundary_under(order, &kinds);
    let mut groups: Vec<Group> = found.groups.into_values().collect();
    groups.sort_by_key(|g| (!prohibited.contains(&g.kind), g.kind.order()));
    let worst = groups.iter().find(|g| prohibited.contains(&g.kind)).map(|g| g.kind);
    let (answer, reason) = match worst {
        _ if broken > 0 => (Answer::Unknown, irregular(broken)),
        Some(kind) => (Answer::Invalid, because(kind, question)),
        None if found.checked.values().all(|count| *count == 0) => {
            (Answer::Unknown, "there is nothing in it to judge".to_owned())
        }
        None if fit.shows_nothing() => (Answer::Unknown, fit.nothing(workload)),
        None if !found.doubts.is_empty() => (Answer::Unknown, "not everything could be decided".to_owned()),
        None => (Answer::Valid, "nothing contradicts what was asked".to_owned()),
    };
    Analysis { workload, answer, reason, groups, not, also_not, besides, checked: found.checked, doubts: found.doubts }
}

/// Whether the order of a register's versions was told or assumed.
fn order(assume: &Assumptions) -> VersionOrder {
    match assume.sequential_keys || assume.linearizable_keys {
        true => VersionOrder::Assumed,
        false => VersionOrder::Read,
    }
}

fn irregular(count: usize) -> String {
    let events = if count == 1 { "event breaks" } else { "events break" };
    format!("{count} {events} the rules of a history, so nothing follows from it")
}

fn because(kind: AnomalyType, question: &Question) -> String {
    let by = question.models.iter().find(|m| models::prohibited(&[**m], &[]).contains(&kind));
    match by {
        Some(model) => format!("{model} does not allow {kind}"),
        None => format!("{kind} was found"),
    }
}
