//! What can be wrong with a specimen on purpose.
//!
//! A planted bug is a visible branch where the correct line stands, switched on by its name (`--bug ack-before-sync-copy`), which says
//! what is wrong. It breaks something that the contract of its configuration promises; it has a witness, a schedule that shows it, and the
//! specimen without it passes the same schedule.

use histories::Guarantee;

/// A planted bug, for whoever lists, searches or scores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BugSpec {
    /// What is wrong, in a few words joined by hyphens.
    pub name: &'static str,
    /// One sentence: the mechanism.
    pub about: &'static str,
    /// The promise that it breaks.
    pub breaks: Guarantee,
    /// Other promises whose violation shows it as well.
    pub also: &'static [Guarantee],
    /// How many faults it takes, and whether they must meet an exact moment.
    pub tier: Tier,
    /// The schedule that shows it, with the configuration that it needs: a TOML file.
    pub witness: &'static str,
}

/// What it takes to see a planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Ordinary concurrency.
    NoFault,
    /// One fault.
    OneFault,
    /// Two faults.
    TwoFaults,
    /// Three events or more, in order.
    Sequence,
    /// An exact moment: a failpoint.
    Moment,
}

impl Tier {
    /// All of them, the easiest first.
    pub const ALL: [Tier; 5] = [Tier::NoFault, Tier::OneFault, Tier::TwoFaults, Tier::Sequence, Tier::Moment];

    /// A word for tables.
    pub fn name(self) -> &'static str {
        match self {
            Tier::NoFault => "no-fault",
            Tier::OneFault => "one-fault",
            Tier::TwoFaults => "two-faults",
            Tier::Sequence => "sequence",
            Tier::Moment => "moment",
        }
    }
}

/// The bug that is switched on in one node or client, if any. `B` is the specimen's own enumeration of its bugs.
#[derive(Clone, Copy, Debug)]
pub struct Planted<B>(Option<B>);

impl<B> Default for Planted<B> {
    fn default() -> Self {
        Planted(None)
    }
}

impl<B: Copy + PartialEq> Planted<B> {
    /// This one.
    pub fn one(bug: B) -> Self {
        Planted(Some(bug))
    }

    /// Whether it is this one.
    pub fn is(self, bug: B) -> bool {
        self.0 == Some(bug)
    }
}
