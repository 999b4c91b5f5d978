//! The settings of a `single-leader` configuration.

use super::bugs::Bug;
use super::replica::rules::{Alone, Failover, Replication, Rules};
use crate::specimen::settings::{count, duration};
use crate::system::{OptionSpec, Options, OptionsError};

/// Who answers reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The leader only.
    Leader,
    /// A replica drawn for each read.
    Any,
    /// A replica chosen by a hash of the session; another only when that one cannot be reached.
    Sticky,
}

/// All settings, understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What concerns replication and failover.
    pub rules: Rules,
    /// Who answers reads.
    pub read_from: ReadFrom,
    /// Whether a session insists on its own last write when it reads.
    pub token: bool,
    /// How long a replica waits for that write before it refuses.
    pub read_wait_us: u64,
}

pub(super) const SPECS: &[OptionSpec] = &[
    OptionSpec {
        name: "replication",
        default: "async",
        choices: &["async", "sync", "semi-sync"],
        help: "when a write is acknowledged: on the leader's disk, on every disk, or on two",
    },
    OptionSpec {
        name: "failover",
        default: "automatic",
        choices: &["automatic", "manual", "none"],
        help: "who replaces a leader that is gone: an elected follower, an operator's choice, nobody",
    },
    OptionSpec {
        name: "read-from",
        default: "leader",
        choices: &["leader", "any", "sticky"],
        help: "who answers reads: the leader, a replica drawn for each, or one chosen by a hash of the session",
    },
    OptionSpec {
        name: "read-your-writes",
        default: "none",
        choices: &["none", "token"],
        help: "whether a read names the position of the session's last write, and a replica waits for it",
    },
    OptionSpec {
        name: "on-no-sync-follower",
        default: "block",
        choices: &["block", "degrade"],
        help: "what a leader does when a follower that it must wait for does not answer and no other is left",
    },
    OptionSpec {
        name: "failover-timeout",
        default: "500ms",
        choices: &[],
        help: "how long a leader may be silent; each follower waits this long and up to as long again",
    },
    OptionSpec {
        name: "heartbeat",
        default: "100ms",
        choices: &[],
        help: "how often a leader that has nothing to say says so",
    },
    OptionSpec {
        name: "sync-timeout",
        default: "300ms",
        choices: &[],
        help: "how long a follower that is waited for may owe an acknowledgement",
    },
    OptionSpec {
        name: "read-wait",
        default: "500ms",
        choices: &[],
        help: "how long a read waits at a replica that is behind what its session wrote or saw, before it is refused",
    },
    OptionSpec {
        name: "log-retention",
        default: "1000",
        choices: &[],
        help: "how many entries behind the last snapshot are kept for followers that lag",
    },
];

impl Settings {
    /// Understands options, or says what is wrong with them.
    pub fn new(options: &Options) -> Result<Settings, OptionsError> {
        let rules = Rules {
            replication: match options.get("replication") {
                "sync" => Replication::Sync,
                "semi-sync" => Replication::SemiSync,
                _ => Replication::Async,
            },
            failover: match options.get("failover") {
                "manual" => Failover::Manual,
                "none" => Failover::None,
                _ => Failover::Automatic,
            },
            alone: if options.get("on-no-sync-follower") == "degrade" { Alone::Degrade } else { Alone::Block },
            failover_timeout_us: duration(options, "failover-timeout")?,
            heartbeat_us: duration(options, "heartbeat")?,
            sync_timeout_us: duration(options, "sync-timeout")?,
            retention: count(options, "log-retention")?,
            planted: Bug::planted(options),
        };
        let settings = Settings {
            read_from: match options.get("read-from") {
                "any" => ReadFrom::Any,
                "sticky" => ReadFrom::Sticky,
                _ => ReadFrom::Leader,
            },
            token: options.get("read-your-writes") == "token",
            read_wait_us: duration(options, "read-wait")?,
            rules,
        };
        settings.check()
    }

    fn check(self) -> Result<Settings, OptionsError> {
        let Rules { heartbeat_us, failover_timeout_us, sync_timeout_us, .. } = self.rules;
        for (name, timeout) in [("failover-timeout", failover_timeout_us), ("sync-timeout", sync_timeout_us)] {
            if timeout < 2 * heartbeat_us {
                let message = format!("{name} must be at least twice the heartbeat, or a leader is given up at rest");
                return Err(OptionsError::Combination(message));
            }
        }
        Ok(self)
    }
}
