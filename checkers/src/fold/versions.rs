//! Who wrote which value to which key, and how that ended.
//!
//! Workloads write every value once per key, so a value names its write. Where that is not so the table says so: a
//! value that two operations may have written is *ambiguous*, and nothing about order is concluded from it.

use histories::{EventIndex, History, KeyId, Kind, ValueId};
use rustc_hash::FxHashMap;

use super::acts::{Act, acts};

/// No event.
pub(crate) const NEVER: u32 = u32::MAX;

/// One value of one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) key: KeyId,
    pub(crate) value: ValueId,
    /// The invocation of the operation that wrote it, of the first of several.
    pub(crate) writer: u32,
    /// The completion that acknowledged it first, or [`NEVER`].
    pub(crate) acked: u32,
    /// The latest of all completions that acknowledged it.
    pub(crate) last_ack: u32,
    /// How many operations may have written it: invoked and not failed.
    pub(crate) possible: u16,
    /// How many operations certainly wrote it.
    pub(crate) oks: u16,
    /// At some time two operations that may have written it were known.
    pub(crate) ambiguous: bool,
    /// An operation that would have written it failed.
    pub(crate) failed: bool,
}

/// The number of a version, dense from 0 in the order of first invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VersionId(pub(crate) u32);

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Versions {
    all: Vec<Version>,
    /// By value: the first key it was written to, and the version. Most values are written to one key only.
    first: Vec<Option<(KeyId, u32)>>,
    others: FxHashMap<(KeyId, ValueId), u32>,
}

impl Versions {
    /// Takes in the invocation of an operation; calls `on` for each version that it will write, with the invocation that
    /// counts as its writer: this one, unless another one may have written it before.
    #[inline]
    pub(crate) fn invoke(&mut self, history: &History, event: EventIndex, on: impl FnMut(VersionId, u32)) {
        self.invoke_some(history, event, |_| true, on);
    }

    /// The same for some acts only, which has to be the same ones at the completion.
    #[inline]
    pub(crate) fn invoke_some(
        &mut self,
        history: &History,
        event: EventIndex,
        some: impl Fn(Act) -> bool,
        mut on: impl FnMut(VersionId, u32),
    ) {
        for (key, act) in acts(history, event) {
            if let Some(value) = act.written()
                && some(act)
            {
                let id = self.id_or_new(key, value);
                let version = &mut self.all[id.0 as usize];
                version.begin(event.0);
                on(id, version.writer);
            }
        }
    }

    /// Takes in the completion of an invocation; calls `on` for each version that it wrote or did not write.
    #[inline]
    pub(crate) fn complete(
        &mut self,
        history: &History,
        invocation: EventIndex,
        completion: EventIndex,
        mut on: impl FnMut(VersionId, &mut Version),
    ) {
        let kind = history.kind(completion);
        for (key, act) in acts(history, invocation) {
            let Some(id) = act.written().and_then(|value| self.id(key, value)) else { continue };
            let version = &mut self.all[id.0 as usize];
            version.end(kind, completion.0);
            on(id, version);
        }
    }

    /// The version with this value, if anybody was asked to write it.
    #[inline]
    pub(crate) fn id(&self, key: KeyId, value: ValueId) -> Option<VersionId> {
        match self.first.get(value.0 as usize).copied().flatten() {
            Some((first, id)) if first == key => Some(VersionId(id)),
            Some(_) => self.others.get(&(key, value)).map(|id| VersionId(*id)),
            None => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: VersionId) -> &Version {
        &self.all[id.0 as usize]
    }

    /// Which version, and what is known of it.
    #[inline]
    pub(crate) fn find(&self, key: KeyId, value: ValueId) -> Option<(VersionId, &Version)> {
        self.id(key, value).map(|id| (id, self.get(id)))
    }

    fn id_or_new(&mut self, key: KeyId, value: ValueId) -> VersionId {
        if let Some(id) = self.id(key, value) {
            return id;
        }
        let id = self.all.len() as u32;
        let first = super::keys::slot(&mut self.first, value.0 as usize);
        if first.is_none() {
            *first = Some((key, id));
        } else {
            self.others.insert((key, value), id);
        }
        self.all.push(Version {
            key,
            value,
            writer: NEVER,
            acked: NEVER,
            last_ack: 0,
            possible: 0,
            oks: 0,
            ambiguous: false,
            failed: false,
        });
        VersionId(id)
    }
}

impl Version {
    /// Whether one known operation wrote it, if anybody did.
    pub(crate) fn is_certain(&self) -> bool {
        self.possible == 1 && !self.ambiguous
    }

    /// The event from which on it was in the store for certain, as far as acknowledgements tell: all of its
    /// writers are acknowledged, so that none can write it again.
    pub(crate) fn settled(&self) -> u32 {
        if self.oks > 0 && self.oks == self.possible { self.last_ack } else { NEVER }
    }

    fn begin(&mut self, event: u32) {
        self.ambiguous |= self.possible > 0;
        if self.possible == 0 {
            self.writer = event;
        }
        self.possible = self.possible.saturating_add(1);
    }

    fn end(&mut self, kind: Kind, event: u32) {
        match kind {
            Kind::Ok => {
                self.oks = self.oks.saturating_add(1);
                self.acked = self.acked.min(event);
                self.last_ack = self.last_ack.max(event);
            }
            Kind::Fail => {
                self.possible = self.possible.saturating_sub(1);
                self.failed = true;
            }
            Kind::Invoke | Kind::Info => {}
        }
    }
}
