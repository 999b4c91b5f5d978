//! A hand-written schedule as it stands in its file: every value with its place, so that errors can name it, and
//! nothing looked up yet.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::amounts::{Share, Short, Signed, Time};
use crate::data::DamageKind;
use crate::disk::{ErrorKind, Operation};
use crate::fault::{Direction, Peers};
use crate::wire::Shape;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSchedule {
    #[serde(default)]
    pub step: Vec<Spanned<RawStep>>,
    pub liveness: Option<RawLiveness>,
    /// What the schedule of a planted bug needs besides: the business of whoever runs it.
    #[serde(rename = "witness")]
    pub _witness: Option<toml::Table>,
}

/// What comes after the steps.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawLiveness {
    pub core: Option<Spanned<Vec<String>>>,
    pub within: Option<Time>,
}

/// A step as it is written: the fields are those of the guide.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawStep {
    pub name: Option<Spanned<String>>,

    pub at: Option<Spanned<Time>>,
    pub at_operation: Option<Spanned<u64>>,
    pub at_acknowledged: Option<Spanned<u64>>,
    pub on_output: Option<Spanned<String>>,
    pub output_of: Option<Spanned<String>>,
    pub on_leader: Option<Spanned<String>>,
    pub on_begin_of: Option<Spanned<String>>,
    pub on_end_of: Option<Spanned<String>>,
    pub after: Option<Time>,

    pub fault: Option<Spanned<String>>,
    pub heal: Option<Spanned<String>>,

    pub target: Option<Spanned<Names>>,
    pub fallback: Option<Spanned<String>>,
    pub side: Option<Spanned<Vec<String>>>,
    pub bridge: Option<Spanned<String>>,
    pub order: Option<Spanned<Vec<String>>>,
    pub links: Option<Spanned<Vec<(String, String)>>>,
    pub peers: Option<Spanned<Peers>>,
    pub direction: Option<Spanned<Direction>>,

    pub delay: Option<Spanned<Short>>,
    pub jitter: Option<Spanned<Short>>,
    pub shape: Option<Spanned<Shape>>,
    pub in_order: Option<Spanned<bool>>,
    pub loss: Option<Spanned<Share>>,
    pub correlation: Option<Spanned<Share>>,
    pub duplicate: Option<Spanned<Share>>,
    pub reorder: Option<Spanned<Share>>,
    pub reorder_by: Option<Spanned<Short>>,
    pub corrupt: Option<Spanned<Share>>,
    pub rate_bytes: Option<Spanned<u64>>,
    pub burst_bytes: Option<Spanned<u64>>,
    pub down: Option<Spanned<Short>>,
    pub up: Option<Spanned<Short>>,

    pub by: Option<Spanned<Signed>>,
    pub ppm: Option<Spanned<i64>>,
    pub period: Option<Spanned<Short>>,

    pub mode: Option<Spanned<String>>,
    pub keep: Option<Spanned<Share>>,
    pub seed: Option<Spanned<u64>>,
    pub error: Option<Spanned<ErrorKind>>,
    pub operations: Option<Spanned<Vec<Operation>>>,
    pub path: Option<Spanned<String>>,
    pub probability: Option<Spanned<Share>>,
    pub at_most: Option<Spanned<u64>>,
    pub bits: Option<Spanned<u32>>,

    pub cpu: Option<Spanned<Share>>,
    pub headroom: Option<Spanned<u64>>,
    pub headroom_bytes: Option<Spanned<u64>>,
    pub damage: Option<Spanned<DamageKind>>,
    pub count: Option<Spanned<u64>>,

    #[serde(rename = "for")]
    pub lasts: Option<Spanned<Time>>,
    pub until_operations: Option<Spanned<u64>>,
    pub until_acknowledged: Option<Spanned<u64>>,
    pub until_output: Option<Spanned<String>>,
    pub until_leader: Option<Spanned<String>>,
    pub every: Option<Time>,
    pub times: Option<u32>,
}

impl RawStep {
    /// The fields that say where and how much, and where each stands if it is there.
    pub fn particulars(&self) -> Vec<(&'static str, Option<Range<usize>>)> {
        fn at<T>(field: &Option<Spanned<T>>) -> Option<Range<usize>> {
            field.as_ref().map(Spanned::span)
        }
        vec![
            ("target", at(&self.target)),
            ("fallback", at(&self.fallback)),
            ("side", at(&self.side)),
            ("bridge", at(&self.bridge)),
            ("order", at(&self.order)),
            ("links", at(&self.links)),
            ("peers", at(&self.peers)),
            ("direction", at(&self.direction)),
            ("delay", at(&self.delay)),
            ("jitter", at(&self.jitter)),
            ("shape", at(&self.shape)),
            ("in-order", at(&self.in_order)),
            ("loss", at(&self.loss)),
            ("correlation", at(&self.correlation)),
            ("duplicate", at(&self.duplicate)),
            ("reorder", at(&self.reorder)),
            ("reorder-by", at(&self.reorder_by)),
            ("corrupt", at(&self.corrupt)),
            ("rate-bytes", at(&self.rate_bytes)),
            ("burst-bytes", at(&self.burst_bytes)),
            ("down", at(&self.down)),
            ("up", at(&self.up)),
            ("by", at(&self.by)),
            ("ppm", at(&self.ppm)),
            ("period", at(&self.period)),
            ("mode", at(&self.mode)),
            ("keep", at(&self.keep)),
            ("seed", at(&self.seed)),
            ("error", at(&self.error)),
            ("operations", at(&self.operations)),
            ("path", at(&self.path)),
            ("probability", at(&self.probability)),
            ("at-most", at(&self.at_most)),
            ("bits", at(&self.bits)),
            ("cpu", at(&self.cpu)),
            ("headroom", at(&self.headroom)),
            ("headroom-bytes", at(&self.headroom_bytes)),
            ("damage", at(&self.damage)),
            ("count", at(&self.count)),
        ]
    }

    /// What the step waits for: the fields that are there.
    pub fn beginnings(&self) -> Vec<&'static str> {
        let fields = [
            ("at", self.at.is_some()),
            ("at-operation", self.at_operation.is_some()),
            ("at-acknowledged", self.at_acknowledged.is_some()),
            ("on-output", self.on_output.is_some()),
            ("on-leader", self.on_leader.is_some()),
            ("on-begin-of", self.on_begin_of.is_some()),
            ("on-end-of", self.on_end_of.is_some()),
        ];
        fields.into_iter().filter(|(_, there)| *there).map(|(field, _)| field).collect()
    }

    /// What ends its fault: the fields that are there.
    pub fn ends(&self) -> Vec<&'static str> {
        let fields = [
            ("for", self.lasts.is_some()),
            ("until-operations", self.until_operations.is_some()),
            ("until-acknowledged", self.until_acknowledged.is_some()),
            ("until-output", self.until_output.is_some()),
            ("until-leader", self.until_leader.is_some()),
        ];
        fields.into_iter().filter(|(_, there)| *there).map(|(field, _)| field).collect()
    }
}

/// One name or several.
#[derive(Clone)]
pub enum Names {
    One(String),
    Several(Vec<String>),
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
