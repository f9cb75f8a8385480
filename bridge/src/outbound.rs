// SPDX-License-Identifier: Apache-2.0
//! HTTP requests of guests to other servers. C grants each server, and each address of
//! it.

use std::ffi::c_void;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{lookup_host, TcpStream};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout, Instant, Sleep};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use crate::abi::{required, size, SlBytes, SlHost, SlHttpServer, SlLimits, SlRequestFault};
use crate::body::length_of_wrapped;

tokio::task_local! {
    /// Of the request that makes the connection.
    static CONNECT_LIMIT: Duration;
}

/// C's rules for requests.
#[derive(Clone, Copy)]
pub struct Policy {
    pub functions: SlHost,
    pub context: *mut c_void,
    pub limits: SlLimits,
}

// SAFETY: the functions may be called from any thread (slight_bridge.h).
unsafe impl Send for Policy {}
// SAFETY: as above.
unsafe impl Sync for Policy {}

/// Where a request goes to.
struct Server<'a> {
    is_tls: bool,
    host: &'a str,
    port: u16,
}

impl<'a> Server<'a> {
    fn of(uri: &'a Uri) -> Option<Server<'a>> {
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host()?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        // wasi:http allows no user in an authority.
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        (is_plain && !host.is_empty()).then_some(Server { is_tls, host, port })
    }

    fn lower(&self, address: &[u8]) -> SlHttpServer {
        SlHttpServer {
            host: SlBytes::of(self.host.as_bytes()),
            address: SlBytes::of(address),
            port: self.port,
            is_tls: self.is_tls,
        }
    }
}

impl Policy {
    /// The server as a whole, or one address of it.
    fn allows(&self, server: &Server<'_>, address: Option<IpAddr>) -> bool {
        let mut octets = [0; 16];
        let len = match address {
            None => 0,
            Some(IpAddr::V4(v4)) => {
                octets[..4].copy_from_slice(&v4.octets());
                4
            }
            Some(IpAddr::V6(v6)) => {
                octets = v6.octets();
                16
            }
        };
        let server = server.lower(&octets[..len]);
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { required(self.functions.may_request)(self.context, &server) }
    }

    /// Tell C, for its log.
    fn failed(&self, server: &Server<'_>, fault: SlRequestFault) {
        // SAFETY: as above.
        unsafe { required(self.functions.request_failed)(self.context, &server.lower(&[]), fault) }
    }

    /// Where the guest does not say how long.
    fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.client.connect_timeout_ms)
    }
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug)]
enum NoConnection {
    Invalid,
    Unknown,
    Prohibited,
    Refused,
    Late,
}

impl fmt::Display for NoConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

impl std::error::Error for NoConnection {}

impl From<NoConnection> for HttpError {
    fn from(why: NoConnection) -> HttpError {
        match why {
            NoConnection::Invalid => HttpError::HttpRequestUriInvalid,
            NoConnection::Unknown => HttpError::DnsError { rcode: None, info_code: None },
            NoConnection::Prohibited => HttpError::DestinationIpProhibited,
            NoConnection::Refused => HttpError::ConnectionRefused,
            NoConnection::Late => HttpError::ConnectionTimeout,
        }
    }
}

/// Connect to one of the allowed addresses of a name, which is resolved once.
async fn connect(policy: Policy, uri: Uri) -> Result<TokioIo<TcpStream>, NoConnection> {
    let server = Server::of(&uri).ok_or(NoConnection::Invalid)?;
    let found: Vec<SocketAddr> = match server.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, server.port)],
        Err(_) => lookup_host((server.host, server.port))
            .await
            .map_err(|_| NoConnection::Unknown)?
            .take(policy.limits.client.max_addresses as usize)
            .collect(),
    };
    if found.is_empty() {
        return Err(NoConnection::Unknown);
    }
    let mut why = NoConnection::Prohibited;
    let limit = match found.len() {
        1 => policy.connect_timeout(),
        _ => Duration::from_millis(policy.limits.client.address_timeout_ms),
    };
    for address in found.iter().filter(|address| policy.allows(&server, Some(address.ip()))) {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(TokioIo::new(stream));
            }
            Ok(Err(_)) => why = NoConnection::Refused,
            Err(_) => why = NoConnection::Late,
        }
    }
    Err(why)
}

/// Makes the connections of a program's client.
#[derive(Clone)]
struct Connector(Policy);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = NoConnection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoConnection>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), NoConnection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = CONNECT_LIMIT.try_with(|limit| *limit);
        let limit = limit.unwrap_or_else(|_| self.0.connect_timeout());
        let connecting = connect(self.0, uri);
        Box::pin(async move { timeout(limit, connecting).await.unwrap_or(Err(NoConnection::Late)) })
    }
}

type HttpClient<C> = legacy::Client<C, WasiBody>;

/// The clients of one program, one for each scheme, whose connections no other program
/// uses.
pub struct Client {
    policy: Policy,
    plain: OnceLock<HttpClient<Connector>>,
    tls: OnceCell<HttpClient<HttpsConnector<Connector>>>,
}

impl Client {
    pub fn new(policy: Policy) -> Client {
        Client { policy, plain: OnceLock::new(), tls: OnceCell::new() }
    }

    fn builder(&self) -> legacy::Builder {
        let limits = &self.policy.limits.client;
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(limits.idle_timeout_ms))
            .pool_max_idle_per_host(limits.max_idle_connections as usize)
            .http1_max_headers(limits.max_response_fields as usize);
        builder
    }

    fn plain(&self) -> &HttpClient<Connector> {
        self.plain.get_or_init(|| self.builder().build(Connector(self.policy)))
    }

    /// The system's certificates are read when the first request needs them, and not on a
    /// thread of the guests. Where there are none, the next request looks again.
    async fn tls(&self) -> Result<&HttpClient<HttpsConnector<Connector>>, NoCertificates> {
        let policy = self.policy;
        let make = || async move {
            let read = tokio::task::spawn_blocking(|| {
                HttpsConnectorBuilder::new()
                    .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            });
            let roots = read.await.ok().and_then(Result::ok).ok_or(NoCertificates)?;
            let connector = roots.https_only().enable_http1().wrap_connector(Connector(policy));
            Ok(self.builder().build(connector))
        };
        self.tls.get_or_try_init(make).await
    }
}

struct NoCertificates;

fn failure_of(error: &legacy::Error) -> HttpError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(why) = error.downcast_ref::<NoConnection>() {
            return (*why).into();
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return match error {
                rustls::Error::InvalidCertificate(_) => HttpError::TlsCertificateError,
                _ => HttpError::TlsProtocolError,
            };
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse_too_large() {
                return HttpError::HttpResponseHeaderSectionSize(None);
            }
            if error.is_incomplete_message() || error.is_canceled() {
                return HttpError::ConnectionTerminated;
            }
        }
        // std::io::Error does not return its inner error as the source.
        cause = match error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    if error.is_connect() {
        return HttpError::ConnectionTerminated;
    }
    HttpError::HttpProtocolError
}

/// What a guest sends to a server. Without its instance a body that it left
/// unfinished would look finished: the connection is cut instead.
struct RequestBody {
    body: WasiBody,
    is_gone: Arc<AtomicBool>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() && self.is_gone.load(SeqCst) {
            return Poll::Ready(Some(Err(HttpError::ConnectionTerminated)));
        }
        Poll::Ready(frame)
    }

    length_of_wrapped!(body);
}

/// The body of a response, while it arrives.
struct ResponseBody {
    body: Incoming,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    _turn: OwnedSemaphorePermit,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.deadline.as_mut().reset(Instant::now() + this.patience);
            return Poll::Ready(frame.map(|frame| frame.map_err(HttpError::Hyper)));
        }
        ready!(this.deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(HttpError::ConnectionReadTimeout)))
    }

    length_of_wrapped!(body);
}

/// The first frame of a body, and then the rest of it.
struct Begun {
    first: Option<Frame<Bytes>>,
    rest: WasiBody,
}

impl Body for Begun {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}

/// GET and HEAD with a body whose length nobody knows go out in chunks, where there is a
/// body: hyper sends none unless it is told to. A guest may well open a body for them and
/// write nothing.
async fn with_framing(
    request: Request<WasiBody>,
    first_piece_timeout: Duration,
) -> Result<Request<WasiBody>, HttpError> {
    let (mut head, mut body) = request.into_parts();
    let is_known = head.headers.contains_key(CONTENT_LENGTH) || body.size_hint().exact().is_some();
    let seldom_has_body = head.method == Method::GET || head.method == Method::HEAD;
    if !seldom_has_body || is_known || body.is_end_stream() {
        return Ok(Request::from_parts(head, body));
    }
    let first = match timeout(first_piece_timeout, body.frame()).await {
        Ok(Some(Ok(frame))) => Some(frame),
        // The instance is gone.
        Ok(Some(Err(HttpError::ConnectionTerminated))) => {
            return Err(HttpError::ConnectionTerminated);
        }
        // A body that ends before its first byte is empty.
        Ok(_) => {
            let none = http_body_util::Empty::new().map_err(|never| match never {});
            return Ok(Request::from_parts(head, none.boxed_unsync()));
        }
        Err(_) => None,
    };
    head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    Ok(Request::from_parts(head, Begun { first, rest: body }.boxed_unsync()))
}

async fn send(
    client: Arc<Client>,
    request: Request<WasiBody>,
    options: RequestOptions,
    turn: OwnedSemaphorePermit,
) -> Result<Response<WasiBody>, HttpError> {
    let uri = request.uri().clone();
    let server = Server::of(&uri).ok_or(HttpError::HttpRequestUriInvalid)?;
    if !client.policy.allows(&server, None) {
        return Err(HttpError::HttpRequestDenied);
    }
    // CONNECT opens a tunnel, which wasi:http cannot use.
    if request.method() == Method::CONNECT {
        return Err(HttpError::HttpRequestMethodInvalid);
    }
    let ms = Duration::from_millis;
    let limits = &client.policy.limits.client;
    let response_timeout = ms(limits.response_timeout_ms);
    let connect = options.connect_timeout.unwrap_or(client.policy.connect_timeout());
    let first_byte = options.first_byte_timeout.unwrap_or(response_timeout);
    let patience = options.between_bytes_timeout.unwrap_or(response_timeout);
    let request = with_framing(request, ms(limits.first_piece_timeout_ms)).await?;
    let answer = if server.is_tls {
        let Ok(tls) = client.tls().await else {
            client.policy.failed(&server, SlRequestFault::NO_CERTIFICATES);
            return Err(HttpError::ConfigurationError);
        };
        tls.request(request)
    } else {
        client.plain().request(request)
    };
    let answer = CONNECT_LIMIT.scope(connect, answer);
    let response = timeout(connect.saturating_add(first_byte), answer)
        .await
        .map_err(|_| HttpError::ConnectionReadTimeout)?
        .map_err(|error| {
            let failure = failure_of(&error);
            if matches!(failure, HttpError::HttpResponseHeaderSectionSize(_)) {
                client.policy.failed(&server, SlRequestFault::HEAD_TOO_LARGE);
            }
            failure
        })?;
    let deadline = Box::pin(sleep(patience));
    Ok(response.map(|body| ResponseBody { body, patience, deadline, _turn: turn }.boxed_unsync()))
}

/// One instance's requests to other servers.
pub struct Outbound {
    client: Arc<Client>,
    turns: Option<Arc<Semaphore>>,
    is_gone: Arc<AtomicBool>,
}

impl Outbound {
    pub fn new(client: &Arc<Client>) -> Outbound {
        Outbound { client: client.clone(), turns: None, is_gone: Arc::default() }
    }

    /// The instance ends. Called before any part of it is dropped.
    pub fn end(&self) {
        self.is_gone.store(true, SeqCst);
    }
}

type Sent =
    Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

impl WasiHttpHooks for Outbound {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        size(self.client.policy.limits.body_chunk_bytes)
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        size(self.client.policy.limits.body_chunk_bytes)
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let max_requests = self.client.policy.limits.client.max_requests as usize;
        let turns = self.turns.get_or_insert_with(|| Arc::new(Semaphore::new(max_requests)));
        let Ok(turn) = turns.clone().try_acquire_owned() else {
            return Box::new(std::future::ready(Err(HttpError::ConnectionLimitReached)));
        };
        let is_gone = self.is_gone.clone();
        let request = request.map(|body| RequestBody { body, is_gone }.boxed_unsync());
        let sent = send(self.client.clone(), request, options.unwrap_or_default(), turn);
        Box::new(async move {
            let response = sent.await?;
            // The connection is driven by the client.
            let io: Box<dyn Future<Output = _> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, io))
        })
    }
}
