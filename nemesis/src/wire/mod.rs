//! The network of a run. (interface first; being written)

use crate::hosts::HostId;

/// What happens to packets from one host to another. All zero and `false`: forwarded at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Link {
    /// Drop everything.
    pub cut: bool,
    /// Hold each packet this long, microseconds.
    pub delay_us: u64,
    /// Plus a uniform random time up to this, microseconds; packets overtake each other.
    pub jitter_us: u64,
    /// Drop this many of a million.
    pub loss_ppm: u32,
    /// Send this many of a million twice.
    pub duplicate_ppm: u32,
    /// Flip one bit in this many of a million.
    pub corrupt_ppm: u32,
    /// At most this many bytes per second (a queue of 100 ms, then loss); 0 is no limit.
    pub rate_bytes: u64,
    /// Keep packets back until this is `false` again.
    pub hold: bool,
}

/// Packets of one link, or of all, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LinkStats {
    /// Delivered.
    pub forwarded: u64,
    /// Dropped because the link was cut.
    pub cut: u64,
    /// Dropped by loss or by the rate limit.
    pub lost: u64,
    /// Delayed, duplicated or corrupted.
    pub altered: u64,
}

/// The network of a run: a single-threaded switch that the controller holds.
pub struct Wire {
    _private: (),
}

#[allow(clippy::unimplemented)]
impl Wire {
    /// Changes links, all at once: no packet sees half of it. Returns the generation of the new policy.
    pub fn set(&self, _links: &[(HostId, HostId, Link)]) -> u64 {
        unimplemented!()
    }
    /// What is set for a link.
    pub fn link(&self, _from: HostId, _to: HostId) -> Link {
        unimplemented!()
    }
    /// Packets of one link.
    pub fn stats(&self, _from: HostId, _to: HostId) -> LinkStats {
        unimplemented!()
    }
    /// Packets of all links.
    pub fn total(&self) -> LinkStats {
        unimplemented!()
    }
}
