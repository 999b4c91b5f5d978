//! Sessions, numbered densely, and which of their operations are open.

use histories::{EventIndex, History, Process};
use rustc_hash::FxHashMap;

use super::keys::slot;

/// A session, dense from 0 in the order of appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionIndex(pub(crate) u32);

#[derive(Default)]
struct Open {
    calls: Vec<u32>,
    processes: Vec<Process>,
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Sessions {
    /// By session number, while it is small: index + 1.
    small: Vec<u32>,
    large: FxHashMap<u32, u32>,
    open: Vec<Open>,
}

impl Sessions {
    /// Numbers below this are looked up in a table.
    const SMALL: u32 = 1 << 16;

    /// Takes in an invocation. A process that invokes again has given up what it had open.
    #[inline]
    pub(crate) fn invoke(&mut self, history: &History, event: EventIndex) -> SessionIndex {
        let session = self.index(history.session(event));
        let process = history.process(event);
        let open = &mut self.open[session.0 as usize];
        open.close(process);
        open.calls.push(event.0);
        open.processes.push(process);
        session
    }

    /// Takes in the completion of an invocation: its session, which is that of the invocation.
    #[inline]
    pub(crate) fn complete(&mut self, history: &History, invocation: EventIndex) -> SessionIndex {
        let session = self.index(history.session(invocation));
        self.open[session.0 as usize].close(history.process(invocation));
        session
    }

    /// The invocations of a session that are open.
    pub(crate) fn open(&self, session: SessionIndex) -> &[u32] {
        &self.open[session.0 as usize].calls
    }

    /// How many there were.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    #[inline]
    fn index(&mut self, session: u32) -> SessionIndex {
        let next = self.open.len() as u32;
        let index = if session < Self::SMALL {
            let entry = slot(&mut self.small, session as usize);
            if *entry == 0 {
                *entry = next + 1;
            }
            *entry - 1
        } else {
            *self.large.entry(session).or_insert(next)
        };
        if index == next {
            self.open.push(Open::default());
        }
        SessionIndex(index)
    }
}

impl Open {
    #[inline]
    fn close(&mut self, process: Process) {
        if let Some(i) = self.processes.iter().position(|p| *p == process) {
            self.processes.swap_remove(i);
            self.calls.swap_remove(i);
        }
    }
}

/// A table by session and key, for what a session knows of a key.
pub(crate) struct BySessionAndKey<T> {
    slots: FxHashMap<u64, u32>,
    values: Vec<T>,
}

impl<T> Default for BySessionAndKey<T> {
    fn default() -> Self {
        BySessionAndKey { slots: FxHashMap::default(), values: Vec::new() }
    }
}

impl<T: Default> BySessionAndKey<T> {
    /// The entry and its number; made when it is not there.
    #[inline]
    pub(crate) fn entry(&mut self, session: SessionIndex, key: histories::KeyId) -> (u32, &mut T) {
        let next = self.values.len() as u32;
        let slot = *self.slots.entry(pack(session, key)).or_insert(next);
        if slot == next {
            self.values.push(T::default());
        }
        (slot, &mut self.values[slot as usize])
    }

    /// The entry with this number.
    pub(crate) fn at(&mut self, slot: u32) -> &mut T {
        &mut self.values[slot as usize]
    }

    /// The entry, if it is there.
    pub(crate) fn get(&self, session: SessionIndex, key: histories::KeyId) -> Option<&T> {
        let slot = *self.slots.get(&pack(session, key))?;
        Some(&self.values[slot as usize])
    }

    /// The entry and its number, if it is there.
    pub(crate) fn get_mut(&mut self, session: SessionIndex, key: histories::KeyId) -> Option<(u32, &mut T)> {
        let slot = *self.slots.get(&pack(session, key))?;
        Some((slot, &mut self.values[slot as usize]))
    }
}

fn pack(session: SessionIndex, key: histories::KeyId) -> u64 {
    u64::from(session.0) << 32 | u64::from(key.0)
}
