//! Steps that come to the same node take turns, in the order in which they were begun.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who may do something to one node now.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    passed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next ticket.
    next: u64,
    /// Every ticket with a smaller number is over.
    served: u64,
    /// Tickets that are over before those in front of them.
    over: BTreeSet<u64>,
}

/// A place in the row of a node. Dropped, it is given up, whether its turn has come or not.
#[derive(Debug)]
pub(super) struct Ticket {
    turns: Arc<Turns>,
    number: u64,
}

impl Turns {
    /// The place behind all others.
    pub fn ticket(self: &Arc<Turns>) -> Ticket {
        let mut state = self.lock();
        state.next += 1;
        Ticket { turns: Arc::clone(self), number: state.next - 1 }
    }

    /// A panic under this lock is none of its own.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits until all that were in front are over.
    pub fn wait(&self) {
        let waits = |state: &mut State| state.served < self.number;
        drop(self.turns.passed.wait_while(self.turns.lock(), waits).unwrap_or_else(PoisonError::into_inner));
    }

    /// The turn is over.
    pub fn pass(&self) {
        let mut state = self.turns.lock();
        if self.number < state.served || !state.over.insert(self.number) {
            return;
        }
        while let Some(first) = state.over.first().copied().filter(|first| *first == state.served) {
            state.over.remove(&first);
            state.served += 1;
        }
        drop(state);
        self.turns.passed.notify_all();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pass();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_comes_when_all_in_front_are_over_in_whatever_order() {
        let turns = Arc::new(Turns::default());
        let [first, second, third, fourth] = [(); 4].map(|()| turns.ticket());
        first.wait();
        drop(third);
        drop(first);
        second.wait();
        second.pass();
        second.pass();
        fourth.wait();
        assert_eq!(turns.lock().over, BTreeSet::new());
    }
}
