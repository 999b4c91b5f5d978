//! A specimen as a system that the harness can test.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use histories::Operation;
use serde_json::Value as Json;

use super::bugs::BugSpec;
use super::client::{self, ErrandClient};
use super::errand::{Manners, Route};
use super::node::{self, NodeConfig};
use super::process::{self, NodeArgs};
use super::settings::Failpoints;
use super::wire::{Reply, Request};
use super::{Protocol, State};
use crate::contract::{Contract, Core};
use crate::dial::{BoxFuture, Dial};
use crate::system::{
    Client, ClientContext, Cluster, Function, NodeCommand, NodeContext, OptionSpec, Options, OptionsError, Probe, Role,
    System,
};

/// Nodes listen here, for each other and for clients.
pub const PORT: u16 = 7000;

/// The settings of a specimen.
pub type Settings<S> = <<S as Specimen>::Protocol as Protocol>::Settings;

/// Who asks, as far as the way to its node depends on that.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Its session.
    pub session: u32,
    /// The node that it should prefer, as a load balancer would spread clients.
    pub preferred: usize,
    /// How many nodes there are.
    pub count: usize,
}

/// What makes a protocol a system: its name, settings, promises and clients.
pub trait Specimen: Send + Sync + 'static {
    /// What its nodes run.
    type Protocol: Protocol<Settings: Send + Sync>;

    /// Name, as in `splitbrain test raft`.
    const NAME: &'static str;
    /// One sentence.
    const ABOUT: &'static str;
    /// Its settings; [`Failpoints::OPTION`] among them.
    const OPTIONS: &'static [OptionSpec];
    /// What can be wrong with it on purpose.
    const BUGS: &'static [BugSpec] = &[];
    /// What workloads may ask of it.
    const FUNCTIONS: &'static [Function];

    /// Understands options, or says what is wrong with them.
    fn settings(options: &Options) -> Result<Settings<Self>, OptionsError>;

    /// What this configuration promises.
    fn contract(settings: &Settings<Self>, node_count: usize) -> Contract;

    /// Which nodes suffice for this configuration to go on while the others are gone for good.
    fn core(_: &Settings<Self>, node_count: usize) -> Core {
        Core::majority(node_count)
    }

    /// How its clients behave.
    fn manners(settings: &Settings<Self>) -> Manners;

    /// Which node an operation goes to.
    fn route(settings: &Settings<Self>, asker: Asker, operation: &Operation) -> Route;

    /// Makes a client, where [`Specimen::route`] and [`Specimen::manners`] cannot say what it does.
    fn client(context: ClientContext, settings: Settings<Self>) -> Box<dyn Client> {
        errand_client::<Self>(context, settings)
    }
}

/// The client that asks whom [`Specimen::route`] says, by [`Specimen::manners`].
pub fn errand_client<S: Specimen + ?Sized>(context: ClientContext, settings: Settings<S>) -> Box<dyn Client> {
    let nodes: Vec<SocketAddr> = context.cluster.nodes.iter().map(|(_, ip)| SocketAddr::new(*ip, PORT)).collect();
    let asker = Asker { session: context.session, preferred: context.preferred % nodes.len(), count: nodes.len() };
    let manners = S::manners(&settings);
    let routing = Box::new(move |operation: &Operation| S::route(&settings, asker, operation));
    Box::new(ErrandClient::new(context, nodes, manners, routing))
}

/// A specimen, bundled.
#[derive(Debug)]
pub struct Bundled<S>(PhantomData<fn() -> S>);

impl<S> Default for Bundled<S> {
    fn default() -> Self {
        Bundled(PhantomData)
    }
}

impl<S: Specimen> Bundled<S> {
    /// The hidden subcommand: runs a node until it is told to stop. Returns the exit code of the process.
    pub fn main(args: &[String]) -> i32 {
        let parsed = NodeArgs::parse(&Self::default(), args).and_then(|args| {
            let settings = S::settings(&args.options)?;
            Ok((Failpoints::new(&args.options)?, settings, args))
        });
        let (failpoints, settings, args) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                eprintln!("error: {error}");
                return 254;
            }
        };
        let NodeArgs { seat, peers, data, notes, .. } = args;
        let failpoints = failpoints.of(&seat.names[seat.me]);
        let listen = peers[seat.me];
        let system = S::NAME;
        let config = NodeConfig { system, seat, peers, listen, data, settings, failpoints, notes: notes.clone() };
        process::exit_code(&notes, node::run::<S::Protocol>(config, process::on_sigterm(), |_| ()))
    }
}

fn settings<S: Specimen>(options: &Options) -> Settings<S> {
    S::settings(options).expect("options were validated when they were made")
}

fn address(cluster: &Cluster, node: usize) -> Option<SocketAddr> {
    Some(SocketAddr::new(cluster.nodes.get(node)?.1, PORT))
}

fn probe_of(state: State) -> Probe {
    let role = match state.leads {
        Some(true) => Role::Leader,
        Some(false) => Role::Follower,
        None => Role::Unknown,
    };
    Probe { ready: state.ready, role, epoch: state.epoch, position: state.position, duty: Some(state.role) }
}

impl<S: Specimen> System for Bundled<S> {
    fn name(&self) -> &str {
        S::NAME
    }

    fn about(&self) -> &str {
        S::ABOUT
    }

    fn options(&self) -> &[OptionSpec] {
        S::OPTIONS
    }

    fn bugs(&self) -> &[BugSpec] {
        S::BUGS
    }

    fn validate(&self, options: &Options) -> Result<(), OptionsError> {
        Failpoints::new(options)?;
        S::settings(options).map(|_| ())
    }

    fn functions(&self) -> &[Function] {
        S::FUNCTIONS
    }

    fn node(&self, context: &NodeContext, options: &Options) -> NodeCommand {
        process::command(S::NAME, PORT, context, options)
    }

    fn client_address(&self, node: IpAddr) -> SocketAddr {
        SocketAddr::new(node, PORT)
    }

    fn probe<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Probe>> {
        Box::pin(async move {
            match client::ask_once(address(cluster, node)?, dial, timeout, &Request::Probe {}).await? {
                Reply::Probe(state) => Some(probe_of(state)),
                _ => None,
            }
        })
    }

    fn dump<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Json>> {
        Box::pin(async move { client::dump(address(cluster, node)?, dial, timeout).await })
    }

    fn order<'a>(
        &'a self,
        node: usize,
        words: &'a [String],
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Result<String, String>>> {
        Box::pin(async move {
            match client::ask_once(address(cluster, node)?, dial, timeout, &Request::Order(words.to_vec())).await? {
                Reply::Order(result) => Some(result),
                _ => None,
            }
        })
    }

    fn client(&self, context: ClientContext, options: &Options) -> Box<dyn Client> {
        S::client(context, settings::<S>(options))
    }

    fn contract(&self, options: &Options, node_count: usize) -> Contract {
        S::contract(&settings::<S>(options), node_count)
    }

    fn core(&self, options: &Options, node_count: usize) -> Core {
        S::core(&settings::<S>(options), node_count)
    }
}
