//! The command line.

use std::path::PathBuf;

use super::Error;
use super::load::Load;
use super::measured::Job;
use super::peers::{self, Peer};
use super::workload::Workload;

pub(super) const USAGE: &str = "\
compare [WORKLOAD ..] [--peer NAME ..] [--runs N] [--json FILE] [--html FILE] [--short]

  WORKLOAD      only these (spawn, idle_memory, ping_pong, ..)
  --peer NAME   only these, and ours (tokio, actix, ractor, kameo, xtra, may, go, erlang); may be repeated
  --runs N      how often each is measured (5)
  --json FILE   every figure
  --html FILE   a page with tables and plots
  --short       small sizes, one run, one allocator, Rust's peers: whether it works, not how fast";

/// What this process is for.
pub(super) enum Mode {
    Help,
    Drive(Options),
    /// One measurement, for a parent.
    Child(&'static Peer, Job),
    /// Clients of an echo server.
    Load(Load),
}

/// What the parent is to do.
pub(super) struct Options {
    pub(super) workloads: Vec<Workload>,
    pub(super) peers: Vec<&'static Peer>,
    pub(super) runs: usize,
    pub(super) json: Option<PathBuf>,
    pub(super) html: Option<PathBuf>,
    pub(super) short: bool,
}

impl Options {
    pub(super) fn parse(mut words: impl Iterator<Item = String>) -> Result<Mode, Error> {
        let mut options = Options {
            workloads: Vec::new(),
            peers: Vec::new(),
            runs: 0,
            json: None,
            html: None,
            short: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} takes a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(Mode::Help),
                "--child" => {
                    let peer = peer(&value()?)?;
                    let workload = workload(&value()?)?;
                    let job = Job {
                        workload,
                        workers: value()?.parse()?,
                        actors: value()?.parse()?,
                        messages: value()?.parse()?,
                    };
                    return Ok(Mode::Child(peer, job));
                }
                "--load" => {
                    let load = Load {
                        port: value()?.parse()?,
                        connections: value()?.parse()?,
                        echoes: value()?.parse()?,
                    };
                    return Ok(Mode::Load(load));
                }
                "--peer" => options.peers.push(peer(&value()?)?),
                "--runs" => options.runs = value()?.parse()?,
                "--json" => options.json = Some(value()?.into()),
                "--html" => options.html = Some(value()?.into()),
                "--short" => options.short = true,
                _ => options.workloads.push(workload(&word)?),
            }
        }
        if options.workloads.is_empty() {
            options.workloads = Workload::ALL.to_vec();
        }
        if options.peers.is_empty() {
            options.peers = peers::ALL.iter().collect();
        } else if !options.peers.iter().any(|peer| peer.name == "ours") {
            options.peers.insert(0, peer("ours")?);
        }
        if options.short {
            options.peers.retain(|peer| peer.takes_allocators());
        }
        if options.runs == 0 {
            options.runs = if options.short { 1 } else { 5 };
        }
        Ok(Mode::Drive(options))
    }
}

fn peer(name: &str) -> Result<&'static Peer, String> {
    peers::named(name).ok_or(format!("there is no peer {name}\n\n{USAGE}"))
}

fn workload(name: &str) -> Result<Workload, String> {
    let names = || {
        Workload::ALL
            .iter()
            .map(|it| it.name())
            .collect::<Vec<_>>()
            .join(" ")
    };
    Workload::named(name)
        .ok_or_else(|| format!("there is no workload {name}; there are: {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Mode, String> {
        let words = line.split_whitespace().map(str::to_owned);
        Options::parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn without_names_everybody_does_everything_five_times() {
        let Ok(Mode::Drive(options)) = parse("") else {
            panic!("it drives")
        };
        assert_eq!(options.workloads, Workload::ALL);
        assert_eq!((options.peers.len(), options.runs), (peers::ALL.len(), 5));
    }

    #[test]
    fn we_take_part_whoever_is_named_and_short_runs_are_rusts() {
        let names = |line| match parse(line) {
            Ok(Mode::Drive(it)) => it.peers.iter().map(|peer| peer.name).collect::<Vec<_>>(),
            _ => panic!("it drives"),
        };
        assert_eq!(names("ask --peer go --peer may"), ["ours", "go", "may"]);
        assert_eq!(names("ask --short --peer go --peer may"), ["ours", "may"]);
    }

    #[test]
    fn a_child_is_told_what_its_parent_was() {
        let Ok(Mode::Child(peer, job)) = parse("--child tokio big 2 100 5000") else {
            panic!("it measures")
        };
        assert_eq!((peer.name, job.workload), ("tokio", Workload::Big));
        assert_eq!((job.workers, job.actors, job.messages), (2, 100, 5000));
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        let error = parse("pong").err().expect("there is no pong");
        assert!(
            error.contains("pong") && error.contains("ping_pong"),
            "{error}"
        );
        let error = parse("--peer akka").err().expect("there is no akka");
        assert!(error.contains("akka") && error.contains("tokio"), "{error}");
        let error = parse("--runs").err().expect("it takes a value");
        assert!(error.contains("--runs takes a value"), "{error}");
    }
}
