//! Planted bugs on the command line: `--bug NAME` switches one on, `--witness NAME` runs the schedule that shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use systems_under_test::specimen::BugSpec;
use systems_under_test::{Options, System};

use super::args::TestArgs;
use crate::failure::Failure;
use crate::suggest::hint;

/// What the schedule of a planted bug needs: the table `[witness]` of its file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Witness {
    /// How many nodes.
    pub nodes: u64,
    /// Options of the system other than the defaults.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Workloads; absent: all that the system can do.
    #[serde(default)]
    pub workload: Vec<String>,
    /// Operations per second.
    pub rate: Option<u64>,
    /// Processes.
    pub concurrency: Option<u64>,
    /// Objects in use at a time, per workload.
    pub keys: Option<u64>,
    /// How long a client waits for one answer.
    pub op_timeout: Option<String>,
    /// Bound on recovery after healing.
    pub recovery: Option<String>,
    /// Length of the phase with faults.
    pub duration: String,
}

#[derive(Deserialize)]
struct File {
    witness: Witness,
}

impl Witness {
    /// What the file of a planted bug says.
    pub fn of(bug: &BugSpec) -> Result<Witness, Failure> {
        let file: File = toml::from_str(bug.witness)
            .map_err(|e| Failure::harness(format!("the witness of {} cannot be read", bug.name)).because(&e))?;
        Ok(file.witness)
    }
}

/// The planted bug with this name.
pub fn find<'a>(system: &'a dyn System, name: &str) -> Result<&'a BugSpec, Failure> {
    system.bugs().iter().find(|bug| bug.name == name).ok_or_else(|| {
        let failure = Failure::usage(format!("{} has no planted bug '{name}'", system.name()));
        let known: Vec<&str> = system.bugs().iter().map(|bug| bug.name).collect();
        match known.is_empty() {
            true => failure.help("see `splitbrain list bugs`"),
            false => failure.help(format!("{}; see `splitbrain list bugs`", hint(name, known))),
        }
    })
}

/// The arguments with what `--bug` and `--witness` stand for put in; what was given besides has the last word.
pub fn applied(args: &TestArgs, system: &dyn System) -> Result<TestArgs, Failure> {
    let mut args = args.clone();
    if let Some(name) = &args.witness {
        let bug = find(system, name)?;
        let witness = Witness::of(bug)?;
        let time = |text: &str| {
            let wrong = |e| Failure::harness(format!("the witness of {name} has a bad time")).because(&e);
            humantime::parse_duration(text).map_err(wrong)
        };
        args.nodes = witness.nodes;
        args.set.splice(0..0, witness.set);
        if args.workload.is_empty() {
            args.workload = witness.workload;
        }
        args.rate = witness.rate.unwrap_or(args.rate);
        args.concurrency = witness.concurrency.unwrap_or(args.concurrency);
        args.keys = witness.keys.unwrap_or(args.keys);
        args.op_timeout = witness.op_timeout.as_deref().map_or(Ok(args.op_timeout), time)?;
        args.recovery = witness.recovery.as_deref().map_or(Ok(args.recovery), time)?;
        let duration: Option<Duration> = args.duration;
        args.duration = Some(duration.map_or_else(|| time(&witness.duration), Ok)?);
        match bug.witness.contains("[[step]]") {
            true => args.witness_text = Some(bug.witness),
            false => args.faults = Some(vec!["none".to_owned()]),
        }
    }
    if let Some(name) = &args.bug {
        let name = find(system, name)?.name.to_owned();
        args.set.push((Options::BUG.to_owned(), name));
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_bug_has_a_witness_that_can_be_run() {
        for system in systems_under_test::bundled() {
            for bug in system.bugs() {
                let witness = Witness::of(bug).unwrap_or_else(|e| panic!("{}: {e}", bug.name));
                let names: Vec<String> = (1..=witness.nodes).map(|n| format!("n{n}")).collect();
                let schedule = nemesis::schedule::Schedule::parse(bug.name, bug.witness, &names);
                let has_no_step = !bug.witness.contains("[[step]]");
                assert!(has_no_step || schedule.is_ok(), "{}: {:?}", bug.name, schedule.err());
                let set: Vec<(String, String)> = witness.set.into_iter().collect();
                let options = Options::new(&*system, &set).unwrap_or_else(|e| panic!("{}: {e}", bug.name));
                let contract = system.contract(&options, witness.nodes as usize);
                assert!(contract.get(bug.breaks).is_some(), "{}: {} is not promised", bug.name, bug.breaks);
            }
        }
    }
}
