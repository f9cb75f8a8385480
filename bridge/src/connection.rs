// SPDX-License-Identifier: Apache-2.0
//! One connection of a client: its socket, when it is over, and how it is closed.
//!
//! A client may close its sending half behind its request and still wait for the
//! answer; to TCP a client that is gone looks the same, until something is sent to
//! it. So the end of what it sends ends nothing; an error of the socket does.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::abi::SlHttpLimits;
use crate::exchange::answer;
use crate::http::{Phase, Shared};
use crate::peers::Seat;
use crate::wire::{Patience, Patient, Wire};

/// hyper's least.
const HEADER_BYTES_MIN: usize = 8192;

/// Where the server ends, what is still read behind an answer is read for so long.
const LINGER_DRAINING: Duration = Duration::from_secs(1);
const LINGER_PIECE: usize = 64 << 10;

const PROBE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub enum First<A, B> {
    One(A),
    Other(B),
}

/// Whichever is ready first; the other one goes on where it is asked again.
pub async fn first_of<A: Future, B: Future>(
    mut one: Pin<&mut A>,
    mut other: Pin<&mut B>,
) -> First<A::Output, B::Output> {
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(output));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}

/// A connection, as the requests that come over it see it.
pub struct Link {
    stream: TcpStream,
    pub wire: Arc<Wire>,
    limits: SlHttpLimits,
}

impl Link {
    /// The address by which the client has reached us.
    pub fn local(&self) -> Option<SocketAddr> {
        let local = self.stream.local_addr().ok()?;
        Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
    }

    /// Whether nothing more will come.
    fn is_half_closed(&self) -> bool {
        let mut one =
            libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one descriptor, which is open as long as self.
        let found = unsafe { libc::poll(&raw mut one, 1, 0) };
        found == 1 && one.revents & libc::POLLRDHUP != 0
    }

    /// Wait for an answer, and meanwhile ask a client that has closed its sending
    /// half whether it is still there. is_told: it knows interim responses.
    pub async fn probing<F: Future>(&self, is_told: bool, answer: Pin<&mut F>) -> F::Output {
        match first_of(answer, pin!(self.probe(is_told))).await {
            First::One(output) => output,
            First::Other(never) => match never {},
        }
    }

    async fn probe(&self, is_told: bool) -> Infallible {
        if !is_told {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(Duration::from_millis(self.limits.probe_interval_ms)).await;
            if self.wire.is_flushed() && self.is_half_closed() {
                let _ = self.stream.try_write(PROBE);
            }
        }
    }

    /// An error of the socket, whoever else looks at it: it was reset, or the peer
    /// did not answer TCP's own probes.
    async fn gone(&self) {
        if self.stream.ready(Interest::ERROR).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Once everything was said: say so, and read on for a while.
    async fn linger(&self, phase: &mut watch::Receiver<Phase>) {
        // SAFETY: an open socket.
        let _ = unsafe { libc::shutdown(self.stream.as_raw_fd(), libc::SHUT_WR) };
        let mut piece = vec![0u8; LINGER_PIECE];
        let idle_timeout = Duration::from_millis(self.limits.linger_idle_timeout_ms);
        let mut end = Instant::now() + Duration::from_millis(self.limits.linger_timeout_ms);
        let mut left = self.limits.max_linger_bytes;
        let mut is_serving = true;
        while left > 0 {
            match *phase.borrow_and_update() {
                Phase::Serving => {}
                Phase::Draining if !is_serving => {}
                Phase::Draining => {
                    is_serving = false;
                    end = end.min(Instant::now() + LINGER_DRAINING);
                }
                Phase::Cut => return,
            }
            let until = end.min(Instant::now() + idle_timeout);
            let come = pin!(tokio::time::timeout_at(until, self.stream.readable()));
            match first_of(come, pin!(phase.changed())).await {
                First::One(Ok(Ok(()))) => {}
                First::Other(Ok(())) => continue,
                First::One(_) | First::Other(Err(_)) => return,
            }
            match self.stream.try_read(&mut piece) {
                Ok(0) => return,
                Ok(len) => left = left.saturating_sub(len as u64),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Answer what comes, until the client, or the server, has enough.
async fn talk(
    shared: &Arc<Shared>,
    link: &Link,
    phase: &mut watch::Receiver<Phase>,
    seat: &Seat,
) -> Result<(), hyper::Error> {
    let patience = Patience { longest: shared.between_bytes_timeout, min_rate: shared.min_rate };
    let io = TokioIo::new(Patient::new(&link.stream, patience, link.wire.clone()));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(shared.idle_timeout)
        .max_buf_size(shared.max_header_bytes.max(HEADER_BYTES_MIN))
        .max_headers(shared.limits.max_header_fields as usize);
    let service =
        hyper::service::service_fn(|request| answer(shared.clone(), link, seat.busy(), request));
    let mut connection = pin!(builder.serve_connection(io, service));
    loop {
        let changed = match first_of(connection.as_mut(), pin!(phase.changed())).await {
            First::One(done) => return done,
            First::Other(changed) => changed,
        };
        if changed.is_err() || *phase.borrow_and_update() == Phase::Cut {
            return Ok(());
        }
        connection.as_mut().graceful_shutdown();
    }
}

pub async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    mut phase: watch::Receiver<Phase>,
    seat: Seat,
) {
    let _ = stream.set_nodelay(true);
    let link = Link { stream, wire: Arc::default(), limits: shared.limits };
    let closed = seat.closed();
    let session = async {
        // Where there is an error, the client knows, or is gone; but it may still
        // send what it was told is too much.
        let done = talk(&shared, &link, &mut phase, &seat).await;
        let is_unread = link.wire.is_unread();
        if done.map_or_else(|error| error.is_parse(), |()| is_unread) {
            link.linger(&mut phase).await;
        }
    };
    let over = async { first_of(pin!(closed.notified()), pin!(link.gone())).await };
    let _ = first_of(pin!(session), pin!(over)).await;
}
