//! What came of all measurements: as JSON, and what tables and plots are made of.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Error;
use super::duel::Duel;
use super::measured::{Job, Measured};
use super::workload::{Size, Workload};
use crate::stats::{self, Spread};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) short: bool,
    pub(super) runs: usize,
    pub(super) peers: Vec<PeerInfo>,
    pub(super) sections: Vec<Section>,
}

#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) processors: usize,
    pub(super) kernel: String,
}

#[derive(Debug, Serialize)]
pub(super) struct PeerInfo {
    pub(super) name: String,
    /// `None` if it is not installed.
    pub(super) version: Option<String>,
}

/// A workload at one size.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    pub(super) workload: Workload,
    pub(super) actors: u64,
    pub(super) messages: u64,
    pub(super) results: Vec<Results>,
    /// At its largest size.
    pub(super) duels: Vec<Duel>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Config {
    pub(super) peer: String,
    pub(super) workers: usize,
    pub(super) allocator: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) config: Config,
    pub(super) runs: Vec<Measured>,
    /// Why the peer cannot do it.
    pub(super) cannot: Option<String>,
    /// Why it did not.
    pub(super) failed: Option<String>,
}

/// A peer with its best configuration.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) config: &'a Config,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) peak_bytes: f64,
    /// What else was measured, in words.
    pub(super) more: String,
}

impl Machine {
    pub(super) fn this() -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let name = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let name = name.map(|it| it.trim_start_matches([' ', '\t', ':']));
        Machine {
            processor: name.unwrap_or("an unnamed processor").to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl PeerInfo {
    /// Its version, in words.
    pub(super) fn version(&self) -> &str {
        self.version.as_deref().unwrap_or("not installed")
    }
}

impl Config {
    pub(super) fn is_ours(&self) -> bool {
        self.peer == "ours"
    }

    /// What a process is told that does `workload` once.
    pub(super) fn job(&self, workload: Workload, size: Size) -> Job {
        Job {
            workload,
            workers: self.workers,
            actors: size.actors,
            messages: size.messages,
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            peer,
            workers,
            allocator,
        } = self;
        write!(
            f,
            "{peer}, {workers} worker{}, {allocator}",
            if *workers == 1 { "" } else { "s" }
        )
    }
}

impl Results {
    /// Whether it need not be run again, as its peer has been seen to take half as much in another configuration.
    pub(super) fn is_beaten_by(&self, shortest: Option<f64>) -> bool {
        let mine = self.runs.iter().map(|it| it.value).reduce(f64::min);
        mine.zip(shortest)
            .is_some_and(|(mine, shortest)| mine > 2.0 * shortest)
    }

    fn row(&self) -> Option<Row<'_>> {
        let median = |of: &dyn Fn(&Measured) -> f64| stats::median(self.runs.iter().map(of));
        let spread = stats::spread(self.runs.iter().map(|it| it.value))?;
        let more = self.runs.first()?.more.keys().map(|key| {
            let median = median(&|it| it.more[key]).unwrap_or(0.0);
            format!("{key} {median:.0}")
        });
        Some(Row {
            config: &self.config,
            median: spread.median,
            min: spread.min,
            max: spread.max,
            peak_bytes: median(&|it| it.peak_bytes as f64)?,
            more: more.collect::<Vec<_>>().join(", "),
        })
    }
}

impl Section {
    pub(super) fn new(workload: Workload, size: Size, results: Vec<Results>) -> Self {
        let Size { actors, messages } = size;
        Section {
            workload,
            actors,
            messages,
            results,
            duels: Vec::new(),
        }
    }

    /// What its figures are.
    pub(super) fn figure(&self) -> String {
        format!("{} a {}", self.workload.unit().name(), self.workload.per())
    }

    /// Each peer's best, by its median; the lowest first.
    pub(super) fn best(&self) -> Vec<Row<'_>> {
        let mut best: BTreeMap<&str, Row<'_>> = BTreeMap::new();
        for row in self.results.iter().filter_map(Results::row) {
            let peer = row.config.peer.as_str();
            if best.get(peer).is_none_or(|it| row.median < it.median) {
                best.insert(peer, row);
            }
        }
        let mut rows: Vec<_> = best.into_values().collect();
        rows.sort_by(|one, other| one.median.total_cmp(&other.median));
        rows
    }

    /// The peers that have no figure here, and why.
    pub(super) fn absent(&self) -> Vec<(&str, &str)> {
        let mut absent: Vec<(&str, &str)> = Vec::new();
        let done = self.best();
        for it in &self.results {
            let peer = it.config.peer.as_str();
            let why = it.cannot.as_deref().or(it.failed.as_deref());
            let known = absent.iter().any(|(name, _)| *name == peer)
                || done.iter().any(|row| row.config.peer == peer);
            if let (Some(why), false) = (why, known) {
                absent.push((peer, why));
            }
        }
        absent
    }

    /// The duel with the best peer, that in which ours is ahead the least, or behind the most; and its ratio.
    pub(super) fn ratio(&self) -> Option<(&Duel, Spread)> {
        let fought = self.duels.iter();
        let fought = fought.filter_map(|duel| Some((duel, duel.ratio()?)));
        fought.min_by(|(_, one), (_, other)| one.median.total_cmp(&other.median))
    }
}

impl Report {
    /// The sections of the tables: of each workload the largest size.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Section> {
        let last = |i: usize| {
            self.sections
                .get(i + 1)
                .is_none_or(|next| next.workload != self.sections[i].workload)
        };
        (0..self.sections.len())
            .filter(move |i| last(*i))
            .map(|i| &self.sections[i])
    }

    /// Ours must do all workloads; what a peer fails at is told in the tables.
    ///
    /// # Errors
    /// If ours has failed at one.
    pub(super) fn failures(&self) -> Result<(), Error> {
        for section in &self.sections {
            let failed = |config: &Config, why: &str| {
                Err(format!("{}: {config}: {why}", section.workload.name()).into())
            };
            // In short runs, which are to show whether it works, everybody's failure counts.
            let counts = |config: &Config| config.is_ours() || self.short;
            for results in &section.results {
                let cannot = results.cannot.as_ref().filter(|_| results.config.is_ours());
                let why = results.failed.as_ref().or(cannot);
                if let Some(why) = why.filter(|_| counts(&results.config)) {
                    return failed(&results.config, why);
                }
            }
            for (config, why) in section.duels.iter().filter_map(|it| it.failed.as_ref()) {
                if counts(config) {
                    return failed(config, why);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(peer: &str, workers: usize, values: &[f64], cannot: Option<&str>) -> Results {
        let allocator = "glibc".to_owned();
        let measured = |value: &f64| Measured {
            value: *value,
            ..Measured::default()
        };
        Results {
            config: Config {
                peer: peer.to_owned(),
                workers,
                allocator,
            },
            runs: values.iter().map(measured).collect(),
            cannot: cannot.map(str::to_owned),
            failed: None,
        }
    }

    fn section() -> Section {
        let all = vec![
            results("ours", 1, &[20.0, 10.0, 90.0], None),
            results("ours", 2, &[30.0], None),
            results("tokio", 1, &[70.0], None),
            results("tokio", 2, &[50.0, 40.0], None),
            results("may", 1, &[], Some("it has none")),
            results("may", 2, &[], Some("it has none")),
        ];
        let size = Size {
            actors: 2,
            messages: 0,
        };
        Section::new(Workload::Ask, size, all)
    }

    #[test]
    fn a_peer_is_shown_with_the_configuration_of_the_lowest_median() {
        let section = section();
        let best: Vec<_> = section
            .best()
            .iter()
            .map(|row| (row.config.workers, row.median))
            .collect();
        assert_eq!(best, [(1, 20.0), (2, 45.0)]);
        let ours = &section.best()[0];
        assert_eq!((ours.min, ours.max), (10.0, 90.0));
    }

    #[test]
    fn the_ratio_is_that_to_whom_ours_is_ahead_of_the_least() {
        let mut section = section();
        assert!(section.ratio().is_none());
        let duel = |peer, ratios: &[f64]| Duel {
            ours: results("ours", 1, &[], None).config,
            peer: results(peer, 2, &[], None).config,
            ratios: ratios.to_vec(),
            failed: None,
        };
        section.duels = vec![
            duel("may", &[1.9, 3.0, 2.5]),
            duel("tokio", &[0.5, 2.0, 9.0]),
        ];
        let ratio = section.ratio().map(|(duel, _)| duel.to_string());
        let said = "ours, 1 worker, glibc against tokio, 2 workers, glibc: 2.00 (0.50 to 9.00)";
        assert_eq!(ratio.as_deref(), Some(said));
    }

    #[test]
    fn what_takes_more_than_twice_as_long_as_another_configuration_is_not_run_again() {
        let beaten =
            |values: &[f64], shortest| results("may", 1, values, None).is_beaten_by(shortest);
        assert!(beaten(&[90.0, 41.0], Some(20.0)));
        assert!(!beaten(&[90.0, 40.0], Some(20.0)), "at its best it has not");
        assert!(!beaten(&[], Some(20.0)), "each has a first run");
        assert!(!beaten(&[90.0], None));
    }

    #[test]
    fn who_cannot_do_it_is_named_once_with_the_reason() {
        assert_eq!(section().absent(), [("may", "it has none")]);
    }

    #[test]
    fn the_page_has_every_peer_and_loads_nothing() {
        let machine = Machine {
            processor: "a <fast> one".to_owned(),
            processors: 2,
            kernel: "6".to_owned(),
        };
        let peers = ["ours", "tokio", "may"].map(|name| PeerInfo {
            name: name.to_owned(),
            version: None,
        });
        let (peers, sections) = (peers.into(), vec![section()]);
        let page = super::super::page::render(&Report {
            machine,
            short: false,
            runs: 3,
            peers,
            sections,
        });
        for text in [
            "ours, 1 worker, glibc",
            "tokio, 2 workers, glibc",
            "it has none",
            "a &lt;fast&gt; one",
        ] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
        for loads in ["http", "src=", "<script", "<link"] {
            assert!(!page.contains(loads), "{loads} is in {page}");
        }
    }
}
