//! The four ways to make hosts.

/// How the hosts are made on this machine, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Unprivileged user namespace, TUN ports.
    UserTun,
    /// Unprivileged user namespace, veth + AF_PACKET ports.
    UserPacket,
    /// Root (or capabilities), TUN ports.
    RootTun,
    /// Root (or capabilities), veth + AF_PACKET ports.
    RootPacket,
}

impl Rung {
    /// All four.
    pub const ALL: [Rung; 4] = [Rung::UserTun, Rung::UserPacket, Rung::RootTun, Rung::RootPacket];

    /// As in files: `user-tun`.
    pub fn name(self) -> &'static str {
        match self {
            Rung::UserTun => "user-tun",
            Rung::UserPacket => "user-packet",
            Rung::RootTun => "root-tun",
            Rung::RootPacket => "root-packet",
        }
    }

    /// Whether the hosts live in a user namespace of the run.
    pub fn user_namespace(self) -> bool {
        matches!(self, Rung::UserTun | Rung::UserPacket)
    }

    /// Whether the ports are TUN devices.
    pub fn tun(self) -> bool {
        matches!(self, Rung::UserTun | Rung::RootTun)
    }
}

impl std::fmt::Display for Rung {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
