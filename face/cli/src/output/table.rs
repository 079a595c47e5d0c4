//! Columns of text, aligned as Go's tabwriter aligns them in Argo CD and kubectl.

/// Rows of cells; the first row is the head.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

/// Spaces between two columns.
const GAP: usize = 2;

impl Table {
    /// Starts with the names of the columns.
    pub(crate) fn with_head(names: &[&str]) -> Self {
        Self { rows: vec![names.iter().map(|name| (*name).to_owned()).collect()] }
    }

    /// Adds a row; line breaks in cells become spaces.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(|cell| cell.into().replace(['\n', '\t'], " ")).collect());
    }

    /// The text, every line with its end. The last column is not padded.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width + GAP - cell.chars().count()));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_have_no_blanks_at_their_end() {
        let mut table = Table::with_head(&["NAME", "STATUS", "NOTE"]);
        table.row(["a", "Synced", ""]);
        table.row(["längerer", "Out", "two\nlines"]);
        assert_eq!(table.text(), "NAME      STATUS  NOTE\na         Synced\nlängerer  Out     two lines\n");
    }
}
