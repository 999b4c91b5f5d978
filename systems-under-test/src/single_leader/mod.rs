//! Single-leader replication.

pub mod client;
pub mod disk;
pub mod node;
pub mod options;
mod process;
mod promises;
pub mod replica;
pub mod wire;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value as Json;
use tokio_util::bytes::BytesMut;

use self::client::{ClientConfig, Link, SingleLeaderClient};
use self::options::{SPECS, Settings};
use self::wire::{Reply, Request};
use crate::contract::Contract;
use crate::dial::{BoxFuture, Dial};
use crate::system::{
    Client, ClientContext, Cluster, Function, NodeCommand, NodeContext, OptionSpec, Options, OptionsError, Probe, Role,
    System,
};

pub(crate) use process::main;

/// Nodes listen here, for each other and for clients.
pub const PORT: u16 = 7000;

/// The name of the system.
pub const NAME: &str = "single-leader";

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleLeader;

impl SingleLeader {
    /// Asks a node to become leader, as an operator would. `None` when it does not answer within `timeout`, else
    /// whether it tries.
    pub async fn promote(&self, node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<bool> {
        let frame = ask(node, dial, timeout, &Request::Promote {}).await?;
        match serde_json::from_slice(&frame) {
            Ok(Reply::Promote(tries)) => Some(tries),
            _ => None,
        }
    }

    /// Asks the node at an address for its state.
    pub async fn probe_at(&self, node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<Probe> {
        let frame = ask(node, dial, timeout, &Request::Probe {}).await?;
        let Ok(Reply::Probe(state)) = serde_json::from_slice(&frame) else { return None };
        let role = if state.leads { Role::Leader } else { Role::Follower };
        Some(Probe { ready: state.ready, role, epoch: Some(state.epoch) })
    }

    /// Asks the node at an address for everything it holds.
    pub async fn dump_at(&self, node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<Json> {
        let frame = ask(node, dial, timeout, &Request::Dump {}).await?;
        let Ok(Reply::Dump(dump)) = serde_json::from_slice(&frame) else { return None };
        serde_json::from_str(dump.get()).ok()
    }
}

async fn ask(node: SocketAddr, dial: &dyn Dial, timeout: Duration, request: &Request<'_>) -> Option<BytesMut> {
    let exchange = async { Link::new(dial.dial(node).await.ok()?).ask(request).await.ok() };
    tokio::time::timeout(timeout, exchange).await.ok()?
}

fn address(cluster: &Cluster, node: usize) -> Option<SocketAddr> {
    Some(SocketAddr::new(cluster.nodes.get(node)?.1, PORT))
}

impl System for SingleLeader {
    fn name(&self) -> &str {
        NAME
    }

    fn about(&self) -> &str {
        "one leader takes all writes and ships its log to followers: asynchronously, synchronously or to one of them"
    }

    fn options(&self) -> &[OptionSpec] {
        SPECS
    }

    fn validate(&self, options: &Options) -> Result<(), OptionsError> {
        Settings::new(options).map(|_| ())
    }

    fn functions(&self) -> &[Function] {
        use Function::{Add, Append, Cas, Increment, Read, Txn, Write};
        &[Read, Write, Cas, Append, Add, Increment, Txn]
    }

    fn node(&self, context: &NodeContext, options: &Options) -> NodeCommand {
        let peers: Vec<String> =
            context.cluster.nodes.iter().map(|(name, ip)| format!("{name}={}", SocketAddr::new(*ip, PORT))).collect();
        let mut argv = vec![context.own_program.display().to_string(), "__node".to_owned(), NAME.to_owned()];
        argv.extend(["--id".to_owned(), context.name.clone()]);
        argv.extend(["--peers".to_owned(), peers.join(",")]);
        argv.extend(["--data".to_owned(), context.data_dir.display().to_string()]);
        for (name, value) in options.iter() {
            argv.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        NodeCommand { argv, ..NodeCommand::default() }
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
        Box::pin(async move { self.probe_at(address(cluster, node)?, dial, timeout).await })
    }

    fn dump<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Json>> {
        Box::pin(async move { self.dump_at(address(cluster, node)?, dial, timeout).await })
    }

    fn client(&self, context: ClientContext, options: &Options) -> Box<dyn Client> {
        let settings = Settings::new(options).expect("options were validated when they were made");
        Box::new(SingleLeaderClient::new(ClientConfig {
            nodes: context.cluster.nodes.iter().map(|(_, ip)| self.client_address(*ip)).collect(),
            dial: context.dial,
            session: context.session,
            preferred: context.preferred,
            timeout: context.timeout,
            read_from: settings.read_from,
            token: settings.token,
        }))
    }

    fn contract(&self, options: &Options, node_count: usize) -> Contract {
        let settings = Settings::new(options).expect("options were validated when they were made");
        promises::contract(&settings, node_count)
    }
}
