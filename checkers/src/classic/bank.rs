//! Bank: money moves between accounts, and there is never more or less of it.
//!
//! *Every read of all accounts shows the same sum as the first one, shows the accounts that there are, and, unless that is
//! allowed, none below zero* (Kingsbury, `jepsen.tests.bank`; after the example that every textbook has for
//! transactions).
//!
//! ```text
//!   a: 10, b: 0        |--transfer 5 from a to b--|
//!                           |--read--| a: 5, b: 0        5 has left a and not arrived at b
//! ```
//!
//! # What a wrong sum proves
//!
//! A transfer reads both accounts and writes both. If no transfer overwrites what it has not read (none is lost) and a
//! reader sees each transfer whole or not at all, together with those that it built upon, then what the reader sees of an
//! account is the start plus all transfers that it has seen there, and over all accounts these cancel out. So a wrong sum
//! is read skew or a lost update. It rules out consistent view, repeatable read and parallel snapshot isolation, which
//! exclude both, and everything above them. Read committed, read atomic and causal consistency for transactions each
//! allow one of the two, and are left alone.
//!
//! # What was decided
//!
//! - A read is a `read` that shows an object of balances by account, or a transaction that does nothing but read
//!   accounts. Such a transaction is held to the sum if it reads every account; others are held to no sum.
//! - The sum is the one that was given, or that of the first read to be completed that shows every balance as a whole
//!   number. If that one is wrong, all others are.
//! - The accounts are those of that first read, and those of transfers that were acknowledged.
//! - Each wrong read is one anomaly, of the first kind that applies: a missing account explains a missing sum.
//! - A transfer whose amount makes up the difference, and which was under way, is named as the likely cause. It is part of
//!   the evidence and not of the proof.
//!
//! # What it does not detect
//!
//! A wrong distribution of the right sum: accounts are not followed one by one. Whether a transfer was refused rightly.

mod evidence;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};

use histories::{EventIndex, Function, History, Kind, Payload, ValueId};
use rustc_hash::FxHashSet;

use super::{Odd, stopped};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::models::AnomalyType;
use evidence::Evidence;
use sheet::{Sheet, Transfer};

/// Looks for reads that do not add up. Finds [`AnomalyType::WrongTotal`], [`AnomalyType::NegativeBalance`],
/// [`AnomalyType::MissingKey`] and [`AnomalyType::UnexpectedKey`].
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    match judge(history, question, &Meter::new(budget), &mut found) {
        Ok(()) => found,
        Err(why) => stopped(found, why),
    }
}

fn judge(history: &History, question: &Question, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
    let mut books = Books::open(history, question, meter)?;
    for event in history.client_events() {
        meter.spend(1)?;
        books.transfer(history, event);
        if history.kind(event) == Kind::Ok
            && let Some(invocation) = history.pair_of(event)
            && let Some(sheet) = Sheet::read(history, event)
        {
            meter.spend(sheet.balances.len() as u64)?;
            books.read(history, invocation.0, event.0, &sheet, found);
        }
    }
    books.close(found);
    Ok(())
}

/// What must be true of every read, and what has happened so far.
struct Books {
    /// The sum, and the read that it comes from if it was not given.
    total: Option<(i128, Option<u32>)>,
    accounts: BTreeSet<String>,
    /// Named by a transfer, whatever became of it.
    named: BTreeSet<String>,
    negative_balances: bool,
    /// The last transfer of each amount that was invoked and did not fail.
    by_amount: BTreeMap<i128, u32>,
    transfers: u64,
    reads: u64,
    parts: u64,
    odd: Odd,
}

impl Books {
    fn open(history: &History, question: &Question, meter: &Meter<'_>) -> Result<Books, Exhausted> {
        let mut books = Books {
            total: question.assume.total.map(|total| (total.into(), None)),
            accounts: BTreeSet::new(),
            named: BTreeSet::new(),
            negative_balances: question.assume.negative_balances,
            by_amount: BTreeMap::new(),
            transfers: 0,
            reads: 0,
            parts: 0,
            odd: Odd::default(),
        };
        books.survey(history, meter)?;
        Ok(books)
    }

    /// Learns of all accounts, and of the sum of the first read.
    fn survey(&mut self, history: &History, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let mut first = None;
        let mut known = FxHashSet::default();
        for event in history.client_events() {
            meter.spend(1)?;
            let done = history.kind(event) == Kind::Ok;
            if is_custom(history, event, "transfer") && !known.insert((done, value(history, event))) {
                continue;
            }
            if let Some(transfer) = Transfer::of(history, event) {
                let accounts = if done { &mut self.accounts } else { &mut self.named };
                accounts.extend(transfer.accounts);
            }
            let Some(invocation) = history.pair_of(event).filter(|_| done) else { continue };
            if first.is_some() && history.function(event) == Function::Read {
                continue;
            }
            match Sheet::read(history, event) {
                Some(sheet) if sheet.is_part => self.accounts.extend(sheet.balances.into_keys()),
                Some(sheet) => first = sheet.sum().map(|sum| (sum, invocation.0, sheet)),
                None => {}
            }
        }
        if let Some((sum, read, sheet)) = first {
            self.accounts.extend(sheet.balances.into_keys());
            self.total = self.total.or(Some((sum, Some(read))));
        }
        Ok(())
    }

    fn transfer(&mut self, history: &History, event: EventIndex) {
        if history.kind(event) == Kind::Invoke
            && let Some(transfer) = Transfer::of(history, event)
        {
            self.transfers += 1;
            if let (Some(amount), true) = (transfer.amount, history.outcome(event) != Kind::Fail) {
                self.by_amount.insert(amount.abs(), event.0);
            }
        }
    }

    fn read(&mut self, history: &History, read: u32, ended: u32, sheet: &Sheet, found: &mut Found) {
        self.reads += 1;
        if sheet.is_odd {
            self.odd.note(read);
            return;
        }
        let evidence = Evidence { history, read };
        let missing = |account: &&String| !sheet.balances.contains_key(*account);
        let is_missing = |balance: &Option<i128>| balance.is_none();
        let lacks = if sheet.is_part { None } else { self.accounts.iter().find(missing) };
        let lacks = lacks.or_else(|| sheet.balances.iter().find(|(_, b)| is_missing(b)).map(|(account, _)| account));
        let known = |account: &&String| self.accounts.contains(*account) || self.named.contains(*account);
        let unknown = sheet.balances.keys().find(|account| !known(account));
        if let Some(account) = lacks {
            found.add(AnomalyType::MissingKey, || evidence.missing(account, self.total));
        } else if let Some(account) = unknown {
            found.add(AnomalyType::UnexpectedKey, || evidence.unexpected(account, self.total));
        } else {
            self.add_up(evidence, ended, sheet, found);
        }
    }

    fn add_up(&mut self, evidence: Evidence<'_>, ended: u32, sheet: &Sheet, found: &mut Found) {
        let whole = !sheet.is_part || self.accounts.iter().all(|account| sheet.balances.contains_key(account));
        self.parts += u64::from(!whole);
        let sum = sheet.sum().filter(|_| whole);
        if sheet.is_part && whole && self.total.is_none() {
            self.total = sum.map(|sum| (sum, Some(evidence.read)));
        }
        let overdrawn = sheet.balances.iter().find(|(_, balance)| balance.is_some_and(|balance| balance < 0));
        if let (Some(sum), Some((total, from))) = (sum, self.total)
            && sum != total
        {
            let half = self.by_amount.get(&(sum - total).abs()).copied();
            let half = half.filter(|transfer| evidence.overlaps(*transfer, ended));
            found.add(AnomalyType::WrongTotal, || evidence.wrong_total(sum, total, from, half));
        } else if let Some((account, Some(balance))) = overdrawn.filter(|_| !self.negative_balances) {
            found.add(AnomalyType::NegativeBalance, || evidence.overdrawn(account, *balance));
        }
    }

    fn close(self, found: &mut Found) {
        self.odd.doubt(found, "read balances that are not whole numbers, or nothing at all");
        if self.reads > 0 && self.reads == self.parts {
            found.doubts.push("No read shows all accounts, so that no sum could be compared.".to_owned());
        }
        if self.reads == 0 && self.transfers > 0 {
            found.doubts.push("The accounts were never read.".to_owned());
        }
        let accounts = self.accounts.len() as u64;
        found.checked = [("accounts", accounts), ("reads", self.reads), ("transfers", self.transfers)].into();
    }
}

/// The value of an event that has one.
fn value(history: &History, event: EventIndex) -> ValueId {
    match history.payload(event) {
        Payload::Value(value) => value,
        _ => ValueId::NULL,
    }
}

/// Whether a transaction reads, and does nothing else.
fn only_reads(history: &History, payload: Payload) -> bool {
    let micros = history.micros(payload);
    !micros.is_empty() && micros.iter().all(|micro| micro.f == histories::MicroFunction::Read)
}

/// Whether this is an operation of that name that these types do not know.
fn is_custom(history: &History, event: EventIndex, name: &str) -> bool {
    let function = history.function(event);
    matches!(function, Function::Custom(_)) && history.function_name(function) == name
}
