//! The model of a disk against a naive one that copies everything at every step, on random operations and power cuts.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use nemesis::disk::model::{Change, Ino, Kind, Model, NewInode, ROOT, RenameFlags};
use nemesis::disk::{CutMode, Lost, Persistence, PowerCut, WriteBack};
use proptest::prelude::*;

/// Four names in each of two directories, the root and `d`.
const NAMES: [&str; 4] = ["a", "b", "c", "e"];

/// One step of a program. Files are chosen by name, and what is not there is skipped.
#[derive(Clone, Debug)]
enum Step {
    Create(Name),
    Write(Name, u64, u16),
    Truncate(Name, u64),
    Punch(Name, u64, u64),
    Rename(Name, Name),
    Exchange(Name, Name),
    Link(Name, Name),
    Unlink(Name),
    Fsync(Name),
    FsyncDirectory(bool),
}

/// Whether in `d`, and which.
type Name = (bool, usize);

fn name() -> impl Strategy<Value = Name> {
    (any::<bool>(), 0..NAMES.len())
}

fn step() -> impl Strategy<Value = Step> {
    let offset = 0..20_000u64;
    prop_oneof![
        4 => name().prop_map(Step::Create),
        6 => (name(), offset.clone(), 1..6000u16).prop_map(|(n, o, l)| Step::Write(n, o, l)),
        2 => (name(), offset.clone()).prop_map(|(n, s)| Step::Truncate(n, s)),
        1 => (name(), offset, 1..9000u64).prop_map(|(n, o, l)| Step::Punch(n, o, l)),
        2 => (name(), name()).prop_map(|(n, m)| Step::Rename(n, m)),
        1 => (name(), name()).prop_map(|(n, m)| Step::Exchange(n, m)),
        1 => (name(), name()).prop_map(|(n, m)| Step::Link(n, m)),
        1 => name().prop_map(Step::Unlink),
        2 => name().prop_map(Step::Fsync),
        1 => any::<bool>().prop_map(Step::FsyncDirectory),
    ]
}

/// Steps that take nothing away.
fn growing_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        name().prop_map(Step::Create),
        (name(), 0..20_000u64, 1..6000u16).prop_map(|(n, o, l)| Step::Write(n, o, l)),
        (name(), 0..20_000u64).prop_map(|(n, s)| Step::Truncate(n, s)),
        (name(), name()).prop_map(|(n, m)| Step::Exchange(n, m)),
    ]
}

type Names = BTreeMap<(bool, String), Ino>;
/// Path → contents.
type Files = BTreeMap<(bool, String), Vec<u8>>;

/// What a commit makes durable, in order.
#[derive(Clone)]
enum Pending {
    Names(Names),
    Contents(Ino, Vec<u8>),
    Truncate(Ino, usize),
    Punch(Ino, usize, usize, usize),
}

/// Everything as plain maps of plain bytes; every fsync copies.
#[derive(Clone, Default)]
struct Naive {
    strict: bool,
    names: Names,
    durable_names: Names,
    contents: BTreeMap<Ino, Vec<u8>>,
    durable: BTreeMap<Ino, Vec<u8>>,
    pending: Vec<Pending>,
}

impl Naive {
    fn commit(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Names(names) => self.durable_names = names,
                Pending::Contents(ino, data) => drop(self.durable.insert(ino, data)),
                Pending::Truncate(ino, size) => self.durable.entry(ino).or_default().resize(size, 0),
                Pending::Punch(ino, from, to, size) => {
                    let data = self.durable.entry(ino).or_default();
                    data.resize(data.len().max(size), 0);
                    zero(data, from, to);
                }
            }
        }
    }

    fn names_changed(&mut self) {
        self.pending.push(Pending::Names(self.names.clone()));
    }

    fn fsync(&mut self, ino: Ino) {
        self.commit();
        self.durable.insert(ino, self.contents[&ino].clone());
    }

    fn durable_files(&self) -> Files {
        let contents = |ino: &Ino| self.durable.get(ino).cloned().unwrap_or_default();
        self.durable_names.iter().map(|(name, ino)| (name.clone(), contents(ino))).collect()
    }

    fn live_files(&self) -> Files {
        self.names.iter().map(|(name, ino)| (name.clone(), self.contents[ino].clone())).collect()
    }
}

fn zero(data: &mut [u8], from: usize, to: usize) {
    let end = data.len();
    data[from.min(end)..to.min(end)].fill(0);
}

/// Both, side by side.
struct Pair {
    model: Model,
    naive: Naive,
    directory: Ino,
    /// Of each file: from where to where what was ever written.
    written: BTreeMap<Ino, Vec<(usize, usize, u8)>>,
    tag: u8,
}

impl Pair {
    fn new(persistence: Persistence) -> Pair {
        let never = WriteBack { commit_ms: None, expire_ms: None, max_bytes: u64::MAX };
        let mut model = Model::new(persistence, never, None, 0, 0);
        let directory = model.create(ROOT, OsStr::new("d"), new(Kind::Directory), 0).unwrap();
        model.sync();
        let naive = Naive { strict: persistence == Persistence::Strict, ..Naive::default() };
        Pair { model, naive, directory, written: BTreeMap::new(), tag: 0 }
    }

    fn at(&self, name: Name) -> (Ino, &'static OsStr) {
        (if name.0 { self.directory } else { ROOT }, OsStr::new(NAMES[name.1]))
    }

    fn ino(&self, name: Name) -> Option<Ino> {
        self.naive.names.get(&key(name)).copied()
    }

    fn step(&mut self, step: &Step) {
        let (model, naive) = (&mut self.model, &mut self.naive);
        let directory = self.directory;
        let at = |n: Name| (if n.0 { directory } else { ROOT }, OsStr::new(NAMES[n.1]));
        let ino = |naive: &Naive, name: Name| naive.names.get(&key(name)).copied();
        match *step {
            Step::Create(name) => {
                let made = model.create(at(name).0, at(name).1, new(Kind::File), 0);
                assert_eq!(made.is_ok(), ino(naive, name).is_none());
                if let Ok(made) = made {
                    naive.names.insert(key(name), made);
                    naive.contents.insert(made, Vec::new());
                    naive.names_changed();
                }
            }
            Step::Write(name, offset, len) => {
                let Some(ino) = ino(naive, name) else { return };
                self.tag = self.tag % 250 + 1;
                model.write(ino, offset, &vec![self.tag; usize::from(len)], 0).unwrap();
                let (from, to) = (offset as usize, offset as usize + usize::from(len));
                let data = naive.contents.get_mut(&ino).unwrap();
                data.resize(data.len().max(to), 0);
                data[from..to].fill(self.tag);
                self.written.entry(ino).or_default().push((from, to, self.tag));
            }
            Step::Truncate(name, size) => {
                let Some(ino) = ino(naive, name) else { return };
                model.truncate(ino, size, 0).unwrap();
                let data = naive.contents.get_mut(&ino).unwrap();
                data.resize(size as usize, 0);
                naive.pending.push(Pending::Truncate(ino, size as usize));
            }
            Step::Punch(name, offset, len) => {
                let Some(ino) = ino(naive, name) else { return };
                model.punch(ino, offset, len, 0).unwrap();
                let (from, to) = (offset as usize, (offset + len) as usize);
                zero(naive.contents.get_mut(&ino).unwrap(), from, to);
                let end = naive.contents[&ino].len();
                let size = if naive.strict || from >= end { 0 } else { to.min(end) };
                naive.pending.push(Pending::Punch(ino, from, to, size));
            }
            Step::Rename(from, to) => self.rename(from, to),
            Step::Exchange(from, to) => {
                let flags = RenameFlags { exchange: true, ..RenameFlags::default() };
                let done = model.rename(at(from), at(to), flags, 0).is_ok();
                let (one, other) = (ino(naive, from), ino(naive, to));
                assert_eq!(done, one.is_some() && other.is_some());
                if let (Some(one), Some(other)) = (one, other) {
                    naive.names.extend([(key(from), other), (key(to), one)]);
                    naive.names_changed();
                }
            }
            Step::Link(from, to) => {
                let Some(ino) = ino(naive, from) else { return };
                if model.link(ino, at(to).0, at(to).1, 0).is_ok() {
                    assert_eq!(naive.names.insert(key(to), ino), None);
                    naive.names_changed();
                }
            }
            Step::Unlink(name) => {
                let done = model.unlink(at(name).0, at(name).1, 0).is_ok();
                assert_eq!(done, naive.names.remove(&key(name)).is_some());
                if done {
                    naive.names_changed();
                }
            }
            Step::Fsync(name) => {
                let Some(ino) = ino(naive, name) else { return };
                // What has not changed would not be committed.
                model.set_attributes(ino, &Change::default(), 0).unwrap();
                model.fsync(ino, false).unwrap();
                naive.fsync(ino);
            }
            Step::FsyncDirectory(in_d) => {
                model.set_attributes(at((in_d, 0)).0, &Change::default(), 0).unwrap();
                model.fsync(at((in_d, 0)).0, false).unwrap();
                naive.commit();
            }
        }
        self.compare_live();
    }

    fn rename(&mut self, from: Name, to: Name) {
        let (at, new_at) = (self.at(from), self.at(to));
        // Data goes along with a name if some of it has no place on the disk yet: a new block, for instance.
        if let Some(ino) = self.ino(from).filter(|ino| self.ino(to).is_some_and(|there| there != *ino)) {
            let data = self.naive.contents.get_mut(&ino).unwrap();
            let end = (data.len() / 4096 + 1) * 4096;
            data.resize(end, 0);
            data.push(251);
            self.model.write(ino, end as u64, &[251], 0).unwrap();
            self.written.entry(ino).or_default().push((end, end + 1, 251));
        }
        let done = self.model.rename(at, new_at, RenameFlags::default(), 0).is_ok();
        let (ino, there) = (self.ino(from), self.ino(to));
        assert_eq!(done, ino.is_some());
        let Some(ino) = ino.filter(|ino| Some(*ino) != there) else { return };
        let naive = &mut self.naive;
        if there.is_some() && !naive.strict {
            // What was written is there before the name is.
            naive.pending.push(Pending::Contents(ino, naive.contents[&ino].clone()));
        }
        naive.names.remove(&key(from));
        naive.names.insert(key(to), ino);
        naive.names_changed();
    }

    fn compare_live(&self) {
        assert_eq!(self.files(), self.naive.live_files());
        let blocks: std::collections::BTreeMap<Ino, u64> =
            self.naive.names.values().map(|ino| (*ino, self.model.inode(*ino).unwrap().block_count())).collect();
        assert_eq!(self.model.usage().0, blocks.values().sum::<u64>() * 4096);
    }

    fn files(&self) -> Files {
        let mut files = Files::new();
        for (directory, in_d) in [(ROOT, false), (self.directory, true)] {
            for (name, ino) in self.model.entries(directory).unwrap() {
                if name != *"d" {
                    let size = self.model.inode(ino).unwrap().size();
                    let data = self.model.read(ino, 0, size as usize + 100).unwrap();
                    files.insert((in_d, name.into_string().unwrap()), data);
                }
            }
        }
        files
    }

    fn cut(&mut self, mode: CutMode, seed: u64) -> Lost {
        self.model.power_cut(&PowerCut { mode, seed })
    }
}

fn key(name: Name) -> (bool, String) {
    (name.0, NAMES[name.1].to_owned())
}

fn new(kind: Kind) -> NewInode {
    NewInode { kind, mode: 0o755, uid: 0, gid: 0 }
}

fn run(persistence: Persistence, steps: &[Step]) -> Pair {
    let mut pair = Pair::new(persistence);
    steps.iter().for_each(|step| pair.step(step));
    pair
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_drop_leaves_what_was_made_durable_and_nothing_else(steps in steps()) {
        let mut pair = run(Persistence::Ext4, &steps);
        pair.cut(CutMode::Drop, 0);
        prop_assert_eq!(pair.files(), pair.naive.durable_files());
        prop_assert_eq!(pair.cut(CutMode::Torn, 1), Lost::default());
    }

    #[test]
    fn life_goes_on_after_a_power_cut(before in steps(), after in steps()) {
        let mut pair = run(Persistence::Ext4, &before);
        pair.cut(CutMode::Drop, 0);
        let naive = &mut pair.naive;
        (naive.names, naive.contents) = (naive.durable_names.clone(), naive.durable.clone());
        for ino in naive.names.values() {
            naive.contents.entry(*ino).or_default();
        }
        naive.durable = naive.contents.clone();
        naive.pending.clear();
        after.iter().for_each(|step| pair.step(step));
        pair.cut(CutMode::Drop, 0);
        prop_assert_eq!(pair.files(), pair.naive.durable_files());
    }

    #[test]
    fn a_checkpoint_and_a_torn_cut_of_nothing_lose_nothing(steps in steps(), strict in any::<bool>()) {
        let mut pair = run(if strict { Persistence::Strict } else { Persistence::Ext4 }, &steps);
        pair.model.sync();
        prop_assert_eq!(pair.model.unsynced_bytes(), 0);
        let lost = pair.cut(CutMode::Drop, 0);
        prop_assert_eq!((lost, pair.files()), (Lost::default(), pair.naive.live_files()));
    }

    #[test]
    fn a_prefix_is_a_state_that_once_was(steps in prop::collection::vec(growing_step(), 0..40), seed in any::<u64>()) {
        let mut pair = Pair::new(Persistence::Ext4);
        let mut states = vec![pair.naive.live_files()];
        for step in &steps {
            pair.step(step);
            states.push(pair.naive.live_files());
        }
        pair.cut(CutMode::Prefix, seed);
        prop_assert!(states.contains(&pair.files()));
    }

    #[test]
    fn whatever_is_left_was_written_there(steps in steps(), seed in any::<u64>(), strict in any::<bool>(), torn in any::<bool>()) {
        let mut pair = run(if strict { Persistence::Strict } else { Persistence::Ext4 }, &steps);
        pair.cut(if torn { CutMode::Torn } else { CutMode::Subset { probability: 0.5 } }, seed);
        for (directory, _) in [(ROOT, false), (pair.directory, true)] {
            for (_, ino) in pair.model.entries(directory).unwrap().into_iter().filter(|(name, _)| *name != *"d") {
                let data = pair.model.read(ino, 0, 1 << 20).unwrap();
                let writes = pair.written.get(&ino).map_or(&[][..], Vec::as_slice);
                for (at, byte) in data.iter().enumerate().filter(|(_, byte)| **byte != 0) {
                    let wrote = |(from, to, tag): &(usize, usize, u8)| tag == byte && (*from..*to).contains(&at);
                    prop_assert!(writes.iter().any(wrote), "{byte} at {at}");
                }
            }
        }
    }

    #[test]
    fn what_was_fsynced_survives_every_cut(steps in steps(), chosen in name(), seed in any::<u64>(), mode in 0..4usize) {
        let mut pair = run(Persistence::Ext4, &steps);
        let Some(ino) = pair.ino(chosen) else { return Ok(()) };
        pair.model.fsync(ino, false).unwrap();
        pair.model.fsync(pair.at(chosen).0, false).unwrap();
        let modes = [CutMode::Drop, CutMode::Prefix, CutMode::Torn, CutMode::Subset { probability: 0.3 }];
        pair.cut(modes[mode], seed);
        prop_assert_eq!(pair.files().remove(&key(chosen)), Some(pair.naive.contents[&ino].clone()));
    }

    #[test]
    fn equal_seeds_lose_the_same(steps in steps(), seed in any::<u64>()) {
        let mode = CutMode::Subset { probability: 0.5 };
        let (mut one, mut other) = (run(Persistence::Strict, &steps), run(Persistence::Strict, &steps));
        prop_assert_eq!(one.cut(mode, seed), other.cut(mode, seed));
        prop_assert_eq!(one.files(), other.files());
    }

    #[test]
    fn a_restored_snapshot_is_what_was(before in steps(), after in steps()) {
        let mut pair = run(Persistence::Ext4, &before);
        let (snapshot, files) = (pair.model.snapshot(), pair.files());
        after.iter().for_each(|step| pair.step(step));
        pair.model.restore(&snapshot);
        pair.directory = pair.model.lookup(ROOT, OsStr::new("d")).unwrap();
        prop_assert_eq!(pair.files(), files.clone());
        pair.cut(CutMode::Drop, 0);
        prop_assert_eq!(pair.files(), files);
        pair.model.wipe();
        prop_assert_eq!((pair.model.inode_count(), pair.model.usage().0, pair.model.unsynced_bytes()), (1, 0, 0));
    }
}

/// A file of this name with these contents, nothing fsynced.
fn file(model: &mut Model, name: &str, text: &str) -> Ino {
    let ino = model.create(ROOT, OsStr::new(name), new(Kind::File), 0).unwrap();
    model.write(ino, 0, text.as_bytes(), 0).unwrap();
    ino
}

fn model(persistence: Persistence) -> Model {
    Model::new(persistence, WriteBack::default(), None, 0, 0)
}

fn names(model: &Model) -> Vec<String> {
    model.entries(ROOT).unwrap().into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
}

#[test]
fn strict_names_need_an_fsync_of_their_directory() {
    let mut model = model(Persistence::Strict);
    let (one, _other) = (file(&mut model, "one", "1"), file(&mut model, "other", "2"));
    model.fsync(one, false).unwrap();
    let mut copy = model.clone();
    copy.power_cut(&PowerCut::DROP);
    assert!(names(&copy).is_empty());
    model.fsync(ROOT, false).unwrap();
    model.power_cut(&PowerCut::DROP);
    assert_eq!(names(&model), ["one", "other"]);
    let sizes = ["one", "other"].map(|name| model.inode(model.lookup(ROOT, OsStr::new(name)).unwrap()).unwrap().size());
    assert_eq!(sizes, [1, 0]);
}

#[test]
fn strict_renames_between_directories_are_durable_as_a_whole() {
    let mut model = model(Persistence::Strict);
    let [from, to] = ["from", "to"].map(|name| model.create(ROOT, OsStr::new(name), new(Kind::Directory), 0).unwrap());
    let ino = model.create(from, OsStr::new("f"), new(Kind::File), 0).unwrap();
    model.sync();
    model.rename((from, OsStr::new("f")), (to, OsStr::new("g")), RenameFlags::default(), 0).unwrap();
    let mut lost = model.clone();
    lost.power_cut(&PowerCut::DROP);
    assert_eq!((lost.lookup(from, OsStr::new("f")), lost.entries(to).unwrap().len()), (Ok(ino), 0));
    model.fsync(from, false).unwrap();
    model.power_cut(&PowerCut::DROP);
    assert_eq!((model.entries(from).unwrap().len(), model.lookup(to, OsStr::new("g"))), (0, Ok(ino)));
}

#[test]
fn on_ext4_a_rename_over_a_file_takes_its_data_along() {
    for (existing, expected) in [(true, 3), (false, 0)] {
        let mut model = model(Persistence::Ext4);
        if existing {
            file(&mut model, "f", "old");
        }
        let other = file(&mut model, "other", "x");
        model.sync();
        file(&mut model, "t", "new");
        model.rename((ROOT, OsStr::new("t")), (ROOT, OsStr::new("f")), RenameFlags::default(), 0).unwrap();
        model.write(other, 0, b"y", 0).unwrap();
        model.fsync(other, false).unwrap();
        model.power_cut(&PowerCut::DROP);
        let ino = model.lookup(ROOT, OsStr::new("f")).unwrap();
        assert_eq!(model.read(ino, 0, 10).unwrap(), &b"new"[..expected]);
    }
}

#[test]
fn an_fsync_of_what_has_not_changed_commits_nothing() {
    let mut model = model(Persistence::Ext4);
    let clean = file(&mut model, "clean", "data");
    model.sync();
    file(&mut model, "new", "");
    model.fsync(clean, false).unwrap();
    model.write(clean, 0, b"DATA", 0).unwrap();
    // In place, so fdatasync has the data to write and nothing to commit.
    model.fsync(clean, true).unwrap();
    model.power_cut(&PowerCut::DROP);
    assert_eq!((names(&model), model.read(clean, 0, 9).unwrap()), (vec!["clean".to_owned()], b"DATA".to_vec()));
}

#[test]
fn time_makes_durable_what_nobody_fsynced() {
    let mut model = model(Persistence::Ext4);
    let ino = file(&mut model, "f", "text");
    model.write_back(4_999);
    assert_eq!(model.uncommitted_edits(), 1);
    model.write_back(5_000);
    assert_eq!((model.uncommitted_edits(), model.unsynced_bytes()), (0, 4));
    model.write_back(30_000);
    assert_eq!(model.unsynced_bytes(), 0);
    model.power_cut(&PowerCut::DROP);
    assert_eq!(model.read(ino, 0, 10).unwrap(), b"text");
}

#[test]
fn the_log_is_bounded_whatever_is_written() {
    let write_back = WriteBack { max_bytes: 100_000, ..WriteBack::default() };
    let mut model = Model::new(Persistence::Ext4, write_back, None, 0, 0);
    let files = ["a", "b", "c"].map(|name| file(&mut model, name, ""));
    for round in 0..1000 {
        model.write(files[round % 3], (round as u64 % 7) * 1000, &[1; 1000], 0).unwrap();
        model.bound_log();
        assert!(model.unsynced_bytes() <= 100_000);
    }
}

#[test]
fn a_torn_write_is_cut_at_a_sector_and_never_whole() {
    let mut sizes = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut model = model(Persistence::Ext4);
        let ino = file(&mut model, "f", &"x".repeat(1300));
        let lost = model.power_cut(&PowerCut { mode: CutMode::Torn, seed });
        let size = model.inode(ino).unwrap().size();
        assert_eq!((lost.bytes, lost.kept_bytes, lost.names), (1300 - size, size, 0));
        sizes.insert(size);
    }
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [0, 512, 1024]);
}

#[test]
fn a_quota_is_kept_and_freed_blocks_can_be_used_again() {
    let mut model = Model::new(Persistence::Ext4, WriteBack::default(), Some(8192), 0, 0);
    let ino = file(&mut model, "f", "x");
    assert_eq!(model.write(ino, 4096, &[1; 4097], 0), Err(nix::errno::Errno::ENOSPC));
    assert_eq!(model.allocate(ino, 0, 8193, true, 0), Err(nix::errno::Errno::ENOSPC));
    model.allocate(ino, 4096, 4096, true, 0).unwrap();
    assert_eq!((model.inode(ino).unwrap().size(), model.usage()), (1, (8192, Some(8192))));
    model.write(ino, 4096, &[1; 4096], 0).unwrap();
    model.truncate(ino, 1, 0).unwrap();
    file(&mut model, "g", "y");
    assert_eq!(model.write(ino, 5000, b"z", 0), Err(nix::errno::Errno::ENOSPC));
}
