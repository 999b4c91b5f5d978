//! What faults act on.

use std::sync::Arc;

use super::Condition;
use crate::hosts::{HostId, Hosts, HostsError};
use crate::wire::{Link, LinkStats};

/// How long a process that is asked to end gets to do so.
const GRACE_MS: u64 = 5_000;

/// Hosts and the network between them, as far as faults are concerned. [`Hosts`] is the real one.
pub trait Machines {
    /// Sets links, all at once.
    fn set_links(&self, links: &[(HostId, HostId, Link)]);
    /// What is set for a link.
    fn link(&self, from: HostId, to: HostId) -> Link;
    /// What this link did since the start.
    fn stats(&self, from: HostId, to: HostId) -> LinkStats;
    /// Ends a host's processes in order, with SIGTERM; see [`Hosts::stop`].
    fn stop(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::kill`].
    fn kill(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::restart`].
    fn restart(&self, host: HostId) -> Result<(), HostsError>;
    /// See [`Hosts::crash`].
    fn crash(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::reboot`].
    fn reboot(&self, host: HostId) -> Result<(), HostsError>;
    /// See [`Hosts::pause`].
    fn pause(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::resume`].
    fn resume(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::process_count`].
    fn process_count(&self, host: HostId) -> Result<usize, HostsError>;

    /// Pauses, stops, kills or crashes several hosts, as nearly at once as can be; to make them `Running` does nothing. Returns
    /// for each how many processes it hit. Unless it is overridden, one comes after the other.
    fn strike(&self, hosts: &[HostId], to: Condition) -> Vec<Result<usize, HostsError>> {
        hosts.iter().map(|host| strike_one(self, *host, to)).collect()
    }
}

fn strike_one<M: Machines + ?Sized>(machines: &M, host: HostId, to: Condition) -> Result<usize, HostsError> {
    match to {
        Condition::Running => Ok(0),
        Condition::Paused => machines.pause(host),
        Condition::Stopped => machines.stop(host),
        Condition::Killed => machines.kill(host),
        Condition::Crashed => machines.crash(host),
    }
}

impl Machines for Hosts {
    fn set_links(&self, links: &[(HostId, HostId, Link)]) {
        self.wire().set(links);
    }
    fn link(&self, from: HostId, to: HostId) -> Link {
        self.wire().link(from, to)
    }
    fn stats(&self, from: HostId, to: HostId) -> LinkStats {
        self.wire().stats(from, to)
    }
    fn stop(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::stop(self, host, GRACE_MS)
    }
    fn kill(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::kill(self, host)
    }
    fn restart(&self, host: HostId) -> Result<(), HostsError> {
        Hosts::restart(self, host)
    }
    fn crash(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::crash(self, host)
    }
    fn reboot(&self, host: HostId) -> Result<(), HostsError> {
        Hosts::reboot(self, host)
    }
    fn pause(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::pause(self, host)
    }
    fn resume(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::resume(self, host)
    }
    fn process_count(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::process_count(self, host)
    }
    /// A machine takes tens of milliseconds to die. In a row, the last would see all others gone.
    fn strike(&self, hosts: &[HostId], to: Condition) -> Vec<Result<usize, HostsError>> {
        let died = |_| Err(HostsError::Host { host: "?".to_owned(), what: "the injector's thread died".to_owned() });
        std::thread::scope(|scope| {
            let start = |host: &HostId| {
                let host = *host;
                std::thread::Builder::new().spawn_scoped(scope, move || strike_one(self, host, to)).map_err(|_| host)
            };
            let started: Vec<_> = hosts.iter().map(start).collect();
            let end = |thread: Result<std::thread::ScopedJoinHandle<'_, _>, HostId>| match thread {
                Ok(thread) => thread.join().unwrap_or_else(died),
                // There are no more threads to be had.
                Err(host) => strike_one(self, host, to),
            };
            started.into_iter().map(end).collect()
        })
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<M: Machines + ?Sized> Machines for $pointer {
            fn set_links(&self, links: &[(HostId, HostId, Link)]) {
                (**self).set_links(links)
            }
            fn link(&self, from: HostId, to: HostId) -> Link {
                (**self).link(from, to)
            }
            fn stats(&self, from: HostId, to: HostId) -> LinkStats {
                (**self).stats(from, to)
            }
            fn stop(&self, host: HostId) -> Result<usize, HostsError> {
                (**self).stop(host)
            }
            fn kill(&self, host: HostId) -> Result<usize, HostsError> {
                (**self).kill(host)
            }
            fn restart(&self, host: HostId) -> Result<(), HostsError> {
                (**self).restart(host)
            }
            fn crash(&self, host: HostId) -> Result<usize, HostsError> {
                (**self).crash(host)
            }
            fn reboot(&self, host: HostId) -> Result<(), HostsError> {
                (**self).reboot(host)
            }
            fn pause(&self, host: HostId) -> Result<usize, HostsError> {
                (**self).pause(host)
            }
            fn resume(&self, host: HostId) -> Result<usize, HostsError> {
                (**self).resume(host)
            }
            fn process_count(&self, host: HostId) -> Result<usize, HostsError> {
                (**self).process_count(host)
            }
            fn strike(&self, hosts: &[HostId], to: Condition) -> Vec<Result<usize, HostsError>> {
                (**self).strike(hosts, to)
            }
        }
    )*};
}

forward!(&M, Arc<M>);
