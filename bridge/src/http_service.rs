// SPDX-License-Identifier: Apache-2.0
//! Answers a request: checks its limits, finds its route, and asks the guest.

use std::convert::Infallible;
use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    HeaderName, HeaderValue, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER,
};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::oneshot::{self, Receiver};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::WasiBody;

use crate::abi::End;
use crate::frames::poll_now;
use crate::http_state::{Found, HttpState};
use crate::link::Link;
use crate::peers::Busy;
use crate::refusal::{Refusal, FAILED};
use crate::request::RequestBody;
use crate::response::{Clock, ResponseBody, Work};
use crate::route::{Answer, Component, Ended, Host, Target};
use crate::run::Outcome;
use crate::target;
use crate::transaction::{HttpTransaction, NO_BODY};
use crate::upload::Upload;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn plain(refusal: &Refusal, transaction: &Arc<HttpTransaction>) -> Response<ResponseBody> {
    let text = Full::new(Bytes::from_static(refusal.1.as_bytes()));
    let mut response = Response::new(ResponseBody::of_text(text, transaction));
    *response.status_mut() = refusal.0;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if refusal.0 == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // After such a request the bytes that follow cannot be trusted.
    if matches!(refusal.0, StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED) {
        transaction.wire.leave_unread();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// hyper stops reading at about its limit only.
fn header_bytes(request: &Request<()>) -> usize {
    let fields = request.headers().iter();
    let bytes: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let path = request.uri().path_and_query();
    bytes + path.map_or(0, |path| path.as_str().len())
}

/// C answers GET and HEAD.
async fn ask_host(
    host: &Host,
    route: usize,
    transaction: &Arc<HttpTransaction>,
    method: &http::Method,
) -> Result<Response<ResponseBody>, Refusal> {
    if method != http::Method::GET && method != http::Method::HEAD {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"));
    }
    let Some(response) = host.answer(route).await else {
        return Err(FAILED);
    };
    Ok(response.map(|text| ResponseBody::of_text(text, transaction)))
}

const MISDIRECTED: Refusal = Refusal(
    StatusCode::MISDIRECTED_REQUEST,
    "this Host is not in allowed-hosts of the listener; add it there, or ask by an address\n",
);

async fn respond(
    shared: &Arc<HttpState>,
    transaction: &Arc<HttpTransaction>,
    mut request: Request<()>,
    upload: &Arc<Upload>,
    link: &Link,
) -> Result<Response<ResponseBody>, Refusal> {
    const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
    const UNCLEAR: Refusal =
        Refusal(StatusCode::BAD_REQUEST, "what the path means depends on how it is decoded\n");

    let target = target::check(&mut request, link.local())?;
    let may_ask = shared.may_ask.as_ref();
    if may_ask.is_some_and(|may_ask| !may_ask.allows(target.authority.as_str().as_bytes())) {
        return Err(MISDIRECTED);
    }
    if target.is_server {
        // OPTIONS *: the server answers, and supports nothing optional.
        return Ok(Response::new(ResponseBody::of_text(Full::default(), transaction)));
    }
    let route = match shared.find_route(request.uri().path()) {
        Found::Route(route) => route,
        Found::None => return Err(Refusal(StatusCode::NOT_FOUND, "not found\n")),
        Found::Unclear => return Err(UNCLEAR),
    };
    transaction.set_route(route);
    if header_bytes(&request) > shared.config.max_header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal(status, "the header is too large\n"));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()) > Some(shared.config.max_body_bytes) {
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
    }
    // The request before may have been answered, while its instance is still ending.
    let queue_timeout = Duration::from_millis(shared.config.limits.queue_timeout_ms);
    let turn = shared.routes[route].requests.clone().acquire_owned();
    let Ok(Ok(permit)) = tokio::time::timeout(queue_timeout, turn).await else {
        return Err(BUSY);
    };
    let component = match &shared.routes[route].target {
        Target::Component(component) => component.clone(),
        Target::Host(host) => return ask_host(host, route, transaction, request.method()).await,
    };
    let request = request.map(|()| RequestBody::new(upload, transaction));
    ask_guest(component, transaction, request, permit).await
}

/// How the wait for a response ended.
enum Begun {
    Answered(Answer, Result<Work, Ended>),
    /// It has ended without a response.
    Ended(Ended),
    /// A limit has passed, which was noted.
    Late,
}

/// The guest's answer; None: there will be none. A receiver that is ready is not polled
/// again.
fn poll_answer(
    answer: &mut Option<Receiver<Answer>>,
    context: &mut Context<'_>,
) -> Poll<Option<Answer>> {
    let Some(receiver) = answer else {
        return Poll::Ready(None);
    };
    let told = ready!(Pin::new(receiver).poll(context));
    *answer = None;
    Poll::Ready(told.ok())
}

/// Run the guest until its response begins.
async fn begin(
    transaction: &Arc<HttpTransaction>,
    mut work: Work,
    answer: Receiver<Answer>,
) -> Begun {
    let (mut answer, mut clock, mut ended) = (Some(answer), Clock::default(), None);
    let limit = transaction.config.request_timeout;
    let begun = poll_fn(|context| {
        if let Poll::Ready(over) = work.poll(context) {
            ended = Some(over);
            // The answer may have been sent just before the end.
            return Poll::Ready(match poll_now(|context| poll_answer(&mut answer, context)) {
                Poll::Ready(answer) => answer,
                Poll::Pending => None,
            });
        }
        if let Poll::Ready(Some(answer)) = poll_answer(&mut answer, context) {
            return Poll::Ready(Some(answer));
        }
        // To be noted while the guest is alive: it knows what it waits for.
        transaction.note_late(ready!(clock.poll_late(
            context,
            transaction,
            transaction.begin,
            limit
        )));
        Poll::Ready(None)
    });
    match (begun.await, ended) {
        (Some(answer), Some(ended)) => Begun::Answered(answer, Err(ended)),
        (Some(answer), None) => Begun::Answered(answer, Ok(work)),
        (None, Some(ended)) => Begun::Ended(ended),
        (None, None) => Begun::Late,
    }
}

async fn ask_guest(
    component: Arc<Component>,
    transaction: &Arc<HttpTransaction>,
    request: Request<RequestBody>,
    turn: OwnedSemaphorePermit,
) -> Result<Response<ResponseBody>, Refusal> {
    let (sender, receiver) = oneshot::channel();
    let work = Work::new(|reading| {
        component.clone().fair(component.answer(request, sender, reading, turn))
    });
    let (answer, work) = match begin(transaction, work, receiver).await {
        Begun::Answered(answer, work) => (answer, work),
        Begun::Ended(ended) => {
            ended.note(transaction);
            return Err(transaction.refusal());
        }
        Begun::Late => return Err(transaction.refusal()),
    };
    let wrong = match answer {
        Ok(response) => match check(transaction, &response) {
            None => return Ok(begin_response(transaction, response, work)),
            Some(wrong) => wrong,
        },
        Err(code) => format!("it answered with {code}"),
    };
    // The guest goes on as after any other response.
    match work {
        Ok(work) => work.go_on(transaction.clone()),
        Err(ended) => ended.note_and_keep(transaction),
    }
    transaction.note(Outcome::new(End::FAILED, 0, wrong));
    Err(FAILED)
}

/// Why the response cannot be sent, if so.
fn check(transaction: &HttpTransaction, response: &Response<WasiBody>) -> Option<String> {
    let status = response.status();
    if status.is_informational() {
        return Some(format!("it answered with status {status}, which is no final one"));
    }
    let declared = content_length(response.headers()).unwrap_or(0);
    if declared > 0 && response.body().is_end_stream() && !transaction.is_bodiless(status) {
        return Some(format!("its response has content-length {declared}, and no body"));
    }
    None
}

fn content_length(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The response with the body that the client gets.
fn begin_response(
    transaction: &Arc<HttpTransaction>,
    response: Response<WasiBody>,
    work: Result<Work, Ended>,
) -> Response<ResponseBody> {
    let (mut parts, body) = response.into_parts();
    let declared = content_length(&parts.headers);
    let (work, ended) = match work {
        Ok(work) => (Some(work), None),
        Err(ended) => (None, Some(ended)),
    };
    let mut body = ResponseBody::of_guest(body, declared, transaction, work);
    if let Some(ended) = ended {
        body.settle(ended);
    }
    let is_bodiless = transaction.is_bodiless(parts.status);
    if is_bodiless || declared == Some(0) {
        if NO_BODY.contains(&parts.status) {
            parts.headers.remove(CONTENT_LENGTH);
        }
        body.discard(!is_bodiless);
        body = ResponseBody::of_text(Full::default(), transaction);
    } else if transaction.is_http10 && declared.is_none() {
        transaction.wire.end_response_by_shutdown();
    }
    Response::from_parts(parts, body)
}

/// The client's id if it is printable and short enough; otherwise a new one.
fn request_id(request: &Request<()>, max: u32) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(id) = given {
        let fits = !id.is_empty() && id.len() <= max as usize;
        if fits && id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return id.to_owned();
        }
    }
    // A random base makes ids unique across processes and machines.
    static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let base = BASE.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    });
    format!("{base:016x}{:08x}", NEXT.fetch_add(1, Relaxed))
}

pub async fn answer(
    shared: Arc<HttpState>,
    link: &Link,
    busy: Busy,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let upload = Upload::new(&parts.headers, body, link.wire.clone(), &shared.config.limits);
    let mut request = Request::from_parts(parts, ());
    let id = request_id(&request, shared.config.limits.max_request_id);
    let id_value = HeaderValue::from_str(&id).ok();
    if let Some(value) = &id_value {
        request.headers_mut().insert(REQUEST_ID, value.clone());
    }
    let transaction = HttpTransaction::begin(&shared.config, &link.wire, &request, id, busy);
    let responded = pin!(respond(&shared, &transaction, request, &upload, link));
    let responded = link.probing(!transaction.is_http10, responded).await;
    let is_refused = responded.is_err();
    let mut response = responded.unwrap_or_else(|refusal| plain(&refusal, &transaction));
    transaction.set_status(response.status());
    if let Some(value) = id_value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if upload.answered(is_refused).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
