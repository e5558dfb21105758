//! Reports as text for people.

pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod compare;
pub(crate) mod comparison;
pub(crate) mod gc;
pub(crate) mod micro;
pub(crate) mod replay;
pub(crate) mod stats;
pub(crate) mod tpcc;
pub(crate) mod verify;

pub(crate) use synod_bench::{moment, units};

use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};

/// A line above, below, and under the header; nothing between the rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A table whose columns are aligned to the right, but for the first `left` ones.
pub(crate) fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().map(Cell::new));
    for (index, column) in table.column_iter_mut().enumerate() {
        let alignment = if index < left { CellAlignment::Left } else { CellAlignment::Right };
        column.set_cell_alignment(alignment);
    }
    table
}
