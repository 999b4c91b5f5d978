//! How many operations a second a cluster of real processes takes on loopback, clients included:
//! `cargo run --release -p splitbrain-systems-under-test --example throughput -- [--nodes 5] [--clients 32]
//! [--seconds 5] [--reads 50] [--set replication=async …]`.
//!
//! The nodes listen on 127.0.1.1, 127.0.1.2, … so nothing else may use port 7000 there.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use histories::{Completion, Operation};
use systems_under_test::{ClientContext, Cluster, DirectDial, NodeContext, Options, find, node_main};

struct Args {
    nodes: usize,
    clients: u32,
    seconds: u64,
    reads: u64,
    set: Vec<(String, String)>,
}

fn args() -> Args {
    let mut args = Args { nodes: 5, clients: 32, seconds: 5, reads: 50, set: Vec::new() };
    let mut given = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (given.next(), given.next()) {
        let number = || value.parse().unwrap_or_else(|_| panic!("{name} takes a number"));
        match name.as_str() {
            "--nodes" => args.nodes = number() as usize,
            "--clients" => args.clients = number() as u32,
            "--seconds" => args.seconds = number(),
            "--reads" => args.reads = number(),
            "--set" => {
                let (key, value) = value.split_once('=').expect("KEY=VALUE");
                args.set.push((key.to_owned(), value.to_owned()));
            }
            _ => panic!("unknown argument {name}"),
        }
    }
    args
}

struct Nodes(Vec<Child>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn main() {
    let raw: Vec<String> = std::env::args().skip(1).collect();
    if raw.first().is_some_and(|first| first == "__node") {
        exit(node_main(&raw[1..]));
    }
    let args = args();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    runtime.block_on(measure(args));
}

async fn measure(args: Args) {
    let system = find("single-leader").expect("bundled");
    let options = Options::new(&*system, &args.set).expect("options");
    let cluster = Cluster {
        nodes: (0..args.nodes)
            .map(|i| (format!("n{}", i + 1), IpAddr::V4(Ipv4Addr::new(127, 0, 1, i as u8 + 1))))
            .collect(),
    };
    let dir = std::env::temp_dir().join(format!("splitbrain-throughput-{}", std::process::id()));
    let mut nodes = Nodes(Vec::new());
    let started = Instant::now();
    for (position, (name, _)) in cluster.nodes.iter().enumerate() {
        let context = NodeContext {
            name: name.clone(),
            position,
            data_dir: dir.join(name),
            cluster: cluster.clone(),
            own_program: std::env::current_exe().expect("own path"),
        };
        let argv = system.node(&context, &options).argv;
        nodes.0.push(Command::new(&argv[0]).args(&argv[1..]).spawn().expect("starts"));
    }
    for node in 0..args.nodes {
        let mut ready = false;
        while !ready {
            let probe = system.probe(node, &cluster, &DirectDial, Duration::from_millis(200)).await;
            ready = probe.is_some_and(|probe| probe.ready);
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(started.elapsed() < Duration::from_secs(20), "the nodes do not become ready");
        }
    }
    println!("{} nodes ready after {} ms", args.nodes, started.elapsed().as_millis());

    let (done, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let mut tasks = Vec::new();
    for session in 0..args.clients {
        let context = ClientContext {
            cluster: cluster.clone(),
            dial: Arc::new(DirectDial),
            session,
            preferred: session as usize,
            timeout: Duration::from_secs(5),
        };
        let mut client = system.client(context, &options);
        let (done, failed, reads) = (done.clone(), failed.clone(), args.reads);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut n = 0u64;
            while Instant::now() < end {
                n += 1;
                let key = Some(((u64::from(session) * 31 + n) as i64 % 64).into());
                let operation = match n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 {
                    x if x % 100 < reads => Operation::Read { key, value: None },
                    _ => Operation::Write { key, value: (n as i64).into() },
                };
                let begun = Instant::now();
                match client.invoke(&operation).await.completion {
                    Completion::Ok(_) => done.fetch_add(1, Ordering::Relaxed),
                    _ => failed.fetch_add(1, Ordering::Relaxed),
                };
                latencies.push(begun.elapsed().as_micros() as u64);
            }
            latencies
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a client"));
    }
    latencies.sort_unstable();
    let at = |p: f64| latencies.get((latencies.len() as f64 * p) as usize).copied().unwrap_or(0);
    println!(
        "{} operations a second ({} not ok), {} % reads, {} clients; latency p50 {} µs, p99 {} µs, p99.9 {} µs",
        done.load(Ordering::Relaxed) / args.seconds,
        failed.load(Ordering::Relaxed),
        args.reads,
        args.clients,
        at(0.5),
        at(0.99),
        at(0.999),
    );
    drop(nodes);
    let _ = std::fs::remove_dir_all(dir);
}
