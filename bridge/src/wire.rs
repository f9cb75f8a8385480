// SPDX-License-Identifier: Apache-2.0
//! The socket of a connection: how long a client may keep bytes waiting, and what
//! the responses that go over it must know of it.

use std::cell::Cell;
use std::future::Future;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How often it is looked whether a client that keeps bytes waiting takes some.
const STEPS: u32 = 4;

/// Shared by a connection and its responses.
#[derive(Default)]
pub struct Wire {
    flushes: AtomicU64,
    is_awaited: AtomicBool,
    ends_response: AtomicBool,
    has_written: AtomicBool,
    is_unread: AtomicBool,
}

impl Wire {
    /// Whether everything was written that there was to write.
    pub fn is_flushed(&self) -> bool {
        !self.has_written.load(Relaxed)
    }

    /// An answer comes before the end of its request: where the connection closes, the
    /// client may still be sending.
    pub fn leave_unread(&self) {
        self.is_unread.store(true, Relaxed);
    }

    pub fn is_unread(&self) -> bool {
        self.is_unread.load(Relaxed)
    }

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

/// The limits for a client that keeps bytes waiting.
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
pub struct Patient<'a> {
    stream: &'a TcpStream,
    wire: Arc<Wire>,
    patience: Patience,
    wait: Option<Wait>,
    /// How much longer the client may keep bytes waiting: waiting uses it up, and
    /// what it takes earns it back.
    credit: Duration,
    resets: bool,
}

/// The bytes in the kernel that the client has not acknowledged.
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

impl<'a> Patient<'a> {
    pub fn new(stream: &'a TcpStream, patience: Patience, wire: Arc<Wire>) -> Patient<'a> {
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
            let queued = queued(self.stream);
            Wait { step: Box::pin(tokio::time::sleep(step)), looked: now, queued, moved: now }
        });
        while wait.step.as_mut().poll(context).is_ready() {
            let (now, queued) = (Instant::now(), queued(self.stream));
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
            let taken = (wait.queued + written).saturating_sub(queued(self.stream));
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

/// Read what is there. Where that does not fill the buffer, the socket counts as
/// empty, which spares the call that would find it so.
fn read(stream: &TcpStream, into: &mut [MaybeUninit<u8>]) -> std::io::Result<usize> {
    let got = Cell::new(None);
    let done = stream.try_io(Interest::READABLE, || {
        let (bytes, len) = (into.as_mut_ptr().cast(), into.len());
        // SAFETY: an open socket, and so many bytes to write to.
        let len = unsafe { libc::recv(stream.as_raw_fd(), bytes, len, 0) };
        let Ok(len) = usize::try_from(len) else {
            return Err(std::io::Error::last_os_error());
        };
        got.set(Some(len));
        if len > 0 && len < into.len() {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match (got.get(), done) {
        (Some(len), _) => Ok(len),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(std::io::ErrorKind::WouldBlock.into()),
    }
}

impl AsyncRead for Patient<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            // SAFETY: nothing is made uninitialized.
            match read(self.stream, unsafe { buf.unfilled_mut() }) {
                Ok(len) => {
                    // SAFETY: so many bytes were written.
                    unsafe { buf.assume_init(len) };
                    buf.advance(len);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Patient<'_> {
    fn poll_try(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl Fn(&TcpStream) -> std::io::Result<usize>,
    ) -> Poll<std::io::Result<usize>> {
        self.set_up();
        self.wire.has_written.store(true, Relaxed);
        let done = loop {
            match self.stream.poll_write_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
            match attempt(self.stream) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                done => break Poll::Ready(done),
            }
        };
        self.watch(context, done)
    }
}

impl AsyncWrite for Patient<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.poll_try(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.poll_try(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper asks for it when it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.wire.has_written.store(false, Relaxed);
        self.wire.flushes.fetch_add(1, Relaxed);
        if self.wire.is_awaited.swap(false, Relaxed) {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.resets {
            self.resets = false;
            self.wire.ends_response.store(false, Relaxed);
            // Without a time to wait, which is what blocks.
            #[allow(deprecated)]
            self.stream.set_linger(None)?;
        }
        // SAFETY: an open socket.
        let done = unsafe { libc::shutdown(self.stream.as_raw_fd(), libc::SHUT_WR) };
        Poll::Ready(if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) })
    }
}
