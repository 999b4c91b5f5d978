//! What is done to the data of a node is done to a directory and to a simulated disk alike, and is exactly what it says.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nemesis::data::{DamageKind, Data, FileDamage};
use nemesis::disk::{Disk, DiskSpec};
use proptest::prelude::*;

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let unique = format!("splitbrain-data-{name}-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(unique);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Files of several sizes, one of them two directories down.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("db/wal")).expect("directories");
    let bytes = |len: usize, salt: usize| (0..len).map(|at| ((at * 31 + salt) % 251) as u8).collect::<Vec<_>>();
    for (salt, (name, len)) in
        [("db/wal/0001", 9_000), ("db/wal/0002", 1_500), ("lock", 0), ("ballot", 40)].into_iter().enumerate()
    {
        fs::write(root.join(name), bytes(len, salt)).expect("a file");
    }
}

/// Every file by its path, every directory as none.
fn contents(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    fn add(root: &Path, below: &Path, into: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
        for entry in fs::read_dir(root.join(below)).expect("a directory").flatten() {
            let path = below.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                into.insert(path.clone(), None);
                add(root, &path, into);
            } else {
                into.insert(path.clone(), Some(fs::read(root.join(&path)).expect("a file")));
            }
        }
    }
    let mut all = BTreeMap::new();
    add(root, Path::new(""), &mut all);
    all
}

/// The same files in a directory and on a disk.
fn both(scratch: &Scratch) -> (Data, Arc<Disk>, PathBuf) {
    let dir = scratch.0.join("data");
    fill(&dir);
    let disk = Arc::new(Disk::new(DiskSpec::new(&dir), "test").expect("a disk"));
    disk.import(&dir).expect("the same files");
    (Data::Disk(Arc::clone(&disk)), disk, dir)
}

fn exported(scratch: &Scratch, disk: &Disk) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let to = scratch.0.join("exported");
    let _ = fs::remove_dir_all(&to);
    disk.export_durable(&to).expect("an export");
    contents(&to)
}

fn damage(kind: DamageKind, path: Option<&str>, count: u64, seed: u64) -> FileDamage {
    FileDamage { kind, path: path.map(str::to_owned), count, seed }
}

#[test]
fn a_backup_brings_back_modes_links_and_empty_directories() {
    let scratch = Scratch::new("backup");
    let root = scratch.0.join("data");
    fill(&root);
    fs::create_dir(root.join("empty")).expect("a directory");
    symlink("db/wal/0001", root.join("newest")).expect("a link");
    fs::set_permissions(root.join("db"), fs::Permissions::from_mode(0o700)).expect("a mode");
    fs::set_permissions(root.join("ballot"), fs::Permissions::from_mode(0o440)).expect("a mode");
    let (data, before) = (Data::Directory(root.clone()), contents(&root));
    let backup = data.back_up().expect("a backup");
    fs::write(root.join("db/wal/0002"), "new").expect("changed");
    fs::write(root.join("db/wal/0003"), "newer").expect("added");
    fs::remove_file(root.join("lock")).expect("removed");
    fs::remove_dir(root.join("empty")).expect("removed");
    let harm = data.roll_back(&backup).expect("a rollback");
    assert_eq!(contents(&root), before);
    let mode = |name: &str| fs::metadata(root.join(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("db"), mode("ballot")), (0o700, 0o440));
    assert_eq!(fs::read_link(root.join("newest")).expect("a link"), Path::new("db/wal/0001"));
    assert_eq!(
        (harm.files, harm.examples.len()),
        (2, 2),
        "0002 and 0003; an empty file that is back is no loss: {harm:?}"
    );
    assert!(harm.bytes >= 1_497 + 5, "{harm:?}");
    assert_eq!(data.roll_back(&backup).expect("again").files, 0);
}

#[test]
fn wiping_leaves_the_directory_itself() {
    let scratch = Scratch::new("wipe");
    let (on_disk, disk, dir) = both(&scratch);
    let harm = Data::Directory(dir.clone()).wipe().expect("wiped");
    assert_eq!((harm.files, harm.bytes), (4, 10_540));
    assert_eq!(on_disk.wipe().expect("wiped"), harm);
    assert!(contents(&dir).is_empty() && exported(&scratch, &disk).is_empty());
    assert_eq!(on_disk.wipe().expect("wiped again").files, 0);
}

#[test]
fn a_disk_is_rolled_back_durably() {
    let scratch = Scratch::new("disk");
    let (on_disk, disk, _) = both(&scratch);
    let (before, backup) = (exported(&scratch, &disk), on_disk.back_up().expect("a backup"));
    on_disk.wipe().expect("wiped");
    let harm = on_disk.roll_back(&backup).expect("a rollback");
    assert_eq!((exported(&scratch, &disk), harm.files), (before, 3));
    let other = Data::Directory(scratch.0.clone()).roll_back(&backup).expect_err("of something else");
    assert_eq!(other.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn only_files_that_match_are_damaged_and_only_by_so_much() {
    let scratch = Scratch::new("path");
    let dir = scratch.0.join("data");
    fill(&dir);
    let (data, before) = (Data::Directory(dir.clone()), contents(&dir));
    let harm = data.damage(&damage(DamageKind::FlipBits, Some("db/wal/*2"), 1, 3)).expect("damage");
    assert_eq!((harm.files, harm.bytes), (1, 1));
    let changed: Vec<_> = contents(&dir).into_iter().filter(|(path, file)| before[path] != *file).collect();
    let [(path, Some(file))] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!(path, Path::new("db/wal/0002"));
    let old = before[path].as_ref().expect("a file");
    let bits: u32 = old.iter().zip(file).map(|(old, new)| (old ^ new).count_ones()).sum();
    assert_eq!((bits, harm.examples[0].starts_with("db/wal/0002: bit ")), (1, true));
    assert_eq!(data.damage(&damage(DamageKind::FlipBits, Some("nothing"), 9, 3)).expect("nothing").files, 0);
    // A file of forty bytes has no two chunks.
    assert_eq!(data.damage(&damage(DamageKind::CopyChunks, Some("ballot"), 9, 3)).expect("nothing").files, 0);
    let cut = data.damage(&damage(DamageKind::Truncate, Some("ballot"), 100, 3)).expect("damage");
    assert_eq!((cut.files, cut.bytes), (1, 40), "until nothing is left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_seed_damages_a_directory_and_a_disk_alike(seed: u64, count in 1u64..12, kind in 0usize..3) {
        let scratch = Scratch::new("alike");
        let (on_disk, disk, dir) = both(&scratch);
        let before = contents(&dir);
        let what = damage(DamageKind::ALL[kind], None, count, seed);
        let harm = Data::Directory(dir.clone()).damage(&what).expect("damage");
        prop_assert_eq!(on_disk.damage(&what).expect("damage"), harm.clone());
        prop_assert_eq!(exported(&scratch, &disk), contents(&dir));
        let changed = contents(&dir).into_iter().filter(|(path, file)| before[path] != *file).count() as u64;
        // Two flips of one bit are none.
        prop_assert!(changed <= harm.files && (harm.files == 0 || changed > 0 || count > 1), "{:?}", harm);
    }
}
