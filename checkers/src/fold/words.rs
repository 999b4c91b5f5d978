//! Operations in words, as they stand in explanations and summaries.

use histories::{EventIndex, History, ItemFunction, KeyId, Kind, Micro, Operation, Process, Scalar, Value, ValueId};

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

/// `session 7 appended 3 to x on n2 (#40)`.
pub(crate) fn told(history: &History, invocation: u32) -> String {
    format!("{} {}", who(history, invocation), did(history, invocation))
}

/// `appended 3 to x on n2 (#40)`, or `read [1 2] from x (#41)`.
pub(crate) fn did(history: &History, invocation: u32) -> String {
    let operation = shorten(history.operation(said_last(history, invocation)));
    format!("{}{} (#{invocation})", past(&operation), place(history, invocation))
}

fn past(operation: &Operation) -> String {
    let of = |key: &Option<Scalar>, preposition: &str| match key {
        Some(key) => format!(" {preposition} {key}"),
        None => String::new(),
    };
    let object = |key: &Option<Scalar>| key.as_ref().map_or("it".to_owned(), Scalar::to_string);
    match operation {
        Operation::Read { key, value } => format!("read {}{}", answer(value), of(key, "from")),
        Operation::Write { key, value } => format!("wrote {value}{}", of(key, "to")),
        Operation::Cas { key, old, new } => format!("set {} from {old} to {new}", object(key)),
        Operation::Append { key, value } => format!("appended {value}{}", of(key, "to")),
        Operation::Add { key, value } => format!("added {value}{}", of(key, "to")),
        Operation::Remove { key, value } => format!("removed {value}{}", of(key, "from")),
        Operation::Increment { key, by } if *by < 0 => format!("decremented {} by {}", object(key), by.unsigned_abs()),
        Operation::Increment { key, by } => format!("incremented {} by {by}", object(key)),
        Operation::Contains { key, value, found: Some(true) } => format!("found {value}{}", of(key, "in")),
        Operation::Contains { key, value, found: Some(false) } => format!("did not find {value}{}", of(key, "in")),
        Operation::Contains { key, value, found: None } => format!("asked for {value}{}", of(key, "in")),
        Operation::Item { f, key, value } => item(*f, value.as_ref(), &of, key),
        Operation::Txn(micros) => reads_only(micros).unwrap_or_else(|| format!("ran {operation}")),
        Operation::Custom { .. } => format!("did {operation}"),
    }
}

fn item(
    f: ItemFunction,
    value: Option<&Scalar>,
    of: &impl Fn(&Option<Scalar>, &str) -> String,
    key: &Option<Scalar>,
) -> String {
    let (verb, preposition) = match f {
        ItemFunction::Enqueue => ("enqueued", "on"),
        ItemFunction::Dequeue => ("dequeued", "from"),
        ItemFunction::Push => ("pushed", "onto"),
        ItemFunction::Pop => ("popped", "off"),
        ItemFunction::Acquire => ("acquired", "of"),
        ItemFunction::Release => ("released", "of"),
    };
    match value {
        Some(Scalar::Null) if matches!(f, ItemFunction::Dequeue | ItemFunction::Pop) => {
            format!("{verb} nothing{}", of(key, preposition))
        }
        None | Some(Scalar::Null) => format!("{verb}{}", key.as_ref().map_or(String::new(), |k| format!(" {k}"))),
        Some(value) => format!("{verb} {value}{}", of(key, preposition)),
    }
}

/// `read [1] from x and [2] from y`, of a transaction that only reads.
fn reads_only(micros: &[Micro]) -> Option<String> {
    let read = |micro: &Micro| match micro {
        Micro::Read { key, value } => Some(format!("{} from {key}", answer(value))),
        _ => None,
    };
    let reads: Vec<String> = micros.iter().map(read).collect::<Option<_>>()?;
    let (last, others) = reads.split_last()?;
    let and = if others.is_empty() { "" } else { " and " };
    Some(format!("read {}{and}{last}", others.join(", ")))
}

fn answer(value: &Option<Value>) -> String {
    match value {
        None => "something".to_owned(),
        Some(Value::Scalar(Scalar::Null)) => "nothing".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// `2 in x, appended by session 7 on n1 (#40)`: a value, and how it came there.
pub(crate) fn origin(history: &History, key: KeyId, value: ValueId, writer: u32) -> String {
    let operation = history.operation(EventIndex(writer));
    let how = match operation {
        Operation::Append { .. } => "appended",
        Operation::Add { .. } => "added",
        _ => "written",
    };
    let object = match history.key_name(key) {
        Scalar::Null => String::new(),
        name => format!(" in {name}"),
    };
    let (who, place) = (who(history, writer), place(history, writer));
    format!("{}{object}, {how} by {who}{place} (#{writer})", history.value(value))
}

/// `1 write lost`, `2 writes lost`, `48112 reads`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// The elements of a list, shortened to its end.
pub(crate) fn elements(history: &History, values: &[ValueId]) -> String {
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
