//! Clients of an echo server: the same for all peers, in a process of its own.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Error;
use super::measured::Measured;

/// What the clients do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Of the server, on the loopback interface.
    pub(super) port: u16,
    /// Connections that are open at the same time.
    pub(super) connections: u64,
    /// Echoes altogether.
    pub(super) echoes: u64,
}

/// Opens all connections, then sends 64 bytes on each and waits for them, again and again.
pub(super) fn run(load: Load) -> Result<Measured, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let mut streams = Vec::new();
        for _ in 0..load.connections {
            let stream = TcpStream::connect(("127.0.0.1", load.port)).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let each = load.echoes / load.connections;
        let start = Instant::now();
        let clients: Vec<_> = streams
            .into_iter()
            .map(|it| tokio::spawn(client(it, each)))
            .collect();
        let mut latencies = Vec::new();
        for client in clients {
            latencies.append(&mut client.await??);
        }
        let elapsed = start.elapsed();
        Ok(Measured::time(elapsed, each * load.connections).and_latencies(latencies))
    })
}

async fn client(mut stream: TcpStream, echoes: u64) -> std::io::Result<Vec<u64>> {
    let mut latencies = Vec::new();
    for i in 0..echoes {
        let sent = [i as u8; 64];
        let mut received = [!i as u8; 64];
        let start = Instant::now();
        stream.write_all(&sent).await?;
        stream.read_exact(&mut received).await?;
        latencies.push(start.elapsed().as_nanos() as u64);
        if received != sent {
            return Err(std::io::Error::other("what came back is not what was sent"));
        }
    }
    Ok(latencies)
}
