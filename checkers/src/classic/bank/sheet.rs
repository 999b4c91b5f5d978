//! What reads of accounts show, and what transfers ask for, whichever way they are written down.

use std::collections::BTreeMap;

use histories::{EventIndex, Function, History, MicroFunction, Payload, Scalar, ValueId};
use serde_json::Value;

use super::{is_custom, only_reads};

/// What one read shows.
pub(super) struct Sheet {
    /// By account; `None` where there is nothing.
    pub(super) balances: BTreeMap<String, Option<i128>>,
    /// It asked for certain accounts, perhaps not for all.
    pub(super) is_part: bool,
    /// Something is no balance.
    pub(super) is_odd: bool,
}

impl Sheet {
    /// Of the completion of a read of accounts; `None` of everything else.
    pub(super) fn read(history: &History, event: EventIndex) -> Option<Sheet> {
        let payload = history.payload(event);
        match history.function(event) {
            Function::Read => Some(Sheet::of_map(history, payload)),
            Function::Txn if only_reads(history, payload) => Some(Sheet::of_txn(history, payload)),
            _ => None,
        }
    }

    fn of_map(history: &History, payload: Payload) -> Sheet {
        let odd = Sheet { balances: BTreeMap::new(), is_part: false, is_odd: true };
        let Payload::Value(value) = payload else { return odd };
        let Scalar::Json(text) = history.value(value) else { return odd };
        let Ok(map) = serde_json::from_str::<BTreeMap<String, Value>>(text) else { return odd };
        let mut sheet = Sheet { is_odd: map.is_empty(), ..odd };
        for (account, balance) in map {
            let balance = match balance.as_i64() {
                Some(balance) => Some(balance.into()),
                None => sheet.balance(Scalar::from_json(balance)),
            };
            sheet.balances.insert(account, balance);
        }
        sheet
    }

    fn of_txn(history: &History, payload: Payload) -> Sheet {
        let mut sheet = Sheet { balances: BTreeMap::new(), is_part: true, is_odd: false };
        for micro in history.micros(payload) {
            let balance = match micro.value {
                Payload::Value(value) => sheet.balance(history.value(value).clone()),
                _ => sheet.balance(Scalar::Bool(false)),
            };
            let before = sheet.balances.insert(history.key_name(micro.key).to_string(), balance);
            sheet.is_odd |= before.is_some_and(|before| before != balance);
        }
        sheet
    }

    fn balance(&mut self, shown: Scalar) -> Option<i128> {
        match shown {
            Scalar::Int(balance) => Some(balance.into()),
            Scalar::Null => None,
            _ => {
                self.is_odd = true;
                None
            }
        }
    }

    /// The sum of all balances, if every one of them is there.
    pub(super) fn sum(&self) -> Option<i128> {
        let balances: Option<Vec<i128>> = self.balances.values().copied().collect();
        balances.filter(|_| !self.is_odd).map(|balances| balances.into_iter().sum())
    }
}

/// What one transfer asks for.
pub(super) struct Transfer {
    pub(super) accounts: Vec<String>,
    /// How much, where it says so.
    pub(super) amount: Option<i128>,
}

impl Transfer {
    /// `{"from": …, "to": …, "amount": …}`, or a transaction that writes accounts; `None` of everything else.
    pub(super) fn of(history: &History, event: EventIndex) -> Option<Transfer> {
        let payload = history.payload(event);
        if history.function(event) == Function::Txn {
            return Transfer::of_txn(history, payload);
        }
        if !is_custom(history, event, "transfer") {
            return None;
        }
        let mut transfer = Transfer { accounts: Vec::new(), amount: None };
        if let Payload::Value(value) = payload
            && value != ValueId::NULL
            && let Value::Object(map) = history.value(value).to_json()
        {
            let account = |end: &str| map.get(end).map(|account| Scalar::from_json(account.clone()).to_string());
            transfer.accounts = [account("from"), account("to")].into_iter().flatten().collect();
            transfer.amount = map.get("amount").and_then(Value::as_i64).map(i128::from);
        }
        Some(transfer)
    }

    fn of_txn(history: &History, payload: Payload) -> Option<Transfer> {
        let writes = history.micros(payload).iter().filter(|micro| micro.f == MicroFunction::Write);
        let accounts: Vec<String> = writes.map(|micro| history.key_name(micro.key).to_string()).collect();
        (!accounts.is_empty()).then_some(Transfer { accounts, amount: None })
    }
}
