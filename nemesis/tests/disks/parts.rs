//! The programs that run on a host: each a few system calls, and what came of them on standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, RenameFlags, fallocate, renameat2};
use nix::unistd::{Whence, lseek};

/// The first argument of this program as a part.
pub const ARGUMENT: &str = "__part";

type Part = fn(&[&str]) -> io::Result<()>;

const PARTS: &[(&str, Part)] = &[
    ("write", write),
    ("append", append),
    ("put", put),
    ("sync", sync),
    ("fsync-twice", fsync_twice),
    ("read", read),
    ("try", try_operations),
    ("rename", rename),
    ("space", space),
    ("unnamed", unnamed),
    ("direct", direct),
    ("copy-range", copy_range),
    ("locks", locks),
    ("hold", hold),
    ("time", time),
    ("victim", |args| {
        crate::power::victim(args[0], Path::new(args[1]));
        Ok(())
    }),
];

/// Plays a part if this process was started for that.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [first, name, rest @ ..] = arguments.as_slice() else { return None };
    if *first != ARGUMENT {
        return None;
    }
    let (_, part) = PARTS.iter().find(|(known, _)| known == name).expect("a part");
    match part(rest) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("{name}: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}

fn say(text: impl std::fmt::Display) {
    println!("{text}");
    io::stdout().flush().expect("standard output");
}

/// What an operation came to: `ok`, or the name of the error.
fn outcome<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{:?}", Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

/// `write FILE TEXT`: from the beginning, without fsync.
fn write(args: &[&str]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).open(args[0])?.write_all(args[1].as_bytes())
}

/// `append FILE TEXT`, without fsync.
fn append(args: &[&str]) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(args[0])?.write_all(args[1].as_bytes())
}

/// `put FILE TEXT`: replaces the contents, with fsync of the file.
fn put(args: &[&str]) -> io::Result<()> {
    let mut file = File::create(args[0])?;
    file.write_all(args[1].as_bytes())?;
    file.sync_all()
}

/// `sync FILE…`: fsync of files or directories.
fn sync(args: &[&str]) -> io::Result<()> {
    args.iter().try_for_each(|path| File::open(path)?.sync_all())
}

/// `fsync-twice FILE TEXT`: writes, and says what two fsyncs came to.
fn fsync_twice(args: &[&str]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(args[0])?;
    file.write_all(args[1].as_bytes())?;
    say(format!("{} {}", outcome(file.sync_all()), outcome(file.sync_all())));
    Ok(())
}

/// `read FILE`: says the contents, or the error.
fn read(args: &[&str]) -> io::Result<()> {
    match fs::read(args[0]) {
        Ok(data) => say(String::from_utf8_lossy(&data)),
        Err(error) => say(outcome::<()>(Err(error))),
    }
    Ok(())
}

/// `try OPERATION FILE …`: what each comes to, on one line.
fn try_operations(args: &[&str]) -> io::Result<()> {
    let outcomes = args.chunks(2).map(|pair| outcome(try_one(pair[0], pair[1])));
    say(outcomes.collect::<Vec<_>>().join(" "));
    Ok(())
}

fn try_one(operation: &str, path: &str) -> io::Result<()> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    match operation {
        "lookup" => fs::metadata(path).map(drop),
        "open" => open().map(drop),
        "create" => File::create_new(path).map(drop),
        "read" => open()?.read(&mut [0; 16]).map(drop),
        "write" => open()?.write_all(b"0123456789"),
        "truncate" => open()?.set_len(3),
        "allocate" => Ok(fallocate(open()?, FallocateFlags::empty(), 0, 8192)?),
        "fsync" => open()?.sync_all(),
        "fdatasync" => open()?.sync_data(),
        "fsyncdir" => File::open(path)?.sync_all(),
        "rename" => fs::rename(path, format!("{path}.renamed")),
        "link" => fs::hard_link(path, format!("{path}.linked")),
        "unlink" => fs::remove_file(path),
        "mkdir" => fs::create_dir(path),
        "rmdir" => fs::remove_dir(path),
        "readdir" => fs::read_dir(path).map(drop),
        "chmod" => fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)),
        "statfs" => Ok(nix::sys::statvfs::statvfs(path).map(drop)?),
        _ => panic!("{operation}"),
    }
}

/// `rename`: the variants.
fn rename(_: &[&str]) -> io::Result<()> {
    fs::write("a", "a")?;
    fs::write("b", "b")?;
    let here = File::open(".")?;
    let rename = |from: &str, to: &str, flags| io::Result::Ok(renameat2(&here, from, &here, to, flags)?);
    say(outcome(rename("a", "b", RenameFlags::RENAME_NOREPLACE)));
    say(outcome(rename("a", "c", RenameFlags::RENAME_NOREPLACE)));
    say(outcome(rename("c", "b", RenameFlags::RENAME_EXCHANGE)));
    say(format!("{}{}", fs::read_to_string("c")?, fs::read_to_string("b")?));
    say(outcome(rename("nobody", "b", RenameFlags::RENAME_EXCHANGE)));
    fs::create_dir_all("d/e")?;
    say(outcome(fs::rename("d", "d/e/f")));
    say(outcome(fs::rename("b", "d")));
    say(outcome(fs::rename("b", "c")));
    say(fs::read_to_string("c")?);
    Ok(())
}

/// `space`: allocation, holes, and looking for both.
fn space(_: &[&str]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open("space")?;
    fallocate(&file, FallocateFlags::empty(), 0, 16384)?;
    say(about(&file)?);
    fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 16384, 8192)?;
    say(about(&file)?);
    file.write_all(&[7; 16384])?;
    fallocate(&file, FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE, 4096, 8192)?;
    say(about(&file)?);
    let seek = |from: i64, whence| io::Result::Ok(lseek(&file, from, whence)?);
    say(format!("{} {}", seek(0, Whence::SeekHole)?, seek(4096, Whence::SeekData)?));
    say(outcome(seek(99999, Whence::SeekData)));
    let mut data = vec![1; 16384];
    file.read_exact_at(&mut data, 0)?;
    say(data.iter().filter(|b| **b == 7).count());
    fallocate(&file, FallocateFlags::FALLOC_FL_ZERO_RANGE, 0, 4096)?;
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut data[..4096])?;
    say(data[..4096].iter().all(|b| *b == 0));
    file.set_len(1 << 40)?;
    say(about(&file)?);
    Ok(())
}

fn about(file: &File) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let about = file.metadata()?;
    Ok(format!("size {} blocks {}", about.len(), about.blocks()))
}

/// `unnamed`: a file without a name, and then with one; a file that loses its name while it is open.
fn unnamed(_: &[&str]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE).open(".")?;
    file.write_all(b"unnamed")?;
    say(fs::read_dir(".")?.count());
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    nix::unistd::linkat(
        nix::fcntl::AT_FDCWD,
        path.as_str(),
        nix::fcntl::AT_FDCWD,
        "named",
        nix::fcntl::AtFlags::AT_SYMLINK_FOLLOW,
    )?;
    say(fs::read_to_string("named")?);
    fs::remove_file("named")?;
    file.write_all(b" again")?;
    file.seek(SeekFrom::Start(0))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    say(text);
    Ok(())
}

/// `direct`: O_DIRECT and O_APPEND from two descriptors.
fn direct(_: &[&str]) -> io::Result<()> {
    let mut direct = OpenOptions::new().write(true).create(true).custom_flags(libc::O_DIRECT).open("direct")?;
    // Aligned as O_DIRECT wants it: a page within two.
    let buffer = vec![b'd'; 8192];
    let start = buffer.as_ptr().align_offset(4096);
    direct.write_all(&buffer[start..start + 4096])?;
    let open = || OpenOptions::new().append(true).open("direct");
    let (mut one, mut other) = (open()?, open()?);
    one.write_all(b"1")?;
    other.write_all(b"2")?;
    one.write_all(b"3")?;
    say(String::from_utf8_lossy(&fs::read("direct")?[4095..]));
    Ok(())
}

/// `copy-range`: copies within the kernel, or rather within the disk.
fn copy_range(_: &[&str]) -> io::Result<()> {
    fs::write("from", vec![b'x'; 300_000])?;
    let (mut from, mut to) = (File::open("from")?, File::create("to")?);
    from.seek(SeekFrom::Start(100_000))?;
    // Between files the standard library copies with copy_file_range.
    io::copy(&mut from, &mut to)?;
    say(fs::read("to")?.iter().filter(|b| **b == b'x').count());
    Ok(())
}

/// `locks`: of two descriptors, one gets it.
fn locks(_: &[&str]) -> io::Result<()> {
    let lock = |file| Flock::lock(file, FlockArg::LockExclusiveNonblock);
    let one = lock(File::create("lock")?).map_err(|(_, error)| error)?;
    say(lock(File::open("lock")?).is_err());
    drop(one);
    say(lock(File::open("lock")?).is_ok());
    Ok(())
}

/// `hold FILE TEXT`: writes without fsync, says so, and stays.
fn hold(args: &[&str]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(args[0])?;
    file.write_all(args[1].as_bytes())?;
    say("holding");
    loop {
        std::thread::park();
    }
}

/// `time OPERATION FILE`: what it came to, and how many milliseconds it took.
fn time(args: &[&str]) -> io::Result<()> {
    say("begun");
    let began = Instant::now();
    let outcome = outcome(try_one(args[0], args[1]));
    say(format!("{outcome} {}", began.elapsed().as_millis()));
    Ok(())
}
