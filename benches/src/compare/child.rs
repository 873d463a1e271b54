//! One measurement in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::measured::{Measured, Outcome};
use super::programs::Programs;
use super::workload::Size;

/// Whoever takes longer is stopped, whatever others take.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// What a child says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    /// The port at which it waits for clients, until its standard input ends.
    Listening {
        listening: u64,
    },
    Outcome(Outcome),
}

/// What came of a child, within `limit`: its answer, or why there is none.
pub(super) fn run(
    mut command: Command,
    programs: &Programs,
    size: Size,
    limit: Duration,
) -> Result<Outcome, String> {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut stderr = child.stderr.take().expect("it is piped");
    let (lines, said) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if let Ok(line) = serde_json::from_str::<Line>(&line) {
                let _ = lines.send(line);
            }
        }
    });
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let outcome = match said.recv_timeout(limit) {
        Ok(Line::Outcome(outcome)) => Ok(outcome),
        Ok(Line::Listening { listening }) => {
            let load = programs.load(listening, size.actors, size.messages);
            let peak = |mut it: Measured| {
                it.peak_bytes = peak(child.id());
                it
            };
            match run(load, programs, size, limit) {
                Ok(Outcome::Measured(measured)) => Ok(Outcome::Measured(peak(measured))),
                other => other,
            }
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("no answer within {limit:.0?}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(String::new()),
    };
    // What it would still do (freeing a million of something) is in no figure. One that listens is ended by this.
    if said.try_recv().is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let _ = reader.join();
    let complaints = complaints.join().unwrap_or_default();
    outcome.map_err(|why| match why.is_empty() {
        false => why,
        true => format!("{status}: {}", first_complaint(&complaints)),
    })
}

fn first_complaint(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing")
}

/// The most memory that was resident in a process.
pub(super) fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
