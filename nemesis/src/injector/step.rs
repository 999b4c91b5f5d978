//! A step that was begun: what it has in hand on which nodes.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use super::turns::Ticket;
use super::{Effect, FaultId, Touch};

/// An installation or a heal that is in the ledger and has its place in the row of each node that it concerns. It is carried
/// out by [`Injector::carry_out`](super::Injector::carry_out); dropped, its places are given up.
#[derive(Debug)]
#[must_use = "what was begun has to be carried out"]
pub struct Step {
    pub(super) id: FaultId,
    pub(super) effect: Effect,
    pub(super) task: Task,
    turns: Vec<(usize, Ticket)>,
    left: AtomicUsize,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Task {
    /// Nothing: links wait for nobody.
    Nothing,
    Install(Touch),
    Heal(Touch),
}

impl Step {
    pub(super) fn new(id: FaultId, effect: Effect, task: Task, turns: Vec<(usize, Ticket)>) -> Step {
        let left = AtomicUsize::new(turns.len());
        Step { id, effect, task, turns, left }
    }

    pub(super) fn done(id: FaultId, effect: Effect) -> Step {
        Step::new(id, effect, Task::Nothing, Vec::new())
    }

    /// Whether everything is done already. Carrying it out only tells the effect then.
    pub fn is_done(&self) -> bool {
        self.task == Task::Nothing
    }

    /// Does a part on each node as soon as its turn there comes, side by side. Returns what came of it, by node in the
    /// order of the targets. The part that ends last keeps its turn until the step is dropped.
    pub(super) fn each<T: Send>(&self, part: impl Fn(usize) -> T + Sync) -> Vec<(usize, T)> {
        side_by_side(&self.turns, |(node, ticket)| {
            ticket.wait();
            let done = part(*node);
            if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
                ticket.pass();
            }
            (*node, done)
        })
    }

    /// The nodes that it concerns.
    pub(super) fn nodes(&self) -> impl Iterator<Item = usize> {
        self.turns.iter().map(|(node, _)| *node)
    }
}

/// Does something with all of these at once, each on a thread of its own. Where there are no more threads to be had, one
/// comes after the other, the first first: none waits for what comes later.
pub(super) fn side_by_side<I: Sync, T: Send>(items: &[I], act: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let Some((last, rest)) = items.split_last() else { return Vec::new() };
    let act = &act;
    std::thread::scope(|scope| {
        let start = |item| match std::thread::Builder::new().spawn_scoped(scope, move || act(item)) {
            Ok(thread) => Started::Thread(thread),
            Err(_) => Started::Done(act(item)),
        };
        let started: Vec<_> = rest.iter().map(start).collect();
        let last = act(last);
        let end = |started| match started {
            Started::Thread(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Started::Done(done) => done,
        };
        started.into_iter().map(end).chain([last]).collect()
    })
}

enum Started<'scope, T> {
    Thread(ScopedJoinHandle<'scope, T>),
    Done(T),
}
