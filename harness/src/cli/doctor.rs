//! `splitbrain doctor`: what this machine can do, found out by doing.

use nemesis::doctor::{self, Diagnosis, Level};

use super::args::{DoctorArgs, Format};
use super::print;
use crate::failure::{Failure, HARNESS, VALID};
use crate::render::style::{BAD, COST, DIM, GOOD, Painted};
use crate::render::table::{Cell, Table};

pub fn doctor(args: &DoctorArgs) -> Result<u8, Failure> {
    let diagnosis = doctor::examine();
    match args.format {
        Format::Json => {
            let json = serde_json::to_string(&diagnosis)
                .map_err(|e| Failure::harness("cannot put the diagnosis into JSON").because(&e))?;
            print(&format!("{json}\n"));
        }
        Format::Text => print(&text(&diagnosis)),
    }
    Ok(if diagnosis.rung.is_some() { VALID } else { HARNESS })
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut table = Table::new(2);
    for check in &diagnosis.checks {
        let mark = match check.level {
            Level::Ok => Cell::styled("ok", GOOD),
            Level::Warn => Cell::styled("warn", COST),
            Level::Fail => Cell::styled("fail", BAD),
        };
        table.row([mark, check.id.into(), Cell::new(check.seen.as_str())]);
        for line in check.remedy.iter().flat_map(|r| r.lines()) {
            table.row(["".into(), "".into(), Cell::styled(format!("→ {line}"), DIM)]);
        }
    }
    let mut out = table.render();
    match diagnosis.rung {
        Some(rung) => {
            let name = serde_json::to_value(rung).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            out.push_str(&format!("{} hosts are made by {name}\n", Painted(GOOD, "ready:")));
        }
        None => out.push_str(&format!("{} hosts cannot be made here\n", Painted(BAD, "not ready:"))),
    }
    out
}
