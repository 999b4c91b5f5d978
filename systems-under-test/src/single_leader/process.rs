//! The hidden subcommand that is a node:
//! `splitbrain __node single-leader --id n1 --peers n1=10.77.0.1:7000,… --data DIR --set replication=async …`.

use std::error::Error as _;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::SingleLeader;
use super::node::{self, NodeConfig};
use super::options::Settings;
use crate::system::{Options, OptionsError};

/// What is wrong with the arguments.
#[derive(Debug, thiserror::Error)]
enum ArgsError {
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

/// Runs a node until it is told to stop. Returns the exit code: 0 after SIGTERM, 1 when it could not go on, 254 when
/// the arguments are wrong.
pub(crate) fn main(args: &[String]) -> i32 {
    let config = match parse(args) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return 254;
        }
    };
    let notes = config.notes.clone();
    match node::run(config, on_sigterm(), |_| ()) {
        Ok(()) => 0,
        Err(error) => {
            let mut line = format!("stopping: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                line.push_str(&format!(": {source}"));
                cause = source.source();
            }
            notes(&line);
            1
        }
    }
}

/// Is dropped when the process gets SIGTERM.
fn on_sigterm() -> oneshot::Receiver<()> {
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

fn parse(args: &[String]) -> Result<NodeConfig, ArgsError> {
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
    let settings = Settings::new(&Options::new(&SingleLeader, &set)?)?;
    let data = data.ok_or(ArgsError::Missing("--data"))?;
    // One write per line: several nodes may share a terminal.
    let notes = Arc::new(move |line: &str| {
        let line = format!(
            "{} {id} {line}
",
            time_of_day()
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
    Ok(NodeConfig { listen: peers[me], names, peers, me, data, settings, notes })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_node_is_started_from_its_arguments() {
        let line = "--id n2 --peers n1=10.0.0.1:7000,n2=10.0.0.2:7000 --data /d --set replication=sync";
        let config = parse(&args(line)).expect("parses");
        assert_eq!((config.me, config.listen.to_string().as_str()), (1, "10.0.0.2:7000"));
    }

    #[test]
    fn what_is_wrong_with_the_arguments_is_said() {
        for (line, expected) in [
            ("--id", "--id needs a value"),
            ("--id n1", "--peers is missing"),
            ("--id n1 --peers n1", "'n1' is not NAME=ADDRESS:PORT"),
            ("--id n3 --peers n1=1.1.1.1:1", "no node is named 'n3'"),
            ("--id n1 --peers n1=1.1.1.1:1 --data d --set x", "'x' is not KEY=VALUE"),
            ("--id n1 --peers n1=1.1.1.1:1 --data d --set x=1", "single-leader has no option 'x'"),
            ("--verbose", "unknown argument '--verbose'"),
        ] {
            assert_eq!(parse(&args(line)).expect_err("refuses").to_string(), expected);
        }
        assert_eq!(main(&args("--id n1")), 254);
    }
}
