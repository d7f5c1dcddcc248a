//! Tables for people: aligned columns without borders, one line an item, so that `grep` and `cut` work too.

use comfy_table::{ContentArrangement, Table, presets};

/// Returns a table with a line of titles.
pub(super) fn lines(titles: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = plain();
    table.set_header(titles);
    for row in rows {
        table.add_row(row.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { one_line(&cell) }));
    }
    written(table)
}

/// Returns names and values under one another; what has no value is left out.
pub(super) fn fields(rows: &[(&str, String)]) -> String {
    let mut table = plain();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([format!("{name}:"), one_line(value)]);
    }
    written(table)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    table
}

fn written(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Control characters would break the table, or talk to the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_borders() {
        let rows = [vec!["a".to_owned(), "long value".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(lines(&["ID", "NAME"], rows.into_iter()), "ID      NAME\na       long value\nlonger  -");
    }

    #[test]
    fn a_value_cannot_talk_to_the_terminal() {
        assert_eq!(fields(&[("name", "x\u{1b}[2Jy\nz".to_owned()), ("none", String::new())]), "name:  x [2Jy z");
    }
}
