//! The versions of each register: its values, who wrote them, and who touched what.
//!
//! A value that only one transaction wrote is a version. Value ids are dense, so versions are found without hashing: one
//! table over all values is used for one register after the other, and an entry counts only if it points to a version of
//! that register.

use histories::{KeyId, MicroFunction, MicroOp, Payload, Scalar, ValueId};

use crate::budget::{Exhausted, Meter};
use crate::transactions::groups::Groups;
use crate::transactions::reading::{Row, Transactions};

/// No transaction, no version.
pub(super) const NONE: u32 = u32::MAX;

/// Number of a version, over all registers. Those of one register stand together, the initial one first.
pub(super) type Version = u32;

/// What is known of one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    value: ValueId,
    /// Who wrote it, if it did not fail.
    pub(super) writer: Row,
    /// Who wrote it in vain.
    failed: Row,
    /// Whether several may have written it.
    pub(super) ambiguous: bool,
    /// Whether its writer wrote to the register again later.
    pub(super) intermediate: bool,
    /// Whether it was there at the start.
    initial: bool,
}

/// One read or write of a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) key: KeyId,
    pub(super) row: Row,
    pub(super) version: Version,
    pub(super) write: bool,
}

/// What one transaction does to one register, as seen from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) key: KeyId,
    pub(super) row: Row,
    /// The version that it read before it wrote.
    pub(super) read: Version,
    /// The version that it left.
    pub(super) write: Version,
}

const WRITTEN: u8 = 1;
const FOREIGN: u8 = 2;

/// See the [module](self).
pub(super) struct Versions<'t, 'h> {
    pub(super) txns: &'t Transactions<'h>,
    /// Where the versions of each register are.
    pub(super) registers: Groups,
    pub(super) all: Vec<About>,
    /// Every known read and write, transaction by transaction.
    pub(super) accesses: Vec<Access>,
    /// For each transaction that may have happened whether something that it wrote was read.
    observed: Vec<bool>,
    uses: Vec<u8>,
}

impl<'t, 'h> Versions<'t, 'h> {
    /// The versions of all registers; `initial` is what each holds at the start.
    pub(super) fn new(
        txns: &'t Transactions<'h>,
        initial: Option<&Scalar>,
        meter: &Meter<'_>,
    ) -> Result<Self, Exhausted> {
        let mut versions = Versions {
            txns,
            registers: Groups::default(),
            all: Vec::new(),
            accesses: Vec::with_capacity(txns.len() as usize * 2),
            observed: vec![false; (txns.node_count - txns.ok_count) as usize],
            uses: vec![0; txns.history.key_count()],
        };
        versions.survey();
        meter.spend(u64::from(txns.len()))?;
        versions.number(initial);
        meter.spend(versions.accesses.len() as u64)?;
        versions.observe();
        Ok(versions)
    }

    /// Notes every access, with values in place of versions.
    fn survey(&mut self) {
        for key in &self.txns.foreign {
            self.uses[key.0 as usize] |= FOREIGN;
        }
        for row in 0..self.txns.len() {
            for step in self.txns.steps(row) {
                self.note(row, step);
            }
        }
        let uses = &self.uses;
        self.accesses.retain(|a| uses[a.key.0 as usize] & FOREIGN == 0);
    }

    #[inline]
    fn note(&mut self, row: Row, step: &MicroOp) {
        let uses = &mut self.uses[step.key.0 as usize];
        let write = step.f == MicroFunction::Write;
        match (step.f, step.value) {
            (MicroFunction::Read, _) if !self.txns.is_ok(row) => {}
            (MicroFunction::Read, Payload::Unknown) => {}
            (MicroFunction::Read | MicroFunction::Write, Payload::Value(value)) => {
                *uses |= if write { WRITTEN } else { 0 };
                self.accesses.push(Access { key: step.key, row, version: value.0, write });
            }
            _ => *uses |= FOREIGN,
        }
    }

    /// Numbers the versions, register by register.
    fn number(&mut self, initial: Option<&Scalar>) {
        let history = self.txns.history;
        let initial = initial.map_or(Some(ValueId::NULL), |scalar| history.find_value(scalar));
        let (groups, order) = self.by_key();
        let mut slots = vec![NONE; history.value_count()];
        let mut counts = vec![0; self.uses.len()];
        for (key, count) in counts.iter_mut().enumerate() {
            let start = self.all.len() as u32;
            self.all.push(About::initial(initial));
            if let Some(initial) = initial {
                slots[initial.0 as usize] = start;
            }
            for access in &order[groups.range(key)] {
                self.place(*access as usize, start, &mut slots);
            }
            *count = self.all.len() as u32 - start;
        }
        self.registers = Groups::of_sizes(counts);
    }

    /// The accesses of each register, in the order of their transactions.
    fn by_key(&self) -> (Groups, Vec<u32>) {
        let mut counts = vec![0; self.uses.len()];
        self.accesses.iter().for_each(|a| counts[a.key.0 as usize] += 1);
        let groups = Groups::of_sizes(counts);
        let mut cursors = groups.cursors();
        let mut order = vec![0; self.accesses.len()];
        for (i, access) in self.accesses.iter().enumerate() {
            let cursor = &mut cursors[access.key.0 as usize];
            order[*cursor as usize] = i as u32;
            *cursor += 1;
        }
        (groups, order)
    }

    /// Gives an access its version.
    fn place(&mut self, access: usize, start: Version, slots: &mut [u32]) {
        let Access { row, version: value, write, .. } = self.accesses[access];
        let known = slots[value as usize];
        let here = known != NONE && known >= start && self.all[known as usize].value.0 == value;
        let version = if here { known } else { self.all.len() as u32 };
        if !here {
            self.all.push(About::new(ValueId(value)));
            slots[value as usize] = version;
        }
        self.accesses[access].version = version;
        if write {
            self.all[version as usize].written_by(row, self.txns.is_failed(row));
        }
    }

    /// Finds out which transactions that may have happened did.
    fn observe(&mut self) {
        for access in self.accesses.iter().filter(|a| !a.write) {
            let About { writer, ambiguous, .. } = self.all[access.version as usize];
            if writer != NONE && !ambiguous && !self.txns.is_ok(writer) {
                self.observed[(writer - self.txns.ok_count) as usize] = true;
            }
        }
    }

    /// Whether a transaction happened: it was acknowledged, or something that it wrote was read.
    pub(super) fn happened(&self, row: Row) -> bool {
        self.txns.is_ok(row) || !self.txns.is_failed(row) && self.observed[(row - self.txns.ok_count) as usize]
    }

    /// The one transaction that wrote a version, if it is known and happened.
    #[inline]
    pub(super) fn writer(&self, version: Version) -> Option<Row> {
        let about = &self.all[version as usize];
        let certain = about.writer != NONE && !about.ambiguous;
        (certain && self.happened(about.writer)).then_some(about.writer)
    }

    /// Who wrote a version in vain, if nobody else wrote it.
    pub(super) fn failed_writer(&self, version: Version) -> Option<Row> {
        let about = &self.all[version as usize];
        (about.failed != NONE && about.writer == NONE && !about.initial).then_some(about.failed)
    }

    /// Whether a version was never written, and not there at the start.
    pub(super) fn is_garbage(&self, version: Version) -> bool {
        let about = &self.all[version as usize];
        about.writer == NONE && about.failed == NONE && !about.initial
    }

    /// Whether a version can have a place in an order: it is one, and the last that its writer left.
    pub(super) fn is_ordered(&self, version: Version) -> bool {
        version != NONE && !self.all[version as usize].ambiguous && !self.all[version as usize].intermediate
    }

    /// The register of a version.
    pub(super) fn key(&self, version: Version) -> KeyId {
        KeyId(self.registers.group_of(version as usize) as u32)
    }

    /// The initial version of a register.
    pub(super) fn initial(&self, key: KeyId) -> Version {
        self.registers.start(key.0 as usize)
    }

    /// The value of a version, in words.
    pub(super) fn value(&self, version: Version) -> String {
        match self.all[version as usize].value {
            ValueId::NULL => "nothing".to_owned(),
            ValueId(NONE) => "its initial value".to_owned(),
            value => self.txns.history.value(value).to_string(),
        }
    }

    /// Registers that something else is done to as well.
    pub(super) fn spoiled(&self) -> Vec<KeyId> {
        let both = |(_, uses): &(usize, &u8)| **uses == WRITTEN | FOREIGN;
        self.uses.iter().enumerate().filter(both).map(|(key, _)| KeyId(key as u32)).collect()
    }
}

impl About {
    fn new(value: ValueId) -> About {
        About { value, writer: NONE, failed: NONE, ambiguous: false, intermediate: false, initial: false }
    }

    fn initial(value: Option<ValueId>) -> About {
        About { initial: true, ..About::new(value.unwrap_or(ValueId(NONE))) }
    }

    fn written_by(&mut self, row: Row, failed: bool) {
        match (failed, self.writer) {
            (true, _) => self.failed = row,
            (false, NONE) => {
                self.writer = row;
                self.ambiguous = self.initial;
            }
            (false, writer) => self.ambiguous |= writer != row,
        }
    }
}
