//! A bundled node is a process like any other: it is started as an argv, an environment and a data directory, listens
//! where the system says, tells its state, ends on SIGTERM with exit code 0, and goes on where it was after SIGKILL.
//!
//! This program is its own node: with `__node` as its first argument it becomes one, as `splitbrain` does.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use histories::{Completion, Operation};
use systems_under_test::{ClientContext, Cluster, DirectDial, NodeContext, Options, Role, System, find, node_main};

const SECOND: Duration = Duration::from_secs(1);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == "__node") {
        std::process::exit(node_main(&args[1..]));
    }
    if args.iter().any(|arg| arg == "--list") {
        return println!("nodes_are_processes: test");
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "nodes_are_processes".contains(filter.as_str())) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(nodes_are_processes());
    println!("test nodes_are_processes ... ok");
}

struct Run {
    system: Box<dyn System>,
    options: Options,
    cluster: Cluster,
    dir: PathBuf,
    nodes: Vec<Option<Child>>,
}

impl Drop for Run {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Run {
    fn start(&mut self, position: usize) {
        let context = NodeContext {
            name: self.cluster.nodes[position].0.clone(),
            position,
            data_dir: self.dir.join(&self.cluster.nodes[position].0),
            cluster: self.cluster.clone(),
            own_program: std::env::current_exe().expect("own path"),
        };
        let command = self.system.node(&context, &self.options);
        assert_eq!(command.argv[1..3], ["__node", "single-leader"]);
        let log = std::fs::File::options().create(true).append(true).open(self.log(position)).expect("a log");
        let child = Command::new(&command.argv[0])
            .args(&command.argv[1..])
            .env_clear()
            .envs(&command.env)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("starts");
        self.nodes[position] = Some(child);
    }

    fn log(&self, position: usize) -> PathBuf {
        self.dir.join(format!("{position}.log"))
    }

    async fn ready(&self) -> usize {
        let deadline = Instant::now() + 20 * SECOND;
        loop {
            let (mut leader, mut ready) = (None, 0);
            for node in 0..self.nodes.len() {
                if let Some(probe) = self.system.probe(node, &self.cluster, &DirectDial, SECOND).await {
                    ready += usize::from(probe.ready);
                    leader = leader.or((probe.role == Role::Leader).then_some(node));
                }
            }
            if let (true, Some(leader)) = (ready == self.nodes.len(), leader) {
                return leader;
            }
            assert!(Instant::now() < deadline, "{ready} nodes are ready, {leader:?} leads\n{}", read(&self.log(0)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn nodes_are_processes() {
    let system = find("single-leader").expect("bundled");
    assert!(find("single-follower").is_none());
    let set = [("replication".to_owned(), "semi-sync".to_owned())];
    let options = Options::new(&*system, &set).expect("options");
    let pid = std::process::id();
    let address =
        |n: usize| IpAddr::V4(Ipv4Addr::new(127, 251, (pid % 250) as u8, (pid / 250 % 60 * 4) as u8 + n as u8));
    let cluster = Cluster { nodes: (1..=3).map(|n| (format!("n{n}"), address(n))).collect() };
    let dir = std::env::temp_dir().join(format!("splitbrain-process-{pid}"));
    std::fs::create_dir_all(&dir).expect("a directory");
    let mut run = Run { system, options, cluster, dir, nodes: vec![None, None, None] };
    for node in 0..3 {
        run.start(node);
    }
    let leader = run.ready().await;

    let mut client = run.system.client(
        ClientContext {
            cluster: run.cluster.clone(),
            dial: Arc::new(DirectDial),
            session: 1,
            preferred: 7,
            timeout: 5 * SECOND,
        },
        &run.options,
    );
    let write = Operation::Write { key: Some("x".into()), value: 17.into() };
    assert_eq!(client.invoke(&write).await.completion, Completion::Ok(write.clone()));

    // SIGTERM: an orderly end.
    let mut follower = run.nodes[(leader + 1) % 3].take().expect("runs");
    let signal = Command::new("kill").args(["-TERM", &follower.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    assert_eq!(follower.wait().expect("ends").code(), Some(0));
    run.start((leader + 1) % 3);

    // SIGKILL: no end at all; everybody at once.
    for node in 0..3 {
        let mut child = run.nodes[node].take().expect("runs");
        child.kill().expect("kills");
        child.wait().expect("ends");
        run.start(node);
    }
    run.ready().await;
    for node in 0..3 {
        let mut dump = None;
        let deadline = Instant::now() + 10 * SECOND;
        while dump != Some(serde_json::json!({ "x": 17 })) {
            assert!(Instant::now() < deadline, "n{} holds {dump:?}", node + 1);
            dump = run.system.dump(node, &run.cluster, &DirectDial, SECOND).await;
        }
    }
    let log = read(&run.log(leader));
    assert!(log.contains(&format!("n{} leader in epoch ", leader + 1)), "{log}");

    // A second process on the same address says why it cannot.
    let taken = run.nodes[0].take().expect("runs");
    run.start(0);
    let code = run.nodes[0].take().expect("ran").wait().expect("ends").code();
    run.nodes[0] = Some(taken);
    assert_eq!(code, Some(1));
    assert!(read(&run.log(0)).contains("stopping: cannot listen on"), "{}", read(&run.log(0)));
}
