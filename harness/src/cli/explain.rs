//! `splitbrain explain`: what a name means.

use std::collections::BTreeSet;

use checkers::models::{Boundary, boundary, prohibited, worst_first};
use checkers::{AnomalyType, Model, Workload};
use histories::Guarantee;
use nemesis::fault::{FaultName, registry};
use systems_under_test::specimen::BugSpec;
use systems_under_test::{Contract, Core, OptionSpec, Options, Promise, System};

use super::print;
use crate::failure::{Failure, VALID};
use crate::render::evidence::wrap;
use crate::render::style::{Painted, STRONG};
use crate::render::table::{Cell, Table};
use crate::suggest::nearest;
use crate::workloads::{self, WorkloadSpec};

use super::args::ExplainArgs;
use super::plan::options_failure;

pub fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let name = args.name.trim();
    let systems = systems_under_test::bundled();
    let system = systems.iter().find(|s| s.name() == name);
    if system.is_none() && !args.set.is_empty() {
        return Err(Failure::usage(format!("--set goes with a system, and '{name}' is none"))
            .help("see `splitbrain list systems`"));
    }
    // Some names are those of several things: monotonic-reads is a guarantee of a store and a model of a history.
    let texts: Vec<String> = [
        system.map(|system| of_system(&**system, args)).transpose()?,
        workloads::find(name).map(of_workload),
        name.parse::<Workload>().ok().map(of_history),
        name.parse::<FaultName>().ok().map(of_fault),
        registry::GROUPS.iter().find(|g| g.name == name).map(of_group),
        name.parse::<Guarantee>().ok().map(of_guarantee),
        name.parse::<Model>().ok().map(of_model),
        name.parse::<AnomalyType>().ok().map(of_anomaly),
        bugs(&systems).find(|(_, bug)| bug.name == name).map(of_bug),
    ]
    .into_iter()
    .flatten()
    .collect();
    if texts.is_empty() {
        return Err(unknown(name, &systems));
    }
    print(&texts.join("\n"));
    Ok(VALID)
}

fn unknown(name: &str, systems: &[Box<dyn System>]) -> Failure {
    let mut known: Vec<&str> = systems.iter().map(|s| s.name()).collect();
    known.extend(workloads::ALL.iter().map(|w| w.name));
    known.extend(Workload::ALL.iter().map(|w| w.name()));
    known.extend(registry::all_names());
    known.extend(Guarantee::ALL.map(Guarantee::name));
    known.extend(Model::ALL.iter().flat_map(|m| m.aliases().iter().copied().chain([m.name()])));
    known.extend(AnomalyType::ALL.iter().map(|k| k.name()));
    known.extend(bugs(systems).map(|(_, bug)| bug.name));
    let failure = Failure::usage(format!("nothing is named '{name}'"));
    if let Some(system) = systems.iter().find(|s| s.options().iter().any(|o| o.name == name)) {
        return failure.help(format!("it is an option: see `splitbrain explain {}`", system.name()));
    }
    match nearest(name, known) {
        Some(near) => failure.help(format!("did you mean '{near}'?")),
        None => failure.help(
            "see `splitbrain list systems`, workloads, histories, faults, checkers, guarantees, models or anomalies",
        ),
    }
}

fn bugs(systems: &[Box<dyn System>]) -> impl Iterator<Item = (&str, &BugSpec)> {
    systems.iter().flat_map(|system| system.bugs().iter().map(|bug| (system.name(), bug)))
}

fn of_bug((system, bug): (&str, &BugSpec)) -> String {
    let commands = format!(
        "splitbrain test {system} --witness {name} --bug {name}    with the bug\nsplitbrain test {system} --witness {name}    the same without it",
        name = bug.name
    );
    let breaks = format!("{} ({})", bug.breaks, bug.tier.name());
    let title = format!("{} (planted bug of {system})", bug.name);
    paragraphs(&title, &[("", bug.about), ("breaks", &breaks), ("to see it", &commands), ("its witness", "")])
        + &bug.witness.lines().map(|line| format!("  {line}\n")).collect::<String>()
}

fn paragraphs(title: &str, parts: &[(&str, &str)]) -> String {
    let mut out = format!("{}\n", Painted(STRONG, title));
    for (head, text) in parts {
        out.push('\n');
        if !head.is_empty() {
            out.push_str(&format!("{}\n", Painted(STRONG, head)));
        }
        for line in text.lines() {
            out.push_str(&wrap(line, 100).join("\n"));
            out.push('\n');
        }
    }
    out
}

fn of_system(system: &dyn System, args: &ExplainArgs) -> Result<String, Failure> {
    let options = Options::new(system, &args.set).map_err(|e| options_failure(system, &e))?;
    let nodes = args.nodes as usize;
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
    let set: Vec<String> = args.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let which = if set.is_empty() { "the default configuration".to_owned() } else { set.join(" ") };
    out.push_str(&format!("\n{}\n", Painted(STRONG, format!("what {which} promises, on {nodes} nodes"))));
    out.push_str(&contract(system, &options, nodes));
    out.push_str(&format!("  {}\n", core(&system.core(&options, nodes), nodes)));
    for option in system.options().iter().filter(|option| option.choices.len() > 1) {
        out.push_str(&per_setting(system, option, args));
    }
    Ok(out)
}

/// Which nodes suffice to go on.
fn core(core: &Core, nodes: usize) -> String {
    let with: Vec<String> = core.with.iter().map(|node| format!("n{}", node + 1)).collect();
    let with = if with.is_empty() { String::new() } else { format!(", {} among them", with.join(" and ")) };
    let least = if core.size == nodes { "all nodes".to_owned() } else { format!("{} of {nodes} nodes", core.size) };
    format!("for liveness (`test --liveness`) it takes {least}{with}")
}

/// The guarantees of which the values of an option promise different things, all other settings being as given.
fn per_setting(system: &dyn System, option: &OptionSpec, args: &ExplainArgs) -> String {
    let contracts: Vec<(&str, Contract)> = option
        .choices
        .iter()
        .filter_map(|value| {
            let set = args.set.iter().cloned().chain([(option.name.to_owned(), (*value).to_owned())]);
            let options = Options::new(system, &set.collect::<Vec<_>>()).ok()?;
            Some((*value, system.contract(&options, args.nodes as usize)))
        })
        .collect();
    let mut table = Table::new(2);
    let heads = contracts.iter().map(|(value, _)| Cell::styled(*value, STRONG));
    table.row(std::iter::once(Cell::new("")).chain(heads));
    let mut differ = 0;
    let always = void_everywhere(contracts.iter().map(|(_, contract)| contract));
    for guarantee in Guarantee::ALL {
        let of = |contract: &Contract| promised(contract.get(guarantee), &always);
        let promised: Vec<String> = contracts.iter().map(|(_, contract)| of(contract)).collect();
        if promised.windows(2).any(|pair| pair[0] != pair[1]) {
            differ += 1;
            let cells = promised.into_iter().map(Cell::new);
            table.row(std::iter::once(Cell::new(format!("  {}", guarantee.title()))).chain(cells));
        }
    }
    let what = format!("what {} changes of it", option.name);
    match differ {
        0 => format!("\n{}: nothing\n", Painted(STRONG, what)),
        _ => {
            let always: Vec<&str> = always.into_iter().collect();
            let void = match always.is_empty() {
                true => String::new(),
                false => format!(", where nothing is {}", always.join(" or ")),
            };
            format!("\n{}{void}\n{}", Painted(STRONG, what), table.render())
        }
    }
}

/// The faults that void every promise of all these contracts: they tell none from another.
fn void_everywhere<'a>(contracts: impl Iterator<Item = &'a Contract>) -> BTreeSet<&'a str> {
    let promises = contracts.flat_map(|contract| Guarantee::ALL.into_iter().filter_map(|g| contract.get(g)));
    let void = promises.filter_map(|promise| match promise {
        Promise::No { .. } => None,
        Promise::Yes => Some(BTreeSet::new()),
        Promise::Unless { faults, .. } => Some(faults.iter().map(String::as_str).collect::<BTreeSet<_>>()),
    });
    void.reduce(|all, these| all.intersection(&these).copied().collect()).unwrap_or_default()
}

/// `yes`, `no`, or the faults that void it, the first few, besides those that void everything.
fn promised(promise: Option<&Promise>, always: &BTreeSet<&str>) -> String {
    const NAMED: usize = 4;
    match promise {
        None | Some(Promise::No { .. }) => "no".to_owned(),
        Some(Promise::Yes) => "yes".to_owned(),
        Some(Promise::Unless { faults, .. }) => {
            let own: Vec<&str> = faults.iter().map(String::as_str).filter(|fault| !always.contains(fault)).collect();
            let more = own.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            match own.is_empty() {
                true => "yes".to_owned(),
                false => format!("unless {}{more}", own[..own.len().min(NAMED)].join(", ")),
            }
        }
    }
}

fn contract(system: &dyn System, options: &Options, nodes: usize) -> String {
    let contract = system.contract(options, nodes);
    let mut reasons: Vec<&str> = Vec::new();
    let mut numbered = |because| {
        let known = reasons.iter().position(|reason| *reason == because);
        known.unwrap_or_else(|| {
            reasons.push(because);
            reasons.len() - 1
        }) + 1
    };
    let mut table = Table::new(2);
    for guarantee in Guarantee::ALL {
        let (promised, why) = match contract.get(guarantee) {
            None => ("no", String::new()),
            Some(Promise::Yes) => ("yes", String::new()),
            Some(Promise::No { because }) => ("no", format!("({})", numbered(because))),
            Some(Promise::Unless { faults, because }) => {
                ("unless", format!("{} ({})", faults.join(", "), numbered(because)))
            }
        };
        table.row([Cell::new(format!("  {}", guarantee.title())), promised.into(), why.into()]);
    }
    let mut out = table.render();
    for (place, reason) in reasons.iter().enumerate() {
        let lines = wrap(reason, 92);
        out.push_str(&format!("  ({}) {}\n", place + 1, lines.join("\n      ")));
    }
    out
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

fn of_history(workload: Workload) -> String {
    paragraphs(
        &format!("{workload}: a kind of history (`splitbrain check --workload {workload}`)"),
        &[
            ("", workload.about()),
            ("operations", workload.operations()),
            ("what is asked where nothing is asked", &super::list::usual(workload).join(", ")),
        ],
    )
}

fn of_fault(fault: FaultName) -> String {
    let info = fault.info();
    let wants =
        if fault.without_role() == FaultName::Crash { "a simulated disk, to lose what was not fsynced" } else { "" };
    paragraphs(
        info.name,
        &some(&[
            ("", info.about),
            ("what it does", info.does),
            ("how it is known to have bitten", info.proof),
            ("how it heals", info.heals),
            ("needs", fault.needs().map_or("", |need| need.words())),
            ("wants, and does without", wants),
            ("family, as contracts name it", info.family),
        ]),
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

/// `a, b`, or a word for none.
fn names<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The parts that say something.
fn some<'a>(parts: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    parts.iter().copied().filter(|(_, text)| !text.is_empty()).collect()
}

fn of_model(model: Model) -> String {
    let about = model.about();
    let aliases = if model.aliases().is_empty() { String::new() } else { format!(" ({})", model.aliases().join(", ")) };
    let direct = names(about.prohibits.iter().chain(about.also_prohibits));
    let all = names(worst_first(prohibited(&[model], &[])));
    paragraphs(
        &format!("{model}{aliases}: a consistency model"),
        &some(&[
            ("", about.definition),
            ("source", about.source),
            ("it forbids, over what weaker models forbid", &direct),
            ("it forbids in all, the worst first", &all),
            ("it implies, the weaker models", &names(model.implies())),
            ("it is implied by, the stronger models", &names(model.implied_by())),
            ("how it is checked", about.checked),
            ("beside Elle", &model.notes().join(" ")),
        ]),
    )
}

fn of_anomaly(kind: AnomalyType) -> String {
    let about = kind.about();
    let Boundary { not, also_not, besides } = boundary(&[kind]);
    let example = about.example.map(|e| format!("{}\n{}", e.history, e.reading)).unwrap_or_default();
    let ruled_out = match (not.is_empty(), also_not.is_empty()) {
        (true, _) => "nothing by itself".to_owned(),
        (false, true) => names(not),
        (false, false) => format!("{}, and with them {}", names(not), names(also_not)),
    };
    let besides = if besides.is_empty() { String::new() } else { names(besides) };
    let above = AnomalyType::ALL.iter().copied().filter(|other| other.implies().contains(&kind));
    let elle = if kind.in_elle() { "" } else { "Elle does not know it." };
    paragraphs(
        &format!("{kind}: an anomaly"),
        &some(&[
            ("", about.meaning),
            ("for example", &example),
            ("it rules out", &ruled_out),
            ("it rules out besides", &besides),
            ("wherever it is there are also", &if_any(kind.implies())),
            ("it is there wherever there is", &if_any(worst_first(above))),
            ("source", about.source),
            ("beside Elle", elle),
        ]),
    )
}

fn if_any(kinds: Vec<AnomalyType>) -> String {
    if kinds.is_empty() { String::new() } else { names(kinds) }
}
