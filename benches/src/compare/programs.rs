//! What is started for a measurement; built before the first, where it is not this program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;
use super::measured::Job;
use super::peers::{Kind, Peer};

/// The programs of this run.
#[derive(Debug)]
pub(super) struct Programs {
    own: PathBuf,
    mimalloc: Option<PathBuf>,
    go: Option<PathBuf>,
    erlang: Option<PathBuf>,
}

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

impl Programs {
    /// Builds what `peers` need, and the program with mimalloc if `mimalloc`.
    pub(super) fn build(peers: &[&Peer], mimalloc: bool) -> Result<Self, Error> {
        let own = env::current_exe()?;
        let beside = own.with_file_name("compare_peers");
        fs::create_dir_all(&beside)?;
        let has = |wanted: fn(Kind) -> bool| peers.iter().any(|peer| wanted(peer.kind));
        let go = has(|it| matches!(it, Kind::Go))
            .then(|| go(&beside))
            .transpose()?;
        let erlang = has(|it| matches!(it, Kind::Erlang))
            .then(|| erlang(&beside))
            .transpose()?;
        let mimalloc = mimalloc.then(|| with_mimalloc(&own)).transpose()?;
        Ok(Programs {
            own,
            mimalloc,
            go,
            erlang,
        })
    }

    /// The command for one measurement.
    pub(super) fn command(&self, peer: &Peer, allocator: &str, job: Job) -> Command {
        let program = |it: &Option<PathBuf>| it.clone().expect("it has been built");
        let mut command = match peer.kind {
            Kind::Crate(..) => {
                let mimalloc = allocator == "mimalloc";
                let program = if mimalloc {
                    program(&self.mimalloc)
                } else {
                    self.own.clone()
                };
                let mut command = Command::new(program);
                command.args(["--child", peer.name]);
                command
            }
            Kind::Go => Command::new(program(&self.go)),
            Kind::Erlang => {
                let schedulers = format!("{0}:{0}", job.workers);
                let mut command = Command::new("erl");
                // Room for all; no shell; schedulers that spin as they do by default.
                command.args([
                    "+S",
                    &schedulers,
                    "+P",
                    "4000000",
                    "-noshell",
                    "-noinput",
                    "-pa",
                ]);
                command
                    .arg(program(&self.erlang))
                    .args(["-run", "compared", "main"]);
                command
            }
        };
        command.arg(job.workload.name());
        command.args([job.workers as u64, job.actors, job.messages].map(|it| it.to_string()));
        if !matches!(peer.kind, Kind::Crate(..)) {
            command.arg(job.workload.bound().unwrap_or(0).to_string());
        }
        command
    }

    /// The command for the clients of an echo server.
    pub(super) fn load(&self, port: u64, connections: u64, echoes: u64) -> Command {
        let mut command = Command::new(&self.own);
        command.arg("--load");
        command.args([port, connections, echoes].map(|it| it.to_string()));
        command
    }
}

fn succeed(command: &mut Command) -> Result<(), Error> {
    let status = command
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// The same program, with the other allocator.
fn with_mimalloc(own: &Path) -> Result<PathBuf, Error> {
    let program = own.with_file_name("compare_mimalloc");
    // Cargo says where it is to those whom it runs; a program that is started by hand takes what is there.
    if let Some(cargo) = env::var_os("CARGO") {
        let mut command = Command::new(cargo);
        command.args([
            "build",
            "--quiet",
            "--release",
            "-p",
            "benches",
            "--features",
            "peers",
        ]);
        succeed(
            command
                .args(["--bin", "compare_mimalloc"])
                .current_dir(env!("CARGO_MANIFEST_DIR")),
        )?;
    }
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{} is not built", program.display()).into())
    }
}

fn go(to: &Path) -> Result<PathBuf, Error> {
    let program = to.join("go");
    let source = format!("{SOURCES}/go");
    succeed(
        Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source),
    )?;
    Ok(program)
}

fn erlang(to: &Path) -> Result<PathBuf, Error> {
    let source = format!("{SOURCES}/erlang/compared.erl");
    succeed(Command::new("erlc").arg("-o").arg(to).arg(source))?;
    Ok(to.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::measured::Outcome;
    use super::super::workload::Workload;
    use super::super::{child, peers};
    use super::*;

    /// Where they are installed. The echo server is left out: its load would be this program.
    #[test]
    fn what_the_programs_in_other_languages_say_is_understood() {
        let foreign = |it: &&Peer| !it.takes_allocators() && it.version().is_some();
        let peers: Vec<_> = peers::ALL.iter().filter(foreign).collect();
        let programs = Programs::build(&peers, false).expect("they build");
        let workloads = Workload::ALL.iter().copied();
        for workload in workloads.filter(|it| *it != Workload::EchoServer) {
            let size = workload.sizes(true)[0];
            let job = Job {
                workload,
                workers: 1,
                actors: size.actors,
                messages: size.messages,
            };
            for peer in &peers {
                let command = programs.command(peer, "own", job);
                match child::run(command, &programs, size, child::LIMIT) {
                    Ok(Outcome::Measured(it)) => assert!(it.peak_bytes > 0, "{job:?}: {it:?}"),
                    Ok(Outcome::Cannot(_)) => {}
                    Err(why) => panic!("{}: {job:?}: {why}", peer.name),
                }
            }
        }
    }
}
