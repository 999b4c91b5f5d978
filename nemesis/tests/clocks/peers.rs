//! What this program does on a host: the hidden argument, then one of these parts.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::lab::{monotonic_ns, realtime_ns};

pub const ARGUMENT: &str = "__peer";

/// Plays a part if the command line asks for one.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some((&ARGUMENT, part)) = parts.split_first() else { return None };
    match part {
        ["tell"] => tell(),
        ["tell-once"] => say(),
        ["fork"] => fork(),
        ["exec-from-thread"] => exec_from_thread(),
        ["search"] => search(),
        ["signal-self", number] => signal_self(number.parse().expect("a number")),
        ["storm", count] => storm(count.parse().expect("a number")),
        ["pester"] => pester(),
        ["ask-without-end"] => ask_without_end(),
        ["masked", rung] => {
            crate::failures::masked(rung);
            crate::sources::clean();
        }
        ["look"] => look(),
        ["trace-another"] => trace_another(),
        ["wait", _, ms, ways @ ..] => wait(ms.parse().expect("a number"), ways),
        ["hand-over", count] => hand_over(count.parse().expect("a number")),
        ["watch-clocks"] => watch_clocks(),
        ["wait-under-signals"] => wait_under_signals(),
        ["chroot", dir, program] => chroot(dir, program),
        other => panic!("no part {other:?}"),
    }
    Some(ExitCode::SUCCESS)
}

/// Says what its clocks show, again and again.
fn tell() {
    loop {
        say();
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn say() {
    let line = format!("{} {}\n", realtime_ns(), monotonic_ns());
    std::io::stdout().write_all(line.as_bytes()).expect("standard output");
}

/// A child without another program.
fn fork() {
    println!("forking");
    // SAFETY: this process has one thread.
    match unsafe { nix::unistd::fork() }.expect("a child") {
        nix::unistd::ForkResult::Child => tell(),
        nix::unistd::ForkResult::Parent { child } => drop(nix::sys::wait::waitpid(child, None)),
    }
}

/// Another program, started by a thread that is not the process's first, among others.
fn exec_from_thread() {
    for _ in 0..4 {
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
    }
    let started = std::thread::spawn(|| Command::new("/proc/self/exe").args([ARGUMENT, "tell"]).exec()).join();
    panic!("{:?}", started.expect("the thread"));
}

/// Fails to become a program some times before it becomes one.
fn search() {
    for i in 0..20 {
        let error = Command::new(format!("/no/such/program-{i}")).exec();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ENOENT));
    }
    panic!("{}", Command::new("/proc/self/exe").args([ARGUMENT, "tell"]).exec());
}

fn signal_self(signal: i32) {
    // SAFETY: no pointers.
    unsafe { nix::libc::raise(signal) };
}

/// Sends a signal that nobody minds to everybody, again and again.
fn pester() {
    loop {
        // It fails while there is nobody.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), nix::sys::signal::Signal::SIGWINCH);
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Asks the kernel for the time on two threads without a pause, and says what it was told from time to time.
fn ask_without_end() {
    let ask = || {
        let mut time = nix::libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel writes one timespec.
        let returned = unsafe { nix::libc::syscall(nix::libc::SYS_clock_gettime, 0, &raw mut time) };
        assert_eq!(returned, 0);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    std::thread::spawn(move || {
        loop {
            ask();
        }
    });
    loop {
        println!("{} {}", ask(), monotonic_ns());
        assert!((0..50).all(|_| ask() > 0));
    }
}

/// Starts programs as fast as it can, on some threads.
fn storm(threads: usize) {
    extern "C" fn mind(_: i32) {}
    // SAFETY: the handler does nothing.
    unsafe { nix::libc::signal(nix::libc::SIGWINCH, mind as *const () as usize) };
    let storm = || {
        loop {
            Command::new("/proc/self/exe").args([ARGUMENT, "tell-once"]).status().expect("a program");
        }
    };
    let all: Vec<_> = (0..threads).map(|_| std::thread::spawn(storm)).collect();
    all.into_iter().for_each(|thread| drop(thread.join()));
}

/// Says what can be seen of it from inside.
fn look() {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status");
    print!("{status}");
    let fds = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let mut fds: Vec<String> = fds.map(|fd| fd.file_name().to_string_lossy().into_owned()).collect();
    fds.sort();
    println!("fds {}", fds.join(","));
    println!("tracer-free");
}

fn chroot(dir: &str, program: &str) {
    nix::unistd::chroot(dir).expect("chroot");
    panic!("{}", Command::new(program).exec());
}

/// Becomes the tracer of a child before that is another program, as a debugger does, and lets it run.
fn trace_another() {
    const TRACE_ME: i64 = 0;
    const CONTINUE: i64 = 7;
    let trace = |request: i64, pid: i32| {
        // SAFETY: neither request has pointers.
        let returned = unsafe { nix::libc::syscall(nix::libc::SYS_ptrace, request, pid, 0usize, 0usize) };
        nix::errno::Errno::result(returned).expect("a tracee");
    };
    // SAFETY: this process has one thread.
    match unsafe { nix::unistd::fork() }.expect("a child") {
        nix::unistd::ForkResult::Child => {
            trace(TRACE_ME, 0);
            panic!("{}", Command::new("/proc/self/exe").args([ARGUMENT, "tell"]).exec());
        }
        nix::unistd::ForkResult::Parent { child } => loop {
            nix::sys::wait::waitpid(child, None).expect("a stop");
            trace(CONTINUE, child.as_raw());
        },
    }
}

/// The machine's monotonic clock.
fn machine_ns() -> i64 {
    let mut time = nix::libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { nix::libc::syscall(nix::libc::SYS_clock_gettime, crate::waiting::OF_MACHINE | 1, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Waits as Rust programs do, and says how long it took.
fn wait(ms: u64, ways: &[&str]) {
    let time = Duration::from_millis(ms);
    loop {
        for way in ways {
            let (began, until) = (machine_ns(), monotonic_ns() + time.as_nanos() as i64);
            match *way {
                "condvar" => {
                    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
                    let guard = mutex.lock().expect("the mutex");
                    drop(condvar.wait_timeout_while(guard, time, |()| true).expect("the mutex"));
                }
                "channel" => {
                    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
                    receiver.recv_timeout(time).expect_err("nothing");
                }
                "park" => {
                    let until = Instant::now() + time;
                    while Instant::now() < until {
                        std::thread::park_timeout(until - Instant::now());
                    }
                }
                other => panic!("no way {other}"),
            }
            let late = monotonic_ns() - until;
            println!("{way} {began} {} {late}", machine_ns() - began);
        }
    }
}

/// Two threads wait for each other, for a minute at most.
fn hand_over(count: u32) {
    let pair = Arc::new((Mutex::new(0u32), Condvar::new()));
    let turn = move |pair: &(Mutex<u32>, Condvar), mine: u32| {
        let mut timeouts = 0;
        let mut turn = pair.0.lock().expect("the mutex");
        while *turn < count {
            if *turn % 2 == mine {
                *turn += 1;
                pair.1.notify_all();
                continue;
            }
            let (guard, result) = pair.1.wait_timeout(turn, Duration::from_secs(60)).expect("the mutex");
            timeouts += u32::from(result.timed_out());
            turn = guard;
        }
        timeouts
    };
    let other = Arc::clone(&pair);
    let other = std::thread::spawn(move || turn(&other, 1));
    let timeouts = turn(&pair, 0) + other.join().expect("the thread");
    println!("{count} hand-overs, {timeouts} timeouts");
}

/// Reads each monotonic clock on a thread of its own, as fast as it can, and says if one goes back.
fn watch_clocks() {
    for id in [1, 4, 6, 7] {
        std::thread::spawn(move || {
            let clock = nix::time::ClockId::from_raw(id);
            let read = || nix::time::clock_gettime(clock).expect("a clock");
            let mut last = read();
            loop {
                let now = read();
                if now < last {
                    println!("back: clock {id} from {last:?} to {now:?}");
                }
                last = now;
            }
        });
    }
    loop {
        println!("ok");
        // Not by the clock that is watched.
        let pause = nix::libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // SAFETY: the kernel reads one timespec.
        unsafe { nix::libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
}

/// Waits until a minute from now while it is sent signals that it handles, and says what tracer it has meanwhile.
fn wait_under_signals() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    extern "C" fn count(_: i32) {
        COUNT.fetch_add(1, Relaxed);
    }
    // SAFETY: the handler only counts.
    unsafe { nix::libc::signal(nix::libc::SIGUSR1, count as *const () as usize) };
    // SAFETY: no pointers.
    let waiter = unsafe { nix::libc::pthread_self() };
    std::thread::spawn(move || {
        for i in 1..=100 {
            // SAFETY: the thread is the first one, which does not end.
            unsafe { nix::libc::pthread_kill(waiter, nix::libc::SIGUSR1) };
            while COUNT.load(Relaxed) < i {
                std::thread::yield_now();
            }
        }
        // After the last of them it waits again, and for a moment is traced.
        std::thread::sleep(Duration::from_millis(50));
        let status = std::fs::read_to_string("/proc/self/status").expect("the status");
        print!("{status}");
        println!("signals {}", COUNT.load(Relaxed));
    });
    let until = monotonic_ns() + 60_000_000_000;
    let time = nix::libc::timespec { tv_sec: until / 1_000_000_000, tv_nsec: until % 1_000_000_000 };
    let absolute = nix::libc::TIMER_ABSTIME;
    loop {
        // SAFETY: the kernel reads one timespec.
        let result = unsafe { nix::libc::clock_nanosleep(1, absolute, &raw const time, std::ptr::null_mut()) };
        match result {
            0 => break,
            nix::libc::EINTR => {}
            other => panic!("errno {other}"),
        }
    }
    assert!(monotonic_ns() >= until);
    println!("woken");
}
