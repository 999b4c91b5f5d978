//! The ladder: four ways to make hosts, tried by making one, best first.

use super::launch::Zygote;
use super::message::Refusal;
use super::{HostsError, Rung, remedy};

/// A rung that did not hold.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) rung: Rung,
    pub(crate) refusal: Refusal,
}

/// The rungs in the order in which this user should try them: root has no need of a user namespace, and anybody
/// else can hardly do without.
pub(crate) fn order() -> [Rung; 4] {
    if nix::unistd::geteuid().is_root() {
        [Rung::RootTun, Rung::RootPacket, Rung::UserTun, Rung::UserPacket]
    } else {
        [Rung::UserTun, Rung::UserPacket, Rung::RootTun, Rung::RootPacket]
    }
}

/// The best rung that holds, or the one that is wanted, with its zygote.
pub(super) fn climb(wanted: Option<Rung>) -> Result<(Rung, Zygote), HostsError> {
    let mut attempts = Vec::new();
    for rung in order().into_iter().filter(|rung| wanted.is_none_or(|wanted| wanted == *rung)) {
        match try_rung(rung) {
            Ok((zygote, warnings)) => {
                for warning in warnings {
                    tracing::warn!(rung = rung.name(), "hosts have {warning}");
                }
                return Ok((rung, zygote));
            }
            Err(refusal) => {
                tracing::debug!(rung = rung.name(), %refusal, "this rung does not hold");
                attempts.push(Attempt { rung, refusal });
            }
        }
    }
    Err(unavailable(&attempts))
}

/// Makes a host on this rung.
pub(crate) fn try_rung(rung: Rung) -> Result<(Zygote, Vec<String>), Refusal> {
    let zygote = Zygote::start(rung)?;
    let warnings = zygote.try_host()?;
    Ok((zygote, warnings))
}

fn unavailable(attempts: &[Attempt]) -> HostsError {
    let tried: Vec<String> = attempts.iter().map(|a| format!("{}: {}", a.rung.name(), a.refusal)).collect();
    HostsError::Unavailable {
        what: format!("no hosts can be made on this machine ({})", tried.join("; ")),
        remedy: remedy::for_attempts(attempts),
    }
}
