// SPDX-License-Identifier: Apache-2.0
//! An HTTP handler for WASI 0.3, with `async` functions.
//!
//! POST /echo streams the request's body back. GET /seen returns the number of
//! requests that this instance has had. GET /fetch?http://host:port/path returns
//! the status of another server's answer. Any other path returns itself.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use wasip3::exports::http::handler::Guest;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Echo;

wasip3::http::service::export!(Echo);

fn text_response(status: u16, text: String) -> Result<Response, ErrorCode> {
    let (mut body, reader) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    drop(trailers); // there are none
    let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers_reader);
    let _ = response.set_status_code(status);
    wit_bindgen::spawn_local(async move {
        body.write_all(text.into_bytes()).await;
    });
    Ok(response)
}

/// The body never enters this component's memory.
fn echo_body(request: Request) -> Result<Response, ErrorCode> {
    let (read, read_reader) = wit_future::new(|| Ok(()));
    drop(read);
    let (body, trailers) = Request::consume_body(request, read_reader);
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
    Ok(response)
}

async fn fetch_status(url: &str) -> Result<Response, ErrorCode> {
    let Some((authority, path)) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'))
    else {
        return text_response(400, "expected http://host:port/path\n".into());
    };
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (request, _sent) = Request::new(Fields::new(), None, trailers_reader, None);
    let named = request.set_scheme(Some(&Scheme::Http)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(&format!("/{path}"))).is_ok();
    if !named {
        return text_response(400, "not a URL\n".into());
    }
    match client::send(request).await {
        Ok(response) => text_response(200, format!("answered {}\n", response.get_status_code())),
        Err(code) => text_response(200, format!("{code:?}\n")),
    }
}

impl Guest for Echo {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        static SEEN: AtomicU32 = AtomicU32::new(0);
        let seen = SEEN.fetch_add(1, Relaxed) + 1;
        let path = request.get_path_with_query().unwrap_or_default();
        match path.split_once('?').unwrap_or((&path, "")) {
            ("/echo", _) => echo_body(request),
            ("/seen", _) => text_response(200, format!("{seen}\n")),
            ("/fetch", url) => fetch_status(url).await,
            ("/fail", _) => Err(ErrorCode::InternalError(Some("as asked".into()))),
            ("/trap", _) => panic!("as asked"),
            _ => text_response(200, path),
        }
    }
}
