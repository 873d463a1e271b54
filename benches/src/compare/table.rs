//! The report as text.

use std::io::{self, Write};

use super::report::{Report, Row, Section};
use super::workload::Unit;
use crate::stats::Spread;

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
    writeln!(
        to,
        "\nMedians of {} runs; ratios to the best peer are medians of pairs of runs.\n",
        report.runs
    )?;
    summary(report, to)?;
    report.tables().try_for_each(|section| details(section, to))
}

/// A line for each workload: ours, the best peer, the ratio.
fn summary(report: &Report, to: &mut impl Write) -> io::Result<()> {
    writeln!(
        to,
        "| workload | ours | best peer | its | ratio | min | max |"
    )?;
    writeln!(to, "|---|---|---|---|---|---|---|")?;
    for section in report.tables() {
        let unit = section.workload.unit();
        let value =
            |it: Option<&Row<'_>>| it.map_or("-".to_owned(), |row| number(unit, row.median));
        let best = section.best();
        let ours = best.iter().find(|row| row.config.is_ours());
        let name = section.workload.name();
        write!(to, "| `{name}`, {} | {} |", section.figure(), value(ours))?;
        let Some((duel, Spread { median, min, max })) = section.ratio() else {
            writeln!(to, " - | - | - | - | - |")?;
            continue;
        };
        let peer = best.iter().find(|row| row.config.peer == duel.peer.peer);
        let its = value(peer);
        writeln!(
            to,
            " {} | {its} | {median:.2} | {min:.2} | {max:.2} |",
            duel.peer
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
