//! What a host's clock costs: a reading of it, natively and through the stub, idle and skewed; a reading by system call; the
//! start of a program.
//!
//! Natively and through the stub are both measured in one process, in turns: the shadow that the program was handed leads to the
//! stub, and the vDSO that the kernel mapped is still there.
//!
//! `cargo bench -p splitbrain-nemesis --bench clocks`

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use goblin::elf::Elf;
use nemesis::clock::{ClockTier, MonotonicSkew, Skew, Strobe};
use nemesis::hosts::{HostId, HostSpec, Hosts, HostsConfig, ProcessSpec};
use nemesis::seed::Seed;

const PEER: &str = "__peer";
const BATCHES: usize = 60;
const CALLS: u32 = 100_000;
const STARTS: u32 = 200;

type ClockGettime = extern "C" fn(i32, *mut libc::timespec) -> i32;

fn main() {
    nemesis::hosts::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parts[..] {
        [PEER, "read"] => return read(),
        [PEER, "start"] => return start(),
        [PEER, "calls"] => return calls(),
        [PEER, "nothing"] => return,
        // `cargo test --benches` runs benches to see that they run.
        _ if parts.contains(&"--test") => return,
        _ => {}
    }
    let second = 1_000_000_000;
    let strobe = Some(Strobe { by_ns: 5 * second, period_ns: 1_000_000 });
    let skews = [
        ("idle", Skew::default()),
        ("jump", Skew { jump_ns: 3600 * second, ..Skew::default() }),
        ("drift", Skew { drift_ppm: 500_000, ..Skew::default() }),
        ("strobe", Skew { strobe, ..Skew::default() }),
    ];
    let lab = Lab::new();
    for (name, skew) in skews {
        lab.hosts.set_clock(lab.clocked, &skew).expect("a clock");
        println!("{name:7} {}", lab.run(lab.clocked, "read"));
    }
    println!("calls, native        {}", lab.run(lab.plain, "calls"));
    println!("calls, clocked       {}", lab.run(lab.clocked, "calls"));
    println!("calls, trapped       {}", lab.run(lab.trapped, "calls"));
    let monotonic = MonotonicSkew { jump_ns: 5 * second, drift_ppm: 0 };
    lab.hosts.set_clock(lab.trapped, &Skew { monotonic, ..Skew::default() }).expect("a clock");
    println!("calls, trapped, skewed {}", lab.run(lab.trapped, "calls"));
    println!("start of a program, native  {}", lab.run(lab.plain, "start"));
    println!("start of a program, clocked {}", lab.run(lab.clocked, "start"));
}

/// Measures in turns, the best batch of each.
fn read() {
    let native = function(mapped_vdso());
    // SAFETY: no pointers.
    let stub = function(unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) });
    let system_call: ClockGettime = by_system_call;
    let mut best = [Duration::MAX; 3];
    for _ in 0..BATCHES {
        for (best, (function, calls)) in
            best.iter_mut().zip([(native, CALLS), (stub, CALLS), (system_call, CALLS / 100)])
        {
            *best = (*best).min(batch(function, calls));
        }
    }
    let [native, stub, system_call] = best.map(|best| best.as_nanos() as f64 / 1000.0);
    let added = stub - native;
    println!("native {native:.1} ns, stub {stub:.1} ns, added {added:.1} ns; by system call {system_call:.0} ns");
}

/// One thousandth of a call, so that nanoseconds are enough.
fn batch(function: ClockGettime, calls: u32) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let began = Instant::now();
    for _ in 0..calls {
        function(libc::CLOCK_REALTIME, std::hint::black_box(&raw mut time));
    }
    began.elapsed() * 1000 / calls
}

extern "C" fn by_system_call(clock: i32, time: *mut libc::timespec) -> i32 {
    // SAFETY: the caller hands in a timespec.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as i32 }
}

fn mapped_vdso() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("a vDSO");
    u64::from_str_radix(line.split('-').next().expect("an address"), 16).expect("a number")
}

fn function(image: u64) -> ClockGettime {
    // SAFETY: the vDSO, or a copy of it, is two pages long and stays mapped.
    let bytes = unsafe { std::slice::from_raw_parts(image as *const u8, 2 * 4096) };
    let elf = Elf::parse(bytes).expect("an ELF image");
    let names = ["__vdso_clock_gettime", "__kernel_clock_gettime"];
    let wanted = |name: Option<&str>| name.is_some_and(|name| names.contains(&name));
    let symbol = elf.dynsyms.iter().find(|symbol| wanted(elf.dynstrtab.get_at(symbol.st_name))).expect("the function");
    // SAFETY: this is the function's address, and its signature.
    unsafe { std::mem::transmute(image.wrapping_add(symbol.st_value)) }
}

/// The median of what calls on the monotonic clock take that have to do with time, µs.
fn calls() {
    let now = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel, or the stub, writes one timespec.
        unsafe { libc::clock_gettime(1, &raw mut time) };
        time
    };
    let gone = now();
    // SAFETY: no pointers.
    let timer = unsafe { libc::timerfd_create(1, 0) };
    let later = libc::timespec { tv_sec: gone.tv_sec + 1_000_000, tv_nsec: 0 };
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let setting = libc::itimerspec { it_interval: zero, it_value: later };
    let mut old = setting;
    let mut time = zero;
    println!(
        "vDSO {:.3}, clock_gettime {:.2}, clock_nanosleep {:.2}, timerfd_settime {:.2}, futex {:.2}",
        median(1000, || _ = now()),
        // SAFETY: the kernel writes one timespec.
        median(1, || _ = unsafe { libc::syscall(libc::SYS_clock_gettime, 1, &raw mut time) }),
        // SAFETY: the kernel reads one timespec.
        median(1, || _ = unsafe { libc::clock_nanosleep(1, 1, &raw const gone, std::ptr::null_mut()) }),
        // SAFETY: the kernel reads one setting and writes another.
        median(1, || _ = unsafe { libc::timerfd_settime(timer, 1, &raw const setting, &raw mut old) }),
        hand_over(),
    );
}

/// The median of some thousand measurements of `calls` calls, µs a call.
fn median(calls: u32, mut call: impl FnMut()) -> f64 {
    let mut all: Vec<f64> = (0..4000)
        .map(|_| {
            let began = Instant::now();
            (0..calls).for_each(|_| call());
            began.elapsed().as_nanos() as f64 / f64::from(calls) / 1e3
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Two threads wait for each other, with a timeout.
fn hand_over() -> f64 {
    const TURNS: u32 = 4000;
    let pair = std::sync::Arc::new((std::sync::Mutex::new(0u32), std::sync::Condvar::new()));
    let other = std::sync::Arc::clone(&pair);
    let play = |pair: &(std::sync::Mutex<u32>, std::sync::Condvar), mine: u32| {
        let mut turn = pair.0.lock().expect("the mutex");
        while *turn < TURNS {
            if *turn % 2 == mine {
                *turn += 1;
                pair.1.notify_one();
            } else {
                turn = pair.1.wait_timeout(turn, Duration::from_secs(60)).expect("the mutex").0;
            }
        }
    };
    let began = Instant::now();
    let thread = std::thread::spawn(move || play(&other, 1));
    play(&pair, 0);
    thread.join().expect("the thread");
    began.elapsed().as_nanos() as f64 / f64::from(TURNS) / 1e3
}

fn start() {
    let began = Instant::now();
    for _ in 0..STARTS {
        Command::new("/proc/self/exe").args([PEER, "nothing"]).status().expect("a program");
    }
    println!("{:.2} ms", began.elapsed().as_secs_f64() * 1e3 / f64::from(STARTS));
}

/// A host with a clock, one whose calls are answered too, and one without.
struct Lab {
    hosts: Hosts,
    clocked: HostId,
    trapped: HostId,
    plain: HostId,
    dir: PathBuf,
}

impl Lab {
    fn new() -> Lab {
        let dir = Path::new("/tmp").join(format!("splitbrain-bench-clocks-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let hosts = Hosts::start(HostsConfig { rung: None, seed: Seed(1), pcap: None }).expect("hosts");
        let add = |name: &str, last, clock| {
            let spec = HostSpec::new(name, Ipv4Addr::new(10, 77, 0, last));
            hosts.add(HostSpec { clock, keep: vec![dir.clone()], ..spec }).expect("a host")
        };
        let clocked = add("clocked", 1, Some(ClockTier::Vdso));
        let (plain, trapped) = (add("plain", 2, None), add("trapped", 3, Some(ClockTier::Trap)));
        Lab { hosts, clocked, trapped, plain, dir }
    }

    fn run(&self, host: HostId, part: &str) -> String {
        let me = std::env::current_exe().expect("the program").display().to_string();
        let (stdout, stderr) = (self.dir.join("out"), self.dir.join("err"));
        std::fs::write(&stdout, "").expect("a file");
        let argv = [me.as_str(), PEER, part].map(str::to_owned).to_vec();
        let process = ProcessSpec { argv, env: BTreeMap::new(), dir: self.dir.clone(), stdout: stdout.clone(), stderr };
        self.hosts.spawn(host, process).expect("a process");
        while self.hosts.process_count(host).expect("a count") > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::read_to_string(stdout).expect("what it said").trim().to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
