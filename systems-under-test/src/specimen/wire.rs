//! What goes over connections: one JSON value per frame, an object with one member whose name says what it is:
//! `{"ask":{"id":7,"session":3,"op":["append",8,17]}}`.

use std::borrow::Cow;

use histories::Operation;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::State;
use crate::parts::json::Raw;

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
    /// A message of the protocol, numbered on this connection from 1.
    Say {
        /// Its number.
        n: u64,
        /// The message.
        #[serde(borrow)]
        message: &'a RawValue,
    },
    /// Are you there?
    Ping {},
    /// A client's operation.
    #[serde(borrow)]
    Ask(Question<'a>),
    /// What is your state?
    Probe {},
    /// What do you hold?
    Dump {},
    /// An operator's order.
    Order(Vec<String>),
}

/// A client's operation, as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question<'a> {
    /// Comes back with the answer.
    pub id: u64,
    /// The session on whose behalf.
    pub session: u32,
    /// Who asks, and its how-manieth request it is: the same when it asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What the session carries.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub context: Json,
    /// The command.
    #[serde(borrow)]
    pub op: &'a RawValue,
}

/// The identity of a request, which stays when it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId {
    /// Who asks.
    pub client: u64,
    /// Its how-manieth request it is, from 1.
    pub number: u64,
}

/// A client's operation, as a protocol gets it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The session on whose behalf.
    pub session: u32,
    /// The identity of the request, if its client may send it again.
    pub request: Option<RequestId>,
    /// What the session carries: what [`Context::answer_with`](super::Context::answer_with) gave it last; null at first.
    pub context: Json,
    /// What is asked.
    pub operation: Operation,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It happened; what reads found, as [`Store`](crate::parts::store::Store) writes it: `null` for updates.
    Done(Raw),
    /// It was executed and had no effect, for this reason: it certainly never happens.
    NoEffect(String),
    /// It was not begun here, for this reason; perhaps elsewhere.
    Refused {
        /// The reason.
        why: String,
        /// The position of the node to ask instead, where known.
        ask: Option<usize>,
    },
    /// It was begun and nobody can say what becomes of it.
    Unknown(String),
}

impl Outcome {
    /// An update happened.
    pub fn done() -> Outcome {
        Outcome::Done(Raw::of(&()))
    }

    /// It was not begun, and no other node is known that might.
    pub fn refused(why: impl Into<String>) -> Outcome {
        Outcome::Refused { why: why.into(), ask: None }
    }
}

/// Whoever accepted the connection says this.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Everything that was said on this connection up to this number has been heard.
    Heard(u64),
    /// I am.
    Pong {},
    /// To [`Request::Ask`].
    Answer(Told),
    /// To [`Request::Probe`].
    Probe(State),
    /// To [`Request::Dump`]: an object with a member per key.
    Dump(Raw),
    /// To [`Request::Order`]: what came of it, or why it is refused.
    Order(Result<String, String>),
}

/// The answer to an operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// As asked.
    pub id: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// What the session carries from now on; absent: what it carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Json>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_over_the_wire_is_legible() {
        let op = serde_json::from_str(r#"["r","x"]"#).expect("raw");
        let question = Question { id: 1, session: 3, request: None, context: Json::Null, op };
        let text = serde_json::to_string(&Request::Ask(question)).expect("writes");
        assert_eq!(text, r#"{"ask":{"id":1,"session":3,"op":["r","x"]}}"#);
        let outcome = Outcome::Refused { why: "no leader".into(), ask: Some(2) };
        let told = Reply::Answer(Told { id: 1, outcome, context: Some(Json::from(17)) });
        let text = serde_json::to_string(&told).expect("writes");
        assert_eq!(text, r#"{"answer":{"id":1,"outcome":{"refused":{"why":"no leader","ask":2}},"context":17}}"#);
        let Reply::Answer(read) = serde_json::from_str(&text).expect("reads") else { panic!("an answer") };
        assert_eq!(read.context, Some(Json::from(17)));
    }
}
