//! A hand-written schedule as it stands in its file: every value with its place, so that errors can name it, and
//! nothing looked up yet.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSchedule {
    #[serde(default)]
    pub step: Vec<Spanned<RawStep>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawStep {
    pub name: Option<Spanned<String>>,
    pub at: Option<Spanned<Time>>,
    pub at_operation: Option<Spanned<u64>>,
    pub on_output: Option<Spanned<String>>,
    pub output_of: Option<Spanned<String>>,
    pub after: Option<Time>,
    pub fault: Option<Spanned<String>>,
    pub target: Option<Spanned<Names>>,
    pub fallback: Option<Spanned<String>>,
    pub side: Option<Spanned<Vec<String>>>,
    pub bridge: Option<Spanned<String>>,
    pub order: Option<Spanned<Vec<String>>>,
    pub links: Option<Spanned<Vec<(String, String)>>>,
    pub heal: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub lasts: Option<Spanned<Time>>,
    pub every: Option<Time>,
    pub times: Option<u32>,
}

/// Milliseconds, written with a unit.
#[derive(Clone, Copy)]
pub struct Time(pub u64);

/// One name or several.
#[derive(Clone)]
pub enum Names {
    One(String),
    Several(Vec<String>),
}

/// `2s`, `250ms`, `1.5s`, `2m`: milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 3 || whole.is_empty() {
        return None;
    }
    let parts: u64 = fraction.parse().ok()?;
    let whole_ms = whole.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    let part_ms = parts * unit_ms / 10u64.pow(fraction.len() as u32);
    // A schedule of more than a year is a slip of the pen, and sums of such times could overflow.
    whole_ms.checked_add(part_ms).filter(|ms| *ms < 366 * 24 * 3_600_000)
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a time in quotes with its unit, such as \"2s\", \"250ms\" or \"1.5m\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                milliseconds(text).map(Time).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(TimeVisitor)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;
        impl<'de> Visitor<'de> for NamesVisitor {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a node such as \"n1\", a list of nodes, \"leader\" or \"all\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Names::Several(names))
            }
        }
        deserializer.deserialize_any(NamesVisitor)
    }
}
