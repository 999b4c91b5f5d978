//! What can be told of such a guarantee while the history still grows.
//!
//! Registers are watched by their zones: see [`crate::linearizability::online`]. Whether an object is a register shows with its
//! first write or compare-and-set; what happened to it before is kept until then and looked at in one go. An object that
//! is also incremented, added to or appended to is none, and is not watched.
//!
//! Lists that transactions append to are watched by their dependencies: see [`crate::transactions::list_append::online`].
//! Registers that transactions write, and causal consistency and PRAM, are judged at the end only.

use histories::{EventIndex, Function, Guarantee, History};
use rustc_hash::FxHashMap;

use crate::checker::{About, Checker};
use crate::finding::{Finding, Observed};
use crate::linearizability::online::OnlineRegisters;
use crate::transactions::list_append::online::OnlineLists;

/// One guarantee that is judged at the end, with what can be told of it before.
pub(crate) struct AtTheEnd {
    guarantee: Guarantee,
    registers: Option<Registers>,
    lists: Option<OnlineLists>,
    violations: u64,
}

struct Registers {
    online: OnlineRegisters,
    objects: FxHashMap<u32, Object>,
}

/// What is known of an object.
enum Object {
    /// Nothing but these events.
    Unknown(Vec<EventIndex>),
    Register,
    SomethingElse,
}

impl AtTheEnd {
    /// Of this guarantee.
    pub fn new(guarantee: Guarantee) -> Self {
        let watched = guarantee == Guarantee::Linearizable;
        let registers =
            watched.then(|| Registers { online: OnlineRegisters::new(None), objects: FxHashMap::default() });
        AtTheEnd { guarantee, registers, lists: OnlineLists::new(guarantee), violations: 0 }
    }
}

impl Registers {
    /// How many violations this event proves.
    fn step(&mut self, history: &History, event: EventIndex) -> u64 {
        let Some(key) = history.key(event).filter(|_| !history.process(event).is_nemesis()) else { return 0 };
        let object = self.objects.entry(key.0).or_insert_with(|| Object::Unknown(Vec::new()));
        let online = &mut self.online;
        let mut take = |event: EventIndex| u64::from(online.step(history, event).is_some());
        match (history.function(event), &mut *object) {
            (_, Object::SomethingElse) => 0,
            (Function::Read, Object::Unknown(kept)) => {
                kept.push(event);
                0
            }
            (Function::Write | Function::Cas, Object::Unknown(kept)) => {
                let before: u64 = std::mem::take(kept).into_iter().map(&mut take).sum();
                *object = Object::Register;
                before + take(event)
            }
            (Function::Read | Function::Write | Function::Cas, Object::Register) => take(event),
            _ => {
                *object = Object::SomethingElse;
                0
            }
        }
    }
}

impl Checker for AtTheEnd {
    fn about(&self) -> About {
        crate::registry::about(self.guarantee)
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if let Some(registers) = &mut self.registers {
            self.violations += registers.step(history, event);
        }
        if let Some(lists) = &mut self.lists {
            self.violations += u64::from(lists.step(history, event).is_some());
        }
    }

    fn violations_so_far(&self) -> u64 {
        self.violations
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let guarantee = self.guarantee;
        let nothing = Finding {
            guarantee,
            observed: Observed::NotApplicable,
            summary: String::new(),
            counts: std::collections::BTreeMap::new(),
            violations: 0,
            anomalies: Vec::new(),
        };
        super::whole(history, &[guarantee], &crate::Budget::default()).findings.pop().unwrap_or(nothing)
    }
}
