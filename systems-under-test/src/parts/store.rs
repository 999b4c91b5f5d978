//! The state machine: keys that hold registers, lists, sets and counters. Every replica that executes the same
//! commands from the same state comes to the same state and the same answers.

use std::collections::BTreeSet;
use std::io::Write as _;

use histories::{Micro, Operation, Scalar};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::json::{Item, ItemRef, Raw};

/// Why a command had no effect: it certainly never happens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key holds something else than the command works on.
    #[error("{key} is a {holds}, not a {needs}")]
    Type {
        /// The key.
        key: Scalar,
        /// What it holds.
        holds: &'static str,
        /// What the command needs.
        needs: &'static str,
    },
    /// A compare-and-set found another value.
    #[error("{key} is {found}, not {expected}")]
    Mismatch {
        /// The key.
        key: Scalar,
        /// What it holds.
        found: Scalar,
        /// What was expected.
        expected: Scalar,
    },
    /// The counter would leave the range of 64-bit numbers.
    #[error("{key} would overflow")]
    Overflow {
        /// The key.
        key: Scalar,
    },
    /// The store has no such command.
    #[error("no command is named '{0}'")]
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Cell {
    Register(Item),
    List(Vec<Item>),
    Set(BTreeSet<Item>),
    Counter(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Register,
    List,
    Set,
    Counter,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Register => "register",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Counter => "counter",
        }
    }

    fn empty(self) -> Cell {
        match self {
            Kind::Register => Cell::Register(Item(Scalar::Null)),
            Kind::List => Cell::List(Vec::new()),
            Kind::Set => Cell::Set(BTreeSet::new()),
            Kind::Counter => Cell::Counter(0),
        }
    }
}

impl Cell {
    fn kind(&self) -> Kind {
        match self {
            Cell::Register(_) => Kind::Register,
            Cell::List(_) => Kind::List,
            Cell::Set(_) => Kind::Set,
            Cell::Counter(_) => Kind::Counter,
        }
    }

    fn element_count(&self) -> usize {
        match self {
            Cell::Register(_) | Cell::Counter(_) => 1,
            Cell::List(items) => 1 + items.len(),
            Cell::Set(items) => 1 + items.len(),
        }
    }
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    cells: FxHashMap<Scalar, Cell>,
    element_count: usize,
}

/// Snapshots are cut into parts of about this many bytes.
const PART_BYTES: usize = 128 * 1024;

impl Store {
    /// Nothing stored.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much it holds: keys and the elements of lists and sets.
    pub fn element_count(&self) -> usize {
        self.element_count
    }

    /// Executes an operation. The answer is appended to `answer` as JSON: `null` for updates, what was found for
    /// reads (see [`Found`](super::json::Found)), a list of these for transactions. A refused operation changes
    /// nothing, and what was appended to `answer` is then meaningless.
    pub fn execute(&mut self, operation: &Operation, answer: &mut Vec<u8>) -> Result<(), Refusal> {
        match operation {
            Operation::Read { key, .. } => {
                self.read(key.as_ref().unwrap_or(&Scalar::Null), answer);
                return Ok(());
            }
            Operation::Txn(micros) => return self.transact(micros, answer),
            Operation::Contains { .. } | Operation::Item { .. } | Operation::Custom { .. } => {
                return Err(Refusal::Unknown(operation.f().to_owned()));
            }
            Operation::Write { key, value } => self.write(named(key), value)?,
            Operation::Cas { key, old, new } => self.compare_and_set(named(key), old, new)?,
            Operation::Append { key, value } => self.append(named(key), value)?,
            Operation::Add { key, value } => self.add(named(key), value)?,
            Operation::Remove { key, value } => self.remove(named(key), value)?,
            Operation::Increment { key, by } => self.increment(named(key), *by)?,
        }
        answer.extend_from_slice(b"null");
        Ok(())
    }

    /// The answer of a read, as JSON.
    fn read(&self, key: &Scalar, answer: &mut Vec<u8>) {
        match self.cells.get(key) {
            None => answer.extend_from_slice(b"null"),
            Some(cell) => serde_json::to_writer(answer, cell).expect("cells have a JSON form"),
        }
    }

    /// Answers an operation that only reads. `None` when it would change something.
    pub fn answer(&self, operation: &Operation, answer: &mut Vec<u8>) -> Option<()> {
        match operation {
            Operation::Read { key, .. } => self.read(key.as_ref().unwrap_or(&Scalar::Null), answer),
            Operation::Txn(micros) if !operation.is_update() => {
                answer.push(b'[');
                for (i, micro) in micros.iter().enumerate() {
                    if i > 0 {
                        answer.push(b',');
                    }
                    let Micro::Read { key, .. } = micro else { return None };
                    self.read(key, answer);
                }
                answer.push(b']');
            }
            _ => return None,
        }
        Some(())
    }

    fn cell(&mut self, key: &Scalar, kind: Kind) -> Result<&mut Cell, Refusal> {
        if !self.cells.contains_key(key) {
            self.element_count += 1;
            self.cells.insert(key.clone(), kind.empty());
        }
        let cell = self.cells.get_mut(key).expect("just made");
        match cell.kind() {
            k if k == kind => Ok(cell),
            k => Err(Refusal::Type { key: key.clone(), holds: k.name(), needs: kind.name() }),
        }
    }

    fn write(&mut self, key: &Scalar, value: &Scalar) -> Result<(), Refusal> {
        if let Cell::Register(item) = self.cell(key, Kind::Register)? {
            item.0 = value.clone();
        }
        Ok(())
    }

    fn compare_and_set(&mut self, key: &Scalar, old: &Scalar, new: &Scalar) -> Result<(), Refusal> {
        let found = match self.cells.get(key) {
            None => &Scalar::Null,
            Some(Cell::Register(item)) => &item.0,
            Some(cell) => {
                let (holds, needs) = (cell.kind().name(), Kind::Register.name());
                return Err(Refusal::Type { key: key.clone(), holds, needs });
            }
        };
        if found != old {
            return Err(Refusal::Mismatch { key: key.clone(), found: found.clone(), expected: old.clone() });
        }
        self.write(key, new)
    }

    fn append(&mut self, key: &Scalar, value: &Scalar) -> Result<(), Refusal> {
        if let Cell::List(items) = self.cell(key, Kind::List)? {
            items.push(Item(value.clone()));
            self.element_count += 1;
        }
        Ok(())
    }

    fn add(&mut self, key: &Scalar, value: &Scalar) -> Result<(), Refusal> {
        if let Cell::Set(items) = self.cell(key, Kind::Set)? {
            let new = items.insert(Item(value.clone()));
            self.element_count += usize::from(new);
        }
        Ok(())
    }

    fn remove(&mut self, key: &Scalar, value: &Scalar) -> Result<(), Refusal> {
        if let Cell::Set(items) = self.cell(key, Kind::Set)? {
            let there = items.remove(&Item(value.clone()));
            self.element_count -= usize::from(there);
        }
        Ok(())
    }

    fn increment(&mut self, key: &Scalar, by: i64) -> Result<(), Refusal> {
        if let Cell::Counter(n) = self.cell(key, Kind::Counter)? {
            *n = n.checked_add(by).ok_or_else(|| Refusal::Overflow { key: key.clone() })?;
        }
        Ok(())
    }

    fn transact(&mut self, micros: &[Micro], answer: &mut Vec<u8>) -> Result<(), Refusal> {
        self.check(micros)?;
        answer.push(b'[');
        for (i, micro) in micros.iter().enumerate() {
            if i > 0 {
                answer.push(b',');
            }
            match micro {
                Micro::Read { key, .. } => {
                    self.read(key, answer);
                    continue;
                }
                Micro::Write { key, value } => self.write(key, value)?,
                Micro::Append { key, value } => self.append(key, value)?,
                other => return Err(unknown(other)),
            }
            answer.extend_from_slice(b"null");
        }
        answer.push(b']');
        Ok(())
    }

    /// Whether every step of a transaction will succeed: it happens as a whole or not at all.
    fn check(&self, micros: &[Micro]) -> Result<(), Refusal> {
        let mut made: Vec<(&Scalar, Kind)> = Vec::new();
        for micro in micros {
            let (key, needs) = match micro {
                Micro::Read { .. } => continue,
                Micro::Write { key, .. } => (key, Kind::Register),
                Micro::Append { key, .. } => (key, Kind::List),
                other => return Err(unknown(other)),
            };
            let holds =
                self.cells.get(key).map(Cell::kind).or_else(|| made.iter().find(|(k, _)| *k == key).map(|(_, k)| *k));
            match holds {
                None => made.push((key, needs)),
                Some(holds) if holds == needs => {}
                Some(holds) => {
                    return Err(Refusal::Type { key: key.clone(), holds: holds.name(), needs: needs.name() });
                }
            }
        }
        Ok(())
    }

    /// Everything, ordered by key, in parts: each a JSON list of `[key, {"list":[…]}]`.
    pub fn snapshot(&self) -> Vec<Raw> {
        let mut parts = Vec::new();
        let mut text = Vec::new();
        for (key, cell) in self.sorted() {
            text.push(if text.is_empty() { b'[' } else { b',' });
            serde_json::to_writer(&mut text, &(ItemRef(key), cell)).expect("cells have a JSON form");
            if text.len() >= PART_BYTES {
                parts.push(close(&mut text));
            }
        }
        if !text.is_empty() {
            parts.push(close(&mut text));
        }
        parts
    }

    /// The store that [`Store::snapshot`] described.
    pub fn restore(parts: &[Raw]) -> Result<Store, serde_json::Error> {
        let mut store = Store::new();
        for part in parts {
            let pairs: Vec<(Item, Cell)> = serde_json::from_str(part.get())?;
            for (key, cell) in pairs {
                store.element_count += cell.element_count();
                store.cells.insert(key.0, cell);
            }
        }
        Ok(store)
    }

    /// Everything as one JSON object with a member per key, ordered: what replicas are compared by.
    pub fn dump(&self) -> Raw {
        let mut members: Vec<(String, &Cell)> = self.cells.iter().map(|(key, cell)| (member(key), cell)).collect();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = vec![b'{'];
        for (i, (name, cell)) in members.into_iter().enumerate() {
            if i > 0 {
                text.push(b',');
            }
            let written = serde_json::to_writer(&mut text, &name).and_then(|()| text.write_all(b":").map_err(io_error));
            written.and_then(|()| plain(cell, &mut text)).expect("cells have a JSON form");
        }
        text.push(b'}');
        raw(text)
    }

    fn sorted(&self) -> Vec<(&Scalar, &Cell)> {
        let mut cells: Vec<_> = self.cells.iter().collect();
        cells.sort_by(|a, b| a.0.cmp(b.0));
        cells
    }
}

fn unknown(micro: &Micro) -> Refusal {
    Refusal::Unknown(micro.to_string())
}

fn named(key: &Option<Scalar>) -> &Scalar {
    key.as_ref().unwrap_or(&Scalar::Null)
}

fn io_error(error: std::io::Error) -> serde_json::Error {
    serde_json::Error::io(error)
}

fn close(text: &mut Vec<u8>) -> Raw {
    text.push(b']');
    raw(std::mem::take(text))
}

fn raw(text: Vec<u8>) -> Raw {
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    Raw::parse(text).expect("what was written as JSON is JSON")
}

fn plain(cell: &Cell, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match cell {
        Cell::Register(item) => serde_json::to_writer(text, item),
        Cell::List(items) => serde_json::to_writer(text, items),
        Cell::Set(items) => serde_json::to_writer(text, items),
        Cell::Counter(n) => serde_json::to_writer(text, n),
    }
}

/// The name of a key in a dump: text as it is, unless it could be taken for another kind of key.
pub(crate) fn member(key: &Scalar) -> String {
    match key {
        Scalar::Text(t) if serde_json::from_str::<serde::de::IgnoredAny>(t).is_err() => t.to_string(),
        other => serde_json::to_string(&ItemRef(other)).expect("scalars have a JSON form"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::command::Command;

    fn run(store: &mut Store, command: &str) -> Result<String, String> {
        let Command::Do(operation) = serde_json::from_str(command).expect("a command") else { panic!("{command}") };
        let mut answer = Vec::new();
        store.execute(&operation, &mut answer).map_err(|r| r.to_string())?;
        Ok(String::from_utf8(answer).expect("JSON"))
    }

    fn script(commands: &[(&str, Result<&str, &str>)]) -> Store {
        let mut store = Store::new();
        for (command, expected) in commands {
            let got = run(&mut store, command);
            assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned), "{command}");
        }
        store
    }

    #[test]
    fn each_kind_of_key_does_what_it_says() {
        script(&[
            (r#"["r","x"]"#, Ok("null")),
            (r#"["w","x",1]"#, Ok("null")),
            (r#"["r","x"]"#, Ok(r#"{"register":1}"#)),
            (r#"["cas","x",1,2]"#, Ok("null")),
            (r#"["cas","x",1,3]"#, Err("x is 2, not 1")),
            (r#"["cas","new",null,3]"#, Ok("null")),
            (r#"["append","l",1]"#, Ok("null")),
            (r#"["append","l","b"]"#, Ok("null")),
            (r#"["r","l"]"#, Ok(r#"{"list":[1,"b"]}"#)),
            (r#"["add","s",2]"#, Ok("null")),
            (r#"["add","s",1]"#, Ok("null")),
            (r#"["add","s",2]"#, Ok("null")),
            (r#"["remove","s",7]"#, Ok("null")),
            (r#"["r","s"]"#, Ok(r#"{"set":[1,2]}"#)),
            (r#"["inc","c",5]"#, Ok("null")),
            (r#"["inc","c",-7]"#, Ok("null")),
            (r#"["r","c"]"#, Ok(r#"{"counter":-2}"#)),
            (r#"["append","x",1]"#, Err("x is a register, not a list")),
            (r#"["cas","l",1,2]"#, Err("l is a list, not a register")),
        ]);
    }

    #[test]
    fn a_transaction_sees_its_own_writes_and_happens_as_a_whole() {
        let store = script(&[
            (r#"["txn",["r","a"],["append","a",1],["r","a"]]"#, Ok(r#"[null,null,{"list":[1]}]"#)),
            (r#"["txn",["append","a",2],["w","a",3]]"#, Err("a is a list, not a register")),
            (r#"["txn",["w","b",2],["append","b",3]]"#, Err("b is a register, not a list")),
            (r#"["txn",["r","a"],["r","b"]]"#, Ok(r#"[{"list":[1]},null]"#)),
        ]);
        assert_eq!(store.dump().get(), r#"{"a":[1]}"#);
    }

    #[test]
    fn a_counter_that_would_overflow_keeps_its_value() {
        script(&[
            (r#"["inc","c",9223372036854775807]"#, Ok("null")),
            (r#"["inc","c",1]"#, Err("c would overflow")),
            (r#"["r","c"]"#, Ok(r#"{"counter":9223372036854775807}"#)),
        ]);
    }

    #[test]
    fn a_snapshot_restores_the_same_store_whatever_its_parts() {
        let mut store = Store::new();
        for i in 0..20_000 {
            run(&mut store, &format!(r#"["append",{},"element number {i}"]"#, i % 50)).expect("appends");
            run(&mut store, &format!(r#"["add","s",{i}]"#)).expect("adds");
        }
        let parts = store.snapshot();
        assert!(parts.len() > 1);
        let restored = Store::restore(&parts).expect("restores");
        assert_eq!(restored, store);
        assert_eq!(restored.dump().get(), store.dump().get());
    }

    #[test]
    fn a_dump_keeps_keys_of_different_kinds_apart() {
        let mut store = Store::new();
        run(&mut store, r#"["w",1,"number"]"#).expect("writes");
        run(&mut store, r#"["w","1","text"]"#).expect("writes");
        run(&mut store, r#"["w","x","name"]"#).expect("writes");
        assert_eq!(store.dump().get(), r#"{"\"1\"":"text","1":"number","x":"name"}"#);
    }
}
