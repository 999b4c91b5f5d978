//! Reads a history and says how long it took and how much memory, for measuring.
//!
//! ```console
//! $ cargo run --release -p splitbrain-histories --example read_history -- history.jsonl
//! ```

use std::path::Path;
use std::time::Instant;

use histories::file::read;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let started = Instant::now();
        let loaded = read(Path::new(&path))?;
        let seconds = started.elapsed().as_secs_f64();
        let history = &loaded.history;
        let (events, keys, values) = (history.len(), history.key_count(), history.value_count());
        println!("{path}: {events} events, {keys} keys, {values} values in {seconds:.3} s{}", peak());
        if let Some(damage) = loaded.damage {
            println!("{path}: {damage}");
        }
    }
    Ok(())
}

/// The most memory that this process has had, where the system says it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(String::new(), |size| format!(", peak {}", size.trim()))
}
