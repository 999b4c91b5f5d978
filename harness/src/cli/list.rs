//! `splitbrain list`: what there is, a row or a JSON object each.

use std::time::Duration;

use checkers::models::{boundary, worst_first};
use checkers::{AnomalyType, Model, Question, Workload};
use histories::Guarantee;
use nemesis::doctor;
use nemesis::fault::{FaultName, Need, registry};
use serde_json::json;

use super::args::{Format, ListArgs, Listed};
use super::print;
use crate::failure::{Failure, VALID};
use crate::render::evidence::wrap;
use crate::render::style::{DIM, Painted, STRONG};
use crate::render::table::{Cell, Table};
use crate::workloads;

/// Columns of the descriptions.
const WIDTH: usize = 84;

pub fn list(args: &ListArgs) -> Result<u8, Failure> {
    print(&match (args.what, args.format) {
        (Listed::Models, Format::Json) => lines(by_name().into_iter().map(model_data)),
        (Listed::Models, Format::Text) => models(),
        (Listed::Histories, Format::Json) => lines(Workload::ALL.iter().map(|w| history_data(*w))),
        (Listed::Histories, Format::Text) => histories(),
        (Listed::Anomalies, Format::Json) => lines(kinds().into_iter().map(kind_data)),
        (Listed::Anomalies, Format::Text) => anomalies(),
        (what, Format::Json) => lines(rows(what).iter().map(|(name, about)| json!({"name": name, "about": about}))),
        (what, Format::Text) => {
            let mut table = Table::new(3);
            for (name, about) in rows(what) {
                wrapped(&mut table, [name], &about, WIDTH);
            }
            table.render()
                + &if what == Listed::Faults { format!("{}\n", Painted(DIM, offered())) } else { String::new() }
        }
    });
    Ok(VALID)
}

/// Nobody waits longer for the end of a list.
const PATIENCE: Duration = Duration::from_millis(450);

/// What this machine offers of what faults need, where that is soon found out.
fn offered() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    // Whatever it has made by then goes with this process.
    let asked = std::thread::Builder::new().spawn(move || tell.send(doctor::offered()));
    let answers = asked.ok().and_then(|_| told.recv_timeout(PATIENCE).ok().flatten());
    in_words(answers.as_deref())
}

fn in_words(answers: Option<&[(Need, bool)]>) -> String {
    let Some(answers) = answers else { return "what of this can be had here, `splitbrain doctor` says".to_owned() };
    let those = |wanted: bool| {
        let some = answers.iter().filter(|(_, there)| *there == wanted).map(|(need, _)| need.words());
        let some: Vec<_> = some.collect();
        match &some[..] {
            [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
            _ => some.concat(),
        }
    };
    match (those(true), those(false)) {
        (there, lacking) if lacking.is_empty() => format!("this machine offers {there}"),
        (there, lacking) if there.is_empty() => {
            format!("this machine does not offer {lacking}: see `splitbrain doctor`")
        }
        (there, lacking) => format!("this machine offers {there}, and not {lacking}: see `splitbrain doctor`"),
    }
}

/// One object a line.
fn lines(items: impl Iterator<Item = serde_json::Value>) -> String {
    items.map(|item| format!("{item}\n")).collect()
}

/// A row of some short cells, the first of them strong, and a text that goes on in the rows below.
fn wrapped<const N: usize>(table: &mut Table, short: [String; N], text: &str, width: usize) {
    let mut short: Vec<Cell> =
        short.into_iter().enumerate().map(|(i, s)| if i == 0 { Cell::styled(s, STRONG) } else { s.into() }).collect();
    for line in wrap(text, width) {
        let blank = vec![Cell::default(); N];
        table.row(std::mem::replace(&mut short, blank).into_iter().chain([line.into()]));
    }
}

fn names<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

/// All models, by name.
fn by_name() -> Vec<Model> {
    let mut models = Model::ALL.to_vec();
    models.sort_by_key(|model| model.name());
    models
}

/// All anomalies, the worst first.
fn kinds() -> Vec<AnomalyType> {
    worst_first(AnomalyType::ALL.iter().copied())
}

/// Columns of what stands beside two columns of names.
const NARROW: usize = 62;

fn models() -> String {
    let mut table = Table::new(3);
    for model in by_name() {
        let about = model.about();
        let direct = names(about.prohibits.iter().chain(about.also_prohibits));
        let over = names(about.implies.iter().chain(about.also_implies));
        let said = [("implies ", over), ("forbids ", direct)].into_iter().filter(|(_, names)| !names.is_empty());
        let text: Vec<String> = said.map(|(what, names)| format!("{what}{}", names.join(", "))).collect();
        wrapped(&mut table, [model.to_string(), model.aliases().join(", ")], &text.join("; "), NARROW);
    }
    table.render()
}

fn model_data(model: Model) -> serde_json::Value {
    let about = model.about();
    json!({
        "name": model.name(),
        "aliases": model.aliases(),
        "about": about.definition,
        "implies": names(about.implies.iter().chain(about.also_implies)),
        "forbids": names(about.prohibits.iter().chain(about.also_prohibits)),
    })
}

fn anomalies() -> String {
    let mut table = Table::new(3);
    for kind in kinds() {
        let not = names(boundary(&[kind]).not);
        let text = match not.is_empty() {
            true => kind.about().meaning.to_owned(),
            false => format!("{} Not {}.", kind.about().meaning, not.join(", ")),
        };
        wrapped(&mut table, [kind.to_string()], &text, WIDTH);
    }
    format!("{}{}\n", table.render(), Painted(DIM, "the worst first"))
}

fn kind_data(kind: AnomalyType) -> serde_json::Value {
    let about = kind.about();
    let boundary = boundary(&[kind]);
    json!({
        "name": kind.name(),
        "about": about.meaning,
        "implies": names(about.implies.iter().chain(about.also_implies)),
        "not": names(boundary.not),
        "also_not": names(boundary.also_not),
        "besides": names(boundary.besides),
    })
}

/// What is asked of such a history where nothing is asked: models, or anomalies.
pub(super) fn usual(workload: Workload) -> Vec<String> {
    let question = Question::usual(workload);
    let (models, anomalies) = (question.models.iter(), question.anomalies.iter());
    models.map(|m| m.to_string()).chain(anomalies.map(|a| format!("no {a}"))).collect()
}

fn histories() -> String {
    let mut table = Table::new(3);
    for workload in Workload::ALL {
        let text = format!("{}: {}", workload.operations(), usual(*workload).join(", "));
        wrapped(&mut table, [workload.to_string()], &text, WIDTH);
    }
    table.render()
}

fn history_data(workload: Workload) -> serde_json::Value {
    json!({"name": workload.name(), "about": workload.operations(), "asked": usual(workload)})
}

/// What a system is, and its options with their defaults.
fn with_options(system: &dyn systems_under_test::System) -> String {
    let options: Vec<String> = system.options().iter().map(|o| format!("{}={}", o.name, o.default)).collect();
    format!("{}; --set {}", system.about(), options.join(" "))
}

/// Those of all systems, each with its system and what it takes to see it.
fn bugs() -> Vec<(String, String)> {
    let systems = systems_under_test::bundled();
    let of = |system: &dyn systems_under_test::System| -> Vec<(String, String)> {
        let bugs = system.bugs().iter();
        let line = |bug: &systems_under_test::specimen::BugSpec| {
            let about = format!("({}, {}) {} Breaks {}.", system.name(), bug.tier.name(), bug.about, bug.breaks);
            (bug.name.to_owned(), about)
        };
        bugs.map(line).collect()
    };
    systems.iter().flat_map(|system| of(&**system)).collect()
}

fn rows(what: Listed) -> Vec<(String, String)> {
    let pair = |name: &str, about: &str| (name.to_owned(), about.to_owned());
    match what {
        Listed::Bugs => bugs(),
        Listed::Systems => {
            systems_under_test::bundled().iter().map(|s| (s.name().to_owned(), with_options(&**s))).collect()
        }
        Listed::Workloads => workloads::ALL.iter().map(|w| pair(w.name, w.about)).collect(),
        Listed::Faults => {
            let faults = FaultName::ALL.iter().map(|f| match f.needs() {
                None => pair(f.as_str(), f.info().about),
                Some(need) => (f.as_str().to_owned(), format!("{} Needs {}.", f.info().about, need.words())),
            });
            let groups = registry::GROUPS.iter().map(|g| (g.name.to_owned(), format!("(group) {}", g.about)));
            faults.chain(groups).collect()
        }
        Listed::Guarantees => Guarantee::ALL.iter().map(|g| pair(g.name(), checkers::about(*g).definition)).collect(),
        Listed::Checkers => Guarantee::ALL
            .iter()
            .map(|g| (g.name().to_owned(), format!("needs {}", checkers::about(*g).needs)))
            .collect(),
        Listed::Histories => Workload::ALL.iter().map(|w| pair(w.name(), w.operations())).collect(),
        Listed::Models => by_name().iter().map(|m| pair(m.name(), m.about().definition)).collect(),
        Listed::Anomalies => kinds().iter().map(|k| pair(k.name(), k.about().meaning)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_offers_is_one_line() {
        let words = |clock, disk| in_words(Some(&[(Need::Clock, clock), (Need::Disk, disk)]));
        assert_eq!(
            words(true, true),
            "this machine offers hosts with clocks of their own and hosts with simulated disks"
        );
        assert_eq!(
            words(true, false),
            "this machine offers hosts with clocks of their own, and not hosts with simulated disks: see `splitbrain doctor`"
        );
        assert!(words(false, false).starts_with("this machine does not offer hosts"));
        assert!(in_words(None).contains("`splitbrain doctor`"));
    }
}
