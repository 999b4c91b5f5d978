//! Nodes are killed and restarted, cut off and healed, at moments of nobody's choosing, with half a record at the end
//! of their logs; and every acknowledged write is there, in the order of its session, on every node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use histories::Completion;
use systems_under_test::DirectDial;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, tear};

/// Not for cryptography.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

async fn survive(set: &[(&str, &str)], seed: u64) {
    let count = 3;
    let mut cluster = Cluster::start(count, &[set, &[("log-retention", "50")]].concat()).await;
    cluster.all_ready().await;
    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let mut sessions = Vec::new();
    for session in 0..6u32 {
        let mut client = cluster.client_with(session, Arc::new(DirectDial), Duration::from_millis(400));
        let (stop, next) = (stop.clone(), next.clone());
        sessions.push(tokio::spawn(async move {
            let mut acked = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if let Completion::Ok(_) = client.append(&format!("k{}", n % 3), n).await {
                    acked.push(n);
                }
            }
            acked
        }));
    }
    let mut random = Random(seed);
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        sleep(Duration::from_millis(random.below(400))).await;
        let node = random.below(count as u64) as usize;
        match random.below(5) {
            0 => cluster.isolate(node),
            1 => cluster.heal(),
            2 => {
                cluster.kill(node);
                sleep(Duration::from_millis(random.below(300))).await;
                let torn: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
                tear(&cluster.data(node).join("log"), &torn);
                cluster.restart(node).await;
            }
            3 => {
                // Everything at once.
                (0..count).for_each(|node| cluster.kill(node));
                for node in 0..count {
                    cluster.restart(node).await;
                }
            }
            _ => cluster.set_cut(node, (node + 1) % count, true),
        }
    }
    cluster.heal();
    cluster.all_ready().await;
    sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acked = Vec::new();
    for session in sessions {
        acked.push(session.await.expect("a client"));
    }
    let state = cluster.converged().await;
    let lists: Vec<Vec<i64>> = (0..3)
        .map(|k| serde_json::from_value(state.get(format!("k{k}")).cloned().unwrap_or_default()).unwrap_or_default())
        .collect();
    let kept: BTreeSet<i64> = lists.iter().flatten().copied().collect();
    assert_eq!(kept.len(), lists.iter().map(Vec::len).sum::<usize>(), "something happened twice");
    for session in &acked {
        let lost: Vec<_> = session.iter().filter(|n| !kept.contains(n)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        for list in &lists {
            let here: Vec<_> = list.iter().filter(|n| session.contains(n)).collect();
            assert!(here.is_sorted(), "the order of a session's writes: {here:?}");
        }
    }
    let total: usize = acked.iter().map(Vec::len).sum();
    println!("{set:?}: {total} acknowledged, {} there", kept.len());
    assert!(total > 100, "too little happened: {total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn semi_synchronous_replication_keeps_what_it_acknowledged() {
    survive(&[("replication", "semi-sync")], 17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn synchronous_replication_keeps_what_it_acknowledged() {
    survive(&[("replication", "sync")], 18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_replication_without_failover_keeps_what_it_acknowledged() {
    survive(&[("failover", "none")], 19).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_failover_without_an_operator_keeps_what_it_acknowledged() {
    survive(&[("failover", "manual")], 20).await;
}
