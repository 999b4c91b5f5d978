//! Links: what all installed faults together make of each, and what they did to packets. Nothing here waits for anybody.

use serde_json::json;

use super::ledger::Ledger;
use super::touch::{is_cut, packets};
use super::{Effect, FaultId, Injector, Machines, Outcome};
use crate::fault::{Fault, LinkKind};
use crate::hosts::HostId;
use crate::wire::{Link, LinkStats};

impl<M: Machines> Injector<M> {
    /// What these links have done, in all.
    pub(super) fn stats(&self, links: &[(HostId, HostId)]) -> LinkStats {
        links.iter().map(|(from, to)| self.machines.stats(*from, *to)).fold(LinkStats::default(), LinkStats::plus)
    }

    /// Makes these links what the ledger wants them to be. Returns how many are.
    fn set_links(&self, ledger: &Ledger, links: &[(HostId, HostId)]) -> usize {
        let wanted: Vec<_> = links.iter().map(|link| (link.0, link.1, ledger.link(link))).collect();
        self.machines.set_links(&wanted);
        wanted.iter().filter(|(from, to, link)| self.machines.link(*from, *to) == *link).count()
    }

    /// Cuts the links of a fault that is in the ledger, or makes them worse.
    pub(super) fn impair(&self, ledger: &Ledger, id: FaultId, effect: Effect) -> Effect {
        let Some(installed) = ledger.get(id) else { return effect };
        let set_count = self.set_links(ledger, &installed.links);
        let counted = if is_cut(&installed.fault) { "links_cut" } else { "links_impaired" };
        let took_effect = json!({ counted: set_count });
        match installed.links.len() - set_count {
            0 => effect.took(Outcome::Installed, took_effect, false),
            missing => {
                let all = installed.links.len();
                let reason = format!("{missing} of {all} links are not as asked for when read back");
                effect.took(Outcome::Indeterminate(reason), took_effect, set_count == 0)
            }
        }
    }

    /// Makes the links of a fault what the others want them to be, and counts what it did to packets.
    pub(super) fn restore(&self, ledger: &Ledger, id: FaultId, effect: Effect) -> Effect {
        let Some(installed) = ledger.get(id) else { return effect };
        let set_count = self.set_links(ledger, &installed.links);
        let still_wanted = installed.links.iter().filter(|link| ledger.link(link) != Link::default()).count();
        let stats = self.stats(&installed.links).since(installed.before);
        let packets = packets(&installed.fault, &stats);
        let counted = if is_cut(&installed.fault) { "packets_dropped" } else { "packets_hit" };
        let missing = installed.links.len() - set_count;
        let restored = (installed.links.len() - still_wanted).saturating_sub(missing);
        let mut took_effect = json!({ counted: packets, "links_restored": restored });
        if packets == 0 {
            // Whether there was anything to hit.
            took_effect["packets_sent"] = json!(stats.sent);
        }
        if let Fault::Link { kind: LinkKind::Slow | LinkKind::Jitter | LinkKind::RateLimit, .. } = installed.fault {
            took_effect["mean_delay_us"] = json!(stats.delay_us.checked_div(stats.delayed).unwrap_or(0));
        }
        match missing {
            0 => effect.took(Outcome::Healed, took_effect, packets == 0),
            _ => {
                let reason = format!("{missing} links are not restored when read back");
                effect.took(Outcome::Indeterminate(reason), took_effect, packets == 0)
            }
        }
    }
}
