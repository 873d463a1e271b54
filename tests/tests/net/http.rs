//! Code written for blocking streams.

use actor_core::net::TcpStream;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use super::{Tested, guarded, listen, serve, with_both_guards};

/// A request and its answer, in the manner of a library written for blocking streams.
fn http_get(stream: impl Read + Write, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = BufReader::new(stream);
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    Ok(body)
}

fn http_serve(stream: TcpStream) -> io::Result<()> {
    let mut writer = BufWriter::new(stream.try_clone()?);
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next().transpose()? {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        for header in lines.by_ref() {
            if header?.is_empty() {
                break;
            }
        }
        let body = path.repeat(1000);
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        writer.write_all(body.as_bytes())?;
        writer.flush()?;
    }
    Ok(())
}

#[test]
fn synchronous_code_works_unchanged() -> Tested {
    with_both_guards(|guard| {
        let rt = guarded(2, guard)?;
        let (listener, address) = listen()?;
        let handle = listener.try_clone()?;
        let server = serve(&rt, listener, http_serve)?;
        let clients: Vec<_> = (0..20)
            .map(|client| {
                rt.spawn(move || -> io::Result<()> {
                    let mut stream = TcpStream::connect(address)?;
                    for page in 0..5 {
                        let path = format!("/{client}/{page}");
                        let body = http_get(&mut stream, &path)?;
                        assert_eq!(body, path.repeat(1000).into_bytes());
                    }
                    Ok(())
                })
            })
            .collect::<Result<_, _>>()?;
        for client in clients {
            client.join()??;
        }
        handle.shutdown()?;
        assert_eq!(server.join()??, 20);
        Ok(())
    })
}
