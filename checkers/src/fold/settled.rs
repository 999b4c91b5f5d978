//! Since when the store has had no excuse: the faults are healed, and it had time to recover.
//!
//! Reads during a fault may be answered by a replica that was cut off; what they do not show may only be late. So what
//! is concluded from absence at the end rests on reads that were invoked after
//! 1. the last marker of the phase `final-reads`, where the history has one;
//! 2. otherwise, in a history with markers of phases (a run that was cut short), nothing can be concluded;
//! 3. otherwise the last `heal-all`;
//! 4. otherwise the last event of the nemesis, which in the histories of other tools is as a rule its final repair,
//!    unless by its name it begins something (`start…`), for then nothing can be concluded; or the beginning of the
//!    history where there is no nemesis.

use histories::{EventIndex, Function, History, Payload};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settled {
    final_reads: Option<u32>,
    heal_all: Option<u32>,
    phases: bool,
    nemesis: Option<u32>,
    /// The last event of the nemesis begins something.
    under_way: bool,
    faults: u32,
}

impl Settled {
    /// Takes in an event of the nemesis.
    pub(crate) fn note(&mut self, history: &History, event: EventIndex) {
        let Function::Custom(_) = history.function(event) else { return };
        let name = history.function_name(history.function(event));
        self.under_way = name.starts_with("start");
        match name {
            "phase" => {
                self.phases = true;
                if text(history, event).as_deref() == Some("final-reads") {
                    self.final_reads = Some(event.0);
                }
            }
            "heal-all" => {
                self.heal_all = Some(event.0);
                self.nemesis = Some(event.0);
            }
            "heal" => self.nemesis = Some(event.0),
            "core" | "dump" | "exit" | "clock-offsets" => {}
            _ => {
                self.faults += 1;
                self.nemesis = Some(event.0);
            }
        }
    }

    /// The event after which reads are final; `None` when there is none.
    pub(crate) fn point(&self) -> Option<u32> {
        match (self.final_reads, self.heal_all) {
            (Some(marker), _) => Some(marker),
            (None, _) if self.phases => None,
            (None, Some(marker)) => Some(marker),
            (None, None) if self.under_way => None,
            (None, None) => Some(self.nemesis.unwrap_or(0)),
        }
    }

    /// Like [`Settled::point`], but only where the history says by itself that faults were healed or that the final
    /// reads began.
    pub(crate) fn marked(&self) -> Option<u32> {
        self.final_reads.or(self.heal_all)
    }

    /// The last `heal-all`.
    pub(crate) fn heal_all(&self) -> Option<u32> {
        self.heal_all
    }

    /// Whether the nemesis did anything but heal.
    pub(crate) fn had_faults(&self) -> bool {
        self.faults > 0
    }
}

/// The value of a custom event, when it is a JSON string.
fn text(history: &History, event: EventIndex) -> Option<String> {
    let Payload::Value(value) = history.payload(event) else { return None };
    serde_json::from_str(&history.value(value).to_string()).ok()
}
