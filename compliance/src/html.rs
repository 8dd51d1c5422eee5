//! A self-contained page: no script, no outside resource, readable aloud and on paper.

use std::fmt::{self, Write};

use crate::{
    chart::Chart,
    document::{Block, Cell, Section, metrics},
    measure::{Breakdown, Metric},
    provenance::GENERATOR,
    report::Report,
    svg,
};

mod tables;

const STYLE: &str = include_str!("html/style.css");
/// Most rows of a table on a page; JSON and CSV hold all.
const MAX_ROWS: usize = 500;
/// Most index ranges beside a number on a page.
const RANGES: usize = 12;

/// The report as one HTML page.
pub(crate) fn render(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(report, &mut page);
    page
}

fn write_page(report: &Report, page: &mut String) -> fmt::Result {
    let header = &report.header;
    let title = header.kind.title();
    let id = escape(&header.id);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"{GENERATOR}\">\n\
         <title>{title} {id}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the report</a>\n\
         <header class=\"head\">\n<p class=\"brand\">Countersign<span> report {code}</span></p>\n\
         <h1>{title}</h1>\n<p class=\"lead\">{period} <span class=\"dot\">\u{b7}</span> ledger \
         <b>{origin}</b> <span class=\"dot\">\u{b7}</span> {used} of {size} entries used</p>\n",
        code = header.kind.code(),
        period = escape(&header.period()),
        origin = escape(&header.source.origin),
        used = grouped(header.used.count()),
        size = grouped(header.source.size),
    )?;
    facts(page, "", &header.facts(), "facts card")?;
    page.push_str("</header>\n");
    contents(page, &report.sections)?;
    page.push_str("<main id=\"main\">\n");
    for section in &report.sections {
        write_section(page, report, section)?;
    }
    write!(
        page,
        "</main>\n<footer>\n<p>{title}, report <code>{id}</code>, made by {GENERATOR}. All times \
         are UTC. A record and a calculation, no legal opinion.</p>\n</footer>\n</body>\n</html>\n"
    )
}

fn contents(page: &mut String, sections: &[Section]) -> fmt::Result {
    page.push_str("<nav aria-label=\"Contents\">\n<ol>\n");
    for section in sections {
        writeln!(
            page,
            "<li><a href=\"#{}\">{}</a></li>",
            section.id,
            escape(section.title)
        )?;
    }
    page.push_str("</ol>\n</nav>\n");
    Ok(())
}

fn write_section(page: &mut String, report: &Report, section: &Section) -> fmt::Result {
    writeln!(
        page,
        "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{}</h2>",
        escape(section.title),
        id = section.id
    )?;
    let mut open = "";
    for block in &section.blocks {
        let wanted = match block {
            Block::Breakdown(_) => "columns",
            Block::Chart(_) => "charts",
            _ => "",
        };
        if wanted != open {
            page.push_str(if open.is_empty() { "" } else { "</div>\n" });
            open = wanted;
            if !wanted.is_empty() {
                writeln!(page, "<div class=\"{wanted}\">")?;
            }
        }
        write_block(page, report, block)?;
    }
    page.push_str(if open.is_empty() { "" } else { "</div>\n" });
    page.push_str("</section>\n");
    Ok(())
}

fn write_block(page: &mut String, report: &Report, block: &Block) -> fmt::Result {
    match block {
        Block::Text(text) => writeln!(page, "<p>{}</p>", escape(text)),
        Block::Facts(intro, list) => facts(page, intro, list, "facts"),
        Block::Notes(title, notes) => write_notes(page, title, notes),
        Block::Headline(metrics) => headline(page, metrics),
        Block::Breakdown(breakdown) => write_breakdown(page, report, breakdown),
        Block::Table(table) => tables::write(page, table),
        Block::Chart(chart) => write_chart(page, chart),
        Block::Verbatim(id, title, text) => writeln!(
            page,
            "<p class=\"label\" id=\"{id}\">{}</p>\n<pre tabindex=\"0\" aria-labelledby=\"{id}\">\
             <code>{}</code></pre>",
            escape(title),
            escape(text)
        ),
    }
}

fn facts(page: &mut String, intro: &str, list: &[(&str, Cell)], class: &str) -> fmt::Result {
    if !intro.is_empty() {
        writeln!(page, "<p>{}</p>", escape(intro))?;
    }
    writeln!(page, "<dl class=\"{class}\">")?;
    for (term, value) in list {
        let wide = matches!(value, Cell::Code(text) if text.len() > 30);
        let class = if wide { " class=\"wide\"" } else { "" };
        writeln!(
            page,
            "<div{class}><dt>{}</dt><dd>{}</dd></div>",
            escape(term),
            cell(value)
        )?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn write_notes(page: &mut String, title: &str, notes: &[String]) -> fmt::Result {
    let class = if title.is_empty() { "plain" } else { "points" };
    writeln!(page, "<div class=\"{class}\">")?;
    if !title.is_empty() {
        writeln!(page, "<h3>{}</h3>", escape(title))?;
    }
    page.push_str("<ul>\n");
    for note in notes {
        writeln!(page, "<li>{}</li>", escape(note))?;
    }
    page.push_str("</ul>\n</div>\n");
    Ok(())
}

fn headline(page: &mut String, metrics: &[Metric]) -> fmt::Result {
    page.push_str("<dl class=\"tiles\">\n");
    for metric in metrics {
        writeln!(
            page,
            "<div><dt>{}</dt><dd data-metric=\"{}\" data-value=\"{}\">{}</dd></div>",
            escape(&metric.label),
            escape(&metric.name),
            metric.value,
            grouped(metric.value)
        )?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn write_breakdown(page: &mut String, report: &Report, breakdown: &Breakdown) -> fmt::Result {
    let total = breakdown.sums_to.and_then(|name| {
        metrics(&report.sections)
            .find(|metric| metric.name == name)
            .map(|metric| metric.value)
    });
    writeln!(
        page,
        "<div class=\"scroll\"><table id=\"{}\" class=\"breakdown\">",
        breakdown.id
    )?;
    writeln!(
        page,
        "<caption>{}</caption>\n<thead><tr><th scope=\"col\">{}</th>\
         <th scope=\"col\" class=\"number\">Count</th><th scope=\"col\">Indexes</th></tr></thead>\
         \n<tbody>",
        escape(&breakdown.caption),
        escape(breakdown.item)
    )?;
    for metric in &breakdown.metrics {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td class=\"number\" data-metric=\"{}\" \
             data-value=\"{}\">{}</td><td class=\"indexes\">{}</td></tr>",
            escape(&metric.label),
            escape(&metric.name),
            metric.value,
            grouped(metric.value),
            escape(&metric.at.line(RANGES))
        )?;
    }
    if breakdown.metrics.is_empty() {
        page.push_str("<tr><td colspan=\"3\" class=\"empty\">None.</td></tr>\n");
    }
    page.push_str("</tbody>\n");
    if let Some(total) = total {
        let total = grouped(total);
        writeln!(
            page,
            "<tfoot><tr><th scope=\"row\">Total</th><td class=\"number\">{total}</td><td></td></tr>\
             </tfoot>"
        )?;
    }
    page.push_str("</table></div>\n");
    Ok(())
}

fn write_chart(page: &mut String, chart: &Chart) -> fmt::Result {
    writeln!(
        page,
        "<figure id=\"{}\">\n<figcaption><b>{}</b> {}</figcaption>",
        chart.id,
        escape(chart.title),
        escape(&chart.description)
    )?;
    let shown = |series: &usize| chart.groups.iter().any(|group| group.values[*series] > 0);
    let used: Vec<usize> = (0..chart.series.len()).filter(shown).collect();
    if chart.series.len() > 1 {
        page.push_str("<ul class=\"legend\">\n");
        for series in used.iter().map(|series| &chart.series[*series]) {
            writeln!(
                page,
                "<li><i class=\"series-{series}\"></i>{}</li>",
                spaced(series)
            )?;
        }
        page.push_str("</ul>\n");
    }
    page.push_str(&svg::draw(chart));
    write!(
        page,
        "<details><summary>Numbers of this chart</summary><div class=\"scroll\"><table>\n\
         <caption class=\"unseen\">{}</caption>\n<thead><tr><th scope=\"col\">{}</th>",
        escape(chart.title),
        escape(chart.axis)
    )?;
    for series in &used {
        write!(
            page,
            "<th scope=\"col\" class=\"number\">{}</th>",
            spaced(&chart.series[*series])
        )?;
    }
    page.push_str("<th scope=\"col\">Indexes</th></tr></thead>\n<tbody>\n");
    for group in chart.groups.iter().filter(|group| group.total() > 0) {
        write!(page, "<tr><th scope=\"row\">{}</th>", escape(&group.label))?;
        for series in &used {
            write!(
                page,
                "<td class=\"number\">{}</td>",
                grouped(group.values[*series])
            )?;
        }
        writeln!(
            page,
            "<td class=\"indexes\">{}</td></tr>",
            group.at.line(RANGES)
        )?;
    }
    page.push_str("</tbody>\n</table></div></details>\n</figure>\n");
    Ok(())
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "<span class=\"none\">\u{2013}</span>".to_owned(),
        Cell::Int(number) => grouped(*number),
        Cell::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Cell::Text(text) => escape(text),
        Cell::Code(text) => format!("<code>{}</code>", escape(text)),
        Cell::Time(text) => {
            format!(
                "<time datetime=\"{}\">{}</time>",
                escape(text),
                escape(&to_milliseconds(text))
            )
        }
        Cell::List(items) if items.is_empty() => self::cell(&Cell::Empty),
        Cell::List(items) => items
            .iter()
            .map(|item| escape(item))
            .collect::<Vec<_>>()
            .join("<br>"),
        Cell::Indexes(at) if at.count() == 0 => self::cell(&Cell::Empty),
        Cell::Indexes(at) => escape(&at.line(RANGES)),
    }
}

/// A time with its date and at most milliseconds, as people read it.
fn to_milliseconds(text: &str) -> String {
    let Some((seconds, fraction)) = text.strip_suffix('Z').and_then(|text| text.split_once('.'))
    else {
        return text.replacen('T', " ", 1);
    };
    let fraction: String = fraction.chars().take(3).collect();
    format!("{}.{fraction}Z", seconds.replacen('T', " ", 1))
}

fn spaced(name: &str) -> String {
    escape(&name.replace('_', " "))
}

/// Digits in groups of three, kept on one line.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `text` for element content and attributes. Characters that would hide or reorder what is
/// printed are spelt out.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => safe.push_str(&spelt(c)),
            c if c.is_control() => safe.push_str(&spelt(c)),
            c => safe.push(c),
        }
    }
    safe
}

fn spelt(c: char) -> String {
    format!("[U+{:04X}]", u32::from(c))
}

#[cfg(test)]
mod tests;
