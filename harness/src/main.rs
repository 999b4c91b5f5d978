//! The `splitbrain` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Hosts are made by this same program under another first argument: this comes before anything else.
    nemesis::hosts::init();
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|a| a == "__node") {
        let rest: Vec<String> = arguments[2..].iter().map(|a| a.to_string_lossy().into_owned()).collect();
        return ExitCode::from(systems_under_test::node_main(&rest).clamp(0, 255) as u8);
    }
    ExitCode::from(harness::cli::main(arguments))
}
