//! How good the harness itself is: which planted bugs it finds, how fast, and how often it cries wolf.
//!
//! Two figures are taken of each planted bug, and the same two of its *twin*, the system without the bug in the same configuration:
//!
//! - **witness**: under the hand-written schedule that shows the bug, did the guarantee that it breaks turn out violated? Of the twin: did
//!   anything promised?
//! - **search**: with faults drawn from the seed and no hint, how long until that guarantee was seen violated?
//!
//! A bug counts as found only by the guarantee that it is said to break, or one listed beside it: a run that fails in another way is
//! told apart. No false alarm in n runs bounds their rate by 3/n with 95 % confidence (the *rule of three*: Hanley and Lippman-Hand,
//! *If Nothing Goes Wrong, Is Everything All Right?*, JAMA 1983).

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::style::{BAD, GOOD, Painted, STRONG};
use crate::render::table::{Cell, Table};

/// What one run showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// The guarantee that the bug breaks was promised and violated.
    Found,
    /// Something promised was violated, and nothing that the bug is said to break.
    Otherwise,
    /// Nothing promised was violated.
    Nothing,
    /// No verdict.
    Unknown,
}

/// How often something came out in which way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// How often it was tried.
    pub tried: usize,
    /// How often it came out as it should: a bug was found, a twin was not accused.
    pub good: usize,
    /// How often there was a violation of something else; of a twin: of anything.
    pub otherwise: usize,
    /// How often there was no verdict.
    pub unknown: usize,
    /// Seconds until it was found, each time.
    pub seconds: Vec<f64>,
}

impl Tally {
    /// Takes in a run with the bug.
    pub fn of_bug(&mut self, shown: Shown, seconds: f64) {
        self.tried += 1;
        match shown {
            Shown::Found => {
                self.good += 1;
                self.seconds.push(seconds);
            }
            Shown::Otherwise => self.otherwise += 1,
            Shown::Unknown => self.unknown += 1,
            Shown::Nothing => {}
        }
    }

    /// Takes in a run without it.
    pub fn of_twin(&mut self, shown: Shown) {
        self.tried += 1;
        match shown {
            Shown::Nothing => self.good += 1,
            Shown::Unknown => self.unknown += 1,
            Shown::Found | Shown::Otherwise => self.otherwise += 1,
        }
    }

    fn add(&mut self, other: &Tally) {
        self.tried += other.tried;
        self.good += other.good;
        self.otherwise += other.otherwise;
        self.unknown += other.unknown;
        self.seconds.extend(&other.seconds);
    }

    /// The median of the seconds.
    pub fn median(&self) -> Option<f64> {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        (!seconds.is_empty()).then(|| seconds[(seconds.len() - 1) / 2])
    }
}

/// One planted bug and its twin.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The system.
    pub system: String,
    /// The bug.
    pub bug: String,
    /// What it takes to see it.
    pub tier: String,
    /// The guarantee that it breaks.
    pub breaks: String,
    /// On its witness.
    pub witness: Tally,
    /// The twin on the witness.
    pub twin: Tally,
    /// By the unhinted nemesis.
    pub search: Tally,
    /// The twin under faults drawn in the same way.
    pub search_twin: Tally,
}

/// All of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Card {
    /// One for each planted bug.
    pub rows: Vec<Row>,
    /// How many runs there were.
    pub runs: usize,
    /// What was not as it should be: a command each that shows it again.
    pub surprises: Vec<String>,
    /// Runs that ended without a verdict through a fault of the harness.
    pub broken: usize,
    /// Whether it was ended before its time.
    pub interrupted: bool,
}

/// Of a hundred runs of a bug on its witness so many must find it.
const WITNESS_PERCENT: usize = 95;

impl Card {
    fn sum(&self, which: impl Fn(&Row) -> &Tally) -> Tally {
        let mut sum = Tally::default();
        self.rows.iter().for_each(|row| sum.add(which(row)));
        sum
    }

    /// Runs of twins, and false alarms among them.
    pub fn twins(&self) -> (usize, usize) {
        let (witness, search) = (self.sum(|r| &r.twin), self.sum(|r| &r.search_twin));
        (witness.tried + search.tried, witness.otherwise + search.otherwise)
    }

    /// Whether every bug is found on its witness nearly always, and no twin was accused.
    pub fn is_good(&self) -> bool {
        let found = |tally: &Tally| tally.good * 100 >= tally.tried * WITNESS_PERCENT;
        self.rows.iter().all(|row| found(&row.witness)) && self.twins().1 == 0
    }

    /// What it comes to, a line each.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let tried: Vec<&Row> = self.rows.iter().filter(|row| row.witness.tried > 0).collect();
        if !tried.is_empty() {
            let sure = tried.iter().filter(|r| r.witness.good * 100 >= r.witness.tried * WITNESS_PERCENT).count();
            let sum = self.sum(|r| &r.witness);
            lines.push(format!(
                "witness: {sure} of {} bugs found in at least {WITNESS_PERCENT} % of their runs ({} of {} runs)",
                tried.len(),
                sum.good,
                sum.tried
            ));
        }
        let tried: Vec<&Row> = self.rows.iter().filter(|row| row.search.tried > 0).collect();
        if !tried.is_empty() {
            let sum = self.sum(|r| &r.search);
            let found = tried.iter().filter(|r| r.search.good > 0).count();
            let median = sum.median().map_or(String::new(), |s| format!(", median {s:.1} s"));
            let all = tried.len();
            lines.push(format!("search: {found} of {all} bugs found ({} of {} searches{median})", sum.good, sum.tried));
        }
        let (twins, alarms) = self.twins();
        if twins > 0 {
            let bound =
                if alarms == 0 { format!(", so fewer than 1 in {} (95 %)", (twins / 3).max(1)) } else { String::new() };
            lines.push(format!("twins: {alarms} false alarms in {twins} runs{bound}"));
        }
        if self.broken > 0 {
            lines.push(format!(
                "{} of {} runs ended without a verdict through a fault of the harness",
                self.broken, self.runs
            ));
        }
        if self.interrupted {
            lines.push("interrupted: what is missing was not run".to_owned());
        }
        lines
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut table = Table::new(2);
        let head = ["system", "bug", "takes", "breaks", "witness", "twin", "search", "median", "twin"];
        table.row(head.map(|h| Cell::styled(h, STRONG)));
        for row in &self.rows {
            table.row([
                row.system.clone().into(),
                Cell::styled(row.bug.clone(), STRONG),
                row.tier.clone().into(),
                row.breaks.clone().into(),
                share(&row.witness),
                share(&row.twin),
                share(&row.search),
                row.search.median().map_or(String::new(), |s| format!("{s:.1} s")).into(),
                share(&row.search_twin),
            ]);
        }
        let mut out = format!("{}\n", table.render());
        self.summary().iter().for_each(|line| _ = writeln!(out, "{line}"));
        if !self.surprises.is_empty() {
            let _ = writeln!(out, "\n{}", Painted(STRONG, "not as it should be"));
            self.surprises.iter().for_each(|line| _ = writeln!(out, "  {line}"));
        }
        out
    }

    /// A page by itself.
    pub fn html(&self) -> String {
        let mut rows = String::new();
        for row in &self.rows {
            let cells = [
                escape(&row.system),
                format!("<code>{}</code>", escape(&row.bug)),
                escape(&row.tier),
                escape(&row.breaks),
            ];
            rows.push_str("<tr>");
            cells.iter().for_each(|cell| _ = write!(rows, "<td>{cell}</td>"));
            for tally in [&row.witness, &row.twin, &row.search, &row.search_twin] {
                let class = if tally.tried == 0 {
                    "none"
                } else if tally.good == tally.tried {
                    "good"
                } else {
                    "bad"
                };
                let text =
                    if tally.tried == 0 { String::from("–") } else { format!("{} of {}", tally.good, tally.tried) };
                let median = tally.median().map_or(String::new(), |s| format!(" <small>{s:.1} s</small>"));
                let _ = write!(rows, "<td class=\"{class}\">{text}{median}</td>");
            }
            rows.push_str("</tr>\n");
        }
        let list =
            |lines: &[String]| lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect::<String>();
        let surprises = match self.surprises.is_empty() {
            true => String::new(),
            false => format!("<h2>Not as it should be</h2>\n<ul>\n{}</ul>\n", list(&self.surprises)),
        };
        format!(include_str!("scorecard.html"), summary = list(&self.summary()), rows = rows, surprises = surprises)
    }
}

fn share(tally: &Tally) -> Cell {
    match tally.tried {
        0 => Cell::new("–"),
        tried if tried == tally.good => Cell::styled(format!("{} of {tried}", tally.good), GOOD),
        tried => Cell::styled(format!("{} of {tried}", tally.good), BAD),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(found: usize, alarms: usize) -> Card {
        let mut row = Row {
            system: "raft".into(),
            bug: "vote-not-<kept>".into(),
            tier: "moment".into(),
            breaks: "linearizable".into(),
            witness: Tally::default(),
            twin: Tally::default(),
            search: Tally::default(),
            search_twin: Tally::default(),
        };
        for i in 0..20 {
            row.witness.of_bug(if i < found { Shown::Found } else { Shown::Otherwise }, i as f64);
            row.twin.of_twin(if i < alarms { Shown::Otherwise } else { Shown::Nothing });
        }
        Card { rows: vec![row], runs: 40, ..Card::default() }
    }

    #[test]
    fn nineteen_of_twenty_are_enough_and_no_false_alarm_is() {
        assert!(card(19, 0).is_good() && !card(18, 0).is_good() && !card(20, 1).is_good());
        let lines = card(19, 0).summary().join("\n");
        assert!(lines.contains("1 of 1 bugs found in at least 95 % of their runs (19 of 20 runs)"), "{lines}");
        assert!(lines.contains("0 false alarms in 20 runs, so fewer than 1 in 6 (95 %)"), "{lines}");
    }

    #[test]
    fn a_violation_of_something_else_is_not_a_find() {
        let mut tally = Tally::default();
        tally.of_bug(Shown::Otherwise, 1.0);
        assert_eq!((tally.good, tally.otherwise, tally.median()), (0, 1, None));
    }

    #[test]
    fn names_are_inert_in_the_page() {
        let html = card(20, 0).html();
        assert!(html.contains("vote-not-&lt;kept&gt;") && !html.contains("<kept>"));
    }
}
