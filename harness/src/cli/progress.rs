//! A line for each run while it runs; hidden when standard error is not a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::run::{Progress, Watch};

/// How often the lines are drawn.
pub const REDRAW: Duration = Duration::from_millis(100);

/// The lines of all runs that are under way.
#[derive(Default)]
pub struct Board {
    lines: MultiProgress,
}

impl Board {
    /// A line for a run.
    pub fn line(&self, name: String) -> Line {
        let bar = self.lines.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {prefix} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.set_prefix(name);
        Line { bar }
    }
}

/// The line of one run.
pub struct Line {
    bar: ProgressBar,
}

impl Line {
    /// Shows how it goes.
    pub fn show(&self, watch: &Watch) {
        let progress = watch.lock().map(|p| p.clone()).unwrap_or_default();
        self.bar.set_message(message(&progress));
        self.bar.tick();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn message(progress: &Progress) -> String {
    let mut text = progress.phase.to_owned();
    let (at, planned) = progress.at_ms;
    if planned > 0 {
        text.push_str(&format!(
            " · {:.1}/{:.0} s · {} operations · {:.0}/s",
            at as f64 / 1000.0,
            planned as f64 / 1000.0,
            progress.operations,
            progress.rate
        ));
    }
    if !progress.faults.is_empty() {
        text.push_str(&format!(" · {}", progress.faults.join(", ")));
    }
    text
}
