//! What a client asks of a replicated store, and what it answers.

use std::fmt;
use std::sync::Arc;

/// One indivisible value: what a register holds, what a list or a set contains, and what a key is named by.
///
/// [`Scalar::from_json`] gives every JSON value its one form; a hand-made `Json("1")` is not the same as `Int(1)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// Nothing there: JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string.
    Text(Arc<str>),
    /// Anything else (fractions, objects, nested lists), kept as compact JSON text and compared as such.
    Json(Arc<str>),
}

/// What a read returns: one value, or a list (also used for sets, in the order they were returned).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// The value of a register or a counter; `Scalar::Null` when the key does not exist.
    Scalar(Scalar),
    /// The elements of a list or a set.
    List(Vec<Scalar>),
}

/// One operation. An invocation carries the question (`Read { value: None }`), its `ok` completion the answer.
///
/// `key` is `None` for a store with one object only, as in many histories of other tools; `Some(Scalar::Null)` says
/// the same, and comes back from a file or a [`History`](crate::History) as `None`.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Read a register, list, set or counter. `value` is `None` until it is known.
    Read {
        /// The object read.
        key: Option<Scalar>,
        /// What was read; `None` in an invocation and wherever the answer is unknown.
        value: Option<Value>,
    },
    /// Set a register.
    Write {
        /// The register.
        key: Option<Scalar>,
        /// Its new value.
        value: Scalar,
    },
    /// Set a register to `new` if it holds `old`. A `fail` completion means that it was not set; that it held something else
    /// follows only where the reason says so, with `mismatch`, `precondition-failed`, `compare failed`, `not equal` or, at
    /// its end, `, not` and the old value: a store that could not be reached has not set it either.
    Cas {
        /// The register.
        key: Option<Scalar>,
        /// The value expected.
        old: Scalar,
        /// The value set.
        new: Scalar,
    },
    /// Append an element to the end of a list.
    Append {
        /// The list.
        key: Option<Scalar>,
        /// The element.
        value: Scalar,
    },
    /// Add an element to a set.
    Add {
        /// The set.
        key: Option<Scalar>,
        /// The element.
        value: Scalar,
    },
    /// Remove an element from a set.
    Remove {
        /// The set.
        key: Option<Scalar>,
        /// The element.
        value: Scalar,
    },
    /// Add a number to a counter.
    Increment {
        /// The counter.
        key: Option<Scalar>,
        /// The amount, negative to decrement.
        by: i64,
    },
    /// Ask whether a set holds an element. `found` is `None` until it is known.
    Contains {
        /// The set.
        key: Option<Scalar>,
        /// The element.
        value: Scalar,
        /// The answer.
        found: Option<bool>,
    },
    /// Put one item into a queue or a stack, take one out, take or give back a lock. `value` is the item or the lock's
    /// token: of a question ([`ItemFunction::is_question`]) it is the answer, `None` until it is known and
    /// `Scalar::Null` where the queue or stack was empty or the lock has no tokens.
    Item {
        /// Which of these.
        f: ItemFunction,
        /// The queue, stack or lock.
        key: Option<Scalar>,
        /// The item or token.
        value: Option<Scalar>,
    },
    /// Several micro-operations in one transaction.
    Txn(Vec<Micro>),
    /// Anything else: nemesis events, replica dumps, operations of a workload that these types do not know.
    Custom {
        /// The function's name, which is not one of the known ones: see [`Operation::is_known`].
        f: Arc<str>,
        /// The object, where there is one.
        key: Option<Scalar>,
        /// Question or answer.
        value: serde_json::Value,
    },
}

/// What an [`Operation::Item`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemFunction {
    /// Put an item into a queue: at its end, or wherever its priority puts it.
    Enqueue,
    /// Take the item at the front out of a queue: the oldest, or that of the highest priority.
    Dequeue,
    /// Put an item onto a stack.
    Push,
    /// Take the newest item off a stack.
    Pop,
    /// Take a lock; the answer is its fencing token, where it has one.
    Acquire,
    /// Give a lock back, with the token that it was taken with.
    Release,
}

impl ItemFunction {
    /// All of them.
    pub const ALL: [ItemFunction; 6] = [
        ItemFunction::Enqueue,
        ItemFunction::Dequeue,
        ItemFunction::Push,
        ItemFunction::Pop,
        ItemFunction::Acquire,
        ItemFunction::Release,
    ];

    /// The name on disk.
    pub fn name(self) -> &'static str {
        match self {
            ItemFunction::Enqueue => "enqueue",
            ItemFunction::Dequeue => "dequeue",
            ItemFunction::Push => "push",
            ItemFunction::Pop => "pop",
            ItemFunction::Acquire => "acquire",
            ItemFunction::Release => "release",
        }
    }

    /// The one with this name on disk.
    pub fn from_name(name: &str) -> Option<ItemFunction> {
        ItemFunction::ALL.into_iter().find(|f| f.name() == name)
    }

    /// Whether its value is an answer.
    pub fn is_question(self) -> bool {
        matches!(self, ItemFunction::Dequeue | ItemFunction::Pop | ItemFunction::Acquire)
    }
}

/// One step of a transaction, in Elle's vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub enum Micro {
    /// `["r", key, value]`.
    Read {
        /// The object read.
        key: Scalar,
        /// What was read; `None` in an invocation.
        value: Option<Value>,
    },
    /// `["w", key, value]`.
    Write {
        /// The register.
        key: Scalar,
        /// Its new value.
        value: Scalar,
    },
    /// `["append", key, value]`.
    Append {
        /// The list.
        key: Scalar,
        /// The element.
        value: Scalar,
    },
    /// `["insert", key, value]`: make an object that does not exist.
    Insert {
        /// The object.
        key: Scalar,
        /// Its first value.
        value: Scalar,
    },
    /// `["delete", key, null]`: remove an object.
    Delete {
        /// The object.
        key: Scalar,
    },
    /// `["rp", predicate, {key: value, …}]`: read every object that a predicate holds of.
    Predicate {
        /// The predicate, as it stands in the file: any JSON.
        predicate: Scalar,
        /// The objects found, with their values; `None` in an invocation.
        found: Option<Vec<(Scalar, Scalar)>>,
    },
}

/// How an operation ended, as its client saw it.
///
/// [`Completion::Info`] is the default of every doubt: a request that may have reached the store and was not
/// answered may take effect at any later time. [`Completion::Fail`] is for what certainly never happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// It certainly happened; the operation carries the answer.
    Ok(Operation),
    /// It certainly did not happen and never will; the reason.
    Fail(String),
    /// Unknown: it may have happened, or may still happen; the reason. Its process is retired.
    Info(String),
}

impl Operation {
    /// The name on disk: `read`, `write`, `cas`, `append`, `add`, `remove`, `increment`, `txn`, or a custom one.
    pub fn f(&self) -> &str {
        match self {
            Operation::Read { .. } => "read",
            Operation::Write { .. } => "write",
            Operation::Cas { .. } => "cas",
            Operation::Append { .. } => "append",
            Operation::Add { .. } => "add",
            Operation::Remove { .. } => "remove",
            Operation::Increment { .. } => "increment",
            Operation::Contains { .. } => "contains",
            Operation::Item { f, .. } => f.name(),
            Operation::Txn(_) => "txn",
            Operation::Custom { f, .. } => f,
        }
    }

    /// Whether a name on disk is that of an operation with a type of its own, and so never that of a custom one.
    pub fn is_known(f: &str) -> bool {
        matches!(f, "read" | "write" | "cas" | "append" | "add" | "remove" | "increment" | "contains" | "txn")
            || ItemFunction::from_name(f).is_some()
    }

    /// The object it works on; `None` for transactions and for stores with one object.
    pub fn key(&self) -> Option<&Scalar> {
        match self {
            Operation::Read { key, .. }
            | Operation::Write { key, .. }
            | Operation::Cas { key, .. }
            | Operation::Append { key, .. }
            | Operation::Add { key, .. }
            | Operation::Remove { key, .. }
            | Operation::Increment { key, .. }
            | Operation::Contains { key, .. }
            | Operation::Item { key, .. }
            | Operation::Custom { key, .. } => key.as_ref(),
            Operation::Txn(_) => None,
        }
    }

    /// What its invocation asks: the same without the answers of reads and the value of a custom operation.
    pub fn question(&self) -> Operation {
        match self {
            Operation::Read { key, .. } => Operation::Read { key: key.clone(), value: None },
            Operation::Contains { key, value, .. } => {
                Operation::Contains { key: key.clone(), value: value.clone(), found: None }
            }
            Operation::Item { f, key, .. } if f.is_question() => {
                Operation::Item { f: *f, key: key.clone(), value: None }
            }
            Operation::Txn(micros) => Operation::Txn(micros.iter().map(Micro::question).collect()),
            Operation::Custom { f, key, .. } => {
                Operation::Custom { f: f.clone(), key: key.clone(), value: serde_json::Value::Null }
            }
            other => other.clone(),
        }
    }

    /// Whether it asks for what the store holds.
    pub fn is_read(&self) -> bool {
        match self {
            Operation::Read { .. } | Operation::Contains { .. } => true,
            Operation::Txn(micros) => micros.iter().any(|m| matches!(m, Micro::Read { .. } | Micro::Predicate { .. })),
            _ => false,
        }
    }

    /// Whether it can change the store.
    pub fn is_update(&self) -> bool {
        match self {
            Operation::Read { .. } | Operation::Contains { .. } | Operation::Custom { .. } => false,
            Operation::Txn(micros) => micros.iter().any(|m| !matches!(m, Micro::Read { .. } | Micro::Predicate { .. })),
            _ => true,
        }
    }
}

impl Micro {
    /// The object it works on; of a read by predicate, the predicate.
    pub fn key(&self) -> &Scalar {
        match self {
            Micro::Read { key, .. }
            | Micro::Write { key, .. }
            | Micro::Append { key, .. }
            | Micro::Insert { key, .. }
            | Micro::Delete { key }
            | Micro::Predicate { predicate: key, .. } => key,
        }
    }

    /// What an invocation asks: the same, without the answer of a read.
    pub fn question(&self) -> Micro {
        match self {
            Micro::Read { key, .. } => Micro::Read { key: key.clone(), value: None },
            Micro::Predicate { predicate, .. } => Micro::Predicate { predicate: predicate.clone(), found: None },
            other => other.clone(),
        }
    }
}

impl Scalar {
    /// The scalar for a JSON value. What is neither `null`, a boolean, a whole number of 64 bits nor a string
    /// becomes [`Scalar::Json`], with the fields of objects in alphabetical order, so that equal values are equal.
    pub fn from_json(json: serde_json::Value) -> Scalar {
        match json {
            serde_json::Value::Null => Scalar::Null,
            serde_json::Value::Bool(b) => Scalar::Bool(b),
            serde_json::Value::String(s) => Scalar::Text(s.into()),
            serde_json::Value::Number(n) if n.is_i64() => Scalar::Int(n.as_i64().unwrap_or_default()),
            other => Scalar::Json(other.to_string().into()),
        }
    }

    /// The JSON value. Text in [`Scalar::Json`] that is not JSON becomes a string.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Scalar::Null => serde_json::Value::Null,
            Scalar::Bool(b) => (*b).into(),
            Scalar::Int(i) => (*i).into(),
            Scalar::Text(t) => (&**t).into(),
            Scalar::Json(j) => serde_json::from_str(j).unwrap_or_else(|_| (&**j).into()),
        }
    }
}

impl Value {
    /// The answer of a read: a JSON array is a list, everything else one value.
    pub fn from_json(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Scalar::from_json).collect()),
            other => Value::Scalar(Scalar::from_json(other)),
        }
    }

    /// The JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::List(items) => items.iter().map(Scalar::to_json).collect(),
        }
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Scalar::Int(value)
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Scalar::Bool(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Self {
        Scalar::Text(value.into())
    }
}

impl From<String> for Scalar {
    fn from(value: String) -> Self {
        Scalar::Text(value.into())
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("nil"),
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Text(t) => f.write_str(t),
            Scalar::Json(j) => f.write_str(j),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Scalar(s) => write!(f, "{s}"),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" ")?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_str("]")
            }
        }
    }
}

/// For people: `append 8 ← 17`, `read x → [1 2]`, `cas x 1 → 2`, `txn [read 8 → [1], append 8 ← 2]`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.f())?;
        if let Some(key) = self.key() {
            write!(f, " {key}")?;
        }
        match self {
            Operation::Read { value, .. } => fmt_read(f, value),
            Operation::Write { value, .. }
            | Operation::Append { value, .. }
            | Operation::Add { value, .. }
            | Operation::Remove { value, .. } => write!(f, " ← {value}"),
            Operation::Cas { old, new, .. } => write!(f, " {old} → {new}"),
            Operation::Increment { by, .. } => write!(f, " by {by}"),
            Operation::Contains { value, found, .. } => match found {
                Some(found) => write!(f, " {value} → {found}"),
                None => write!(f, " {value}"),
            },
            Operation::Item { f: function, value: Some(value), .. } => {
                write!(f, " {} {value}", if function.is_question() { "→" } else { "←" })
            }
            Operation::Item { value: None, .. } => Ok(()),
            Operation::Txn(micros) => {
                f.write_str(" [")?;
                for (i, micro) in micros.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{micro}")?;
                }
                f.write_str("]")
            }
            Operation::Custom { value, .. } => write!(f, " {value}"),
        }
    }
}

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Micro::Read { key, value } => {
                write!(f, "read {key}")?;
                fmt_read(f, value)
            }
            Micro::Write { key, value } => write!(f, "write {key} ← {value}"),
            Micro::Append { key, value } => write!(f, "append {key} ← {value}"),
            Micro::Insert { key, value } => write!(f, "insert {key} ← {value}"),
            Micro::Delete { key } => write!(f, "delete {key}"),
            Micro::Predicate { predicate, found: None } => write!(f, "read where {predicate}"),
            Micro::Predicate { predicate, found: Some(found) } => {
                write!(f, "read where {predicate} → {{")?;
                for (i, (key, value)) in found.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn fmt_read(f: &mut fmt::Formatter<'_>, value: &Option<Value>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " → {value}"),
        None => Ok(()),
    }
}
