//! Whoever is waited for, is waited for; when the synchronous follower fails another takes its place, and what happens
//! when none is left is what was configured.

use std::time::Duration;

use histories::Completion;
use serde_json::json;

use crate::cluster::Cluster;

async fn designated(cluster: &Cluster, leader: usize) -> usize {
    let note = cluster.noted(leader, "synchronous follower is now n").await;
    note.rsplit('n').next().and_then(|n| n.parse::<usize>().ok()).expect("a node") - 1
}

#[tokio::test(flavor = "multi_thread")]
async fn another_follower_takes_the_place_of_the_synchronous_one() {
    for kill in [true, false] {
        let mut cluster = Cluster::start(3, &[("replication", "semi-sync")]).await;
        let leader = cluster.all_ready().await;
        let first = designated(&cluster, leader).await;
        let second = 3 - leader - first;
        let mut client = cluster.client(leader as u32);
        client.must_append("l", 1).await;
        cluster.forget_notes();
        if kill {
            cluster.kill(first)
        } else {
            cluster.isolate(first)
        }
        client.must_append("l", 2).await;
        assert_eq!(designated(&cluster, leader).await, second);
        assert_eq!(client.read("l").await, Ok(vec![1, 2]));
        // The write is on two disks: when the leader is gone, it is not.
        cluster.kill(leader);
        cluster.restart(first).await;
        cluster.heal();
        cluster.ready(&[first, second]).await;
        assert_eq!(cluster.client(second as u32).read("l").await, Ok(vec![1, 2]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_alone_blocks_and_shows_nothing_that_it_could_lose() {
    for replication in ["semi-sync", "sync"] {
        let cluster = Cluster::start(3, &[("replication", replication)]).await;
        let leader = cluster.all_ready().await;
        let mut client = cluster.client_with(
            leader as u32,
            std::sync::Arc::new(systems_under_test::DirectDial),
            Duration::from_millis(900),
        );
        client.must_append("l", 1).await;
        cluster.isolate(leader);
        assert!(matches!(client.append("l", 2).await, Completion::Info(_)), "{replication}");
        let mut reader = cluster.client_of(leader);
        assert_eq!(reader.read("l").await, Ok(vec![1]), "{replication}: not acknowledged, not visible");
        if replication == "semi-sync" {
            cluster.noted(leader, "no synchronous follower left: blocking").await;
        }
        cluster.heal();
        cluster.all_ready().await;
        cluster.client(9).must_append("l", 3).await;
        cluster.converged().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_silent_follower_stops_a_fully_synchronous_leader() {
    let mut cluster = Cluster::start(3, &[("replication", "sync")]).await;
    let leader = cluster.all_ready().await;
    let follower = (leader + 1) % 3;
    let mut client = cluster.client_with(
        leader as u32,
        std::sync::Arc::new(systems_under_test::DirectDial),
        Duration::from_millis(900),
    );
    client.must_append("l", 1).await;
    cluster.kill(follower);
    assert!(matches!(client.append("l", 2).await, Completion::Info(_)));
    cluster.restart(follower).await;
    cluster.all_ready().await;
    client.must_append("l", 3).await;
    assert_eq!(cluster.converged().await, json!({ "l": [1, 2, 3] }), "what was pending is done when all are back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_may_degrade_goes_on_alone_and_takes_followers_back() {
    for (replication, alone, back) in [
        ("semi-sync", "no synchronous follower left: going on without", "synchronous follower is now"),
        ("sync", "going on without n", "waiting for n"),
    ] {
        let set = [("replication", replication), ("on-no-sync-follower", "degrade"), ("failover", "none")];
        let cluster = Cluster::start(3, &set).await;
        assert_eq!(cluster.all_ready().await, 0);
        let mut client = cluster.client(0);
        client.must_append("l", 1).await;
        cluster.isolate(0);
        client.must_append("l", 2).await;
        cluster.noted(0, alone).await;
        cluster.forget_notes();
        cluster.heal();
        cluster.noted(0, back).await;
        client.must_append("l", 3).await;
        assert_eq!(cluster.converged().await, json!({ "l": [1, 2, 3] }));
    }
}
