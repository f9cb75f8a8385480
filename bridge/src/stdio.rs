// SPDX-License-Identifier: Apache-2.0
//! Standard streams of a program that is run once. C writes them. If the reader is slow,
//! the guest waits, and never a thread of the runtime.

use std::ffi::c_void;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{ready, Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::abi::SlBytes;

type WriteFn = unsafe extern "C" fn(*mut c_void, i32, SlBytes, bool) -> i64;

/// How much a guest may write ahead of its reader, and each time.
const CAPACITY: usize = 64 << 10;

/// C's half of a standard stream.
#[derive(Clone, Copy)]
pub struct Writer {
    pub write: WriteFn,
    pub context: *mut c_void,
    pub stream: i32,
}

// SAFETY: C's function may be called from any thread (slight_bridge.h).
unsafe impl Send for Writer {}
// SAFETY: as above.
unsafe impl Sync for Writer {}

impl Writer {
    /// How many bytes were taken.
    fn write(&self, bytes: &[u8], may_wait: bool) -> io::Result<usize> {
        // SAFETY: the caller of the bridge vouches for both.
        let taken =
            unsafe { (self.write)(self.context, self.stream, SlBytes::of(bytes), may_wait) };
        match usize::try_from(taken) {
            Ok(taken) => Ok(taken.min(bytes.len())),
            Err(_) => {
                let errno = i32::try_from(taken.unsigned_abs()).unwrap_or_default();
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// What the thread took of them and has not written yet.
    writing: usize,
    /// The guest wants to know when all is written.
    flushing: bool,
    /// Told once; what is written later is tried again.
    error: Option<io::Error>,
    thread: bool,
    waiting: Vec<Waker>,
}

impl Queue {
    fn used(&self) -> usize {
        self.bytes.len() + self.writing
    }

    fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.used())
    }

    /// Wakes the tasks; those that still wait come again.
    fn changed(&mut self) {
        if self.used() == 0 || self.error.is_some() {
            self.flushing = false;
        }
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn poll(&mut self, context: &mut Context<'_>, is_ready: bool) -> Poll<()> {
        if is_ready {
            return Poll::Ready(());
        }
        if !self.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_ready = self.error.is_some() || (!self.flushing && self.room() > 0);
        self.poll(context, is_ready)
    }

    fn poll_empty(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_ready = self.error.is_some() || self.used() == 0;
        self.poll(context, is_ready)
    }
}

struct Shared {
    writer: Writer,
    is_terminal: bool,
    queue: Mutex<Queue>,
    more: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread that waits for the reader. It ends with the process.
    fn run(&self) {
        let mut taken = Vec::new();
        let mut queue = self.queue();
        loop {
            while queue.bytes.is_empty() {
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut taken, &mut queue.bytes);
            queue.writing = taken.len();
            drop(queue);
            let result = self.writer.write(&taken, true);
            taken.clear();
            queue = self.queue();
            queue.writing = 0;
            if let Err(error) = result {
                queue.bytes.clear();
                queue.error = Some(error);
            }
            queue.changed();
        }
    }
}

/// A standard stream of the process.
#[derive(Clone)]
pub struct Stdio(Arc<Shared>);

impl Stdio {
    pub fn new(writer: Writer, is_terminal: bool) -> Stdio {
        Stdio(Arc::new(Shared {
            writer,
            is_terminal,
            queue: Mutex::default(),
            more: Condvar::new(),
        }))
    }

    /// Until everything is written.
    pub async fn drained(&self) {
        poll_fn(|context| self.0.queue().poll_empty(context)).await;
    }

    /// Write at once what can be, where nothing else is before it; the rest is
    /// the thread's.
    fn put(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut queue = self.0.queue();
        if let Some(error) = queue.error.take() {
            return Err(error);
        }
        while queue.used() == 0 && !bytes.is_empty() {
            match self.0.writer.write(bytes, false)? {
                0 => break,
                taken => bytes = &bytes[taken..],
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if !queue.thread {
            let shared = self.0.clone();
            let thread = std::thread::Builder::new().name("stdio".into());
            thread.spawn(move || shared.run())?;
            queue.thread = true;
        }
        queue.bytes.extend_from_slice(bytes);
        self.0.more.notify_one();
        Ok(())
    }
}

/// The guest is told why, as its own system would: a reader that is gone is a broken
/// pipe, which a stream that is just closed would not say.
fn stream_error(error: io::Error) -> StreamError {
    StreamError::LastOperationFailed(error.into())
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stdio {
    async fn ready(&mut self) {
        poll_fn(|context| self.0.queue().poll_room(context)).await;
    }
}

impl OutputStream for Stdio {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > CAPACITY {
            return Err(StreamError::trap("more was written than check-write allowed"));
        }
        self.put(&bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        let mut queue = self.0.queue();
        if let Some(error) = queue.error.take() {
            return Err(stream_error(error));
        }
        queue.flushing = queue.used() > 0;
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let mut queue = self.0.queue();
        if let Some(error) = queue.error.take() {
            return Err(stream_error(error));
        }
        Ok(if queue.flushing { 0 } else { queue.room() })
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = {
            let mut queue = self.0.queue();
            ready!(queue.poll_room(context));
            queue.room()
        };
        let bytes = &bytes[..bytes.len().min(room)];
        Poll::Ready(self.put(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.0.queue();
        ready!(queue.poll_empty(context));
        Poll::Ready(queue.error.take().map_or(Ok(()), Err))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}
