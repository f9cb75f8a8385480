// SPDX-License-Identifier: Apache-2.0
//! The attacker of fields.c, by the interfaces of WASI 0.3. The path says what it
//! makes without end, and never drops.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Attacker;

wasip3::http::service::export!(Attacker);

const SETS: usize = 4000;
const STREAMS: usize = 100_000;
const NAMES: usize = 100;
const ENTRIES: usize = 15;
const BYTES: usize = 8 << 10;
const LONG: usize = 4 << 20;
/// Then it waits for a second, so that several have as much at the same time.
const PAUSE: usize = 50;

fn entries() -> Vec<(String, Vec<u8>)> {
    vec![("x".to_string(), vec![b'x'; BYTES]); ENTRIES]
}

fn list() -> Fields {
    Fields::from_list(&entries()).unwrap()
}

fn by_append() -> Fields {
    let fields = Fields::new();
    for (name, value) in entries() {
        fields.append(&name, &value).unwrap();
    }
    fields
}

/// A clone is a copy as soon as it is changed.
fn clone_of(first: &Fields) -> Fields {
    let fields = first.clone();
    fields.append("y", b"1").unwrap();
    fields
}

fn request(headers: Fields) -> Request {
    let (trailers, reader) = wit_future::new(|| Ok(None));
    std::mem::forget(trailers);
    let (request, sent) = Request::new(headers, None, reader, None);
    std::mem::forget(sent);
    request
}

fn response(headers: Fields) -> Response {
    let (trailers, reader) = wit_future::new(|| Ok(None));
    std::mem::forget(trailers);
    let (response, sent) = Response::new(headers, None, reader);
    std::mem::forget(sent);
    response
}

fn request_named(method: Option<&str>, authority: Option<&str>) {
    let request = request(Fields::new());
    if let Some(method) = method {
        let _ = request.set_method(&Method::Other(method.to_string()));
    }
    let _ = request.set_authority(authority);
    std::mem::forget(request);
}

async fn attack(path: &str) {
    let first = list();
    let long = "x".repeat(LONG);
    let count = match path {
        "/streams" => STREAMS,
        "/method" | "/authority" => NAMES,
        _ => SETS,
    };
    for i in 0..count {
        if i == PAUSE {
            wait_for(1_000_000_000).await;
        }
        match path {
            "/list" => std::mem::forget(list()),
            "/append" => std::mem::forget(by_append()),
            "/clone" => std::mem::forget(clone_of(&first)),
            "/request" => std::mem::forget(request(list())),
            "/response" => std::mem::forget(response(list())),
            "/method" => request_named(Some(&long), None),
            "/authority" => request_named(None, Some(&long)),
            "/streams" => std::mem::forget(wit_stream::new::<u8>()),
            _ => drop(list()),
        }
    }
}

impl Guest for Attacker {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        attack(&request.get_path_with_query().unwrap_or_default()).await;
        let (mut body, reader) = wit_stream::new();
        let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
        drop(trailers);
        let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers_reader);
        wit_bindgen::spawn_local(async move {
            body.write_all(b"made\n".to_vec()).await;
        });
        Ok(response)
    }
}
