//! A few hosts to try things on, and a directory that is gone afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use nemesis::hosts::{Exit, HostId, HostSpec, Hosts, HostsConfig, HostsError, ProcessSpec, Rung};
use nemesis::seed::Seed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockaddrIn, sockopt};

use crate::peers;
pub use crate::scratch::{DEADLINE, Scratch, wait_until};

/// Hosts `a`, `b`, `c`, … of one run.
pub struct Lab {
    pub hosts: Hosts,
    pub dir: Scratch,
    exits: Mutex<(Receiver<Exit>, Vec<Exit>)>,
}

impl Lab {
    pub fn new(rung: Rung, count: usize) -> Lab {
        Lab::seeded(rung, count, 1)
    }

    pub fn seeded(rung: Rung, count: usize, seed: u64) -> Lab {
        Lab::in_dir(rung, count, seed, Scratch::new())
    }

    pub fn in_dir(rung: Rung, count: usize, seed: u64, dir: Scratch) -> Lab {
        Lab::equipped(rung, count, seed, dir, |_, spec| spec).expect("hosts")
    }

    /// With hosts to one's liking.
    pub fn equipped(
        rung: Rung,
        count: usize,
        seed: u64,
        dir: Scratch,
        equip: impl Fn(&Scratch, HostSpec) -> HostSpec,
    ) -> Result<Lab, HostsError> {
        let config = HostsConfig { rung: Some(rung), seed: Seed(seed), pcap: Some(dir.path("wire.pcap")) };
        let hosts = Hosts::start(config)?;
        for i in 0..count {
            hosts.add(equip(&dir, spec(i, count, &dir)))?;
        }
        let exits = Mutex::new((hosts.exits().expect("exits"), Vec::new()));
        Ok(Lab { hosts, dir, exits })
    }

    /// Starts a peer as the main process of a host.
    pub fn start(&self, host: usize, part: &[&str]) {
        self.hosts.spawn(HostId(host), self.process(host, part)).expect("a process");
    }

    /// How a peer is started.
    pub fn process(&self, host: usize, part: &[&str]) -> ProcessSpec {
        let me = std::env::current_exe().expect("the program").display().to_string();
        let argv = [me.as_str(), peers::ARGUMENT].iter().chain(part).map(|s| (*s).to_owned()).collect();
        let env = BTreeMap::from([("PART".to_owned(), part.join(" "))]);
        let dir = self.dir.path("");
        ProcessSpec { argv, env, dir, stdout: self.out(host), stderr: self.dir.path(&format!("{host}.err")) }
    }

    /// Starts a peer and waits for its end. Returns what it said.
    pub fn run(&self, host: usize, part: &[&str]) -> String {
        let before = self.said(host).len();
        self.start(host, part);
        let exit = self.wait_exit(host);
        let errors = fs::read_to_string(self.dir.path(&format!("{host}.err"))).unwrap_or_default();
        assert_eq!((exit.code, exit.main, exit.expected), (Some(0), true, false), "{errors}");
        self.said(host)[before..].to_owned()
    }

    /// The next end of a host's main process. Those of other hosts wait until they are asked for.
    pub fn wait_exit(&self, host: usize) -> Exit {
        let mut exits = self.exits.lock().unwrap();
        let (receiver, waiting) = &mut *exits;
        loop {
            if let Some(at) = waiting.iter().position(|exit| exit.host == HostId(host) && exit.main) {
                return waiting.remove(at);
            }
            waiting.push(receiver.recv_timeout(DEADLINE).expect("an exit"));
        }
    }

    /// What the peers of a host have said so far.
    pub fn said(&self, host: usize) -> String {
        fs::read_to_string(self.out(host)).unwrap_or_default()
    }

    /// Waits until the peers of a host have said something that holds `text`.
    pub fn wait_said(&self, host: usize, text: &str) {
        wait_until(&format!("{text} from {host}"), || self.said(host).contains(text));
    }

    /// Connects from one host to another.
    pub fn connect(&self, from: usize, to: usize, port: u16, patience: Duration) -> io::Result<TcpStream> {
        let socket = self.hosts.socket(HostId(from)).map_err(io::Error::other)?;
        let to = SockaddrIn::from(SocketAddrV4::new(address(to), port));
        match nix::sys::socket::connect(socket.as_raw_fd(), &to) {
            Ok(()) | Err(nix::errno::Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let timeout = PollTimeout::try_from(patience).expect("a timeout");
        if poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], timeout)? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match nix::sys::socket::getsockopt(&socket, sockopt::SocketError)? {
            0 => {
                let stream = TcpStream::from(socket);
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// What a connection attempt ends in.
    pub fn dial(&self, from: usize, to: usize, port: u16) -> Result<(), io::ErrorKind> {
        self.connect(from, to, port, Duration::from_millis(300)).map(drop).map_err(|error| error.kind())
    }

    fn out(&self, host: usize) -> PathBuf {
        self.dir.path(&format!("{host}.out"))
    }
}

/// The address of a host of the lab.
pub fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host as u8 + 1)
}

/// The name of a host of the lab.
pub fn name(host: usize) -> String {
    char::from(b'a' + host as u8).to_string()
}

fn spec(host: usize, count: usize, dir: &Scratch) -> HostSpec {
    let names = (0..count).map(|i| (name(i), address(i))).collect();
    HostSpec { names, keep: vec![dir.path("")], ..HostSpec::new(name(host), address(host)) }
}
