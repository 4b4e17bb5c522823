//! Charts of the last hour as inline SVG. The labels are HTML, so that they keep their size on a small screen.

use std::fmt::Write as _;

use super::texts::minute_of;
use crate::api::docs::escaped;
use crate::telemetry::history::{MINUTES, MinuteCounts};

/// The width of one minute, and the height of all.
const SLOT: usize = 8;
const HEIGHT: f64 = 100.0;

/// A bar for each minute, made of stacked parts.
pub(super) struct BarChart<'a> {
    pub(super) title: &'static str,
    /// What the chart shows as a whole, for those who do not see it.
    pub(super) summary: String,
    /// The parts from below: the class of their colour, and their name. A single part needs no name.
    pub(super) parts: &'static [(&'static str, &'static str)],
    /// The values of the parts in one minute.
    pub(super) values: &'a dyn Fn(&MinuteCounts) -> Vec<f64>,
    /// A value with its unit.
    pub(super) label: fn(f64) -> String,
}

impl BarChart<'_> {
    pub(super) fn html(&self, minutes: &[MinuteCounts]) -> String {
        let Self { title, summary, parts, values, label } = self;
        let values: Vec<Vec<f64>> = minutes.iter().map(values).collect();
        let highest = values.iter().map(|parts| parts.iter().sum()).fold(0.0, f64::max);
        let top = rounded_up(highest);
        let legend: String = if parts.len() > 1 {
            let one =
                |(class, name): &(&str, &str)| format!("<span><i class=\"swatch {class}\"></i>{name}</span>");
            parts.iter().map(one).collect()
        } else {
            String::new()
        };
        let (mut svg, width) = (String::new(), MINUTES * SLOT);
        for (index, (minute, values)) in minutes.iter().zip(&values).enumerate() {
            let slot = MINUTES.saturating_sub(minutes.len()) + index;
            svg.push_str(&bar(slot * SLOT, values, parts, top, &|value| {
                format!("{} {}", minute_of(minute.began), label(value))
            }));
        }
        format!(
            "<figure class=\"chart\">\n<figcaption>{title}<span class=\"legend\">{legend}</span></figcaption>\n\
             <div class=\"plot\">\n<div class=\"y\" aria-hidden=\"true\"><span>{}</span><span>{}</span><span>{}</span></div>\n\
             <svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{title}: {}\">\n\
             <path class=\"grid\" d=\"M0 0H{width}M0 50H{width}M0 100H{width}\"/>\n{svg}</svg>\n\
             <div class=\"x\" aria-hidden=\"true\"><span>1 h ago</span><span>30 min ago</span><span>now</span></div>\n</div>\n</figure>\n",
            label(top),
            label(top / 2.0),
            label(0.0),
            escaped(summary),
        )
    }
}

/// The parts of one minute, and what a pointer on them shows.
fn bar(x: usize, values: &[f64], parts: &[(&str, &str)], top: f64, label: &dyn Fn(f64) -> String) -> String {
    let (mut svg, mut y) = (String::new(), HEIGHT);
    for (value, (class, name)) in values.iter().zip(parts) {
        if *value <= 0.0 || top <= 0.0 {
            continue;
        }
        // A single failure among thousands of requests must not be too small to see.
        let height = (value / top * HEIGHT).clamp(1.0, HEIGHT);
        y = (y - height).max(0.0);
        let (x, width) = (x + 1, SLOT - 2);
        let label = escaped(format!("{} {name}", label(*value)).trim());
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"{width}\" height=\"{height:.1}\"><title>{label}</title></rect>"
        );
    }
    svg
}

/// The next number with one digit other than 0 that can be halved well, and 1 for nothing.
fn rounded_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value * 0.999_999).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::rounded_up;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let values = [0.0, 0.35, 1.0, 1.1, 7.0, 50.0, 51.0, 1_234.0];
        let rounded = values.map(|value| format!("{:.1}", rounded_up(value)));
        assert_eq!(rounded, ["1.0", "0.4", "1.0", "2.0", "8.0", "50.0", "60.0", "2000.0"]);
    }
}
