//! Installs faults, heals them, keeps the ledger. (interface first; being written)

/// One fault of a run, in the order of injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u32);
