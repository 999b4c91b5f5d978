//! The power cut: what was durable stays, what was not is kept or lost as the mode says, by the seed.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use super::inode::{Ino, ROOT, Write};
use super::journal::{Edit, What};
use super::{Inode, Kind, Model};
use crate::disk::spec::{CutMode, Lost, Persistence, PowerCut};
use crate::seed::{ChaCha8Rng, Seed, below};

/// What a disk writes at once or not at all.
const SECTOR: u64 = 512;

/// What is kept of the writes and edits that nothing made durable.
enum Plan {
    /// All of them up to this order number, and `sectors` of the write that has the next one.
    Until { order: u64, torn: Option<u64> },
    /// Each sector and, where the model lets them be reordered, each edit by its own draw.
    Each { rng: Box<ChaCha8Rng>, probability: f64, edits: usize },
}

impl Model {
    /// Cuts the power. Nothing that was made durable is lost. Afterwards no program knows of anything on the disk.
    pub fn power_cut(&mut self, cut: &PowerCut) -> Lost {
        let mut lost = Lost::default();
        let mut plan = self.plan(cut);
        self.cut_journal(&mut plan, &mut lost);
        for inode in self.inodes.values_mut() {
            let (bytes, kept) = inode.cut(&mut plan);
            lost.bytes += bytes;
            lost.kept_bytes += kept;
            lost.files += u64::from(bytes > 0);
        }
        self.unsynced.clear();
        self.unsynced_bytes = 0;
        self.come_back();
        lost
    }

    fn plan(&self, cut: &PowerCut) -> Plan {
        let mut rng = Seed(cut.seed).stream("power cut");
        match cut.mode {
            CutMode::Drop => Plan::Until { order: 0, torn: None },
            CutMode::Prefix => {
                let orders = self.unsynced_orders();
                let kept = below(&mut rng, orders.len() as u64 + 1) as usize;
                Plan::Until { order: if kept == 0 { 0 } else { orders[kept - 1] }, torn: None }
            }
            CutMode::Torn => self.torn(&mut rng),
            CutMode::Subset { probability } => {
                let edits = below(&mut rng, self.journal.len() as u64 + 1) as usize;
                Plan::Each { rng: Box::new(rng), probability, edits }
            }
        }
    }

    /// Everything is kept until the last write, of which only the first sectors arrive.
    fn torn(&self, rng: &mut ChaCha8Rng) -> Plan {
        let last = self.unsynced.iter().filter_map(|ino| self.inodes[ino].log.last());
        match last.max_by_key(|write| write.order) {
            Some(write) => {
                let sectors = sectors(write).count() as u64;
                Plan::Until { order: write.order - 1, torn: Some(below(rng, sectors)) }
            }
            None => Plan::Until { order: u64::MAX, torn: None },
        }
    }

    /// Order numbers of all that is not durable, in order.
    fn unsynced_orders(&self) -> Vec<u64> {
        let edits = self.journal.iter().map(|edit| edit.order);
        let writes = self.unsynced.iter().flat_map(|ino| self.inodes[ino].log.iter().map(|write| write.order));
        // A write of which something was cut away may stand there in two pieces.
        edits.chain(writes).collect::<BTreeSet<u64>>().into_iter().collect()
    }

    fn cut_journal(&mut self, plan: &mut Plan, lost: &mut Lost) {
        let strict = self.persistence == Persistence::Strict;
        let directories: BTreeSet<Ino> =
            self.inodes.iter().filter(|(_, inode)| inode.is_directory()).map(|(ino, _)| *ino).collect();
        let (mut position, mut moves) = (0, true);
        self.commit_some(|edit| {
            position += 1;
            match plan {
                Plan::Until { order, .. } => edit.order <= *order,
                Plan::Each { edits, .. } if !strict => position <= *edits,
                Plan::Each { rng, probability, .. } => {
                    let kept = chance(rng, *probability);
                    if !moves_directory(edit, &directories) {
                        return kept;
                    }
                    // Moves of directories are kept in order, or a directory could end up inside itself.
                    moves &= kept;
                    moves
                }
            }
        });
        for edit in std::mem::take(&mut self.journal) {
            lost.names += u64::from(matches!(edit.what, What::Names(_)));
            self.settle(&edit);
        }
    }

    /// The machine starts: the live state is the durable one, and what nothing leads to is gone.
    fn come_back(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.come_back();
        }
        self.count_links();
        self.inodes.retain(|_, inode| inode.links > 0);
        self.used = self.inodes.values().map(|inode| inode.live.block_count()).sum();
    }

    /// Finds again what leads where, from the names.
    pub(super) fn count_links(&mut self) {
        let mut found: BTreeMap<Ino, (u32, (Ino, std::ffi::OsString))> = BTreeMap::new();
        let mut open = vec![ROOT];
        while let Some(directory) = open.pop() {
            let entries = self.inodes[&directory].entries.clone();
            let mut subdirectories = 0;
            for (name, ino) in entries {
                let place = found.entry(ino).or_insert_with(|| (0, (directory, name)));
                place.0 += 1;
                if self.inodes.get(&ino).is_some_and(Inode::is_directory) {
                    subdirectories += 1;
                    open.push(ino);
                }
            }
            if let Some(inode) = self.inodes.get_mut(&directory) {
                inode.subdirectories = subdirectories;
            }
        }
        for (ino, inode) in self.inodes.iter_mut().filter(|(ino, _)| **ino != ROOT) {
            let (links, place) = found.remove(ino).unwrap_or_default();
            (inode.links, inode.durable_links, inode.place) = (links, links, place);
        }
    }
}

impl Inode {
    /// Applies what the plan keeps of the log. Returns how many bytes were lost and kept.
    fn cut(&mut self, plan: &mut Plan) -> (u64, u64) {
        let (mut lost, mut kept) = (std::mem::take(&mut self.forgotten), 0);
        for write in std::mem::take(&mut self.log) {
            for (at, (offset, range)) in sectors(&write).enumerate() {
                let data = &write.data[range];
                if plan.keeps(&write, at as u64) {
                    self.durable.write(offset, data);
                    kept += data.len() as u64;
                } else {
                    lost += data.len() as u64;
                }
            }
        }
        (lost, kept)
    }

    fn come_back(&mut self) {
        self.live = self.durable.clone();
        self.attributes = self.durable_attributes.clone();
        self.entries = self.durable_entries.clone();
        self.dirty.clear();
        self.reserved.clear();
        (self.lookups, self.opens) = (0, 0);
        if self.kind != Kind::Directory {
            self.entries.clear();
        }
    }
}

impl Plan {
    fn keeps(&mut self, write: &Write, sector: u64) -> bool {
        match self {
            Plan::Until { order, .. } if write.order <= *order => true,
            Plan::Until { order, torn: Some(sectors) } => write.order == *order + 1 && sector < *sectors,
            Plan::Until { torn: None, .. } => false,
            Plan::Each { rng, probability, .. } => chance(rng, *probability),
        }
    }
}

/// The sectors of a write: offset in the file, range of its data.
fn sectors(write: &Write) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let (offset, end) = (write.offset, write.offset + write.data.len() as u64);
    (offset / SECTOR..end.div_ceil(SECTOR)).map(move |sector| {
        let (from, to) = (offset.max(sector * SECTOR), end.min((sector + 1) * SECTOR));
        (from, (from - offset) as usize..(to - offset) as usize)
    })
}

fn moves_directory(edit: &Edit, directories: &BTreeSet<Ino>) -> bool {
    let What::Names(names) = &edit.what else { return false };
    names.iter().any(|name| name.to.is_some_and(|ino| directories.contains(&ino)))
}

fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    // 53 bits, as many as a float of this size holds.
    ((rng.next_u64() >> 11) as f64) < probability * (1u64 << 53) as f64
}
