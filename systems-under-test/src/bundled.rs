//! The systems that come with this crate.

use crate::chain::ChainReplication;
use crate::leaderless::LeaderlessSystem;
use crate::multi_leader::MultiLeader;
use crate::raft::RaftSystem;
use crate::single_leader::{self, SingleLeader};
use crate::specimen::{Bundled, Specimen};
use crate::system::System;

/// All of them.
pub fn bundled() -> Vec<Box<dyn System>> {
    vec![
        Box::new(SingleLeader),
        Box::new(Bundled::<ChainReplication>::default()),
        Box::new(Bundled::<LeaderlessSystem>::default()),
        Box::new(Bundled::<MultiLeader>::default()),
        Box::new(Bundled::<RaftSystem>::default()),
    ]
}

/// The one with this name.
pub fn find(name: &str) -> Option<Box<dyn System>> {
    bundled().into_iter().find(|system| system.name() == name)
}

/// What the hidden subcommand `__node` does with the arguments after its name: runs a node of a bundled system until
/// it is told to stop. Returns the exit code of the process.
pub fn node_main(args: &[String]) -> i32 {
    match args.split_first() {
        Some((name, rest)) if name == single_leader::NAME => single_leader::main(rest),
        Some((name, rest)) if name == ChainReplication::NAME => Bundled::<ChainReplication>::main(rest),
        Some((name, rest)) if name == LeaderlessSystem::NAME => Bundled::<LeaderlessSystem>::main(rest),
        Some((name, rest)) if name == MultiLeader::NAME => Bundled::<MultiLeader>::main(rest),
        Some((name, rest)) if name == RaftSystem::NAME => Bundled::<RaftSystem>::main(rest),
        Some((name, _)) => {
            eprintln!("error: no bundled system is named '{name}'");
            254
        }
        None => {
            eprintln!("error: which system?");
            254
        }
    }
}
