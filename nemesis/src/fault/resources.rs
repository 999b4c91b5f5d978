//! Processes that get less than they could use, and what comes of several shortages on one node.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hosts::ResourceLimits;

/// What is scarce. How it is made so, [`hosts::resources`](crate::hosts::resources) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortage {
    /// The processor: all processes stand still for the rest of the time.
    Cpu {
        /// Share of the time in which they run, 1 to 99.
        percent: u8,
    },
    /// Memory: each process may have so much more than it has.
    Memory {
        /// Bytes.
        headroom: u64,
    },
    /// Descriptors: each process may open so many more than it has open.
    Descriptors {
        /// How many.
        headroom: u64,
    },
}

impl Shortage {
    /// What a node gets that suffers all these: the least of each.
    pub fn together<'a>(shortages: impl IntoIterator<Item = &'a Shortage>) -> ResourceLimits {
        fn least<T: Ord>(so_far: &mut Option<T>, another: T) {
            *so_far = Some(so_far.take().into_iter().fold(another, T::min));
        }
        let mut limits = ResourceLimits::default();
        for shortage in shortages {
            match *shortage {
                Shortage::Cpu { percent } => least(&mut limits.cpu_percent, percent),
                Shortage::Memory { headroom } => least(&mut limits.memory_headroom, headroom),
                Shortage::Descriptors { headroom } => least(&mut limits.descriptor_headroom, headroom),
            }
        }
        limits
    }
}

/// For people: `20 % of the time`, `16777216 bytes more`, `10 descriptors more`.
impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shortage::Cpu { percent } => write!(f, "{percent} % of the time"),
            Shortage::Memory { headroom } => write!(f, "{headroom} bytes more"),
            Shortage::Descriptors { headroom } => write!(f, "{headroom} descriptors more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_shortages_the_worst_counts() {
        let (some, few) = (Shortage::Descriptors { headroom: 9 }, Shortage::Descriptors { headroom: 2 });
        let slow = Shortage::Cpu { percent: 7 };
        assert_eq!(Shortage::together([]), ResourceLimits::default());
        let limits = Shortage::together([&some, &slow, &few, &Shortage::Cpu { percent: 50 }]);
        assert_eq!((limits.cpu_percent, limits.memory_headroom, limits.descriptor_headroom), (Some(7), None, Some(2)));
    }
}
