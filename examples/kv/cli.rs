//! The command line: what `main` does.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::num::NonZeroU64;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use actor_core::Event;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::demo;
use crate::server::{Config, Server};

const HELP: &str = "\
A key-value service that speaks the Redis protocol.

    kv --demo              start it, load it, crash a shard, and report; fails if anything else was disturbed
    kv --port 6380         serve until Ctrl-C or SIGTERM

    --port PORT            the port to listen on; 0 for any that is free (default: 6380)
    --bind ADDRESS         the address to listen on (default: 127.0.0.1)
    --shards N             parts the keys are in (default: as many as workers, at least 2)
    --data DIR             keep the keys there: a kill -9 loses no more than what was written in the last second, and
                           in the time that it takes to save a shard (tenths of a second for 100 MB)
    --save-every MS        .. in the last so many milliseconds (default: 1000)
    --workers N            threads (default: one for two cores)
    --help                 this text
";

enum Task {
    Serve,
    Demo,
    Help,
}

/// Does what the arguments say (without the program's name), and gives the process's exit code.
pub fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let (task, config) = match arguments(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("{error}; see --help");
            return ExitCode::from(2);
        }
    };
    let done = match task {
        Task::Help => {
            print!("{HELP}");
            Ok(true)
        }
        Task::Demo => run_demo(config),
        Task::Serve => serve(config),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(why) = source {
                text.push_str(&format!(": {why}"));
                source = why.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut args: impl Iterator<Item = String>) -> Result<(Task, Config), String> {
    let mut config = Config::default();
    config.bind.set_port(6380);
    let mut task = Task::Serve;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let wrong = |value: String| format!("{value:?} is no value for {arg}");
        let number = |value: String| match value.parse() {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(wrong(value)),
        };
        match &arg[..] {
            "--demo" => task = Task::Demo,
            "--help" | "-h" => task = Task::Help,
            "--port" => {
                let port = value().and_then(|v| v.parse().map_err(|_| wrong(v)))?;
                config.bind.set_port(port);
            }
            "--bind" => {
                let address = value().and_then(|v| v.parse().map_err(|_| wrong(v)))?;
                config.bind.set_ip(address);
            }
            "--data" => config.data = Some(value()?.into()),
            "--save-every" => {
                let ms = value().and_then(|v| v.parse::<NonZeroU64>().map_err(|_| wrong(v)))?;
                config.save_every = Duration::from_millis(ms.get());
            }
            "--shards" => config.shards = value().and_then(number)?,
            "--workers" => config.workers = value().and_then(number)?,
            _ => return Err(format!("unknown option {arg:?}")),
        }
    }
    Ok((task, config))
}

type Outcome = Result<bool, Box<dyn std::error::Error>>;

fn run_demo(mut config: Config) -> Outcome {
    config.bind.set_port(0);
    // The crashes are on purpose, and their messages would drown the report.
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.starts_with("DEBUG PANIC") {
            eprintln!("{info}");
        }
    }));
    let plan = demo::Plan::default();
    println!(
        "kv: {} shards; crashing one of them {} times under load",
        plan.shards, plan.crashes
    );
    let report = demo::run(&plan, config)?;
    print!("{report}");
    println!(
        "{}",
        if report.faults.is_empty() {
            "ok"
        } else {
            "FAILED"
        }
    );
    Ok(report.faults.is_empty())
}

/// What whoever keeps data wants to know.
fn tell(event: &Event) {
    match event {
        Event::SnapshotDamaged { damaged, older, .. } => {
            let then = match older {
                true => "the one before is used",
                false => "there is none before, and the shard begins empty",
            };
            eprintln!("damaged, and set aside: {damaged}; {then}");
        }
        Event::SnapshotFailed { name, error, .. } => eprintln!("{name} was not saved: {error}"),
        _ => {}
    }
}

fn serve(config: Config) -> Outcome {
    // Before anything is served: a signal must not find the default action.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let keeps_data = config.data.is_some();
    let server = Server::start(config)?;
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let tells = keeps_data.then(|| {
        let events = server.events();
        // What was wrong with the data is said before they are served.
        events.try_iter().for_each(|event| tell(&event));
        thread::spawn(move || {
            loop {
                crossbeam_channel::select! {
                    recv(events) -> event => match event {
                        Ok(event) => tell(&event),
                        Err(_) => return,
                    },
                    // And that the last save failed is said before the program ends.
                    recv(stopped) -> _ => return events.try_iter().for_each(|event| tell(&event)),
                }
            }
        })
    });
    println!("listening on {}", server.addr());
    signals.forever().next();
    let report = server.stop();
    drop(stop);
    if let Some(tells) = tells {
        // It does not panic.
        let _ = tells.join();
    }
    println!(
        "stopped: {} commands; sessions ended: {}; actors and microthreads left behind: {:?}",
        report.commands, report.sessions_ended, report.shutdown.leaked
    );
    Ok(report.sessions_ended && report.shutdown.is_clean())
}
