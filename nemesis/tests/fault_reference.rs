//! The reference page of the faults says what the registry says.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use nemesis::fault::registry::{FAULTS, FaultInfo, GROUPS};

fn page() -> String {
    let mut page = String::from(
        "# Faults\n\n\
         Generated from the registry in `nemesis/src/fault/registry.rs`; `splitbrain list faults` and `splitbrain \
         explain NAME` print the same.\n\n\
         Ask for faults with `--faults NAME,…`, or name them in a [schedule](../guide/schedules.md). Contracts speak of \
         families: a guarantee that is promised *unless crash* is not promised in a run with any fault of the family \
         `crash`, and one that is promised *unless hostile* not with any of that group.\n\n\
         Faults may overlap. A link is cut while any installed fault cuts it; a node is crashed, else killed, else \
         paused, while any installed fault makes it so. Every fault records what was asked and what took effect; one \
         that changed nothing is reported as *inert*, never as survived.\n\n\
         | name | family | nodes | what it is |\n| --- | --- | --- | --- |\n",
    );
    for FaultInfo { name, family, least_node_count, about, .. } in &FAULTS {
        writeln!(page, "| [`{name}`](#{name}) | {family} | {least_node_count} or more | {about} |").expect("a string");
    }
    page.push_str("\n## Groups\n\n| name | stands for |\n| --- | --- |\n");
    for group in GROUPS {
        let members: Vec<_> = group.members.iter().map(|member| format!("`{member}`")).collect();
        let members = if members.is_empty() { String::new() } else { format!(" {}", members.join(", ")) };
        writeln!(page, "| `{}` | {}{members} |", group.name, group.about).expect("a string");
    }
    for FaultInfo { name, about, does, proof, heals, .. } in &FAULTS {
        write!(
            page,
            "\n## {name}\n\n{about}\n\n- **What it does.** {does}\n- **How it is proven to have bitten.** {proof}\n\
             - **How it heals.** {heals}\n"
        )
        .expect("a string");
    }
    page
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/faults.md");
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        fs::write(&path, page()).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).expect("the page is there");
    assert_eq!(written, page(), "rewrite it with SPLITBRAIN_UPDATE=1");
}
