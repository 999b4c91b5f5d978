//! Writes a list-append history of any length to standard output, in the words of several tools.
//!
//! ```console
//! $ cargo run --release -p splitbrain-histories --example list_append -- own 2000000 > history.jsonl
//! $ cargo run --release -p splitbrain-histories --example list_append -- edn 2000000 | gzip > history.edn.gz
//! ```

#[path = "../tests/foreign/mod.rs"]
mod foreign;
#[path = "../benches/support/list_append.rs"]
mod list_append;

use std::io::{self, BufWriter, Write};

use histories::file::HistoryWriter;
use list_append::ListAppend;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let format = arguments.next().ok_or("usage: list_append own|foreign|json|edn EVENTS")?;
    let events = ListAppend::new(arguments.next().ok_or("how many events?")?.parse()?);
    let mut out = BufWriter::new(io::stdout().lock());
    match format.as_str() {
        "own" => {
            let mut writer = HistoryWriter::new(&mut out, &serde_json::Map::new());
            for event in events {
                writer.append(&event)?;
            }
            writer.close()?;
        }
        "foreign" => {
            for (i, event) in events.enumerate() {
                writeln!(out, "{}", foreign::json(i, &event, ":"))?;
            }
        }
        "json" => {
            for (i, event) in events.enumerate() {
                write!(out, "{}{}", if i == 0 { "[" } else { ",\n" }, foreign::json(i, &event, ""))?;
            }
            writeln!(out, "]")?;
        }
        "edn" => {
            for (i, event) in events.enumerate() {
                writeln!(out, "{}", foreign::edn(i, &event))?;
            }
        }
        other => return Err(format!("no format '{other}'").into()),
    }
    Ok(out.flush()?)
}
