// SPDX-License-Identifier: Apache-2.0
//! Programs: a component linked once, run any number of times at once.

use std::ffi::c_void;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use wasmtime::component::{ComponentExportIndex, InstancePre, Linker};
use wasmtime::Store;

use crate::abi::{
    fail, ffi_guard, ffi_guard_or, size, slice, Failure, Fallible, SlBytes, SlError, SlHost,
    SlLimits, SlRun, Status,
};
use crate::background::{on_deadline, Fair, SLICE_TICKS};
use crate::cause::one_line;
use crate::component::{split_name, Component};
use crate::engine::Engine;
use crate::instance::{Host, State};
use crate::settings::Settings;
use crate::sockets::Sockets;

/// The exports of a component that the host can call.
#[derive(Default)]
pub struct Exports {
    pub run: Option<ComponentExportIndex>,
    pub run_p3: bool,
    pub http_p2: bool,
    pub http_p3: bool,
    pub mq: Option<ComponentExportIndex>,
    pub pubsub: Option<ComponentExportIndex>,
}

/// The bits of sl_bridge_program_exports.
const EXPORTS_RUN: u32 = 1;
const EXPORTS_HTTP: u32 = 2;
const EXPORTS_MQ: u32 = 4;
const EXPORTS_PUBSUB: u32 = 8;

/// Of this minor version, and no candidate of it.
fn is_of(version: &str, minor: &str) -> bool {
    version.starts_with(minor) && !version.contains('-')
}

impl Exports {
    fn of(component: &wasmtime::component::Component) -> Exports {
        let mut exports = Exports::default();
        let function = |interface: &str, name: &str| {
            let instance = component.get_export_index(None, interface)?;
            component.get_export_index(Some(&instance), name)
        };
        for (name, _) in component.component_type().exports(component.engine()) {
            let Some((package, interface, version)) = split_name(name) else {
                continue;
            };
            match (package, interface) {
                ("wasi:cli", "run") if is_of(version, "0.2.") => {
                    exports.run = function(name, "run");
                }
                ("wasi:cli", "run") if is_of(version, "0.3.") => exports.run_p3 = true,
                ("wasi:http", "incoming-handler") if is_of(version, "0.2.") => {
                    exports.http_p2 = true;
                }
                ("wasi:http", "handler") if is_of(version, "0.3.") => exports.http_p3 = true,
                ("slight:mq", "handler") if is_of(version, "0.2.") => {
                    exports.mq = function(name, "handle");
                }
                ("slight:pubsub", "handler") if is_of(version, "0.2.") => {
                    exports.pubsub = function(name, "handle");
                }
                _ => {}
            }
        }
        exports
    }

    fn bits(&self) -> u32 {
        let bit = |is: bool, bit| if is { bit } else { 0 };
        bit(self.run.is_some() || self.run_p3, EXPORTS_RUN)
            | bit(self.http_p2 || self.http_p3, EXPORTS_HTTP)
            | bit(self.mq.is_some(), EXPORTS_MQ)
            | bit(self.pubsub.is_some(), EXPORTS_PUBSUB)
    }
}

pub struct Linked {
    engine: Arc<EngineRef>,
    pub pre: InstancePre<State>,
    pub exports: Exports,
    host: Arc<Host>,
    /// Of each table of an instance.
    max_elements: usize,
    /// Of the instances that triggers start.
    settings: OnceLock<Settings>,
}

/// The engine outlives every program (slight_bridge.h).
struct EngineRef(*const Engine);

// SAFETY: an engine is shared by all threads.
unsafe impl Send for EngineRef {}
// SAFETY: as above.
unsafe impl Sync for EngineRef {}

pub struct Program(pub Arc<Linked>);

impl Linked {
    pub fn engine(&self) -> &Engine {
        // SAFETY: alive as long as a program is.
        unsafe { &*self.engine.0 }
    }

    /// A store for one instance, with what its settings grant.
    pub fn store(&self, settings: &Settings) -> Fallible<Store<State>> {
        let most = self.engine().max_memory;
        let max_memory = match settings.max_memory {
            0 => most,
            asked => asked.min(most),
        };
        let limits = &self.host.limits;
        let sockets = Sockets::new(self.host.functions, self.host.context);
        let wasi = settings.wasi(limits, Some(&sockets))?;
        let mut state = State::new(&self.host, wasi, sockets, max_memory, settings.timeout);
        state.allow_elements(self.max_elements);
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(State::limiter);
        // All that WASI takes is copied. slight's own interfaces lift without copying,
        // and count for themselves (lift.rs).
        store.set_hostcall_fuel(size(limits.max_call_bytes));
        store.set_max_component_handles(limits.max_handles as usize);
        store.set_epoch_deadline(SLICE_TICKS);
        store.epoch_deadline_callback(|_| Ok(on_deadline()));
        Ok(store)
    }

    /// A guest's work, which yields to other guests if it takes long.
    pub fn fair<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Fair<T> {
        let program = Arc::as_ptr(self) as usize;
        Fair::new(&self.engine().background, program, Box::pin(work))
    }

    /// As set by sl_bridge_program_prepare.
    pub fn settings(&self) -> &Settings {
        self.settings.get_or_init(Settings::default)
    }
}

fn link(
    engine: *const Engine,
    component: &Component,
    host: Host,
    unanswered: &[&str],
) -> Fallible<Program> {
    // SAFETY: the caller's: it is alive.
    let running = unsafe { &*engine };
    let max_elements = component.max_elements(running);
    let component = component.pooled(running)?;
    let wasm = component.engine();
    let defect = |error: wasmtime::Error| Failure(Status::INTERNAL, one_line(&error));
    let mut linker = Linker::<State>::new(wasm);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(defect)?;
    if wasm.get_concurrency_support() {
        wasmtime_wasi::p3::add_to_linker(&mut linker).map_err(defect)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker).map_err(defect)?;
    }
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(defect)?;
    crate::outgoing::link(&mut linker, wasm.get_concurrency_support()).map_err(defect)?;
    crate::sockets::link(&mut linker, wasm.get_concurrency_support()).map_err(defect)?;
    let max_name = size(host.limits.max_name_bytes);
    crate::names::limit(&mut linker, max_name, wasm.get_concurrency_support()).map_err(defect)?;
    linker.instance("slight:types/errors@0.2.0").map_err(defect)?;
    crate::kv::link(&mut linker).map_err(defect)?;
    crate::sql::link(&mut linker).map_err(defect)?;
    crate::lockd::link(&mut linker).map_err(defect)?;
    crate::mq::link(&mut linker).map_err(defect)?;
    crate::pubsub::link(&mut linker).map_err(defect)?;
    crate::unanswered::link(&mut linker, &component, unanswered)?;
    let pre = linker.instantiate_pre(&component).map_err(|error| {
        let why = one_line(&error);
        Failure(Status::NOT_FOUND, format!("it does not fit the interfaces of this slight: {why}"))
    })?;
    let exports = Exports::of(&component);
    let engine = Arc::new(EngineRef(engine));
    Ok(Program(Arc::new(Linked {
        engine,
        pre,
        exports,
        host: Arc::new(host),
        max_elements,
        settings: OnceLock::new(),
    })))
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_new(
    engine: *mut Engine,
    component: *const Component,
    host: *const SlHost,
    limits: *const SlLimits,
    unanswered: *const SlBytes,
    unanswered_count: usize,
    context: *mut c_void,
    out: *mut *mut Program,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid pointers.
    unsafe {
        ffi_guard(err, || {
            let concurrent = (*component).compiled.engine().get_concurrency_support();
            let host = Host::new(*host, *limits, context, (*engine).guests(), concurrent);
            let mut names = Vec::new();
            for name in slice(unanswered, unanswered_count) {
                names.push(name.text("the name of an import")?);
            }
            *out = Box::into_raw(Box::new(link(engine, &*component, host, &names)?));
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
        ffi_guard_or((), || drop(unsafe { Box::from_raw(program) }));
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_exports(program: *const Program) -> u32 {
    // SAFETY: a live program.
    ffi_guard_or(0, || unsafe { (&*program).0.exports.bits() })
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_prepare(
    program: *mut Program,
    run: *const SlRun,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid pointers, run borrowed for this call.
    unsafe {
        ffi_guard(err, || {
            let (linked, settings) = (&(*program).0, Settings::of(&*run)?);
            drop(settings.wasi(&linked.host.limits, None)?); // a folder that is missing is told now
            match linked.settings.set(settings) {
                Ok(()) => Ok(()),
                Err(_) => fail(Status::INTERNAL, "the program is prepared already"),
            }
        })
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
) -> Status {
    // SAFETY: the header's contract: valid pointers.
    unsafe {
        ffi_guard(err, || {
            let linked = &(*program).0;
            let begin = Instant::now();
            let settings = Settings::default();
            linked.engine().runtime.block_on(async {
                for _ in 0..count {
                    let mut store = linked.store(&settings)?;
                    if let Err(error) = linked.pre.instantiate_async(&mut store).await {
                        return fail(Status::INTERNAL, one_line(&error));
                    }
                }
                Ok(())
            })?;
            *ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Ok(())
        })
    }
}
