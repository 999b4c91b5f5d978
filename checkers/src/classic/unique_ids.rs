//! Unique identifiers: nobody gets one that somebody else has got.
//!
//! *No two `generate` operations that were answered were answered alike* (Kingsbury, `jepsen.checker/unique-ids`).
//! Identifiers may be any JSON. Requests that failed or were not answered have no identifier to compare.
//!
//! # What it does not detect
//!
//! Identifiers that ought to grow and do not: unique is all that is asked of them.

use histories::{Function, History, Kind, Payload, ValueId};
use rustc_hash::FxHashMap;

use super::{Odd, relation, stopped};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Meter};
use crate::finding::{Anomaly, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

/// Looks for identifiers that were given out more than once. Finds [`AnomalyType::DuplicateId`]: one for each time that
/// an identifier was given out again.
pub fn check(history: &History, _: &Question, budget: &Budget<'_>) -> Found {
    let meter = Meter::new(budget);
    let mut owners: FxHashMap<ValueId, u32> = FxHashMap::default();
    let (mut found, mut odd, mut asked, mut given) = (Found::default(), Odd::default(), 0, 0);
    for pair in history.operations() {
        if let Err(why) = meter.spend(1) {
            return stopped(found, why);
        }
        if !is_generate(history, history.function(pair.invocation)) {
            continue;
        }
        asked += 1;
        let (Some(completion), Kind::Ok) = (pair.completion, pair.outcome) else { continue };
        let invocation = pair.invocation.0;
        match history.payload(completion) {
            Payload::Value(ValueId::NULL) | Payload::Unknown => odd.note(invocation),
            Payload::Value(id) => {
                given += 1;
                let first = *owners.entry(id).or_insert(invocation);
                if first != invocation {
                    found.add(AnomalyType::DuplicateId, || twice(history, id, first, invocation));
                }
            }
            _ => odd.note(invocation),
        }
    }
    odd.doubt(&mut found, "asked for an identifier and got none");
    found.checked = [("requests", asked), ("identifiers", given)].into();
    found
}

fn is_generate(history: &History, function: Function) -> bool {
    matches!(function, Function::Custom(_)) && history.function_name(function) == "generate"
}

fn twice(history: &History, id: ValueId, first: u32, again: u32) -> Anomaly {
    let explanation = format!(
        "{} and {} each asked for a new identifier (#{first}, #{again}), and both got {}",
        words::who(history, first),
        words::who(history, again),
        history.value(id)
    );
    let reason = format!("#{again} was given {}, which #{first} was given as well", history.value(id));
    let relations = vec![relation(first, again, RelationKind::Wr, reason)];
    Anomaly::new(AnomalyType::DuplicateId, None, vec![first, again], relations, explanation)
}
