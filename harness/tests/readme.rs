//! The commands of the README and of the guides are commands that the program takes.

use std::path::Path;

use clap::Parser;
use harness::cli::args::Cli;

fn commands(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn every_command_of_the_readme_is_one_that_the_program_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut checked = 0;
    for page in ["README.md", "docs/guide/schedules.md"] {
        let text = std::fs::read_to_string(root.join(page)).expect("the page is there");
        for command in commands(&text) {
            let words = command.strip_prefix("cargo run --release -- ").map(|rest| format!("splitbrain {rest}"));
            let words = words.unwrap_or(command);
            if words.starts_with("splitbrain") {
                let parsed = Cli::try_parse_from(words.split_whitespace());
                assert!(parsed.is_ok(), "{page}: {words}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
                checked += 1;
            }
        }
    }
    assert!(checked >= 8, "only {checked} commands were found");
}
