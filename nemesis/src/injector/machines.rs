//! What faults act on.

use std::sync::Arc;

use super::Condition;
use crate::hosts::{HostId, Hosts, HostsError};
use crate::wire::Link;

/// Hosts and the network between them, as far as faults are concerned. [`Hosts`] is the real one.
pub trait Machines {
    /// Cuts and restores links, all at once; what else is set for them stays.
    fn set_cut(&self, links: &[(HostId, HostId, bool)]);
    /// Whether a link is cut.
    fn is_cut(&self, from: HostId, to: HostId) -> bool;
    /// Packets that this link dropped because it was cut, since the start.
    fn dropped_count(&self, from: HostId, to: HostId) -> u64;
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

    /// Pauses, kills or crashes several hosts, as nearly at once as can be; to make them `Running` does nothing. Returns
    /// for each how many processes it hit. Unless it is overridden, one comes after the other.
    fn strike(&self, hosts: &[HostId], to: Condition) -> Vec<Result<usize, HostsError>> {
        hosts.iter().map(|host| strike_one(self, *host, to)).collect()
    }
}

fn strike_one<M: Machines + ?Sized>(machines: &M, host: HostId, to: Condition) -> Result<usize, HostsError> {
    match to {
        Condition::Running => Ok(0),
        Condition::Paused => machines.pause(host),
        Condition::Killed => machines.kill(host),
        Condition::Crashed => machines.crash(host),
    }
}

impl Machines for Hosts {
    fn set_cut(&self, links: &[(HostId, HostId, bool)]) {
        let wire = self.wire();
        let changes = links.iter().map(|(from, to, cut)| (*from, *to, Link { cut: *cut, ..wire.link(*from, *to) }));
        wire.set(&changes.collect::<Vec<_>>());
    }
    fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.wire().link(from, to).cut
    }
    fn dropped_count(&self, from: HostId, to: HostId) -> u64 {
        self.wire().stats(from, to).cut
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
            fn set_cut(&self, links: &[(HostId, HostId, bool)]) {
                (**self).set_cut(links)
            }
            fn is_cut(&self, from: HostId, to: HostId) -> bool {
                (**self).is_cut(from, to)
            }
            fn dropped_count(&self, from: HostId, to: HostId) -> u64 {
                (**self).dropped_count(from, to)
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
