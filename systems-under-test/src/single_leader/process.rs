//! The hidden subcommand that is a node:
//! `splitbrain __node single-leader --id n1 --peers n1=10.77.0.1:7000,… --data DIR --set replication=async …`.

use super::SingleLeader;
use super::node::{self, NodeConfig};
use super::options::Settings;
use crate::specimen::process::{ArgsError, NodeArgs, exit_code, on_sigterm};

/// Runs a node until it is told to stop. Returns the exit code: 0 after SIGTERM, 1 when it could not go on, 254 when
/// the arguments are wrong.
pub(crate) fn main(args: &[String]) -> i32 {
    match parse(args) {
        Ok(config) => exit_code(&config.notes.clone(), node::run(config, on_sigterm(), |_| ())),
        Err(error) => {
            eprintln!("error: {error}");
            254
        }
    }
}

fn parse(args: &[String]) -> Result<NodeConfig, ArgsError> {
    let NodeArgs { seat, peers, data, options, notes } = NodeArgs::parse(&SingleLeader, args)?;
    let settings = Settings::new(&options)?;
    Ok(NodeConfig { listen: peers[seat.me], names: seat.names, peers, me: seat.me, data, settings, notes })
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
