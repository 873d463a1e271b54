//! The report as text.

use std::io::{self, Write};

use super::report::{Report, Section};
use super::workload::Unit;

pub(super) fn print(report: &Report, to: &mut impl Write) -> io::Result<()> {
    let machine = &report.machine;
    writeln!(
        to,
        "{}, {} processors, Linux {}",
        machine.processor, machine.processors, machine.kernel
    )?;
    for peer in &report.peers {
        let version = peer.version.as_deref().unwrap_or("not installed");
        writeln!(to, "- {} {version}", peer.name)?;
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
        let rows = section.best();
        let ours = rows.iter().find(|row| row.config.peer == "ours");
        let peer = rows.iter().find(|row| row.config.peer != "ours");
        let unit = section.workload.unit();
        let value = |it: Option<&_>| it.map_or("-".to_owned(), |median| number(unit, *median));
        let ratio = section
            .ratio()
            .map_or("-".to_owned(), |(ratio, _)| format!("{ratio:.2}"));
        writeln!(
            to,
            "| `{}`, {} a {} | {} | {} | {} | {ratio} |",
            section.workload.name(),
            unit.name(),
            section.workload.per(),
            value(ours.map(|row| &row.median)),
            peer.map_or("-".to_owned(), |row| row.config.to_string()),
            value(peer.map(|row| &row.median)),
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
        "| its best | {} a {} | min | max | to ours | peak MB | |",
        unit.name(),
        workload.per()
    )?;
    writeln!(to, "|---|---|---|---|---|---|---|")?;
    let rows = section.best();
    let ours = rows
        .iter()
        .find(|row| row.config.peer == "ours")
        .map(|row| row.median);
    for row in &rows {
        let more: Vec<_> = row
            .more
            .iter()
            .map(|(name, value)| format!("{name} {value:.0}"))
            .collect();
        writeln!(
            to,
            "| {} | {} | {} | {} | {} | {:.0} | {} |",
            row.config,
            number(unit, row.median),
            number(unit, row.min),
            number(unit, row.max),
            ours.map_or("-".to_owned(), |ours| format!("{:.2}", row.median / ours)),
            row.peak_bytes / 1e6,
            more.join(", "),
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
