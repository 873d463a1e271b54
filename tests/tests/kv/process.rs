//! The program: signals, and what it prints. In child processes, which are this test binary with a variable set.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitCode, Stdio};

use kv::client::Client;

const ARGS: &str = "KV_TEST_ARGS";

/// The child's part.
#[test]
fn child() {
    let Ok(args) = std::env::var(ARGS) else {
        return;
    };
    let code = kv::cli::run(args.split(' ').map(String::from));
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// The program in a process of its own, which ends with this.
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
}

impl Program {
    /// Starts it with options that make it listen.
    pub(crate) fn start(args: &str) -> Self {
        Self::of(&mut command(args))
    }

    /// As [`start`](Self::start), with a command that is set up already.
    pub(crate) fn of(command: &mut Command) -> Self {
        let (child, mut output) = spawn(command);
        let addr = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "it has ended");
            if let Some((_, addr)) = line.trim_end().split_once("listening on ") {
                break addr.parse().unwrap();
            }
        };
        Program {
            child,
            output,
            addr,
        }
    }

    /// Ends it as a power failure would, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has, in good order.
    pub(crate) fn terminate(mut self) {
        // SAFETY: a signal to the child, which has not been waited for, so the id is its own.
        let told = unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        assert_eq!(told, 0);
        assert!(self.child.wait().unwrap().success());
    }

    /// What it complains of, if that was asked for.
    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("it was asked for")
    }

    /// Bytes of memory it takes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = rss.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, or is told to and has no choice.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with these options.
pub(crate) fn command(args: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "process::child", "--nocapture"])
        .env(ARGS, args)
        .stdout(Stdio::piped());
    command
}

fn start(args: &str) -> (Child, BufReader<ChildStdout>) {
    spawn(&mut command(args))
}

fn spawn(command: &mut Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

#[test]
fn a_signal_ends_it_cleanly() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut program = Program::start("--port 0 --workers 2 --shards 2");
        let mut clients: Vec<_> = (0..50)
            .map(|_| Client::connect(program.addr).unwrap())
            .collect();
        for client in &mut clients {
            assert!(!client.ask("INCR n").unwrap().is_error());
        }
        clients[0].ask("SUBSCRIBE news").unwrap();
        clients[1].ask("SET k v EX 1000").unwrap();
        // SAFETY: a signal to the child, which has not been waited for, so the id is its own.
        let told = unsafe { libc::kill(program.child.id().cast_signed(), signal) };
        assert_eq!(told, 0);
        for client in &mut clients {
            assert!(client.receive().is_err(), "the connection ends");
        }
        let mut rest = String::new();
        program.output.read_to_string(&mut rest).unwrap();
        assert!(program.child.wait().unwrap().success(), "{rest}");
        assert!(
            rest.contains("stopped: 52 commands; sessions ended: true"),
            "{rest}"
        );
    }
}

#[test]
fn the_demo_passes() {
    let (mut child, mut output) = start("--demo");
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    assert!(text.lines().any(|line| line == "ok"), "{text}");
}

#[test]
fn options_are_checked() {
    for args in ["--port x", "--shards 0", "--workers", "--nonsense"] {
        let (mut child, mut output) = start(args);
        output.read_to_string(&mut String::new()).unwrap();
        assert!(!child.wait().unwrap().success(), "{args}");
    }
    let (mut child, mut output) = start("--help");
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success() && text.contains("--demo"));
}
