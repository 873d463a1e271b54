//! HTTP: what is asked of which actor, and what its errors mean to a client.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actor_core::prelude::*;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::links::{Link, Links, NoSuchLink};

/// How long a client waits for an actor before it hears that the service is busy.
const PATIENCE: Duration = Duration::from_secs(15);

/// The actors that answer.
pub struct Service {
    pub links: Addr<Links>,
    pub checker: Addr<Checker>,
    /// Started again when they fail; ends with the system.
    _supervisor: Supervisor,
}

impl Service {
    /// Starts the actors, supervised.
    pub fn start(sys: &System) -> Result<Arc<Self>, Box<dyn Error>> {
        let supervisor = Supervisor::builder()
            .intensity(20, Duration::from_secs(1))
            .start(sys)?;
        let links = supervisor.start_child(ChildSpec::new("links", Links::default))?;
        let checker = supervisor.start_child(ChildSpec::new("checker", Checker::new))?;
        Ok(Arc::new(Service {
            links,
            checker,
            _supervisor: supervisor,
        }))
    }
}

/// What it answers to.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/links", post(add))
        .route("/links/{code}", get(look))
        .route("/links/{code}/status", get(status))
        .route("/{code}", get(visit))
        .with_state(service)
}

#[derive(Deserialize)]
struct NewLink {
    url: String,
}

#[derive(Serialize)]
struct Added {
    code: String,
}

#[derive(Serialize)]
struct Checked {
    status: u16,
}

async fn add(
    State(service): State<Arc<Service>>,
    Json(new): Json<NewLink>,
) -> Result<(StatusCode, Json<Added>), Refusal> {
    let code = answer(service.links.request().add(new.url)).await?;
    Ok((StatusCode::CREATED, Json(Added { code })))
}

async fn visit(
    State(service): State<Arc<Service>>,
    Path(code): Path<String>,
) -> Result<Redirect, Refusal> {
    let url = answer(service.links.request().visit(code)).await?;
    Ok(Redirect::temporary(&url))
}

async fn look(
    State(service): State<Arc<Service>>,
    Path(code): Path<String>,
) -> Result<Json<Link>, Refusal> {
    Ok(Json(answer(service.links.request().look(code)).await?))
}

async fn status(
    State(service): State<Arc<Service>>,
    Path(code): Path<String>,
) -> Result<Json<Checked>, Refusal> {
    let link = answer(service.links.request().look(code)).await?;
    let status = answer(service.checker.request().status(link.url)).await?;
    Ok(Json(Checked { status }))
}

/// Awaits an actor's answer, but not for ever.
async fn answer<T, M, E>(pending: Pending<T, M, E>) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: Into<Refusal> + Send + 'static,
{
    match tokio::time::timeout(PATIENCE, pending).await {
        Ok(answered) => answered.map_err(Refusal::from),
        Err(_) => Err(Refusal(
            StatusCode::GATEWAY_TIMEOUT,
            "no answer in time".to_owned(),
        )),
    }
}

/// Why a request is not answered as it wished.
pub struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl<M, E: Into<Refusal>> From<AskError<M, E>> for Refusal {
    fn from(error: AskError<M, E>) -> Self {
        let text = error.to_string();
        match error {
            AskError::Handler(own) => own.into(),
            AskError::Timeout => Refusal(StatusCode::GATEWAY_TIMEOUT, text),
            // The actor is being started again, or too many wait for it: the client may try again.
            _ => Refusal(StatusCode::SERVICE_UNAVAILABLE, text),
        }
    }
}

impl From<NoSuchLink> for Refusal {
    fn from(error: NoSuchLink) -> Self {
        Refusal(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<reqwest::Error> for Refusal {
    fn from(error: reqwest::Error) -> Self {
        Refusal(StatusCode::BAD_GATEWAY, error.to_string())
    }
}

impl From<std::convert::Infallible> for Refusal {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
