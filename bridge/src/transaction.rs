// SPDX-License-Identifier: Apache-2.0
//! One HTTP transaction, a request and its response: what is known of it while it
//! runs, and what C is told of it at its end.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, StatusCode, Version};
use tokio::time::Instant;

use crate::abi::{End, SlBytes, SlHttpEnd};
use crate::http_config::HttpConfig;
use crate::peers::Busy;
use crate::refusal::{Refusal, CLIENT_LATE, FAILED, LATE, SHORT};
use crate::run::Outcome;
use crate::wire::Wire;

/// They have no body, and say nothing of its length.
pub const NO_BODY: [StatusCode; 3] =
    [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];

/// A request and its response, until both are over and the guest has ended.
pub struct HttpTransaction {
    pub config: Arc<HttpConfig>,
    pub wire: Arc<Wire>,
    pub begin: Instant,
    pub method: http::Method,
    pub is_http10: bool,
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

impl HttpTransaction {
    pub fn begin(
        config: &Arc<HttpConfig>,
        wire: &Arc<Wire>,
        request: &Request<()>,
        id: String,
        busy: Busy,
    ) -> Arc<HttpTransaction> {
        Arc::new(HttpTransaction {
            config: config.clone(),
            wire: wire.clone(),
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
        })
    }

    pub fn set_route(&self, route: usize) {
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route);
    }

    pub fn set_status(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Relaxed);
    }

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
    pub fn is_bodiless(&self, status: StatusCode) -> bool {
        self.method == http::Method::HEAD || NO_BODY.contains(&status)
    }

    /// No response has begun within the limit: the client is late where the guest waits for
    /// the rest of its body.
    pub fn note_late(&self, limit: Duration) {
        let ms = limit.as_millis();
        let text = if self.awaits_client.load(Relaxed) {
            self.is_client_late.store(true, Relaxed);
            format!("it waited for the rest of the request's body for longer than {ms} ms")
        } else {
            format!("it took longer than {ms} ms to respond")
        };
        self.note(Outcome::new(End::TIMED_OUT, 0, text));
    }

    /// What the client gets where the guest gave no response.
    pub fn refusal(&self) -> Refusal {
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
        self.config.total_timeout.map(|total| (self.begin + total, total))
    }
}

impl Drop for HttpTransaction {
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
        self.config.ended.call(&end);
    }
}
