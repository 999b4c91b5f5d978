//! The system that the harness tests.

use histories::Operation;

use super::node::Leaderless;
use super::settings::{self, Settings};
use super::{bugs, promises};
use crate::contract::{Contract, Core};
use crate::specimen::bundle::Asker;
use crate::specimen::errand::Manners;
use crate::specimen::{BugSpec, Route, Specimen};
use crate::system::{Function, OptionSpec, Options, OptionsError};

/// See the [module](super).
#[derive(Debug)]
pub struct LeaderlessSystem;

impl Specimen for LeaderlessSystem {
    type Protocol = Leaderless;
    const NAME: &'static str = "leaderless";
    const ABOUT: &'static str =
        "no leader: every node coordinates, and quorums of the nodes that hold a key answer for it (Dynamo)";
    const OPTIONS: &'static [OptionSpec] = settings::OPTIONS;
    const BUGS: &'static [BugSpec] = bugs::SPECS;
    const FUNCTIONS: &'static [Function] =
        &[Function::Read, Function::Write, Function::Append, Function::Add, Function::Remove, Function::Increment];

    fn settings(options: &Options) -> Result<Settings, OptionsError> {
        Settings::new(options)
    }

    fn contract(settings: &Settings, node_count: usize) -> Contract {
        promises::contract(settings, node_count)
    }

    fn core(settings: &Settings, node_count: usize) -> Core {
        promises::core(settings, node_count)
    }

    /// No node knows a request that it has seen: an update of unknown outcome is not asked again. Sessions carry the latest moment that
    /// they have seen.
    fn manners(_: &Settings) -> Manners {
        Manners { asks_again: false, carries: true }
    }

    /// Any node will do.
    fn route(_: &Settings, _: Asker, _: &Operation) -> Route {
        Route::Any
    }
}
