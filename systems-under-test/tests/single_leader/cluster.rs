//! A cluster inside the test: nodes on threads of their own, on addresses of their own in 127.0.0.0/8, and between each
//! two of them a relay that can hold bytes back, as a cut link does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use histories::{Completion, Micro, Operation, Scalar, Value};
use serde_json::Value as Json;
use systems_under_test::single_leader::SingleLeader;
use systems_under_test::single_leader::client::{ClientConfig, SingleLeaderClient};
use systems_under_test::single_leader::node::{Node, NodeConfig};
use systems_under_test::single_leader::options::{ReadFrom, Settings};
use systems_under_test::specimen::Planted;
use systems_under_test::{BoxFuture, Client, Dial, DirectDial, Options, Probe, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Nothing in these tests takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Cluster {
    dir: PathBuf,
    names: Vec<String>,
    net: Ipv4Addr,
    settings: Vec<(String, String)>,
    nodes: Vec<Option<Node>>,
    notes: Arc<Mutex<Vec<(usize, String)>>>,
    /// `cuts[from][to]`: whether bytes are held back.
    cuts: Vec<Vec<watch::Sender<bool>>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (node, note) in self.notes.lock().expect("notes").iter() {
                eprintln!("n{} {note}", node + 1);
            }
        }
        self.nodes.clear();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Cluster {
    /// Starts nodes that are configured like this.
    pub async fn start(count: usize, set: &[(&str, &str)]) -> Cluster {
        static CLUSTERS: AtomicU32 = AtomicU32::new(1);
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let mut cluster = Cluster {
            dir: std::env::temp_dir().join(format!("splitbrain-{pid}-cluster-{number}")),
            names: (1..=count).map(|n| format!("n{n}")).collect(),
            net: Ipv4Addr::new(127, 1 + (pid % 250) as u8, (pid / 250 % 8 * 32 + number) as u8, 0),
            settings: set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            nodes: (0..count).map(|_| None).collect(),
            notes: Arc::default(),
            cuts: (0..count).map(|_| (0..count).map(|_| watch::channel(false).0).collect()).collect(),
        };
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                cluster.relay(from, to).await;
            }
        }
        for node in 0..count {
            cluster.restart(node).await;
        }
        cluster
    }

    fn address(&self, last: u8) -> SocketAddr {
        let [a, b, c, _] = self.net.octets();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, last)), 7000)
    }

    pub fn node_address(&self, node: usize) -> SocketAddr {
        self.address(1 + node as u8)
    }

    fn relay_address(&self, from: usize, to: usize) -> SocketAddr {
        self.address(100 + (from * 10 + to) as u8)
    }

    async fn relay(&self, from: usize, to: usize) {
        let listener = TcpListener::bind(self.relay_address(from, to)).await.expect("a relay listens");
        let target = self.node_address(to);
        let (there, back) = (self.cuts[from][to].subscribe(), self.cuts[to][from].subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (there, back) = (there.clone(), back.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    tokio::select! {
                        () = pump(near_read, far_write, there) => {}
                        () = pump(far_read, near_write, back) => {}
                    }
                });
            }
        });
    }

    pub fn data(&self, node: usize) -> PathBuf {
        self.dir.join(&self.names[node])
    }

    pub fn settings(&self) -> Settings {
        Settings::new(&Options::new(&SingleLeader, &self.settings).expect("options")).expect("settings")
    }

    pub fn config(&self, node: usize) -> NodeConfig {
        let notes = self.notes.clone();
        NodeConfig {
            names: self.names.clone(),
            peers: (0..self.names.len()).map(|to| self.relay_address(node, to)).collect(),
            me: node,
            listen: self.node_address(node),
            data: self.data(node),
            settings: self.settings(),
            notes: Arc::new(move |note| notes.lock().expect("notes").push((node, note.to_owned()))),
        }
    }

    pub async fn restart(&mut self, node: usize) {
        if self.nodes[node].is_none() {
            let started = Node::start(self.config(node)).await;
            self.nodes[node] = Some(started.unwrap_or_else(|error| panic!("n{} does not start: {error}", node + 1)));
        }
    }

    /// As SIGKILL would: nothing more is written, nobody is told.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    /// Kills a node and loses its disk.
    pub fn wipe(&mut self, node: usize) {
        self.kill(node);
        std::fs::remove_dir_all(self.data(node)).expect("a directory");
    }

    pub fn set_cut(&self, from: usize, to: usize, cut: bool) {
        self.cuts[from][to].send_replace(cut);
    }

    /// Nothing goes between the two groups.
    pub fn split(&self, side: &[usize], other: &[usize]) {
        for from in side {
            for to in other {
                self.set_cut(*from, *to, true);
                self.set_cut(*to, *from, true);
            }
        }
    }

    pub fn isolate(&self, node: usize) {
        let others: Vec<usize> = (0..self.names.len()).filter(|other| *other != node).collect();
        self.split(&[node], &others);
    }

    pub fn heal(&self) {
        for cut in self.cuts.iter().flatten() {
            cut.send_replace(false);
        }
    }

    pub fn client(&self, session: u32) -> TestClient {
        self.client_with(session, Arc::new(DirectDial), Duration::from_secs(5))
    }

    pub fn client_with(&self, session: u32, dial: Arc<dyn Dial>, timeout: Duration) -> TestClient {
        let settings = self.settings();
        TestClient(SingleLeaderClient::new(ClientConfig {
            planted: Planted::default(),
            nodes: (0..self.names.len()).map(|node| self.node_address(node)).collect(),
            dial,
            session,
            preferred: session as usize,
            timeout,
            read_from: settings.read_from,
            token: settings.token,
        }))
    }

    /// A client that sees this node only, and reads from it as a replica.
    pub fn client_of(&self, node: usize) -> TestClient {
        let settings = self.settings();
        TestClient(SingleLeaderClient::new(ClientConfig {
            planted: Planted::default(),
            nodes: vec![self.node_address(node)],
            dial: Arc::new(DirectDial),
            session: 1000,
            preferred: 0,
            timeout: Duration::from_millis(700),
            read_from: settings.read_from,
            token: settings.token,
        }))
    }

    pub async fn probe(&self, node: usize) -> Option<Probe> {
        SingleLeader.probe_at(self.node_address(node), &DirectDial, Duration::from_secs(1)).await
    }

    pub async fn dump(&self, node: usize) -> Option<Json> {
        SingleLeader.dump_at(self.node_address(node), &DirectDial, Duration::from_secs(1)).await
    }

    pub async fn promote(&self, node: usize) -> bool {
        SingleLeader.promote(self.node_address(node), &DirectDial, Duration::from_secs(1)).await.unwrap_or(false)
    }

    /// Waits until every one of these nodes is ready; returns the one of them that leads in the highest epoch.
    pub async fn ready(&self, nodes: &[usize]) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut probes = Vec::new();
            for node in nodes {
                probes.push((*node, self.probe(*node).await));
            }
            let all = probes.iter().all(|(_, probe)| probe.as_ref().is_some_and(|p| p.ready));
            let leads = |probe: &&(usize, Option<Probe>)| probe.1.as_ref().is_some_and(|p| p.role == Role::Leader);
            let leader = probes.iter().filter(leads).max_by_key(|(_, probe)| probe.as_ref().and_then(|p| p.epoch));
            if let (true, Some((leader, _))) = (all, leader) {
                return *leader;
            }
            assert!(Instant::now() < deadline, "not ready: {probes:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn all_ready(&self) -> usize {
        self.ready(&(0..self.names.len()).collect::<Vec<_>>()).await
    }

    /// Waits until all nodes hold the same, and returns that.
    pub async fn converged(&self) -> Json {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut dumps = Vec::new();
            for node in 0..self.names.len() {
                dumps.push(self.dump(node).await);
            }
            if let Some(first) = &dumps[0]
                && dumps.iter().all(|dump| dump.as_ref() == Some(first))
            {
                return first.clone();
            }
            assert!(Instant::now() < deadline, "not the same: {dumps:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a node has written a line with these words; returns the line.
    pub async fn noted(&self, node: usize, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(note) = self.find_note(node, words) {
                return note;
            }
            assert!(Instant::now() < deadline, "n{} never says '{words}'", node + 1);
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn find_note(&self, node: usize, words: &str) -> Option<String> {
        let notes = self.notes.lock().expect("notes");
        notes.iter().find(|(from, note)| *from == node && note.contains(words)).map(|(_, note)| note.clone())
    }

    pub fn forget_notes(&self) {
        self.notes.lock().expect("notes").clear();
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        if cut.wait_for(|cut| !*cut).await.is_err() || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

/// A client, and words for what tests ask of it.
pub struct TestClient(pub SingleLeaderClient);

impl TestClient {
    pub async fn run(&mut self, operation: Operation) -> Completion {
        self.0.invoke(&operation).await.completion
    }

    pub async fn append(&mut self, key: &str, value: i64) -> Completion {
        self.run(Operation::Append { key: Some(key.into()), value: value.into() }).await
    }

    /// Appends, and insists that it is acknowledged.
    pub async fn must_append(&mut self, key: &str, value: i64) {
        let completion = self.append(key, value).await;
        assert!(matches!(completion, Completion::Ok(_)), "append {key} ← {value}: {completion:?}");
    }

    pub async fn read(&mut self, key: &str) -> Result<Vec<i64>, String> {
        match self.run(Operation::Read { key: Some(key.into()), value: None }).await {
            Completion::Ok(Operation::Read { value: Some(value), .. }) => Ok(list(&value)),
            Completion::Fail(why) | Completion::Info(why) => Err(why),
            other => panic!("a read answered with {other:?}"),
        }
    }

    pub async fn txn(&mut self, micros: Vec<Micro>) -> Completion {
        self.run(Operation::Txn(micros)).await
    }
}

pub fn list(value: &Value) -> Vec<i64> {
    let number = |scalar: &Scalar| match scalar {
        Scalar::Int(n) => *n,
        other => panic!("not a number: {other}"),
    };
    match value {
        Value::Scalar(Scalar::Null) => Vec::new(),
        Value::Scalar(scalar) => vec![number(scalar)],
        Value::List(items) => items.iter().map(number).collect(),
    }
}

/// A dialler that cannot reach some addresses: connecting to them never ends.
#[derive(Default)]
pub struct HolesDial(pub Mutex<Vec<SocketAddr>>);

impl Dial for HolesDial {
    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, std::io::Result<TcpStream>> {
        let hole = self.0.lock().expect("holes").contains(&to);
        Box::pin(async move { if hole { std::future::pending().await } else { TcpStream::connect(to).await } })
    }
}

/// Adds bytes to a file, as a write that was under way when the power failed.
pub fn tear(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("opens");
    file.write_all(bytes).expect("writes");
}

pub const READ_FROM: [(&str, ReadFrom); 3] =
    [("leader", ReadFrom::Leader), ("any", ReadFrom::Any), ("sticky", ReadFrom::Sticky)];
