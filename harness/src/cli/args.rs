//! The arguments of every command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use histories::file::InputFormat;
use nemesis::hosts::Rung;
use nemesis::schedule::Rhythm;

/// Fault-injection test harness for replicated systems: real processes, real faults, recorded histories, verdicts.
#[derive(Parser, Debug)]
#[command(name = "splitbrain", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 valid, 1 invalid, 2 unknown, 254 usage or configuration, 255 harness failure.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a cluster under faults and judge what it did; without a system, a suite that shows what the tool is for.
    Test(Box<TestArgs>),
    /// Run systems with and without their planted bugs and count what is found: how good the harness itself is.
    Scorecard(ScorecardArgs),
    /// Judge a recorded run or a history again.
    Check(CheckArgs),
    /// Show the verdict of a run, its evidence and the timeline around it.
    Inspect(InspectArgs),
    /// List systems, workloads, kinds of histories, faults, checkers, guarantees, consistency models or anomalies.
    List(ListArgs),
    /// Explain a system, workload, kind of history, fault, checker, guarantee, consistency model or anomaly.
    Explain(ExplainArgs),
    /// Probe what this machine can do, and say what to type to get more.
    Doctor(DoctorArgs),
}

/// How results are printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// JSON: one object a line.
    Json,
}

/// See [`Rhythm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RhythmArg {
    /// One at a time, with quiet between.
    #[default]
    Steady,
    /// Several at a time, short ones.
    Dense,
    /// One kind after the other, with quiet periods.
    Rotating,
    /// Drawn from the seed.
    Swarm,
}

impl From<RhythmArg> for Rhythm {
    fn from(rhythm: RhythmArg) -> Self {
        match rhythm {
            RhythmArg::Steady => Rhythm::Steady,
            RhythmArg::Dense => Rhythm::Dense,
            RhythmArg::Rotating => Rhythm::Rotating,
            RhythmArg::Swarm => Rhythm::Swarm,
        }
    }
}

/// How hosts are made.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum RungArg {
    /// Unprivileged user namespace, TUN ports.
    UserTun,
    /// Unprivileged user namespace, veth + AF_PACKET ports.
    UserPacket,
    /// Root, TUN ports.
    RootTun,
    /// Root, veth + AF_PACKET ports.
    RootPacket,
}

impl From<RungArg> for Rung {
    fn from(rung: RungArg) -> Self {
        match rung {
            RungArg::UserTun => Rung::UserTun,
            RungArg::UserPacket => Rung::UserPacket,
            RungArg::RootTun => Rung::RootTun,
            RungArg::RootPacket => Rung::RootPacket,
        }
    }
}

/// `splitbrain test`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
#[command(after_help = "Examples:\n  \
    splitbrain test                                              the suite, under 90 s\n  \
    splitbrain test single-leader --faults partition,kill        one cluster, faults drawn from a fresh seed\n  \
    splitbrain test single-leader --set replication=semi-sync --faults leader-isolated --require durability\n  \
    splitbrain test single-leader --seed 7 --faults all          the same plan as every time with seed 7")]
pub struct TestArgs {
    /// The system under test (`splitbrain list systems`).
    pub system: Option<String>,
    /// An option of the system (`splitbrain explain SYSTEM`); can be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Switch a planted bug of the system on (`splitbrain list bugs`).
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Run the schedule that shows this planted bug, in the configuration that it needs; whether the bug is there says --bug.
    #[arg(long, value_name = "BUG", conflicts_with_all = ["schedule", "faults", "nodes"])]
    pub witness: Option<String>,
    /// The text of that schedule.
    #[arg(skip)]
    pub witness_text: Option<&'static str>,
    /// A workload (`splitbrain list workloads`); several run side by side. Default: all that the system can do.
    #[arg(long, short, value_name = "W", value_delimiter = ',')]
    pub workload: Vec<String>,
    /// Faults, or groups of them, to draw a schedule from (`splitbrain list faults`); `kill:3` comes three times as often
    /// as `pause`. Default: partition,kill.
    #[arg(long, value_name = "F,…", value_delimiter = ',')]
    pub faults: Option<Vec<String>>,
    /// How faults follow each other: steady, one at a time with quiet between; dense, several at a time, some seventy a
    /// minute of each kind; rotating, dense, one kind after the other; swarm, drawn from the seed, like which faults
    /// there are at all.
    #[arg(long, value_enum, default_value_t, conflicts_with = "schedule")]
    pub rhythm: RhythmArg,
    /// A schedule written by hand (TOML) instead of one drawn from the seed.
    #[arg(long, value_name = "FILE", conflicts_with = "faults")]
    pub schedule: Option<PathBuf>,
    /// Leave out faults that this machine does not offer (`splitbrain doctor`), and say so, rather than refuse to run.
    #[arg(long)]
    pub allow_degraded: bool,
    /// Let the system calls of nodes that have to do with time be answered by their clocks, too: what faults of monotonic clocks
    /// (clock-monotonic) need, and timers until a time on a skewed clock. Costs such a call microseconds.
    #[arg(long)]
    pub trap_clocks: bool,
    /// Number of nodes.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    pub nodes: u64,
    /// Length of the phase with faults, such as 30s or 2m. Default: 20s; in the suite 14s for each configuration.
    #[arg(long, value_name = "T", value_parser = duration)]
    pub duration: Option<Duration>,
    /// End that phase after this many operations, if that is earlier. Recovery and final reads come on top, and a run
    /// that ends before its first fault (about two seconds) has verdict unknown: see --faults none.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub ops: Option<u64>,
    /// Number of processes: logical, single-threaded callers.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub concurrency: u64,
    /// Operations per second over all processes (open loop). Default 500; 0: each process asks as soon as it has
    /// its answer (closed loop).
    #[arg(long, value_name = "R", default_value_t = 500)]
    pub rate: u64,
    /// Objects in use at a time, for each workload.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub keys: u64,
    /// How long a client waits for one answer.
    #[arg(long, value_name = "T", default_value = "1s", value_parser = duration)]
    pub op_timeout: Duration,
    /// Bound on recovery after healing.
    #[arg(long, value_name = "T", default_value = "10s", value_parser = duration)]
    pub recovery: Duration,
    /// After the faults, leave a core of healthy nodes to itself, the others cut off, paused or dead for good, and see whether
    /// it gets on. The core is drawn from the seed, as many nodes as the system says suffice (`splitbrain explain SYSTEM`),
    /// or named: --liveness=n1,n3.
    #[arg(long, value_name = "NODES", value_delimiter = ',', num_args = 0.., require_equals = true)]
    pub liveness: Option<Vec<String>>,
    /// Bound on the first read and the first update that the core answers.
    #[arg(long, value_name = "T", default_value = "10s", value_parser = duration, requires = "liveness")]
    pub liveness_within: Duration,
    /// The source of every choice. Default: a fresh one, which is printed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Promise this guarantee for this run, whatever the contract says; can be given several times.
    #[arg(long, value_name = "GUARANTEE", value_delimiter = ',')]
    pub require: Vec<String>,
    /// Stop at the first proof that something promised is violated, with every process of the cluster standing still
    /// as it stood then; on a terminal until Enter is pressed. What shows only at the end does not stop it: writes that are
    /// lost, replicas that differ, recovery, liveness.
    #[arg(long)]
    pub fail_fast: bool,
    /// Where runs are kept.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// How to print results.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Record every packet of the run in wire.pcap.
    #[arg(long)]
    pub pcap: bool,
    /// Make hosts this way and no other. Default: the best that works.
    #[arg(long, value_enum)]
    pub rung: Option<RungArg>,
    /// Show warnings and the harness's log on the terminal; twice for more.
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// `splitbrain scorecard`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    splitbrain scorecard --witness --seeds 5                     every planted bug on its witness, five seeds each\n  \
    splitbrain scorecard --systems raft --search --budget 60s    the unhinted nemesis against the bugs of raft\n  \
    splitbrain scorecard --shard 2/4 --format json               the second quarter, for programs")]
pub struct ScorecardArgs {
    /// Systems. Default: all that have planted bugs.
    #[arg(long, value_name = "S", value_delimiter = ',')]
    pub systems: Vec<String>,
    /// Planted bugs (`splitbrain list bugs`). Default: all of these systems.
    #[arg(long, value_name = "B", value_delimiter = ',')]
    pub bugs: Vec<String>,
    /// Only the witnesses: each bug and its twin under the schedule that shows the bug.
    #[arg(long, conflicts_with = "search")]
    pub witness: bool,
    /// Only the search: faults drawn without a hint, again and again, until the bug is found or the budget is spent.
    #[arg(long)]
    pub search: bool,
    /// How long the search may take for one bug and seed.
    #[arg(long, value_name = "T", default_value = "60s", value_parser = duration)]
    pub budget: Duration,
    /// How often each is tried, with seeds from 1.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub seeds: u64,
    /// How many runs go on side by side.
    #[arg(long, value_name = "J", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub jobs: u64,
    /// Of so many equal parts only this one, such as 2/4.
    #[arg(long, value_name = "I/N", value_parser = shard, default_value = "1/1")]
    pub shard: (usize, usize),
    /// Where runs are kept that were not as they should be.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// How to print results.
    #[arg(long, value_enum, default_value_t)]
    pub format: CardFormat,
}

/// How a scorecard is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CardFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// A page by itself.
    Html,
}

/// `splitbrain check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Run directories, or history files of this or another tool (JSON Lines, EDN, JSON array, Jepsen log; gzip or
    /// not; `-` for standard input).
    #[arg(required = true, value_name = "RUN|HISTORY")]
    pub paths: Vec<PathBuf>,
    /// Promise this guarantee; for a bare history: judge by these only.
    #[arg(long, value_name = "GUARANTEE", value_delimiter = ',')]
    pub require: Vec<String>,
    /// Bound on recovery after healing; default: what the run had, or 10s.
    #[arg(long, value_name = "T", value_parser = duration, conflicts_with_all = ["workload", "model", "anomaly"])]
    pub recovery: Option<Duration>,
    /// Understand the history this way (`splitbrain list histories`), and find out which consistency models it rules
    /// out. Default with --model: what its operations say.
    #[arg(long, short, value_name = "W", conflicts_with = "require")]
    pub workload: Option<String>,
    /// Ask whether the history satisfies this consistency model (`splitbrain list models`); can be given several times.
    /// Default: the strongest that is usual for the workload.
    #[arg(long, short, value_name = "M", value_delimiter = ',', conflicts_with = "require")]
    pub model: Vec<String>,
    /// Ask for the absence of this anomaly (`splitbrain list anomalies`), besides what the models prohibit.
    #[arg(long, value_name = "A", value_delimiter = ',', conflicts_with = "require")]
    pub anomaly: Vec<String>,
    /// The form of the files; auto looks at their first bytes.
    #[arg(long, value_name = "auto|jsonl|edn|json|jepsen-log", default_value = "auto", value_parser = input)]
    pub input: InputFormat,
    /// What may be assumed of each register of an rw-register history, to learn the order of its versions.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ORDER")]
    pub keys: Vec<KeyOrder>,
    /// The value of every register at the start, as JSON; default: nothing.
    #[arg(long, value_name = "VALUE")]
    pub initial: Option<String>,
    /// bank: the sum of all accounts; default: that of the first read.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub total: Option<i64>,
    /// bank: accounts may be overdrawn.
    #[arg(long)]
    pub negative_balances: bool,
    /// End the check of each file after this time: unknown, unless a violation was found by then. Default: a bound in
    /// steps, which is the same on every machine.
    #[arg(long, value_name = "T", value_parser = duration)]
    pub budget: Option<Duration>,
    /// How much memory searches may take, such as 512MiB. Default: 4GiB.
    #[arg(long, value_name = "M", value_parser = bytes)]
    pub memory: Option<u64>,
    /// Write a picture, a graph and the smallest history of each anomaly into this directory, which must not hold any
    /// yet; of several files into one directory each below it.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// How many anomalies of each kind or guarantee get files there.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "evidence")]
    pub most: usize,
    /// How to print results.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What is assumed of the order of a register's versions.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// A transaction that reads a version and writes one makes the later one.
    #[value(name = "writes-follow-reads", alias = "wfr")]
    WritesFollowReads,
    /// Each register by itself is sequentially consistent.
    Sequential,
    /// Each register by itself is linearizable.
    Linearizable,
}

/// `splitbrain inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// A run directory.
    #[arg(default_value = "runs/latest", value_name = "RUN")]
    pub run: PathBuf,
    /// Only this guarantee.
    #[arg(long, value_name = "NAME")]
    pub guarantee: Option<String>,
    /// How many anomalies of each guarantee to show.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub most: usize,
    /// Print the operations of each anomaly and the relations between them as a graph, for Graphviz.
    #[arg(long)]
    pub dot: bool,
    /// Write a picture, a graph and the smallest history of each anomaly into this directory, which must not hold any
    /// yet.
    #[arg(long, value_name = "DIR", conflicts_with = "dot")]
    pub evidence: Option<PathBuf>,
    /// How many operations on the same keys to show before and after.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub around: usize,
    /// Draw every fault of the time around an anomaly, not only those that were there during its operations or shortly before.
    #[arg(long)]
    pub all_faults: bool,
    /// Measure how old, in time and in versions, what each read returned was, and show nothing else.
    #[arg(long, conflicts_with_all = ["dot", "evidence", "guarantee"])]
    pub staleness: bool,
}

/// `splitbrain list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// What to list.
    #[arg(value_enum)]
    pub what: Listed,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What can be listed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Stores that can be tested.
    Systems,
    /// What can be asked of them: the workloads of `test`.
    Workloads,
    /// How a history can be understood: the workloads of `check`.
    Histories,
    /// What can be wrong with them on purpose.
    Bugs,
    /// What can be done to them.
    Faults,
    /// What decides.
    Checkers,
    /// What can be promised.
    Guarantees,
    /// Consistency models, by name: what a history can be asked to satisfy.
    Models,
    /// What can be wrong with a history, the worst first.
    Anomalies,
}

/// `splitbrain explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Name of a system, workload, kind of history, fault, checker, guarantee, consistency model (aliases such as PL-2
    /// too) or anomaly.
    pub name: String,
    /// Of a system: what it promises with this option set; can be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Of a system: what it promises of so many nodes.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    pub nodes: u64,
}

/// `splitbrain doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// How to print results.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as replication=async")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// No run is longer, and no schedule is drawn for more.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    let spelled = if text.chars().all(|c| c.is_ascii_digit()) { format!("{text}s") } else { text.to_owned() };
    match humantime::parse_duration(&spelled) {
        Ok(duration) if duration > LONGEST => Err("expected at most seven days".into()),
        Ok(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        Ok(_) => Err("expected at least a millisecond".into()),
        Err(_) => Err("expected a duration, such as 30s, 1500ms or 2m".into()),
    }
}

fn input(text: &str) -> Result<InputFormat, String> {
    text.parse().map_err(|_| "expected auto, jsonl, edn, json or jepsen-log".to_owned())
}

/// A number of bytes with an optional unit; `K`, `M` and `G` are powers of 1024, with or without `iB` or `B`.
fn bytes(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "expected a number of bytes, such as 512MiB or 2GiB";
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| EXPECTED)?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(EXPECTED.into()),
    };
    number.checked_mul(1 << shift).filter(|b| *b > 0).ok_or_else(|| EXPECTED.into())
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((i, n)) if (1..=n).contains(&i) => Ok((i, n)),
        _ => Err("expected I/N with I from 1 to N, such as 2/4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn memory_has_units_or_is_bytes() {
        assert_eq!((bytes("512MiB"), bytes("2g"), bytes("7")), (Ok(512 << 20), Ok(2 << 30), Ok(7)));
        assert!(bytes("lots").is_err() && bytes("0").is_err() && bytes("99999999999T").is_err());
    }

    #[test]
    fn durations_have_units_or_are_seconds() {
        assert_eq!(duration("20"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(duration("soon").is_err());
        assert!(duration("0s").is_err());
    }
}
