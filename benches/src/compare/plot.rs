//! Plots, as SVG.

use std::fmt::Write;

use super::page::text;

/// A peer's colour, the same in all plots.
fn colour(peer: &str) -> &'static str {
    match peer {
        "ours" => "#1450c8",
        "tokio" => "#d1495b",
        "actix" => "#edae49",
        "ractor" => "#66a182",
        "kameo" => "#8d6a9f",
        "xtra" => "#00798c",
        "may" => "#a44a3f",
        "go" => "#3aa7c4",
        _ => "#777777",
    }
}

/// One bar, with a whisker from the least to the greatest run.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) label: String,
}

/// A line of a plot.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over two logarithmic axes.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) lines: Vec<Line>,
}

const WIDTH: f64 = 760.0;

/// Horizontal bars, from the top down in the order given.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 70.0;
    const ROW: f64 = 24.0;
    let longest = bars.iter().map(|bar| bar.max).fold(1e-9, f64::max);
    let x = |value: f64| LEFT + value / longest * (WIDTH - LEFT - 80.0);
    let height = ROW * bars.len() as f64 + 24.0;
    let mut svg = open(height, title);
    for (i, bar) in bars.iter().enumerate() {
        let y = ROW * i as f64 + 4.0;
        let (name, middle) = (text(&bar.name), y + 9.0);
        let _ = write!(
            svg,
            "<text x={0:.0} y={1:.0} text-anchor=end>{name}</text>\
             <rect x={LEFT} y={y:.0} width={2:.1} height=18 fill='{3}'/>\
             <path d='M{4:.1} {middle:.0}H{5:.1}' stroke='#222'/><text x={6:.1} y={1:.0}>{7}</text>",
            LEFT - 8.0,
            y + 13.0,
            x(bar.value) - LEFT,
            colour(&bar.name),
            x(bar.min),
            x(bar.max),
            x(bar.max) + 6.0,
            text(&bar.label),
        );
    }
    let _ = write!(
        svg,
        "<text x={LEFT} y={:.0}>{}</text></svg>",
        height - 6.0,
        text(title)
    );
    svg
}

pub(super) fn lines(plot: &Plot<'_>) -> String {
    const HEIGHT: f64 = 380.0;
    const LEFT: f64 = 70.0;
    const RIGHT: f64 = 100.0;
    const BOTTOM: f64 = 46.0;
    let all = || plot.lines.iter().flat_map(|line| line.points.iter());
    let decades = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = all().map(of).fold((f64::MAX, 1.0), |(low, high), it| {
            (it.min(low), it.max(high))
        });
        let low = low.max(1.0).log10().floor().min(high.log10());
        (low, high.log10().ceil().max(low + 1.0))
    };
    let (x0, x1) = decades(|point| point.0);
    let (y0, y1) = decades(|point| point.1);
    let x = |value: f64| LEFT + (value.log10() - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y =
        |value: f64| 10.0 + (y1 - value.max(1.0).log10()) / (y1 - y0) * (HEIGHT - BOTTOM - 10.0);
    let mut svg = open(HEIGHT, plot.y);
    for decade in x0 as i32..=x1 as i32 {
        let at = x(10f64.powi(decade));
        let _ = write!(
            svg,
            "<path d='M{at:.0} 10V{:.0}' stroke='#e4e4e4'/><text x={at:.0} y={:.0} text-anchor=middle>{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
            grouped(decade),
        );
    }
    for decade in y0 as i32..=y1 as i32 {
        let at = y(10f64.powi(decade));
        let _ = write!(
            svg,
            "<path d='M{LEFT} {at:.0}H{:.0}' stroke='#e4e4e4'/><text x={:.0} y={:.0} text-anchor=end>{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            grouped(decade),
        );
    }
    for line in &plot.lines {
        let points: Vec<_> = line
            .points
            .iter()
            .map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b)))
            .collect();
        let (stroke, width) = (colour(&line.name), if line.name == "ours" { 3 } else { 2 });
        let _ = write!(
            svg,
            "<polyline points='{}' fill=none stroke='{stroke}' stroke-width={width} />",
            points.join(" ")
        );
        for (a, b) in &line.points {
            let _ = write!(
                svg,
                "<circle cx={:.1} cy={:.1} r=3 fill='{stroke}'/>",
                x(*a),
                y(*b)
            );
        }
    }
    for (name, stroke, at) in labels(&plot.lines, &x, &y) {
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} style='fill:{stroke}'>{}</text>",
            at.0 + 8.0,
            at.1 + 4.0,
            text(name)
        );
    }
    let _ = write!(
        svg,
        "<text x={LEFT} y={:.0}>{} over {}</text></svg>",
        HEIGHT - 8.0,
        text(plot.y),
        text(plot.x)
    );
    svg
}

/// Where the names of lines go: at their last points, moved apart where they would overlap.
fn labels<'a>(
    lines: &'a [Line],
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) -> Vec<(&'a str, &'static str, (f64, f64))> {
    let mut labels: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            line.points
                .last()
                .map(|(a, b)| (line.name.as_str(), colour(&line.name), (x(*a), y(*b))))
        })
        .collect();
    labels.sort_by(|one, other| one.2.1.total_cmp(&other.2.1));
    for i in 1..labels.len() {
        let above = labels[..i]
            .iter()
            .filter(|it| (it.2.0 - labels[i].2.0).abs() < 1.0)
            .map(|it| it.2.1)
            .fold(0.0, f64::max);
        labels[i].2.1 = labels[i].2.1.max(above + 13.0);
    }
    labels
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox='0 0 {WIDTH} {height}' width={WIDTH} role=img><title>{}</title>",
        text(title)
    )
}

/// A power of ten, with its digits in groups.
fn grouped(decade: i32) -> String {
    let digits = format!("1{}", "0".repeat(decade.max(0) as usize));
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
