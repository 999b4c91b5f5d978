//! What this program does on a host: the hidden argument, then one of these parts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub const ARGUMENT: &str = "__part";

/// Plays a part if the command line asks for one.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some((&ARGUMENT, part)) = parts.split_first() else { return None };
    match part {
        ["keep"] => keep(),
        ["operations"] => operations(),
        ["two-at-once"] => two_at_once(),
        ["ring"] => ring(),
        other => panic!("no part {other:?}"),
    }
    Some(ExitCode::SUCCESS)
}

/// `name ok`, or `name ERRNO`.
fn say<T>(name: &str, result: io::Result<T>) {
    match result {
        Ok(_) => println!("{name} ok"),
        Err(error) => println!("{name} {}", error.raw_os_error().unwrap_or(-1)),
    }
}

/// Writes and fsyncs two files below the data directory and one elsewhere, again and again.
fn keep() {
    let open = |path: &str| OpenOptions::new().create(true).append(true).open(path).expect(path);
    let mut files = [("wal", open("data/wal")), ("table", open("data/table")), ("other", open("elsewhere/wal"))];
    loop {
        for (name, file) in &mut files {
            say(&format!("{name} write"), file.write_all(b"a line\n"));
            let began = Instant::now();
            say(&format!("{name} fsync"), file.sync_data());
            if began.elapsed() > Duration::from_millis(100) {
                println!("{name} slow");
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Each kind of operation once.
fn operations() {
    let _ = fs::remove_dir_all("data/dir");
    let _ = fs::remove_file("data/b");
    let _ = fs::remove_file("data/c");
    say("create", File::create("data/a"));
    let file = OpenOptions::new().read(true).write(true).open("data/a");
    say("open", file.as_ref().map_err(copy));
    let file =
        file.unwrap_or_else(|_| OpenOptions::new().read(true).write(true).open("elsewhere/spare").expect("a file"));
    say("write", file.write_at(b"text", 0));
    say("read", file.read_at(&mut [0; 4], 0));
    say("truncate", file.set_len(100));
    // SAFETY: no pointers.
    let allocated = unsafe { nix::libc::fallocate(std::os::fd::AsRawFd::as_raw_fd(&file), 0, 0, 4096) };
    say("allocate", nix::errno::Errno::result(allocated).map_err(io::Error::from));
    say("fsync", file.sync_all());
    say("fsyncdir", File::open("data").and_then(|dir| dir.sync_all()));
    say("mkdir", fs::create_dir("data/dir"));
    say("link", fs::hard_link("elsewhere/spare", "data/c"));
    say("rename", fs::rename("data/a", "data/b"));
    say("unlink", fs::remove_file("data/b"));
    say("rmdir", fs::remove_dir("data/dir"));
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0))
}

/// Two threads fsync at once.
fn two_at_once() {
    let one = |name: &'static str| move || say("fsync", File::create(name).and_then(|file| file.sync_all()));
    let began = Instant::now();
    let threads = [std::thread::spawn(one("data/1")), std::thread::spawn(one("data/2"))];
    threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
    println!("{}", began.elapsed().as_millis());
}

/// Whether there is io_uring.
fn ring() {
    let mut parameters = [0u64; 15];
    // SAFETY: the kernel writes 120 bytes.
    let ring = unsafe { nix::libc::syscall(nix::libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    say("ring", nix::errno::Errno::result(ring).map_err(io::Error::from));
}
