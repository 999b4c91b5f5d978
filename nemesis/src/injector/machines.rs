//! What faults act on.

use std::path::Path;
use std::sync::Arc;

use super::Condition;
use crate::clock::{ClockReading, Skew};
use crate::data::{Backup, Data, FileDamage, Harm};
use crate::disk::{DiskFault, PowerCut};
use crate::hosts::{Crashed, HostId, Hosts, HostsError, ResourceLimits, ResourceReading};
use crate::wire::{Link, LinkStats};

/// Hosts and the network between them, as far as faults are concerned. [`Hosts`] is the real one. Each host is asked one
/// thing at a time, its disk excepted; different hosts are asked side by side.
pub trait Machines {
    /// Sets links, all at once.
    fn set_links(&self, links: &[(HostId, HostId, Link)]);
    /// What is set for a link.
    fn link(&self, from: HostId, to: HostId) -> Link;
    /// What this link did since the start.
    fn stats(&self, from: HostId, to: HostId) -> LinkStats;
    /// Asks a host's processes to end; see [`Hosts::terminate`].
    fn stop(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::kill`].
    fn kill(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::restart`].
    fn restart(&self, host: HostId) -> Result<(), HostsError>;
    /// See [`Hosts::power_cut`]; a crash is one that loses all that was not fsynced.
    fn crash(&self, host: HostId, cut: &PowerCut) -> Result<Crashed, HostsError>;
    /// See [`Hosts::set_clock`].
    fn set_clock(&self, host: HostId, skew: &Skew) -> Result<(), HostsError>;
    /// See [`Hosts::read_clock`].
    fn read_clock(&self, host: HostId) -> Result<ClockReading, HostsError>;
    /// Has a host's disk misbehave in these ways and no others. Those that were there already go on counting.
    fn set_disk(&self, host: HostId, faults: &[DiskFault]) -> Result<(), HostsError>;
    /// How often each of them took effect so far.
    fn disk_hits(&self, host: HostId) -> Vec<u64>;
    /// See [`Hosts::reboot`].
    fn reboot(&self, host: HostId) -> Result<(), HostsError>;
    /// See [`Hosts::pause`].
    fn pause(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::resume`].
    fn resume(&self, host: HostId) -> Result<usize, HostsError>;
    /// See [`Hosts::process_count`].
    fn process_count(&self, host: HostId) -> Result<usize, HostsError>;

    /// See [`Hosts::set_resources`].
    fn set_resources(&self, host: HostId, limits: &ResourceLimits) -> Result<Option<ResourceReading>, HostsError>;
    /// See [`Hosts::read_resources`].
    fn read_resources(&self, host: HostId) -> Result<Option<ResourceReading>, HostsError>;
    /// Removes the data of a host whose processes are down: what is on its simulated disk or, without one, in `dir`.
    fn wipe(&self, host: HostId, dir: Option<&Path>) -> Result<Harm, HostsError>;
    /// Damages the same.
    fn damage(&self, host: HostId, dir: Option<&Path>, damage: &FileDamage) -> Result<Harm, HostsError>;
    /// Remembers the same, while its processes stand still or are down.
    fn back_up(&self, host: HostId, dir: Option<&Path>) -> Result<Backup, HostsError>;
    /// Makes the same what it was; its processes are down.
    fn roll_back(&self, host: HostId, dir: Option<&Path>, to: &Backup) -> Result<Harm, HostsError>;

    /// Pauses, stops, kills or crashes a host; to make it `Running` does nothing. Returns what was hit.
    fn strike(&self, host: HostId, blow: &Blow) -> Result<Crashed, HostsError> {
        let processes = match blow.to {
            Condition::Running => Ok(0),
            Condition::Paused => self.pause(host),
            Condition::Stopped => self.stop(host),
            Condition::Killed => self.kill(host),
            Condition::Crashed => return self.crash(host, &blow.cut),
        };
        processes.map(|processes| Crashed { processes, ..Crashed::default() })
    }
}

/// How hosts are brought down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blow {
    /// What they are to be.
    pub to: Condition,
    /// What a crash does to their disks.
    pub cut: PowerCut,
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
        Hosts::terminate(self, host)
    }
    fn kill(&self, host: HostId) -> Result<usize, HostsError> {
        Hosts::kill(self, host)
    }
    fn restart(&self, host: HostId) -> Result<(), HostsError> {
        Hosts::restart(self, host)
    }
    fn crash(&self, host: HostId, cut: &PowerCut) -> Result<Crashed, HostsError> {
        Hosts::power_cut(self, host, *cut)
    }
    fn set_clock(&self, host: HostId, skew: &Skew) -> Result<(), HostsError> {
        Hosts::set_clock(self, host, skew)
    }
    fn read_clock(&self, host: HostId) -> Result<ClockReading, HostsError> {
        Hosts::read_clock(self, host)
    }
    fn set_disk(&self, host: HostId, faults: &[DiskFault]) -> Result<(), HostsError> {
        Hosts::set_disk(self, host, faults)
    }
    fn disk_hits(&self, host: HostId) -> Vec<u64> {
        Hosts::disk_hits(self, host)
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
    fn set_resources(&self, host: HostId, limits: &ResourceLimits) -> Result<Option<ResourceReading>, HostsError> {
        Hosts::set_resources(self, host, limits)
    }
    fn read_resources(&self, host: HostId) -> Result<Option<ResourceReading>, HostsError> {
        Hosts::read_resources(self, host)
    }
    fn wipe(&self, host: HostId, dir: Option<&Path>) -> Result<Harm, HostsError> {
        data(self, host, dir)?.wipe().map_err(|source| refused("remove", dir, source))
    }
    fn damage(&self, host: HostId, dir: Option<&Path>, damage: &FileDamage) -> Result<Harm, HostsError> {
        data(self, host, dir)?.damage(damage).map_err(|source| refused("damage", dir, source))
    }
    fn back_up(&self, host: HostId, dir: Option<&Path>) -> Result<Backup, HostsError> {
        data(self, host, dir)?.back_up().map_err(|source| refused("back up", dir, source))
    }
    fn roll_back(&self, host: HostId, dir: Option<&Path>, to: &Backup) -> Result<Harm, HostsError> {
        data(self, host, dir)?.roll_back(to).map_err(|source| refused("roll back", dir, source))
    }
}

/// Where the data of a host is.
fn data(hosts: &Hosts, host: HostId, dir: Option<&Path>) -> Result<Data, HostsError> {
    let unknown = || HostsError::Host {
        host: format!("#{}", host.0),
        what: "nobody said where its data is, and it has no simulated disk".to_owned(),
    };
    let disk = hosts.disk(host).map(Data::Disk);
    disk.or_else(|| dir.map(|dir| Data::Directory(dir.to_owned()))).ok_or_else(unknown)
}

fn refused(what: &str, dir: Option<&Path>, source: std::io::Error) -> HostsError {
    let of = dir.map_or_else(|| "a simulated disk".to_owned(), |dir| dir.display().to_string());
    HostsError::Io { what: format!("cannot {what} the data in {of}"), source }
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
            fn crash(&self, host: HostId, cut: &PowerCut) -> Result<Crashed, HostsError> {
                (**self).crash(host, cut)
            }
            fn set_clock(&self, host: HostId, skew: &Skew) -> Result<(), HostsError> {
                (**self).set_clock(host, skew)
            }
            fn read_clock(&self, host: HostId) -> Result<ClockReading, HostsError> {
                (**self).read_clock(host)
            }
            fn set_disk(&self, host: HostId, faults: &[DiskFault]) -> Result<(), HostsError> {
                (**self).set_disk(host, faults)
            }
            fn disk_hits(&self, host: HostId) -> Vec<u64> {
                (**self).disk_hits(host)
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
            fn set_resources(&self, host: HostId, limits: &ResourceLimits) -> Result<Option<ResourceReading>, HostsError> {
                (**self).set_resources(host, limits)
            }
            fn read_resources(&self, host: HostId) -> Result<Option<ResourceReading>, HostsError> {
                (**self).read_resources(host)
            }
            fn wipe(&self, host: HostId, dir: Option<&Path>) -> Result<Harm, HostsError> {
                (**self).wipe(host, dir)
            }
            fn damage(&self, host: HostId, dir: Option<&Path>, damage: &FileDamage) -> Result<Harm, HostsError> {
                (**self).damage(host, dir, damage)
            }
            fn back_up(&self, host: HostId, dir: Option<&Path>) -> Result<Backup, HostsError> {
                (**self).back_up(host, dir)
            }
            fn roll_back(&self, host: HostId, dir: Option<&Path>, to: &Backup) -> Result<Harm, HostsError> {
                (**self).roll_back(host, dir, to)
            }
        }
    )*};
}

forward!(&M, Arc<M>);
