//! What ends a wait: time, a kill, a shutdown; and who else runs meanwhile.

use actor_core::Runtime;
use actor_core::microthread::JoinError;
use actor_core::net::{TcpStream, UdpSocket};
use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{
    SOON, Tested, here_and_there, listen, pair, runtime, start_and_let_wait, with_both_guards,
};

#[test]
fn a_timeout_ends_one_operation_and_nothing_else() -> Tested {
    here_and_there(|| {
        let (near, far) = pair()?;
        near.set_read_timeout(Some(SOON))?;
        near.set_write_timeout(Some(SOON))?;
        assert_eq!(near.read_timeout()?, Some(SOON));
        let kind = |result: io::Result<usize>| result.expect_err("nothing to read").kind();
        assert_eq!(kind((&near).read(&mut [0; 8])), ErrorKind::TimedOut);
        assert_eq!(kind(near.peek(&mut [0; 8])), ErrorKind::TimedOut);
        // What is there is read, however late.
        (&far).write_all(b"late")?;
        let mut buffer = [0; 4];
        (&near).read_exact(&mut buffer)?;
        assert_eq!(&buffer, b"late");
        // Until the other side has no more room.
        let block = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = (&near).write(&block) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        near.set_read_timeout(None)?;
        assert_eq!(near.read_timeout()?, None);
        let zero = near
            .set_read_timeout(Some(Duration::ZERO))
            .expect_err("zero");
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        Ok(())
    })
}

#[test]
fn a_deadline_is_for_everything_after_it() -> Tested {
    here_and_there(|| {
        let (near, far) = pair()?;
        let deadline = Instant::now() + SOON;
        near.set_deadline(Some(deadline));
        assert_eq!(near.read_deadline(), Some(deadline));
        let end = (&near).read_to_end(&mut Vec::new()).expect_err("no end");
        assert_eq!(end.kind(), ErrorKind::TimedOut);
        (&far).write_all(b"x")?;
        let read = (&near).read(&mut [0]).expect_err("after the deadline");
        assert_eq!(read.kind(), ErrorKind::TimedOut);
        let write = (&near).write(b"x").expect_err("after the deadline");
        assert_eq!(write.kind(), ErrorKind::TimedOut);
        near.set_read_deadline(None);
        assert_eq!((&near).read(&mut [0; 8])?, 1);
        assert!((&near).write(b"x").is_err());
        near.set_deadline(Some(Instant::now() + Duration::from_secs(3600)));
        (&near).write_all(b"y")?;
        Ok(())
    })
}

#[test]
fn accept_has_limits_too() -> Tested {
    here_and_there(|| {
        let (listener, address) = listen()?;
        listener.set_timeout(Some(SOON))?;
        let error = listener.accept().expect_err("nobody");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let _stream = TcpStream::connect(address)?;
        listener.accept()?;
        listener.set_timeout(None)?;
        listener.set_deadline(Some(Instant::now() + SOON));
        let error = listener.accept().expect_err("nobody");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        Ok(())
    })
}

#[test]
fn a_kill_ends_a_read_and_leaves_the_socket_usable() -> Tested {
    with_both_guards(|guard| {
        let builder = Runtime::builder().workers(1).spare_workers(0);
        let rt = builder.guard(guard).build()?;
        let (near, far) = pair()?;
        let near = Arc::new(near);
        let reading = start_and_let_wait(&rt, {
            let near = near.clone();
            move || (&*near).read(&mut [0; 8])
        })?;
        reading.kill();
        assert!(matches!(reading.join(), Err(JoinError::Killed)));
        assert_eq!(Arc::strong_count(&near), 1);
        let reading = start_and_let_wait(&rt, move || {
            let mut buffer = [0; 8];
            (&*near)
                .read(&mut buffer)
                .map(|length| buffer[..length].to_vec())
        })?;
        (&far).write_all(b"whole")?;
        assert_eq!(reading.join()??, b"whole");
        Ok(())
    })
}

#[test]
fn a_kill_ends_every_kind_of_wait() -> Tested {
    let rt = runtime(1)?;
    let (listener, _) = listen()?;
    let (near, _far) = pair()?;
    let udp = UdpSocket::bind("127.0.0.1:0")?;
    let (near, udp) = (Arc::new(near), Arc::new(udp));
    let (peeking, writing, datagrams) = (near.clone(), near.clone(), udp.clone());
    let waits: [Box<dyn FnOnce() + Send>; 5] = [
        Box::new(move || drop(listener.accept())),
        Box::new(move || drop(peeking.peek(&mut [0]))),
        Box::new(move || drop((&*writing).write_all(&vec![0; 64 << 20]))),
        Box::new(move || drop(datagrams.recv_from(&mut [0]))),
        Box::new(move || drop((&*near).read_vectored(&mut [IoSliceMut::new(&mut [0])]))),
    ];
    for wait in waits {
        let waiting = start_and_let_wait(&rt, wait)?;
        waiting.kill();
        assert!(matches!(waiting.join(), Err(JoinError::Killed)));
    }
    Ok(())
}

#[test]
fn shutdown_wakes_who_waits() -> Tested {
    let rt = runtime(1)?;
    let (near, _far) = pair()?;
    let near = Arc::new(near);
    let reader = near.clone();
    let reading = start_and_let_wait(&rt, move || (&*reader).read(&mut [0; 8]))?;
    let writer = near.clone();
    let writing = start_and_let_wait(&rt, move || (&*writer).write_all(&vec![0; 64 << 20]))?;
    near.shutdown(Shutdown::Both)?;
    assert_eq!(reading.join()??, 0);
    let error = writing.join()?.expect_err("shut down");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);

    let (listener, _) = listen()?;
    let handle = listener.try_clone()?;
    let accepting = start_and_let_wait(&rt, move || listener.accept().map(drop))?;
    handle.shutdown()?;
    handle.shutdown()?;
    let error = accepting.join()?.expect_err("shut down");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(handle.incoming().next().is_none());
    Ok(())
}

/// Someone who never has to wait, and someone who waits for an event on the same worker.
#[test]
fn a_busy_socket_lets_the_others_run() -> Tested {
    let rt = runtime(1)?;
    let (near, far) = pair()?;
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let waiting = start_and_let_wait(&rt, move || {
        let read = (&near).read(&mut [0]);
        seen.store(true, Ordering::SeqCst);
        read
    })?;
    let busy = rt.spawn(move || -> io::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(socket.local_addr()?)?;
        (&far).write_all(b"x")?;
        while !stop.load(Ordering::SeqCst) {
            socket.send(b"to myself")?;
            socket.recv(&mut [0; 16])?;
        }
        Ok(())
    })?;
    assert_eq!(waiting.join()??, 1);
    busy.join()??;

    let busy = rt.spawn(move || -> io::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(socket.local_addr()?)?;
        loop {
            socket.send(b"to myself")?;
            socket.recv(&mut [0; 16])?;
        }
    })?;
    busy.kill();
    assert!(matches!(busy.join(), Err(JoinError::Killed)));
    Ok(())
}

#[test]
fn a_destructor_writes_while_a_panic_unwinds() -> Tested {
    struct Farewell(TcpStream);
    impl Drop for Farewell {
        fn drop(&mut self) {
            let _ = self.0.write_all(b"last words");
            let _ = self.0.read(&mut [0]);
        }
    }
    let rt = runtime(1)?;
    let (near, far) = pair()?;
    let failing = rt.spawn(move || {
        let _farewell = Farewell(near);
        // Not `panic!`, which would print.
        std::panic::resume_unwind(Box::new("on purpose"));
    })?;
    let mut words = [0; 10];
    (&far).read_exact(&mut words)?;
    assert_eq!(&words, b"last words");
    (&far).write_all(b"!")?;
    assert!(matches!(failing.join(), Err(JoinError::Panicked(_))));
    Ok(())
}
