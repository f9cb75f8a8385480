// SPDX-License-Identifier: Apache-2.0
//! What the instances of a program are granted, from C, and WASI made of it.

use std::ffi::c_void;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

use crate::abi::{fail, slice, Fallible, SlBytes, SlRun, Status};
use crate::component::one_line;

type OutputFn = unsafe extern "C" fn(*mut c_void, i32, SlBytes);

/// C's half of a standard stream.
#[derive(Clone, Copy)]
struct Sink {
    write: OutputFn,
    context: *mut c_void,
    stream: i32,
}

// SAFETY: C's function may be called from any thread (slight_bridge.h).
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

/// What an instance has written of a line that has not ended.
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
struct Output(Arc<Mutex<Line>>);

impl Output {
    fn new(sink: Sink) -> Output {
        Output(Arc::new(Mutex::new(Line { sink, text: Vec::new() })))
    }

    fn put(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(bytes);
    }
}

const CHUNK: usize = 64 << 10;
const LINE_MAX: usize = 64 << 10;

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
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

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
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

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

struct Directory {
    host: String,
    guest: String,
    writable: bool,
}

/// A copy of `struct sl_bridge_run`.
#[derive(Default)]
pub struct Settings {
    args: Vec<String>,
    env: Vec<(String, String)>,
    directories: Vec<Directory>,
    inherit_stdin: bool,
    inherit_stdout: bool,
    inherit_stderr: bool,
    stdout: Option<Sink>,
    stderr: Option<Sink>,
    pub max_memory: u64,
    pub timeout: Option<Duration>,
}

impl Settings {
    /// # Safety
    /// `run` is as slight_bridge.h says.
    pub unsafe fn of(run: &SlRun) -> Fallible<Settings> {
        let output =
            |stream| run.output.map(|write| Sink { write, context: run.output_context, stream });
        let mut settings = Settings {
            inherit_stdin: run.inherit_stdin,
            inherit_stdout: run.inherit_stdout,
            inherit_stderr: run.inherit_stderr,
            stdout: output(1),
            stderr: output(2),
            max_memory: run.max_memory,
            timeout: (run.timeout_ms > 0).then(|| Duration::from_millis(run.timeout_ms)),
            ..Settings::default()
        };
        // SAFETY: the caller's promise.
        unsafe {
            for arg in slice(run.args, run.arg_count) {
                settings.args.push(arg.text("an argument")?.to_owned());
            }
            for pair in slice(run.env, run.env_count) {
                let (name, value) = (pair.name.text("a variable")?, pair.value.text("a variable")?);
                settings.env.push((name.to_owned(), value.to_owned()));
            }
            for directory in slice(run.directories, run.directory_count) {
                settings.directories.push(Directory {
                    host: directory.host_path.text("a folder")?.to_owned(),
                    guest: directory.guest_path.text("a folder")?.to_owned(),
                    writable: directory.writable,
                });
            }
        }
        Ok(settings)
    }

    /// For one instance.
    pub fn wasi(&self) -> Fallible<WasiCtx> {
        let mut builder = WasiCtxBuilder::new();
        builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        builder.args(&self.args).envs(&self.env);
        for directory in &self.directories {
            let perms = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            if let Err(error) = builder.preopened_dir(&directory.host, &directory.guest, perms) {
                let host = &directory.host;
                let cause = one_line(&error);
                return fail(Status::NotFound, format!("cannot open the folder {host}: {cause}"));
            }
        }
        if self.inherit_stdin {
            builder.inherit_stdin();
        }
        match self.stdout {
            Some(sink) => drop(builder.stdout(Output::new(sink))),
            None if self.inherit_stdout => drop(builder.inherit_stdout()),
            None => {}
        }
        match self.stderr {
            Some(sink) => drop(builder.stderr(Output::new(sink))),
            None if self.inherit_stderr => drop(builder.inherit_stderr()),
            None => {}
        }
        Ok(builder.build())
    }
}
