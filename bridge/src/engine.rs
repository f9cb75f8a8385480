// SPDX-License-Identifier: Apache-2.0
//! The engine: Wasmtime's settings, the threads that run guests, and the clock
//! that makes a looping guest yield.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::abi::{
    fail, ffi_guard, ffi_guard_or, Failure, Fallible, SlEngineConfig, SlError, SlRoom, SlSink,
    Status,
};
use crate::background::{self, Background};
use crate::pool::{self, Layout, Needs, Room};

const TICK: Duration = Duration::from_millis(5);
/// The same while guests compute for long.
const FAST_TICK: Duration = Duration::from_millis(1);
/// The clock stops after this many ticks without a guest.
const TICKS_IDLE: u32 = 200;
/// A thread polls sockets and timers after this many tasks. Each may be a slice of a
/// guest.
const EVENT_INTERVAL: u32 = 16;

/// Advances the epoch, and with it the guests' turns, while any guest runs. A
/// guest may run for microseconds, so that its begin and its end cost no more than
/// an addition: the clock goes on for a while when none runs.
struct Ticker {
    running: AtomicUsize,
    asleep: AtomicBool,
    ending: Mutex<bool>,
    woken: Condvar,
}

/// A guest counts as running while this lives.
pub struct Running(Arc<Ticker>);

/// The guests that run.
pub struct Guests(Arc<Ticker>);

impl Guests {
    /// Whether only one guest runs.
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

/// Two pairs of Wasmtime's engines: what WASI 0.3 and asynchronous functions need makes
/// every call and every instance slower by a third, so that only components that use
/// them have it. Of a pair one compiles and loads, which tells what instances need; the
/// other one has room for instances, and is made when the first program is.
pub struct Engine {
    engines: Arc<Engines>,
    pub runtime: Runtime,
    pub background: Arc<Background>,
    pub max_memory: u64,
    ticker: Arc<Ticker>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Pair {
    compiler: OnceLock<wasmtime::Engine>,
    pooled: OnceLock<(wasmtime::Engine, Room)>,
}

struct Engines {
    plain: Pair,
    concurrent: Pair,
    /// Of all components that were compiled or loaded.
    needs: Mutex<Needs>,
    layout: Layout,
    config: SlEngineConfig,
}

impl Engines {
    fn pair(&self, concurrent: bool) -> &Pair {
        if concurrent {
            &self.concurrent
        } else {
            &self.plain
        }
    }

    fn increment_epoch(&self) {
        for pair in [&self.plain, &self.concurrent] {
            if let Some((engine, _)) = pair.pooled.get() {
                engine.increment_epoch();
            }
        }
    }
}

impl Engine {
    fn new(config: &SlEngineConfig) -> Fallible<Engine> {
        let engines = Arc::new(Engines {
            plain: Pair::default(),
            concurrent: Pair::default(),
            needs: Mutex::default(),
            layout: Layout::of(config),
            config: *config,
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if config.threads > 0 {
            builder.worker_threads(config.threads as usize);
        }
        let runtime = builder
            .thread_name("slight-guest")
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()
            .or_else(|error| fail(Status::UNAVAILABLE, format!("no threads: {error}")))?;
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
            .or_else(|error| fail(Status::UNAVAILABLE, format!("no threads: {error}")))?;
        let max_memory = pool::max_memory(config);
        Ok(Engine { engines, runtime, background, max_memory, ticker, thread: Some(thread) })
    }

    /// For compiling, and for loading compiled code, to see what it needs.
    pub fn compiler(&self, concurrent: bool) -> Fallible<&wasmtime::Engine> {
        let pair = self.engines.pair(concurrent);
        if pair.compiler.get().is_none() {
            let config = pool::base_config(self.engines.layout, concurrent);
            let engine = wasmtime::Engine::new(&config)
                .or_else(|error| fail(Status::INTERNAL, format!("no engine: {error:#}")))?;
            // If another thread was faster, its engine is used.
            let _ = pair.compiler.set(engine);
        }
        pair.compiler.get().ok_or_else(|| Failure(Status::INTERNAL, "no engine".into()))
    }

    /// The pool must have room for the instances of one more component. Once there is a
    /// program, the pool is fixed.
    pub fn note_needs(&self, needs: Needs) {
        let mut all = self.engines.needs.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.most(needs);
    }

    /// For instances.
    pub fn pooled(&self, concurrent: bool) -> Fallible<&wasmtime::Engine> {
        let pair = self.engines.pair(concurrent);
        if pair.pooled.get().is_none() {
            let engines = &self.engines;
            let needs = *engines.needs.lock().unwrap_or_else(PoisonError::into_inner);
            let pooled = pool::pooled(&engines.config, engines.layout, needs, concurrent)?;
            let _ = pair.pooled.set(pooled);
        }
        match pair.pooled.get() {
            Some((engine, _)) => Ok(engine),
            None => fail(Status::INTERNAL, "no engine"),
        }
    }

    /// The elements that a table of an instance may have.
    pub fn max_elements(&self) -> u64 {
        pool::max_elements(&self.engines.config)
    }

    /// The smallest room of the pooled engines.
    fn room(&self) -> Option<Room> {
        let pairs = [&self.engines.plain, &self.engines.concurrent];
        let rooms = pairs.iter().filter_map(|pair| pair.pooled.get()).map(|(_, room)| *room);
        rooms.min_by_key(|room| room.instances)
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

/// An engine of this configuration that only compiles.
pub fn compiler_of(
    config: &SlEngineConfig,
    concurrent: bool,
) -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&pool::base_config(Layout::of(config), concurrent))
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_engine_new(
    config: *const SlEngineConfig,
    out: *mut *mut Engine,
    err: *mut SlError,
) -> Status {
    // A panic becomes an error; it is not printed.
    std::panic::set_hook(Box::new(|_| {}));
    // SAFETY: the header's contract: valid pointers.
    unsafe {
        ffi_guard(err, || {
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
    ffi_guard_or((), || {
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
    ffi_guard_or((), || {
        let mut hasher = DefaultHasher::new();
        // SAFETY: a live engine.
        if let Ok(engine) = unsafe { (*engine).compiler(false) } {
            engine.precompile_compatibility_hash().hash(&mut hasher);
        }
        sink.write(
            format!("wasmtime {} {:016x}", crate::version_of("wasmtime"), hasher.finish())
                .as_bytes(),
        );
    })
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_engine_room(engine: *const Engine, out: *mut SlRoom) -> bool {
    ffi_guard_or(false, || {
        // SAFETY: a live engine.
        let Some(room) = (unsafe { (*engine).room() }) else { return false };
        let Room { asked, instances, short_of } = room;
        let room = SlRoom { asked, instances, short_of };
        // SAFETY: a place to write to.
        unsafe { *out = room };
        true
    })
}
