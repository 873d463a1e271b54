//! One row: what is measured, its median, and its two ways to be printed.

use std::fmt;
use std::process::{Command, Stdio};
use std::str::FromStr;

use benches::stats::median;
use serde::{Deserialize, Serialize};

use super::Result;
use super::options::{Job, SHORT};

/// What the population consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    OsThread,
    Microthread,
    Migratable,
    Actor,
    ActorNamed,
    ActorSupervised,
    ActorOwnStack,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] = [
        Kind::OsThread,
        Kind::Microthread,
        Kind::Migratable,
        Kind::Actor,
        Kind::ActorNamed,
        Kind::ActorSupervised,
        Kind::ActorOwnStack,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::OsThread => "os_thread",
            Kind::Microthread => "microthread",
            Kind::Migratable => "migratable",
            Kind::Actor => "actor",
            Kind::ActorNamed => "actor_named",
            Kind::ActorSupervised => "actor_supervised",
            Kind::ActorOwnStack => "actor_own_stack",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a kind"))
    }
}

/// One row. See the crate's documentation for what the columns mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) n: usize,
    pub(crate) rss_bytes: u64,
    pub(crate) virt_bytes: u64,
    pub(crate) bytes_each: f64,
    pub(crate) create_ns: f64,
    pub(crate) switch_ns: f64,
    pub(crate) mappings: u64,
    /// Stacks mapped since before the members were created, by the runtime's own count. `None` for OS threads.
    pub(crate) stacks: Option<u64>,
    /// Guards, likewise, by the kernel's count. `None` where it does not tell.
    pub(crate) guarded: Option<u64>,
}

impl Row {
    pub(crate) const HEADER: &str = "\
kind                     n     resident      virtual   bytes each    create ns  switch ns  mappings    stacks   guarded";

    /// The median of each column. `None` of no rows.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "byte counts below 2^52"
    )]
    pub(crate) fn median(rows: &[Row]) -> Option<Row> {
        let first = rows.first()?;
        let of = |column: fn(&Row) -> f64| median(rows.iter().map(column)).unwrap_or(0.0);
        Some(Row {
            kind: first.kind,
            n: first.n,
            rss_bytes: of(|row| row.rss_bytes as f64) as u64,
            virt_bytes: of(|row| row.virt_bytes as f64) as u64,
            bytes_each: round(of(|row| row.bytes_each)),
            create_ns: round(of(|row| row.create_ns)),
            switch_ns: round(of(|row| row.switch_ns)),
            mappings: of(|row| row.mappings as f64) as u64,
            stacks: first.stacks,
            // The worst run, as one stack without a guard is one too many.
            guarded: rows.iter().map(|row| row.guarded).min().flatten(),
        })
    }
}

/// To a tenth.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        write!(
            f,
            "{:<16} {:>9} {:>12} {:>12} {:>12.1} {:>12.1} {:>10.1} {:>9} {:>9} {:>9}",
            self.kind.name(),
            self.n,
            mib(self.rss_bytes),
            mib(self.virt_bytes),
            self.bytes_each,
            self.create_ns,
            self.switch_ns,
            self.mappings,
            or_dash(self.stacks),
            or_dash(self.guarded)
        )
    }
}

fn mib(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// Measures a row in a process of its own.
pub(crate) fn in_a_fresh_process(job: Job) -> Result<Row> {
    let Job { kind, n, short } = job;
    let child = Command::new(std::env::current_exe()?)
        .args(short.then_some(SHORT))
        .args(["--measure", kind.name(), &n.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !child.status.success() {
        return Err(format!(
            "{} {n}: the measuring process: {}",
            kind.name(),
            child.status
        )
        .into());
    }
    Ok(serde_json::from_slice(&child.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes_each: f64, guarded: Option<u64>) -> Row {
        Row {
            kind: Kind::Actor,
            n: 1,
            rss_bytes: 1,
            virt_bytes: 2,
            bytes_each,
            create_ns: 3.0,
            switch_ns: 4.0,
            mappings: 5,
            stacks: None,
            guarded,
        }
    }

    #[test]
    fn columns_are_medians_and_guards_the_worst_run() {
        let runs = [row(9.0, Some(3)), row(1.0, Some(2)), row(2.0, Some(3))];
        let median = Row::median(&runs).unwrap();
        assert_eq!((median.bytes_each, median.guarded), (2.0, Some(2)));
        assert_eq!(Row::median(&[]), None);
    }

    #[test]
    fn a_row_survives_the_way_from_the_child() {
        let json = serde_json::to_string(&row(1.5, None)).unwrap();
        assert!(json.starts_with(r#"{"kind":"actor","n":1,"#), "{json}");
        assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row(1.5, None));
    }
}
