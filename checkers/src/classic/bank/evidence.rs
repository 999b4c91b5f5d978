//! What is wrong with a read of accounts, in words and relations.

use histories::{EventIndex, History};

use crate::classic::relation;
use crate::finding::{Anomaly, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

#[derive(Clone, Copy)]
pub(super) struct Evidence<'h> {
    pub(super) history: &'h History,
    pub(super) read: u32,
}

/// The sum that there must be, and the read that showed it.
type Total = Option<(i128, Option<u32>)>;

impl Evidence<'_> {
    /// Whether a transfer was under way while the read was, which ended then.
    pub(super) fn overlaps(self, transfer: u32, ended: u32) -> bool {
        let ends = self.history.pair_of(EventIndex(transfer)).map_or(u32::MAX, |completion| completion.0);
        transfer < ended && ends > self.read
    }

    pub(super) fn wrong_total(self, sum: i128, total: i128, from: Option<u32>, half: Option<u32>) -> Anomaly {
        let there = match from {
            Some(first) => format!("the first read (#{first}) shows {total}"),
            None => format!("there is {total}"),
        };
        let (more, difference) = (if sum > total { "too much" } else { "too little" }, (sum - total).abs());
        let mut explanation = format!(
            "{}, which makes {sum} together, but {there}, and transfers only move money: {difference} {more}",
            words::told(self.history, self.read)
        );
        let mut relations = Vec::new();
        if let Some(transfer) = half {
            let moved = words::numbered(self.history, transfer);
            explanation += &format!(", as much as {moved} moves, which was under way: as if half of it had been seen");
            let reason = format!("#{} seems to show one half of #{transfer} and to miss the other", self.read);
            relations.push(relation(self.read, transfer, RelationKind::Rw, reason));
        }
        let operations = from.into_iter().chain(half).chain([self.read]).collect();
        Anomaly::new(AnomalyType::WrongTotal, None, operations, relations, explanation)
    }

    pub(super) fn overdrawn(self, account: &str, balance: i128) -> Anomaly {
        let told = words::told(self.history, self.read);
        let explanation = format!("{told}: account {account} holds {balance}, and none may be overdrawn");
        Anomaly::new(AnomalyType::NegativeBalance, Some(account.to_owned()), vec![self.read], Vec::new(), explanation)
    }

    pub(super) fn missing(self, account: &str, total: Total) -> Anomaly {
        let told = words::told(self.history, self.read);
        let explanation = format!("{told}: account {account} is missing");
        self.of_account(AnomalyType::MissingKey, account, total, explanation)
    }

    pub(super) fn unexpected(self, account: &str, total: Total) -> Anomaly {
        let told = words::told(self.history, self.read);
        let explanation = format!("{told}: nobody has opened account {account}");
        self.of_account(AnomalyType::UnexpectedKey, account, total, explanation)
    }

    fn of_account(self, kind: AnomalyType, account: &str, total: Total, mut explanation: String) -> Anomaly {
        let first = total.and_then(|(_, from)| from).filter(|first| *first != self.read);
        if let Some(first) = first {
            explanation += &format!("; the first read (#{first}) shows which accounts there are");
        }
        let operations = first.into_iter().chain([self.read]).collect();
        Anomaly::new(kind, Some(account.to_owned()), operations, Vec::new(), explanation)
    }
}
