//! From arguments to a plan. Everything that can be wrong with a configuration is found here, before anything starts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, ValueEnum};

use histories::Guarantee;
use nemesis::fault::{Fault, FaultName, registry};
use nemesis::hosts::Rung;
use nemesis::schedule::{Intervals, LivenessAsked, Schedule, ScheduleError, Severity, compose};
use nemesis::seed::Seed;
use systems_under_test::{Options, OptionsError, System};

use super::args::{Cli, Format, RhythmArg, TestArgs};
use super::{liveness, names};
use crate::failure::{Failure, USAGE};
use crate::plan::{PLAN_FORMAT, Plan};
use crate::report::shell_word;
use crate::run::RunSpec;
use crate::suggest::hint;
use crate::workloads::{self, WorkloadSpec};

/// The faults of a run that names none.
const DEFAULT_FAULTS: &str = "partition,kill";

/// One configuration to be run.
pub struct Configuration<'a> {
    /// The store.
    pub system: Arc<dyn System>,
    /// Settings.
    pub set: &'a [(String, String)],
    /// Faults by name; absent: the default.
    pub faults: Option<&'a [String]>,
    /// The seed.
    pub seed: Seed,
    /// The length of the phase with faults where none was asked for.
    pub default_duration: Duration,
}

/// The length of the phase with faults of one run.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(20);

/// Checks everything and draws the schedule.
pub fn spec(args: &TestArgs, configuration: Configuration<'_>) -> Result<RunSpec, Failure> {
    let Configuration { system, set, faults, seed, default_duration } = configuration;
    let duration = args.duration.unwrap_or(default_duration);
    let options = Options::new(&*system, set).map_err(|e| options_failure(&*system, &e))?;
    let workloads = workloads_of(args, &*system)?;
    let required = names::guarantees(&args.require)?;
    let nodes = args.nodes as usize;
    let duration_ms = duration.as_millis() as u64;
    let mut asked_of_core = liveness::asked(args)?;
    let written = match (&args.schedule, args.witness_text) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path).map_err(|e| Failure::file(USAGE, "read", path, &e))?;
            Some((path.display().to_string(), text))
        }
        (None, Some(text)) => Some(("the witness".to_owned(), text.to_owned())),
        (None, None) => None,
    };
    let (schedule, faults) = match written {
        Some((file, text)) => {
            let (schedule, in_file) = schedule_from(&file, &text, nodes, duration_ms)?;
            asked_of_core = asked_of_core.or(in_file);
            (schedule, Vec::new())
        }
        None => {
            let default: Vec<String> = DEFAULT_FAULTS.split(',').map(str::to_owned).collect();
            let asked = faults.unwrap_or(&default);
            let faults = faults_of(asked, nodes, faults.is_none())?;
            if !args.trap_clocks {
                needs_no_traps(faults.iter().map(|(fault, _)| *fault))?;
            }
            let rhythm = args.rhythm.into();
            let schedule = compose(seed, &faults, rhythm, nodes, duration_ms, &Intervals::default());
            if !faults.is_empty() && !faults.iter().any(|(f, _)| f.is_possible(nodes)) {
                let names = asked.join(", ");
                return Err(Failure::usage(format!("{names}: not with {nodes} nodes"))
                    .help("use more --nodes, or other faults"));
            }
            if !faults.is_empty() && schedule.steps.is_empty() {
                let short = format!("{} is too short for a fault", humantime::format_duration(duration));
                return Err(Failure::usage(short).help("use a longer --duration, or --faults none"));
            }
            (schedule, asked.to_vec())
        }
    };
    let liveness = asked_of_core.map(|asked| liveness::of(asked, &*system, &options, nodes, seed));
    can_be_judged(&required, &workloads, schedule.faults().next().is_some(), liveness.is_some())?;
    if !args.trap_clocks {
        needs_no_traps(schedule.faults().map(Fault::fault_name))?;
    }
    let plan = Plan {
        format: PLAN_FORMAT,
        seed,
        system: system.name().to_owned(),
        options: options.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        nodes,
        workloads: workloads.iter().map(|w| w.name.to_owned()).collect(),
        concurrency: args.concurrency as usize,
        key_count: args.keys as usize,
        rate: (args.rate > 0).then_some(args.rate),
        duration_ms,
        operations: args.ops,
        operation_timeout_ms: args.op_timeout.as_millis() as u64,
        recovery_ms: args.recovery.as_millis() as u64,
        faults,
        schedule,
        liveness,
        required,
    };
    if args.fail_fast {
        warn_of_late_proofs(&plan.required);
    }
    let again = again(args, set, &plan);
    let rung = rung_of(args)?;
    // Only a run that a person follows by itself waits for that person.
    let hold = args.fail_fast && args.system.is_some() && args.format == Format::Text && std::io::stdin().is_terminal();
    let (fail_fast, runs) = (args.fail_fast, args.runs.clone());
    let (allow_degraded, trap_clocks, pcap) = (args.allow_degraded, args.trap_clocks, args.pcap);
    let notes = notes_of(args, &plan);
    Ok(RunSpec { plan, system, options, runs, rung, pcap, allow_degraded, trap_clocks, again, notes, fail_fast, hold })
}

/// No more faults than these are named in one note.
const NAMED: usize = 12;

/// What the reader of the verdict should know of this configuration.
fn notes_of(args: &TestArgs, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(bug) = plan.options.get(Options::BUG) {
        notes.push(format!("the planted bug {bug} was switched on"));
    }
    let drawn: Vec<FaultName> = plan.schedule.faults().map(|fault| fault.fault_name().without_role()).collect();
    let asked = plan.asked();
    let fits = |fault: &FaultName| fault.is_possible(plan.nodes) && !drawn.contains(&fault.without_role());
    let missing: Vec<&str> = asked.iter().copied().filter(fits).map(FaultName::as_str).collect();
    // A swarm leaves out some on purpose.
    if args.faults.is_some() && args.rhythm != RhythmArg::Swarm && !missing.is_empty() {
        let duration = humantime::format_duration(Duration::from_millis(plan.duration_ms));
        let named = missing[..missing.len().min(NAMED)].join(", ");
        let more = missing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (left, all) = (missing.len(), asked.len());
        notes.push(format!("{left} of the {all} faults asked for did not fit into {duration}: {named}{more}"));
    }
    if plan.schedule.faults().any(|fault| fault.family() == "clock") {
        notes.push("nodes/*/*.log: nodes stamp their lines by their own clocks, which were wrong at times".to_owned());
    }
    notes
}

/// `--fail-fast` sees most proofs at once, and some only when everything is over: of what is required that must be known.
fn warn_of_late_proofs(required: &[Guarantee]) {
    for guarantee in required {
        if let Some(why) = checkers::seen_only_at_the_end(*guarantee) {
            anstream::eprintln!("warning: --fail-fast may not stop at a violation of {}: {why}", guarantee.title());
        }
    }
}

fn rung_of(args: &TestArgs) -> Result<Option<Rung>, Failure> {
    let rung: Option<Rung> = args.rung.map(Into::into);
    let wants_root = matches!(rung, Some(Rung::RootTun | Rung::RootPacket));
    if wants_root && !nix::unistd::geteuid().is_root() {
        return Err(Failure::usage("hosts of root can be made by root only")
            .help("leave --rung away, or choose user-tun or user-packet"));
    }
    Ok(rung)
}

pub(super) fn options_failure(system: &dyn System, error: &OptionsError) -> Failure {
    let failure = Failure::usage(error.to_string());
    let see = format!("see `splitbrain explain {}`", system.name());
    match error {
        OptionsError::Unknown { name, known, .. } => {
            failure.help(format!("{}; {see}", hint(name, known.iter().map(String::as_str))))
        }
        OptionsError::Bug { known, .. } if known.is_empty() => {
            failure.help("it has none so far; see `splitbrain list bugs`")
        }
        OptionsError::Bug { name, known, .. } => {
            failure.help(format!("{}; see `splitbrain list bugs`", hint(name, known.iter().map(String::as_str))))
        }
        _ => failure.help(see),
    }
}

fn workloads_of(args: &TestArgs, system: &dyn System) -> Result<Vec<&'static WorkloadSpec>, Failure> {
    if args.workload.is_empty() {
        let mut all = workloads::supported(system.functions());
        if all.len() > args.concurrency as usize {
            let left: Vec<&str> = all.drain(args.concurrency as usize..).map(|w| w.name).collect();
            anstream::eprintln!(
                "warning: {} processes cannot drive all workloads: without {}",
                args.concurrency,
                left.join(", ")
            );
        }
        return Ok(all);
    }
    let mut chosen: Vec<&'static WorkloadSpec> = Vec::new();
    for name in &args.workload {
        let workload = names::workload(name)?;
        let missing: Vec<String> = workload
            .needs
            .iter()
            .filter(|f| !system.functions().contains(f))
            .map(|f| format!("{f:?}").to_lowercase())
            .collect();
        if !missing.is_empty() {
            return Err(Failure::usage(format!(
                "{} has no {}, which workload '{name}' needs",
                system.name(),
                missing.join(", ")
            )));
        }
        if !chosen.iter().any(|w| w.name == workload.name) {
            chosen.push(workload);
        }
    }
    if chosen.len() > args.concurrency as usize {
        return Err(Failure::usage(format!("{} processes cannot drive {} workloads", args.concurrency, chosen.len()))
            .help(format!("use --concurrency {} or more", chosen.len())));
    }
    Ok(chosen)
}

/// Faults by name, with their weights.
fn faults_of(asked: &[String], nodes: usize, by_default: bool) -> Result<Vec<(FaultName, u32)>, Failure> {
    if asked.len() > 1 && asked.iter().any(|name| name == "none") {
        return Err(Failure::usage("--faults none goes with no other fault"));
    }
    let mut faults = Vec::new();
    for asked in asked {
        let (name, weight) = weighted(asked)?;
        let expanded = registry::expand(name).map_err(|e| {
            Failure::usage(e.to_string())
                .help(format!("{}; see `splitbrain list faults`", hint(name, registry::all_names())))
        })?;
        let alone = expanded.len() == 1;
        for fault in expanded {
            if alone && !by_default && !fault.is_possible(nodes) {
                let least = fault.info().least_node_count;
                return Err(Failure::usage(format!("{fault} needs at least {least} nodes, and this run has {nodes}"))
                    .help(format!("use --nodes {least} or more")));
            }
            faults.push((fault, weight));
        }
    }
    Ok(faults)
}

/// `kill:3`: a name and how often it comes in proportion to the others.
fn weighted(asked: &str) -> Result<(&str, u32), Failure> {
    let Some((name, weight)) = asked.split_once(':') else { return Ok((asked, 1)) };
    match weight.parse() {
        Ok(weight @ 1..=1000) => Ok((name, weight)),
        _ => {
            Err(Failure::usage(format!("'{weight}' is no weight for {name}"))
                .help("give a whole number from 1 to 1000"))
        }
    }
}

/// A schedule written by hand, and what it says of a liveness phase.
fn schedule_from(
    file: &str,
    text: &str,
    nodes: usize,
    duration_ms: u64,
) -> Result<(Schedule, Option<LivenessAsked>), Failure> {
    let names: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
    let failure = |e: ScheduleError| {
        let help = e.remedy.clone();
        Failure::usage(e.to_string()).help(help)
    };
    let schedule = Schedule::parse(file, text, &names).map_err(failure)?;
    for problem in schedule.validate(nodes, Some(duration_ms)) {
        if problem.severity == Severity::Error {
            return Err(Failure::usage(format!("{file}: {problem}")).help(problem.remedy));
        }
        anstream::eprintln!("warning: {file}: {problem}");
    }
    Ok((schedule, Schedule::parse_liveness(file, text, &names).map_err(failure)?))
}

/// Refuses faults of monotonic clocks, which change what a system call costs and so have to be asked for.
fn needs_no_traps(faults: impl Iterator<Item = FaultName>) -> Result<(), Failure> {
    let names: BTreeSet<&str> = faults.filter(|fault| fault.is_trapped()).map(FaultName::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    Err(Failure::usage(format!("{} cannot be had without --trap-clocks", names.join(", "))).help(
        "add --trap-clocks: timers and system calls of the nodes then go by their clocks, and cost microseconds more",
    ))
}

/// Requiring what nothing in the run can show would always end `unknown`: say so before, not after.
fn can_be_judged(
    required: &[Guarantee],
    workloads: &[&WorkloadSpec],
    has_faults: bool,
    has_core: bool,
) -> Result<(), Failure> {
    for guarantee in required {
        let judged = match guarantee {
            Guarantee::Convergence => true,
            // Judged over the whole history, whatever the workload.
            other if !Guarantee::FOLDS.contains(other) => true,
            Guarantee::Recovery => has_faults || has_core,
            Guarantee::Liveness => has_core,
            other => workloads.iter().any(|w| w.judges.contains(other)),
        };
        if judged {
            continue;
        }
        let failure = Failure::usage(format!("nothing in this run can show {guarantee}"));
        if *guarantee == Guarantee::Recovery {
            return Err(failure.help("recovery is measured from healing: let there be faults"));
        }
        if *guarantee == Guarantee::Liveness {
            return Err(failure.help("add --liveness: a core of healthy nodes is left to itself after the faults"));
        }
        let able: Vec<&str> = workloads::ALL.iter().filter(|w| w.judges.contains(guarantee)).map(|w| w.name).collect();
        return Err(failure.help(format!("add --workload {}", able.join(" or --workload "))));
    }
    Ok(())
}

/// The exact command for the same plan.
fn again(args: &TestArgs, set: &[(String, String)], plan: &Plan) -> String {
    let mut words = vec!["splitbrain".to_owned(), "test".into(), plan.system.clone()];
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), shell_word(&value)]);
    set.iter().for_each(|(key, value)| flag("set", format!("{key}={value}")));
    if !args.workload.is_empty() {
        flag("workload", args.workload.join(","));
    }
    match (&args.schedule, &args.witness) {
        (Some(path), _) => flag("schedule", path.display().to_string()),
        (None, Some(witness)) => flag("witness", witness.clone()),
        (None, None) if plan.faults.is_empty() => flag("faults", "none".into()),
        (None, None) => flag("faults", plan.faults.join(",")),
    }
    let ms = |duration: Duration| humantime::format_duration(duration).to_string().replace(' ', "");
    let optional = [
        ("rhythm", args.rhythm.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()),
        ("nodes", args.nodes.to_string()),
        ("concurrency", args.concurrency.to_string()),
        ("rate", args.rate.to_string()),
        ("keys", args.keys.to_string()),
        ("op-timeout", ms(args.op_timeout)),
        ("recovery", ms(args.recovery)),
        ("liveness-within", ms(args.liveness_within)),
    ];
    let duration = Duration::from_millis(plan.duration_ms);
    if duration != DEFAULT_DURATION {
        flag("duration", ms(duration));
    }
    let defaults = default_arguments();
    // A witness brings its nodes with it.
    let optional = optional.into_iter().filter(|(name, _)| args.witness.is_none() || *name != "nodes");
    for (name, value) in optional {
        if defaults.get(name).is_none_or(|default| *default != value) {
            flag(name, value);
        }
    }
    if let Some(ops) = args.ops {
        flag("ops", ops.to_string());
    }
    args.require.iter().for_each(|g| flag("require", g.clone()));
    if let Some(core) = &args.liveness {
        let named = if core.is_empty() { String::new() } else { format!("={}", core.join(",")) };
        words.push(format!("--liveness{named}"));
    }
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), shell_word(&value)]);
    if let Some(rung) = args.rung.and_then(|r| r.to_possible_value()) {
        flag("rung", rung.get_name().to_owned());
    }
    if args.runs != Path::new("runs") {
        flag("runs", args.runs.display().to_string());
    }
    flag("seed", plan.seed.0.to_string());
    if args.fail_fast {
        words.push("--fail-fast".to_owned());
    }
    if args.pcap {
        words.push("--pcap".to_owned());
    }
    if args.allow_degraded {
        words.push("--allow-degraded".to_owned());
    }
    if args.trap_clocks {
        words.push("--trap-clocks".to_owned());
    }
    words.join(" ")
}

/// What every argument is when it is not given.
fn default_arguments() -> BTreeMap<String, String> {
    let command = Cli::command();
    let test = command.find_subcommand("test").map(|c| c.get_arguments().collect::<Vec<_>>()).unwrap_or_default();
    let default =
        |a: &&clap::Arg| Some((a.get_long()?.to_owned(), a.get_default_values().first()?.to_str()?.to_owned()));
    test.iter().filter_map(default).collect()
}
