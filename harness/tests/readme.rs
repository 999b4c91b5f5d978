//! The commands of the README and of the guides are commands that the program takes, and those that need no hosts do
//! what the guide says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Parser;
use harness::cli::args::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("the page is there")
}

fn commands(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn every_command_of_the_readme_is_one_that_the_program_takes() {
    let mut checked = 0;
    for name in ["README.md", "docs/guide/schedules.md", "docs/guide/checking-histories.md"] {
        for command in commands(&page(name)) {
            let words = command.strip_prefix("cargo run --release -- ").map(|rest| format!("splitbrain {rest}"));
            let words = words.unwrap_or(command);
            if words.starts_with("splitbrain") {
                let parsed = Cli::try_parse_from(words.split_whitespace());
                assert!(parsed.is_ok(), "{name}: {words}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
                checked += 1;
            }
        }
    }
    assert!(checked >= 12, "only {checked} commands were found");
}

/// The files that the commands of the guide name, in a directory of their own.
struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Desk {
        let dir = std::env::temp_dir().join(format!("splitbrain-guide-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        let corpus = root().join("checkers/tests/corpus");
        let put = |from: &str, to: &str| {
            std::fs::copy(corpus.join(from), dir.join(to)).expect("the corpus is there");
        };
        put("elle-cli/paper-example.edn", "paper-example.edn");
        put("elle-cli/paper-example.edn", "history.edn");
        put("elle-cli/rw-register.edn", "h1.json");
        put("elle-cli/rw-register.edn", "h2.json");
        put("knossos/cas-register/good/memstress3-0.edn", "history");
        let desk = Desk(dir);
        assert!(desk.sh("gzip -f h2.json && gzip -f history").status.success(), "gzip is there");
        desk
    }

    /// Runs a line in a shell that finds the program.
    fn sh(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_splitbrain"));
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .args(["-c", line])
            .env("PATH", format!("{}:{path}", program.parent().expect("a directory").display()))
            .env("NO_COLOR", "1")
            .current_dir(&self.0)
            .output()
            .expect("a shell")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_commands_of_the_guide_to_histories_give_answers() {
    let desk = Desk::new("commands");
    let mut run = 0;
    // A run needs hosts: its command is one of the README's.
    for line in commands(&page("docs/guide/checking-histories.md")).iter().filter(|l| !l.contains("runs/latest")) {
        let output = desk.sh(line);
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(matches!(output.status.code(), Some(0..=2)), "{line}: {told}");
        assert!(told.contains("valid: ") || told.contains("unknown: "), "{line}: {told}");
        run += 1;
    }
    assert!(run >= 4, "only {run} commands were found");
}

/// The answer that the guide shows is the one that is given, but for the time that it takes and for what stands for `…`.
#[test]
fn the_answer_of_the_guide_is_the_answer() {
    let guide = page("docs/guide/checking-histories.md");
    let shown = guide.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an answer");
    let output = Desk::new("answer").sh("splitbrain check --model serializable paper-example.edn");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).expect("text");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let told: Vec<Vec<String>> = told.lines().map(words).collect();
    for line in shown.lines().filter(|line| *line != "…") {
        let wanted = words(line.trim_end_matches('…').split("0.00 s").next().unwrap_or_default());
        assert!(told.iter().any(|said| said.starts_with(&wanted)), "{line}: {told:?}");
    }
}
