//! The final reads of each key: invoked when all of its updates had ended, one for each node that answered.

use histories::{EventIndex, History, KeyId, Kind, NodeId, Payload};

use super::acts::{Act, acts};
use super::keys::slot;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct FinalReads(Vec<OfKey>);

#[derive(Default)]
struct OfKey {
    /// When the last update had ended; one that stays open for ever has ended when it was invoked.
    quiet: u32,
    last: Vec<LastRead>,
}

/// The last read that a node answered.
#[derive(Clone, Copy)]
pub(crate) struct LastRead {
    pub(crate) node: Option<NodeId>,
    pub(crate) call: u32,
    pub(crate) read: Payload,
}

impl FinalReads {
    /// Takes in an invocation or a completion of a client.
    pub(crate) fn note(&mut self, history: &History, event: EventIndex) {
        let kind = history.kind(event);
        let invocation = if kind == Kind::Invoke { Some(event) } else { history.pair_of(event) };
        let Some(invocation) = invocation else { return };
        for (key, act) in acts(history, invocation) {
            if act.is_update() {
                slot(&mut self.0, key.0 as usize).quiet = event.0;
            }
        }
        if kind == Kind::Ok {
            let node = history.node(event).or_else(|| history.node(invocation));
            for (key, act) in acts(history, event) {
                if let Act::Read(read) = act {
                    self.read(key, LastRead { node, call: invocation.0, read });
                }
            }
        }
    }

    /// The final reads of a key that were invoked after `cutoff`; nothing is final without one.
    pub(crate) fn of(&self, key: KeyId, cutoff: Option<u32>) -> Vec<LastRead> {
        let (Some(of_key), Some(cutoff)) = (self.0.get(key.0 as usize), cutoff) else { return Vec::new() };
        let first = of_key.quiet.max(cutoff);
        let mut finals: Vec<LastRead> = of_key.last.iter().filter(|read| read.call > first).copied().collect();
        finals.sort_by_key(|read| read.call);
        finals
    }

    /// So many keys have been read or updated.
    pub(crate) fn key_count(&self) -> u32 {
        self.0.len() as u32
    }

    fn read(&mut self, key: KeyId, read: LastRead) {
        let last = &mut slot(&mut self.0, key.0 as usize).last;
        match last.iter_mut().find(|l| l.node == read.node) {
            Some(of_node) if of_node.call < read.call => *of_node = read,
            Some(_) => {}
            None => last.push(read),
        }
    }
}
