//! Connections: data arrives, whoever reads and writes, and handles come and go.

use actor_core::microthread;
use actor_core::net::{TcpListener, TcpStream};
use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{
    SOON, Tested, echo, guarded, here_and_there, listen, pair, pattern, runtime, serve,
    start_and_let_wait, with_both_guards,
};

#[test]
fn many_clients_are_echoed() -> Tested {
    with_both_guards(|guard| {
        let rt = guarded(2, guard)?;
        let (listener, address) = listen()?;
        let handle = listener.try_clone()?;
        let server = serve(&rt, listener, echo)?;
        let clients: Vec<_> = (0..100)
            .map(|client| {
                rt.spawn(move || -> io::Result<()> {
                    let mut stream = TcpStream::connect(address)?;
                    for round in 0..20 {
                        let sent = pattern(1 + (client * 37 + round * 211) % 5000);
                        stream.write_all(&sent)?;
                        let mut received = vec![0; sent.len()];
                        stream.read_exact(&mut received)?;
                        assert_eq!(sent, received);
                    }
                    Ok(())
                })
            })
            .collect::<Result<_, _>>()?;
        for client in clients {
            client.join()??;
        }
        handle.shutdown()?;
        assert_eq!(server.join()??, 100);
        Ok(())
    })
}

#[test]
fn one_worker_reads_while_another_writes_the_same_stream() -> Tested {
    const LENGTH: usize = 8 << 20;
    with_both_guards(|guard| {
        let rt = guarded(2, guard)?;
        let (near, far) = pair()?;
        let far = far.into_std()?;
        let peer = thread::spawn(move || io::copy(&mut &far, &mut &far));

        let near = Arc::new(near);
        let (started, has_started) = mpsc::channel();
        let (read, reads) = mpsc::channel();
        let reader = rt.spawn({
            let near = near.clone();
            move || -> io::Result<_> {
                let _ = read.send(());
                // Holds this worker until the other has the writer.
                let _ = has_started.recv();
                let mut received = vec![0; LENGTH];
                (&*near).read_exact(&mut received)?;
                assert_eq!(received, pattern(LENGTH));
                Ok(thread::current().id())
            }
        })?;
        reads.recv()?;
        let writer = rt.spawn(move || -> io::Result<_> {
            let _ = started.send(());
            (&*near).write_all(&pattern(LENGTH))?;
            near.shutdown(Shutdown::Write)?;
            Ok(thread::current().id())
        })?;
        assert_ne!(reader.join()??, writer.join()??);
        assert_eq!(peer.join().expect("the peer")?, LENGTH as u64);
        Ok(())
    })
}

#[test]
fn one_direction_ends_and_the_other_goes_on() -> Tested {
    here_and_there(|| {
        let (near, far) = pair()?;
        (&near).write_all(b"question")?;
        near.shutdown(Shutdown::Write)?;
        let mut question = String::new();
        (&far).read_to_string(&mut question)?;
        assert_eq!(question, "question");
        (&far).write_all(b"answer")?;
        drop(far);
        let mut answer = String::new();
        (&near).read_to_string(&mut answer)?;
        assert_eq!(answer, "answer");
        let error = (&near).write(b"more").expect_err("shut down");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn a_second_handle_outlives_the_first() -> Tested {
    let rt = runtime(1)?;
    let (near, far) = pair()?;
    let second = near.try_clone()?;
    let waiting = start_and_let_wait(&rt, move || {
        let mut buffer = [0; 5];
        (&second).read_exact(&mut buffer).map(|()| buffer)
    })?;
    // On the worker, whose registration it shares; the other waits.
    rt.spawn(move || drop(near))?.join()?;
    (&far).write_all(b"alive")?;
    assert_eq!(&waiting.join()??, b"alive");
    Ok(())
}

/// Whether any poller of this process watches the socket.
fn is_registered(socket: impl AsFd) -> io::Result<bool> {
    let link = format!("/proc/self/fd/{}", socket.as_fd().as_raw_fd());
    let link = std::fs::read_link(link)?.display().to_string();
    let inode = link.trim_start_matches("socket:[").trim_end_matches(']');
    let inode: u64 = inode.parse().map_err(io::Error::other)?;
    let watched = format!(" ino:{inode:x} ");
    for info in std::fs::read_dir("/proc/self/fdinfo")? {
        // Other tests close descriptors meanwhile.
        let info = std::fs::read_to_string(info?.path()).unwrap_or_default();
        if info.contains(&watched) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A duplicate keeps the kernel's side of a closed socket alive; what was registered for it must go all the same.
#[test]
fn a_closed_socket_is_watched_no_more_though_a_duplicate_lives() -> Tested {
    let rt = runtime(1)?;
    for closed_on_worker in [true, false] {
        let (near, far) = pair()?;
        near.set_read_timeout(Some(SOON))?;
        let (near, duplicate) = rt
            .spawn(move || -> io::Result<_> {
                (&near).read(&mut [0]).expect_err("nothing to read");
                let duplicate = near.as_fd().try_clone_to_owned()?;
                Ok((near, duplicate))
            })?
            .join()??;
        assert!(is_registered(&duplicate)?);
        if closed_on_worker {
            rt.spawn(move || drop(near))?.join()?;
        } else {
            drop(near);
        }
        assert!(!is_registered(&duplicate)?);
        // Both it and whoever has the number now are as good as new.
        let (other, other_far) = pair()?;
        let waiting = start_and_let_wait(&rt, move || (&other).read(&mut [0; 8]))?;
        (&far).write_all(b"for the duplicate")?;
        rt.spawn(|| ())?.join()?;
        assert!(!waiting.is_finished());
        (&other_far).write_all(b"yes")?;
        assert_eq!(waiting.join()??, 3);
        let duplicate = TcpStream::from(std::net::TcpStream::from(duplicate));
        assert_eq!((&duplicate).read(&mut [0; 32])?, 17);
    }
    Ok(())
}

#[test]
fn descriptors_used_again_work_like_new_ones() -> Tested {
    let rt = runtime(2)?;
    let (listener, address) = listen()?;
    let handle = listener.try_clone()?;
    let server = serve(&rt, listener, echo)?;
    for round in 0..300u32 {
        let client = rt.spawn(move || -> io::Result<TcpStream> {
            let stream = TcpStream::connect(address)?;
            (&stream).write_all(&round.to_be_bytes())?;
            let mut answer = [0; 4];
            (&stream).read_exact(&mut answer)?;
            assert_eq!(u32::from_be_bytes(answer), round);
            Ok(stream)
        })?;
        let stream = client.join()??;
        // Closed by this thread, by a microthread (of this or the other worker), or while somebody waits for another.
        match round % 3 {
            0 => drop(stream),
            1 => rt.spawn(move || drop(stream))?.join()?,
            _ => drop(rt.spawn(move || drop(stream))?),
        }
    }
    handle.shutdown()?;
    assert_eq!(server.join()??, 300);
    Ok(())
}

#[test]
fn several_buffers_are_one_operation() -> Tested {
    here_and_there(|| {
        let (near, far) = pair()?;
        let parts = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!((&near).write_vectored(&parts)?, 7);
        let mut peeked = [0; 3];
        assert_eq!(far.peek(&mut peeked)?, 3);
        let (mut head, mut tail) = ([0; 4], [0; 16]);
        let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
        assert_eq!((&far).read_vectored(&mut buffers)?, 7);
        assert_eq!((&peeked, &head, &tail[..3]), (b"one", b"one ", &b"two"[..]));
        // More than the system takes at once.
        let many = vec![IoSlice::new(b"x"); 5000];
        assert_eq!((&near).write_vectored(&many)?, 1024);
        Ok(())
    })
}

#[test]
fn std_sockets_come_and_go() -> Tested {
    here_and_there(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from(listener);
        let near = std::net::TcpStream::connect(address)?;
        near.set_read_timeout(Some(Duration::from_secs(1)))?;
        near.set_nonblocking(true)?;
        let near = TcpStream::from(near);
        assert_eq!(near.read_timeout()?, Some(Duration::from_secs(1)));
        near.set_read_timeout(Some(SOON))?;
        let error = (&near).read(&mut [0]).expect_err("nothing to read");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let (far, _) = listener.accept()?;
        // In blocking mode: these block, and are served by a thread.
        let (mut far, listener) = (far.into_std()?, listener.into_std()?);
        let client = thread::spawn(move || -> io::Result<()> {
            (&near).write_all(b"std")?;
            std::net::TcpStream::connect(address).map(drop)
        });
        let mut buffer = [0; 3];
        far.read_exact(&mut buffer)?;
        assert_eq!(&buffer, b"std");
        listener.accept()?;
        client.join().expect("the client")
    })
}

#[test]
fn a_stream_moves_between_runtimes() -> Tested {
    let (near, far) = pair()?;
    let exchange = |near: TcpStream, far: &TcpStream| -> Result<TcpStream, Box<dyn Error>> {
        let rt = runtime(1)?;
        let waiting = start_and_let_wait(&rt, move || {
            let mut buffer = [0; 4];
            (&near).read_exact(&mut buffer).map(|()| near)
        })?;
        (&*far).write_all(b"ping")?;
        Ok(waiting.join()??)
    };
    let near = exchange(near, &far)?;
    let near = exchange(near, &far)?;
    exchange(near, &far)?;
    Ok(())
}

#[test]
fn threads_need_no_runtime() -> Tested {
    let (listener, address) = listen()?;
    let server = thread::spawn(move || echo(listener.accept()?.0));
    let mut stream = TcpStream::connect(address)?;
    let sent = pattern(1 << 20);
    let mut writer = stream.try_clone()?;
    let writing = thread::spawn({
        let sent = sent.clone();
        move || writer.write_all(&sent)
    });
    let mut received = vec![0; sent.len()];
    stream.read_exact(&mut received)?;
    assert!(sent == received);
    writing.join().expect("the writer")?;
    stream.shutdown(Shutdown::Write)?;
    server.join().expect("the server")?;
    Ok(())
}

/// A read that takes less than it asked for is not tried again before the next event. The end of the stream, and what
/// comes behind an urgent byte, may have come with the event that was before the read.
#[test]
fn an_end_that_comes_with_the_last_bytes_is_seen() -> Tested {
    // With several workers streams are also woken by way of their workers' notifications.
    for workers in [1, 3] {
        let rt = runtime(workers)?;
        let readers: Vec<_> = (0..500)
            .map(|n| {
                let (here, there) = pair()?;
                let reader = rt.spawn(move || -> io::Result<Vec<u8>> {
                    let (mut here, mut all) = (here, Vec::new());
                    let mut buffer = [0; 64];
                    loop {
                        match here.read(&mut buffer)? {
                            0 => return Ok(all),
                            length => all.extend_from_slice(&buffer[..length]),
                        }
                        if n % 3 == 0 {
                            microthread::yield_now();
                        }
                    }
                });
                Ok((reader?, there))
            })
            .collect::<Result<_, Box<dyn Error>>>()?;
        let (readers, mut writers): (Vec<_>, Vec<_>) = readers.into_iter().unzip();
        for piece in [&b"first"[..], b"last"] {
            for writer in &mut writers {
                writer.write_all(piece)?;
                if piece == b"last" {
                    writer.shutdown(Shutdown::Write)?;
                }
            }
        }
        for reader in readers {
            assert_eq!(reader.join()??, b"firstlast");
        }
    }
    Ok(())
}

#[test]
fn bytes_behind_an_urgent_one_are_read() -> Tested {
    let rt = runtime(1)?;
    let (mut here, mut there) = pair()?;
    let (told, tell) = mpsc::channel();
    let reader = rt.spawn(move || -> io::Result<()> {
        let mut buffer = [0; 64];
        for expected in [&b"a"[..], b"bcde", b"f"] {
            let mut all = Vec::new();
            while all.len() < expected.len() {
                let length = here.read(&mut buffer)?;
                all.extend_from_slice(&buffer[..length]);
            }
            assert_eq!(all, expected);
            told.send(()).unwrap();
        }
        Ok(())
    })?;
    there.write_all(b"a")?;
    tell.recv()?;
    there.write_all(b"bc")?;
    // SAFETY: the descriptor is open and the buffer one byte long.
    let sent = unsafe { libc::send(there.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    there.write_all(b"de")?;
    tell.recv()?;
    there.write_all(b"f")?;
    reader.join()??;
    Ok(())
}
