//! One operation of a client: whom it asks, and what it says in the end.
//!
//! | what happened to an update | outcome |
//! |---|---|
//! | no node could be reached, or each refused it | `fail` |
//! | executed without effect (compare-and-set found another value, wrong type) | `fail` |
//! | sent, and the connection broke, time ran out, or the node cannot say | `info`; asked again first where the store knows a request that it has seen |
//!
//! A read has no effect: it may be asked again elsewhere, and is `fail` when nobody answered.
//!
//! Everything here is decided without sockets and clocks, so that real clients and simulated ones decide alike.

use histories::{Completion, Operation};
use serde_json::Value as Json;

use super::Micros;
use super::context::mix;
use super::wire::{Outcome, RequestId, Told};
use crate::parts::json::answered;

/// How long to wait before asking again when nobody does it.
const ASK_AGAIN: Micros = 20_000;

/// Which node an operation goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The node that does it for all, found by what others say.
    Leader,
    /// As [`Route::Leader`], where another node answers reads for all than the one that takes updates: each is remembered for itself.
    Reader,
    /// A node drawn for each operation; another when it does not do it.
    Any,
    /// A node chosen by a hash of the session; another only when that one cannot be reached.
    Sticky,
    /// This one; others only if it sends the client there.
    Node(usize),
    /// This one first, the next ones if it does not do it.
    From(usize),
}

/// How a system's clients behave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// Whether an update whose outcome is unknown is asked again: only where the store recognises a request that it has seen.
    pub asks_again: bool,
    /// Whether a session carries what nodes gave it.
    pub carries: bool,
}

/// What one client remembers between its operations.
#[derive(Clone, Debug)]
pub struct Memory {
    manners: Manners,
    count: usize,
    session: u32,
    client: u64,
    leader: usize,
    reader: usize,
    replica: usize,
    doubts: u32,
    draws: u64,
    number: u64,
    context: Json,
}

impl Memory {
    /// A client that has asked nothing yet, of this many nodes. `client` tells it from all others that ever are.
    pub fn new(count: usize, session: u32, preferred: usize, client: u64, manners: Manners) -> Memory {
        Memory {
            manners,
            count,
            session,
            client,
            leader: preferred % count,
            reader: preferred % count,
            replica: (mix(u64::from(session)) % count as u64) as usize,
            doubts: 0,
            draws: 0,
            number: 0,
            context: Json::Null,
        }
    }

    /// What its session carries.
    pub fn context(&self) -> &Json {
        &self.context
    }

    /// The session.
    pub fn session(&self) -> u32 {
        self.session
    }
}

/// What one node said, or why it said nothing.
#[derive(Clone, Debug)]
pub enum Said {
    /// It was never asked: no connection could be opened; `certain` says that this was no matter of time.
    Unreachable {
        /// Why.
        why: String,
        /// Whether it is down for sure.
        certain: bool,
    },
    /// It was asked and may have begun.
    Unanswered(String),
    /// It answered.
    Told(Told),
}

/// What to do next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Ask this node, and wait for it until then.
    Ask(usize, Micros),
    /// Wait until then, and come back.
    Wait(Micros),
    /// This is what came of it, and who said so last.
    End(Completion, usize),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Errand {
    route: Route,
    update: bool,
    operation: Operation,
    begun: Micros,
    deadline: Micros,
    request: Option<RequestId>,
    asked: usize,
    hints: usize,
    /// An update was asked whose outcome nobody knows.
    doubtful: Option<String>,
    refusal: Option<String>,
    waiting: bool,
}

impl Errand {
    /// Sets out with an operation; it ends at `deadline`.
    pub fn new(memory: &mut Memory, operation: Operation, route: Route, now: Micros, deadline: Micros) -> Errand {
        memory.number += 1;
        let request = memory.manners.asks_again.then_some(RequestId { client: memory.client, number: memory.number });
        let update = operation.is_update();
        let asked = memory.leader;
        let (doubtful, refusal) = (None, None);
        let (begun, hints, waiting) = (now, 0, true);
        Errand { route, update, operation, begun, deadline, request, asked, hints, doubtful, refusal, waiting }
    }

    /// The operation.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The identity of its request.
    pub fn request(&self) -> Option<RequestId> {
        self.request
    }

    /// What to do first, or after a wait.
    pub fn proceed(&mut self, memory: &mut Memory, now: Micros) -> Next {
        if now >= self.deadline {
            return self.give_up();
        }
        if std::mem::take(&mut self.waiting) {
            self.asked = self.choose(memory);
        }
        // So that time is left for others; not where asking others makes the outcome doubtful.
        let patient = self.update && !memory.manners.asks_again || matches!(self.route, Route::Sticky | Route::Node(_));
        let until = if patient { self.deadline } else { self.deadline.min(now + (self.deadline - self.begun) / 2) };
        Next::Ask(self.asked, until)
    }

    /// What to do after the node that was asked said this.
    pub fn heard(&mut self, memory: &mut Memory, said: Said, now: Micros) -> Next {
        let node = self.asked;
        match said {
            Said::Told(Told { outcome, context, .. }) => {
                memory.doubts = 0;
                if let Some(context) = context.filter(|_| memory.manners.carries) {
                    memory.context = context;
                }
                self.understand(memory, outcome, now)
            }
            Said::Unreachable { why, certain } => {
                memory.doubts += 1;
                if self.route == Route::Sticky && (certain || memory.doubts >= 2) {
                    memory.replica = (node + 1) % memory.count;
                    memory.doubts = 0;
                }
                self.move_on(memory);
                self.refusal.get_or_insert(why);
                self.again(now)
            }
            Said::Unanswered(why) => {
                self.move_on(memory);
                self.doubt(memory, why, now)
            }
        }
    }

    fn understand(&mut self, memory: &mut Memory, outcome: Outcome, now: Micros) -> Next {
        let node = self.asked;
        match outcome {
            Outcome::Done(found) => match answered(&self.operation, found.get()) {
                Ok(operation) => Next::End(Completion::Ok(operation), node),
                Err(error) => Next::End(Completion::Info(format!("the answer makes no sense: {error}")), node),
            },
            // Also when it was asked before: a store that is asked again executes a request once.
            Outcome::NoEffect(why) => Next::End(Completion::Fail(why), node),
            Outcome::Unknown(why) => self.doubt(memory, why, now),
            Outcome::Refused { why, ask } => {
                self.refusal = Some(why);
                match ask.filter(|ask| *ask < memory.count) {
                    Some(ask) => {
                        *self.remembered(memory) = ask;
                        self.hints += 1;
                        // Where the leader changes, hints may lead in a circle.
                        if !self.hints.is_multiple_of(memory.count) {
                            self.asked = ask;
                            return self.proceed(memory, now);
                        }
                    }
                    None => self.move_on(memory),
                }
                self.again(now)
            }
        }
    }

    /// The outcome is unknown: a read asks again, and so does an update that the store would recognise.
    fn doubt(&mut self, memory: &Memory, why: String, now: Micros) -> Next {
        if !self.update {
            self.refusal.get_or_insert(why);
            return self.again(now);
        }
        if !memory.manners.asks_again {
            return Next::End(Completion::Info(why), self.asked);
        }
        self.doubtful.get_or_insert(why);
        self.again(now)
    }

    fn move_on(&mut self, memory: &mut Memory) {
        let (asked, next) = (self.asked, (self.asked + 1) % memory.count);
        if matches!(self.route, Route::Leader | Route::Reader) && *self.remembered(memory) == asked {
            *self.remembered(memory) = next;
        }
    }

    /// Who does this kind of operation for all, as far as the client knows.
    fn remembered<'a>(&self, memory: &'a mut Memory) -> &'a mut usize {
        if self.route == Route::Reader { &mut memory.reader } else { &mut memory.leader }
    }

    fn choose(&mut self, memory: &mut Memory) -> usize {
        match self.route {
            Route::Leader => memory.leader,
            Route::Reader => memory.reader,
            Route::Sticky => memory.replica,
            Route::Node(node) => node,
            Route::Any => {
                memory.draws += 1;
                (mix(u64::from(memory.session) << 32 ^ memory.draws) % memory.count as u64) as usize
            }
            Route::From(node) => {
                memory.draws += 1;
                self.hints += 1;
                (node + self.hints - 1) % memory.count
            }
        }
    }

    fn again(&mut self, now: Micros) -> Next {
        self.waiting = true;
        if now + ASK_AGAIN + (self.deadline - self.begun) / 10 >= self.deadline {
            return self.give_up();
        }
        Next::Wait(now + ASK_AGAIN)
    }

    fn give_up(&mut self) -> Next {
        let completion = match (self.doubtful.take(), self.refusal.take()) {
            (Some(why), _) => Completion::Info(why),
            (None, Some(why)) => Completion::Fail(why),
            (None, None) => Completion::Fail("nobody was asked in time".to_owned()),
        };
        Next::End(completion, self.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: Outcome) -> Said {
        Said::Told(Told { id: 1, outcome, context: None })
    }

    fn unanswered() -> Said {
        Said::Unanswered("silence".into())
    }

    fn unreachable() -> Said {
        Said::Unreachable { why: "refused".into(), certain: true }
    }

    /// Walks an errand through what nodes say; what it asks and how it ends.
    fn walk(asks_again: bool, update: bool, route: Route, says: Vec<Said>) -> String {
        let manners = Manners { asks_again, carries: true };
        let mut memory = Memory::new(3, 1, 0, 1, manners);
        let key = Some("x".into());
        let operation =
            if update { Operation::Write { key, value: 1.into() } } else { Operation::Read { key, value: None } };
        let mut errand = Errand::new(&mut memory, operation, route, 0, 1_000_000);
        let (mut now, mut path) = (0, String::new());
        let mut says = says.into_iter();
        let mut next = errand.proceed(&mut memory, now);
        loop {
            next = match next {
                Next::Ask(node, _) => {
                    path.push_str(&format!("{node} "));
                    match says.next() {
                        Some(said) => errand.heard(&mut memory, said, now),
                        None => return path + "…",
                    }
                }
                Next::Wait(until) => {
                    now = until;
                    errand.proceed(&mut memory, now)
                }
                Next::End(Completion::Ok(_), _) => return path + "ok",
                Next::End(Completion::Fail(why), _) => return path + "fail: " + &why,
                Next::End(Completion::Info(why), _) => return path + "info: " + &why,
            };
        }
    }

    #[test]
    fn an_update_that_may_have_begun_is_never_a_failure() {
        let hint = |ask| Outcome::Refused { why: "not me".into(), ask };
        let ends = [
            (false, vec![unanswered()], "0 info: silence"),
            (false, vec![unreachable(), told(Outcome::done())], "0 1 ok"),
            (false, vec![told(hint(Some(2))), told(Outcome::done())], "0 2 ok"),
            (false, vec![told(hint(None)), told(Outcome::NoEffect("other".into()))], "0 1 fail: other"),
            (true, vec![unanswered(), told(Outcome::done())], "0 1 ok"),
            (true, vec![unanswered(), told(Outcome::NoEffect("other".into()))], "0 1 fail: other"),
            (false, vec![told(Outcome::Unknown("deposed".into()))], "0 info: deposed"),
        ];
        for (asks_again, says, end) in ends {
            assert_eq!(walk(asks_again, true, Route::Leader, says), end);
        }
        let many = |said: fn() -> Said| std::iter::repeat_with(said).take(100).collect();
        assert!(walk(true, true, Route::Leader, many(unanswered)).ends_with("info: silence"));
        assert!(walk(false, true, Route::Leader, many(unreachable)).ends_with("fail: refused"));
    }

    #[test]
    fn a_read_is_asked_again_and_fails_when_nobody_answers() {
        let read = |route, says| walk(false, false, route, says);
        assert_eq!(read(Route::Leader, vec![unanswered(), told(Outcome::done())]), "0 1 ok");
        assert_eq!(read(Route::Node(1), vec![unanswered(), told(Outcome::done())]), "1 1 ok");
        assert_eq!(read(Route::From(1), vec![unreachable(), unreachable(), told(Outcome::done())]), "1 2 0 ok");
        assert!(read(Route::Any, std::iter::repeat_with(unanswered).take(100).collect()).ends_with("fail: silence"));
    }

    #[test]
    fn who_answers_reads_and_who_takes_updates_are_remembered_apart() {
        let mut memory = Memory::new(3, 1, 0, 1, Manners::default());
        let mut go = |operation: Operation, route, says: Vec<Outcome>| {
            let mut errand = Errand::new(&mut memory, operation, route, 0, 1_000_000);
            let mut next = errand.proceed(&mut memory, 0);
            let mut asked = Vec::new();
            for outcome in says {
                let Next::Ask(node, _) = next else { panic!("{next:?}") };
                asked.push(node);
                next = errand.heard(&mut memory, told(outcome), 0);
            }
            asked
        };
        let (read, write) =
            (Operation::Read { key: None, value: None }, Operation::Write { key: None, value: 1.into() });
        let ask = |ask| Outcome::Refused { why: "not me".into(), ask: Some(ask) };
        assert_eq!(go(read.clone(), Route::Reader, vec![ask(2), Outcome::done()]), [0, 2]);
        assert_eq!(go(write.clone(), Route::Leader, vec![ask(1), Outcome::done()]), [0, 1]);
        assert_eq!(go(read, Route::Reader, vec![Outcome::done()]), [2]);
        assert_eq!(go(write, Route::Leader, vec![Outcome::done()]), [1]);
    }

    #[test]
    fn a_sticky_session_moves_only_when_its_replica_is_gone() {
        let read = |says| walk(false, false, Route::Sticky, says);
        let home = (mix(1) % 3) as usize;
        let next = (home + 1) % 3;
        assert_eq!(read(vec![unreachable(), told(Outcome::done())]), format!("{home} {next} ok"));
        assert_eq!(read(vec![unanswered(), told(Outcome::done())]), format!("{home} {home} ok"));
    }
}
