//! What is installed right now, and a record of it on disk.
//!
//! An installation is written before it is carried out, in memory and as one line of `ledger.jsonl`, in one write that
//! is with the kernel when it returns: whoever finds the directory of a controller that was killed can say what was
//! installed. (Nothing needs undoing then: faults live in namespaces that end with the controller.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Condition, Effect, FaultId, Outcome, condition_of};
use crate::data::Backup;
use crate::fault::Fault;
use crate::hosts::{HostId, ResourceReading};
use crate::wire::{Link, LinkStats};

/// One line of `ledger.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum Record {
    /// About to be installed.
    Install {
        /// Which.
        id: FaultId,
        /// What.
        fault: Fault,
        /// The nodes it is aimed at, by position; written by name.
        #[serde(with = "crate::fault::positions::many")]
        targets: Vec<usize>,
        /// The directed links that it cuts or makes worse, by the names of their ends.
        links: Vec<(String, String)>,
    },
    /// It was installed, or not quite.
    Installed {
        /// Which.
        id: FaultId,
        /// How it went.
        outcome: Outcome,
        /// What changed.
        took_effect: Json,
    },
    /// About to be healed.
    Heal {
        /// Which.
        id: FaultId,
    },
    /// It was healed, or not quite.
    Healed {
        /// Which.
        id: FaultId,
        /// How it went.
        outcome: Outcome,
        /// What changed.
        took_effect: Json,
    },
}

/// The ledger cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its file cannot be made, written or read.
    #[error("cannot {action} the ledger {path}")]
    File {
        /// `create`, `write` or `read`.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

/// What is installed right now.
#[derive(Debug)]
pub struct Ledger {
    open: BTreeMap<FaultId, Installed>,
    known: BTreeSet<FaultId>,
    file: Option<(PathBuf, File)>,
    names: BTreeMap<HostId, String>,
}

/// One fault that is installed, or was tried.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    pub fault: Fault,
    pub targets: Vec<usize>,
    pub links: Vec<(HostId, HostId)>,
    /// What its links had done before.
    pub before: LinkStats,
    /// The nodes on which it is in force: its turn there has come, and that of its heal has not.
    pub on: BTreeSet<usize>,
    /// The nodes where it harmed a process or a machine.
    pub bit: BTreeSet<usize>,
    /// The nodes on which processes ran under it.
    pub ran: BTreeSet<usize>,
    /// How often it hit operations of the disks on which it is in force no more.
    pub hits: BTreeMap<usize, u64>,
    /// What the processes of its nodes had used before it was installed.
    pub readings: BTreeMap<usize, ResourceReading>,
    /// Backups that it took and has not restored yet.
    pub backups: BTreeMap<usize, Backup>,
    /// Whether its heal was begun: from then on it wants nothing of links, and nothing new of nodes.
    pub healing: bool,
}

impl Installed {
    pub fn new(fault: &Fault, targets: Vec<usize>, links: Vec<(HostId, HostId)>, before: LinkStats) -> Installed {
        Installed {
            fault: fault.clone(),
            targets,
            links,
            before,
            on: BTreeSet::new(),
            bit: BTreeSet::new(),
            ran: BTreeSet::new(),
            hits: BTreeMap::new(),
            readings: BTreeMap::new(),
            backups: BTreeMap::new(),
            healing: false,
        }
    }
}

impl Ledger {
    pub(super) fn new(path: Option<&Path>, names: BTreeMap<HostId, String>) -> Result<Ledger, LedgerError> {
        let create = |path: &Path| match OpenOptions::new().create(true).write(true).truncate(true).open(path) {
            Ok(file) => Ok((path.to_owned(), file)),
            Err(source) => Err(LedgerError::File { action: "create", path: path.to_owned(), source }),
        };
        Ok(Ledger { open: BTreeMap::new(), known: BTreeSet::new(), file: path.map(create).transpose()?, names })
    }

    /// Reads the records that a controller left. A last line that was cut off is left out.
    pub fn read(path: &Path) -> Result<Vec<Record>, LedgerError> {
        let text = std::fs::read(path).map_err(|source| LedgerError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Ok(text.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// The faults that were installed and not healed when these records end, the first first.
    pub fn still_installed(records: &[Record]) -> Vec<(FaultId, &Fault)> {
        let mut open = BTreeMap::new();
        for record in records {
            match record {
                Record::Install { id, fault, .. } => drop(open.insert(*id, fault)),
                Record::Healed { id, outcome: Outcome::Healed, .. } => drop(open.remove(id)),
                Record::Healed { .. } | Record::Installed { .. } | Record::Heal { .. } => {}
            }
        }
        open.into_iter().collect()
    }

    /// Notes what is about to be installed. When this fails, it must not be.
    pub(super) fn install(&mut self, id: FaultId, installed: Installed) -> Result<(), LedgerError> {
        let Installed { fault, targets, links, .. } = installed.clone();
        let links = links.iter().map(|(from, to)| (self.name(from), self.name(to))).collect();
        self.write(&Record::Install { id, fault, targets, links })?;
        self.known.insert(id);
        self.open.insert(id, installed);
        Ok(())
    }

    fn name(&self, host: &HostId) -> String {
        self.names.get(host).cloned().unwrap_or_else(|| "?".to_owned())
    }

    pub(super) fn installed(&mut self, id: FaultId, effect: &Effect) {
        let Effect { outcome, took_effect, .. } = effect.clone();
        self.write_if_possible(&Record::Installed { id, outcome, took_effect });
    }

    pub(super) fn heal(&mut self, id: FaultId) {
        if let Some(installed) = self.open.get_mut(&id) {
            installed.healing = true;
        }
        self.write_if_possible(&Record::Heal { id });
    }

    /// Closes the entry, unless the heal has to be tried again.
    pub(super) fn healed(&mut self, id: FaultId, effect: &Effect) {
        let Effect { outcome, took_effect, .. } = effect.clone();
        if outcome == Outcome::Healed {
            self.open.remove(&id);
        }
        self.write_if_possible(&Record::Healed { id, outcome, took_effect });
    }

    /// The turn of a fault has come on a node: it is in force there.
    pub(super) fn reach(&mut self, id: FaultId, node: usize) {
        self.note(id, |installed| installed.on.insert(node));
    }

    /// The turn of its heal has come: it wants nothing of this node any more, even if the heal has to be tried again.
    pub(super) fn release(&mut self, id: FaultId, node: usize) {
        self.note(id, |installed| installed.on.remove(&node));
    }

    /// Notes that a fault harmed something on a node.
    pub(super) fn bit(&mut self, id: FaultId, node: usize) {
        self.note(id, |installed| installed.bit.insert(node));
    }

    /// Whether it did, anywhere.
    pub(super) fn has_bitten(&self, id: FaultId) -> bool {
        self.get(id).is_some_and(|installed| !installed.bit.is_empty())
    }

    /// Notes that processes run on a node under a fault.
    pub(super) fn ran(&mut self, id: FaultId, node: usize) {
        self.note(id, |installed| installed.ran.insert(node));
    }

    /// Notes that processes run on a node, under all faults that are in force there.
    pub(super) fn runs(&mut self, node: usize) {
        self.open.values_mut().filter(|installed| installed.on.contains(&node)).for_each(|installed| {
            installed.ran.insert(node);
        });
    }

    /// Notes how often a fault hit operations of a disk.
    pub(super) fn hit(&mut self, id: FaultId, node: usize, hits: u64) {
        self.note(id, |installed| installed.hits.insert(node, hits));
    }

    fn note<T>(&mut self, id: FaultId, what: impl FnOnce(&mut Installed) -> T) {
        self.open.get_mut(&id).map(what);
    }

    /// Notes the reading of a node before a fault is carried out.
    pub(super) fn first_reading(&mut self, id: FaultId, node: usize, reading: ResourceReading) {
        self.note(id, |installed| installed.readings.insert(node, reading));
    }

    /// Keeps a backup until it is used.
    pub(super) fn keep(&mut self, id: FaultId, node: usize, backup: Backup) {
        self.note(id, |installed| installed.backups.insert(node, backup));
    }

    pub(super) fn backup(&self, id: FaultId, node: usize) -> Option<&Backup> {
        self.open.get(&id)?.backups.get(&node)
    }

    /// A backup has been restored.
    pub(super) fn used(&mut self, id: FaultId, node: usize) {
        self.note(id, |installed| installed.backups.remove(&node));
    }

    /// Whether this id was ever installed.
    pub(super) fn knows(&self, id: FaultId) -> bool {
        self.known.contains(&id)
    }

    pub(super) fn fresh_id(&self) -> FaultId {
        FaultId(self.known.last().map_or(0, |last| last.0 + 1))
    }

    pub(super) fn get(&self, id: FaultId) -> Option<&Installed> {
        self.open.get(&id)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (FaultId, &Installed)> {
        self.open.iter().map(|(id, installed)| (*id, installed))
    }

    /// What a link must be now.
    pub(super) fn link(&self, link: &(HostId, HostId)) -> Link {
        let wanting = self.open.values().filter(|installed| !installed.healing);
        let on_link = wanting.filter(|installed| installed.links.binary_search(link).is_ok());
        on_link.fold(Link::default(), |so_far, installed| so_far.and(installed.fault.link()))
    }

    /// What a node must be now.
    pub(super) fn condition(&self, node: usize) -> Condition {
        self.on_node(node).filter_map(|(_, fault)| condition_of(fault)).max().unwrap_or(Condition::Running)
    }

    /// The faults that are in force on a node, the first first.
    pub(super) fn on_node(&self, node: usize) -> impl Iterator<Item = (FaultId, &Fault)> {
        let on_node = self.open.iter().filter(move |(_, installed)| installed.on.contains(&node));
        on_node.map(|(id, installed)| (*id, &installed.fault))
    }

    /// Whether a fault is in force on a node.
    pub(super) fn is_on(&self, id: FaultId, node: usize) -> bool {
        self.get(id).is_some_and(|installed| installed.on.contains(&node))
    }

    /// A fault that held a node down is about to be gone: those that hold it down from now on bite.
    pub(super) fn hand_over(&mut self, id: FaultId, node: usize) {
        let Some(gone) = self.open.get(&id) else { return };
        if !gone.bit.contains(&node) && !is_of_data(&gone.fault) {
            return;
        }
        let (was, rest) = (condition_of(&gone.fault), self.condition(node));
        if rest == Condition::Running || was < Some(rest) {
            return;
        }
        for heir in self.open.values_mut().filter(|installed| installed.on.contains(&node)) {
            // Of faults of data it is the data that tells.
            if !is_of_data(&heir.fault) && condition_of(&heir.fault) == Some(rest) {
                heir.bit.insert(node);
            }
        }
    }

    fn write(&mut self, record: &Record) -> Result<(), LedgerError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let line = serde_json::to_string(record).map(|line| line + "\n").map_err(std::io::Error::from);
        line.and_then(|line| file.write_all(line.as_bytes()).and_then(|()| file.flush()))
            .map_err(|source| LedgerError::File { action: "write", path: path.clone(), source })
    }

    /// What is installed must be healed even when the disk is full.
    fn write_if_possible(&mut self, record: &Record) {
        if let Err(error) = self.write(record) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the ledger misses a record");
        }
    }
}

/// Whether a fault does something to data while it holds a node down.
fn is_of_data(fault: &Fault) -> bool {
    matches!(fault, Fault::Wipe { .. } | Fault::FileDamage { .. })
}
