//! What is known of all writes at a moment: who made them, and since when they are in effect for certain.
//!
//! A write is *in effect* from the moment when it was acknowledged, or when a read that shows it was completed,
//! whichever came first. Before that it may or may not have happened. A value whose write has failed is left alone from
//! then on, whatever reads show, and even if it is written again: that it is shown at all is the business of durability.

use histories::{EventIndex, History, KeyId, Kind, ValueId};
use rustc_hash::FxHashSet;

use super::acts::{Act, acts};
use super::keys::Keys;
use super::sessions::{SessionIndex, Sessions};
use super::versions::{NEVER, Version, VersionId, Versions};
use super::writers::Writers;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct World {
    pub(crate) keys: Keys,
    pub(crate) sessions: Sessions,
    pub(crate) writers: Writers,
    versions: Versions,
    facts: Vec<Fact>,
    removed: FxHashSet<(KeyId, ValueId)>,
}

#[derive(Clone, Copy)]
struct Fact {
    effective: u32,
    session: SessionIndex,
}

impl World {
    /// Takes in the invocation of a client.
    #[inline]
    pub(crate) fn invoke(&mut self, history: &History, event: EventIndex) -> SessionIndex {
        let session = self.sessions.invoke(history, event);
        for (key, act) in acts(history, event) {
            self.keys.note(key, act);
            match act {
                Act::Write(_) | Act::Cas(..) => self.writers.note(key, session),
                Act::Remove(value) => {
                    self.removed.insert((key, value));
                }
                _ => {}
            }
        }
        let facts = &mut self.facts;
        self.versions.invoke(history, event, |id, writer| {
            if id.0 as usize == facts.len() {
                facts.push(Fact { effective: NEVER, session });
            } else if writer == event.0 {
                facts[id.0 as usize].session = session;
            }
        });
        session
    }

    /// Takes in a completion; calls `on` for each version that is in effect by it.
    #[inline]
    pub(crate) fn complete(
        &mut self,
        history: &History,
        invocation: EventIndex,
        event: EventIndex,
        mut on: impl FnMut(VersionId, KeyId),
    ) -> SessionIndex {
        let session = self.sessions.complete(history, invocation);
        let ok = history.kind(event) == Kind::Ok;
        let facts = &mut self.facts;
        self.versions.complete(history, invocation, event, |id, version| {
            let fact = &mut facts[id.0 as usize];
            if version.failed {
                fact.effective = NEVER;
            } else if ok && fact.effective == NEVER {
                fact.effective = event.0;
                on(id, version.key);
            }
        });
        session
    }

    /// A read that was completed just now shows this version; whether it was not known to be in effect before.
    #[inline]
    pub(crate) fn shown(&mut self, id: VersionId, event: u32) -> bool {
        let fact = &mut self.facts[id.0 as usize];
        let new = fact.effective == NEVER;
        if new {
            fact.effective = event;
        }
        new
    }

    /// The version that a read shows: one that somebody was asked to write, and that did not fail.
    #[inline]
    pub(crate) fn find(&self, key: KeyId, value: ValueId) -> Option<VersionId> {
        let (id, version) = self.versions.find(key, value)?;
        (!version.failed).then_some(id)
    }

    /// The version with this value, whatever became of it.
    pub(crate) fn any(&self, key: KeyId, value: ValueId) -> Option<VersionId> {
        self.versions.id(key, value)
    }

    #[inline]
    pub(crate) fn get(&self, id: VersionId) -> &Version {
        self.versions.get(id)
    }

    /// Since when it is in effect, or [`NEVER`].
    #[inline]
    pub(crate) fn effective(&self, id: VersionId) -> u32 {
        self.facts[id.0 as usize].effective
    }

    /// The invocation that wrote it; the first of several.
    #[inline]
    pub(crate) fn call(&self, id: VersionId) -> u32 {
        self.get(id).writer
    }

    /// The session that wrote it, where that is certain.
    #[inline]
    pub(crate) fn author(&self, id: VersionId) -> Option<SessionIndex> {
        self.get(id).is_certain().then(|| self.facts[id.0 as usize].session)
    }

    /// Whether anybody was asked to remove this element.
    pub(crate) fn is_removed(&self, key: KeyId, value: ValueId) -> bool {
        self.keys.shrinks(key) && self.removed.contains(&(key, value))
    }
}
