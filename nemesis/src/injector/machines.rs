//! What faults act on.

use std::sync::Arc;

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
        }
    )*};
}

forward!(&M, Arc<M>);
