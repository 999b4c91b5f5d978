//! Writes the history of a simulated database: `generate LEVEL WORKLOAD COUNT [--seed N] [--processes N] [--keys N]
//! [--micros N..N] [--info PERMILLE] [--fail PERMILLE] [--writes PERCENT] [--format own|edn|json|plume]`.
//!
//! The levels and workloads are those of `checkers/tests/support/databases.rs`. `own` is the format of this project;
//! `edn` is one map a line, as Jepsen writes and elle-cli reads it; `json` is one array of maps, as elle-cli reads it;
//! `plume` is one step of a committed transaction a line, `w(key,value,session,transaction)`, as Plume and AWDIT read it:
//! of a list the last element, and nothing of what ended `info`.

#[path = "../tests/support/databases.rs"]
mod databases;

use std::env;
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use databases::{Keys, Level, Shape, Workload};
use histories::file::HistoryWriter;
use histories::{Event, Kind, Micro, Operation, Scalar, Value};

const USAGE: &str = "generate LEVEL WORKLOAD COUNT [--seed N] [--processes N] [--keys N] [--micros N..N]
         [--info PERMILLE] [--fail PERMILLE] [--writes PERCENT] [--format own|edn|json|plume]";

fn main() -> ExitCode {
    match generate(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            eprintln!("levels: {}", Level::ALL.map(Level::name).join(", "));
            eprintln!("workloads: {}", Workload::ALL.map(Workload::name).join(", "));
            ExitCode::from(254)
        }
    }
}

fn generate(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut next = || arguments.next();
    let level: Level = next().ok_or("no level")?.parse()?;
    let workload: Workload = next().ok_or("no workload")?.parse()?;
    let count: u64 = next().ok_or("no count")?.parse()?;
    let mut shape = Shape::new(workload, count, 1);
    let mut format = "own".to_owned();
    while let Some(option) = next() {
        let value = next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--format" => format = value,
            _ => set(&mut shape, &option, &value)?,
        }
    }
    let out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    match format.as_str() {
        "own" => own(level, &shape, out),
        "edn" => edn(level, &shape, out),
        "json" => json(level, &shape, out),
        "plume" => plume(level, &shape, out),
        other => Err(format!("no format is named '{other}'").into()),
    }
}

fn set(shape: &mut Shape, option: &str, value: &str) -> Result<(), Box<dyn Error>> {
    match option {
        "--seed" => shape.seed = value.parse()?,
        "--processes" => shape.processes = value.parse()?,
        "--keys" => shape.keys = Keys::Fixed(value.parse()?),
        "--info" => shape.info_permille = value.parse()?,
        "--fail" => shape.fail_permille = value.parse()?,
        "--writes" => shape.writes_percent = value.parse()?,
        "--micros" => {
            let (low, high) = value.split_once("..").unwrap_or((value, value));
            shape.micros = low.parse()?..=high.parse()?;
        }
        other => return Err(format!("no option is named '{other}'").into()),
    }
    Ok(())
}

/// Calls `write` with each event and its index, and returns the first error.
fn each(level: Level, shape: &Shape, mut write: impl FnMut(u64, &Event) -> io::Result<()>) -> io::Result<()> {
    let (mut index, mut result) = (0, Ok(()));
    databases::each(level, shape, |event| {
        if result.is_ok() {
            result = write(index, &event);
        }
        index += 1;
    });
    result
}

fn own(level: Level, shape: &Shape, out: impl Write) -> Result<(), Box<dyn Error>> {
    let mut writer = HistoryWriter::new(out, &serde_json::Map::new());
    each(level, shape, |_, event| writer.append(event).map(drop))?;
    writer.close()?.flush()?;
    Ok(())
}

fn edn(level: Level, shape: &Shape, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    each(level, shape, |index, event| {
        let Event { time, process, kind, operation, .. } = event;
        let (f, value) = (operation.f(), foreign(operation, &Style::EDN));
        let kind = kind.name();
        writeln!(out, "{{:index {index}, :time {time}, :type :{kind}, :process {process}, :f :{f}, :value {value}}}")
    })?;
    out.flush()?;
    Ok(())
}

fn json(level: Level, shape: &Shape, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    each(level, shape, |index, event| {
        let Event { time, process, kind, operation, .. } = event;
        let (f, value) = (operation.f(), foreign(operation, &Style::JSON));
        let (comma, kind) = (if index == 0 { "[" } else { "," }, kind.name());
        write!(out, "{comma}\n{{\"index\":{index},\"time\":{time},\"type\":\"{kind}\",")?;
        write!(out, "\"process\":{process},\"f\":\"{f}\",\"value\":{value}}}")
    })?;
    out.write_all(if shape.transactions == 0 { b"[]\n" } else { b"\n]\n" })?;
    out.flush()?;
    Ok(())
}

fn plume(level: Level, shape: &Shape, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    each(level, shape, |index, event| {
        let transaction = match event.kind {
            Kind::Ok => index as i64,
            Kind::Fail => -1,
            _ => return Ok(()),
        };
        let Operation::Txn(micros) = &event.operation else { return Ok(()) };
        for micro in micros {
            let (f, value) = match micro {
                Micro::Read { value, .. } => ("r", value.as_ref().and_then(last)),
                Micro::Append { value, .. } | Micro::Write { value, .. } => ("w", Some(value)),
                _ => continue,
            };
            let value = value.filter(|v| **v != Scalar::Null).map_or("0".to_owned(), Scalar::to_string);
            writeln!(out, "{f}({},{value},{},{transaction})", micro.key(), event.process)?;
        }
        Ok(())
    })?;
    out.flush()?;
    Ok(())
}

fn last(value: &Value) -> Option<&Scalar> {
    match value {
        Value::Scalar(scalar) => Some(scalar),
        Value::List(items) => items.last(),
    }
}

/// How values are written.
struct Style {
    nil: &'static str,
    comma: &'static str,
    /// What stands before and after the name of a function.
    name: (&'static str, &'static str),
}

impl Style {
    const EDN: Style = Style { nil: "nil", comma: " ", name: (":", "") };
    const JSON: Style = Style { nil: "null", comma: ",", name: ("\"", "\"") };

    fn scalar(&self, scalar: &Scalar) -> String {
        match scalar {
            Scalar::Null => self.nil.to_owned(),
            other => other.to_json().to_string(),
        }
    }

    fn list(&self, items: impl Iterator<Item = String>) -> String {
        format!("[{}]", items.collect::<Vec<_>>().join(self.comma))
    }

    fn value(&self, value: Option<&Value>) -> String {
        match value {
            None => self.nil.to_owned(),
            Some(Value::Scalar(scalar)) => self.scalar(scalar),
            Some(Value::List(items)) => self.list(items.iter().map(|item| self.scalar(item))),
        }
    }
}

/// The value of an operation: transactions as lists of `[f key value]`, single operations as `[key value]`.
fn foreign(operation: &Operation, style: &Style) -> String {
    let value = match operation {
        Operation::Txn(micros) => return style.list(micros.iter().map(|m| micro(m, style))),
        Operation::Read { value, .. } => style.value(value.as_ref()),
        Operation::Cas { old, new, .. } => style.list([style.scalar(old), style.scalar(new)].into_iter()),
        Operation::Item { value, .. } => value.as_ref().map_or(style.nil.to_owned(), |v| style.scalar(v)),
        Operation::Write { value, .. } | Operation::Append { value, .. } | Operation::Add { value, .. } => {
            style.scalar(value)
        }
        _ => style.nil.to_owned(),
    };
    match operation.key() {
        Some(key) => style.list([style.scalar(key), value].into_iter()),
        None => value,
    }
}

fn micro(micro: &Micro, style: &Style) -> String {
    let (f, value) = match micro {
        Micro::Read { value, .. } => ("r", style.value(value.as_ref())),
        Micro::Append { value, .. } => ("append", style.scalar(value)),
        Micro::Write { value, .. } => ("w", style.scalar(value)),
        _ => ("unknown", style.nil.to_owned()),
    };
    let f = format!("{}{f}{}", style.name.0, style.name.1);
    style.list([f, style.scalar(micro.key()), value].into_iter())
}
