//! Charts as inline SVG: whole numbers in, the same bytes out, colours left to the style sheet.

use std::fmt::Write;

use crate::{
    chart::{Chart, Group, Shape},
    html::escape,
};

const COLUMNS_WIDTH: u64 = 720;
const BARS_WIDTH: u64 = 480;
const PLOT_HEIGHT: u64 = 180;
const TOP: u64 = 14;
const LEFT: u64 = 46;
const COLUMNS_RIGHT: u64 = 712;
/// Where bars begin and the longest ends; a number follows each.
const BARS_LEFT: u64 = 166;
const BARS_RIGHT: u64 = 436;
const BAR_ROW: u64 = 26;
const BAR: u64 = 18;
/// Longest name beside a bar; the data table has it whole.
const NAME: usize = 22;
/// Most names under columns.
const NAMES_BELOW: usize = 8;

/// The chart as an `svg` element that says its title and description.
pub(crate) fn draw(chart: &Chart) -> String {
    let (width, height) = match chart.shape {
        Shape::Columns => (COLUMNS_WIDTH, TOP + PLOT_HEIGHT + 30),
        Shape::Bars => (BARS_WIDTH, chart.groups.len() as u64 * BAR_ROW + 8),
    };
    let mut svg = format!(
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
         aria-labelledby=\"{id}-title {id}-desc\">\n<title id=\"{id}-title\">{}</title>\n\
         <desc id=\"{id}-desc\">{}</desc>\n",
        escape(chart.title),
        escape(&chart.description),
        id = chart.id,
    );
    // Writing to a string cannot fail.
    let _ = match chart.shape {
        Shape::Columns => columns(chart, &mut svg),
        Shape::Bars => bars(chart, &mut svg),
    };
    svg.push_str("</svg>\n");
    svg
}

/// The step of 1, 2 or 5 times a power of ten that gives at most five lines up to `max`.
fn step(max: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for digit in [1, 2, 5] {
            let step = power.saturating_mul(digit);
            if max.div_ceil(step) <= 4 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// `part` of `whole`, on a length of `length`, in tenths.
fn scaled(part: u64, whole: u64, length: u64) -> u64 {
    let scaled = u128::from(part) * u128::from(length) * 10 / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Tenths as decimal text.
fn px(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn largest(groups: &[Group]) -> u64 {
    groups.iter().map(Group::total).max().unwrap_or(0)
}

fn columns(chart: &Chart, svg: &mut String) -> std::fmt::Result {
    let step = step(largest(&chart.groups));
    let top = largest(&chart.groups).div_ceil(step).max(1) * step;
    let bottom = TOP + PLOT_HEIGHT;
    for line in 0..=top / step {
        let y = px(bottom * 10 - scaled(line * step, top, PLOT_HEIGHT));
        let class = if line == 0 { "axis" } else { "grid-line" };
        writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{COLUMNS_RIGHT}\" y1=\"{y}\" y2=\"{y}\"/>\
             <text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{y}\" dy=\"4\">{}</text>",
            LEFT - 8,
            line * step
        )?;
    }
    let count = chart.groups.len().max(1) as u64;
    let slot = (COLUMNS_RIGHT - LEFT) * 10 / count;
    let width = (slot * 4 / 5).min(480);
    let every = chart.groups.len().div_ceil(NAMES_BELOW).max(1);
    for (place, group) in chart.groups.iter().enumerate() {
        let x = LEFT * 10 + slot * place as u64 + (slot - width) / 2;
        let mut below = 0;
        for (series, value) in chart
            .series
            .iter()
            .zip(&group.values)
            .filter(|(_, v)| **v > 0)
        {
            let base = bottom * 10 - scaled(below, top, PLOT_HEIGHT);
            below += value;
            let tip = bottom * 10 - scaled(below, top, PLOT_HEIGHT);
            let (y, height) = (px(tip), px(base - tip));
            let tip = format!("{}, {series}: {value}", escape(&group.label));
            rect(svg, series, (&px(x), &y, &px(width), &height), &tip)?;
        }
        if place % every == 0 {
            let middle = px(x + width / 2);
            let y = bottom + 20;
            let label = escape(&group.label);
            writeln!(
                svg,
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{middle}\" y=\"{y}\">{label}</text>"
            )?;
        }
    }
    Ok(())
}

fn bars(chart: &Chart, svg: &mut String) -> std::fmt::Result {
    let max = largest(&chart.groups);
    for (place, group) in (0u64..).zip(&chart.groups) {
        let y = 4 + place * BAR_ROW;
        let text_y = y + BAR - 4;
        writeln!(
            svg,
            "<text class=\"name\" text-anchor=\"end\" x=\"{}\" y=\"{text_y}\">{}</text>",
            BARS_LEFT - 10,
            escape(&shortened(&group.label))
        )?;
        let mut before = 0;
        for (series, value) in chart
            .series
            .iter()
            .zip(&group.values)
            .filter(|(_, v)| **v > 0)
        {
            let from = scaled(before, max, BARS_RIGHT - BARS_LEFT);
            before += value;
            let to = scaled(before, max, BARS_RIGHT - BARS_LEFT);
            let (x, width) = (px(BARS_LEFT * 10 + from), px(to - from));
            let (y, height) = (y.to_string(), BAR.to_string());
            let tip = format!("{}, {series}: {value}", escape(&group.label));
            rect(svg, series, (&x, &y, &width, &height), &tip)?;
        }
        let x = px(BARS_LEFT * 10 + scaled(before, max, BARS_RIGHT - BARS_LEFT) + 80);
        writeln!(
            svg,
            "<text class=\"value\" x=\"{x}\" y=\"{text_y}\">{}</text>",
            group.total()
        )?;
    }
    Ok(())
}

fn rect(
    svg: &mut String,
    series: &str,
    (x, y, width, height): (&str, &str, &str, &str),
    escaped_tip: &str,
) -> std::fmt::Result {
    writeln!(
        svg,
        "<rect class=\"series-{series}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" \
         height=\"{height}\"><title>{escaped_tip}</title></rect>"
    )
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars()
        .take(NAME - 1)
        .chain(std::iter::once('\u{2026}'))
        .collect()
}

#[cfg(test)]
mod tests;
