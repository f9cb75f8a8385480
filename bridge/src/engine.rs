// SPDX-License-Identifier: Apache-2.0
//! The engine: Wasmtime's settings, the threads that run guests, and the clock
//! that makes a looping guest give way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::abi::{border, fail, quiet_border, Fallible, SlEngineConfig, SlError, SlSink, Status};
use crate::background::{self, Background};

const TICK: Duration = Duration::from_millis(5);
/// The same while guests compute for long.
const FAST_TICK: Duration = Duration::from_millis(1);
/// After so many without a guest the clock stops.
const TICKS_IDLE: u32 = 200;
/// Of its tasks, after which a thread looks for sockets and timers. Each may be a
/// guest's slice.
const EVENT_INTERVAL: u32 = 16;
const MIB: usize = 1 << 20;

/// Advances the epoch, and with it the guests' turns, while any guest runs. A
/// guest may run for microseconds, so that its begin and its end cost no more than
/// an addition: the clock goes on for a while when none runs.
struct Ticker {
    running: AtomicUsize,
    asleep: AtomicBool,
    ending: Mutex<bool>,
    woken: Condvar,
}

/// One guest runs, as long as this lives.
pub struct Running(Arc<Ticker>);

/// All guests that run.
pub struct Guests(Arc<Ticker>);

impl Guests {
    /// Whether the one that asks is the only one.
    pub fn one(&self) -> bool {
        self.0.running.load(SeqCst) == 1
    }
}

impl Ticker {
    fn begin(&self) {
        // In one order with what tick does: it goes to sleep, then looks once more.
        self.running.fetch_add(1, SeqCst);
        if self.asleep.load(SeqCst) {
            drop(self.ending.lock().unwrap_or_else(PoisonError::into_inner));
            self.woken.notify_one();
        }
    }

    fn end(&self) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_one();
    }

    fn tick(&self, engines: &Engines, background: &Background) {
        let mut idle = 0;
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ending {
            idle = if self.running.load(SeqCst) > 0 { 0 } else { idle + 1 };
            if idle < TICKS_IDLE {
                drop(ending);
                let is_busy = background.is_used() || background::gave_way_lately();
                std::thread::sleep(if is_busy { FAST_TICK } else { TICK });
                background::note_tick();
                engines.increment_epoch();
                ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            self.asleep.store(true, SeqCst);
            while !*ending && self.running.load(SeqCst) == 0 {
                ending = self.woken.wait(ending).unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.store(false, SeqCst);
            idle = 0;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

/// Two of Wasmtime's engines: what WASI 0.3 and asynchronous functions need makes
/// every call and every instance slower by a third, so that only components that
/// use them have it. The second one is made when the first such component comes.
pub struct Engine {
    engines: Arc<Engines>,
    pub runtime: Runtime,
    pub background: Arc<Background>,
    pub max_memory: u64,
    ticker: Arc<Ticker>,
    thread: Option<JoinHandle<()>>,
}

struct Engines {
    plain: wasmtime::Engine,
    concurrent: OnceLock<wasmtime::Engine>,
    config: SlEngineConfig,
}

impl Engines {
    fn increment_epoch(&self) {
        self.plain.increment_epoch();
        if let Some(concurrent) = self.concurrent.get() {
            concurrent.increment_epoch();
        }
    }
}

impl Engine {
    fn new(config: &SlEngineConfig) -> Fallible<Engine> {
        let plain = wasm_engine(config, false)?;
        let engines = Engines { plain, concurrent: OnceLock::new(), config: *config };
        let engines = Arc::new(engines);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if config.threads > 0 {
            builder.worker_threads(config.threads as usize);
        }
        let runtime = builder
            .thread_name("slight-guest")
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()
            .or_else(|error| fail(Status::Unavailable, format!("no threads: {error}")))?;
        let ticker = Arc::new(Ticker {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            ending: Mutex::new(false),
            woken: Condvar::new(),
        });
        let background = Background::new(runtime.handle().clone());
        let (clock, clocked, busy) = (ticker.clone(), engines.clone(), background.clone());
        let thread = std::thread::Builder::new()
            .name("slight-epoch".into())
            .spawn(move || clock.tick(&clocked, &busy))
            .or_else(|error| fail(Status::Unavailable, format!("no threads: {error}")))?;
        let max_memory = max_memory(config);
        Ok(Engine { engines, runtime, background, max_memory, ticker, thread: Some(thread) })
    }

    pub fn plain(&self) -> &wasmtime::Engine {
        &self.engines.plain
    }

    pub fn concurrent(&self) -> Fallible<&wasmtime::Engine> {
        if self.engines.concurrent.get().is_none() {
            let engine = wasm_engine(&self.engines.config, true)?;
            // Another thread may have been faster; then that one counts.
            let _ = self.engines.concurrent.set(engine);
        }
        match self.engines.concurrent.get() {
            Some(engine) => Ok(engine),
            None => fail(Status::Internal, "no engine"),
        }
    }

    pub fn guests(&self) -> Guests {
        Guests(self.ticker.clone())
    }

    /// The epoch advances until what this returns is dropped.
    pub fn running(&self) -> Running {
        self.ticker.begin();
        Running(self.ticker.clone())
    }
}

fn or_default<T: Default + PartialEq>(value: T, default: T) -> T {
    if value == T::default() {
        default
    } else {
        value
    }
}

fn max_memory(config: &SlEngineConfig) -> u64 {
    or_default(config.max_memory, 64 * MIB as u64)
}

/// Pooled, or where the address space is too small for that, one by one.
fn wasm_engine(config: &SlEngineConfig, concurrent: bool) -> Fallible<wasmtime::Engine> {
    pooled(config, concurrent)
        .or_else(|_| wasmtime::Engine::new(&base_config(concurrent)))
        .or_else(|error| fail(Status::Internal, format!("no engine: {error:#}")))
}

/// What compiles for an engine of this configuration, and runs nothing.
pub fn compiler_of(
    _config: &SlEngineConfig,
    concurrent: bool,
) -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&base_config(concurrent))
}

fn base_config(concurrent: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(concurrent)
        .wasm_component_model_async(concurrent)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Enable);
    config
}

/// What a small component needs, times the instances that may run at once. A
/// component made from a core module has up to seven of them (its own, the
/// adapter, and what joins both to the host), and three tables.
fn pooled(config: &SlEngineConfig, concurrent: bool) -> wasmtime::Result<wasmtime::Engine> {
    let instances = or_default(config.max_instances, 1000);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(64)
        .max_memories_per_component(16)
        .max_tables_per_component(32)
        .max_tables_per_module(8)
        .max_memory_size(usize::try_from(max_memory(config)).unwrap_or(usize::MAX))
        .max_unused_warm_slots(or_default(config.warm_instances, 100))
        .linear_memory_keep_resident(or_default(config.keep_resident, MIB as u64) as usize)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut wasm = base_config(concurrent);
    wasm.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    wasmtime::Engine::new(&wasm)
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_engine_new(
    config: *const SlEngineConfig,
    out: *mut *mut Engine,
    err: *mut SlError,
) -> i32 {
    // A panic is answered as an error; nothing is to be read on the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    // SAFETY: the header's contract: valid pointers.
    unsafe {
        border(err, || {
            *out = Box::into_raw(Box::new(Engine::new(&*config)?));
            Ok(())
        })
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_engine_free(engine: *mut Engine) {
    if engine.is_null() {
        return;
    }
    // SAFETY: it came from sl_bridge_engine_new, and this is its end.
    let mut engine = unsafe { Box::from_raw(engine) };
    quiet_border((), || {
        let thread = engine.thread.take();
        let ticker = engine.ticker.clone();
        // A guest that loops is only cut off when it gives way, so that the
        // clock goes on until the runtime has ended.
        engine.background.begin_end();
        engine.runtime.shutdown_timeout(Duration::from_secs(1));
        engine.background.end(Duration::from_secs(1));
        ticker.end();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    })
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_engine_fingerprint(engine: *const Engine, sink: SlSink) {
    quiet_border((), || {
        let mut hasher = DefaultHasher::new();
        // SAFETY: a live engine.
        unsafe { (*engine).plain().precompile_compatibility_hash().hash(&mut hasher) };
        sink.write(
            format!("wasmtime {} {:016x}", crate::version_of("wasmtime"), hasher.finish())
                .as_bytes(),
        );
    })
}
