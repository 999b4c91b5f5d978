//! What nodes and clients say to each other: one JSON value per frame, an object with one member whose name says what
//! it is: `{"ask":{"id":7,"session":3,"epoch":2,"position":204,"op":["append",8,17]}}`.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::bytes::BytesMut;

use super::replica::log::Mark;
use super::replica::message::Message;
use crate::parts::frame;

/// Whoever opened the connection says this.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request<'a> {
    /// First, when it is a node: who it is, and whom it wants to talk to.
    Hello {
        /// The node that calls.
        from: Cow<'a, str>,
        /// The node that it takes this one for.
        to: Cow<'a, str>,
    },
    /// A message of the replication protocol.
    Say(Message),
    /// Are you there?
    Ping {},
    /// A client's operation.
    #[serde(borrow)]
    Ask(Ask<'a>),
    /// What is your state?
    Probe {},
    /// What do you hold?
    Dump {},
    /// An operator: become leader.
    Promote {},
}

/// A client's operation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask<'a> {
    /// Comes back with the answer.
    pub id: u64,
    /// The session on whose behalf.
    pub session: u32,
    /// The highest epoch whose effects the session has seen: a node in a lower one must refuse.
    pub epoch: u64,
    /// The position of the session's last acknowledged write, when it insists on reading it; else 0.
    pub position: u64,
    /// The command.
    #[serde(borrow)]
    pub op: &'a RawValue,
}

/// Whoever accepted the connection says this.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply<'a> {
    /// A message of the replication protocol that answers another.
    Say(Message),
    /// I am.
    Pong {},
    /// To [`Request::Ask`].
    #[serde(borrow)]
    Answer(Told<'a>),
    /// To [`Request::Probe`].
    Probe(State<'a>),
    /// To [`Request::Dump`]: an object with a member per key.
    Dump(&'a RawValue),
    /// To [`Request::Promote`]: whether it tries.
    Promote(bool),
}

/// The answer to an operation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told<'a> {
    /// As asked.
    pub id: u64,
    /// The epoch of the last entry in the state that answered.
    pub epoch: u64,
    /// The position of that entry; of a write, its own.
    pub position: u64,
    /// What came of it.
    #[serde(borrow)]
    pub outcome: Outcome<'a>,
}

/// What came of an operation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome<'a> {
    /// It happened; what reads found.
    #[serde(borrow)]
    Ok(&'a RawValue),
    /// It was executed and had no effect, for this reason.
    Fail(Cow<'a, str>),
    /// It was not begun here, for this reason; perhaps elsewhere.
    Refused {
        /// The reason.
        why: Cow<'a, str>,
        /// The position of the node to ask instead, where known.
        leader: Option<usize>,
    },
    /// It was begun and nobody can say what becomes of it.
    Unknown(Cow<'a, str>),
}

/// What a node says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct State<'a> {
    /// Whether it takes part.
    pub ready: bool,
    /// Whether it leads, or believes so.
    pub leads: bool,
    /// The epoch that it obeys.
    pub epoch: u64,
    /// Whom it takes for the leader.
    pub leader: Option<Cow<'a, str>>,
    /// The last position of its log.
    pub last: u64,
    /// The last position in its state.
    pub applied: u64,
}

/// Appends the answer to an operation that happened, given as the JSON text of what it found.
pub fn put_ok(bytes: &mut BytesMut, id: u64, at: Mark, found: &[u8]) -> io::Result<()> {
    frame::put_with(bytes, |mut writer| {
        let Mark { epoch, position } = at;
        write!(writer, r#"{{"answer":{{"id":{id},"epoch":{epoch},"position":{position},"outcome":{{"ok":"#)?;
        writer.write_all(found)?;
        writer.write_all(b"}}}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::json::Raw;
    use crate::single_leader::replica::log::Entry;

    #[test]
    fn an_answer_written_by_hand_is_the_one_that_is_read() {
        let mut bytes = BytesMut::new();
        put_ok(&mut bytes, 7, Mark { epoch: 2, position: 9 }, br#"{"list":[1]}"#).expect("writes");
        let Reply::Answer(told) = serde_json::from_slice(&bytes[4..]).expect("reads") else { panic!("an answer") };
        assert_eq!((told.id, told.epoch, told.position), (7, 2, 9));
        let Outcome::Ok(found) = told.outcome else { panic!("ok") };
        assert_eq!(found.get(), r#"{"list":[1]}"#);
    }

    #[test]
    fn what_goes_over_the_wire_is_legible() {
        let ask =
            Ask { id: 1, session: 3, epoch: 2, position: 0, op: serde_json::from_str(r#"["r","x"]"#).expect("raw") };
        assert_eq!(
            serde_json::to_string(&Request::Ask(ask)).expect("writes"),
            r#"{"ask":{"id":1,"session":3,"epoch":2,"position":0,"op":["r","x"]}}"#
        );
        let entries = vec![Entry { epoch: 2, command: Raw::of(&("w", "x", 1)) }];
        let prev = Mark { epoch: 1, position: 8 };
        let append = Message::Append { epoch: 2, prev, last: 9, commit: 8, entries };
        let text = serde_json::to_string(&Request::Say(append.clone())).expect("writes");
        assert_eq!(
            text,
            r#"{"say":{"append":{"epoch":2,"prev":{"epoch":1,"position":8},"last":9,"commit":8,"entries":[{"epoch":2,"command":["w","x",1]}]}}}"#
        );
        let Request::Say(read) = serde_json::from_str(&text).expect("reads") else { panic!("say") };
        assert_eq!(read, append);
    }
}
