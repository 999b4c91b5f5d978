//! Aligned columns.

use anstyle::Style;

use super::evidence::printable;
use super::style::Painted;

/// One cell: text and its style.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Plain text.
    pub fn new(text: impl Into<String>) -> Self {
        Cell::styled(text, Style::new())
    }

    /// Styled text.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Cell { text: printable(&text.into()), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text)
    }
}

/// Rows of cells, every column as wide as its widest cell; the last column is as long as it is.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
    gap: usize,
}

impl Table {
    /// Columns `gap` spaces apart.
    pub fn new(gap: usize) -> Self {
        Table { rows: Vec::new(), gap }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, without trailing spaces.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| self.rows.iter().filter_map(|r| r.get(c)).map(|c| width(&c.text)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let last = row.iter().rposition(|c| !c.text.is_empty()).map_or(0, |i| i + 1);
            for (i, cell) in row[..last].iter().enumerate() {
                out.push_str(&Painted(cell.style, &cell.text).to_string());
                if i + 1 < last {
                    let pad = widths[i] + self.gap - self::width(&cell.text);
                    out.extend(std::iter::repeat_n(' ', pad));
                }
            }
            out.push('\n');
        }
        out
    }
}

/// Columns on the terminal; everything we print is one column a character.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_do_not_trail() {
        let mut table = Table::new(2);
        table.row(["a".into(), "bb".into(), "x ← 1".into()]);
        table.row(["cccc".into(), "".into(), "".into()]);
        table.row(["←".into(), "".into(), "y".into()]);
        assert_eq!(table.render(), "a     bb  x ← 1\ncccc\n←         y\n");
    }
}
