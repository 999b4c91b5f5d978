//! Every checker says something sensible about a few short histories.

use checkers::{CheckConfig, Observed, check};
use histories::notation;

fn findings(text: &str) -> Vec<checkers::Finding> {
    let history = notation::history(text);
    check(&history, &CheckConfig::default())
}

#[test]
fn print_findings() {
    for text in [
        "0:ax1@n1 0:ax2@n1 1:rx12@n1 1:rx1@n2",
        "0:wx1 0:wx2 0:rx1",
        "0:wx1 0:rx1 0:wx2 0:rx2 0:rx1",
        "0:ax1! 1:rx1",
        "0:ax1 1:rx11",
        "0:ix3 0:ix4? 0:rx2 0:rx9",
        "!cut 0:ax1? t=20 !heal-all t=500 1:ax2 1:rx12@n1 ~dump{\"x\":[1,2]}@n1 ~dump{\"x\":[1]}@n2",
        "1:aq1 2:rq1 2:aa2 3:rq[]ra2",
        "1:wq1 2:rq1 2:wa2 3:rq_ra2",
        "7:ax1 7:ax2 8:rx2",
        "7:ax1 7:ax2 8:rx21",
        "7:ax1 8:ax2 9:rx1 9:rx2",
        "7<ax1 8<ax2 7>ax1 8>ax2 9:rx1 9:rx2",
        "7:+x1 7:+x2 8:rx2 8:rx21 8:rx12",
        "+x1 +x2 -x1 rx12 rx1",
    ] {
        println!("{text}");
        for f in findings(text) {
            println!("  {:20} {:?} {}", f.guarantee.name(), f.observed, f.summary);
            for a in &f.anomalies {
                println!("      {} {:?} {}", a.kind, a.operations, a.explanation);
            }
        }
    }
    assert!(findings("").iter().all(|f| f.observed == Observed::NotApplicable));
}
