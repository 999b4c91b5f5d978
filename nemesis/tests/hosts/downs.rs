//! Kill, crash, cut and pause are four different things to a peer.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use nemesis::hosts::{HostId, Rung};
use nemesis::wire::Link;

use crate::lab::{DEADLINE, Lab, wait_until};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("a_killed_process_is_refused_at_once", a_killed_process_is_refused_at_once),
    ("a_crashed_machine_is_silent_and_comes_back_at_its_address", a_crashed_machine_is_silent_and_comes_back),
    ("a_cut_is_silent_one_way_and_heals", a_cut_is_silent_one_way_and_heals),
    ("a_paused_process_stands_still_and_goes_on", a_paused_process_stands_still_and_goes_on),
    ("stop_asks_first_and_kills_then", stop_asks_first_and_kills_then),
];

const CUT: fn() -> Link = || Link { cut: true, ..Link::default() };

fn a_killed_process_is_refused_at_once(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    let mut old = lab.connect(1, 0, 7000, DEADLINE).unwrap();
    old.write_all(b"x").unwrap();
    old.read_exact(&mut [0]).unwrap();

    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 1);
    let exit = lab.wait_exit(0);
    assert_eq!((exit.signal, exit.expected), (Some(9), true));
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
    assert!(matches!(old.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(lab.dial(1, 0, 7000), Err(ErrorKind::ConnectionRefused));
    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 0);

    lab.hosts.restart(HostId(0)).unwrap();
    lab.hosts.restart(HostId(0)).unwrap();
    wait_until("listener", || lab.dial(1, 0, 7000).is_ok());
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 1);
}

fn a_crashed_machine_is_silent_and_comes_back(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["family", "3"]);
    wait_until("family", || lab.said(0).matches("asleep").count() == 3);
    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 4);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    let mut old = lab.connect(1, 0, 7000, DEADLINE).unwrap();

    let began = Instant::now();
    assert_eq!(lab.hosts.crash(HostId(0)).unwrap(), 1);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    lab.wait_exit(0);
    let exit = lab.wait_exit(0);
    assert_eq!((exit.signal, exit.expected), (Some(9), true));
    assert_eq!(lab.hosts.crash(HostId(0)).unwrap(), 0);
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
    assert_eq!(lab.dial(1, 0, 7000), Err(ErrorKind::TimedOut));
    old.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(old.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(lab.hosts.restart(HostId(0)).is_err());
    assert!(lab.hosts.wire().stats(HostId(1), HostId(0)).down > 0);

    lab.hosts.reboot(HostId(0)).unwrap();
    lab.hosts.reboot(HostId(0)).unwrap();
    assert_eq!(lab.dial(1, 0, 7000), Err(ErrorKind::ConnectionRefused));
    old.write_all(b"x").unwrap();
    old.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(old.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    lab.hosts.restart(HostId(0)).unwrap();
    wait_until("listener", || lab.dial(1, 0, 7000).is_ok());
}

fn a_cut_is_silent_one_way_and_heals(rung: Rung) {
    let lab = Lab::new(rung, 3);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    let wire = lab.hosts.wire();
    let before = wire.generation();
    let generation = wire.set(&[(HostId(0), HostId(1), CUT())]);
    assert_eq!(generation, before + 1);
    assert_eq!(lab.dial(1, 0, 7000), Err(ErrorKind::TimedOut));
    assert_eq!(lab.dial(2, 0, 7000), Ok(()));
    assert!(wire.stats(HostId(0), HostId(1)).cut > 0);
    assert_eq!(wire.stats(HostId(1), HostId(0)).cut, 0);
    wire.set(&[(HostId(0), HostId(1), Link::default())]);
    assert_eq!(lab.dial(1, 0, 7000), Ok(()));
}

fn a_paused_process_stands_still_and_goes_on(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.start(0, &["tick"]);
    lab.wait_said(0, "5\n");
    assert_eq!(lab.hosts.pause(HostId(0)).unwrap(), 1);
    let said = lab.said(0);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(lab.said(0), said);
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 1);
    assert_eq!(lab.hosts.resume(HostId(0)).unwrap(), 1);
    wait_until("tick", || lab.said(0).len() > said.len());
}

fn stop_asks_first_and_kills_then(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["sleep"]);
    lab.start(1, &["deaf"]);
    lab.wait_said(1, "asleep");
    lab.hosts.pause(HostId(0)).unwrap();
    lab.hosts.stop(HostId(0), 10_000).unwrap();
    let exit = lab.wait_exit(0);
    assert_eq!((exit.signal, exit.expected), (Some(15), true));
    lab.hosts.stop(HostId(1), 20).unwrap();
    let exit = lab.wait_exit(1);
    assert_eq!((exit.signal, exit.expected), (Some(9), true));
}
