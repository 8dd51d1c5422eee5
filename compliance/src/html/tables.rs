//! Tables of a page.

use std::fmt::{self, Write};

use super::{MAX_ROWS, cell, escape, grouped};
use crate::document::{Cell, Column, Table};

pub(super) fn write(page: &mut String, table: &Table) -> fmt::Result {
    if table.rows.is_empty() {
        return writeln!(
            page,
            "<p class=\"empty\" id=\"{}\">{}</p>",
            table.id,
            escape(table.when_empty)
        );
    }
    let main = || table.columns.iter().filter(|column| column.main);
    writeln!(page, "<div class=\"scroll\"><table id=\"{}\">", table.id)?;
    write!(page, "<caption>{}", escape(&table.caption))?;
    if table.rows.len() > MAX_ROWS {
        let (all, shown) = (grouped(table.rows.len() as u64), grouped(MAX_ROWS as u64));
        write!(
            page,
            " (the first {shown} of {all}; the JSON form holds all)"
        )?;
    }
    page.push_str("</caption>\n<thead><tr>");
    let all = table.columns.iter().enumerate();
    for (place, column) in all.filter(|(_, column)| column.main) {
        let numbers = table
            .rows
            .iter()
            .all(|row| matches!(row[place], Cell::Int(_)));
        let class = if numbers { " class=\"number\"" } else { "" };
        write!(
            page,
            "<th scope=\"col\"{class}>{}</th>",
            escape(column.label)
        )?;
    }
    page.push_str("</tr></thead>\n");
    let two_lines = main().count() < table.columns.len();
    if !two_lines {
        page.push_str("<tbody>\n");
    }
    for row in table.rows.iter().take(MAX_ROWS) {
        write_row(page, &table.columns, row, two_lines)?;
    }
    if !two_lines {
        page.push_str("</tbody>\n");
    }
    page.push_str("</table></div>\n");
    Ok(())
}

fn write_row(page: &mut String, columns: &[Column], row: &[Cell], two_lines: bool) -> fmt::Result {
    page.push_str(if two_lines {
        "<tbody class=\"entry\">\n<tr>"
    } else {
        "<tr>"
    });
    let main = columns.iter().zip(row).filter(|(column, _)| column.main);
    for (place, (column, value)) in main.enumerate() {
        let class = match value {
            Cell::Int(_) if place > 0 => " class=\"number\"".to_owned(),
            Cell::Text(text) if matches!(column.key, "effect" | "action") => {
                format!(" class=\"mark mark-{}\"", escape(text))
            }
            _ => String::new(),
        };
        let value = match (column.key, value) {
            ("effect" | "action", Cell::Text(text)) => escape(&text.replace('_', " ")),
            _ => cell(value),
        };
        let (open, close) = if place == 0 {
            ("th scope=\"row\"", "th")
        } else {
            ("td", "td")
        };
        write!(page, "<{open}{class}>{value}</{close}>")?;
    }
    page.push_str("</tr>\n");
    if two_lines {
        let span = columns.iter().filter(|column| column.main).count();
        write!(page, "<tr class=\"more\"><td colspan=\"{span}\"><dl>")?;
        let details = columns.iter().zip(row).filter(|(column, _)| !column.main);
        for (column, value) in details.filter(|(_, value)| !value.is_blank()) {
            let label = escape(column.label);
            write!(page, "<div><dt>{label}</dt><dd>{}</dd></div>", cell(value))?;
        }
        page.push_str("</dl></td></tr>\n</tbody>\n");
    }
    Ok(())
}
