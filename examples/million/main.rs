//! A million loops that survive `kill -9`.
//!
//! ```sh
//! cargo run --release --example million [-- LOOPS]
//! ```
//! Each loop is a [`#[migratable]`](macro@migratable) function that runs as a task of a system. In the middle of its passes each is
//! suspended; all are written to one file, put back, and go on, until the process is killed. A fresh process reads the file, and
//! each loop continues in the pass it was in. The totals must be exact.

#![expect(clippy::print_stdout, reason = "a demonstration that reports")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actor_core::image::{Image, Limits};
use actor_core::microthread::yield_now;
use actor_core::migratable::{Suspended, Task, freeze_within, thaw};
use actor_core::{System, migratable};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Passes of each loop, before and after the kill.
const PASSES: u64 = 100;

/// In the first process none ends: each goes round in a pass of its own.
static HELD: AtomicBool = AtomicBool::new(false);

fn is_held() -> bool {
    HELD.load(Ordering::Relaxed)
}

/// The numbers from `first` on, summed up, one a pass.
#[migratable]
fn total(first: u64) -> u64 {
    let mut sum = 0;
    for pass in 0..PASSES {
        while pass == first % PASSES && is_held() {
            yield_now();
        }
        sum += first + pass;
        yield_now();
    }
    sum
}

fn expected(first: u64) -> u64 {
    (first..first + PASSES).sum()
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes = 100_000_000;
    limits.values = 100_000_000;
    limits
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [] => show(1_000_000),
        [loops] => show(loops.parse()?),
        [role, loops, file] if role == "run" => run(loops.parse()?, Path::new(file)),
        [role, loops, file] if role == "wake" => wake(loops.parse()?, Path::new(file)),
        _ => Err("usage: million [LOOPS]".into()),
    }
}

/// Removes the file, however this ends.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// This program again, in a role of its own.
fn start(role: &str, loops: u64, file: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args([role, &loops.to_string()])
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
}

fn show(loops: u64) -> Result<()> {
    let file = std::env::temp_dir().join(format!("million-{}.image", std::process::id()));
    let file = Removed(file);
    println!("{loops} loops, each summing {PASSES} numbers, one a pass");

    let mut first = start("run", loops, &file.0)?;
    let said = first.stdout.take().ok_or("its stdout is a pipe")?;
    for line in BufReader::new(said).lines() {
        let line = line?;
        println!("  process {}: {line}", first.id());
        if line.starts_with("saved") {
            break;
        }
    }
    first.kill()?; // SIGKILL
    println!("  process {}: kill -9: {}", first.id(), first.wait()?);

    let second = start("wake", loops, &file.0)?;
    let id = second.id();
    let output = second.wait_with_output()?;
    for line in String::from_utf8(output.stdout)?.lines() {
        println!("  process {id}: {line}");
    }
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("process {id}: {}", output.status).into()),
    }
}

/// Says it at once, to whoever reads the pipe.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

/// The first process: it does not end by itself.
fn run(loops: u64, file: &Path) -> Result<()> {
    HELD.store(true, Ordering::Relaxed);
    let sys = System::new()?;
    let start = Instant::now();
    let tasks = (0..loops).map(|n| sys.spawn_migratable(total(n)));
    let tasks: Vec<Task<total>> = tasks.collect::<std::result::Result<_, _>>()?;
    say(&format!("spawned in {:.2?}", start.elapsed()))?;

    let start = Instant::now();
    let suspended = tasks.into_iter().map(|task| task.suspend());
    let suspended: Vec<Suspended<total>> = suspended.collect::<std::result::Result<_, _>>()?;
    let image = freeze_within(&suspended, &limits())?.encode();
    let mut out = File::create(file)?;
    out.write_all(&image)?;
    out.sync_all()?;
    let (took, size) = (start.elapsed(), image.len() as f64 / 1e6);
    drop(image);

    // They go on here, to no avail.
    for one in suspended {
        drop(one.spawn(&sys)?);
    }
    say(&format!("saved in {took:.2?}: one file of {size:.1} MB"))?;
    loop {
        std::thread::park();
    }
}

/// The second process.
fn wake(loops: u64, file: &Path) -> Result<()> {
    let sys = System::new()?;
    let start = Instant::now();
    let image = Image::decode(&fs::read(file)?, &limits())?;
    let suspended: Vec<Suspended<total>> = thaw(&image)?;
    drop(image);
    let tasks = suspended.into_iter().map(|one| one.spawn(&sys));
    let tasks: Vec<Task<total>> = tasks.collect::<std::result::Result<_, _>>()?;
    say(&format!("woken in {:.2?}", start.elapsed()))?;

    let count = tasks.len() as u64;
    let mut right = 0;
    for (n, task) in (0..).zip(tasks) {
        right += u64::from(task.join()? == expected(n));
    }
    say(&format!("{right} of {count} totals are exact"))?;
    match right == loops && count == loops {
        true => Ok(()),
        false => Err("some are not".into()),
    }
}
