//! When the leader is gone, the most up-to-date follower that can be found takes over, in a new epoch that everybody
//! obeys; who may take over at all is a matter of configuration.

use std::time::Duration;

use histories::Completion;
use serde_json::json;

use crate::cluster::Cluster;

fn others(count: usize, node: usize) -> Vec<usize> {
    (0..count).filter(|other| *other != node).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_and_clients_find_the_new_one() {
    let mut cluster = Cluster::start(3, &[("replication", "semi-sync")]).await;
    let leader = cluster.all_ready().await;
    let mut client = cluster.client(leader as u32);
    for n in 0..10 {
        client.must_append("l", n).await;
    }
    cluster.kill(leader);
    let mut n = 10;
    while !matches!(client.append("l", n).await, Completion::Ok(_)) {
        n += 1;
    }
    let new = cluster.ready(&others(3, leader)).await;
    assert_ne!(new, leader);
    let list = client.read("l").await.expect("reads");
    assert_eq!(list[..10], (0..10).collect::<Vec<i64>>());
    assert!(list.contains(&n));
    cluster.restart(leader).await;
    cluster.all_ready().await;
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_follower_with_the_longer_log_is_chosen() {
    let mut cluster = Cluster::start(3, &[]).await;
    let leader = cluster.all_ready().await;
    let [behind, ahead] = others(3, leader)[..] else { unreachable!() };
    let mut client = cluster.client(leader as u32);
    cluster.set_cut(leader, behind, true);
    for n in 0..10 {
        client.must_append("l", n).await;
    }
    // Only one follower has them all; wait until it has.
    let mut caught_up = false;
    while !caught_up {
        caught_up = cluster.dump(ahead).await == Some(json!({ "l": (0..10).collect::<Vec<i64>>() }));
    }
    cluster.kill(leader);
    cluster.heal();
    assert_eq!(cluster.ready(&[behind, ahead]).await, ahead);
    assert_eq!(cluster.client(ahead as u32).read("l").await, Ok((0..10).collect()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_saw_a_new_epoch_is_refused_by_the_old_leader() {
    let cluster = Cluster::start(3, &[]).await;
    let leader = cluster.all_ready().await;
    let mut client = cluster.client(leader as u32);
    client.must_append("l", 1).await;
    cluster.converged().await;
    cluster.isolate(leader);
    let new = cluster.ready(&others(3, leader)).await;
    let mut moved = cluster.client(new as u32);
    moved.must_append("l", 2).await;
    // The old leader serves whoever has not seen the new epoch …
    assert_eq!(client.read("l").await, Ok(vec![1]));
    // … and nobody who has: the session goes on to the new leader.
    let mut ask_old = moved;
    ask_old.0.prefer(leader);
    assert_eq!(ask_old.read("l").await, Ok(vec![1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_disturbs_nobody_when_it_comes_back() {
    let cluster = Cluster::start(3, &[]).await;
    let leader = cluster.all_ready().await;
    let cut_off = (leader + 1) % 3;
    cluster.isolate(cut_off);
    cluster.noted(cut_off, "nothing heard from").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    cluster.heal();
    assert_eq!(cluster.all_ready().await, leader);
    assert_eq!(cluster.probe(leader).await.and_then(|p| p.epoch), Some(1), "no election was held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_never_elects() {
    let cluster = Cluster::start(5, &[("replication", "semi-sync")]).await;
    let leader = cluster.all_ready().await;
    let rest = others(5, leader);
    // Semi-synchronous with five nodes: four votes are needed, and three are there.
    cluster.split(&rest[..3], &[leader, rest[3]]);
    cluster.noted(rest[0], "nothing heard from").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for node in &rest[..3] {
        assert_eq!(cluster.probe(*node).await.and_then(|p| p.epoch), Some(1));
    }
    cluster.client(leader as u32).must_append("l", 1).await;
    cluster.heal();
    cluster.all_ready().await;
    assert_eq!(cluster.converged().await, json!({ "l": [1] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_failover_waits_for_an_operator() {
    let mut cluster = Cluster::start(3, &[("failover", "manual"), ("replication", "semi-sync")]).await;
    assert_eq!(cluster.all_ready().await, 0);
    let mut client = cluster.client(0);
    client.must_append("l", 1).await;
    // The leader comes back and stands again, and nobody else has done so in the meantime.
    cluster.kill(0);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(cluster.find_note(1, "leader").is_none() && cluster.find_note(2, "leader").is_none());
    cluster.restart(0).await;
    assert_eq!(cluster.all_ready().await, 0);
    client.must_append("l", 2).await;
    cluster.kill(0);
    // Whoever has everything wins; the other cannot.
    let mut promoted = 1;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while cluster.find_note(promoted, "leader in epoch").is_none() {
        assert!(tokio::time::Instant::now() < deadline, "nobody can be promoted");
        promoted = 3 - promoted;
        assert!(cluster.promote(promoted).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(client.read("l").await, Ok(vec![1, 2]));
    cluster.restart(0).await;
    cluster.all_ready().await;
    assert_eq!(cluster.converged().await, json!({ "l": [1, 2] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_failover_the_first_node_leads_for_ever() {
    let mut cluster = Cluster::start(3, &[("failover", "none")]).await;
    assert_eq!(cluster.all_ready().await, 0);
    let mut client = cluster.client(2);
    client.must_append("l", 1).await;
    cluster.kill(0);
    let mut impatient =
        cluster.client_with(2, std::sync::Arc::new(systems_under_test::DirectDial), Duration::from_millis(800));
    assert!(matches!(impatient.append("l", 2).await, Completion::Fail(_)));
    assert!(!cluster.promote(1).await);
    cluster.restart(0).await;
    assert_eq!(cluster.all_ready().await, 0);
    assert_eq!(client.read("l").await, Ok(vec![1]));
}
