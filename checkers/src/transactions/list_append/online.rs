//! Lists that transactions append to, judged while the test runs: the alarm comes with the event that proves the violation.
//!
//! The order of a list is its longest read so far, and it only grows. Everything that follows from it and from what has
//! ended goes on to follow, whatever comes: who was read, whose append stands behind whose, who did not see whom. So
//! dependencies are handed to a graph without cycles as they become known, and the one that closes a cycle raises the
//! alarm. Anomalies that are no cycles raise it with the read, or the failure, that completes them.
//!
//! ```text
//!   0<ax1ry   1<ay1rx   0>ax1ry[]   1>ay1rx[]
//!                       0 read y before anything was in it
//!                                   1 read x without 0's append:       1 ──rw──▶ 0
//!                                   and 0 read y without that of 1:    0 ──rw──▶ 1, the alarm
//! ```
//!
//! # What is watched
//! | guarantee            | cycles of                                   | and               |
//! | -------------------- | ------------------------------------------- | ----------------- |
//! | read committed       | `ww`, `wr`                                  | anomalies without a cycle that the model prohibits |
//! | snapshot isolation   | these and `rw`, but never two `rw` in a row | the same          |
//! | serializable         | `ww`, `wr`, `rw`                            | the same          |
//! | strict serializable  | these and real time                         | the same          |
//!
//! Anomalies without a cycle: `G1a`, `G1b`, `garbage-read`, `duplicate-elements`, `incompatible-order`, `internal`,
//! `future-read`, `lost-update`. Others of the analysis at the end imply one of these or a cycle.
//!
//! # What it costs
//! One edge for each dependency. "Everybody who read to the end before everybody who appended since" is one meeting
//! point for each version; real time is a chain. The graph is kept in order ([`crate::graphs::IncrementalOrder`]).
//!
//! # What it does not see at once
//!
//! It never raises an alarm where the analysis of the history so far finds nothing. The analysis may find more:
//! - Of the acknowledged appends to a list that no read has shown only the newest [`UNREAD`] are related to others. What
//!   needs an older one is seen when a read shows that one, or at the end.
//! - Nothing follows from an element that several transactions were asked to append while none of them was known to have
//!   happened.
//! - What single operations have proved before the first transaction touches a list: until then the history is judged by
//!   other guarantees.
//! - Everything after one of these, which would take back what was related already, or make the history another one or
//!   worth nothing: a list is also used as something else; an element is appended once more after it was read or
//!   acknowledged; a read by predicate, `transfer` or `generate`; a break of the rules of a history; an end that tells of
//!   other steps than its beginning. Then [`OnlineLists::has_given_up`], and the end judges.

mod dependencies;
mod lists;
mod relations;
mod within;

use std::collections::BTreeSet;

use histories::{EventIndex, Function, Guarantee, History, Irregularity, KeyId, Kind, MicroFunction, MicroOp, Payload};
use rustc_hash::FxHashMap;

use self::dependencies::Dependencies;
use self::lists::{Append, Key, Part, Transaction};
use crate::models::{self, AnomalyType};

/// Most acknowledged appends to a list that no read has shown that are related to others.
pub const UNREAD: usize = 64;

/// No transaction, no append, no position, no node.
const NONE: u32 = u32::MAX;

/// What contradicts the guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A cycle of dependencies.
    Cycle,
    /// An anomaly that is none.
    Anomaly(AnomalyType),
}

/// Why nothing more is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The guarantee is violated.
    Proved(Proof),
    /// Nobody can tell, before the end.
    GivenUp,
}

/// See the [module](self).
pub struct OnlineLists {
    prohibited: BTreeSet<AnomalyType>,
    graph: Dependencies,
    keys: Vec<Key>,
    transactions: Vec<Transaction>,
    appends: Vec<Append>,
    /// The append of each element of each list that may have happened.
    elements: FxHashMap<(u32, u32), u32>,
    /// The open transaction of each process.
    open: FxHashMap<u32, u32>,
    /// How many lists some transaction has touched.
    touched: usize,
    stop: Option<Stop>,
}

impl OnlineLists {
    /// Watches a guarantee of transactions; `None` for any other.
    pub fn new(guarantee: Guarantee) -> Option<Self> {
        let graph = Dependencies::new(guarantee)?;
        let model = crate::whole::model(guarantee)?;
        Some(OnlineLists {
            prohibited: models::prohibited(&[model], &[]),
            graph,
            keys: Vec::new(),
            transactions: Vec::new(),
            appends: Vec::new(),
            elements: FxHashMap::default(),
            open: FxHashMap::default(),
            touched: 0,
            stop: None,
        })
    }

    /// Takes in the next event of a history, which may hold later events as well. Returns the proof of a violation, once,
    /// with the first event that completes it.
    pub fn step(&mut self, history: &History, event: EventIndex) -> Option<Proof> {
        if history.process(event).is_nemesis() || self.stop.is_some() {
            return None;
        }
        self.stop = self.take(history, event).err();
        match self.stop {
            Some(Stop::Proved(proof)) if self.touched > 0 => Some(proof),
            Some(_) => {
                self.stop = Some(Stop::GivenUp);
                None
            }
            None => None,
        }
    }

    /// Whether something happened of which the consequences are seen at the end only.
    pub fn has_given_up(&self) -> bool {
        self.stop == Some(Stop::GivenUp)
    }

    fn take(&mut self, history: &History, event: EventIndex) -> Result<(), Stop> {
        let irregular = |(at, _): &(EventIndex, Irregularity)| *at <= event;
        if history.irregularities().first().is_some_and(irregular) {
            return Err(Stop::GivenUp);
        }
        let mut single = [MicroOp { f: MicroFunction::Read, key: KeyId(0), value: Payload::Unknown }];
        let Some(steps) = self.steps(history, event, &mut single)? else { return Ok(()) };
        steps.iter().try_for_each(|step| self.use_as_list(step))?;
        if history.function(event) == Function::Txn {
            steps.iter().for_each(|step| self.touch(step));
        }
        match history.kind(event) {
            Kind::Invoke => self.begin(history, event, steps)?,
            kind => {
                let Some(start) = history.pair_of(event) else { return Err(Stop::GivenUp) };
                let Some(transaction) = self.open.remove(&history.process(event).0) else { return Ok(()) };
                same_steps(history, start, event, steps)?;
                match kind {
                    Kind::Ok => self.succeed(history, transaction, steps)?,
                    Kind::Fail => self.fail(transaction)?,
                    _ => {}
                }
            }
        }
        if self.graph.has_cycle() { Err(Stop::Proved(Proof::Cycle)) } else { Ok(()) }
    }

    /// The steps of an event on lists, or on what may be one; `None` where it has no such steps. Notes which objects are
    /// no lists.
    fn steps<'s>(
        &mut self,
        history: &'s History,
        event: EventIndex,
        single: &'s mut [MicroOp; 1],
    ) -> Result<Option<&'s [MicroOp]>, Stop> {
        let (function, payload) = (history.function(event), history.payload(event));
        let f = match function {
            Function::Txn => return Ok(Some(history.micros(payload))),
            Function::Read => MicroFunction::Read,
            Function::Append => MicroFunction::Append,
            Function::Custom(_) if matches!(history.function_name(function), "transfer" | "generate") => {
                return Err(Stop::GivenUp);
            }
            _ => {
                if let Some(key) = history.key(event) {
                    self.use_otherwise(key)?;
                }
                return Ok(None);
            }
        };
        let Some(key) = history.key(event) else { return Ok(None) };
        single[0] = MicroOp { f, key, value: payload };
        Ok(Some(&single[..]))
    }

    /// The place of an object, which it has from now on.
    fn number(&mut self, key: KeyId) -> usize {
        let at = key.0 as usize;
        if at >= self.keys.len() {
            self.keys.resize_with(at + 1, Key::default);
        }
        at
    }

    /// Only reads of lists, and appends, are what is done to lists.
    fn use_as_list(&mut self, step: &MicroOp) -> Result<(), Stop> {
        match (step.f, step.value) {
            (MicroFunction::Append, Payload::Value(_)) => {
                let at = self.number(step.key);
                let key = &mut self.keys[at];
                key.appended |= key.part == Part::List;
                Ok(())
            }
            (MicroFunction::Read, value) if super::orders::is_list_read(value) => {
                self.number(step.key);
                Ok(())
            }
            (MicroFunction::Read | MicroFunction::Write | MicroFunction::Append, _) => self.use_otherwise(step.key),
            _ => Err(Stop::GivenUp),
        }
    }

    /// Something is done to an object that is not done to lists: what is known of it as one counts for nothing.
    fn use_otherwise(&mut self, key: KeyId) -> Result<(), Stop> {
        let at = self.number(key);
        let key = &mut self.keys[at];
        self.touched -= usize::from(std::mem::take(&mut key.touched));
        key.part = Part::Other;
        if key.appended || key.is_read() { Err(Stop::GivenUp) } else { Ok(()) }
    }

    /// A transaction touches what is known to be a list.
    fn touch(&mut self, step: &MicroOp) {
        let found = matches!(step.value, Payload::List { .. });
        let key = &mut self.keys[step.key.0 as usize];
        if key.part == Part::List && (key.appended || found) && !std::mem::replace(&mut key.touched, true) {
            self.touched += 1;
        }
    }

    fn judges(&self, key: KeyId) -> bool {
        self.keys[key.0 as usize].part == Part::List
    }

    /// A kind of anomaly was found: a proof, if the guarantee prohibits it.
    fn found(&self, kind: AnomalyType) -> Result<(), Stop> {
        if self.prohibited.contains(&kind) { Err(Stop::Proved(Proof::Anomaly(kind))) } else { Ok(()) }
    }
}

/// An end has to tell of the steps that were begun, with answers or without; one that is not `ok` may leave them out.
fn same_steps(history: &History, start: EventIndex, event: EventIndex, steps: &[MicroOp]) -> Result<(), Stop> {
    let begun = history.micros(history.payload(start));
    let same = match history.function(event) {
        Function::Txn if steps.is_empty() && history.kind(event) != Kind::Ok => true,
        Function::Txn => begun.len() == steps.len() && begun.iter().zip(steps).all(|(a, b)| same_step(a, b)),
        Function::Append => history.payload(start) == history.payload(event),
        _ => true,
    };
    if same { Ok(()) } else { Err(Stop::GivenUp) }
}

fn same_step(begun: &MicroOp, ended: &MicroOp) -> bool {
    (begun.f, begun.key) == (ended.f, ended.key) && (begun.f == MicroFunction::Read || begun.value == ended.value)
}
