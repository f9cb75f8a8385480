// SPDX-License-Identifier: Apache-2.0
//! What responses.c is of WASI 0.2, of WASI 0.3: the path is what is done, a word after
//! the other. `status-N` and `length-N` come first; `begin` is implied; the rest goes on
//! behind the response. `who` says of whom it was asked.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Responses;

wasip3::http::service::export!(Responses);

/// The number behind a prefix.
fn number(word: &str, prefix: &str) -> Option<usize> {
    word.strip_prefix(prefix).and_then(|rest| rest.parse().ok())
}

impl Guest for Responses {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let authority = request.get_authority().unwrap_or_default();
        let mut words = path.split('/').map(str::to_owned).collect::<Vec<_>>().into_iter().peekable();
        let headers = Fields::new();
        let mut status = 200;
        while let Some(word) = words.peek() {
            if word == "fail" {
                return Err(ErrorCode::LoopDetected);
            } else if let Some(code) = number(word, "status-") {
                status = code as u16;
            } else if let Some(length) = number(word, "length-") {
                headers.set("content-length", &[length.to_string().into_bytes()]).unwrap();
            } else if word == "nap" {
                wait_for(3_000_000_000).await;
            } else if !word.is_empty() {
                break;
            }
            words.next();
        }
        let (body, reader) = wit_stream::new();
        let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(headers, Some(reader), trailers_reader);
        response.set_status_code(status).unwrap();
        let (mut body, mut trailers) = (Some(body), Some(trailers));
        wit_bindgen::spawn_local(async move {
            for word in words {
                if let Some(len) = number(&word, "write-") {
                    body.as_mut().unwrap().write_all(vec![b'x'; len]).await;
                } else if let Some(len) = number(&word, "drip-") {
                    for _ in 0..len {
                        body.as_mut().unwrap().write_all(vec![b'x']).await;
                        wait_for(100_000_000).await;
                    }
                } else {
                    match word.as_str() {
                        "finish" => {
                            body = None;
                            trailers = None;
                        }
                        "error" => {
                            body = None;
                            let error = ErrorCode::InternalError(Some("as asked".into()));
                            let _ = trailers.take().unwrap().write(Err(error)).await;
                        }
                        "leave" => {
                            std::mem::forget(body.take());
                            std::mem::forget(trailers.take());
                        }
                        "pause" => wait_for(200_000_000).await,
                        "nap2" => wait_for(3_000_000_000).await,
                        "say" => println!("went on"),
                        "who" => {
                            body.as_mut().unwrap().write_all(authority.clone().into_bytes()).await;
                        }
                        "spin" => loop {
                            std::hint::spin_loop();
                        },
                        "exit" => std::process::exit(1),
                        _ => panic!("as asked"),
                    }
                }
            }
        });
        Ok(response)
    }
}
