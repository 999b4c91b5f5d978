//! The cluster of a run: hosts on the wire, nodes on the hosts, and a place on the wire for the clients and for
//! the harness itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nemesis::disk::{DiskSpec, FilesSpec};
use nemesis::hosts::{Exit, HostId, HostSpec, Hosts, HostsConfig, HostsError, ProcessSpec, Rung};
use nemesis::seed::Seed;
use systems_under_test::{BoxFuture, Client, ClientContext, Cluster, Dial, NodeContext, Options, Probe, Role, System};
use tokio::net::{TcpSocket, TcpStream};

use super::equipment::Equipment;
use crate::failure::Failure;
use crate::render::evidence::printable;
use crate::rundir::RunDir;

/// How long one probe of one node may take.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a dump of one node may take.
const DUMP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often nodes are asked whether they are ready.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);
/// A wire that is late by more than this bears on what timeouts mean.
const LAG: Duration = Duration::from_millis(250);
/// How much of what a node said last is looked at, bytes.
const LAST_WORDS: u64 = 4096;
/// How long nodes get to end by themselves after SIGTERM.
const GRACE_MS: u64 = 300;

/// What a cluster is made from.
pub struct ClusterSpec {
    /// The store.
    pub system: Arc<dyn System>,
    /// Its settings.
    pub options: Options,
    /// Number of nodes.
    pub node_count: usize,
    /// Seed of the wire.
    pub seed: Seed,
    /// This rung or the best.
    pub rung: Option<Rung>,
    /// Where packets are recorded, if asked for.
    pub pcap: Option<PathBuf>,
    /// What hosts of nodes are to have.
    pub equipment: Equipment,
}

/// Hosts, and the nodes that run on them once they are started.
pub struct RunningCluster {
    hosts: Arc<Hosts>,
    system: Arc<dyn System>,
    options: Options,
    nodes: Vec<HostId>,
    clients: HostId,
    observer: HostId,
    cluster: Cluster,
    names: Vec<Arc<str>>,
    dir: RunDir,
    broken: Broken,
    equipment: Equipment,
    /// How each node is started.
    processes: Vec<ProcessSpec>,
}

/// The first failure of our own to open a connection: it says nothing about the store.
type Broken = Arc<Mutex<Option<String>>>;

impl RunningCluster {
    /// Makes the hosts. Nothing runs on them yet.
    pub fn new(spec: ClusterSpec, dir: &RunDir) -> Result<Self, Failure> {
        let hosts =
            Hosts::start(HostsConfig { rung: spec.rung, seed: spec.seed, pcap: spec.pcap }).map_err(hosts_failure)?;
        let addresses: Vec<(String, Ipv4Addr)> =
            (0..spec.node_count).map(|i| (format!("n{}", i + 1), Ipv4Addr::new(10, 77, 0, i as u8 + 1))).collect();
        let cluster = Cluster { nodes: addresses.iter().map(|(n, a)| (n.clone(), IpAddr::V4(*a))).collect() };
        let names: BTreeMap<String, Ipv4Addr> = addresses.iter().cloned().collect();
        let own_program = std::env::current_exe()
            .map_err(|e| Failure::harness("cannot find the path of this program").because(&e))?;
        let host = |name: &str, address, keep| HostSpec { names: names.clone(), keep, ..HostSpec::new(name, address) };
        let mut equipment = spec.equipment.offered(hosts.rung());
        let (mut nodes, mut processes) = (Vec::new(), Vec::new());
        for (position, (name, address)) in addresses.iter().enumerate() {
            let data_dir = make_node_dir(dir, name)?;
            let context = NodeContext {
                name: name.clone(),
                position,
                data_dir: data_dir.clone(),
                cluster: cluster.clone(),
                own_program: own_program.clone(),
            };
            let process = node_process(&*spec.system, &spec.options, &context, dir)?;
            let keep = vec![data_dir.clone(), PathBuf::from(&process.argv[0])];
            let host = add_node(&hosts, host(name, *address, keep), &data_dir, &mut equipment)?;
            nodes.push(host);
            processes.push(process);
        }
        let add =
            |name: &str, last| hosts.add(host(name, Ipv4Addr::new(10, 77, 0, last), Vec::new())).map_err(hosts_failure);
        let (clients, observer) = (add("clients", 201)?, add("observer", 251)?);
        Ok(RunningCluster {
            hosts: Arc::new(hosts),
            system: spec.system,
            options: spec.options,
            nodes,
            clients,
            observer,
            names: cluster.nodes.iter().map(|(n, _)| n.as_str().into()).collect(),
            cluster,
            dir: dir.clone(),
            broken: Broken::default(),
            equipment,
            processes,
        })
    }

    /// Starts a node on each host. Does not wait for them to be ready.
    pub fn start(&self) -> Result<(), Failure> {
        for (host, process) in self.nodes.iter().zip(&self.processes) {
            self.hosts.spawn(*host, process.clone()).map_err(hosts_failure)?;
        }
        Ok(())
    }

    /// What the hosts of nodes have.
    pub fn equipment(&self) -> &Equipment {
        &self.equipment
    }

    /// Copies what is on the nodes' simulated disks to where their data would be without them, for people to look at.
    pub fn save_disks(&self) {
        for (name, host) in self.names.iter().zip(&self.nodes) {
            let Some(disk) = self.hosts.disk(*host) else { continue };
            if let Err(error) = disk.export(&self.dir.node(name).join("data")) {
                tracing::warn!(error = &error as &dyn std::error::Error, "a disk could not be saved");
            }
        }
    }

    /// The hosts.
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// The host of each node, by position.
    pub fn nodes(&self) -> &[HostId] {
        &self.nodes
    }

    /// Where the data of each node is, by host, unless it has a simulated disk.
    pub fn data(&self) -> BTreeMap<HostId, PathBuf> {
        let dirs = self.names.iter().map(|name| self.dir.node(name).join("data"));
        self.nodes.iter().copied().zip(dirs).collect()
    }

    /// The hosts that clients stand on.
    pub fn clients(&self) -> Vec<HostId> {
        vec![self.clients]
    }

    /// The name of a node; none for a position that there is not.
    pub fn name(&self, node: usize) -> Option<Arc<str>> {
        self.names.get(node).cloned()
    }

    /// The names of all nodes, by position.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// What broke of the harness's own means to connect, if anything did.
    pub fn broken(&self) -> Option<Failure> {
        let what = self.broken.lock().unwrap_or_else(|p| p.into_inner()).clone()?;
        Some(
            Failure::harness(format!("a client could not be given a connection: {what}"))
                .help("ask for fewer processes (--concurrency), or allow more open files (ulimit -n)"),
        )
    }

    fn dialler(&self, host: HostId) -> HostDial {
        HostDial { hosts: self.hosts.clone(), host, broken: self.broken.clone() }
    }

    /// Ends of processes. Can be taken once.
    pub fn exits(&self) -> Option<Receiver<Exit>> {
        self.hosts.exits()
    }

    /// Where the output of the nodes is written: position and file.
    pub fn outputs(&self) -> Vec<(usize, PathBuf)> {
        let files = |(i, (name, _)): (usize, &(String, IpAddr))| {
            [(i, self.dir.node(name).join("stdout.log")), (i, self.dir.node(name).join("stderr.log"))]
        };
        self.cluster.nodes.iter().enumerate().flat_map(files).collect()
    }

    /// A client for a process, standing on the clients' host.
    pub fn client(&self, session: u32, preferred: usize, timeout: Duration) -> Box<dyn Client> {
        self.client_on(self.clients, session, preferred, timeout)
    }

    /// A client that no fault reaches, for the final reads.
    pub fn observer_client(&self, session: u32, preferred: usize, timeout: Duration) -> Box<dyn Client> {
        self.client_on(self.observer, session, preferred, timeout)
    }

    fn client_on(&self, host: HostId, session: u32, preferred: usize, timeout: Duration) -> Box<dyn Client> {
        let context = ClientContext {
            cluster: self.cluster.clone(),
            dial: Arc::new(self.dialler(host)),
            session,
            preferred,
            timeout,
        };
        self.system.client(context, &self.options)
    }

    /// What every node says of itself, asked all at once from the observer's host.
    pub async fn probe(&self) -> Vec<Option<Probe>> {
        let dial = self.dialler(self.observer);
        let asked = (0..self.nodes.len()).map(|node| {
            let (system, cluster, dial) = (self.system.clone(), self.cluster.clone(), dial.clone());
            tokio::spawn(async move { system.probe(node, &cluster, &dial, PROBE_TIMEOUT).await })
        });
        let mut answers = Vec::new();
        for task in asked.collect::<Vec<_>>() {
            answers.push(task.await.unwrap_or(None));
        }
        answers
    }

    /// The node that leads, by its own word; of several the one with the highest epoch.
    pub async fn leader(&self) -> Option<usize> {
        let probes = self.probe().await;
        let leaders = probes.iter().enumerate().filter_map(|(i, p)| p.as_ref().map(|p| (i, p)));
        leaders.filter(|(_, p)| p.role == Role::Leader).max_by_key(|(_, p)| p.epoch).map(|(i, _)| i)
    }

    /// Waits until every node is ready. Names those that are not.
    pub async fn wait_ready(&self, bound: Duration) -> Result<(), Vec<usize>> {
        let deadline = Instant::now() + bound;
        loop {
            let probes = self.probe().await;
            let behind: Vec<usize> =
                (0..probes.len()).filter(|i| !probes[*i].as_ref().is_some_and(|p| p.ready)).collect();
            if behind.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(behind);
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// What every node holds; `None` where it does not tell.
    pub async fn dumps(&self) -> Vec<Option<serde_json::Value>> {
        let dial = self.dialler(self.observer);
        let asked = (0..self.nodes.len()).map(|node| {
            let (system, cluster, dial) = (self.system.clone(), self.cluster.clone(), dial.clone());
            tokio::spawn(async move { system.dump(node, &cluster, &dial, DUMP_TIMEOUT).await })
        });
        let mut dumps = Vec::new();
        for task in asked.collect::<Vec<_>>() {
            dumps.push(task.await.unwrap_or(None));
        }
        dumps
    }

    /// The failure of nodes that did not become ready: what they said last.
    pub fn not_ready(&self, nodes: &[usize], bound: Duration) -> Failure {
        let names: Vec<&str> = nodes.iter().map(|n| &*self.names[*n]).collect();
        let mut failure = Failure::harness(format!("{} not ready within {} s", names.join(", "), bound.as_secs()));
        for name in &names {
            let last = self.last_words(name).unwrap_or_else(|| "(nothing)".to_owned());
            failure.causes.push(format!("{name} said last: {last}"));
        }
        failure.help(format!("read {}", self.dir.shown().join("nodes").display()))
    }

    /// The last line that a node wrote to its standard error, if it wrote any.
    pub fn last_words(&self, name: &str) -> Option<String> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = std::fs::File::open(self.dir.node(name).join("stderr.log")).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS))).ok()?;
        let mut said = Vec::new();
        file.read_to_end(&mut said).ok()?;
        // Where the run is stands above already.
        let said = String::from_utf8_lossy(&said).replace(&format!("{}/", self.dir.path().display()), "");
        said.lines().rev().find(|line| !line.trim().is_empty()).map(|line| printable(line.trim()))
    }

    /// What the wire has to say that bears on trust: packets that got lost although no fault lost them, and a wire that
    /// did not get the processor when it needed it.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (node, host) in self.nodes.iter().enumerate() {
            if let Ok(lost @ 1..) = self.hosts.unwanted_loss(*host) {
                notes.push(format!("{} lost {lost} packets that no fault lost: its queue was full", self.names[node]));
            }
        }
        let worst = Duration::from_micros(self.hosts.wire().lag().worst_us);
        if worst >= LAG {
            notes.push(format!("the wire was once {} ms late: this machine is busy", worst.as_millis()));
        }
        notes
    }

    /// What the wire did, in all.
    pub fn wire(&self) -> serde_json::Value {
        let wire = self.hosts.wire();
        serde_json::json!({
            "packets": wire.total(),
            "lag_us": { "worst": wire.lag().worst_us, "mean": wire.lag().mean_us },
            "links": self.links(),
        })
    }

    /// What each link did that carried anything, by the names of its ends.
    fn links(&self) -> serde_json::Map<String, serde_json::Value> {
        let clients = [(Arc::from("clients"), self.clients), (Arc::from("observer"), self.observer)];
        let ends: Vec<(Arc<str>, HostId)> =
            self.names.iter().cloned().zip(self.nodes.iter().copied()).chain(clients).collect();
        let mut links = serde_json::Map::new();
        for (from, a) in &ends {
            for (to, b) in &ends {
                let stats = self.hosts.wire().stats(*a, *b);
                if stats.sent > 0 {
                    links.insert(format!("{from} → {to}"), serde_json::json!(stats));
                }
            }
        }
        links
    }

    /// Stops every process of every node where it is.
    pub fn freeze(&self) {
        for node in &self.nodes {
            if let Err(error) = self.hosts.pause(*node) {
                tracing::warn!(%error, "a node could not be frozen");
            }
        }
    }

    /// Stops all nodes.
    pub fn stop(&self) {
        for node in &self.nodes {
            if let Err(error) = self.hosts.stop(*node, GRACE_MS) {
                tracing::warn!(%error, "a node could not be stopped");
            }
        }
    }
}

fn make_node_dir(dir: &RunDir, name: &str) -> Result<PathBuf, Failure> {
    let data = dir.node(name).join("data");
    std::fs::create_dir_all(&data)
        .map_err(|e| Failure::file(crate::failure::HARNESS, "make the directory", &data, &e))?;
    Ok(data)
}

/// Makes the host of a node, with as much of the equipment as is to be had; what one node cannot have none has.
fn add_node(hosts: &Hosts, spec: HostSpec, data: &Path, equipment: &mut Equipment) -> Result<HostId, Failure> {
    let wanted = equipment.clone();
    let mut why: Option<String> = None;
    for had in wanted.ladder() {
        let disk = had.disk.then(|| DiskSpec::new(data));
        let files = (!had.disk && !had.files.is_empty())
            .then(|| FilesSpec { path: data.to_owned(), operations: had.files.clone() });
        match hosts.add(HostSpec { clock: had.clock, disk, files, ..spec.clone() }) {
            Ok(host) => {
                if let Some(why) = why {
                    let lacking = wanted.lacking.clone();
                    *equipment = had.instead_of(&wanted, &why);
                    equipment.lacking.extend(lacking);
                }
                if let Some(disk) = hosts.disk(host) {
                    disk.import(data).map_err(|e| Failure::harness("cannot put files on a disk").because(&e))?;
                }
                return Ok(host);
            }
            Err(error @ HostsError::Host { .. }) => drop(why.get_or_insert(error.to_string())),
            Err(error) => return Err(hosts_failure(error)),
        }
    }
    Err(Failure::harness("the hosts of the run").help(why.unwrap_or_default()))
}

fn node_process(
    system: &dyn System,
    options: &Options,
    context: &NodeContext,
    dir: &RunDir,
) -> Result<ProcessSpec, Failure> {
    let command = system.node(context, options);
    if command.argv.is_empty() {
        return Err(Failure::usage(format!("{} says of no program how to start {}", system.name(), context.name)));
    }
    for (path, content) in &command.files {
        let path = context.data_dir.join(path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
        made.map_err(|e| Failure::file(crate::failure::HARNESS, "write", &path, &e))?;
    }
    let mut env = command.env;
    if let Ok(path) = std::env::var("PATH") {
        env.entry("PATH".into()).or_insert(path);
    }
    let home = dir.node(&context.name);
    Ok(ProcessSpec {
        argv: command.argv,
        env,
        dir: context.data_dir.clone(),
        stdout: home.join("stdout.log"),
        stderr: home.join("stderr.log"),
    })
}

/// What the machine refuses, with the remedy.
pub fn hosts_failure(error: HostsError) -> Failure {
    match error {
        HostsError::Unavailable { what, remedy } => Failure::harness(what).help(remedy),
        other => Failure::harness("the hosts of the run").because(&other),
    }
}

/// Connects from a host of the run.
#[derive(Clone)]
struct HostDial {
    hosts: Arc<Hosts>,
    host: HostId,
    broken: Broken,
}

impl Dial for HostDial {
    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, std::io::Result<TcpStream>> {
        Box::pin(async move {
            let (hosts, host) = (self.hosts.clone(), self.host);
            let socket =
                tokio::task::spawn_blocking(move || hosts.socket(host)).await.map_err(std::io::Error::other)?;
            let socket = socket.map_err(|error| {
                self.broken.lock().unwrap_or_else(|p| p.into_inner()).get_or_insert_with(|| error.to_string());
                std::io::Error::other(error)
            })?;
            TcpSocket::from_std_stream(std::net::TcpStream::from(socket)).connect(to).await
        })
    }
}
