//! The few colours, each with one meaning.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Held, valid.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Violated although promised, invalid.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Violated, but never promised.
pub const COST: Style = AnsiColor::Yellow.on_default();
/// Unknown: it looks like neither.
pub const UNKNOWN: Style = AnsiColor::Magenta.on_default();
/// Of minor weight.
pub const DIM: Style = Style::new().dimmed();
/// Headings.
pub const STRONG: Style = Style::new().bold();

/// Text in a style.
pub struct Painted<T>(pub Style, pub T);

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0.render(), self.1, self.0.render_reset())
    }
}
