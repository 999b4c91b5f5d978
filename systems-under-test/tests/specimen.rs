//! What all specimens have in common, shown by the smallest protocol there is: every node keeps what it is asked to write, answers when
//! it is on its disk, and tells the others, who keep it too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use histories::{Completion, Operation, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use systems_under_test::specimen::client::{ErrandClient, dump};
use systems_under_test::specimen::errand::Manners;
use systems_under_test::specimen::node::{self, NodeConfig, NodeError};
use systems_under_test::specimen::settings::Failpoints;
use systems_under_test::specimen::simulation::{Chance, Simulation, Weather};
use systems_under_test::specimen::{
    Ask, Caller, Context, Garbage, Outcome, Protocol, Route, Seat, Specimen, State, bundle::Asker,
};
use systems_under_test::{
    Client, ClientContext, Cluster, Contract, DirectDial, Function, OptionSpec, Options, OptionsError,
};
use tokio::sync::oneshot;

/// One set. `careless` answers before the disk has it.
struct Hearsay {
    seat: Seat,
    careless: bool,
    elements: Vec<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Element(i64);

impl Protocol for Hearsay {
    type Settings = bool;
    type Message = Element;
    type Record = Element;

    fn start(seat: Seat, careless: bool, kept: Vec<Element>, _: &mut Context<Self>) -> Result<Self, Garbage> {
        Ok(Hearsay { seat, careless, elements: kept.into_iter().map(|e| e.0).collect() })
    }

    fn hear(&mut self, _: usize, Element(element): Element, cx: &mut Context<Self>) {
        if !self.elements.contains(&element) {
            self.elements.push(element);
            cx.keep(Element(element));
        }
    }

    fn serve(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        match ask.operation {
            Operation::Add { value: histories::Scalar::Int(element), .. } => {
                self.hear(self.seat.me, Element(element), cx);
                for other in self.seat.others() {
                    cx.send(other, Element(element));
                }
                match self.careless {
                    true => cx.answer(caller, Outcome::done()),
                    false => cx.durably().answer_with(caller, Outcome::done(), json!(element)),
                }
            }
            _ => {
                let set = systems_under_test::parts::json::Raw::of(&json!({ "set": self.elements }));
                cx.answer(caller, Outcome::Done(set));
            }
        }
    }

    fn tick(&mut self, cx: &mut Context<Self>) {
        cx.wake_at(cx.now() + 50_000);
    }

    fn condense(&self) -> Vec<Element> {
        self.elements.iter().map(|e| Element(*e)).collect()
    }

    fn state(&self) -> State {
        State { ready: true, ..State::default() }
    }

    fn dump(&self) -> Json {
        json!({ "set": self.elements })
    }
}

struct HearsaySystem;

impl Specimen for HearsaySystem {
    type Protocol = Hearsay;
    const NAME: &'static str = "hearsay";
    const ABOUT: &'static str = "a test";
    const OPTIONS: &'static [OptionSpec] = &[Failpoints::OPTION];
    const FUNCTIONS: &'static [Function] = &[Function::Add];

    fn settings(_: &Options) -> Result<bool, OptionsError> {
        Ok(false)
    }
    fn contract(_: &bool, _: usize) -> Contract {
        Contract::new()
    }
    fn manners(_: &bool) -> Manners {
        Manners { asks_again: false, carries: true }
    }
    fn route(_: &bool, asker: Asker, _: &Operation) -> Route {
        Route::Node(asker.preferred)
    }
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), NodeError>>>,
}

impl Running {
    fn start(me: usize, peers: Vec<SocketAddr>, dir: &std::path::Path) -> Running {
        let names: Vec<String> = (1..=peers.len()).map(|n| format!("n{n}")).collect();
        let config = NodeConfig {
            system: "hearsay",
            listen: peers[me],
            data: dir.join(&names[me]),
            seat: Seat { me, names },
            peers,
            settings: false,
            failpoints: Failpoints::default(),
            notes: Arc::new(|_: &str| ()),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || node::run::<Hearsay>(config, stopped, |_| ()));
        Running { stop: Some(stop), thread: Some(thread) }
    }

    fn stop(mut self) -> Result<(), NodeError> {
        drop(self.stop.take());
        self.thread.take().expect("is there").join().expect("no panic")
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    for _ in 0..1000 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn nodes_on_sockets_keep_tell_and_remember() {
    let dir = std::env::temp_dir().join(format!("splitbrain-hearsay-{}", std::process::id()));
    // Addresses of our own in loopback: no port that anybody else may have.
    let peers: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::from(([127, 77, 5, n], 7000))).collect();
    let mut nodes: Vec<Running> = (0..3).map(|me| Running::start(me, peers.clone(), &dir)).collect();
    let cluster = Cluster { nodes: peers.iter().enumerate().map(|(i, a)| (format!("n{}", i + 1), a.ip())).collect() };
    let context = ClientContext {
        cluster,
        dial: Arc::new(DirectDial),
        session: 1,
        preferred: 0,
        timeout: Duration::from_secs(5),
    };
    let routing = Box::new(|_: &Operation| Route::Node(0));
    let manners = Manners { asks_again: false, carries: true };
    let mut client = ErrandClient::new(context, peers.clone(), manners, routing);
    let key = || Some("s".into());
    for element in 0..200 {
        let answer = client.invoke(&Operation::Add { key: key(), value: element.into() }).await;
        assert!(matches!(answer.completion, Completion::Ok(_)), "{:?}", answer.completion);
    }
    let all: Vec<i64> = (0..200).collect();
    let holds = |node: usize| {
        let (peers, all) = (peers.clone(), all.clone());
        async move {
            let Some(found) = dump(peers[node], &DirectDial, Duration::from_secs(1)).await else { return false };
            let mut set: Vec<i64> = serde_json::from_value(found["set"].clone()).expect("a set");
            set.sort_unstable();
            set == all
        }
    };
    for node in 0..3 {
        until("everybody has everything", || holds(node)).await;
    }
    for node in nodes.drain(..) {
        node.stop().expect("ends well");
    }
    let alone = Running::start(2, peers.clone(), &dir);
    until("it remembers", || holds(2)).await;
    alone.stop().expect("ends well");
    let foreign = Running::start(0, peers.clone(), &dir);
    foreign.stop().expect("its own directory");
    std::fs::remove_dir_all(dir).expect("removed");
}

/// Acknowledged elements that the only node does not have after its machine lost its power again and again.
fn lost(careless: bool, seed: u64) -> usize {
    let mut simulation = Simulation::<HearsaySystem>::new(careless, 1, Weather::default(), seed);
    let next = AtomicUsize::new(0);
    simulation.clients(4, move |_: &mut Chance, _: usize| {
        let value = (next.fetch_add(1, Ordering::Relaxed) as i64).into();
        Some(Operation::Add { key: Some("s".into()), value })
    });
    for _ in 0..20 {
        simulation.run(100_000);
        simulation.crash(0);
        simulation.start(0);
    }
    simulation.run(2_000_000);
    let held: Vec<i64> = simulation
        .dumps()
        .iter()
        .flat_map(|dump| serde_json::from_value::<Vec<i64>>(dump["set"].clone()).expect("a set"))
        .collect();
    let acknowledged = simulation.events().iter().filter(|event| event.kind == histories::Kind::Ok);
    let elements: Vec<i64> = acknowledged
        .filter_map(|event| match &event.operation {
            Operation::Add { value: histories::Scalar::Int(element), .. } => Some(*element),
            _ => None,
        })
        .collect();
    assert!(elements.len() > 100, "{} acknowledged", elements.len());
    elements.iter().filter(|element| !held.contains(element)).count()
}

#[test]
fn what_is_said_durably_survives_and_what_is_not_may_not() {
    let (careful, careless): (usize, usize) =
        (0..20).map(|seed| (lost(false, seed), lost(true, seed))).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert_eq!(careful, 0);
    assert!(careless > 0);
}

#[test]
fn a_simulation_is_a_function_of_its_seed() {
    let events = |seed| {
        let mut simulation = Simulation::<HearsaySystem>::new(false, 3, Weather::default(), seed);
        simulation.clients(3, |chance: &mut Chance, _: usize| match chance.percent(50) {
            true => Some(Operation::Add { key: Some("s".into()), value: (chance.below(1000) as i64).into() }),
            false => Some(Operation::Read { key: Some("s".into()), value: None }),
        });
        simulation.run(500_000);
        simulation.kill(1);
        simulation.part(&[0]);
        simulation.run(500_000);
        simulation.heal();
        simulation.run(500_000);
        simulation.events().to_vec()
    };
    assert_eq!(events(1), events(1));
    assert_ne!(events(1), events(2));
    let reads = events(1).into_iter().filter(|event| {
        matches!(&event.operation, Operation::Read { value: Some(Value::List(found)), .. } if !found.is_empty())
    });
    assert!(reads.count() > 10);
}
