//! A web service whose state lives in actors: short names for long links, over axum.
//!
//! ```sh
//! cargo run --release -p examples --features web --example web              # serves on 127.0.0.1:8080
//! cargo run --release -p examples --features web --example web -- --port 0  # .. on a free port
//! cargo run --release -p examples --features web --example web -- --demo    # is its own client, and says what it saw
//! ```
//! Two worlds meet here, and neither waits in the other's place. axum's handlers are futures on tokio's threads: they ask
//! actors by `request()`, whose answer is a future too (`routes`). The actors are on this library's workers (`links`,
//! `checker`): one of them uses a client that is made for tokio, by `microthread::block_on`, and parks meanwhile.

#![allow(unreachable_pub, reason = "the macro makes messages of public methods")]

mod checker;
mod demo;
mod links;
mod routes;

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use actor_core::System;
use tokio::net::TcpListener;

use routes::Service;

fn main() -> Result<(), Box<dyn Error>> {
    let mut port = 8080;
    let mut demo = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => port = args.next().ok_or("--port needs a number")?.parse()?,
            "--demo" => (demo, port) = (true, 0),
            other => {
                return Err(format!("unknown argument {other}: --port N or --demo").into());
            }
        }
    }
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let sys = System::new()?;
    let service = Service::start(&sys)?;
    tokio.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let addr = listener.local_addr()?;
        writeln!(io::stdout(), "listening on http://{addr}")?;
        let app = routes::router(service.clone());
        if demo {
            let serve = tokio::spawn(async move { axum::serve(listener, app).await });
            let outcome = demo::run(addr, &service).await;
            serve.abort();
            return outcome;
        }
        axum::serve(listener, app)
            .with_graceful_shutdown(async {
                // Without the signal there is no end: then it is served until the process is killed.
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await?;
        Ok::<_, Box<dyn Error>>(())
    })?;
    // After axum: no request is under way any more that could find its actor gone.
    let report = sys.shutdown(Duration::from_secs(10))?;
    if !report.is_clean() {
        return Err(format!("not a clean end: {report:?}").into());
    }
    Ok(())
}
