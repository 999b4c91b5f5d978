//! The `ext4` model beside ext4: the same steps on both, then the power goes.
//!
//! The real one is an image on a loop device. What the kernel has not sent to the device when the image is copied is what a
//! power cut would take, so the copy, once its journal is recovered, is to hold exactly what the model says is durable. The
//! kernel's own timers are kept out: commits are 300 s apart and a case takes a fraction of one.
//!
//! Writes, sizes and holes are whole blocks. A hole that begins or ends within a block takes that block's data along with the
//! next commit, if it had a place on the disk. A write that grows a file within its last block, when that is allocated already, has its
//! new size journalled at once by ext4 (`ext4_da_do_write_end`), and the data comes along or does not; the model loses
//! both until the file is fsynced. Nothing promises either.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nemesis::disk::model::{Change, Ino, Kind, Model, NewInode, ROOT, RenameFlags};
use nemesis::disk::{Persistence, PowerCut, WriteBack};
use nemesis::hosts::Rung;
use nemesis::seed::{ChaCha8Rng, Seed};
use nix::fcntl::{FallocateFlags, fallocate, renameat2};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::lab::Scratch;
use crate::runner::{Test, skip};

pub const TESTS: &[Test] = &[("the_ext4_model_behaves_like_ext4", the_ext4_model_behaves_like_ext4)];

/// Cases, unless the environment asks for more.
const CASES: u64 = 200;
const MORE: &str = "SPLITBRAIN_EXT4_CASES";
const BLOCK: u64 = 4096;
/// Behind all other writes, so that an fdatasync has a new size to commit.
const END: u64 = 10 * BLOCK;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Path → contents.
type Files = BTreeMap<String, Vec<u8>>;

/// One step, on a file by its path: `a` or `d/a`, and so on.
#[derive(Clone, Debug)]
enum Step {
    Create(String),
    Write(String, u64, usize, u8),
    Truncate(String, u64),
    Punch(String, u64, u64),
    Allocate(String, u64, u64),
    Rename(String, String),
    Exchange(String, String),
    Link(String, String),
    Unlink(String),
    Fsync(String),
    Fdatasync(String),
    FsyncDirectory(&'static str),
}

fn the_ext4_model_behaves_like_ext4(rung: Rung) {
    if rung != Rung::RootTun {
        skip("nothing of it depends on the rung");
    }
    let loops = Path::new("/dev/loop-control").exists() && crate::databases::installed("mkfs.ext4");
    if !loops || !fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("ext4")) {
        skip("there are no loop devices, or there is no ext4");
    }
    // Mounts are made in a mount namespace that ends with the thread.
    let compared = std::thread::spawn(compare_all).join();
    if let Err(panic) = compared {
        std::panic::resume_unwind(panic);
    }
}

fn compare_all() {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    let dir = Scratch::in_memory();
    let template = dir.path("template");
    File::create(&template).and_then(|file| file.set_len(24 << 20)).expect("an image");
    let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-b", "4096", "-E", options]).arg(&template));
    with_mounted(&template, &dir.path("at"), |at| fs::create_dir(at.join("d")).expect("a directory"));
    let cases = std::env::var(MORE).ok().and_then(|count| count.parse().ok()).unwrap_or(CASES);
    for seed in 0..cases {
        let steps = steps(&mut Seed(seed).stream("ext4"));
        if real(&dir, &template, &steps) != modelled(&steps) {
            let steps = shrink(steps, |steps| real(&dir, &template, steps) != modelled(steps));
            let (real, modelled) = (brief(&real(&dir, &template, &steps)), brief(&modelled(&steps)));
            panic!("seed {seed}: {steps:#?}\next4:  {real}\nmodel: {modelled}");
        }
    }
}

/// Leaves out what is not needed to fail.
fn shrink(mut steps: Vec<Step>, fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    for at in (0..steps.len()).rev() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        if fails(&fewer) {
            steps = fewer;
        }
    }
    steps
}

fn brief(files: &Files) -> String {
    let runs = |data: &Vec<u8>| {
        let mut runs: Vec<(u8, usize)> = Vec::new();
        for byte in data {
            match runs.last_mut() {
                Some((last, count)) if last == byte => *count += 1,
                _ => runs.push((*byte, 1)),
            }
        }
        format!("{runs:?}")
    };
    files.iter().map(|(name, data)| format!("{name}: {} ", runs(data))).collect()
}

fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    use rand::Rng;
    rng.next_u64() % bound
}

fn steps(rng: &mut ChaCha8Rng) -> Vec<Step> {
    // With names to begin with, or most steps would have nothing to do.
    let names = ["a", "b", "d/a", "d/b"].map(|name| Step::Create(name.to_owned()));
    let count = 5 + below(rng, 20);
    names.into_iter().chain((0..count).map(|tag| step(rng, tag as u8 + 1))).collect()
}

fn step(rng: &mut ChaCha8Rng, tag: u8) -> Step {
    let mut name = || {
        let name = NAMES[below(rng, 3) as usize];
        if below(rng, 2) == 0 { name.to_owned() } else { format!("d/{name}") }
    };
    let (one, other) = (name(), name());
    let (offset, len) = (below(rng, 12_000), 1 + below(rng, 6_000));
    match below(rng, 22) {
        0..4 => Step::Create(one),
        4..10 => Step::Write(one, offset / BLOCK * BLOCK, (len.div_ceil(BLOCK) * BLOCK) as usize, tag),
        10 => Step::Truncate(one, offset / BLOCK * BLOCK),
        11 => Step::Truncate(one, 0),
        12 => Step::Punch(one, offset / BLOCK * BLOCK, len.div_ceil(BLOCK) * BLOCK),
        13 => Step::Allocate(one, offset, len),
        14 | 15 => Step::Rename(one, other),
        16 => Step::Exchange(one, other),
        17 => Step::Link(one, other),
        18 => Step::Unlink(one),
        19 => Step::Fsync(one),
        20 => Step::Fdatasync(one),
        _ => Step::FsyncDirectory(if below(rng, 2) == 0 { "." } else { "d" }),
    }
}

/// What is left of the steps on ext4.
fn real(dir: &Scratch, template: &Path, steps: &[Step]) -> Files {
    let (image, copy) = (dir.path("image"), dir.path("copy"));
    fs::copy(template, &image).expect("a copy");
    with_mounted(&image, &dir.path("at"), |at| {
        for step in steps {
            do_real(at, step);
            settle(at);
        }
        fs::copy(&image, &copy).expect("a copy");
    });
    let mut files = Files::new();
    with_mounted(&copy, &dir.path("at"), |at| {
        for below in ["", "d/"] {
            for name in NAMES.map(|name| format!("{below}{name}")) {
                if let Ok(data) = fs::read(at.join(&name)) {
                    files.insert(name, data);
                }
            }
        }
    });
    files
}

/// Waits for data that is on its way to the device. ext4 sends some with a rename and does not wait for it, and what is written
/// to the same page meanwhile goes along.
fn settle(at: &Path) {
    for name in ["", "d/"].iter().flat_map(|below| NAMES.map(|name| format!("{below}{name}"))) {
        if let Ok(file) = File::open(at.join(name)) {
            // SAFETY: takes numbers only, and the descriptor is open.
            let waited = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WAIT_BEFORE) };
            assert_eq!(waited, 0, "{}", std::io::Error::last_os_error());
        }
    }
}

fn do_real(at: &Path, step: &Step) {
    let open = |name: &String| OpenOptions::new().read(true).write(true).open(at.join(name));
    let rename = |from: &String, to: &String, flags| {
        let here = File::open(at)?;
        std::io::Result::Ok(renameat2(&here, from.as_str(), &here, to.as_str(), flags)?)
    };
    use nix::fcntl::RenameFlags as Flags;
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    // What cannot be done is not done, on either side.
    let _ = match step {
        Step::Create(name) => File::create_new(at.join(name)).map(drop),
        Step::Write(name, offset, len, tag) => open(name).and_then(|f| f.write_all_at(&vec![*tag; *len], *offset)),
        Step::Truncate(name, size) => open(name).and_then(|f| f.set_len(*size)),
        Step::Punch(name, offset, len) => {
            open(name).and_then(|f| Ok(fallocate(f, punch, *offset as i64, *len as i64)?))
        }
        Step::Allocate(name, offset, len) => {
            open(name).and_then(|f| Ok(fallocate(f, FallocateFlags::empty(), *offset as i64, *len as i64)?))
        }
        Step::Rename(from, to) => rename(from, to, Flags::empty()),
        Step::Exchange(from, to) => rename(from, to, Flags::RENAME_EXCHANGE),
        Step::Link(from, to) => fs::hard_link(at.join(from), at.join(to)),
        Step::Unlink(name) => fs::remove_file(at.join(name)),
        Step::Fsync(name) => open(name).and_then(|f| touch(&f).and_then(|()| f.sync_all())),
        Step::Fdatasync(name) => {
            open(name).and_then(|f| f.write_all_at(&[255; BLOCK as usize], END).and_then(|()| f.sync_data()))
        }
        Step::FsyncDirectory(name) => File::open(at.join(name)).and_then(|f| touch(&f).and_then(|()| f.sync_all())),
    };
}

/// An fsync of what has not changed commits nothing in the model, and on ext4 only if the inode was read before the running
/// transaction began (`ext4_iget` takes it for changed). So it is changed.
fn touch(file: &File) -> std::io::Result<()> {
    file.set_permissions(file.metadata()?.permissions())
}

/// What is left of them in the model.
fn modelled(steps: &[Step]) -> Files {
    let never = WriteBack { commit_ms: None, expire_ms: None, max_bytes: u64::MAX };
    let mut model = Model::new(Persistence::Ext4, never, None, 0, 0);
    let new = |kind| NewInode { kind, mode: 0o755, uid: 0, gid: 0 };
    let directory = model.create(ROOT, OsStr::new("d"), new(Kind::Directory), 0).unwrap();
    model.sync();
    steps.iter().for_each(|step| do_modelled(&mut model, directory, step));
    model.power_cut(&PowerCut::DROP);
    let mut files = Files::new();
    for (below, ino) in [("", ROOT), ("d/", directory)] {
        for (name, ino) in model.entries(ino).unwrap().into_iter().filter(|(name, _)| *name != *"d") {
            files.insert(format!("{below}{}", name.to_string_lossy()), model.read(ino, 0, 1 << 20).unwrap());
        }
    }
    files
}

fn do_modelled(model: &mut Model, directory: Ino, step: &Step) {
    let at = |name: &'static str| OsStr::new(name);
    let place = |name: &String| match name.strip_prefix("d/") {
        Some(name) => (directory, at(NAMES[NAMES.iter().position(|n| *n == name).unwrap()])),
        None => (ROOT, at(NAMES[NAMES.iter().position(|n| n == name).unwrap()])),
    };
    let find = |model: &Model, name: &String| model.lookup(place(name).0, place(name).1);
    let exchange = RenameFlags { exchange: true, ..RenameFlags::default() };
    let opened = match step {
        Step::Write(name, ..) | Step::Truncate(name, ..) | Step::Punch(name, ..) | Step::Allocate(name, ..) => {
            Some(name)
        }
        Step::Fsync(name) | Step::Fdatasync(name) => Some(name),
        _ => None,
    };
    let ino = opened.map(|name| find(model, name));
    if matches!(ino, Some(Err(_))) {
        return;
    }
    let ino = ino.and_then(Result::ok).unwrap_or_default();
    let _ = match step {
        Step::Create(name) => {
            let new = NewInode { kind: Kind::File, mode: 0o644, uid: 0, gid: 0 };
            model.create(place(name).0, place(name).1, new, 0).map(drop)
        }
        Step::Write(_, offset, len, tag) => model.write(ino, *offset, &vec![*tag; *len], 0),
        Step::Truncate(_, size) => model.truncate(ino, *size, 0),
        Step::Punch(_, offset, len) => model.punch(ino, *offset, *len, 0),
        Step::Allocate(_, offset, len) => model.allocate(ino, *offset, *len, false, 0),
        Step::Rename(from, to) => model.rename(place(from), place(to), RenameFlags::default(), 0),
        Step::Exchange(from, to) => model.rename(place(from), place(to), exchange, 0),
        Step::Link(from, to) => find(model, from).and_then(|ino| model.link(ino, place(to).0, place(to).1, 0)),
        Step::Unlink(name) => model.unlink(place(name).0, place(name).1, 0),
        Step::Fsync(_) => touch_modelled(model, ino),
        Step::Fdatasync(_) => model.write(ino, END, &[255; BLOCK as usize], 0).and_then(|()| model.fsync(ino, true)),
        Step::FsyncDirectory(name) => touch_modelled(model, if *name == "d" { directory } else { ROOT }),
    };
    if opened.is_some() {
        model.closed(ino);
    }
}

fn touch_modelled(model: &mut Model, ino: Ino) -> nix::Result<()> {
    model.set_attributes(ino, &Change::default(), 0)?;
    model.fsync(ino, false)
}

fn with_mounted(image: &Path, at: &PathBuf, use_it: impl FnOnce(&Path)) {
    fs::create_dir_all(at).expect("a directory");
    run(Command::new("mount").args(["-t", "ext4", "-o", "loop,commit=300"]).arg(image).arg(at));
    let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| use_it(at)));
    run(Command::new("umount").arg(at));
    used.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
