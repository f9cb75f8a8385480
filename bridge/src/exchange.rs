// SPDX-License-Identifier: Apache-2.0
//! One request and its response: the limits, and the guest that answers.

use std::convert::Infallible;
use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    HeaderName, HeaderValue, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER,
};
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::oneshot::{self, Receiver};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wasmtime_wasi_http::WasiBody;

use crate::abi::{End, SlBytes, SlHttpEnd};
use crate::connection::Link;
use crate::http::{Found, Shared};
use crate::peers::Busy;
use crate::request::RequestBody;
use crate::response::{poll_now, Clock, ResponseBody, Work};
use crate::route::{Answer, Component, Ended, Host, Target};
use crate::run::Outcome;
use crate::target;
use crate::upload::Upload;
use crate::wire::Wire;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// They have no body, and say nothing of its length.
const NO_BODY: [StatusCode; 3] =
    [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];

/// A request and its response, until both are over and the guest has ended.
pub struct Exchange {
    pub shared: Arc<Shared>,
    pub wire: Arc<Wire>,
    begin: Instant,
    pub method: http::Method,
    is_http10: bool,
    path: String,
    id: String,
    status: AtomicU16,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// When the client last sent something of its body, in nanoseconds from begin.
    moved: AtomicU64,
    /// The guest waits for more of the client's body.
    awaits_client: AtomicBool,
    /// It kept the guest waiting for its body for too long.
    is_client_late: AtomicBool,
    /// The client did not get the whole response.
    is_cut: AtomicBool,
    route: Mutex<Option<usize>>,
    outcome: Mutex<Option<Outcome>>,
    _busy: Busy,
}

impl Exchange {
    /// What went wrong; the first of it counts.
    pub fn note(&self, outcome: Outcome) {
        if outcome.end != End::RETURNED {
            let mut noted = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            noted.get_or_insert(outcome);
        }
    }

    pub fn note_cut(&self) {
        self.is_cut.store(true, Relaxed);
    }

    pub fn count_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    pub fn count_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Relaxed);
        let ns = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.store(ns, Relaxed);
    }

    /// The guest was told that no more came in time; it has its own time to say so.
    pub fn note_client_late(&self) {
        self.is_client_late.store(true, Relaxed);
        self.count_in(0);
    }

    /// Whether the guest waits for more of the client's body now.
    pub fn set_awaits_client(&self, awaits: bool) {
        self.awaits_client.store(awaits, Relaxed);
    }

    /// When the client last sent something.
    pub fn last_in(&self) -> Instant {
        self.begin + Duration::from_nanos(self.moved.load(Relaxed))
    }

    /// Whether a response has no body, whatever its guest writes.
    fn is_bodiless(&self, status: StatusCode) -> bool {
        self.method == http::Method::HEAD || NO_BODY.contains(&status)
    }

    /// No response has begun within the limit: the client is late where the guest waits for
    /// the rest of its body.
    fn note_late(&self, limit: Duration) {
        let ms = limit.as_millis();
        let text = if self.awaits_client.load(Relaxed) {
            self.is_client_late.store(true, Relaxed);
            format!("it waited for the rest of the request's body for longer than {ms} ms")
        } else {
            format!("it took longer than {ms} ms to respond")
        };
        self.note(Outcome::new(End::TIMED_OUT, 0, text));
    }

    /// The answer for a guest that gave none: it has ended, or is late.
    fn refusal_of(&self, ended: Option<Ended>) -> Refusal {
        if let Some(ended) = ended {
            ended.note(self);
        }
        self.note(Outcome::new(End::FAILED, 0, "it gave no response"));
        let noted = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match &*noted {
            Some(outcome) if outcome.is_short => SHORT,
            _ if self.is_client_late.load(Relaxed) => CLIENT_LATE,
            Some(outcome) if outcome.end == End::TIMED_OUT => LATE,
            _ => FAILED,
        }
    }

    /// The end of all the time that it may take, and how long that is.
    pub fn total(&self) -> Option<(Instant, Duration)> {
        self.shared.total_timeout.map(|total| (self.begin + total, total))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = outcome.unwrap_or_else(|| Outcome::new(End::RETURNED, 0, ""));
        let route = *self.route.get_mut().unwrap_or_else(PoisonError::into_inner);
        let end = SlHttpEnd {
            route: route.map_or(usize::MAX, |route| route),
            method: SlBytes::of(self.method.as_str().as_bytes()),
            path: SlBytes::of(self.path.as_bytes()),
            request_id: SlBytes::of(self.id.as_bytes()),
            status: u32::from(self.status.load(Relaxed)),
            end: outcome.end,
            ns: u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            is_cut: *self.is_cut.get_mut(),
            message: SlBytes::of(outcome.message.as_bytes()),
            backtrace: SlBytes::of(outcome.backtrace.as_bytes()),
        };
        let ended = &self.shared.ended;
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (ended.call)(ended.context, &end) }
    }
}

/// The answer where there is none of a guest: the client is told no details.
pub struct Refusal(pub StatusCode, pub &'static str);

const FAILED: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
const LATE: Refusal = Refusal(StatusCode::GATEWAY_TIMEOUT, "the request timed out\n");
const CLIENT_LATE: Refusal =
    Refusal(StatusCode::REQUEST_TIMEOUT, "the body of the request came too slowly\n");
const SHORT: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "no room for the request now\n");

fn plain(refusal: &Refusal, exchange: &Arc<Exchange>) -> Response<ResponseBody> {
    let text = Full::new(Bytes::from_static(refusal.1.as_bytes()));
    let mut response = Response::new(ResponseBody::of_text(text, exchange));
    *response.status_mut() = refusal.0;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if refusal.0 == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // Whoever sends that may mean something else by what follows.
    if matches!(refusal.0, StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED) {
        exchange.wire.leave_unread();
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

/// C answers what only looks.
async fn ask_host(
    host: &Host,
    route: usize,
    exchange: &Arc<Exchange>,
    method: &http::Method,
) -> Result<Response<ResponseBody>, Refusal> {
    if method != http::Method::GET && method != http::Method::HEAD {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"));
    }
    let Some(response) = host.answer(route).await else {
        return Err(FAILED);
    };
    Ok(response.map(|text| ResponseBody::of_text(text, exchange)))
}

const MISDIRECTED: Refusal = Refusal(
    StatusCode::MISDIRECTED_REQUEST,
    "this Host is not in allowed-hosts of the listener; add it there, or ask by an address\n",
);

async fn respond(
    shared: &Arc<Shared>,
    exchange: &Arc<Exchange>,
    mut request: Request<()>,
    upload: &Arc<Upload>,
    link: &Link,
) -> Result<Response<ResponseBody>, Refusal> {
    const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
    const UNCLEAR: Refusal =
        Refusal(StatusCode::BAD_REQUEST, "what the path means depends on how it is decoded\n");

    let target = target::check(&mut request, link)?;
    let may_ask = shared.may_ask.as_ref();
    if may_ask.is_some_and(|may_ask| !may_ask.allows(target.authority.as_str().as_bytes())) {
        return Err(MISDIRECTED);
    }
    if target.is_server {
        // That it answers is all that there is to say.
        return Ok(Response::new(ResponseBody::of_text(Full::default(), exchange)));
    }
    let route = match shared.find_route(request.uri().path()) {
        Found::Route(route) => route,
        Found::None => return Err(Refusal(StatusCode::NOT_FOUND, "not found\n")),
        Found::Unclear => return Err(UNCLEAR),
    };
    *exchange.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route);
    if header_bytes(&request) > shared.max_header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal(status, "the header is too large\n"));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()) > Some(shared.max_body_bytes) {
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
    }
    // The one before may have been answered, and its instance be just ending.
    let queue_timeout = Duration::from_millis(shared.limits.queue_timeout_ms);
    let turn = shared.routes[route].requests.clone().acquire_owned();
    let Ok(Ok(permit)) = tokio::time::timeout(queue_timeout, turn).await else {
        return Err(BUSY);
    };
    let component = match &shared.routes[route].target {
        Target::Component(component) => component.clone(),
        Target::Host(host) => return ask_host(host, route, exchange, request.method()).await,
    };
    let request = request.map(|()| RequestBody::new(upload, exchange));
    ask_guest(component, exchange, request, permit).await
}

/// What becomes of a guest before its response has begun.
enum Begun {
    Answered(Answer, Result<Work, Ended>),
    /// It has ended without a response.
    Ended(Ended),
    /// It has passed a limit, which is noted.
    Late,
}

/// The guest's answer; None: there will be none. It may be known in the background
/// before the end of the guest is, and whoever has been told is not asked again.
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

/// Until the response begins.
async fn begin(exchange: &Arc<Exchange>, mut work: Work, answer: Receiver<Answer>) -> Begun {
    let (mut answer, mut clock, mut ended) = (Some(answer), Clock::default(), None);
    let limit = exchange.shared.request_timeout;
    let begun = poll_fn(|context| {
        if let Poll::Ready(over) = work.poll(context) {
            ended = Some(over);
            // Its instance is alive, and may hold what it could have answered with.
            return Poll::Ready(match poll_now(|context| poll_answer(&mut answer, context)) {
                Poll::Ready(answer) => answer,
                Poll::Pending => None,
            });
        }
        if let Poll::Ready(Some(answer)) = poll_answer(&mut answer, context) {
            return Poll::Ready(Some(answer));
        }
        // While the guest is there: what it waits for is not known afterwards.
        exchange.note_late(ready!(clock.poll_late(context, exchange, exchange.begin, limit)));
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
    exchange: &Arc<Exchange>,
    request: Request<RequestBody>,
    turn: OwnedSemaphorePermit,
) -> Result<Response<ResponseBody>, Refusal> {
    let (sender, receiver) = oneshot::channel();
    let work = Work::new(|reading| {
        component.clone().fair(component.answer(request, sender, reading, turn))
    });
    let (answer, work) = match begin(exchange, work, receiver).await {
        Begun::Answered(answer, work) => (answer, work),
        Begun::Ended(ended) => return Err(exchange.refusal_of(Some(ended))),
        Begun::Late => return Err(exchange.refusal_of(None)),
    };
    let wrong = match answer {
        Ok(response) => match check(exchange, &response) {
            None => return Ok(begin_response(exchange, response, work)),
            Some(wrong) => wrong,
        },
        Err(code) => format!("it answered with {code}"),
    };
    // It goes on as it would with any other response.
    match work {
        Ok(work) => work.go_on(exchange.clone()),
        Err(ended) => ended.note_and_keep(exchange),
    }
    exchange.note(Outcome::new(End::FAILED, 0, wrong));
    Err(FAILED)
}

/// What is wrong with a response before it has begun.
fn check(exchange: &Exchange, response: &Response<WasiBody>) -> Option<String> {
    let status = response.status();
    if status.is_informational() {
        return Some(format!("it answered with status {status}, which is no final one"));
    }
    let declared = content_length(response.headers()).unwrap_or(0);
    if declared > 0 && response.body().is_end_stream() && !exchange.is_bodiless(status) {
        return Some(format!("its response has content-length {declared}, and no body"));
    }
    None
}

fn content_length(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The response with what the client gets of its body.
fn begin_response(
    exchange: &Arc<Exchange>,
    response: Response<WasiBody>,
    work: Result<Work, Ended>,
) -> Response<ResponseBody> {
    let (mut parts, body) = response.into_parts();
    let declared = content_length(&parts.headers);
    let (work, ended) = match work {
        Ok(work) => (Some(work), None),
        Err(ended) => (None, Some(ended)),
    };
    let mut body = ResponseBody::of_guest(body, declared, exchange, work);
    if let Some(ended) = ended {
        body.settle(ended);
    }
    let is_bodiless = exchange.is_bodiless(parts.status);
    if is_bodiless || declared == Some(0) {
        if NO_BODY.contains(&parts.status) {
            parts.headers.remove(CONTENT_LENGTH);
        }
        body.discard(!is_bodiless);
        body = ResponseBody::of_text(Full::default(), exchange);
    } else if exchange.is_http10 && declared.is_none() {
        exchange.wire.end_response_by_shutdown();
    }
    Response::from_parts(parts, body)
}

/// The client's, where it is one of printable characters; else a new one.
fn request_id(request: &Request<()>, max: u32) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(id) = given {
        let fits = !id.is_empty() && id.len() <= max as usize;
        if fits && id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return id.to_owned();
        }
    }
    // Unique among processes of all machines, as far as one can tell.
    static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let base = BASE.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    });
    format!("{base:016x}{:08x}", NEXT.fetch_add(1, Relaxed))
}

pub async fn answer(
    shared: Arc<Shared>,
    link: &Link,
    busy: Busy,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let upload = Upload::new(&parts.headers, body, link.wire.clone(), &shared.limits);
    let mut request = Request::from_parts(parts, ());
    let id = request_id(&request, shared.limits.max_request_id);
    let id_value = HeaderValue::from_str(&id).ok();
    if let Some(value) = &id_value {
        request.headers_mut().insert(REQUEST_ID, value.clone());
    }
    let exchange = Arc::new(Exchange {
        begin: Instant::now(),
        method: request.method().clone(),
        is_http10: request.version() == Version::HTTP_10,
        path: request.uri().path().to_owned(),
        id,
        status: AtomicU16::new(0),
        bytes_in: AtomicU64::new(0),
        bytes_out: AtomicU64::new(0),
        moved: AtomicU64::new(0),
        awaits_client: AtomicBool::new(false),
        is_client_late: AtomicBool::new(false),
        is_cut: AtomicBool::new(false),
        route: Mutex::new(None),
        outcome: Mutex::new(None),
        _busy: busy,
        shared: shared.clone(),
        wire: link.wire.clone(),
    });
    let responded = pin!(respond(&shared, &exchange, request, &upload, link));
    let responded = link.probing(!exchange.is_http10, responded).await;
    let is_refused = responded.is_err();
    let mut response = responded.unwrap_or_else(|refusal| plain(&refusal, &exchange));
    exchange.status.store(response.status().as_u16(), Relaxed);
    if let Some(value) = id_value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if upload.answered(is_refused).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
