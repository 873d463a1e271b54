//! The report as text.

use std::io::{self, Write};

use super::report::{Report, Row, Section};
use super::workload::Unit;

pub(super) fn print(report: &Report, to: &mut impl Write) -> io::Result<()> {
    let machine = &report.machine;
    writeln!(
        to,
        "{}, {} processors, Linux {}",
        machine.processor, machine.processors, machine.kernel
    )?;
    for peer in &report.peers {
        writeln!(to, "- {} {}", peer.name, peer.version())?;
    }
    writeln!(to, "\nMedians of {} runs.\n", report.runs)?;
    summary(report, to)?;
    report.tables().try_for_each(|section| details(section, to))
}

/// A line for each workload: ours, the best peer, the ratio.
fn summary(report: &Report, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "| workload | ours | best peer | its | ratio |")?;
    writeln!(to, "|---|---|---|---|---|")?;
    for section in report.tables() {
        let (ours, peer) = section.ours_and_best_peer();
        let value = |it: Option<&Row<'_>>| {
            it.map_or("-".to_owned(), |row| {
                number(section.workload.unit(), row.median)
            })
        };
        let ratio = section
            .ratio()
            .map_or("-".to_owned(), |(ratio, _)| format!("{ratio:.2}"));
        writeln!(
            to,
            "| `{}`, {} | {} | {} | {} | {ratio} |",
            section.workload.name(),
            section.figure(),
            value(ours.as_ref()),
            peer.as_ref()
                .map_or("-".to_owned(), |row| row.config.to_string()),
            value(peer.as_ref()),
        )?;
    }
    Ok(())
}

fn details(section: &Section, to: &mut impl Write) -> io::Result<()> {
    let workload = section.workload;
    writeln!(
        to,
        "\n## {}, {} actors\n{}\n",
        workload.name(),
        section.actors,
        workload.about()
    )?;
    let unit = workload.unit();
    writeln!(
        to,
        "| its best | {} | min | max | to ours | peak MB | |",
        section.figure()
    )?;
    writeln!(to, "|---|---|---|---|---|---|---|")?;
    let rows = section.best();
    let ours = rows
        .iter()
        .find(|row| row.config.is_ours())
        .map(|row| row.median);
    for row in &rows {
        writeln!(
            to,
            "| {} | {} | {} | {} | {} | {:.0} | {} |",
            row.config,
            number(unit, row.median),
            number(unit, row.min),
            number(unit, row.max),
            ours.map_or("-".to_owned(), |ours| format!("{:.2}", row.median / ours)),
            row.peak_bytes / 1e6,
            row.more,
        )?;
    }
    for (peer, why) in section.absent() {
        writeln!(to, "| {peer} | - | | | | | {why} |")?;
    }
    Ok(())
}

/// With as many digits as mean something.
pub(super) fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
