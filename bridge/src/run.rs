// SPDX-License-Identifier: Apache-2.0
//! Runs of a command, and the outcomes of all guests.

use std::ffi::c_void;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Instance, ResourceTableError};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::abi::{panic_text, End, SlBytes, SlOutcome, SlRun};
use crate::catch_unwind::CatchUnwind;
use crate::cause::{has_cause, is_out_of_memory, one_line};
use crate::instance::State;
use crate::program::{Exports, Linked, Program};
use crate::settings::Settings;

/// How a run ended.
pub struct Outcome {
    pub end: End,
    pub exit_code: i32,
    pub message: String,
    pub backtrace: String,
    /// There was no room for the instance; there may be later.
    pub is_short: bool,
}

impl Outcome {
    pub fn new(end: End, exit_code: i32, message: impl Into<String>) -> Self {
        Outcome {
            end,
            exit_code,
            message: message.into(),
            backtrace: String::new(),
            is_short: false,
        }
    }

    pub fn of(error: &wasmtime::Error) -> Self {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return match exit.0 {
                0 => Outcome::new(End::RETURNED, 0, ""),
                code => Outcome::new(End::EXITED, code, ""),
            };
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
        let message = match error.downcast_ref::<Trap>() {
            Some(trap) => {
                let text = trap.to_string();
                text.strip_prefix("wasm trap: ").unwrap_or(&text).to_string()
            }
            // The table that an instance has, or gets when it holds too much
            // (instance.rs).
            None if has_cause::<ResourceTableError>(error) => HOLDS_TOO_MUCH.into(),
            None => cause(error),
        };
        Outcome { end: End::TRAPPED, exit_code: 0, message, backtrace, is_short: false }
    }
}

const HOLDS_TOO_MUCH: &str = "it holds too many resources of WASI, or too many bytes of headers \
    and bodies; drop what is not needed any more, or raise host-memory in the manifest";

/// The innermost cause, which concerns the guest.
fn cause(error: &wasmtime::Error) -> String {
    error.chain().last().map(|cause| cause.to_string()).unwrap_or_default().replace('\n', " ")
}

/// A name or a path of the guest's: what ends lines or moves a cursor in it is
/// escaped, so that a frame is one line.
fn in_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2028}' | '\u{2029}' => line.extend(character.escape_unicode()),
            _ if character.is_control() => line.extend(character.escape_default()),
            _ => line.push(character),
        }
    }
    line
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
        let place = place.unwrap_or_default();
        text.push_str(&format!("{index:>3}: {}{}\n", in_line(&name), in_line(&place)));
    }
    text
}

async fn call_run(
    exports: &Exports,
    instance: &Instance,
    mut store: Store<State>,
) -> wasmtime::Result<Result<(), ()>> {
    // A program for WASI 0.3 may have the entry of 0.2 too, as its standard library adds
    // it; nothing stands behind that one.
    if exports.run_p3 {
        let command = wasmtime_wasi::p3::bindings::Command::new(&mut store, instance)?;
        return store
            .run_concurrent(async |store| command.wasi_cli_run().call_run(store).await)
            .await?;
    }
    let Some(index) = &exports.run else {
        return Err(wasmtime::Error::msg("it exports no wasi:cli/run"));
    };
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut store, index)?;
    Ok(run.call_async(&mut store, ()).await?.0)
}

/// An instance could not be made. Its own code may run, and trap, at the start
/// already.
pub fn not_started(error: &wasmtime::Error) -> Outcome {
    if error.is::<Trap>() {
        return Outcome::of(error);
    }
    let mut outcome = Outcome::new(End::FAILED, 0, one_line(error));
    if error.is::<PoolConcurrencyLimitError>() || is_out_of_memory(error) {
        outcome.is_short = true;
        outcome.message = format!("no room for another instance: {}", outcome.message);
    }
    outcome
}

async fn run_once(linked: &Linked, settings: &Settings) -> Outcome {
    let mut store = match linked.store(settings) {
        Ok(store) => store,
        Err(failure) => return Outcome::new(End::FAILED, 0, failure.1),
    };
    match linked.pre.instantiate_async(&mut store).await {
        Ok(instance) => match call_run(&linked.exports, &instance, store).await {
            Ok(Ok(())) => Outcome::new(End::RETURNED, 0, ""),
            Ok(Err(())) => Outcome::new(End::EXITED, 1, ""),
            Err(error) => Outcome::of(&error),
        },
        Err(error) => not_started(&error),
    }
}

/// The same, and its output is written.
async fn run_drained(linked: &Linked, settings: &Settings) -> Outcome {
    let outcome = run_once(linked, settings).await;
    settings.drained().await;
    outcome
}

/// While a guest runs, within its time.
pub async fn within(
    linked: &Linked,
    timeout: Option<Duration>,
    run: impl Future<Output = Outcome>,
) -> Outcome {
    let _running = linked.engine().running();
    let Some(limit) = timeout else {
        return run.await;
    };
    tokio::time::timeout(limit, run).await.unwrap_or_else(|_| {
        Outcome::new(End::TIMED_OUT, 0, format!("it ran longer than {} ms", limit.as_millis()))
    })
}

/// The same for one guest among many: it yields to the others if it takes long.
pub async fn fairly(
    linked: &Arc<Linked>,
    timeout: Option<Duration>,
    run: impl Future<Output = Outcome> + Send + 'static,
) -> Outcome {
    let mut guest = linked.fair(run);
    let outcome = within(linked, timeout, &mut guest).await;
    // After this nothing that C has lent is in use.
    guest.cancel().await;
    outcome
}

pub type DoneFn = unsafe extern "C" fn(*mut c_void, *const SlOutcome);

/// C's callback, called exactly once.
pub struct Done {
    pub done: DoneFn,
    pub context: *mut c_void,
}

// SAFETY: done runs on a thread of the engine (slight_bridge.h).
unsafe impl Send for Done {}

impl Done {
    pub fn call(self, outcome: &Outcome) {
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

/// Run a future to its outcome; a panic in it ends as an outcome.
pub fn start(
    linked: &Arc<Linked>,
    run: impl Future<Output = Outcome> + Send + 'static,
    done: Done,
) {
    linked.engine().runtime.spawn(async move {
        let outcome = CatchUnwind::new(run)
            .await
            .unwrap_or_else(|panic| Outcome::new(End::FAILED, 0, panic_text(&*panic)));
        done.call(&outcome);
    });
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
    let settings = std::panic::catch_unwind(|| unsafe { Settings::of(&*run) });
    match settings {
        Ok(Ok(settings)) => {
            let runner = linked.clone();
            let run = async move {
                within(&runner, settings.timeout, run_drained(&runner, &settings)).await
            };
            start(linked, run, done);
        }
        Ok(Err(failure)) => done.call(&Outcome::new(End::FAILED, 0, failure.1)),
        Err(panic) => {
            done.call(&Outcome::new(End::FAILED, 0, panic_text(&*panic)));
        }
    }
}
