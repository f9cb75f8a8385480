// SPDX-License-Identifier: Apache-2.0
//! Programs: a component linked once, run any number of times at once.

use std::ffi::c_void;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, Linker, ResourceTable};
use wasmtime::{ResourceLimiter, Store, Trap, WasmBacktrace};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::abi::{
    border, fail, quiet_border, slice, End, Failure, Fallible, SlBytes, SlDirectory, SlError,
    SlHost, SlOutcome, SlRun, Status,
};
use crate::component::{one_line, split_name, Component};
use crate::engine::Engine;

/// Guests pass what they like; C has the limits, and says so in its errors.
const HOSTCALL_FUEL: usize = usize::MAX;
const TABLE_ELEMENTS: usize = 20_000;

/// What one instance has: WASI, limits, and C's half.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: Limits,
    host: Arc<Host>,
    instance: *mut c_void,
}

// SAFETY: C's instance may be used from any thread, one at a time.
unsafe impl Send for State {}

impl State {
    pub fn host(&self) -> &SlHost {
        &self.host.functions
    }

    pub fn instance(&self) -> *mut c_void {
        self.instance
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: once, and nothing of this instance runs any more.
        unsafe { (self.host.functions.instance_free)(self.instance) }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Bytes of linear memory, all memories of an instance together.
struct Limits {
    max_memory: usize,
    memory: usize,
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.max_memory.saturating_sub(self.memory) {
            return Ok(false);
        }
        self.memory += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

struct Host {
    functions: SlHost,
    context: *mut c_void,
}

// SAFETY: the table's functions may be called from any thread (slight_bridge.h).
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

/// Which `wasi:cli/run` the component exports.
#[derive(Clone)]
enum Run {
    P2(ComponentExportIndex),
    P3,
}

struct Linked {
    engine: Arc<EngineRef>,
    pre: InstancePre<State>,
    run: Run,
    host: Arc<Host>,
}

/// The engine outlives every program (slight_bridge.h).
struct EngineRef(*const Engine);

// SAFETY: an engine is shared by all threads.
unsafe impl Send for EngineRef {}
// SAFETY: as above.
unsafe impl Sync for EngineRef {}

pub struct Program(Arc<Linked>);

impl Linked {
    fn engine(&self) -> &Engine {
        // SAFETY: alive as long as a program is.
        unsafe { &*self.engine.0 }
    }

    fn store(&self, wasi: WasiCtx, max_memory: u64) -> Store<State> {
        let max = self.engine().max_memory;
        let max = if max_memory == 0 { max } else { max_memory.min(max) };
        // SAFETY: the caller of the bridge vouches for both.
        let instance = unsafe { (self.host.functions.instance_new)(self.host.context) };
        let state = State {
            wasi,
            table: ResourceTable::new(),
            limits: Limits { max_memory: usize::try_from(max).unwrap_or(usize::MAX), memory: 0 },
            host: self.host.clone(),
            instance,
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

fn find_run(component: &wasmtime::component::Component) -> Option<Run> {
    let mut found = None;
    for (name, _) in component.component_type().exports(component.engine()) {
        match split_name(name) {
            Some(("wasi:cli", "run", version)) if version.starts_with("0.2.") => {
                let instance = component.get_export_index(None, name)?;
                return component.get_export_index(Some(&instance), "run").map(Run::P2);
            }
            Some(("wasi:cli", "run", version)) if version.starts_with("0.3.") => {
                found = Some(Run::P3);
            }
            _ => {}
        }
    }
    found
}

/// "component imports instance `a:b/c`, but …" and its causes, in our words.
fn link_failure(error: &wasmtime::Error) -> Failure {
    let text = one_line(error);
    let import = text.split('`').nth(1).unwrap_or("an import");
    if text.contains("was not found in the linker") && error.chain().count() == 1 {
        return Failure(
            Status::NotFound,
            format!("the component imports {import}, which slight does not provide"),
        );
    }
    let cause = error.chain().last().map(|cause| cause.to_string()).unwrap_or_default();
    let member = error.chain().nth(1).map(|cause| cause.to_string()).unwrap_or_default();
    let member = member.split('`').nth(1).map(|m| format!("{m} of ")).unwrap_or_default();
    Failure(
        Status::NotFound,
        format!(
            "the component imports {member}{import} in another shape than slight provides: {cause}"
        ),
    )
}

fn link(engine: *const Engine, component: &Component, host: Host) -> Fallible<Program> {
    let wasm = component.0.engine();
    let defect = |error: wasmtime::Error| Failure(Status::Internal, one_line(&error));
    let mut linker = Linker::<State>::new(wasm);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(defect)?;
    if wasm.get_concurrency_support() {
        wasmtime_wasi::p3::add_to_linker(&mut linker).map_err(defect)?;
    }
    linker.instance("slight:types/errors@0.1.0").map_err(defect)?;
    crate::kv::link(&mut linker).map_err(defect)?;
    crate::sql::link(&mut linker).map_err(defect)?;
    crate::lockd::link(&mut linker).map_err(defect)?;
    crate::mq::link(&mut linker).map_err(defect)?;
    crate::pubsub::link(&mut linker).map_err(defect)?;
    let pre = linker.instantiate_pre(&component.0).map_err(|error| link_failure(&error))?;
    let Some(run) = find_run(&component.0) else {
        return fail(
            Status::InvalidArgument,
            "the component exports no wasi:cli/run, so it is no program that can be run",
        );
    };
    let engine = Arc::new(EngineRef(engine));
    Ok(Program(Arc::new(Linked { engine, pre, run, host: Arc::new(host) })))
}

/// A run's settings, copied.
struct Settings {
    wasi: WasiCtx,
    max_memory: u64,
    timeout: Option<Duration>,
}

fn grant(builder: &mut WasiCtxBuilder, directory: &SlDirectory) -> Fallible<()> {
    // SAFETY: borrowed while the run starts (slight_bridge.h).
    let (host, guest) =
        unsafe { (directory.host_path.text("a folder")?, directory.guest_path.text("a folder")?) };
    let perms = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    match builder.preopened_dir(host, guest, perms) {
        Ok(_) => Ok(()),
        Err(error) => {
            fail(Status::NotFound, format!("cannot open the folder {host}: {}", one_line(&error)))
        }
    }
}

/// # Safety
/// `run` is as slight_bridge.h says.
unsafe fn settings(run: &SlRun) -> Fallible<Settings> {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    // SAFETY: the caller's promise.
    unsafe {
        for arg in slice(run.args, run.arg_count) {
            builder.arg(arg.text("an argument")?);
        }
        for pair in slice(run.env, run.env_count) {
            builder.env(pair.name.text("a variable")?, pair.value.text("a variable")?);
        }
        for directory in slice(run.directories, run.directory_count) {
            grant(&mut builder, directory)?;
        }
    }
    if run.inherit_stdin {
        builder.inherit_stdin();
    }
    if run.inherit_stdout {
        builder.inherit_stdout();
    }
    if run.inherit_stderr {
        builder.inherit_stderr();
    }
    Ok(Settings {
        wasi: builder.build(),
        max_memory: run.max_memory,
        timeout: (run.timeout_ms > 0).then(|| Duration::from_millis(run.timeout_ms)),
    })
}

/// How a run ended.
struct Outcome {
    end: End,
    exit_code: i32,
    message: String,
    backtrace: String,
}

impl Outcome {
    fn new(end: End, exit_code: i32, message: impl Into<String>) -> Self {
        Outcome { end, exit_code, message: message.into(), backtrace: String::new() }
    }

    fn of(error: &wasmtime::Error) -> Self {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return match exit.0 {
                0 => Outcome::new(End::Returned, 0, ""),
                code => Outcome::new(End::Exited, code, ""),
            };
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
        let message = match error.downcast_ref::<Trap>() {
            Some(trap) => {
                let text = trap.to_string();
                text.strip_prefix("wasm trap: ").unwrap_or(&text).to_string()
            }
            None => cause(error),
        };
        Outcome { end: End::Trapped, exit_code: 0, message, backtrace }
    }
}

/// The innermost cause, which is about the guest.
fn cause(error: &wasmtime::Error) -> String {
    error.chain().last().map(|cause| cause.to_string()).unwrap_or_default().replace('\n', " ")
}

/// "  0: name (file:line)", a line for each frame.
fn frames(backtrace: &WasmBacktrace) -> String {
    let mut text = String::new();
    for (index, frame) in backtrace.frames().iter().enumerate() {
        let symbols = frame.symbols();
        let name = symbols
            .first()
            .and_then(|symbol| symbol.name().map(str::to_string))
            .or_else(|| {
                frame.func_name().map(|name| format!("{:#}", rustc_demangle::demangle(name)))
            })
            .unwrap_or_else(|| format!("function {}", frame.func_index()));
        let place = symbols.first().and_then(|symbol| {
            symbol.file().map(|file| match symbol.line() {
                Some(line) => format!(" ({file}:{line})"),
                None => format!(" ({file})"),
            })
        });
        text.push_str(&format!("{index:>3}: {name}{}\n", place.unwrap_or_default()));
    }
    text
}

async fn call_run(
    run: &Run,
    instance: &Instance,
    mut store: Store<State>,
) -> wasmtime::Result<Result<(), ()>> {
    match run {
        Run::P2(index) => {
            let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut store, index)?;
            Ok(run.call_async(&mut store, ()).await?.0)
        }
        Run::P3 => {
            let command = wasmtime_wasi::p3::bindings::Command::new(&mut store, instance)?;
            store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await?
        }
    }
}

async fn run_once(linked: &Linked, settings: Settings) -> Outcome {
    let mut store = linked.store(settings.wasi, settings.max_memory);
    match linked.pre.instantiate_async(&mut store).await {
        Ok(instance) => match call_run(&linked.run, &instance, store).await {
            Ok(Ok(())) => Outcome::new(End::Returned, 0, ""),
            Ok(Err(())) => Outcome::new(End::Exited, 1, ""),
            Err(error) => Outcome::of(&error),
        },
        // Its own code may run, and trap, at the start already.
        Err(error) if error.is::<Trap>() => Outcome::of(&error),
        Err(error) => Outcome::new(End::Failed, 0, one_line(&error)),
    }
}

async fn run_to_end(linked: &Linked, settings: Settings) -> Outcome {
    let _running = linked.engine().running();
    let timeout = settings.timeout;
    let run = run_once(linked, settings);
    let Some(limit) = timeout else {
        return run.await;
    };
    tokio::time::timeout(limit, run).await.unwrap_or_else(|_| {
        Outcome::new(End::TimedOut, 0, format!("it ran longer than {} ms", limit.as_millis()))
    })
}

type DoneFn = unsafe extern "C" fn(*mut c_void, *const SlOutcome);

/// C's callback, called exactly once.
struct Done {
    done: DoneFn,
    context: *mut c_void,
}

// SAFETY: done runs on a thread of the engine (slight_bridge.h).
unsafe impl Send for Done {}

impl Done {
    fn call(self, outcome: &Outcome) {
        // What Rust's standard output still holds, C's exit would lose. Where
        // nobody reads it any more there is nobody to tell.
        let _ = std::io::stdout().flush();
        let outcome = SlOutcome {
            end: outcome.end,
            exit_code: outcome.exit_code,
            message: SlBytes::of(outcome.message.as_bytes()),
            backtrace: SlBytes::of(outcome.backtrace.as_bytes()),
        };
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { (self.done)(self.context, &outcome) }
    }
}

fn start(linked: &Arc<Linked>, settings: Settings, done: Done) {
    let runner = linked.clone();
    let runtime = linked.engine().runtime.handle().clone();
    let spawner = runtime.clone();
    // A task of its own, so that a panic in it ends as an outcome.
    runtime.spawn(async move {
        let run = spawner.spawn(async move { run_to_end(&runner, settings).await });
        match run.await {
            Ok(outcome) => done.call(&outcome),
            Err(error) => {
                let text = match error.try_into_panic() {
                    Ok(panic) => crate::abi::panic_text(&*panic),
                    Err(_) => "the run was cut off".into(),
                };
                done.call(&Outcome::new(End::Failed, 0, text));
            }
        }
    });
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_new(
    engine: *mut Engine,
    component: *const Component,
    host: *const SlHost,
    context: *mut c_void,
    out: *mut *mut Program,
    err: *mut SlError,
) -> i32 {
    // SAFETY: the header's contract: valid pointers.
    unsafe {
        border(err, || {
            let host = Host { functions: *host, context };
            *out = Box::into_raw(Box::new(link(engine, &*component, host)?));
            Ok(())
        })
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_free(program: *mut Program) {
    if !program.is_null() {
        // SAFETY: it came from sl_bridge_program_new, and this is its end.
        quiet_border((), || drop(unsafe { Box::from_raw(program) }));
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_start(
    program: *mut Program,
    run: *const SlRun,
    done: DoneFn,
    context: *mut c_void,
) {
    let done = Done { done, context };
    // SAFETY: the header's contract: valid pointers, run borrowed for this call.
    let linked = unsafe { &(*program).0 };
    // SAFETY: as above.
    let settings = std::panic::catch_unwind(|| unsafe { settings(&*run) });
    match settings {
        Ok(Ok(settings)) => start(linked, settings, done),
        Ok(Err(failure)) => done.call(&Outcome::new(End::Failed, 0, failure.1)),
        Err(panic) => {
            done.call(&Outcome::new(End::Failed, 0, crate::abi::panic_text(&*panic)));
        }
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_time_instances(
    program: *mut Program,
    count: u64,
    ns: *mut u64,
    err: *mut SlError,
) -> i32 {
    // SAFETY: the header's contract: valid pointers.
    unsafe {
        border(err, || {
            let linked = &(*program).0;
            let begin = Instant::now();
            let timed: wasmtime::Result<()> = linked.engine().runtime.block_on(async {
                for _ in 0..count {
                    let wasi = WasiCtxBuilder::new().build();
                    let mut store = linked.store(wasi, 0);
                    linked.pre.instantiate_async(&mut store).await?;
                }
                Ok(())
            });
            if let Err(error) = timed {
                return fail(Status::Internal, one_line(&error));
            }
            *ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Ok(())
        })
    }
}
