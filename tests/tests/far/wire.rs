//! Two ends, and something between them that does what a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actor_core::migrate::{FarError, Secret, TcpFarListener, TcpFarSide, TcpSettings};

pub(crate) type End = Result<TcpFarSide, FarError>;

pub(crate) fn secret() -> Secret {
    Secret::new(b"sixteen bytes, or more").unwrap()
}

/// Limits that are long for whoever is honest.
pub(crate) fn settings() -> TcpSettings {
    let mut settings = TcpSettings::default();
    settings.greeting = Duration::from_secs(60);
    settings.frame = Duration::from_secs(60);
    settings.silence = Duration::from_secs(60);
    settings
}

/// An answerer that greets one caller.
pub(crate) fn answerer(secret: Secret, settings: TcpSettings) -> (SocketAddr, JoinHandle<End>) {
    let listener = TcpFarListener::bind("127.0.0.1:0", "there", &secret, settings).unwrap();
    let address = listener.local_addr().unwrap();
    let end = thread::spawn(move || listener.accept().unwrap().greet());
    (address, end)
}

/// Two ends that have greeted.
pub(crate) fn connected(settings: TcpSettings) -> (TcpFarSide, TcpFarSide) {
    let (address, end) = answerer(secret(), settings);
    let here = TcpFarSide::connect(address, "here", &secret(), settings).unwrap();
    (here, end.join().unwrap().unwrap())
}

/// What is between: it passes on what `change` makes of what the caller says, read by read, as long as that says to go on; and what
/// the answerer says, as it is. Then it hangs up, or does not.
pub(crate) fn between(
    to: SocketAddr,
    hangs_up: bool,
    mut change: impl FnMut(&[u8]) -> (Vec<u8>, bool) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut caller, _) = listener.accept().unwrap();
        let mut answerer = TcpStream::connect(to).unwrap();
        let (mut from, mut back) = (answerer.try_clone().unwrap(), caller.try_clone().unwrap());
        let backwards = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(Shutdown::Write);
        });
        let mut buffer = [0; 4096];
        loop {
            match caller.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    let (bytes, goes_on) = change(&buffer[..length]);
                    if answerer.write_all(&bytes).is_err() {
                        break;
                    }
                    if !goes_on && hangs_up {
                        let _ = caller.shutdown(Shutdown::Both);
                        break;
                    }
                }
            }
        }
        let _ = answerer.shutdown(Shutdown::Both);
        backwards.join().unwrap();
    });
    address
}

/// Lets so many bytes through, and nothing more.
pub(crate) fn first(mut bytes: usize) -> impl FnMut(&[u8]) -> (Vec<u8>, bool) + Send {
    move |said| {
        let length = said.len().min(bytes);
        bytes -= length;
        (said[..length].to_vec(), length == said.len())
    }
}
