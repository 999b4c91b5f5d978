//! `splitbrain explain`: what a name means.

use histories::Guarantee;
use nemesis::fault::{FaultName, registry};
use systems_under_test::{Options, Promise, System};

use super::print;
use crate::failure::{Failure, VALID};
use crate::render::evidence::wrap;
use crate::render::style::{Painted, STRONG};
use crate::render::table::{Cell, Table};
use crate::suggest::nearest;
use crate::workloads::{self, WorkloadSpec};

use super::args::ExplainArgs;

/// Nodes assumed when a contract is shown without a run.
const NODES: usize = 5;

pub fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let name = args.name.trim();
    let systems = systems_under_test::bundled();
    let text = if let Some(system) = systems.iter().find(|s| s.name() == name) {
        of_system(&**system)
    } else if let Some(workload) = workloads::find(name) {
        of_workload(workload)
    } else if let Ok(fault) = name.parse::<FaultName>() {
        of_fault(fault)
    } else if let Some(group) = registry::GROUPS.iter().find(|g| g.name == name) {
        of_group(group)
    } else if let Ok(guarantee) = name.parse::<Guarantee>() {
        of_guarantee(guarantee)
    } else {
        return Err(unknown(name, &systems));
    };
    print(&text);
    Ok(VALID)
}

fn unknown(name: &str, systems: &[Box<dyn System>]) -> Failure {
    let mut known: Vec<&str> = systems.iter().map(|s| s.name()).collect();
    known.extend(workloads::ALL.iter().map(|w| w.name));
    known.extend(registry::all_names());
    known.extend(Guarantee::ALL.map(Guarantee::name));
    let failure = Failure::usage(format!("nothing is named '{name}'"));
    if let Some(system) = systems.iter().find(|s| s.options().iter().any(|o| o.name == name)) {
        return failure.help(format!("it is an option: see `splitbrain explain {}`", system.name()));
    }
    match nearest(name, known) {
        Some(near) => failure.help(format!("did you mean '{near}'?")),
        None => failure.help("see `splitbrain list systems`, workloads, faults, checkers or guarantees"),
    }
}

fn paragraphs(title: &str, parts: &[(&str, &str)]) -> String {
    let mut out = format!("{}\n", Painted(STRONG, title));
    for (head, text) in parts {
        out.push('\n');
        if !head.is_empty() {
            out.push_str(&format!("{}\n", Painted(STRONG, head)));
        }
        out.push_str(&wrap(text, 100).join("\n"));
        out.push('\n');
    }
    out
}

fn of_system(system: &dyn System) -> String {
    let mut out = paragraphs(system.name(), &[("", system.about())]);
    out.push_str(&format!("\n{}\n", Painted(STRONG, "options (--set NAME=VALUE)")));
    for option in system.options() {
        let values =
            if option.choices.is_empty() { String::new() } else { format!("   {}", option.choices.join(" | ")) };
        out.push_str(&format!("  {} (default {}){values}\n", Painted(STRONG, option.name), option.default));
        for line in wrap(option.help, 92) {
            out.push_str(&format!("      {line}\n"));
        }
    }
    if let Ok(options) = Options::new(system, &[]) {
        out.push_str(&format!("\n{}\n", Painted(STRONG, "what the default configuration promises")));
        out.push_str(&contract(system, &options));
    }
    out
}

fn contract(system: &dyn System, options: &Options) -> String {
    let contract = system.contract(options, NODES);
    let mut table = Table::new(2);
    for guarantee in Guarantee::ALL {
        let (promised, why) = match contract.get(guarantee) {
            None => ("no", String::new()),
            Some(Promise::Yes) => ("yes", String::new()),
            Some(Promise::No { because }) => ("no", because.clone()),
            Some(Promise::Unless { faults, because }) => ("unless", format!("{}: {because}", faults.join(", "))),
        };
        table.row([Cell::new(format!("  {}", guarantee.title())), promised.into(), why.into()]);
    }
    table.render()
}

fn of_workload(workload: &WorkloadSpec) -> String {
    let judges: Vec<String> = workload.judges.iter().map(|g| g.title()).collect();
    let needs: Vec<String> = workload.needs.iter().map(|f| format!("{f:?}").to_lowercase()).collect();
    paragraphs(
        workload.name,
        &[
            ("", workload.about),
            ("", workload.story),
            ("needs", &needs.join(", ")),
            ("its histories are judged by", &judges.join(", ")),
        ],
    )
}

fn of_fault(fault: FaultName) -> String {
    let info = fault.info();
    paragraphs(
        info.name,
        &[
            ("", info.about),
            ("what it does", info.does),
            ("how it is known to have bitten", info.proof),
            ("how it heals", info.heals),
            ("family, as contracts name it", info.family),
        ],
    )
}

fn of_group(group: &registry::Group) -> String {
    let members: Vec<&str> = group.members.iter().map(|f| f.as_str()).collect();
    paragraphs(group.name, &[("", group.about), ("members", &members.join(", "))])
}

fn of_guarantee(guarantee: Guarantee) -> String {
    let about = checkers::about(guarantee);
    let by: Vec<&str> = workloads::ALL.iter().filter(|w| w.judges.contains(&guarantee)).map(|w| w.name).collect();
    let by = if by.is_empty() { "every workload".to_owned() } else { by.join(", ") };
    paragraphs(
        guarantee.name(),
        &[
            ("", about.definition),
            ("source", about.source),
            ("what the checker does not detect", about.does_not_detect),
            ("what it needs", about.needs),
            ("workloads that show it", &by),
        ],
    )
}
