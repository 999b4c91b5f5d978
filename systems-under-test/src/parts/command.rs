//! Operations as they travel and as they stand in a log: `["append",8,17]`, in the manner of Elle's
//! micro-operations. A log that holds these is a *logical* log: it says what was asked, and every replica that
//! executes it from the same state in the same order comes to the same answer, because nothing in a command
//! depends on a clock, on chance or on the node that executes it.

use std::fmt;

use histories::{Micro, Operation, Scalar};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::{Item, ItemRef};

/// What a log entry says.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Nothing: the first entry of a leader. JSON `null`.
    Nothing,
    /// Execute this.
    Do(Operation),
}

/// An operation as a command, borrowed, for writing.
#[derive(Clone, Copy, Debug)]
pub struct CommandRef<'a>(pub &'a Operation);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    R,
    W,
    Cas,
    Append,
    Add,
    Remove,
    Inc,
    Txn,
}

/// The key of a store with one object only is `null`.
fn key_of(key: &Option<Scalar>) -> &Scalar {
    key.as_ref().unwrap_or(&Scalar::Null)
}

struct MicroRef<'a>(&'a Micro);

impl Serialize for MicroRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Micro::Read { key, .. } => (Verb::R, ItemRef(key)).serialize(serializer),
            Micro::Write { key, value } => (Verb::W, ItemRef(key), ItemRef(value)).serialize(serializer),
            Micro::Append { key, value } => (Verb::Append, ItemRef(key), ItemRef(value)).serialize(serializer),
            Micro::Insert { .. } | Micro::Delete { .. } | Micro::Predicate { .. } => {
                Err(S::Error::custom("a transaction reads, writes and appends only"))
            }
        }
    }
}

impl Serialize for CommandRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let verb_key_value = |verb: Verb, key: &Option<Scalar>, value: &Scalar, serializer: S| {
            (verb, ItemRef(key_of(key)), ItemRef(value)).serialize(serializer)
        };
        match self.0 {
            Operation::Read { key, .. } => (Verb::R, ItemRef(key_of(key))).serialize(serializer),
            Operation::Write { key, value } => verb_key_value(Verb::W, key, value, serializer),
            Operation::Append { key, value } => verb_key_value(Verb::Append, key, value, serializer),
            Operation::Add { key, value } => verb_key_value(Verb::Add, key, value, serializer),
            Operation::Remove { key, value } => verb_key_value(Verb::Remove, key, value, serializer),
            Operation::Cas { key, old, new } => {
                (Verb::Cas, ItemRef(key_of(key)), ItemRef(old), ItemRef(new)).serialize(serializer)
            }
            Operation::Increment { key, by } => (Verb::Inc, ItemRef(key_of(key)), by).serialize(serializer),
            Operation::Txn(micros) => {
                let mut seq = serializer.serialize_seq(Some(1 + micros.len()))?;
                seq.serialize_element(&Verb::Txn)?;
                for micro in micros {
                    seq.serialize_element(&MicroRef(micro))?;
                }
                seq.end()
            }
            Operation::Contains { .. } | Operation::Item { .. } | Operation::Custom { .. } => {
                Err(S::Error::custom(format_args!("no command is named '{}'", self.0.f())))
            }
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Command::Nothing => serializer.serialize_unit(),
            Command::Do(operation) => CommandRef(operation).serialize(serializer),
        }
    }
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::custom("a command with too few members"))
}

fn scalar<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<Scalar, A::Error> {
    next::<Item, A>(seq).map(|item| item.0)
}

fn nothing_left<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<(), A::Error> {
    match seq.next_element::<de::IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(de::Error::custom("a command with too many members")),
    }
}

struct MicroVisitor;

impl<'de> Visitor<'de> for MicroVisitor {
    type Value = MicroOwned;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a micro-operation such as [\"append\",8,17]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<MicroOwned, A::Error> {
        let (verb, key) = (next(&mut seq)?, scalar(&mut seq)?);
        let micro = match verb {
            Verb::R => Micro::Read { key, value: None },
            Verb::W => Micro::Write { key, value: scalar(&mut seq)? },
            Verb::Append => Micro::Append { key, value: scalar(&mut seq)? },
            _ => return Err(de::Error::custom("a transaction reads, writes and appends only")),
        };
        nothing_left(&mut seq)?;
        Ok(MicroOwned(micro))
    }
}

struct MicroOwned(Micro);

impl<'de> Deserialize<'de> for MicroOwned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MicroVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a command such as [\"append\",8,17], or null")
    }

    fn visit_unit<E>(self) -> Result<Command, E> {
        Ok(Command::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Command, A::Error> {
        let verb = next(&mut seq)?;
        if verb == Verb::Txn {
            let mut micros = Vec::new();
            while let Some(MicroOwned(micro)) = seq.next_element()? {
                micros.push(micro);
            }
            return Ok(Command::Do(Operation::Txn(micros)));
        }
        let key = Some(scalar(&mut seq)?);
        let operation = match verb {
            Verb::R => Operation::Read { key, value: None },
            Verb::W => Operation::Write { key, value: scalar(&mut seq)? },
            Verb::Cas => Operation::Cas { key, old: scalar(&mut seq)?, new: scalar(&mut seq)? },
            Verb::Append => Operation::Append { key, value: scalar(&mut seq)? },
            Verb::Add => Operation::Add { key, value: scalar(&mut seq)? },
            Verb::Remove => Operation::Remove { key, value: scalar(&mut seq)? },
            Verb::Inc => Operation::Increment { key, by: next(&mut seq)? },
            Verb::Txn => unreachable!("returned above"),
        };
        nothing_left(&mut seq)?;
        Ok(Command::Do(operation))
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> String {
        let command: Command = serde_json::from_str(text).expect("parses");
        serde_json::to_string(&command).expect("writes")
    }

    #[test]
    fn every_command_survives() {
        for text in [
            "null",
            r#"["r","x"]"#,
            r#"["w",8,17]"#,
            r#"["cas",8,17,null]"#,
            r#"["append",8,"a"]"#,
            r#"["add",8,{"b":1}]"#,
            r#"["remove",8,3]"#,
            r#"["inc",8,-2]"#,
            r#"["txn",["r",8],["append",8,1],["w","y",[2]]]"#,
            r#"["txn"]"#,
        ] {
            assert_eq!(there_and_back(text), text);
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for text in ["[]", r#"["w",8]"#, r#"["w",8,1,2]"#, r#"["drop",8]"#, r#"["txn",["inc",8,1]]"#, "17", "{}"] {
            assert!(serde_json::from_str::<Command>(text).is_err(), "{text}");
        }
    }
}
