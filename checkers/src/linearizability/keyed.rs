//! What the checkers built on a [specification](super::specification) share: the objects of a history, judged one by
//! one, and what is said when there is no order.

use histories::{History, Scalar};

use super::registers::{earliest, in_parallel};
use super::specification::{Judgement, Specification, Stuck, Timed, WIDEST, linearize};
use super::words;
use crate::analysis::Found;
use crate::budget::{Budget, Meter};
use crate::finding::Anomaly;
use crate::fold::words::{count, told};
use crate::models::AnomalyType;

/// One object, and all that was done to it.
pub(crate) struct Object<S: Specification> {
    pub spec: S,
    /// Its name, where it has one.
    pub key: Option<String>,
    /// In words: `the map's key x`.
    pub name: String,
    pub calls: Vec<Timed<S::Call>>,
}

/// What a checker has to say about a state and about a call that cannot follow.
pub(crate) trait Telling<S: Specification> {
    /// A state in words, after "which leave".
    fn state(&self, object: &Object<S>, state: &S::State) -> String;
    /// What kind of anomaly it is.
    fn kind(&self, _object: &Object<S>, _stuck: &Stuck<S::State>) -> AnomalyType {
        AnomalyType::Nonlinearizable
    }
    /// The calls with what they can know of those that come later, where that helps.
    fn foresee(&self, _calls: &[Timed<S::Call>]) -> Option<Vec<Timed<S::Call>>> {
        None
    }
    /// Further operations that belong to the evidence.
    fn others(&self, _object: &Object<S>, _stuck: &Stuck<S::State>) -> Vec<u32> {
        Vec::new()
    }
}

/// Judges all objects, each with an equal share of the steps, and adds up what was found.
pub(crate) fn judge<S>(
    history: &History,
    objects: &[Object<S>],
    telling: &(impl Telling<S> + Sync),
    budget: &Budget<'_>,
    found: &mut Found,
) where
    S: Specification + Sync,
    S::Call: Clone + Sync,
    S::State: Send,
{
    let share = Budget { steps: budget.steps / objects.len().max(1) as u64, ..*budget };
    let places: Vec<usize> = (0..objects.len()).collect();
    let judgements =
        in_parallel(&places, budget.threads, || (), |(), i| one(&objects[i], telling, &Meter::new(&share)));
    for (object, judgement) in objects.iter().zip(judgements) {
        match judgement {
            Judgement::Linearizable => {}
            Judgement::Not(stuck) => {
                found.add(telling.kind(object, &stuck), || anomaly(history, object, telling, &stuck));
            }
            Judgement::Undecided { proven, why } => {
                let all = object.calls.iter().filter(|c| c.completion.is_some()).count();
                found.doubts.push(words::undecided(&object.name, proven, all, why));
            }
            Judgement::TooWide => {
                found.doubts.push(format!("{}: more than {WIDEST} operations were open at once.", object.name));
            }
        }
    }
}

/// Judges one object. What is known of the future may end a search before or after the first prefix that has no linearization;
/// that one is found by looking at prefixes only.
fn one<S: Specification>(object: &Object<S>, telling: &impl Telling<S>, meter: &Meter<'_>) -> Judgement<S::State>
where
    S::Call: Clone,
{
    let Some(ahead) = telling.foresee(&object.calls) else { return linearize(&object.spec, &object.calls, meter) };
    let guess = match linearize(&object.spec, &ahead, meter) {
        Judgement::Not(stuck) => stuck,
        other => return other,
    };
    let mut ends: Vec<(u32, usize)> =
        object.calls.iter().enumerate().filter_map(|(i, c)| Some((c.completion?, i))).collect();
    ends.sort_unstable();
    let at = ends.partition_point(|(end, _)| Some(*end) < object.calls[guess.call].completion);
    let fails = |i: usize| {
        let (known, origin) = prefix(&object.calls, ends[i].0);
        match linearize(&object.spec, &telling.foresee(&known).unwrap_or(known), meter) {
            Judgement::Not(stuck) => Some(Stuck { call: origin[stuck.call], completed: i, states: stuck.states }),
            _ => None,
        }
    };
    let place = earliest(at, ends.len(), |i| fails(i).is_some());
    Judgement::Not(Stuck { call: ends[place].1, ..fails(place).unwrap_or(guess) })
}

/// What was known when this end came, and where it stands among all calls.
fn prefix<C: Clone>(calls: &[Timed<C>], until: u32) -> (Vec<Timed<C>>, Vec<usize>) {
    let known = calls.iter().enumerate().filter(|(_, c)| c.invocation < until);
    known.map(|(i, c)| (Timed::new(c.call.clone(), c.invocation, c.completion.filter(|end| *end <= until)), i)).unzip()
}

fn anomaly<S: Specification>(
    history: &History,
    object: &Object<S>,
    telling: &impl Telling<S>,
    stuck: &Stuck<S::State>,
) -> Anomaly {
    const SHOWN: usize = 4;
    let call = &object.calls[stuck.call];
    let mut states: Vec<String> = stuck.states.iter().map(|s| telling.state(object, s)).collect();
    states.sort();
    let more = states.len().saturating_sub(SHOWN);
    states.truncate(SHOWN);
    let more = if more > 0 { format!(" or one of {more} others") } else { String::new() };
    let text = format!(
        "{}: the {} on {} completed before it can be put in an order, after which there is {}{more}; but from there, \
         whatever of the operations then open takes effect first, it cannot follow",
        told(history, call.invocation),
        count(stuck.completed as u64, "operation", "operations"),
        object.name,
        states.join(" or "),
    );
    let others = telling.others(object, stuck);
    let relations = others.iter().filter_map(|i| ordered(history, *i, call.invocation)).collect();
    let mut operations = others;
    operations.push(call.invocation);
    Anomaly::new(telling.kind(object, stuck), object.key.clone(), operations, relations, text)
}

/// That one was completed before the other was invoked, if it was.
fn ordered(history: &History, from: u32, to: u32) -> Option<crate::finding::Relation> {
    let end = history.pair_of(histories::EventIndex(from))?;
    (end.0 < to).then(|| words::realtime(from, to))
}

/// A string as a person would quote it, shortened to its end.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let length = text.chars().count();
    match length > SHOWN {
        true => format!("\"…{}\"", text.chars().skip(length - SHOWN).collect::<String>()),
        false => format!("\"{text}\""),
    }
}

/// The text of a value: `null` is the empty string.
pub(crate) fn text_of(value: &Scalar) -> String {
    match value {
        Scalar::Null => String::new(),
        other => other.to_string(),
    }
}
