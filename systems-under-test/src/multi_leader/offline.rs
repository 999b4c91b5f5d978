//! A client that works offline: a calendar on a telephone.
//!
//! Every device is a leader, and the connection between it and its datacentre is extremely unreliable (*Designing Data-Intensive
//! Applications*, chapter 5). When its leader does not answer, the client accepts an update by itself and puts it into a queue; when it
//! can be reached again, the queue is replayed in its order, each entry with the identity that it was given first, so that one which had
//! arrived before is not executed again.
//!
//! ```text
//!   append 1 ──▶ leader: ok                     ⚡ cut                               healed
//!   append 2 ──▶ …  no answer: accepted here, queue [2]
//!   append 3 ──▶ accepted here, queue [2 3]                                 replay 2, then 3 ──▶ leader
//!   read     ──▶ what was read last, and 1, 2, 3
//! ```
//! While its queue is not empty it reads what it has: what it read last of a key and what it has written since. What it has never
//! read it cannot tell, nor several keys at once, for what it has of them may be of different times; and nothing that must
//! be compared first can be done offline.
//!
//! The queue is replayed even when the client has ended, as long as its process lives; a queue on a device that never comes back is lost,
//! and so durability is not promised.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use histories::{Completion, Micro, Operation, Scalar, Value};
use serde_json::Value as Json;
use serde_json::value::to_raw_value;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use super::bugs::Bug;
use super::options::Settings;
use crate::dial::{BoxFuture, Dial};
use crate::parts::command::CommandRef;
use crate::parts::json::answered;
use crate::specimen::client::{Link, fresh_client};
use crate::specimen::wire::{Question, Reply, Request, RequestId, Told};
use crate::specimen::{Outcome, Planted};
use crate::system::{Answer, Client, ClientContext};

/// Without an answer for this long it works offline.
const ONLINE: Duration = Duration::from_millis(400);
/// How long to wait before the leader is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// An operation on its way to the leader, and who waits for it.
struct Entry {
    number: u64,
    operation: Operation,
    waiter: Option<oneshot::Sender<Completion>>,
}

/// What the client and its courier share.
struct Device {
    queue: Mutex<VecDeque<Entry>>,
    news: Notify,
}

/// See the [module](self).
pub struct OfflineClient {
    device: Arc<Device>,
    /// Until the first operation, when there is a runtime that it can work on.
    courier: Option<Courier>,
    next: u64,
    leader: usize,
    timeout: Duration,
    /// What was read last of each key, and written since.
    held: BTreeMap<Scalar, Value>,
}

impl OfflineClient {
    /// A client of this leader, which replays its queue as long as the current runtime lasts.
    pub fn new(context: ClientContext, settings: &Settings, leader: usize, address: SocketAddr) -> OfflineClient {
        let device = Arc::new(Device { queue: Mutex::new(VecDeque::new()), news: Notify::new() });
        let courier = Courier {
            dial: context.dial.clone(),
            address,
            session: context.session,
            client: fresh_client(),
            token: Json::Null,
            link: None,
            bug: settings.bug,
        };
        let (courier, held) = (Some(courier), BTreeMap::new());
        OfflineClient { device, courier, next: 0, leader, timeout: context.timeout, held }
    }

    fn is_offline(&self) -> bool {
        !lock(&self.device.queue).is_empty()
    }

    fn enqueue(&mut self, operation: Operation) -> oneshot::Receiver<Completion> {
        let (waiter, answer) = oneshot::channel();
        self.next += 1;
        lock(&self.device.queue).push_back(Entry { number: self.next, operation, waiter: Some(waiter) });
        self.device.news.notify_one();
        answer
    }

    async fn run(&mut self, operation: &Operation) -> Answer {
        if let Some(courier) = self.courier.take() {
            tokio::spawn(courier.run(self.device.clone()));
        }
        if operation.is_update() { self.update(operation).await } else { self.read(operation).await }
    }

    async fn update(&mut self, operation: &Operation) -> Answer {
        let decided_elsewhere = matches!(operation, Operation::Cas { .. } | Operation::Txn(_));
        let was_offline = self.is_offline();
        if was_offline && decided_elsewhere {
            return self.offline(Completion::Fail("it cannot be decided offline".to_owned()));
        }
        let answer = self.enqueue(operation.clone());
        let patience = match (was_offline, decided_elsewhere) {
            (true, _) => Duration::ZERO,
            (false, true) => self.timeout,
            (false, false) => ONLINE.min(self.timeout),
        };
        match timeout(patience, answer).await {
            Ok(Ok(completion)) => {
                if let Completion::Ok(done) = &completion {
                    self.hold(done);
                }
                Answer { completion, node: Some(self.leader) }
            }
            _ if decided_elsewhere => self.offline(Completion::Info("no answer, and it goes on trying".to_owned())),
            _ => {
                self.hold(operation);
                self.offline(Completion::Ok(operation.clone()))
            }
        }
    }

    async fn read(&mut self, operation: &Operation) -> Answer {
        if !self.is_offline() {
            let answer = self.enqueue(operation.clone());
            if let Ok(Ok(completion)) = timeout(ONLINE.min(self.timeout), answer).await {
                if let Completion::Ok(done) = &completion {
                    self.hold(done);
                }
                return Answer { completion, node: Some(self.leader) };
            }
            // Nobody waits for a read any more.
            lock(&self.device.queue).retain(|entry| entry.operation.is_update());
        }
        let held = operation.key().and_then(|key| self.held.get(key)).cloned();
        let completion = match (operation, held) {
            (Operation::Read { key, .. }, Some(value)) => {
                Completion::Ok(Operation::Read { key: key.clone(), value: Some(value) })
            }
            _ => Completion::Fail("offline, and it has never read that".to_owned()),
        };
        self.offline(completion)
    }

    fn offline(&self, completion: Completion) -> Answer {
        Answer { completion, node: None }
    }

    /// Holds what an operation has read, and does to what it holds what the operation has written.
    fn hold(&mut self, done: &Operation) {
        match done {
            Operation::Read { key: Some(key), value: Some(value) } => {
                self.held.insert(key.clone(), value.clone());
            }
            Operation::Txn(micros) => micros.iter().for_each(|micro| self.hold_step(micro)),
            update => {
                if let Some(held) = update.key().and_then(|key| self.held.get_mut(key)) {
                    write(held, update);
                }
            }
        }
    }

    /// Of a key that a transaction has written it holds nothing any more: what it was before is not known.
    fn hold_step(&mut self, micro: &Micro) {
        match micro {
            Micro::Read { key, value: Some(value) } => self.held.insert(key.clone(), value.clone()),
            written => self.held.remove(written.key()),
        };
    }
}

/// Does to a value what an update does.
fn write(held: &mut Value, update: &Operation) {
    match (update, held) {
        (Operation::Append { value, .. } | Operation::Add { value, .. }, Value::List(items)) => {
            items.push(value.clone())
        }
        (Operation::Append { value, .. } | Operation::Add { value, .. }, held) => {
            *held = Value::List(vec![value.clone()])
        }
        (Operation::Write { value, .. } | Operation::Cas { new: value, .. }, held) => {
            *held = Value::Scalar(value.clone())
        }
        (Operation::Increment { by, .. }, Value::Scalar(Scalar::Int(sum))) => *sum += by,
        (Operation::Increment { by, .. }, held) => *held = Value::Scalar(Scalar::Int(*by)),
        _ => {}
    }
}

impl Client for OfflineClient {
    fn invoke<'a>(&'a mut self, operation: &'a Operation) -> BoxFuture<'a, Answer> {
        Box::pin(self.run(operation))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Takes the queue to the leader, entry by entry.
struct Courier {
    dial: Arc<dyn Dial>,
    address: SocketAddr,
    session: u32,
    client: u64,
    token: Json,
    link: Option<Link>,
    bug: Planted<Bug>,
}

impl Courier {
    /// Until the queue is empty and the client has ended.
    async fn run(mut self, device: Arc<Device>) {
        loop {
            let head = self.head(&device);
            let Some((number, operation)) = head else {
                // Nobody else is left: the client has ended.
                if Arc::strong_count(&device) == 1 {
                    return;
                }
                let _ = timeout(TRY_AGAIN, device.news.notified()).await;
                continue;
            };
            match self.deliver(number, &operation).await {
                Some(completion) => finish(&device, number, completion),
                None => {
                    self.link = None;
                    sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    /// What is to be replayed next: the oldest.
    fn head(&self, device: &Device) -> Option<(u64, Operation)> {
        let queue = lock(&device.queue);
        let entry = match self.bug.is(Bug::ReplaysNewestFirst) {
            true => queue.back(),
            false => queue.front(),
        }?;
        Some((entry.number, entry.operation.clone()))
    }

    /// Asks for one operation; `None` when nobody can say yet what came of it.
    async fn deliver(&mut self, number: u64, operation: &Operation) -> Option<Completion> {
        let op = to_raw_value(&CommandRef(operation)).ok()?;
        let request = Some(RequestId { client: self.client, number });
        let context = self.token.clone();
        let question = Question { id: number, session: self.session, request, context, op: &op };
        let told = timeout(ONLINE, self.ask(question)).await.ok()??;
        if let Some(token) = told.context {
            self.token = token;
        }
        match told.outcome {
            Outcome::Done(found) => match answered(operation, found.get()) {
                Ok(operation) => Some(Completion::Ok(operation)),
                Err(error) => Some(Completion::Info(format!("the answer makes no sense: {error}"))),
            },
            Outcome::NoEffect(why) => Some(Completion::Fail(why)),
            Outcome::Unknown(why) => Some(Completion::Info(why)),
            Outcome::Refused { .. } => None,
        }
    }

    async fn ask(&mut self, question: Question<'_>) -> Option<Told> {
        let mut link = match self.link.take().filter(Link::is_open) {
            Some(link) => link,
            None => Link::new(self.dial.dial(self.address).await.ok()?),
        };
        let id = question.id;
        match link.ask(&Request::Ask(question)).await {
            Ok(Reply::Answer(told)) if told.id == id => {
                self.link = Some(link);
                Some(told)
            }
            _ => None,
        }
    }
}

/// Takes an entry out of the queue and tells who waits for it.
fn finish(device: &Device, number: u64, completion: Completion) {
    let mut queue = lock(&device.queue);
    let Some(at) = queue.iter().position(|entry| entry.number == number) else { return };
    if let Some(waiter) = queue.remove(at).and_then(|entry| entry.waiter) {
        // Whoever has stopped waiting works offline by now.
        let _ = waiter.send(completion);
    }
}
