//! `splitbrain list`: what there is, one line each.

use histories::Guarantee;
use nemesis::fault::{FaultName, registry};
use serde_json::json;

use super::args::{Format, ListArgs, Listed};
use super::print;
use crate::failure::{Failure, VALID};
use crate::render::evidence::wrap;
use crate::render::style::STRONG;
use crate::render::table::{Cell, Table};
use crate::workloads;

/// Columns of the descriptions.
const WIDTH: usize = 84;

pub fn list(args: &ListArgs) -> Result<u8, Failure> {
    let rows = rows(args.what);
    match args.format {
        Format::Json => {
            let items: Vec<_> = rows.iter().map(|(name, about)| json!({"name": name, "about": about})).collect();
            print(&format!("{}\n", json!(items)));
        }
        Format::Text => {
            let mut table = Table::new(3);
            for (name, about) in rows {
                let mut name = Cell::styled(name, STRONG);
                for line in wrap(&about, WIDTH) {
                    table.row([std::mem::take(&mut name), line.into()]);
                }
            }
            print(&table.render());
        }
    }
    Ok(VALID)
}

fn rows(what: Listed) -> Vec<(String, String)> {
    let pair = |name: &str, about: &str| (name.to_owned(), about.to_owned());
    match what {
        Listed::Systems => systems_under_test::bundled().iter().map(|s| pair(s.name(), s.about())).collect(),
        Listed::Workloads => workloads::ALL.iter().map(|w| pair(w.name, w.about)).collect(),
        Listed::Faults => {
            let faults = FaultName::ALL.iter().map(|f| pair(f.as_str(), f.info().about));
            let groups = registry::GROUPS.iter().map(|g| (g.name.to_owned(), format!("(group) {}", g.about)));
            faults.chain(groups).collect()
        }
        Listed::Guarantees => Guarantee::ALL.iter().map(|g| pair(g.name(), checkers::about(*g).definition)).collect(),
        Listed::Checkers => Guarantee::ALL
            .iter()
            .map(|g| (g.name().to_owned(), format!("needs {}", checkers::about(*g).needs)))
            .collect(),
    }
}
