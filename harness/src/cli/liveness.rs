//! From `--liveness`, or the table `[liveness]` of a schedule, to a core of nodes.

use nemesis::schedule::{Liveness, LivenessAsked};
use nemesis::seed::Seed;
use systems_under_test::{Options, System};

use super::args::TestArgs;
use crate::failure::Failure;

/// The bound where a schedule says none; that of the command line has its own default.
const WITHIN_MS: u64 = 10_000;

/// What the command line asks for, if it does.
pub fn asked(args: &TestArgs) -> Result<Option<LivenessAsked>, Failure> {
    let Some(named) = &args.liveness else { return Ok(None) };
    let within_ms = Some(args.liveness_within.as_millis() as u64);
    let core = named.iter().map(|name| position(name, args.nodes as usize)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(LivenessAsked { core: (!core.is_empty()).then_some(core), within_ms }))
}

fn position(name: &str, nodes: usize) -> Result<usize, Failure> {
    let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
    number.filter(|number| (1..=nodes).contains(number)).map(|number| number - 1).ok_or_else(|| {
        Failure::usage(format!("no node is called '{name}'")).help(format!("the nodes are n1 to n{nodes}"))
    })
}

/// The core that is left to itself after the faults, and what becomes of the others. Says what cannot be promised of it.
pub fn of(asked: LivenessAsked, system: &dyn System, options: &Options, nodes: usize, seed: Seed) -> Liveness {
    let within_ms = asked.within_ms.unwrap_or(WITHIN_MS);
    let needed = system.core(options, nodes);
    let Some(core) = asked.core else {
        if needed.size >= nodes {
            anstream::eprintln!("warning: this configuration needs all {nodes} nodes: none is left out of the core");
        }
        return Liveness::draw(seed, nodes, needed.size, &needed.with, within_ms);
    };
    if let Some(lacks) = needed.lacks(&core) {
        let names: Vec<String> = core.iter().map(|node| format!("n{}", node + 1)).collect();
        anstream::eprintln!("warning: liveness is not promised of {}: {lacks}", names.join(" "));
    }
    Liveness::of(core, seed, nodes, within_ms)
}
