//! A client of the service: looks whether it does what it says, also while one of its actors is killed.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;

use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::routes::Service;

/// Requests that are under way at a time.
const AT_ONCE: u64 = 64;
/// How often each link is visited.
const VISITS: u64 = 50;
/// How often an actor is killed.
const KILLS: u32 = 10;

#[derive(Deserialize)]
struct Added {
    code: String,
}

#[derive(Deserialize)]
struct Look {
    url: String,
    visits: u64,
}

#[derive(Deserialize)]
struct Checked {
    status: u16,
}

/// Fails if anything is not as it should be.
pub async fn run(addr: SocketAddr, service: &Service) -> Result<(), Box<dyn Error>> {
    let base = format!("http://{addr}");
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .build()?;

    // Many at a time, each with a link of its own, and no update is lost.
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|n| tokio::spawn(visits(client.clone(), base.clone(), n)))
        .collect();
    for task in tasks {
        task.await?.map_err(|error| error.to_string())?;
    }
    say(format_args!(
        "{} requests of {AT_ONCE} clients, each answered as it should be",
        AT_ONCE * (VISITS + 2)
    ))?;

    let missing = client.get(format!("{base}/nothing")).send().await?;
    expect(missing.status() == StatusCode::NOT_FOUND, "404")?;

    // The service asks itself, through the client in the actor: a status that it gives, and one it cannot get.
    let own = add(&client, &base, &format!("{base}/links/0")).await?;
    let gone = add(&client, &base, "http://127.0.0.1:1/").await?;
    let status = format!("{base}/links/{own}/status");
    let response = client.get(&status).send().await?;
    if response.status() != StatusCode::OK {
        return Err(response.text().await?.into());
    }
    let checked: Checked = response.json().await?;
    expect(checked.status == 200, "its own status")?;
    let refused = client
        .get(format!("{base}/links/{gone}/status"))
        .send()
        .await?;
    expect(refused.status() == StatusCode::BAD_GATEWAY, "502")?;
    say(format_args!(
        "the checker asked a server, with a client made for tokio"
    ))?;

    // Killed while it waits for a server that does not answer, it is another one a moment later.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", silent.local_addr()?);
    let hangs = add(&client, &base, &url).await?;
    let hangs = format!("{base}/links/{hangs}/status");
    for _ in 0..KILLS {
        let ask = tokio::spawn(client.get(&hangs).send());
        let (_connection, _) = silent.accept().await?; // so it waits now
        service.checker.kill();
        let refused = ask.await??.status();
        expect(refused == StatusCode::SERVICE_UNAVAILABLE, "503")?;
        let next = client.get(&status).send().await?.status();
        expect(next == StatusCode::OK, "an answer of the next checker")?;
    }
    say(format_args!(
        "{KILLS} kills of the checker in mid-wait: its client told to try again, the next one served"
    ))?;
    Ok(())
}

/// Adds a link, follows it, and counts.
async fn visits(client: Client, base: String, n: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = format!("http://127.0.0.1:1/{n}");
    let code = add(&client, &base, &url).await?;
    for _ in 0..VISITS {
        let led = client.get(format!("{base}/{code}")).send().await?;
        let to = led.headers().get("location").map(|to| to.as_bytes());
        if led.status() != StatusCode::TEMPORARY_REDIRECT || to != Some(url.as_bytes()) {
            return Err(format!("{code} leads astray: {led:?}").into());
        }
    }
    let look = client.get(format!("{base}/links/{code}")).send();
    let look: Look = look.await?.json().await?;
    if (look.url.as_str(), look.visits) != (url.as_str(), VISITS) {
        return Err(format!("{code} was visited {} times", look.visits).into());
    }
    Ok(())
}

async fn add(client: &Client, base: &str, url: &str) -> Result<String, reqwest::Error> {
    let new = HashMap::from([("url", url)]);
    let added = client.post(format!("{base}/links")).json(&new).send();
    let added: Added = added.await?.error_for_status()?.json().await?;
    Ok(added.code)
}

fn expect(so: bool, what: &str) -> Result<(), Box<dyn Error>> {
    if so {
        Ok(())
    } else {
        Err(format!("expected {what}").into())
    }
}

fn say(what: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{what}")
}
