//! Settings as text, understood.

use std::time::Duration;

use crate::system::{OptionSpec, Options, OptionsError};

/// Microseconds of a time such as `500ms` or `2s`.
pub fn duration(options: &Options, name: &str) -> Result<u64, OptionsError> {
    let text = options.get(name);
    let parsed = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().ok().and_then(|n: u64| n.checked_mul(1_000)),
        (_, Some(seconds)) => seconds.parse().ok().and_then(|n: u64| n.checked_mul(1_000_000)),
        _ => None,
    };
    // An hour is longer than any run; more would only overflow somewhere.
    parsed.filter(|us| (1_000..=3_600_000_000).contains(us)).ok_or_else(|| OptionsError::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        expected: "a time from 1ms to 3600s, such as 500ms or 2s".to_owned(),
    })
}

/// A number of things, at least one.
pub fn count(options: &Options, name: &str) -> Result<u64, OptionsError> {
    let text = options.get(name);
    text.parse().ok().filter(|n| (1..=10_000_000).contains(n)).ok_or_else(|| OptionsError::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        expected: "a number from 1 to 10000000".to_owned(),
    })
}

/// `on` or `off`, for an option with these choices.
pub fn switch(options: &Options, name: &str) -> bool {
    options.get(name) == "on"
}

/// Moments at which nodes are to stand still, so that a schedule can strike exactly there: `[NODE:]NAME[@N][=HOLD]`, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failpoints(Vec<Failpoint>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failpoint {
    node: Option<String>,
    name: String,
    /// Only the so-manieth time.
    nth: Option<u64>,
    hold: Duration,
}

impl Failpoint {
    /// Records are about to be written and flushed.
    pub const BEFORE_FLUSH: &'static str = "before-flush";
    /// Records are on the disk, and nobody knows yet.
    pub const AFTER_FLUSH: &'static str = "after-flush";
    /// How long a node stands still if nothing is said.
    const HOLD: Duration = Duration::from_millis(300);

    fn parse(text: &str) -> Option<Failpoint> {
        let (rest, hold) = match text.split_once('=') {
            Some((rest, hold)) => (rest, Duration::from_millis(hold.strip_suffix("ms")?.parse().ok()?)),
            None => (text, Failpoint::HOLD),
        };
        let (rest, nth) = match rest.split_once('@') {
            Some((rest, nth)) => (rest, Some(nth.parse().ok().filter(|nth| *nth > 0)?)),
            None => (rest, None),
        };
        let (node, name) = match rest.split_once(':') {
            Some((node, name)) => (Some(node.to_owned()), name.to_owned()),
            None => (None, rest.to_owned()),
        };
        (!name.is_empty()).then_some(Failpoint { node, name, nth, hold })
    }
}

impl Failpoints {
    /// The option that every specimen has.
    pub const OPTION: OptionSpec = OptionSpec {
        name: "failpoint",
        default: "none",
        choices: &[],
        help: "where nodes say so and stand still: [NODE:]NAME[@N][=HOLD], such as n1:before-flush@3=500ms; several with commas",
    };

    /// Understands the option.
    pub fn new(options: &Options) -> Result<Failpoints, OptionsError> {
        let text = options.get(Self::OPTION.name);
        if text == Self::OPTION.default {
            return Ok(Failpoints::default());
        }
        let all: Option<Vec<Failpoint>> = text.split(',').map(|one| Failpoint::parse(one.trim())).collect();
        all.map(Failpoints).ok_or_else(|| OptionsError::Value {
            name: Self::OPTION.name.to_owned(),
            value: text.to_owned(),
            expected: "[NODE:]NAME[@N][=HOLD], such as n1:before-flush@3=500ms".to_owned(),
        })
    }

    /// Those of one node.
    pub fn of(&self, node: &str) -> Failpoints {
        let here = |one: &&Failpoint| one.node.as_deref().is_none_or(|of| of == node);
        Failpoints(self.0.iter().filter(here).cloned().collect())
    }

    /// How long to stand still at this moment, which is reached for the `count`th time.
    pub fn hold(&self, name: &str, count: u64) -> Option<Duration> {
        let here = |one: &&Failpoint| one.name == name && one.nth.is_none_or(|nth| nth == count);
        self.0.iter().find(here).map(|one| one.hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failpoints_are_of_a_node_a_name_and_a_time() {
        let parse = |text: &str| Failpoints(text.split(',').filter_map(Failpoint::parse).collect());
        let all = parse("n1:a@3=500ms,b");
        assert_eq!(all.of("n1").hold("a", 3), Some(Duration::from_millis(500)));
        assert_eq!((all.of("n1").hold("a", 2), all.of("n2").hold("a", 3)), (None, None));
        assert_eq!(all.of("n2").hold("b", 7), Some(Failpoint::HOLD));
        for wrong in ["", "n1:", "a@0", "a@x", "a=3", "a=xms"] {
            assert_eq!(Failpoint::parse(wrong), None, "{wrong}");
        }
    }
}
