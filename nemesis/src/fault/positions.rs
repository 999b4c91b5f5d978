//! Nodes as they are written: by name. In memory a node is a position from 0; in plans, ledgers and histories it is `"n1"`,
//! as in every other place that a person reads. Files of older versions hold positions, and are still read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::node_name;

/// A position that is written as a name.
struct Named(usize);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&node_name(self.0))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Position(usize),
            Name(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Position(position) => Ok(Named(position)),
            Written::Name(name) => {
                let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
                let position = number.and_then(|number| number.checked_sub(1));
                position.map(Named).ok_or_else(|| serde::de::Error::custom(format!("'{name}' is no node")))
            }
        }
    }
}

/// One node.
pub(crate) mod one {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(node: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        Named(*node).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        Named::deserialize(deserializer).map(|Named(node)| node)
    }
}

/// One node or none.
pub(crate) mod maybe {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(node: &Option<usize>, serializer: S) -> Result<S::Ok, S::Error> {
        node.map(Named).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
        Ok(Option::<Named>::deserialize(deserializer)?.map(|Named(node)| node))
    }
}

/// Several nodes.
pub(crate) mod many {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(nodes: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(nodes.iter().map(|node| Named(*node)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
        Ok(Vec::<Named>::deserialize(deserializer)?.into_iter().map(|Named(node)| node).collect())
    }
}

/// From, to.
pub(crate) mod pairs {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(pairs: &[(usize, usize)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pairs.iter().map(|(from, to)| (Named(*from), Named(*to))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(usize, usize)>, D::Error> {
        let pairs = Vec::<(Named, Named)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().map(|(Named(from), Named(to))| (from, to)).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::{Fault, Target};

    #[test]
    fn nodes_are_written_by_name_and_positions_of_older_files_are_read() {
        let faults = [
            Fault::Kill { target: Target::Node(2) },
            Fault::Pause { target: Target::Leader { fallback: 0 } },
            Fault::Bridge { bridge: 2, side: vec![0, 3] },
            Fault::PartitionMatrix { links: vec![(0, 1)] },
        ];
        let written = [
            r#"{"fault":"kill","target":{"node":"n3"}}"#,
            r#"{"fault":"pause","target":{"leader":{"fallback":"n1"}}}"#,
            r#"{"fault":"bridge","bridge":"n3","side":["n1","n4"]}"#,
            r#"{"fault":"partition-random","links":[["n1","n2"]]}"#,
        ];
        let before = [
            r#"{"fault":"kill","target":{"node":2}}"#,
            r#"{"fault":"pause","target":{"leader":{"fallback":0}}}"#,
            r#"{"fault":"bridge","bridge":2,"side":[0,3]}"#,
            r#"{"fault":"partition-random","links":[[0,1]]}"#,
        ];
        for ((fault, text), old) in faults.iter().zip(written).zip(before) {
            assert_eq!(serde_json::to_string(fault).expect("JSON"), text);
            for text in [text, old] {
                assert_eq!(serde_json::from_str::<Fault>(text).expect("a fault"), *fault);
            }
        }
        for wrong in ["n0", "m1", "n", ""] {
            let text = format!(r#"{{"fault":"kill","target":{{"node":"{wrong}"}}}}"#);
            assert!(serde_json::from_str::<Fault>(&text).is_err(), "{wrong}");
        }
    }
}
