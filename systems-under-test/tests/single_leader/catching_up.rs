//! A follower that was away has everything again: from its own log, from the leader's, or from a snapshot tied to an
//! exact position of it.

use std::time::Duration;

use serde_json::json;

use crate::cluster::{Cluster, tear};

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_follower_goes_on_from_its_own_log() {
    let mut cluster = Cluster::start(3, &[]).await;
    let leader = cluster.all_ready().await;
    let mut client = cluster.client(0);
    for n in 0..50 {
        client.must_append("l", n).await;
    }
    cluster.converged().await;
    let follower = (leader + 1) % 3;
    cluster.kill(follower);
    for n in 50..100 {
        client.must_append("l", n).await;
    }
    cluster.forget_notes();
    cluster.restart(follower).await;
    cluster.all_ready().await;
    assert_eq!(cluster.converged().await, json!({ "l": (0..100).collect::<Vec<i64>>() }));
    cluster.noted(follower, "log up to position 51").await;
    assert_eq!(cluster.find_note(follower, "installed snapshot"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_far_behind_gets_a_snapshot_and_then_the_log() {
    let mut cluster = Cluster::start(3, &[("log-retention", "20")]).await;
    let leader = cluster.all_ready().await;
    let follower = (leader + 1) % 3;
    let mut client = cluster.client(leader as u32);
    cluster.kill(follower);
    for n in 0..150 {
        client.must_append(if n % 2 == 0 { "even" } else { "odd" }, n).await;
        // What is counted twice or not at all shows.
        client.run(histories::Operation::Increment { key: Some("n".into()), by: 1 }).await;
    }
    cluster.restart(follower).await;
    cluster.noted(follower, "installed snapshot at position").await;
    cluster.all_ready().await;
    let state = cluster.converged().await;
    assert_eq!(state["n"], json!(150));
    // And it restarts from what it was sent.
    cluster.kill(follower);
    cluster.forget_notes();
    cluster.restart(follower).await;
    cluster.all_ready().await;
    assert_eq!(cluster.converged().await, state);
    assert_eq!(cluster.find_note(follower, "installed snapshot"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_with_an_empty_disk_is_set_up_while_writes_go_on() {
    let mut cluster = Cluster::start(3, &[("log-retention", "20")]).await;
    let leader = cluster.all_ready().await;
    let follower = (leader + 2) % 3;
    let mut client = cluster.client(leader as u32);
    for n in 0..200 {
        client.must_append("l", n).await;
    }
    cluster.wipe(follower);
    let writer = tokio::spawn(async move {
        for n in 200..600 {
            client.must_append("l", n).await;
        }
    });
    cluster.restart(follower).await;
    writer.await.expect("writes go on");
    cluster.noted(follower, "installed snapshot").await;
    cluster.all_ready().await;
    assert_eq!(cluster.converged().await, json!({ "l": (0..600).collect::<Vec<i64>>() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_cut_off_catches_up_when_the_link_is_back() {
    let cluster = Cluster::start(3, &[("log-retention", "20"), ("failover", "none")]).await;
    cluster.all_ready().await;
    let mut client = cluster.client(0);
    cluster.isolate(2);
    for n in 0..200 {
        client.must_append("l", n).await;
    }
    assert_eq!(cluster.dump(2).await, Some(json!({})));
    cluster.heal();
    cluster.noted(2, "installed snapshot").await;
    assert_eq!(cluster.converged().await, json!({ "l": (0..200).collect::<Vec<i64>>() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_leader_discards_what_nobody_else_has() {
    let cluster = Cluster::start(3, &[]).await;
    let leader = cluster.all_ready().await;
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    let mut client = cluster.client(leader as u32);
    for n in 0..5 {
        client.must_append("l", n).await;
    }
    cluster.converged().await;
    // Split brain: the old leader does not know, and goes on acknowledging.
    cluster.isolate(leader);
    let new = cluster.ready(&others).await;
    for n in 100..105 {
        client.must_append("l", n).await;
    }
    let mut other = cluster.client(new as u32);
    for n in 200..203 {
        other.must_append("l", n).await;
    }
    cluster.heal();
    let note = cluster.noted(leader, "discarded").await;
    assert_eq!(note, "discarded 5 entries from position 7 (epoch 1), 5 of them committed there");
    assert_eq!(cluster.converged().await, json!({ "l": [0, 1, 2, 3, 4, 200, 201, 202] }));
    // The session that saw the new epoch is not served by anybody who has not.
    assert_eq!(cluster.probe(leader).await.and_then(|p| p.epoch), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_leader_whose_snapshot_holds_what_nobody_else_has_takes_the_new_leaders() {
    let cluster = Cluster::start(3, &[("log-retention", "10")]).await;
    let leader = cluster.all_ready().await;
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    let mut client = cluster.client(leader as u32);
    for n in 0..5 {
        client.must_append("l", n).await;
    }
    cluster.converged().await;
    cluster.isolate(leader);
    let new = cluster.ready(&others).await;
    for n in 100..200 {
        client.must_append("l", n).await;
    }
    let mut other = cluster.client(new as u32);
    for n in 300..303 {
        other.must_append("l", n).await;
    }
    cluster.heal();
    cluster.noted(leader, "committed entries from position").await;
    assert_eq!(cluster.converged().await, json!({ "l": [0, 1, 2, 3, 4, 300, 301, 302] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_cut_off_and_damage_in_the_middle_stops_the_node() {
    let mut cluster = Cluster::start(3, &[]).await;
    let leader = cluster.all_ready().await;
    let mut client = cluster.client(leader as u32);
    for n in 0..20 {
        client.must_append("l", n).await;
        if n == 10 {
            // Whatever follows is another record.
            cluster.converged().await;
        }
    }
    cluster.converged().await;
    let follower = (leader + 1) % 3;
    let log = cluster.data(follower).join("log");
    cluster.kill(follower);
    tear(&log, &[17, 0, 0, 0, 1, 2, 3, 4, 5]);
    cluster.restart(follower).await;
    cluster.noted(follower, "cut 9 bytes of a torn tail off the log").await;
    cluster.all_ready().await;
    cluster.converged().await;

    cluster.kill(follower);
    let mut content = std::fs::read(&log).expect("reads");
    content[80] ^= 1;
    std::fs::write(&log, &content).expect("writes");
    let started = tokio::time::timeout(
        Duration::from_secs(5),
        systems_under_test::single_leader::node::Node::start(cluster.config(follower)),
    );
    let error = started.await.expect("in time").expect_err("refuses to start");
    assert!(error.to_string().contains("refusing to start"), "{error}");
}
