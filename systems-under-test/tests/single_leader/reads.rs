//! Where reads are answered, and what a session may rely on when it is not the leader who answers.

use std::sync::Arc;
use std::time::Duration;

use histories::{Completion, Micro};

use crate::cluster::{Cluster, HolesDial, READ_FROM};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_leader_answers_unless_replicas_may() {
    for (name, _) in READ_FROM {
        let cluster = Cluster::start(3, &[("read-from", name)]).await;
        let leader = cluster.all_ready().await;
        cluster.client(0).must_append("l", 1).await;
        cluster.converged().await;
        for node in 0..3 {
            let answer = cluster.client_of(node).read("l").await;
            match name {
                "leader" if node != leader => assert_eq!(answer, Err("not the leader".into())),
                _ => assert_eq!(answer, Ok(vec![1]), "{name}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_goes_on_answering_from_the_past() {
    let cluster = Cluster::start(3, &[("read-from", "any"), ("failover", "none")]).await;
    cluster.all_ready().await;
    let mut client = cluster.client(0);
    client.must_append("l", 1).await;
    cluster.converged().await;
    cluster.isolate(2);
    client.must_append("l", 2).await;
    assert_eq!(cluster.client_of(2).read("l").await, Ok(vec![1]));
    cluster.noted(2, "caught up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_a_replica_waits_for_the_sessions_write_or_refuses() {
    let set = [("read-from", "any"), ("read-your-writes", "token"), ("failover", "none"), ("read-wait", "200ms")];
    let cluster = Cluster::start(3, &set).await;
    cluster.all_ready().await;
    let mut client = cluster.client(0);
    cluster.isolate(2);
    for n in 0..20 {
        client.must_append("l", n).await;
        // Whichever replica is drawn: it has the write, waits for it, or sends the session on.
        assert_eq!(client.read("l").await, Ok((0..=n).collect()));
    }
    let mut stale = cluster.client_of(2);
    assert_eq!(stale.read("l").await, Ok(vec![]), "a session that wrote nothing asks for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_a_session_may_miss_its_own_write() {
    let cluster = Cluster::start(3, &[("read-from", "any"), ("failover", "none")]).await;
    cluster.all_ready().await;
    cluster.isolate(2);
    let mut client = cluster.client(0);
    client.must_append("l", 1).await;
    let mut missed = false;
    for _ in 0..100 {
        missed |= client.read("l").await == Ok(vec![]);
    }
    assert!(missed, "a hundred draws, and never the stale replica");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sticky_session_stays_with_its_replica_until_that_cannot_be_reached() {
    let cluster = Cluster::start(3, &[("read-from", "sticky"), ("failover", "none")]).await;
    cluster.all_ready().await;
    cluster.client(0).must_append("l", 1).await;
    cluster.converged().await;
    let dial = Arc::new(HolesDial::default());
    // A session whose replica is the last node.
    let mut session = 0;
    let mut client = loop {
        let mut client = cluster.client_with(session, dial.clone(), Duration::from_secs(4));
        client.read("l").await.expect("reads");
        if client.0.replica() == 2 {
            break client;
        }
        session += 1;
    };
    cluster.isolate(2);
    cluster.client(0).must_append("l", 2).await;
    for _ in 0..20 {
        assert_eq!(client.read("l").await, Ok(vec![1]), "stale, and always the same");
    }
    dial.0.lock().expect("holes").push(cluster.node_address(2));
    client.0.hang_up();
    assert_eq!(client.read("l").await, Ok(vec![1, 2]), "unreachable: the session moves on");
    dial.0.lock().expect("holes").clear();
    for _ in 0..20 {
        assert_eq!(client.read("l").await, Ok(vec![1, 2]), "and stays where it is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sticky_session_is_not_shown_less_than_a_transaction_showed_it_at_the_leader() {
    let cluster = Cluster::start(3, &[("read-from", "sticky"), ("failover", "none"), ("read-wait", "50ms")]).await;
    cluster.all_ready().await;
    cluster.client(0).must_append("l", 1).await;
    cluster.converged().await;
    let mut session = 0;
    let mut client = loop {
        let mut client = cluster.client_with(session, Arc::new(HolesDial::default()), Duration::from_secs(2));
        client.read("l").await.expect("reads");
        if client.0.replica() == 2 {
            break client;
        }
        session += 1;
    };
    cluster.isolate(2);
    cluster.client(0).must_append("l", 2).await;
    let look = Micro::Read { key: "l".into(), value: None };
    let done = client.txn(vec![look, Micro::Append { key: "m".into(), value: 1.into() }]).await;
    assert!(matches!(done, Completion::Ok(_)), "{done:?}");
    assert_eq!(client.read("l").await, Err("what the session has written or seen has not arrived here".into()));
    cluster.heal();
    cluster.converged().await;
    assert_eq!(client.read("l").await, Ok(vec![1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_follower_answers_nothing_before_it_has_caught_up() {
    let mut cluster = Cluster::start(3, &[("read-from", "any"), ("failover", "none")]).await;
    cluster.all_ready().await;
    let mut client = cluster.client(0);
    for n in 0..10 {
        client.must_append("l", n).await;
    }
    cluster.converged().await;
    cluster.kill(2);
    cluster.isolate(2);
    cluster.restart(2).await;
    let answer = cluster.client_of(2).read("l").await;
    assert_eq!(answer, Err("still catching up after the start".into()));
    assert!(!cluster.probe(2).await.expect("answers").ready);
    client.must_append("l", 10).await;
    cluster.forget_notes();
    cluster.heal();
    cluster.noted(2, "caught up").await;
    let list = cluster.client_of(2).read("l").await.expect("answers");
    assert!(list.len() >= 10, "behind what it has shown before: {list:?}");
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_in_a_lower_epoch_refuses_a_session_that_has_seen_a_higher_one() {
    let cluster = Cluster::start(3, &[("read-from", "sticky"), ("replication", "semi-sync")]).await;
    let leader = cluster.all_ready().await;
    cluster.client(0).must_append("l", 1).await;
    cluster.converged().await;
    let mut session = 0;
    let mut client = loop {
        let mut client = cluster.client_with(session, Arc::new(HolesDial::default()), Duration::from_secs(2));
        client.read("l").await.expect("reads");
        if client.0.replica() == leader {
            break client;
        }
        session += 1;
    };
    // Its replica is the leader, which is replaced without knowing it.
    cluster.isolate(leader);
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    cluster.ready(&others).await;
    assert_eq!(client.read("l").await, Ok(vec![1]), "nothing newer was seen yet");
    client.0.prefer(others[0]);
    client.must_append("l", 2).await;
    assert_eq!(client.read("l").await, Err("this node is in a lower epoch than the session".into()));
    cluster.heal();
    cluster.all_ready().await;
    cluster.converged().await;
    assert_eq!(client.read("l").await, Ok(vec![1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_to_the_leader_wherever_reads_go() {
    let cluster = Cluster::start(3, &[("read-from", "any")]).await;
    cluster.all_ready().await;
    for node in 0..3 {
        let answer = cluster.client_of(node).append("l", node as i64).await;
        let leads = cluster.find_note(node, "leader in epoch").is_some();
        assert_eq!(matches!(answer, Completion::Ok(_)), leads, "{answer:?}");
    }
}
