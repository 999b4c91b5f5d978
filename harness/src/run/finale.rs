//! After the faults and the recovery: wait until the replicas agree, read everything once more, ask every replica
//! for all it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use histories::{Completion, Kind, Operation, Process};
use tokio::time::Instant;

use super::cluster::RunningCluster;
use super::process::{Crew, perform};
use super::record::Entry;
use crate::plan::Plan;
use crate::workloads::Turn;

/// How often replicas are compared.
const COMPARE_INTERVAL: Duration = Duration::from_millis(50);
/// How many final reads are under way at a time.
const READERS: usize = 8;
/// How long a final read waits before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The whole of it. Returns the nodes that were silent although others told what they hold.
///
/// Bounded: a store that never answers again costs the recovery bound for its dumps and once more for the reads.
pub async fn finale(cluster: &Arc<RunningCluster>, crew: &Arc<Crew>, plan: &Plan) -> Vec<usize> {
    let bound = Duration::from_millis(plan.recovery_ms);
    let dumps = agreed_dumps(cluster, bound).await;
    let silent: Vec<usize> = (0..dumps.len()).filter(|node| dumps[*node].is_none()).collect();
    record_dumps(cluster, crew, dumps);
    final_reads(cluster, crew, Instant::now() + bound).await;
    // A system that cannot tell at all is not silent.
    if silent.len() == cluster.nodes().len() { Vec::new() } else { silent }
}

fn record_dumps(cluster: &RunningCluster, crew: &Crew, dumps: Vec<Option<serde_json::Value>>) {
    for (node, dump) in dumps.into_iter().enumerate() {
        let Some(dump) = dump else { continue };
        crew.recorder.record(Entry {
            process: Process::NEMESIS,
            kind: Kind::Info,
            operation: Operation::Custom { f: "dump".into(), key: None, value: dump },
            node: cluster.name(node),
            session: None,
            error: None,
        });
    }
}

/// What every replica holds as soon as all hold the same, or when the bound has passed.
async fn agreed_dumps(cluster: &RunningCluster, bound: Duration) -> Vec<Option<serde_json::Value>> {
    let deadline = Instant::now() + bound;
    loop {
        let dumps = cluster.dumps().await;
        let told: Vec<_> = dumps.iter().flatten().collect();
        let agree = told.windows(2).all(|pair| pair[0] == pair[1]);
        // A system that cannot tell is not asked again.
        if told.is_empty() || (agree && told.len() == dumps.len()) || Instant::now() >= deadline {
            return dumps;
        }
        tokio::time::sleep(COMPARE_INTERVAL).await;
    }
}

async fn final_reads(cluster: &Arc<RunningCluster>, crew: &Arc<Crew>, deadline: Instant) {
    let reads: Arc<Vec<Operation>> = Arc::new(crew.final_reads());
    let next = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..READERS.min(reads.len()))
        .map(|reader| {
            let (cluster, crew, reads, next) = (cluster.clone(), crew.clone(), reads.clone(), next.clone());
            tokio::spawn(async move { read_all(&cluster, &crew, &reads, &next, reader, deadline).await })
        })
        .collect();
    for reader in readers {
        let _ = reader.await;
    }
}

async fn read_all(
    cluster: &RunningCluster,
    crew: &Crew,
    reads: &[Operation],
    next: &AtomicUsize,
    reader: usize,
    deadline: Instant,
) {
    let mut process = crew.fresh_process();
    let mut client = cluster.observer_client(process, reader, crew.timeout);
    while let Some(read) = reads.get(next.fetch_add(1, Ordering::Relaxed)) {
        loop {
            let turn = Turn { worker: reader, process, session: process };
            match perform(crew, cluster, turn, &mut client, read).await {
                Completion::Ok(_) => break,
                Completion::Fail(_) => {}
                Completion::Info(_) => {
                    process = crew.fresh_process();
                    client = cluster.observer_client(process, reader, crew.timeout);
                }
            }
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}
