//! The hidden subcommand that is a node:
//! `splitbrain __node raft --id n1 --peers n1=10.77.0.1:7000,… --data DIR --set heartbeat=50ms …`.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::Seat;
use super::node::Notes;
use crate::system::{NodeCommand, NodeContext, Options, OptionsError, System};

/// What is wrong with the arguments.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("unknown argument '{0}'")]
    Unknown(String),
    #[error("{0} needs a value")]
    NoValue(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("'{0}' is not NAME=ADDRESS:PORT")]
    Peer(String),
    #[error("'{0}' is not KEY=VALUE")]
    Setting(String),
    #[error("no node is named '{0}'")]
    Id(String),
    #[error(transparent)]
    Options(#[from] OptionsError),
}

/// The arguments of a node, understood.
pub(crate) struct NodeArgs {
    pub(crate) seat: Seat,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) data: PathBuf,
    pub(crate) options: Options,
    pub(crate) notes: Notes,
}

impl NodeArgs {
    pub(crate) fn parse(system: &dyn System, args: &[String]) -> Result<NodeArgs, ArgsError> {
        let (mut id, mut peers, mut data, mut set) = (None, None, None, Vec::new());
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| ArgsError::NoValue(arg.clone()));
            match arg.as_str() {
                "--id" => id = Some(value()?),
                "--peers" => peers = Some(value()?),
                "--data" => data = Some(PathBuf::from(value()?)),
                "--set" => {
                    let setting = value()?;
                    let (name, to) = setting.split_once('=').ok_or_else(|| ArgsError::Setting(setting.clone()))?;
                    set.push((name.to_owned(), to.to_owned()));
                }
                _ => return Err(ArgsError::Unknown(arg.clone())),
            }
        }
        let id = id.ok_or(ArgsError::Missing("--id"))?;
        let (names, peers) = parse_peers(&peers.ok_or(ArgsError::Missing("--peers"))?)?;
        let me = names.iter().position(|name| *name == id).ok_or_else(|| ArgsError::Id(id.clone()))?;
        let options = Options::new(system, &set)?;
        let data = data.ok_or(ArgsError::Missing("--data"))?;
        Ok(NodeArgs { seat: Seat { me, names }, peers, data, options, notes: to_stderr(id) })
    }
}

/// Lines with the time of day and the node's name, on standard error.
fn to_stderr(id: String) -> Notes {
    Arc::new(move |line: &str| {
        // One write per line: several nodes may share a terminal.
        let line = format!("{} {id} {line}\n", time_of_day());
        let _ = std::io::stderr().write_all(line.as_bytes());
    })
}

/// The command that starts a node whose arguments [`NodeArgs::parse`] understands.
pub(crate) fn command(system: &str, port: u16, context: &NodeContext, options: &Options) -> NodeCommand {
    let nodes = context.cluster.nodes.iter();
    let peers: Vec<String> = nodes.map(|(name, ip)| format!("{name}={}", SocketAddr::new(*ip, port))).collect();
    let mut argv = vec![context.own_program.display().to_string(), "__node".to_owned(), system.to_owned()];
    argv.extend(["--id".to_owned(), context.name.clone()]);
    argv.extend(["--peers".to_owned(), peers.join(",")]);
    argv.extend(["--data".to_owned(), context.data_dir.display().to_string()]);
    for (name, value) in options.iter() {
        argv.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    NodeCommand { argv, ..NodeCommand::default() }
}

/// What a node's process returns: 0 after SIGTERM, 1 when it could not go on, 254 when the arguments are wrong.
pub(crate) fn exit_code<E: Error>(notes: &Notes, result: Result<(), E>) -> i32 {
    let Err(error) = result else { return 0 };
    let mut line = format!("stopping: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        line.push_str(&format!(": {source}"));
        cause = source.source();
    }
    notes(&line);
    1
}

/// Is dropped when the process gets SIGTERM.
pub(crate) fn on_sigterm() -> oneshot::Receiver<()> {
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let waited = runtime.and_then(|runtime| {
            runtime.block_on(async {
                let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
                signal.recv().await;
                Ok(())
            })
        });
        match waited {
            Ok(()) => drop(stop),
            // Cannot listen for it: then the signal ends the process by itself.
            Err(_) => std::mem::forget(stop),
        }
    });
    stopped
}

fn parse_peers(text: &str) -> Result<(Vec<String>, Vec<SocketAddr>), ArgsError> {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for peer in text.split(',') {
        let wrong = || ArgsError::Peer(peer.to_owned());
        let (name, address) = peer.split_once('=').ok_or_else(wrong)?;
        names.push(name.to_owned());
        addresses.push(address.parse().map_err(|_| wrong())?);
    }
    Ok((names, addresses))
}

/// By the node's own clock, which may be wrong: that is for whoever reads the log to see.
fn time_of_day() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let (seconds, millis) = (millis / 1000 % 86_400, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
