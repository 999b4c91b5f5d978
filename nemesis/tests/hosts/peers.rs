//! The servers and clients that run on hosts: this program with a hidden first argument.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// The first argument of a peer; the second is its part.
pub const ARGUMENT: &str = "__peer";

/// Plays the part that the command line names, if any.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) != Some(ARGUMENT) {
        return None;
    }
    let parts: Vec<&str> = arguments[1..].iter().map(String::as_str).collect();
    match parts[..] {
        ["echo", address] => echo(address),
        ["connect", address, ms] => connect(address, number(ms)),
        ["hold", address] => hold(address),
        ["ping", address, count] => ping(address, number(count)),
        ["udp-sink", address] => udp_sink(address),
        ["udp-end", address] => udp_end(address),
        ["udp-send", address, count] => udp_send(address, number(count)),
        ["tick"] => tick(),
        ["sleep"] => sleep(),
        ["family", count] => family(number(count)),
        ["deaf"] => deaf(),
        ["look"] => look(),
        ["limited"] => crate::odd::limited(),
        ["without-rights"] => crate::odd::without_rights(),
        ["masked", rung] => crate::odd::masked(rung),
        ["start", rung] => crate::odd::forgetful(rung),
        ["victim", rung, dir] => crate::leftovers::victim(rung, dir),
        ["sick-victim", rung, dir] => crate::leftovers::sick_victim(rung, dir),
        ["write"] => write(),
        ["exit", code] => return Some(ExitCode::from(number(code) as u8)),
        ref other => panic!("no part {other:?}"),
    }
    Some(ExitCode::SUCCESS)
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// Says it on standard output, at once.
fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("standard output");
}

fn echo(address: &str) {
    let listener = TcpListener::bind(address).expect("bind");
    say("listening");
    for stream in listener.incoming() {
        let mut stream = stream.expect("accept");
        stream.set_nodelay(true).expect("nodelay");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let ended = loop {
                match stream.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(length) if stream.write_all(&buffer[..length]).is_ok() => {}
                    Ok(_) => return,
                    Err(error) => break error,
                }
            };
            say(format!("ended: {:?}", ended.kind()));
        });
    }
}

fn resolve(address: &str) -> SocketAddr {
    address.to_socket_addrs().expect("resolve").next().expect("an address")
}

fn connect(address: &str, ms: u64) {
    let began = Instant::now();
    match TcpStream::connect_timeout(&resolve(address), Duration::from_millis(ms)) {
        Ok(_) => say("connected"),
        Err(error) => say(format!("{:?} after {} ms", error.kind(), began.elapsed().as_millis())),
    }
}

/// Stays connected until the other side ends it, and says how.
fn hold(address: &str) {
    let mut stream = TcpStream::connect(resolve(address)).expect("connect");
    say("connected");
    match stream.read(&mut [0; 1]) {
        Ok(0) => say("end of stream"),
        Ok(_) => say("data"),
        Err(error) => say(format!("{:?}", error.kind())),
    }
}

/// Round trips, microseconds, one a line.
fn ping(address: &str, count: u64) {
    let mut stream = TcpStream::connect(resolve(address)).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut buffer = [7; 64];
    for _ in 0..count {
        let began = Instant::now();
        stream.write_all(&buffer).expect("write");
        stream.read_exact(&mut buffer).expect("read");
        say(began.elapsed().as_micros());
    }
}

/// In the last datagram.
const END: u64 = u64::MAX;

/// Collects the number in each datagram until the last, and says them all.
fn udp_sink(address: &str) {
    let socket = UdpSocket::bind(address).expect("bind");
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBuf, &(8 << 20)).expect("buffer");
    say("listening");
    let mut datagram = [0; 8];
    let numbers = std::iter::from_fn(|| {
        socket.recv(&mut datagram).expect("receive");
        Some(u64::from_le_bytes(datagram)).filter(|number| *number != END)
    });
    let lines: Vec<String> = numbers.map(|number| number.to_string()).collect();
    say(lines.join("\n"));
}

fn udp_end(address: &str) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
    socket.send_to(&END.to_le_bytes(), resolve(address)).expect("send");
}

fn udp_send(address: &str, count: u64) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
    socket.connect(resolve(address)).expect("connect");
    for i in 0..count {
        socket.send(&i.to_le_bytes()).expect("send");
        if i % 16 == 15 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Says a number every millisecond.
fn tick() {
    for i in 0.. {
        say(i);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sleep() {
    say("asleep");
    std::thread::sleep(Duration::from_secs(600));
}

/// Has children, and waits for them.
fn family(count: u64) {
    let me = std::env::current_exe().expect("the program");
    let children: Vec<_> =
        (0..count).map(|_| Command::new(&me).args([ARGUMENT, "sleep"]).spawn().expect("a child")).collect();
    children.into_iter().for_each(|mut child| drop(child.wait()));
}

/// Writes and flushes for ever, and computes beside it.
fn write() {
    std::thread::spawn(|| {
        loop {
            std::hint::spin_loop()
        }
    });
    for number in 0u64.. {
        let written =
            std::fs::write("file", number.to_le_bytes()).and_then(|()| std::fs::File::open("file")?.sync_all());
        say(format!("written {number} {}", written.is_ok()));
    }
}

/// Does not hear SIGTERM.
fn deaf() {
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(nix::sys::signal::Signal::SIGTERM);
    set.thread_block().expect("mask");
    sleep();
}

/// Says what this place looks like from inside.
fn look() {
    let list = |dir: &str| {
        let mut names: Vec<String> = std::fs::read_dir(dir).map_or_else(
            |_| vec!["?".to_owned()],
            |entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect(),
        );
        names.sort();
        names.join(",")
    };
    say(format!("hostname {}", nix::unistd::gethostname().expect("hostname").to_string_lossy()));
    say(format!("uid {}", nix::unistd::geteuid()));
    say(format!("dir {}", std::env::current_dir().expect("dir").display()));
    say(format!("program {}", std::env::args().next().unwrap_or_default()));
    say(format!("tmp {}", list("/tmp")));
    say(format!("devices {}", list("/sys/class/net")));
    say(format!("fds {}", list("/proc/self/fd")));
    let environment: Vec<String> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
    say(format!("env {}", environment.join(" ")));
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    for wanted in ["SigBlk", "SigIgn", "CapEff", "NSpid"] {
        status.lines().filter(|line| line.starts_with(wanted)).for_each(say);
    }
}
