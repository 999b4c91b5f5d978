//! What a node holds, as a function of the *set* of events that it has: whoever has the same events holds the same, in whatever order
//! they came, as long as causes came first.
//!
//! | kind | what is kept | concurrent updates |
//! |---|---|---|
//! | register | versions, each with its dot and stamp | all are kept, or the greatest stamp wins |
//! | list | elements in the order of their stamps; with a resolver, whole lists | both are there, in one order; or what the resolver makes of both |
//! | set | for each element the additions that nobody removed (Shapiro et al., *Conflict-Free Replicated Data Types*, SSS 2011) | an addition survives a removal that had not seen it |
//! | counter | a sum | both count |
//!
//! A key that is used as two kinds at once by leaders who did not know of each other is two objects; a read shows the first kind in
//! the order of this table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::bugs::Bug;
use super::event::{Dot, Effect, Stamp};
use super::options::{Conflicts, Resolver, Settings};
use crate::parts::json::Item;
use crate::specimen::Planted;

/// A version of a register.
#[derive(Clone, Debug, PartialEq)]
struct Version {
    dot: Dot,
    stamp: Stamp,
    value: Item,
}

/// A list as one of those who went on with it left it.
#[derive(Clone, Debug, PartialEq)]
struct Branch {
    dot: Dot,
    stamp: Stamp,
    items: Vec<Item>,
}

/// Where an element stands in a list: by stamp, and within one event by its place there.
type Place = (Stamp, u64, usize);

/// What kind of object a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Holds one value, or those that were written without knowing of each other.
    Register,
    /// Elements in an order.
    List,
    /// Elements without order.
    Set,
    /// A sum.
    Counter,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Values {
    conflicts: Conflicts,
    bug: Planted<Bug>,
    registers: BTreeMap<Item, Vec<Version>>,
    lists: BTreeMap<Item, BTreeMap<Place, Item>>,
    branches: BTreeMap<Item, Vec<Branch>>,
    sets: BTreeMap<Item, BTreeMap<Item, BTreeSet<Dot>>>,
    counters: BTreeMap<Item, i64>,
}

impl Values {
    /// Nothing.
    pub fn new(settings: &Settings) -> Values {
        Values {
            conflicts: settings.conflicts,
            bug: settings.bug,
            registers: BTreeMap::new(),
            lists: BTreeMap::new(),
            branches: BTreeMap::new(),
            sets: BTreeMap::new(),
            counters: BTreeMap::new(),
        }
    }

    /// What this key is, if it is anything.
    pub fn kind(&self, key: &Item) -> Option<Kind> {
        let kinds = [
            (self.registers.contains_key(key), Kind::Register),
            (self.lists.contains_key(key) || self.branches.contains_key(key), Kind::List),
            (self.sets.contains_key(key), Kind::Set),
            (self.counters.contains_key(key), Kind::Counter),
        ];
        kinds.into_iter().find(|(is, _)| *is).map(|(_, kind)| kind)
    }

    /// Applies one effect of an event, the so-manieth of it.
    pub fn apply(&mut self, effect: &Effect, dot: Dot, at: Stamp, index: usize) {
        match effect {
            Effect::Put { key, value, stamp, replaces } => {
                let version = Version { dot, stamp: *stamp, value: value.clone() };
                self.put(key, version, replaces);
            }
            Effect::Append { key, value } => {
                self.lists.entry(key.clone()).or_default().insert((at, dot.1, index), value.clone());
            }
            Effect::Whole { key, items, replaces } => {
                let branches = self.branches.entry(key.clone()).or_default();
                branches.retain(|branch| !replaces.contains(&branch.dot) && branch.dot != dot);
                branches.push(Branch { dot, stamp: at, items: items.clone() });
            }
            Effect::Add { key, value } => {
                self.sets.entry(key.clone()).or_default().entry(value.clone()).or_default().insert(dot);
            }
            Effect::Remove { key, value, adds } => self.remove(key, value, adds),
            Effect::Increment { key, by } => {
                let sum = self.counters.entry(key.clone()).or_default();
                *sum = sum.wrapping_add(*by);
            }
            Effect::Total { key, sum } => {
                self.counters.insert(key.clone(), *sum);
            }
        }
    }

    fn put(&mut self, key: &Item, version: Version, replaces: &[Dot]) {
        let versions = self.registers.entry(key.clone()).or_default();
        if matches!(self.conflicts, Conflicts::Merge | Conflicts::Siblings) {
            if self.bug.is(Bug::ReplacesUnseenVersions) {
                // Whatever is there goes, though the author may never have seen it.
                versions.clear();
            } else {
                versions.retain(|held| !replaces.contains(&held.dot));
            }
            return versions.push(version);
        }
        let wins = match versions.first() {
            None => true,
            // Who came first stays: and that is not the same one everywhere.
            Some(held) if self.bug.is(Bug::TieStaysAsItIs) => {
                (version.stamp.time, version.stamp.count) > (held.stamp.time, held.stamp.count)
            }
            Some(held) => version.stamp > held.stamp,
        };
        if wins {
            *versions = vec![version];
        }
    }

    fn remove(&mut self, key: &Item, value: &Item, adds: &[Dot]) {
        let Some(set) = self.sets.get_mut(key) else { return };
        let Some(held) = set.get_mut(value) else { return };
        held.retain(|dot| !adds.contains(dot));
        if held.is_empty() {
            set.remove(value);
        }
    }

    /// The versions that a register holds: their names, and the greatest revision among them.
    pub fn versions(&self, key: &Item) -> (Vec<Dot>, u64) {
        let versions = self.registers.get(key).map_or(&[][..], Vec::as_slice);
        (versions.iter().map(|v| v.dot).collect(), versions.iter().map(|v| v.stamp.time).max().unwrap_or(0))
    }

    /// The value of a register that holds one value; `None` when it holds several.
    pub fn single(&self, key: &Item) -> Option<Item> {
        match self.registers.get(key).map_or(&[][..], Vec::as_slice) {
            [] => Some(Item(histories::Scalar::Null)),
            [version] => Some(version.value.clone()),
            _ => None,
        }
    }

    /// The additions of an element that stand.
    pub fn additions(&self, key: &Item, value: &Item) -> Vec<Dot> {
        let adds = self.sets.get(key).and_then(|set| set.get(value));
        adds.map_or_else(Vec::new, |adds| adds.iter().copied().collect())
    }

    /// The sum of a counter.
    pub fn sum(&self, key: &Item) -> i64 {
        self.counters.get(key).copied().unwrap_or(0)
    }

    /// The branches of a list, and what the resolver makes of them.
    pub fn resolved(&self, key: &Item, resolver: Resolver) -> (Vec<Dot>, Vec<Item>) {
        let mut branches: Vec<&Branch> = self.branches.get(key).into_iter().flatten().collect();
        let dots = branches.iter().map(|branch| branch.dot).collect();
        // In the order of arrival the resolver comes to another list at each node.
        if !self.bug.is(Bug::JoinsAsTheyCame) {
            branches.sort_by_key(|branch| branch.stamp);
        }
        (dots, resolve(&branches, resolver))
    }

    /// What a read of this key finds, as [`Found`](crate::parts::json::Found) has it; several values of one register are a list.
    pub fn read(&self, key: &Item) -> Json {
        match self.kind(key) {
            None => Json::Null,
            Some(Kind::Register) => match self.shown(key) {
                [one] => json!({ "register": one.value }),
                several => json!({ "list": several.iter().map(|v| &v.value).collect::<Vec<_>>() }),
            },
            Some(Kind::List) => json!({ "list": self.list(key) }),
            Some(Kind::Set) => json!({ "set": self.set(key) }),
            Some(Kind::Counter) => json!({ "counter": self.sum(key) }),
        }
    }

    fn shown(&self, key: &Item) -> &[Version] {
        let versions = self.registers.get(key).map_or(&[][..], Vec::as_slice);
        match versions {
            [first, _, ..] if self.bug.is(Bug::ShowsOneOfSeveral) => std::slice::from_ref(first),
            all => all,
        }
    }

    fn list(&self, key: &Item) -> Vec<Item> {
        match self.conflicts {
            Conflicts::Custom(resolver) => self.resolved(key, resolver).1,
            _ => self.lists.get(key).map_or_else(Vec::new, |list| list.values().cloned().collect()),
        }
    }

    fn set(&self, key: &Item) -> Vec<&Item> {
        self.sets.get(key).map_or_else(Vec::new, |set| set.keys().collect())
    }

    /// Everything, a member per key: what replicas are compared by.
    pub fn dump(&self) -> Json {
        let lists = self.lists.keys().chain(self.branches.keys());
        let keys = self.registers.keys().chain(lists).chain(self.sets.keys()).chain(self.counters.keys());
        let members = keys.map(|key| (member(key), self.plain(key)));
        Json::Object(members.collect())
    }

    fn plain(&self, key: &Item) -> Json {
        match self.kind(key) {
            Some(Kind::Register) => {
                let mut values: Vec<&Version> = self.registers[key].iter().collect();
                values.sort_by_key(|version| version.dot);
                match values[..] {
                    [one] => json!(one.value),
                    _ => json!(values.iter().map(|v| &v.value).collect::<Vec<_>>()),
                }
            }
            Some(Kind::List) => json!(self.list(key)),
            Some(Kind::Set) => json!(self.set(key)),
            Some(Kind::Counter) => json!(self.sum(key)),
            None => Json::Null,
        }
    }
}

fn resolve(branches: &[&Branch], resolver: Resolver) -> Vec<Item> {
    match resolver {
        Resolver::Longest => {
            let longest = branches.iter().max_by_key(|branch| (branch.items.len(), branch.stamp));
            longest.map_or_else(Vec::new, |branch| branch.items.clone())
        }
        Resolver::Concatenate => branches.iter().fold(Vec::new(), |mut all: Vec<Item>, branch| {
            let new: Vec<Item> = branch.items.iter().filter(|item| !all.contains(item)).cloned().collect();
            all.extend(new);
            all
        }),
    }
}

/// The name of a key in a dump.
fn member(key: &Item) -> String {
    match &key.0 {
        histories::Scalar::Text(text) => text.to_string(),
        _ => serde_json::to_string(key).expect("scalars have a JSON form"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multi_leader::testing::settings;

    fn item(n: i64) -> Item {
        Item(n.into())
    }

    /// A key's value after these effects, in each order of those that are concurrent.
    fn in_every_order(set: &[(&str, &str)], first: &[(Dot, Effect)], concurrent: &[(Dot, Effect)]) -> Vec<Json> {
        let mut found = Vec::new();
        for turn in 0..concurrent.len() {
            let mut values = Values::new(&settings(set));
            let mut order = concurrent.to_vec();
            order.rotate_left(turn);
            for (dot, effect) in first.iter().chain(&order) {
                let at = Stamp { time: dot.1, count: 0, origin: dot.0 };
                values.apply(effect, *dot, at, 0);
            }
            found.push(values.dump()["x"].clone());
        }
        found
    }

    fn key() -> Item {
        Item("x".into())
    }

    fn put(dot: Dot, replaces: &[Dot]) -> (Dot, Effect) {
        let stamp = Stamp { time: dot.1, count: 0, origin: dot.0 };
        let value = item(dot.0 as i64 * 100 + dot.1 as i64);
        (dot, Effect::Put { key: key(), value, stamp, replaces: replaces.to_vec() })
    }

    #[test]
    fn concurrent_writes_come_to_the_same_in_every_order() {
        let first = [put(Dot(0, 1), &[])];
        let concurrent = [put(Dot(1, 2), &[Dot(0, 1)]), put(Dot(2, 2), &[Dot(0, 1)]), put(Dot(0, 2), &[])];
        let all = in_every_order(&[("conflicts", "merge")], &first, &concurrent);
        assert!(all.iter().all(|found| *found == json!([2, 102, 202])), "{all:?}");
        let last = in_every_order(&[("conflicts", "last-write-wins")], &first, &concurrent);
        assert!(last.iter().all(|found| *found == json!(202)), "the origin decides between equal times: {last:?}");
    }

    #[test]
    fn an_addition_survives_a_removal_that_had_not_seen_it() {
        let add = |dot| (dot, Effect::Add { key: key(), value: item(7) });
        let remove = (Dot(1, 1), Effect::Remove { key: key(), value: item(7), adds: vec![Dot(0, 1)] });
        let both = in_every_order(&[], &[add(Dot(0, 1))], &[remove.clone(), add(Dot(2, 1))]);
        assert!(both.iter().all(|found| *found == json!([7])), "{both:?}");
        assert_eq!(in_every_order(&[], &[add(Dot(0, 1))], &[remove]), [json!([])]);
    }

    #[test]
    fn lists_that_grew_apart_are_resolved_alike_everywhere() {
        let branch = |dot: Dot, items: &[i64], replaces: &[Dot]| {
            let items = items.iter().map(|n| item(*n)).collect();
            (dot, Effect::Whole { key: key(), items, replaces: replaces.to_vec() })
        };
        let first = [branch(Dot(0, 1), &[1], &[])];
        let concurrent = [branch(Dot(1, 2), &[1, 2, 3], &[Dot(0, 1)]), branch(Dot(2, 3), &[1, 4], &[Dot(0, 1)])];
        let custom = ("conflicts", "custom");
        let joined = in_every_order(&[custom], &first, &concurrent);
        assert!(joined.iter().all(|found| *found == json!([1, 2, 3, 4])), "{joined:?}");
        let longest = in_every_order(&[custom, ("resolver", "longest")], &first, &concurrent);
        assert!(longest.iter().all(|found| *found == json!([1, 2, 3])), "4 was acknowledged, and is gone: {longest:?}");
    }
}
