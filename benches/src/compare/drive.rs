//! All measurements, interleaved.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::Error;
use super::child;
use super::duel;
use super::measured::Outcome;
use super::options::Options;
use super::peers::Peer;
use super::programs::Programs;
use super::report::{Config, Machine, PeerInfo, Report, Results, Section};
use super::workload::{Size, Workload};

const WORKERS: [usize; 2] = [1, 2];

pub(super) fn run(options: &Options, allocator: &str) -> Result<Report, Error> {
    let mut peers = Vec::new();
    let mut present = Vec::new();
    for peer in &options.peers {
        let version = peer.version();
        if version.is_some() {
            present.push(*peer);
        }
        let name = peer.name.to_owned();
        peers.push(PeerInfo { name, version });
    }
    let other = (!options.short && allocator == "glibc").then_some("mimalloc");
    let allocators: Vec<&str> = [allocator].into_iter().chain(other).collect();
    let programs = Programs::build(&present, other.is_some())?;
    let mut sections = Vec::new();
    for workload in &options.workloads {
        let sizes = workload.sizes(options.short);
        for (i, size) in sizes.iter().enumerate() {
            writeln!(io::stderr(), "{} ({} actors)", workload.name(), size.actors)?;
            // Of a plot, each point but the last is measured less often.
            let last = i + 1 == sizes.len();
            let runs = if last {
                options.runs
            } else {
                options.runs.div_ceil(2)
            };
            let results = measure(&programs, &present, &allocators, *workload, *size, runs)?;
            let mut section = Section::new(*workload, *size, results);
            if last {
                section.duels = duel::fight(&programs, &present, &section, options.short)?;
            }
            sections.push(section);
        }
    }
    Ok(Report {
        machine: Machine::this(),
        short: options.short,
        runs: options.runs,
        peers,
        sections,
    })
}

/// How long is waited for a configuration of a peer's, of which another took `shortest`: it is out if it takes several times that.
fn patience(shortest: Duration) -> Duration {
    (Duration::from_secs(10) + 3 * shortest).min(child::LIMIT)
}

fn measure(
    programs: &Programs,
    peers: &[&Peer],
    allocators: &[&str],
    workload: Workload,
    size: Size,
    runs: usize,
) -> Result<Vec<Results>, Error> {
    let mut results: Vec<(&Peer, Results)> = Vec::new();
    for peer in peers {
        let own: &[&str] = if peer.takes_allocators() {
            allocators
        } else {
            &["own"]
        };
        for (workers, allocator) in WORKERS
            .iter()
            .flat_map(|n| own.iter().map(move |it| (*n, *it)))
        {
            let allocator = allocator.to_owned();
            let config = Config {
                peer: peer.name.to_owned(),
                workers,
                allocator,
            };
            results.push((
                peer,
                Results {
                    config,
                    runs: Vec::new(),
                    cannot: None,
                    failed: None,
                },
            ));
        }
    }
    // What a peer cannot do it says once.
    let mut cannot = BTreeMap::new();
    // The shortest run so far of each peer's configurations.
    let mut best: BTreeMap<&str, f64> = BTreeMap::new();
    // And how long a whole process took at least.
    let mut shortest: BTreeMap<&str, Duration> = BTreeMap::new();
    for run in 1..=runs {
        for (peer, results) in &mut results {
            if let Some(why) = cannot.get(peer.name) {
                results.cannot = Some(String::clone(why));
            }
            if results.cannot.is_some()
                || results.failed.is_some()
                || results.is_beaten_by(best.get(peer.name).copied())
            {
                continue;
            }
            let config = &results.config;
            let command = programs.command(peer, &config.allocator, config.job(workload, size));
            let known = shortest.get(peer.name);
            let limit = known.map_or(child::LIMIT, |it| patience(*it));
            let begun = Instant::now();
            let said = match child::run(command, programs, size, limit) {
                Ok(Outcome::Measured(measured)) => {
                    let took = shortest.entry(peer.name).or_insert(Duration::MAX);
                    *took = begun.elapsed().min(*took);
                    let value = format!("{:.1} {}", measured.value, workload.unit().name());
                    let lowest = best.entry(peer.name).or_insert(f64::INFINITY);
                    *lowest = lowest.min(measured.value);
                    results.runs.push(measured);
                    value
                }
                Ok(Outcome::Cannot(why)) => {
                    cannot.insert(peer.name, why.clone());
                    let said = format!("cannot: {why}");
                    results.cannot = Some(why);
                    said
                }
                Err(why) => {
                    let said = format!("failed: {why}");
                    results.failed = Some(why);
                    said
                }
            };
            writeln!(io::stderr(), "  {run}/{runs} {}: {said}", results.config)?;
        }
    }
    Ok(results.into_iter().map(|(_, results)| results).collect())
}
