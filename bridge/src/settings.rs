// SPDX-License-Identifier: Apache-2.0
//! The grants of a program's instances, as C sets them, and their WASI context.

use std::sync::Arc;
use std::time::Duration;

use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

use crate::abi::{fail, slice, Fallible, SlLimits, SlRun, Status};
use crate::cause::one_line;
use crate::lines::{Lines, Sink};
use crate::sockets::Sockets;
use crate::stdio::{Stdio, Writer};

struct Directory {
    host: String,
    guest: String,
    writable: bool,
}

/// A standard stream that is written to.
#[derive(Default)]
enum Stream {
    #[default]
    None,
    Lines(Sink),
    Stdio(Stdio),
}

impl Stream {
    fn of(run: &SlRun, stream: i32, is_terminal: bool) -> Stream {
        let context = run.output_context;
        match (run.output, run.write) {
            (Some(write), _) => Stream::Lines(Sink { write, context, stream }),
            (None, Some(write)) => {
                Stream::Stdio(Stdio::new(Writer { write, context, stream }, is_terminal))
            }
            (None, None) => Stream::None,
        }
    }
}

/// A copy of `struct sl_bridge_run`.
#[derive(Default)]
pub struct Settings {
    args: Vec<String>,
    env: Vec<(String, String)>,
    directories: Vec<Directory>,
    inherit_stdin: bool,
    tcp: bool,
    udp: bool,
    streams: [Stream; 2],
    pub max_memory: u64,
    pub timeout: Option<Duration>,
}

impl Settings {
    /// # Safety
    /// `run` is as slight_bridge.h says.
    pub unsafe fn of(run: &SlRun) -> Fallible<Settings> {
        let mut settings = Settings {
            inherit_stdin: run.inherit_stdin,
            tcp: run.tcp,
            udp: run.udp,
            streams: [
                Stream::of(run, 1, run.stdout_is_terminal),
                Stream::of(run, 2, run.stderr_is_terminal),
            ],
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

    /// For one instance, whose sockets are those; without them it has none.
    pub fn wasi(&self, limits: &SlLimits, sockets: Option<&Arc<Sockets>>) -> Fallible<WasiCtx> {
        let mut builder = WasiCtxBuilder::new();
        builder.allow_tcp(self.tcp).allow_udp(self.udp);
        builder.allow_ip_name_lookup(self.tcp || self.udp);
        if let Some(sockets) = sockets.cloned() {
            builder.socket_addr_check(move |address, used| {
                let may = sockets.may_use(address, used);
                Box::pin(async move { may })
            });
        }
        builder.max_random_size(limits.max_random_bytes);
        builder.args(&self.args).envs(&self.env);
        for directory in &self.directories {
            let perms = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            if let Err(error) = builder.preopened_dir(&directory.host, &directory.guest, perms) {
                let host = &directory.host;
                let cause = one_line(&error);
                return fail(Status::NOT_FOUND, format!("cannot open the folder {host}: {cause}"));
            }
        }
        if self.inherit_stdin {
            builder.inherit_stdin();
        }
        match &self.streams[0] {
            Stream::Lines(sink) => drop(builder.stdout(Lines::new(*sink))),
            Stream::Stdio(stdio) => drop(builder.stdout(stdio.clone())),
            Stream::None => {}
        }
        match &self.streams[1] {
            Stream::Lines(sink) => drop(builder.stderr(Lines::new(*sink))),
            Stream::Stdio(stdio) => drop(builder.stderr(stdio.clone())),
            Stream::None => {}
        }
        Ok(builder.build())
    }

    /// Wait until the guest's output is written.
    pub async fn drained(&self) {
        for stream in &self.streams {
            if let Stream::Stdio(stdio) = stream {
                stdio.drained().await;
            }
        }
    }
}
