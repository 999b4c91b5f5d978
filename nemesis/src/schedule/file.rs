//! A schedule written by hand, in TOML. The guide to it is `docs/guide/schedules.md`, examples stand in
//! `examples/schedules`.
//!
//! ```toml
//! [[step]]
//! name = "cut"
//! at = "2s"                       # or: at-operation = 500, or: on-output = "leader in epoch", output-of = "n1"
//!                                 # or: at-acknowledged, on-leader, on-begin-of, on-end-of
//! after = "250ms"                 # this much later still
//! fault = "partition-one"         # or: heal = "cut", heal = "all"
//! target = "leader"               # or: "n1", ["n1", "n3"], "all"
//! for = "3s"                      # absent: until a later step heals it, or the run ends
//! until-leader = "any"            # or what ends it: until-output, until-operations, until-acknowledged
//! every = "10s"                   # again this often
//! times = 3                       # and so many times in all
//!
//! [liveness]                      # after the steps a core is left to itself
//! core = ["n2", "n3", "n4"]       # absent: drawn from the seed, as many nodes as the system says suffice
//! within = "5s"                   # absent: 10s
//! ```

mod particulars;

use std::ops::Range;

use toml::Spanned;

use super::amounts::Time;
use super::crash_loop::CrashLoop;
use super::raw::{Names, RawSchedule, RawStep};
use super::{Action, Heal, LivenessAsked, Moment, Repeat, Schedule, Severity, Step, Trigger};
use crate::fault::{Fault, FaultName, LinkKind, Target, registry};

/// A schedule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct ScheduleError {
    /// The file.
    pub file: String,
    /// Where in it, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

const BEGINNINGS: &str = "at = \"2s\", at-operation = 500, at-acknowledged = 500, on-output = \"…\", on-leader = \"any\", on-begin-of or on-end-of";
const GUIDE: &str = "docs/guide/schedules.md shows every field";

/// What people write, and what it is called here; their letters have nothing in common.
const OTHER_WORDS: [(&str, &str); 14] = [
    ("duration", "for"),
    ("lasts", "for"),
    ("length", "for"),
    ("until", "until-operations"),
    ("time", "at"),
    ("when", "at"),
    ("start", "at"),
    ("wait", "after"),
    ("node", "target"),
    ("nodes", "target"),
    ("targets", "target"),
    ("group", "side"),
    ("repeat", "times"),
    ("interval", "every"),
];

/// What the file says of a liveness phase, if it says anything of one.
pub(super) fn parse_liveness(file: &str, text: &str, nodes: &[String]) -> Result<Option<LivenessAsked>, ScheduleError> {
    let reader = Reader { file, text, nodes };
    let Some(raw) = reader.raw()?.liveness else { return Ok(None) };
    let core = raw.core.as_ref().map(|core| match core.get_ref().is_empty() {
        false => reader.node_list(core.get_ref(), &core.span()),
        true => {
            let what = "a core of no nodes".to_owned();
            Err(reader.error(core.span(), what, "name the nodes, or leave `core` away to have it drawn"))
        }
    });
    Ok(Some(LivenessAsked { core: core.transpose()?, within_ms: raw.within.map(|Time(ms)| ms) }))
}

pub(super) fn parse(file: &str, text: &str, nodes: &[String]) -> Result<Schedule, ScheduleError> {
    let reader = Reader { file, text, nodes };
    let raw = reader.raw()?;
    if raw.step.is_empty() {
        let remedy = "begin each step with [[step]]";
        return Err(reader.error(0..0, "the schedule has no step".to_owned(), remedy));
    }
    let mut steps = Vec::new();
    for (position, step) in raw.step.iter().enumerate() {
        steps.push(reader.step(step, &raw.step[..position])?);
    }
    let schedule = Schedule { steps };
    let problems = schedule.validate(nodes.len(), None);
    match problems.into_iter().find(|problem| problem.severity == Severity::Error) {
        Some(problem) => Err(reader.error(raw.step[problem.step].span(), problem.to_string(), &problem.remedy)),
        None => Ok(schedule),
    }
}

/// A step has so many fields that a list of them helps nobody: the nearest to an unknown one, instead.
fn in_brief(message: String) -> (String, String) {
    let Some((what, fields)) = message.split_once(", expected one of ") else { return (message, GUIDE.to_owned()) };
    let given = what.split('`').nth(1).unwrap_or_default();
    let nearest = fields.split('`').skip(1).step_by(2).min_by_key(|field| strsim::osa_distance(given, field));
    let means = OTHER_WORDS.iter().find(|(word, _)| *word == given).map(|(_, field)| *field);
    let remedy = means.or(nearest).map_or(GUIDE.to_owned(), |field| format!("did you mean `{field}`? {GUIDE}"));
    (what.to_owned(), remedy)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    nodes: &'a [String],
}

impl Reader<'_> {
    fn raw(&self) -> Result<RawSchedule, ScheduleError> {
        toml::from_str(self.text).map_err(|error| {
            let message = error.message().trim_end().replace('\n', ", ");
            let (what, remedy) = in_brief(message);
            self.error(error.span().unwrap_or(0..0), what, &remedy)
        })
    }

    fn error(&self, at: Range<usize>, what: String, remedy: &str) -> ScheduleError {
        let before = &self.text.as_bytes()[..at.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ScheduleError { file: self.file.to_owned(), line, what, remedy: remedy.to_owned() }
    }

    fn step(&self, raw: &Spanned<RawStep>, earlier: &[Spanned<RawStep>]) -> Result<Step, ScheduleError> {
        let step = raw.get_ref();
        self.name_is_new(step, earlier)?;
        let action = match (&step.fault, &step.heal) {
            (Some(fault), None) => Action::Inject(self.fault(step, fault)?),
            (None, Some(heal)) => Action::Heal(self.heal(step, heal, earlier)?),
            (Some(_), Some(heal)) => {
                let what = "a step either injects a fault or heals one".to_owned();
                return Err(self.error(heal.span(), what, "make two steps of it, or give the duration with `for`"));
            }
            (None, None) => {
                let what = "this step does nothing".to_owned();
                return Err(self.error(raw.span(), what, "add fault = \"…\" or heal = \"…\""));
            }
        };
        let usual = CrashLoop::usual_of(&action);
        let repeat = (step.every.is_some() || step.times.is_some())
            .then_some(Repeat { every_ms: step.every.map(|Time(ms)| ms), times: step.times })
            .or(usual.map(CrashLoop::repeat));
        let lasts = step.lasts.as_ref().map(|time| time.get_ref().0);
        Ok(Step {
            name: step.name.as_ref().map(|name| name.get_ref().clone()),
            when: self.trigger(raw, earlier)?,
            after_ms: step.after.map_or(0, |Time(ms)| ms),
            until: self.until(raw, &action)?,
            action,
            for_ms: lasts.or(usual.filter(|_| step.ends().is_empty()).map(|usual| usual.down_ms)),
            repeat,
        })
    }

    fn name_is_new(&self, step: &RawStep, earlier: &[Spanned<RawStep>]) -> Result<(), ScheduleError> {
        let Some(name) = &step.name else { return Ok(()) };
        if name.get_ref() == "all" {
            let what = "no step can be called 'all': that is what heal = \"all\" means".to_owned();
            return Err(self.error(name.span(), what, "give it another name"));
        }
        match position_of(name.get_ref(), earlier) {
            Some(other) => {
                let what = format!("step {} is called '{}' already", other + 1, name.get_ref());
                Err(self.error(name.span(), what, "give each step a name of its own, or none"))
            }
            None => Ok(()),
        }
    }

    fn trigger(&self, raw: &Spanned<RawStep>, earlier: &[Spanned<RawStep>]) -> Result<Trigger, ScheduleError> {
        let step = raw.get_ref();
        if let (Some(of), None) = (&step.output_of, step.on_output.as_ref().or(step.until_output.as_ref())) {
            let what = "`output-of` without `on-output`".to_owned();
            return Err(self.error(of.span(), what, "add the pattern to wait for: on-output = \"…\""));
        }
        match step.beginnings()[..] {
            [] => {
                let what = "this step never comes: it waits for nothing".to_owned();
                return Err(self.error(raw.span(), what, &format!("add {BEGINNINGS}")));
            }
            [_] => {}
            [first, second, ..] => {
                let what = "this step waits for several things".to_owned();
                return Err(self.error(raw.span(), what, &format!("keep one of `{first}` and `{second}`")));
            }
        }
        if let Some(at) = &step.at {
            return Ok(Trigger::TimeMs(at.get_ref().0));
        }
        if let Some(count) = &step.at_operation {
            return Ok(Trigger::Operations(*count.get_ref()));
        }
        if let Some(count) = &step.at_acknowledged {
            return Ok(Trigger::Acknowledged(*count.get_ref()));
        }
        if let Some(pattern) = &step.on_output {
            return self.output(step, pattern);
        }
        if let Some(leader) = &step.on_leader {
            return self.new_leader(leader);
        }
        let of = |name: &Spanned<String>, moment| {
            let step = self.earlier(name, earlier, "on-begin-of and on-end-of")?;
            Ok(Trigger::Step { step, moment })
        };
        match (&step.on_begin_of, &step.on_end_of) {
            (Some(name), _) => of(name, Moment::Begin),
            (None, Some(name)) => of(name, Moment::End),
            (None, None) => Err(self.error(raw.span(), "this step never comes".to_owned(), BEGINNINGS)),
        }
    }

    fn output(&self, step: &RawStep, pattern: &Spanned<String>) -> Result<Trigger, ScheduleError> {
        let node = step.output_of.as_ref().map(|of| self.node(of.get_ref(), &of.span())).transpose()?;
        Ok(Trigger::Output { node, pattern: pattern.get_ref().clone() })
    }

    fn new_leader(&self, leader: &Spanned<String>) -> Result<Trigger, ScheduleError> {
        let node = match leader.get_ref().as_str() {
            "any" => None,
            name => Some(self.node(name, &leader.span())?),
        };
        Ok(Trigger::Leader { node })
    }

    /// What ends the fault, besides time.
    fn until(&self, raw: &Spanned<RawStep>, action: &Action) -> Result<Option<Trigger>, ScheduleError> {
        let step = raw.get_ref();
        let until = match step.ends()[..] {
            [] | ["for"] => None,
            _ if matches!(action, Action::Heal(_)) => {
                let what = "a heal lasts no time".to_owned();
                return Err(self.error(raw.span(), what, "put the end on the step that injects"));
            }
            [_] | ["for", _] => Some(self.until_trigger(step)?),
            _ => {
                let what = "this step ends in several ways".to_owned();
                return Err(self.error(raw.span(), what, "keep one `until-…`, and a `for` as its limit if you want"));
            }
        };
        Ok(until.flatten())
    }

    fn until_trigger(&self, step: &RawStep) -> Result<Option<Trigger>, ScheduleError> {
        let of_counts = [
            step.until_operations.as_ref().map(|count| Trigger::Operations(*count.get_ref())),
            step.until_acknowledged.as_ref().map(|count| Trigger::Acknowledged(*count.get_ref())),
        ];
        let output = step.until_output.as_ref().map(|pattern| self.output(step, pattern)).transpose()?;
        let leader = step.until_leader.as_ref().map(|leader| self.new_leader(leader)).transpose()?;
        Ok(of_counts.into_iter().flatten().next().or(output).or(leader))
    }

    fn heal(
        &self,
        step: &RawStep,
        heal: &Spanned<String>,
        earlier: &[Spanned<RawStep>],
    ) -> Result<Heal, ScheduleError> {
        self.takes(step, "a heal", &[])?;
        if heal.get_ref() == "all" {
            return Ok(Heal::All);
        }
        self.earlier(heal, earlier, "heal").map(Heal::Step)
    }

    /// The position of an earlier step.
    fn earlier(
        &self,
        name: &Spanned<String>,
        earlier: &[Spanned<RawStep>],
        field: &str,
    ) -> Result<usize, ScheduleError> {
        position_of(name.get_ref(), earlier).ok_or_else(|| {
            let named: Vec<_> = earlier.iter().filter_map(|step| step.get_ref().name.as_ref()).collect();
            let known: Vec<_> = named.iter().map(|name| format!("'{}'", name.get_ref())).collect();
            let all = if field == "heal" { "; or heal = \"all\"" } else { "" };
            let remedy = match known.is_empty() {
                true => format!("give an earlier step a name and use that{all}"),
                false => format!("earlier steps are called {}{all}", known.join(", ")),
            };
            let what = format!("{field}: no earlier step is called '{}'", name.get_ref());
            self.error(name.span(), what, &remedy)
        })
    }

    fn fault(&self, step: &RawStep, name: &Spanned<String>) -> Result<Fault, ScheduleError> {
        let fault: FaultName = name.get_ref().parse().map_err(|unknown| self.no_fault(name, &unknown))?;
        self.takes(step, fault.as_str(), fields(fault))?;
        Ok(match fault {
            FaultName::PartitionOne => Fault::PartitionOne { target: self.target(step, name)? },
            FaultName::OneWay => Fault::OneWay { target: self.target(step, name)? },
            FaultName::Kill => Fault::Kill { target: self.target(step, name)? },
            FaultName::Crash => Fault::Crash { target: self.target(step, name)? },
            FaultName::Pause => Fault::Pause { target: self.target(step, name)? },
            FaultName::ClientsCut if step.target.is_some() => Fault::ClientsCut { target: self.target(step, name)? },
            FaultName::ClientsCut => Fault::ClientsCut { target: self.leader(step)? },
            FaultName::LeaderIsolated => Fault::PartitionOne { target: self.leader(step)? },
            FaultName::LeaderMinority => {
                let others = (self.nodes.len().saturating_sub(1) / 2).saturating_sub(1);
                Fault::PartitionSide { target: Target::WithLeader { others, order: self.order(step)? } }
            }
            FaultName::FollowerMinority => {
                let count = (self.nodes.len().saturating_sub(1) / 2).max(1);
                Fault::PartitionSide { target: Target::Followers { count, order: self.order(step)? } }
            }
            FaultName::KillLeader => Fault::Kill { target: self.leader(step)? },
            FaultName::CrashLeader => Fault::Crash { target: self.leader(step)? },
            FaultName::PauseLeader => Fault::Pause { target: self.leader(step)? },
            FaultName::PartitionHalves => Fault::PartitionHalves { side: self.side(step, name)? },
            FaultName::Bridge => {
                let bridge = self.needs(&step.bridge, name, "bridge = \"n1\"")?;
                let bridge = self.node(bridge.get_ref(), &bridge.span())?;
                Fault::Bridge { bridge, side: self.side(step, name)? }
            }
            FaultName::PartitionRing => Fault::PartitionRing { order: self.order(step)? },
            FaultName::PartitionRandom => Fault::PartitionMatrix { links: self.links(step, name)? },
            FaultName::Stop => Fault::Stop { target: self.target(step, name)? },
            FaultName::CrashLoop => Fault::CrashLoop { target: self.target(step, name)? },
            FaultName::CpuThrottle | FaultName::MemoryLimit | FaultName::DescriptorLimit => {
                Fault::Resources { target: self.target(step, name)?, shortage: self.shortage(step, fault)? }
            }
            FaultName::Wipe => Fault::Wipe { target: self.target(step, name)? },
            FaultName::Rollback => Fault::Rollback { target: self.target(step, name)? },
            FaultName::FileDamage => {
                Fault::FileDamage { target: self.target(step, name)?, damage: self.file_damage(step)? }
            }
            FaultName::Slow => self.link(step, LinkKind::Slow)?,
            FaultName::Jitter => self.link(step, LinkKind::Jitter)?,
            FaultName::Lossy => self.link(step, LinkKind::Lossy)?,
            FaultName::Duplicate => self.link(step, LinkKind::Duplicate)?,
            FaultName::Reorder => self.link(step, LinkKind::Reorder)?,
            FaultName::Corrupt => self.link(step, LinkKind::Corrupt)?,
            FaultName::CorruptUnnoticed => self.link(step, LinkKind::CorruptUnnoticed)?,
            FaultName::RateLimit => self.link(step, LinkKind::RateLimit)?,
            FaultName::Hold => self.link(step, LinkKind::Hold)?,
            FaultName::Reset => self.link(step, LinkKind::Reset)?,
            FaultName::Flapping => self.link(step, LinkKind::Flapping)?,
            FaultName::PowerCut => Fault::PowerCut { target: self.target(step, name)?, cut: self.power_cut(step)? },
            FaultName::ClockJump
            | FaultName::ClockDrift
            | FaultName::ClockStrobe
            | FaultName::ClockFreeze
            | FaultName::ClockMonotonicJump
            | FaultName::ClockMonotonicDrift
            | FaultName::ClockMonotonicFreeze => {
                Fault::Clock { target: self.target(step, name)?, change: self.clock(step, fault, name)? }
            }
            FaultName::DiskError
            | FaultName::DiskFull
            | FaultName::DiskSlow
            | FaultName::DiskHang
            | FaultName::LyingFsync
            | FaultName::Fsyncgate
            | FaultName::BitFlips
            | FaultName::MisdirectedRead
            | FaultName::MisdirectedWrite
            | FaultName::StaleRead => {
                Fault::Disk { target: self.target(step, name)?, misbehaves: self.disk(step, fault)? }
            }
        })
    }

    /// Of a group, its members; of a name that is nearly right, the right one.
    fn no_fault(&self, name: &Spanned<String>, unknown: &crate::fault::UnknownFault) -> ScheduleError {
        let given = name.get_ref();
        if let Some(group) = registry::GROUPS.iter().find(|group| group.name == given) {
            let members: Vec<&str> = group.members.iter().map(|fault| fault.as_str()).collect();
            let what = format!("'{given}' is a group of faults, and a step injects one");
            let remedy = match members.is_empty() {
                true => "leave the step away".to_owned(),
                false => format!("name one of {}", members.join(", ")),
            };
            return self.error(name.span(), what, &remedy);
        }
        let distance = |fault: &&str| strsim::osa_distance(given, fault);
        let nearest = FaultName::ALL.map(FaultName::as_str).into_iter().min_by_key(distance);
        let remedy = match nearest.filter(|fault| distance(fault) <= 2) {
            Some(near) => format!("did you mean '{near}'? `splitbrain list faults` shows all"),
            None => format!("faults are {}", fault_list()),
        };
        self.error(name.span(), unknown.to_string(), &remedy)
    }

    /// Refuses the fields of other faults.
    fn takes(&self, step: &RawStep, whose: &str, allowed: &[&str]) -> Result<(), ScheduleError> {
        for (field, span) in step.particulars() {
            if let (Some(span), false) = (span, allowed.contains(&field)) {
                let remedy = match allowed {
                    [] => format!("it takes none of these; remove `{field}`"),
                    allowed => format!("it takes {}", allowed.join(" and ")),
                };
                return Err(self.error(span, format!("{whose} takes no `{field}`"), &remedy));
            }
        }
        Ok(())
    }

    fn needs<'r, T>(
        &self,
        field: &'r Option<Spanned<T>>,
        fault: &Spanned<String>,
        example: &str,
    ) -> Result<&'r Spanned<T>, ScheduleError> {
        field.as_ref().ok_or_else(|| {
            let what = format!("{} does not say where", fault.get_ref());
            self.error(fault.span(), what, &format!("add {example}"))
        })
    }

    fn target(&self, step: &RawStep, fault: &Spanned<String>) -> Result<Target, ScheduleError> {
        let target = self.needs(&step.target, fault, "target = \"n1\", [\"n1\", \"n2\"], \"leader\" or \"all\"")?;
        self.names(step, target)
    }

    fn names(&self, step: &RawStep, target: &Spanned<Names>) -> Result<Target, ScheduleError> {
        match target.get_ref() {
            Names::One(name) if name == "leader" => self.leader(step),
            Names::One(name) if name == "all" => Ok(Target::All),
            Names::One(name) if name == "follower" || name == "followers" => {
                let order: Vec<usize> = (0..self.nodes.len()).collect();
                let count = if name == "follower" { 1 } else { order.len().saturating_sub(1) };
                Ok(Target::Followers { count, order })
            }
            Names::One(name) => self.node(name, &target.span()).map(Target::Node),
            Names::Several(names) => self.node_list(names, &target.span()).map(Target::Nodes),
        }
    }

    /// The leader, or the node given as `fallback`, or the first.
    fn leader(&self, step: &RawStep) -> Result<Target, ScheduleError> {
        let fallback = step.fallback.as_ref().map(|name| self.node(name.get_ref(), &name.span())).transpose()?;
        Ok(Target::Leader { fallback: fallback.unwrap_or(0) })
    }

    fn side(&self, step: &RawStep, fault: &Spanned<String>) -> Result<Vec<usize>, ScheduleError> {
        let side = self.needs(&step.side, fault, "side = [\"n1\", \"n2\"]")?;
        self.node_list(side.get_ref(), &side.span())
    }

    fn order(&self, step: &RawStep) -> Result<Vec<usize>, ScheduleError> {
        let Some(order) = &step.order else { return Ok((0..self.nodes.len()).collect()) };
        let nodes = self.node_list(order.get_ref(), &order.span())?;
        if nodes.len() != self.nodes.len() {
            let what = format!("`order` has {} of {} nodes", nodes.len(), self.nodes.len());
            return Err(self.error(order.span(), what, "name every node once, or leave `order` away"));
        }
        Ok(nodes)
    }

    fn links(&self, step: &RawStep, fault: &Spanned<String>) -> Result<Vec<(usize, usize)>, ScheduleError> {
        let links = self.needs(&step.links, fault, "links = [[\"n1\", \"n2\"]], from and to")?;
        let span = links.span();
        let pair = |(from, to): &(String, String)| Ok((self.node(from, &span)?, self.node(to, &span)?));
        links.get_ref().iter().map(pair).collect()
    }

    fn node_list(&self, names: &[String], span: &Range<usize>) -> Result<Vec<usize>, ScheduleError> {
        let nodes: Vec<usize> = names.iter().map(|name| self.node(name, span)).collect::<Result<_, _>>()?;
        let twice = (1..nodes.len()).find(|later| nodes[..*later].contains(&nodes[*later]));
        match twice {
            Some(position) => {
                let what = format!("'{}' is named twice", names[position]);
                Err(self.error(span.clone(), what, "name each node once"))
            }
            None => Ok(nodes),
        }
    }

    fn node(&self, name: &str, span: &Range<usize>) -> Result<usize, ScheduleError> {
        self.nodes.iter().position(|node| node == name).ok_or_else(|| {
            let remedy = match self.nodes {
                [] => "the cluster has no nodes".to_owned(),
                [only] => format!("the only node is {only}"),
                [first, .., last] => format!("the nodes are {first} to {last}"),
            };
            self.error(span.clone(), format!("no node is called '{name}'"), &remedy)
        })
    }
}

fn position_of(name: &str, steps: &[Spanned<RawStep>]) -> Option<usize> {
    steps.iter().position(|step| step.get_ref().name.as_ref().is_some_and(|other| other.get_ref() == name))
}

/// What a step with this fault may say about where and how much.
fn fields(fault: FaultName) -> &'static [&'static str] {
    match fault {
        FaultName::PartitionOne | FaultName::OneWay | FaultName::ClientsCut => &["target", "fallback"],
        FaultName::Kill | FaultName::Crash | FaultName::Pause | FaultName::Stop => &["target", "fallback"],
        FaultName::LeaderIsolated | FaultName::KillLeader | FaultName::CrashLeader | FaultName::PauseLeader => {
            &["fallback"]
        }
        FaultName::PartitionHalves => &["side"],
        FaultName::PartitionRing | FaultName::LeaderMinority | FaultName::FollowerMinority => &["order"],
        FaultName::Bridge => &["bridge", "side"],
        FaultName::PartitionRandom => &["links"],
        FaultName::Slow => &["target", "fallback", "peers", "direction", "delay"],
        FaultName::Jitter => {
            &["target", "fallback", "peers", "direction", "delay", "jitter", "shape", "correlation", "in-order"]
        }
        FaultName::Lossy => &["target", "fallback", "peers", "direction", "loss", "correlation"],
        FaultName::Duplicate => &["target", "fallback", "peers", "direction", "duplicate"],
        FaultName::Reorder => &["target", "fallback", "peers", "direction", "reorder", "reorder-by"],
        FaultName::Corrupt | FaultName::CorruptUnnoticed => &["target", "fallback", "peers", "direction", "corrupt"],
        FaultName::RateLimit => &["target", "fallback", "peers", "direction", "rate-bytes", "burst-bytes"],
        FaultName::Hold | FaultName::Reset => &["target", "fallback", "peers", "direction"],
        FaultName::Flapping => &["target", "fallback", "peers", "direction", "down", "up"],
        FaultName::PowerCut => &["target", "fallback", "mode", "keep", "seed"],
        FaultName::CrashLoop | FaultName::Wipe | FaultName::Rollback => &["target", "fallback"],
        FaultName::CpuThrottle => &["target", "fallback", "cpu"],
        FaultName::MemoryLimit => &["target", "fallback", "headroom-bytes"],
        FaultName::DescriptorLimit => &["target", "fallback", "headroom"],
        FaultName::FileDamage => &["target", "fallback", "damage", "path", "count", "seed"],
        FaultName::ClockJump => &["target", "fallback", "by"],
        FaultName::ClockDrift => &["target", "fallback", "ppm"],
        FaultName::ClockStrobe => &["target", "fallback", "by", "period"],
        FaultName::ClockFreeze | FaultName::ClockMonotonicFreeze => &["target", "fallback"],
        FaultName::ClockMonotonicJump => &["target", "fallback", "by"],
        FaultName::ClockMonotonicDrift => &["target", "fallback", "ppm"],
        FaultName::DiskError => {
            &["target", "fallback", "error", "operations", "path", "probability", "at-most", "seed"]
        }
        FaultName::DiskFull => &["target", "fallback", "path"],
        FaultName::DiskSlow => {
            &["target", "fallback", "delay", "jitter", "operations", "path", "probability", "at-most", "seed"]
        }
        FaultName::DiskHang => &["target", "fallback", "operations", "path"],
        FaultName::LyingFsync | FaultName::Fsyncgate => {
            &["target", "fallback", "path", "probability", "at-most", "seed"]
        }
        FaultName::BitFlips => &["target", "fallback", "bits", "path", "probability", "at-most", "seed"],
        FaultName::MisdirectedRead | FaultName::MisdirectedWrite | FaultName::StaleRead => {
            &["target", "fallback", "path", "probability", "at-most", "seed"]
        }
    }
}

fn fault_list() -> String {
    FaultName::ALL.map(FaultName::as_str).join(", ")
}
