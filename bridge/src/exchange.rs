// SPDX-License-Identifier: Apache-2.0
//! One request and its response: the limits, and the guest that answers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{ready, Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, OwnedSemaphorePermit};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use crate::abi::{End, SlBytes, SlHttpEnd};
use crate::http::Shared;
use crate::peers::Busy;
use crate::route::{find_route, Host, Target};
use crate::run::Outcome;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 64;
/// How long a request waits for another one to end.
const BUSY_WAIT: Duration = Duration::from_millis(250);

/// A request and its response, until both are over and the guest has ended.
pub struct Exchange {
    shared: Arc<Shared>,
    begin: Instant,
    method: http::Method,
    path: String,
    id: String,
    status: AtomicU16,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    route: Mutex<Option<usize>>,
    outcome: Mutex<Option<Outcome>>,
    _busy: Busy,
}

impl Exchange {
    fn note(&self, outcome: Outcome) {
        let mut noted = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get_or_insert(outcome);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = outcome.unwrap_or_else(|| Outcome::new(End::Returned, 0, ""));
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
            message: SlBytes::of(outcome.message.as_bytes()),
            backtrace: SlBytes::of(outcome.backtrace.as_bytes()),
        };
        let ended = &self.shared.ended;
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (ended.call)(ended.context, &end) }
    }
}

/// What the client sends, within its limit. A guest may keep it for longer than
/// its exchange takes.
pub struct RequestBody {
    body: Incoming,
    max: u64,
    left: u64,
    exchange: Weak<Exchange>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(HttpError::Hyper)?;
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(exchange) = this.exchange.upgrade() {
            exchange.bytes_in.fetch_add(len, Relaxed);
        }
        let Some(left) = this.left.checked_sub(len) else {
            return Poll::Ready(Some(Err(HttpError::HttpRequestBodySize(Some(this.max)))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A guest's work on its request, to its end or its deadline.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the client gets. The guest goes on as this is read, in the same task;
/// where the client leaves before all is said, the guest ends with it.
pub struct ResponseBody {
    body: WasiBody,
    exchange: Arc<Exchange>,
    work: Option<Work>,
}

impl ResponseBody {
    /// The next frame; where there is none yet, once the guest has done more.
    fn poll_both(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if let Some(work) = &mut self.work {
            if work.as_mut().poll(context).is_ready() {
                self.work = None;
            }
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    /// All is said; what the guest does after that nobody waits for.
    fn ended(&mut self) {
        // At the end of everything there is no runtime any more.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let frame = ready!(this.poll_both(context));
        match &frame {
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.exchange.bytes_out.fetch_add(len, Relaxed);
                if this.body.is_end_stream() {
                    this.ended();
                }
            }
            Some(Err(_)) => {}
            None => this.ended(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body of no bytes is never read.
        if self.body.is_end_stream() {
            self.ended();
        }
    }
}

/// The answer where there is none of a guest: the client is told no details.
struct Refusal(StatusCode, &'static str);

const FAILED: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");

fn plain(refusal: &Refusal, exchange: &Arc<Exchange>) -> Response<ResponseBody> {
    let text = Full::new(Bytes::from_static(refusal.1.as_bytes()));
    let body = text.map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(ResponseBody { body, exchange: exchange.clone(), work: None });
    *response.status_mut() = refusal.0;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if refusal.0 == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// hyper stops reading at about its limit only.
fn header_bytes(request: &Request<Incoming>) -> usize {
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
    Ok(response.map(|text| {
        let body = text.map_err(|never| match never {}).boxed_unsync();
        ResponseBody { body, exchange: exchange.clone(), work: None }
    }))
}

const MISDIRECTED: Refusal = Refusal(
    StatusCode::MISDIRECTED_REQUEST,
    "this Host is not in allowed-hosts of the listener; add it there, or ask by an address\n",
);

/// Every host that the request names is one that C answers to.
fn may_ask(shared: &Shared, request: &Request<Incoming>) -> bool {
    let Some(may_ask) = &shared.may_ask else { return true };
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let fields = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    authority.into_iter().chain(fields).all(|host| may_ask.allows(host))
}

async fn respond(
    shared: &Arc<Shared>,
    exchange: &Arc<Exchange>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Refusal> {
    const LATE: Refusal = Refusal(StatusCode::GATEWAY_TIMEOUT, "the request timed out\n");
    const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
    const SHORT: Refusal =
        Refusal(StatusCode::SERVICE_UNAVAILABLE, "no room for the request now\n");

    if !may_ask(shared, &request) {
        return Err(MISDIRECTED);
    }
    let Some(route) = find_route(&shared.routes, request.uri().path()) else {
        return Err(Refusal(StatusCode::NOT_FOUND, "not found\n"));
    };
    *exchange.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route);
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        return Err(Refusal(StatusCode::BAD_REQUEST, "no host\n"));
    }
    if header_bytes(&request) > shared.max_header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal(status, "the header is too large\n"));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()) > Some(shared.max_body_bytes) {
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
    }
    // The one before may have been answered, and its instance be just ending.
    let turn = shared.routes[route].requests.clone().acquire_owned();
    let Ok(Ok(permit)) = tokio::time::timeout(BUSY_WAIT, turn).await else {
        return Err(BUSY);
    };
    let component = match &shared.routes[route].target {
        Target::Component(component) => component.clone(),
        Target::Host(host) => return ask_host(host, route, exchange, request.method()).await,
    };
    let max = shared.max_body_bytes;
    let request = request.map(|body| {
        let exchange = Arc::downgrade(exchange);
        RequestBody { body, max, left: max, exchange }
    });
    let (sender, receiver) = oneshot::channel();
    let deadline = tokio::time::Instant::now() + shared.request_timeout;
    let (noted, limit) = (exchange.clone(), shared.request_timeout);
    let guest = component.clone().fair(async move {
        let _permit: OwnedSemaphorePermit = permit;
        component.answer(request, sender).await
    });
    let mut work: Work = Box::pin(async move {
        match tokio::time::timeout_at(deadline, guest).await {
            Ok(None) => {}
            Ok(Some(outcome)) => noted.note(outcome),
            Err(_) => {
                let text = format!("it took longer than {} ms", limit.as_millis());
                noted.note(Outcome::new(End::TimedOut, 0, text));
            }
        }
    });
    let mut receiver = pin!(receiver);
    let mut ended = false;
    let received = std::future::poll_fn(|context| {
        if !ended {
            ended = work.as_mut().poll(context).is_ready();
        }
        receiver.as_mut().poll(context)
    })
    .await;
    // A guest in the background may let go of its answer before its end is known here.
    if received.is_err() && !ended {
        work.as_mut().await;
    }
    match received {
        Ok(Ok(response)) => {
            let work = (!ended).then_some(work);
            Ok(response.map(|body| ResponseBody { body, exchange: exchange.clone(), work }))
        }
        Ok(Err(code)) => {
            exchange.note(Outcome::new(End::Failed, 0, format!("it answered with {code}")));
            Err(FAILED)
        }
        // The guest has ended, and has said how.
        Err(_) => {
            let why = exchange.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match &*why {
                Some(outcome) if outcome.end == End::TimedOut => Err(LATE),
                Some(outcome) if outcome.is_short => Err(SHORT),
                Some(_) => Err(FAILED),
                None => {
                    drop(why);
                    exchange.note(Outcome::new(End::Failed, 0, "it gave no response"));
                    Err(FAILED)
                }
            }
        }
    }
}

/// The client's, where it is one of printable characters; else a new one.
fn request_id(request: &Request<Incoming>) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(id) = given {
        let fits = !id.is_empty() && id.len() <= REQUEST_ID_MAX;
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
    busy: Busy,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let id = request_id(&request);
    let id_value = HeaderValue::from_str(&id).ok();
    if let Some(value) = &id_value {
        request.headers_mut().insert(REQUEST_ID, value.clone());
    }
    let exchange = Arc::new(Exchange {
        begin: Instant::now(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        id,
        status: AtomicU16::new(0),
        bytes_in: AtomicU64::new(0),
        bytes_out: AtomicU64::new(0),
        route: Mutex::new(None),
        outcome: Mutex::new(None),
        _busy: busy,
        shared: shared.clone(),
    });
    let mut response = match respond(&shared, &exchange, request).await {
        Ok(response) => response,
        Err(refusal) => plain(&refusal, &exchange),
    };
    exchange.status.store(response.status().as_u16(), Relaxed);
    if let Some(value) = id_value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}
