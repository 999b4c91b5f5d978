//! What is asked of nodes again and again while faults are on: who leads, what their clocks show. The answers take
//! longer than the nemesis can wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::RunningCluster;
use super::record::Recorder;

/// Between an answer and the next question.
const ASK_LEADER_EVERY: Duration = Duration::from_millis(50);
const READ_CLOCKS_EVERY: Duration = Duration::from_secs(1);

/// Asks who leads.
pub struct LeaderWatch {
    seen: watch::Receiver<Option<usize>>,
    task: JoinHandle<()>,
}

impl LeaderWatch {
    /// From now on, until it is dropped.
    pub fn start(cluster: Arc<RunningCluster>) -> Self {
        let (tell, seen) = watch::channel(None);
        let task = tokio::spawn(async move {
            while !tell.is_closed() {
                tell.send_replace(cluster.leader().await);
                tokio::time::sleep(ASK_LEADER_EVERY).await;
            }
        });
        LeaderWatch { seen, task }
    }

    /// Who led when it was last asked.
    pub fn seen(&self) -> Option<usize> {
        *self.seen.borrow()
    }
}

impl Drop for LeaderWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the nodes' clocks once a second while any is wrong, and writes what they show into the history:
/// `clock-offsets`, milliseconds by which each node is ahead of the machine, as a program on the node sees it.
pub struct ClockWatch {
    wrong: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl ClockWatch {
    /// From now on, until it is dropped.
    pub fn start(cluster: Arc<RunningCluster>, recorder: Arc<Recorder>) -> Self {
        let wrong = Arc::new(AtomicBool::new(false));
        let now = wrong.clone();
        let task = tokio::spawn(async move {
            let mut before = false;
            loop {
                tokio::time::sleep(READ_CLOCKS_EVERY).await;
                let is_wrong = now.load(Ordering::Relaxed);
                // Once more after they were set right.
                if is_wrong || before {
                    let cluster = cluster.clone();
                    let offsets = tokio::task::spawn_blocking(move || offsets_ms(&cluster)).await;
                    recorder.nemesis("clock-offsets", json!({ "offsets_ms": offsets.unwrap_or_default() }));
                }
                before = is_wrong;
            }
        });
        ClockWatch { wrong, task }
    }

    /// Whether any clock is wrong from now on.
    pub fn set_wrong(&self, wrong: bool) {
        self.wrong.store(wrong, Ordering::Relaxed);
    }
}

impl Drop for ClockWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Of the nodes whose machines are up.
fn offsets_ms(cluster: &RunningCluster) -> Map<String, serde_json::Value> {
    let read = |(node, host): (usize, &nemesis::hosts::HostId)| {
        let reading = cluster.hosts().read_clock(*host).ok()?;
        Some((cluster.name(node)?.to_string(), json!(reading.offset_ns as f64 / 1e6)))
    };
    cluster.nodes().iter().enumerate().filter_map(read).collect()
}
