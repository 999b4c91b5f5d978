//! What a read gave away, in words: the two writes, why one requires the other, and the read that contradicts it.

use histories::{EventIndex, History, KeyId, ValueId};

use super::acts::{Act, acts};
use super::exposure::Exposed;
use super::tally::relation;
use super::words;
use super::world::World;
use crate::finding::{Anomaly, Relation, RelationKind};

/// The words for what a read gave away. `because` says why the later write requires the earlier one.
pub(crate) struct Argument {
    pub(crate) kind_missing: &'static str,
    pub(crate) kind_late: &'static str,
    pub(crate) because: String,
    /// Operations and relations between the two writes, from the earlier to the later.
    pub(crate) between: Vec<u32>,
    pub(crate) relations: Vec<Relation>,
}

impl World {
    /// The anomaly that a read is.
    pub(crate) fn expose(&self, history: &History, read: u32, exposed: &[Exposed], argument: Argument) -> Anomaly {
        let Exposed { earlier, later } = exposed[0];
        let (first, second) = (self.call(earlier), self.call(later));
        let version = self.get(earlier);
        let late = shows(history, read, version.key, version.value);
        let earlier = words::origin(history, version.key, version.value, first);
        let later = self.get(later);
        let later = words::origin(history, later.key, later.value, second);
        let shown = if late { "and only after it" } else { "but not" };
        let others = match exposed.len() {
            1 => String::new(),
            n => format!("; and so with {} more", n - 1),
        };
        let mut operations = vec![first];
        operations.extend(argument.between);
        operations.extend([second, read]);
        let mut relations = argument.relations;
        relations.push(relation(second, read, RelationKind::Wr, format!("#{read} shows what #{second} wrote")));
        Anomaly {
            kind: if late { argument.kind_late } else { argument.kind_missing }.to_owned(),
            key: Some(history.key_name(version.key).to_string()),
            operations,
            relations,
            explanation: format!(
                "{}. It shows {later}, {shown} {earlier}: {}{others}",
                words::told(history, read),
                argument.because,
            ),
        }
    }
}

/// Whether a list or set that this operation read has the value.
fn shows(history: &History, read: u32, key: KeyId, value: ValueId) -> bool {
    let Some(completion) = history.pair_of(EventIndex(read)) else { return false };
    acts(history, completion).any(|(k, act)| match act {
        Act::Read(list) => k == key && history.list(list).contains(&value),
        _ => false,
    })
}
