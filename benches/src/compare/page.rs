//! The report as a page: tables and plots in one file, which loads nothing.

use std::fmt::Write;

use super::plot::{self, Line, Plot};
use super::report::{PeerInfo, Report, Row, Section};
use super::table::number;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:.5rem 0 1rem}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child,td:last-child{text-align:left}tr.ours{font-weight:600;background:#f3f7ff}\
svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#444}";

pub(super) fn render(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(report, &mut page);
    page
}

fn write_page(report: &Report, to: &mut String) -> std::fmt::Result {
    let machine = &report.machine;
    write!(
        to,
        "<!doctype html><meta charset=utf-8><title>Side by side</title><style>{STYLE}</style>"
    )?;
    write!(
        to,
        "<h1>Side by side</h1><p>{}, {} processors, Linux {}. ",
        text(&machine.processor),
        machine.processors,
        text(&machine.kernel)
    )?;
    write!(
        to,
        "Medians of {} interleaved runs, each in a process of its own; each peer with its best configuration.",
        report.runs
    )?;
    if report.short {
        write!(to, " <b>A short run: whether it works, not how fast.</b>")?;
    }
    let version = |peer: &PeerInfo| format!("{} {}", text(&peer.name), text(peer.version()));
    let versions = report.peers.iter().map(version);
    write!(to, "<p>{}.", versions.collect::<Vec<_>>().join(", "))?;
    for section in report.tables() {
        write_section(report, section, to)?;
    }
    Ok(())
}

fn write_section(report: &Report, section: &Section, to: &mut String) -> std::fmt::Result {
    let workload = section.workload;
    let unit = workload.unit();
    write!(
        to,
        "<h2>{}</h2><p>{}",
        workload.name(),
        text(workload.about())
    )?;
    for duel in &section.duels {
        write!(to, " By turns, {}.", text(&duel.to_string()))?;
    }
    let title = section.figure();
    let sizes: Vec<&Section> = report
        .sections
        .iter()
        .filter(|it| it.workload == workload)
        .collect();
    match sizes.len() {
        1 => write!(to, "{}", plot::bars(&title, &bars(section)))?,
        _ => write!(
            to,
            "{}",
            plot::lines(&Plot {
                x: "actors",
                y: &title,
                lines: lines(&sizes)
            })
        )?,
    }
    write!(
        to,
        "<table><tr><th>{} actors<th>{title}<th>min<th>max<th>peak MB<th>",
        section.actors
    )?;
    for row in section.best() {
        let class = if row.config.is_ours() {
            " class=ours"
        } else {
            ""
        };
        write!(
            to,
            "<tr{class}><td>{}<td>{}<td>{}<td>{}<td>{:.0}<td>{}",
            text(&row.config.to_string()),
            number(unit, row.median),
            number(unit, row.min),
            number(unit, row.max),
            row.peak_bytes / 1e6,
            row.more,
        )?;
    }
    for (peer, why) in section.absent() {
        write!(
            to,
            "<tr><td>{}<td>-<td><td><td><td>{}",
            text(peer),
            text(why)
        )?;
    }
    write!(to, "</table>")
}

fn bars(section: &Section) -> Vec<plot::Bar> {
    let bar = |row: &Row<'_>| plot::Bar {
        name: row.config.peer.clone(),
        value: row.median,
        min: row.min,
        max: row.max,
        label: number(section.workload.unit(), row.median),
    };
    section.best().iter().map(bar).collect()
}

fn lines(sizes: &[&Section]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for section in sizes {
        for row in section.best() {
            let point = (section.actors as f64, row.median);
            match lines.iter_mut().find(|line| line.name == row.config.peer) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    name: row.config.peer.clone(),
                    points: vec![point],
                }),
            }
        }
    }
    lines
}

/// Text in a page.
pub(super) fn text(of: &str) -> String {
    of.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
