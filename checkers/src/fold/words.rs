//! Operations in words, as they stand in explanations and summaries.

use histories::{EventIndex, History, Kind, Micro, Operation, Process, Scalar, Value};

/// Lists longer than this are shown by their end.
const SHOWN: usize = 12;

/// `#40 read x → [1 2 3]`: the operation of this invocation, with its answer if it has one.
pub(crate) fn numbered(history: &History, invocation: u32) -> String {
    format!("#{invocation} {}", plain(history, invocation))
}

/// `read x → [1 2 3]`, or `append x ← 3`.
pub(crate) fn plain(history: &History, invocation: u32) -> String {
    shorten(history.operation(said_last(history, invocation))).to_string()
}

/// `session 7`, or `process 7` where no session was recorded.
pub(crate) fn who(history: &History, invocation: u32) -> String {
    let event = EventIndex(invocation);
    let (session, process) = (history.session(event), history.process(event));
    match (process, history.event(event).session.is_some()) {
        (Process::NEMESIS, _) => "the nemesis".to_owned(),
        (_, true) => format!("session {session}"),
        (process, false) => format!("process {process}"),
    }
}

/// ` on n2`, or nothing where the node is not known.
pub(crate) fn place(history: &History, invocation: u32) -> String {
    let node = history.node(said_last(history, invocation)).or_else(|| history.node(EventIndex(invocation)));
    node.map(|n| format!(" on {}", history.node_name(n))).unwrap_or_default()
}

/// `append x ← 3 by session 7 on n2 (#40)`.
pub(crate) fn in_full(history: &History, invocation: u32) -> String {
    format!(
        "{} by {}{} (#{invocation})",
        plain(history, invocation),
        who(history, invocation),
        place(history, invocation)
    )
}

/// `1 write lost`, `2 writes lost`, `48112 reads`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// The elements of a list, shortened to its end.
pub(crate) fn elements(history: &History, values: &[histories::ValueId]) -> String {
    let items = values.iter().map(|v| history.value(*v).clone()).collect();
    shorten_value(Value::List(items)).to_string()
}

/// The completion where it holds an answer, the invocation otherwise.
fn said_last(history: &History, invocation: u32) -> EventIndex {
    let event = EventIndex(invocation);
    match history.pair_of(event) {
        Some(completion) if history.kind(completion) == Kind::Ok => completion,
        _ => event,
    }
}

fn shorten(operation: Operation) -> Operation {
    match operation {
        Operation::Read { key, value: Some(value) } => Operation::Read { key, value: Some(shorten_value(value)) },
        Operation::Txn(micros) => Operation::Txn(micros.into_iter().map(shorten_micro).collect()),
        other => other,
    }
}

fn shorten_micro(micro: Micro) -> Micro {
    match micro {
        Micro::Read { key, value: Some(value) } => Micro::Read { key, value: Some(shorten_value(value)) },
        other => other,
    }
}

fn shorten_value(value: Value) -> Value {
    match value {
        Value::List(items) if items.len() > SHOWN => {
            let hidden = items.len() - SHOWN;
            let shown: Vec<String> = items[hidden..].iter().map(Scalar::to_string).collect();
            Value::Scalar(Scalar::Text(format!("[…{hidden} more… {}]", shown.join(" ")).into()))
        }
        other => other,
    }
}
