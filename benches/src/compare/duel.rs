//! The ratio to the best peer.
//!
//! A round of all configurations takes a minute, and a shared machine may run at another pace in the next: medians of rounds say who
//! is best, but of two that were measured a minute apart hardly by how much. So ours and each of the [`RIVALS`] best peers, with the
//! configurations that the rounds have shown to be their best, then run by turns, and each pair of runs gives a ratio. The
//! ratio to that peer is their median; the ratio to the best of all peers the lowest of those.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::child;
use super::measured::Outcome;
use super::peers::Peer;
use super::programs::Programs;
use super::report::{Config, Section};
use super::workload::Size;
use crate::stats::{self, Spread};

/// How many peers: the second may be the best at another pace.
const RIVALS: usize = 2;
const PAIRS: usize = 5;

/// Ours and a peer, by turns.
#[derive(Debug, Serialize)]
pub(super) struct Duel {
    pub(super) ours: Config,
    pub(super) peer: Config,
    /// The peer's figure as a multiple of ours, pair by pair.
    pub(super) ratios: Vec<f64>,
    /// Why there are no more pairs, if one has failed, and whose run that was.
    pub(super) failed: Option<(Config, String)>,
}

impl Duel {
    /// `None`: there is no pair.
    pub(super) fn ratio(&self) -> Option<Spread> {
        stats::spread(self.ratios.iter().copied())
    }
}

/// The duels of a workload of which all configurations have been measured.
pub(super) fn fight(
    programs: &Programs,
    peers: &[&Peer],
    section: &Section,
    short: bool,
) -> io::Result<Vec<Duel>> {
    let size = Size {
        actors: section.actors,
        messages: section.messages,
    };
    let run = |config: &Config| {
        let peer = peers.iter().find(|it| it.name == config.peer);
        let job = config.job(section.workload, size);
        let command = programs.command(peer.expect("it has run"), &config.allocator, job);
        match child::run(command, programs, size, child::LIMIT) {
            Ok(Outcome::Measured(measured)) => Ok(measured.value),
            Ok(Outcome::Cannot(why)) | Err(why) => Err((config.clone(), why)),
        }
    };
    let best = section.best();
    let Some(ours) = best.iter().find(|row| row.config.is_ours()) else {
        return Ok(Vec::new());
    };
    let mut duels = Vec::new();
    for rival in best.iter().filter(|it| !it.config.is_ours()).take(RIVALS) {
        let mut duel = Duel {
            ours: ours.config.clone(),
            peer: rival.config.clone(),
            ratios: Vec::new(),
            failed: None,
        };
        for _ in 0..if short { 1 } else { PAIRS } {
            match run(&duel.ours).and_then(|ours| Ok((ours, run(&duel.peer)?))) {
                Ok((ours, theirs)) => duel.ratios.push(theirs / ours),
                Err(failed) => {
                    duel.failed = Some(failed);
                    break;
                }
            }
        }
        writeln!(io::stderr(), "  {duel}")?;
        duels.push(duel);
    }
    Ok(duels)
}

impl fmt::Display for Duel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Duel { ours, peer, .. } = self;
        write!(f, "{ours} against {peer}: ")?;
        if let Some(Spread { median, min, max }) = self.ratio() {
            write!(f, "{median:.2} ({min:.2} to {max:.2})")?;
        }
        match &self.failed {
            Some((whose, why)) => write!(f, "; {whose} failed: {why}"),
            None => Ok(()),
        }
    }
}
