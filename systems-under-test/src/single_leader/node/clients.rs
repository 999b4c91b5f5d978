//! Connections of clients: operations, probes, dumps, and the operator's wish.

use std::rc::Rc;

use histories::Operation;
use serde_json::value::RawValue;

use super::{Core, Inbox, Outbox, Shared};
use crate::parts::command::Command;
use crate::parts::json::Raw;
use crate::parts::store::Refusal;
use crate::single_leader::bugs::Bug;
use crate::single_leader::options::ReadFrom;
use crate::single_leader::replica::log::Mark;
use crate::single_leader::wire::{Ask, Outcome, Reply, Request, State, Told, put_ok};

/// A leader with this many uncommitted entries takes no more.
const MOST_PENDING: usize = 20_000;

/// A write whose commit is waited for.
#[derive(Debug)]
pub(super) struct Pending {
    position: u64,
    outbox: Rc<Outbox>,
    id: u64,
}

/// A read that waits until this replica has come as far as its session.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) until: u64,
    position: u64,
    outbox: Rc<Outbox>,
    id: u64,
    operation: Operation,
}

/// Serves a client until it goes.
pub(super) async fn converse(node: Rc<Shared>, outbox: &Rc<Outbox>, mut inbox: Inbox) {
    loop {
        let mut changed = false;
        loop {
            match inbox.arrived() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    let Ok(request) = serde_json::from_slice(&frame) else { return };
                    changed |= node.core.borrow_mut().serve_client(outbox, request);
                }
                Err(_) => return,
            }
        }
        outbox.flush();
        if changed {
            node.wake.notify_one();
        }
        if !matches!(inbox.more(outbox).await, Ok(true)) {
            return;
        }
    }
}

impl Core {
    /// Answers a request, or remembers who waits. `true` when there is something for the next turn.
    pub(super) fn serve_client(&mut self, outbox: &Rc<Outbox>, request: Request<'_>) -> bool {
        match request {
            Request::Ask(ask) => return self.serve_ask(outbox, &ask),
            Request::Probe {} => outbox.put(&Reply::Probe(self.state())),
            Request::Dump {} => {
                let dump = self.store.dump();
                let text: Result<&RawValue, _> = serde_json::from_str(dump.get());
                outbox.put(&Reply::Dump(text.expect("a dump is JSON")));
            }
            Request::Promote {} => {
                let now = self.now();
                let tries = self.replica.promote(now);
                outbox.put(&Reply::Promote(tries));
                return true;
            }
            Request::Ping {} => outbox.put(&Reply::Pong {}),
            Request::Hello { .. } | Request::Say(_) => outbox.close(),
        }
        false
    }

    fn state(&self) -> State<'_> {
        State {
            ready: self.replica.is_ready(),
            leads: self.replica.is_leader(),
            epoch: self.replica.epoch(),
            leader: self.replica.leader().map(|peer| self.config.names[peer].as_str().into()),
            last: self.replica.log().last().position,
            applied: self.applied.position,
        }
    }

    fn serve_ask(&mut self, outbox: &Rc<Outbox>, ask: &Ask<'_>) -> bool {
        if ask.epoch > self.replica.epoch() {
            self.refuse(outbox, ask.id, "this node is in a lower epoch than the session");
            return false;
        }
        let operation = match serde_json::from_str(ask.op.get()) {
            Ok(Command::Do(operation)) => operation,
            Ok(Command::Nothing) => return self.fail(outbox, ask.id, "nothing to do"),
            Err(error) => return self.fail(outbox, ask.id, &format!("no command: {error}")),
        };
        if operation.is_update() { self.begin_write(outbox, ask) } else { self.read(outbox, ask, operation) }
    }

    fn begin_write(&mut self, outbox: &Rc<Outbox>, ask: &Ask<'_>) -> bool {
        if self.pending.len() >= MOST_PENDING {
            self.refuse(outbox, ask.id, "too many writes are waiting");
            return false;
        }
        match self.replica.propose(Raw::from(ask.op)) {
            Some(Mark { position, .. }) => {
                self.pending.push_back(Pending { position, outbox: outbox.clone(), id: ask.id });
                true
            }
            None => {
                self.refuse(outbox, ask.id, "not the leader");
                false
            }
        }
    }

    fn read(&mut self, outbox: &Rc<Outbox>, ask: &Ask<'_>, operation: Operation) -> bool {
        let settings = &self.config.settings;
        // What is committed may not be executed yet: a new leader learns in one message of all that its predecessors
        // committed, and the next request of the same batch would be answered from before that.
        let position = ask.position.max(self.replica.commit());
        match settings.read_from {
            ReadFrom::Leader if !self.replica.is_leader() => self.refuse(outbox, ask.id, "not the leader"),
            ReadFrom::Leader if !self.replica.leads() => {
                self.refuse(outbox, ask.id, "not sure yet of what is committed")
            }
            ReadFrom::Any | ReadFrom::Sticky if !self.replica.may_serve() => {
                self.refuse(outbox, ask.id, "still catching up after the start");
            }
            _ if position > self.applied.position => {
                let until = self.now() + settings.read_wait_us;
                let waiting = Waiting { until, position, outbox: outbox.clone(), id: ask.id, operation };
                self.waiting.push(waiting);
                return true;
            }
            _ => self.answer_read(outbox, ask.id, &operation),
        }
        false
    }

    fn answer_read(&mut self, outbox: &Outbox, id: u64, operation: &Operation) {
        self.scratch.clear();
        match self.store.answer(operation, &mut self.scratch) {
            Some(()) => outbox.put_with(|bytes| put_ok(bytes, id, self.applied, &self.scratch)),
            None => drop(self.fail(outbox, id, "not a read")),
        }
    }

    /// The entry at `applied` was executed: tells the one who asked for it, if it was asked for here.
    pub(super) fn answer_pending(&mut self, result: Result<(), Refusal>) {
        if self.pending.front().is_none_or(|pending| pending.position != self.applied.position) {
            return;
        }
        let Some(Pending { outbox, id, .. }) = self.pending.pop_front() else { return };
        match result {
            Ok(()) => outbox.put_with(|bytes| put_ok(bytes, id, self.applied, &self.scratch)),
            Err(refusal) => drop(self.fail(&outbox, id, &refusal.to_string())),
        }
        outbox.flush();
    }

    /// Leadership is lost: what was begun may be finished by another leader, or by nobody.
    pub(super) fn abandon_pending(&mut self) {
        for Pending { outbox, id, .. } in self.pending.drain(..) {
            let outcome = Outcome::Unknown("this node stopped leading before the write was committed".into());
            outbox.put(&Reply::Answer(Told { id, epoch: 0, position: 0, outcome }));
            outbox.flush();
        }
    }

    /// Reads whose position has come, or whose time is over.
    pub(super) fn release_waiting(&mut self, now: u64) {
        if self.waiting.is_empty() {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.position <= self.applied.position {
                self.answer_read(&waiting.outbox, waiting.id, &waiting.operation);
            } else if waiting.until <= now && self.config.settings.rules.planted.is(Bug::StaleAfterWaiting) {
                // BUG stale-after-waiting: who has waited long enough is answered with what there is.
                self.answer_read(&waiting.outbox, waiting.id, &waiting.operation);
            } else if waiting.until <= now {
                self.refuse(&waiting.outbox, waiting.id, "what the session has written or seen has not arrived here");
            } else {
                self.waiting.push(waiting);
                continue;
            }
            waiting.outbox.flush();
        }
    }

    fn refuse(&self, outbox: &Outbox, id: u64, why: &str) {
        let leader = self.replica.leader().filter(|peer| *peer != self.config.me);
        let outcome = Outcome::Refused { why: why.into(), leader };
        outbox.put(&Reply::Answer(Told { id, epoch: 0, position: 0, outcome }));
    }

    fn fail(&self, outbox: &Outbox, id: u64, why: &str) -> bool {
        let Mark { epoch, position } = self.applied;
        outbox.put(&Reply::Answer(Told { id, epoch, position, outcome: Outcome::Fail(why.into()) }));
        false
    }
}
