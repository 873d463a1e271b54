//! Many connections, few threads, no descriptors.

use actor_core::Runtime;
use actor_core::net::TcpStream;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Tested, echo, listen, runtime, serve, with_both_guards};

/// The threads of this process whose name begins so.
fn threads_named(prefix: &str) -> io::Result<usize> {
    let mut count = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let name = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        count += usize::from(name.starts_with(prefix));
    }
    Ok(count)
}

#[test]
fn two_workers_serve_two_thousand_connections() -> Tested {
    const CONNECTIONS: usize = 2000;
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    with_both_guards(|guard| {
        let builder = Runtime::builder().workers(2).spare_workers(0);
        let rt = builder.guard(guard).thread_name("n2000").build()?;
        let (listener, address) = listen()?;
        let handle = listener.try_clone()?;
        let server = serve(&rt, listener, |stream| {
            LIVE.fetch_add(1, Ordering::SeqCst);
            let echoed = echo(stream);
            LIVE.fetch_sub(1, Ordering::SeqCst);
            echoed
        })?;
        let clients = (0..CONNECTIONS)
            .map(|_| std::net::TcpStream::connect(address))
            .collect::<Result<Vec<_>, _>>()?;
        for round in 0..3 {
            for mut client in &clients {
                client.write_all(&[round])?;
            }
            for mut client in &clients {
                let mut answer = [0];
                client.read_exact(&mut answer)?;
                assert_eq!(answer, [round]);
            }
        }
        assert_eq!(LIVE.load(Ordering::SeqCst), CONNECTIONS);
        let stats = rt.stats();
        assert!(stats.stacks_in_use > CONNECTIONS);
        for &load in &stats.by_worker {
            assert!(
                load > CONNECTIONS / 4,
                "badly spread: {:?}",
                stats.by_worker
            );
        }
        // The workers and the monitor.
        assert_eq!(threads_named("n2000")?, 3);
        drop(clients);
        handle.shutdown()?;
        assert_eq!(server.join()??, CONNECTIONS);
        assert_eq!(LIVE.load(Ordering::SeqCst), 0);
        Ok(())
    })
}

/// In a process of its own, as descriptors are the whole process's.
#[test]
fn running_out_of_descriptors_is_an_error_that_passes() -> Tested {
    const CHILD: &str = "NET_TEST_FEW_DESCRIPTORS";
    const EMFILE: i32 = 24;
    if std::env::var_os(CHILD).is_none() {
        let name = "scale::running_out_of_descriptors_is_an_error_that_passes";
        let status = Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe()?)
            .args(["--exact", name])
            .env(CHILD, "yes")
            .status()?;
        assert!(status.success());
        return Ok(());
    }
    let rt = runtime(1)?;
    let (listener, address) = listen()?;
    // Connected before the descriptors are gone; accepted after.
    let client = TcpStream::connect(address)?;
    let mut files = Vec::new();
    while let Ok(file) = client.as_fd().try_clone_to_owned() {
        files.push(file);
    }
    let tried = rt.spawn(move || -> io::Result<()> {
        for _ in 0..3 {
            let error = listener.accept().expect_err("no descriptor left");
            assert_eq!(error.raw_os_error(), Some(EMFILE));
        }
        files.pop();
        let (stream, _) = listener.accept()?;
        drop(files);
        echo(stream)
    })?;
    (&client).write_all(b"at last")?;
    client.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    (&client).read_to_string(&mut answer)?;
    assert_eq!(answer, "at last");
    tried.join()??;
    Ok(())
}
