// SPDX-License-Identifier: Apache-2.0
//! Standard streams that C gets line by line.

use std::ffi::c_void;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::abi::SlBytes;

type OutputFn = unsafe extern "C" fn(*mut c_void, i32, SlBytes);

/// C's half of a standard stream.
#[derive(Clone, Copy)]
pub struct Sink {
    pub write: OutputFn,
    pub context: *mut c_void,
    pub stream: i32,
}

// SAFETY: C's function may be called from any thread (slight_bridge.h).
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

/// The part of a line that an instance has written so far.
struct Line {
    sink: Sink,
    text: Vec<u8>,
}

impl Line {
    fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.text.extend_from_slice(&bytes[..end]);
            self.end();
            bytes = &bytes[end + 1..];
        }
        self.text.extend_from_slice(bytes);
        if self.text.len() >= LINE_MAX {
            self.end();
        }
    }

    fn end(&mut self) {
        let sink = &self.sink;
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (sink.write)(sink.context, sink.stream, SlBytes::of(&self.text)) }
        self.text.clear();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.end();
        }
    }
}

/// A standard stream of one instance, which C gets in lines.
#[derive(Clone)]
pub struct Lines(Arc<Mutex<Line>>);

impl Lines {
    pub fn new(sink: Sink) -> Lines {
        Lines(Arc::new(Mutex::new(Line { sink, text: Vec::new() })))
    }

    fn put(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(bytes);
    }
}

/// The bytes taken at once: C handles them on this thread.
const CHUNK: usize = 4 << 10;
const LINE_MAX: usize = 64 << 10;

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > CHUNK {
            return Err(StreamError::trap("more was written than check-write allowed"));
        }
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}
