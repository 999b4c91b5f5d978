//! Scalars and the answers of reads as JSON, written and read without an intermediate tree.

use std::fmt;
use std::sync::Arc;

use histories::{Micro, Operation, Scalar, Value};
use serde::de::{self, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A piece of JSON that is passed on as it is: what a log entry says, a part of a snapshot. Cheap to clone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raw(Arc<RawValue>);

impl Raw {
    /// The JSON of a value. Panics when it has none (a map with keys that are no strings): a mistake in the caller.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Raw {
        Raw(serde_json::value::to_raw_value(value).expect("a value with a JSON form").into())
    }

    /// Takes text that must be JSON.
    pub fn parse(text: String) -> Result<Raw, serde_json::Error> {
        Ok(Raw(RawValue::from_string(text)?.into()))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl From<&RawValue> for Raw {
    fn from(raw: &RawValue) -> Self {
        Raw(raw.to_owned().into())
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

/// A scalar as JSON: `null`, `true`, `17`, `"text"`; anything else is kept as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item(pub Scalar);

/// An [`Item`] that is borrowed, for writing.
#[derive(Clone, Copy, Debug)]
pub struct ItemRef<'a>(pub &'a Scalar);

impl Serialize for ItemRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Scalar::Null => serializer.serialize_unit(),
            Scalar::Bool(b) => serializer.serialize_bool(*b),
            Scalar::Int(i) => serializer.serialize_i64(*i),
            Scalar::Text(t) => serializer.serialize_str(t),
            Scalar::Json(text) => {
                RawValue::from_string(text.to_string()).map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ItemRef(&self.0).serialize(serializer)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item(Scalar::Null))
    }

    fn visit_bool<E>(self, b: bool) -> Result<Item, E> {
        Ok(Item(Scalar::Bool(b)))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Item, E> {
        Ok(Item(Scalar::Int(i)))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Item, E> {
        Ok(Item(i64::try_from(u).map_or_else(|_| Scalar::Json(u.to_string().into()), Scalar::Int)))
    }

    fn visit_f64<E: de::Error>(self, f: f64) -> Result<Item, E> {
        Ok(Item(Scalar::Json(serde_json::Value::from(f).to_string().into())))
    }

    fn visit_str<E>(self, s: &str) -> Result<Item, E> {
        Ok(Item(Scalar::Text(s.into())))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Item, A::Error> {
        let tree = serde_json::Value::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
        Ok(Item(Scalar::Json(tree.to_string().into())))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
        let tree = serde_json::Value::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Item(Scalar::Json(tree.to_string().into())))
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

/// What a read found, as it travels: `{"list":[1,2]}`; `null` when there is no such key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A register.
    Register(Item),
    /// A list, oldest element first.
    List(Vec<Item>),
    /// A set, in the order of its elements.
    Set(Vec<Item>),
    /// A counter.
    Counter(i64),
}

impl From<Found> for Value {
    fn from(found: Found) -> Value {
        match found {
            Found::Register(item) => Value::Scalar(item.0),
            Found::Counter(n) => Value::Scalar(Scalar::Int(n)),
            Found::List(items) | Found::Set(items) => Value::List(items.into_iter().map(|i| i.0).collect()),
        }
    }
}

/// What a read returns; `null` when there is no such key.
pub fn value_of(found: Option<Found>) -> Value {
    found.map_or(Value::Scalar(Scalar::Null), Value::from)
}

/// The operation with its answers filled in, from the JSON text of what was found.
pub fn answered(operation: &Operation, found: &str) -> Result<Operation, serde_json::Error> {
    Ok(match operation {
        Operation::Read { key, .. } => {
            let found: Option<Found> = serde_json::from_str(found)?;
            Operation::Read { key: key.clone(), value: Some(value_of(found)) }
        }
        Operation::Txn(micros) => {
            let found: Vec<Option<Found>> = serde_json::from_str(found)?;
            let filled = micros.iter().zip(found).map(|(micro, found)| match micro {
                Micro::Read { key, .. } => Micro::Read { key: key.clone(), value: Some(value_of(found)) },
                other => other.clone(),
            });
            Operation::Txn(filled.collect())
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> (Scalar, String) {
        let item: Item = serde_json::from_str(text).expect("parses");
        let back = serde_json::to_string(&item).expect("writes");
        (item.0, back)
    }

    #[test]
    fn every_kind_of_scalar_survives() {
        for (text, scalar) in [
            ("null", Scalar::Null),
            ("true", Scalar::Bool(true)),
            ("-17", Scalar::Int(-17)),
            ("\"a\\\"b\"", Scalar::Text("a\"b".into())),
            ("1.5", Scalar::Json("1.5".into())),
            ("18446744073709551615", Scalar::Json("18446744073709551615".into())),
            ("[1,[2]]", Scalar::Json("[1,[2]]".into())),
            ("{\"a\":null}", Scalar::Json("{\"a\":null}".into())),
        ] {
            assert_eq!(there_and_back(text), (scalar, text.to_owned()));
        }
    }

    #[test]
    fn a_missing_key_reads_as_null() {
        let found: Option<Found> = serde_json::from_str("null").expect("parses");
        assert_eq!(value_of(found), Value::Scalar(Scalar::Null));
    }
}
