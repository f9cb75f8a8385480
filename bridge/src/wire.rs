// SPDX-License-Identifier: Apache-2.0
//! The socket of a connection: how long a client may keep bytes waiting, and what
//! the responses that go over it must know of it.

use std::future::Future;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How often it is looked whether a client that keeps bytes waiting takes some.
const STEPS: u32 = 4;

/// What a connection and its responses tell each other.
#[derive(Default)]
pub struct Wire {
    flushes: AtomicU64,
    is_awaited: AtomicBool,
    ends_response: AtomicBool,
}

impl Wire {
    /// How often everything was written that there was to write.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Relaxed)
    }

    /// Wake the connection's task after the next time.
    pub fn await_flush(&self) {
        self.is_awaited.store(true, Relaxed);
    }

    /// A client of HTTP/1.0 takes the end of the connection for that of the response:
    /// from now on the connection is reset wherever it ends by anything but a
    /// shutdown, also where the process is killed.
    pub fn end_response_by_shutdown(&self) {
        self.ends_response.store(true, Relaxed);
    }
}

/// What a client may do that keeps bytes waiting.
#[derive(Clone, Copy)]
pub struct Patience {
    /// Take nothing for so long.
    pub longest: Duration,
    /// Bytes a second that it has to take on average; 0: any.
    pub min_rate: u64,
}

/// While bytes wait for the client.
struct Wait {
    step: Pin<Box<Sleep>>,
    /// When it was last looked, and what the kernel had still to send then.
    looked: Instant,
    queued: u64,
    /// When the client last took something.
    moved: Instant,
}

/// A stream whose reader must go on reading.
pub struct Patient {
    stream: TcpStream,
    wire: Arc<Wire>,
    patience: Patience,
    wait: Option<Wait>,
    /// How much longer the client may keep bytes waiting: waiting uses it up, and
    /// what it takes earns it back.
    credit: Duration,
    resets: bool,
}

/// What the kernel has that the client has not confirmed.
fn queued(stream: &TcpStream) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: an open socket, and a place to write to.
    let done = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    if done == 0 {
        u64::try_from(bytes).unwrap_or(0)
    } else {
        0
    }
}

impl Patient {
    pub fn new(stream: TcpStream, patience: Patience, wire: Arc<Wire>) -> Patient {
        let credit = patience.longest;
        Patient { stream, wire, patience, wait: None, credit, resets: false }
    }

    fn account(&mut self, taken: u64, waited: Duration) {
        if self.patience.min_rate > 0 {
            let earned = taken.saturating_mul(1000) / self.patience.min_rate;
            let credit = self.credit.saturating_sub(waited);
            let credit = credit.saturating_add(Duration::from_millis(earned));
            self.credit = credit.min(self.patience.longest);
        }
    }

    /// Pending as long as the client may take its time.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let step = self.patience.longest / STEPS;
        let mut wait = self.wait.take().unwrap_or_else(|| {
            let now = Instant::now();
            let queued = queued(&self.stream);
            Wait { step: Box::pin(tokio::time::sleep(step)), looked: now, queued, moved: now }
        });
        while wait.step.as_mut().poll(context).is_ready() {
            let (now, queued) = (Instant::now(), queued(&self.stream));
            let taken = wait.queued.saturating_sub(queued);
            self.account(taken, now - wait.looked);
            if taken > 0 {
                wait.moved = now;
            }
            if self.credit.is_zero() || now - wait.moved >= self.patience.longest {
                return Poll::Ready(());
            }
            (wait.looked, wait.queued) = (now, queued);
            wait.step.as_mut().reset(now + step);
        }
        self.wait = Some(wait);
        Poll::Pending
    }

    fn watch(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<std::io::Result<usize>>,
    ) -> Poll<std::io::Result<usize>> {
        let Poll::Ready(result) = done else {
            ready!(self.poll_late(context));
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        };
        if let Some(wait) = self.wait.take() {
            let written = result.as_ref().map_or(0, |&len| len as u64);
            let taken = (wait.queued + written).saturating_sub(queued(&self.stream));
            self.account(taken, wait.looked.elapsed());
        }
        Poll::Ready(result)
    }

    fn set_up(&mut self) {
        if !self.resets && self.wire.ends_response.load(Relaxed) {
            self.resets = self.stream.set_zero_linger().is_ok();
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.set_up();
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.set_up();
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.wire.flushes.fetch_add(1, Relaxed);
        if self.wire.is_awaited.swap(false, Relaxed) {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.resets {
            self.resets = false;
            self.wire.ends_response.store(false, Relaxed);
            // Without a time to wait, which is what blocks.
            #[allow(deprecated)]
            self.stream.set_linger(None)?;
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
