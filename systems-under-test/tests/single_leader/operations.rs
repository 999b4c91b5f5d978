//! What a client asks for is done once, as a whole, and answered; what certainly was not done is told apart from what
//! may have been.

use std::time::Duration;

use histories::{Completion, Micro, Operation, Scalar, Value};

use crate::cluster::Cluster;

fn read(key: &str) -> Operation {
    Operation::Read { key: Some(key.into()), value: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_does_what_it_says_in_every_mode_of_replication() {
    for replication in ["async", "semi-sync", "sync"] {
        let cluster = Cluster::start(3, &[("replication", replication)]).await;
        cluster.all_ready().await;
        let mut client = cluster.client(7);
        let key = |name: &str| Some(Scalar::from(name));
        let done = [
            Operation::Write { key: key("r"), value: 1.into() },
            Operation::Cas { key: key("r"), old: 1.into(), new: "two".into() },
            Operation::Append { key: key("l"), value: 1.into() },
            Operation::Append { key: key("l"), value: 2.into() },
            Operation::Add { key: key("s"), value: 5.into() },
            Operation::Add { key: key("s"), value: 4.into() },
            Operation::Remove { key: key("s"), value: 5.into() },
            Operation::Increment { key: key("c"), by: -3 },
            Operation::Write { key: None, value: 9.into() },
        ];
        for operation in done {
            assert_eq!(client.run(operation.clone()).await, Completion::Ok(operation));
        }
        for (name, value) in [
            ("r", Value::Scalar("two".into())),
            ("l", Value::List(vec![1.into(), 2.into()])),
            ("s", Value::List(vec![4.into()])),
            ("c", Value::Scalar((-3).into())),
            ("nothing", Value::Scalar(Scalar::Null)),
        ] {
            let answer = Operation::Read { key: key(name), value: Some(value) };
            assert_eq!(client.run(read(name)).await, Completion::Ok(answer));
        }
        let one_object = Operation::Read { key: None, value: Some(Value::Scalar(9.into())) };
        assert_eq!(client.run(Operation::Read { key: None, value: None }).await, Completion::Ok(one_object));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_effect_is_a_definite_failure() {
    let cluster = Cluster::start(1, &[]).await;
    cluster.all_ready().await;
    let mut client = cluster.client(0);
    client.must_append("l", 1).await;
    let key = Some(Scalar::from("l"));
    let mismatch = Operation::Cas { key: Some("x".into()), old: 1.into(), new: 2.into() };
    assert_eq!(client.run(mismatch).await, Completion::Fail("x is nil, not 1".into()));
    let wrong = Operation::Write { key: key.clone(), value: 1.into() };
    assert_eq!(client.run(wrong).await, Completion::Fail("l is a list, not a register".into()));
    let half =
        vec![Micro::Append { key: "l".into(), value: 2.into() }, Micro::Write { key: "l".into(), value: 3.into() }];
    assert_eq!(client.txn(half).await, Completion::Fail("l is a list, not a register".into()));
    let custom = Operation::Custom { f: "drop".into(), key, value: serde_json::Value::Null };
    let Completion::Fail(why) = client.run(custom).await else { panic!("fails") };
    assert!(why.contains("no command is named 'drop'"), "{why}");
    assert_eq!(client.read("l").await, Ok(vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_reads_and_writes_at_one_moment() {
    let cluster = Cluster::start(3, &[("read-from", "any")]).await;
    cluster.all_ready().await;
    let mut tasks = Vec::new();
    for session in 0..8 {
        let mut client = cluster.client(session);
        tasks.push(tokio::spawn(async move {
            for n in 0..20 {
                let value = Scalar::from(i64::from(session) * 100 + n);
                let both = vec![
                    Micro::Append { key: "a".into(), value: value.clone() },
                    Micro::Read { key: "b".into(), value: None },
                    Micro::Append { key: "b".into(), value },
                    Micro::Read { key: "a".into(), value: None },
                ];
                let Completion::Ok(Operation::Txn(done)) = client.txn(both).await else { panic!("fails") };
                let Micro::Read { value: Some(Value::List(a)), .. } = &done[3] else { panic!("reads") };
                let before = match &done[1] {
                    Micro::Read { value: Some(Value::List(b)), .. } => b.len(),
                    _ => 0,
                };
                assert_eq!(a.len(), before + 1, "between the two halves nothing happened");
                let look =
                    vec![Micro::Read { key: "a".into(), value: None }, Micro::Read { key: "b".into(), value: None }];
                let Completion::Ok(Operation::Txn(seen)) = client.txn(look).await else { panic!("fails") };
                let values: Vec<_> =
                    seen.iter().map(|m| matches!(m, Micro::Read { value, .. } if value.is_some())).collect();
                assert_eq!(values, [true, true]);
                let [Micro::Read { value: a, .. }, Micro::Read { value: b, .. }] = &seen[..] else { panic!("reads") };
                assert_eq!(a, b, "a replica shows both or neither");
            }
        }));
    }
    for task in tasks {
        task.await.expect("a client");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_a_failure_and_no_answer_is_not() {
    let mut cluster = Cluster::start(3, &[("replication", "semi-sync")]).await;
    let leader = cluster.all_ready().await;
    let mut client =
        cluster.client_with(leader as u32, std::sync::Arc::new(systems_under_test::DirectDial), Duration::from_secs(1));
    client.must_append("l", 1).await;
    // Sent, and never acknowledged: the leader is alone.
    cluster.isolate(leader);
    let Completion::Info(_) = client.append("l", 2).await else { panic!("nobody knows") };
    for node in 0..3 {
        cluster.kill(node);
    }
    let Completion::Fail(why) = client.append("l", 3).await else { panic!("certainly not") };
    assert!(why.contains("cannot connect"), "{why}");
}
