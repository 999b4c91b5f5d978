//! A client that works offline, with a real leader that comes and goes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use histories::{Completion, Operation, Scalar, Value};
use serde_json::{Value as Json, json};
use systems_under_test::multi_leader::MultiLeader;
use systems_under_test::multi_leader::site::Site;
use systems_under_test::specimen::client::dump;
use systems_under_test::specimen::node::{self, NodeConfig, NodeError};
use systems_under_test::specimen::settings::Failpoints;
use systems_under_test::specimen::{Bundled, Seat, Specimen};
use systems_under_test::{Client, ClientContext, Cluster, DirectDial, Options};
use tokio::sync::oneshot;

/// A node of its own in loopback, at the port of all specimens.
const LEADER: ([u8; 4], u16) = ([127, 77, 6, 1], 7000);

struct Leader {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), NodeError>>>,
}

impl Leader {
    fn start(options: &Options, data: PathBuf) -> Leader {
        let listen = SocketAddr::from(LEADER);
        let config = NodeConfig {
            system: MultiLeader::NAME,
            seat: Seat { me: 0, names: vec!["n1".to_owned()] },
            peers: vec![listen],
            listen,
            data,
            settings: MultiLeader::settings(options).expect("settings"),
            failpoints: Failpoints::default(),
            notes: Arc::new(|_: &str| ()),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || node::run::<Site>(config, stopped, |_| ()));
        Leader { stop: Some(stop), thread: Some(thread) }
    }

    fn stop(mut self) {
        drop(self.stop.take());
        self.thread.take().expect("is there").join().expect("no panic").expect("ends well");
    }
}

fn key() -> Option<Scalar> {
    Some("list".into())
}

async fn append(client: &mut dyn Client, value: i64) -> (bool, Option<usize>) {
    let answer = client.invoke(&Operation::Append { key: key(), value: value.into() }).await;
    (matches!(answer.completion, Completion::Ok(_)), answer.node)
}

async fn read(client: &mut dyn Client) -> Option<Value> {
    let answer = client.invoke(&Operation::Read { key: key(), value: None }).await;
    match answer.completion {
        Completion::Ok(Operation::Read { value, .. }) => value,
        _ => None,
    }
}

#[tokio::test]
async fn what_was_asked_offline_is_replayed_in_order_and_once() {
    let set = [("clients".to_owned(), "offline".to_owned())];
    let options = Options::new(&Bundled::<MultiLeader>::default(), &set).expect("options");
    let dir = std::env::temp_dir().join(format!("splitbrain-offline-{}", std::process::id()));
    let leader = Leader::start(&options, dir.clone());
    let cluster = Cluster { nodes: vec![("n1".to_owned(), SocketAddr::from(LEADER).ip())] };
    let (dial, timeout) = (Arc::new(DirectDial), Duration::from_secs(1));
    let context = ClientContext { cluster, dial, session: 1, preferred: 0, timeout };
    let mut client = MultiLeader::client(context, MultiLeader::settings(&options).expect("settings"));
    let list = |values: &[i64]| Some(Value::List(values.iter().map(|v| (*v).into()).collect()));

    // The node may need a moment to listen; until then the client is offline.
    assert!(append(&mut *client, 1).await.0);
    let online = async {
        loop {
            if client.invoke(&Operation::Read { key: key(), value: None }).await.node == Some(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), online).await.expect("it is heard");
    assert_eq!(append(&mut *client, 2).await, (true, Some(0)), "the leader answers");
    leader.stop();
    for value in 3..8 {
        assert_eq!(append(&mut *client, value).await, (true, None), "nobody but the client answers");
    }
    assert_eq!(read(&mut *client).await, list(&[1, 2, 3, 4, 5, 6, 7]), "it sees its own");
    let cas = Operation::Cas { key: Some("x".into()), old: Scalar::Null, new: 1.into() };
    assert!(
        matches!(client.invoke(&cas).await.completion, Completion::Fail(_)),
        "what must be compared is not decided offline"
    );
    drop(client);

    let leader = Leader::start(&options, dir.clone());
    let all = json!([1, 2, 3, 4, 5, 6, 7]);
    let replayed = async {
        while held().await != Some(all.clone()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), replayed)
        .await
        .expect("all of it, in order, though the client has ended");
    leader.stop();
    std::fs::remove_dir_all(dir).expect("removed");
}

async fn held() -> Option<Json> {
    let dump = dump(SocketAddr::from(LEADER), &DirectDial, Duration::from_secs(1)).await?;
    dump.get("list").cloned()
}
