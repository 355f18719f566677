//! Figures over HTTP: one page, few connections at once, none of them for long. Whoever connects can slow nobody down but others who do.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::gauges::Gauges;

/// Connections at once.
const CONNECTIONS: usize = 16;
/// How long one may take, from the first byte to the last.
const PATIENCE: Duration = Duration::from_secs(5);
/// The format that Prometheus prefers.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers at this address, from a thread of its own, as long as the process lives.
///
/// # Errors
/// An address that cannot be used; no more threads.
pub(super) fn start(address: SocketAddr, gauges: Gauges) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("metrics".to_string()).spawn(move || {
        runtime.block_on(async { serve(tokio::net::TcpListener::from_std(listener)?, gauges).await })
    })?;
    Ok(())
}

async fn serve(listener: tokio::net::TcpListener, gauges: Gauges) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await; // out of descriptors, for a moment
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let gauges = gauges.clone();
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, converse(stream, gauges)).await;
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, gauges: Gauges) -> hyper::Result<()> {
    let answers = service_fn(move |request| {
        let answer = answer(&request, &gauges);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    http.serve_connection(TokioIo::new(stream), answers).await
}

fn answer(request: &Request<Incoming>, gauges: &Gauges) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => match gauges.text() {
            Ok(text) => (StatusCode::OK, OPEN_METRICS, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        },
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET\n".to_string()),
        _ => (StatusCode::NOT_FOUND, "text/plain", "figures are at /metrics\n".to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
