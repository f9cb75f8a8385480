// SPDX-License-Identifier: Apache-2.0
//! The socket of a connection as the requests that come over it see it: whether the
//! client is still there, and how the connection is closed.
//!
//! A client may close its sending half behind its request and still wait for the
//! response; to TCP a client that is gone looks the same, until something is sent to
//! it. So the end of what it sends ends nothing; an error of the socket does.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::abi::SlHttpLimits;
use crate::http_state::Phase;
use crate::wire::Wire;

/// The time limit of lingering when the server ends.
const LINGER_DRAINING: Duration = Duration::from_secs(1);
const LINGER_PIECE: usize = 64 << 10;

const PROBE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub enum First<A, B> {
    One(A),
    Other(B),
}

/// The future that is ready first. The other one can be polled again.
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
    pub stream: TcpStream,
    pub wire: Arc<Wire>,
    pub limits: SlHttpLimits,
}

impl Link {
    /// The local address that the client connected to.
    pub fn local(&self) -> Option<SocketAddr> {
        let local = self.stream.local_addr().ok()?;
        Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
    }

    /// Whether the client has closed its sending half.
    fn is_half_closed(&self) -> bool {
        let mut one =
            libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one descriptor, which is open as long as self.
        let found = unsafe { libc::poll(&raw mut one, 1, 0) };
        found == 1 && one.revents & libc::POLLRDHUP != 0
    }

    /// Wait for a response, and meanwhile probe a client that has closed its sending half.
    /// is_told: the client understands interim responses.
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
    pub async fn gone(&self) {
        if self.stream.ready(Interest::ERROR).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Close our sending half, and read on for a while.
    pub async fn linger(&self, phase: &mut watch::Receiver<Phase>) {
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
