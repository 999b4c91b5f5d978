//! Multi-leader replication as a system that the harness can test.

use std::net::SocketAddr;

use histories::Operation;

use super::bugs::BUGS;
use super::offline::OfflineClient;
use super::options::{Conflicts, OPTIONS, Settings};
use super::promises;
use super::site::Site;
use super::writing::{home, written_keys};
use crate::contract::Contract;
use crate::parts::json::Item;
use crate::specimen::bundle::{Asker, PORT, errand_client};
use crate::specimen::errand::Manners;
use crate::specimen::{BugSpec, Route, Specimen, mix};
use crate::system::{Client, ClientContext, Function, OptionSpec, Options, OptionsError};

/// See the [module](super).
#[derive(Debug)]
pub struct MultiLeader;

impl Specimen for MultiLeader {
    type Protocol = Site;
    const NAME: &'static str = "multi-leader";
    const ABOUT: &'static str = "several leaders that take writes for themselves and pass them on: topologies, conflicts and what becomes of them";
    const OPTIONS: &'static [OptionSpec] = OPTIONS;
    const BUGS: &'static [BugSpec] = BUGS;
    const FUNCTIONS: &'static [Function] = &[
        Function::Read,
        Function::Write,
        Function::Cas,
        Function::Append,
        Function::Add,
        Function::Increment,
        Function::Txn,
    ];

    fn settings(options: &Options) -> Result<Settings, OptionsError> {
        Settings::new(options)
    }

    fn contract(settings: &Settings, node_count: usize) -> Contract {
        promises::contract(settings, node_count)
    }

    /// A leader knows a request that it has executed; another leader may not know it yet.
    fn manners(settings: &Settings) -> Manners {
        Manners { asks_again: !settings.roaming, carries: true }
    }

    fn route(settings: &Settings, asker: Asker, operation: &Operation) -> Route {
        let leaders = settings.leader_count(asker.count);
        let update = operation.is_update();
        let leader = match first_key(operation).filter(|_| settings.conflicts == Conflicts::Avoidance) {
            Some(key) => home(&key, leaders),
            None if settings.roaming => return Route::Any,
            None => near(settings, asker.session, asker.count),
        };
        let follower = settings.follower_of(leader, asker.count).filter(|_| settings.read_from_follower && !update);
        Route::Node(follower.unwrap_or(leader))
    }

    fn client(context: ClientContext, settings: Settings) -> Box<dyn Client> {
        if !settings.offline {
            return errand_client::<Self>(context, settings);
        }
        let nodes = &context.cluster.nodes;
        let leader = near(&settings, context.session, nodes.len());
        let address = SocketAddr::new(nodes[leader].1, PORT);
        Box::new(OfflineClient::new(context, &settings, leader, address))
    }
}

/// The leader of the datacentre that a session lives in: drawn for each session, so that those of one workload live in different ones.
fn near(settings: &Settings, session: u32, nodes: usize) -> usize {
    settings.leader_of((mix(u64::from(session)) % nodes as u64) as usize, nodes)
}

/// The key that decides where an operation goes: one that it writes, if it writes any.
fn first_key(operation: &Operation) -> Option<Item> {
    let read = || match operation {
        Operation::Txn(micros) => micros.first().map(|micro| Item(micro.key().clone())),
        other => other.key().cloned().map(Item),
    };
    written_keys(operation).into_iter().next().or_else(read)
}
