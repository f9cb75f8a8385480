// SPDX-License-Identifier: Apache-2.0
//! Compilation in a process of its own, which has neither a pool nor threads for
//! guests.

use crate::abi::{
    fail, ffi_guard, Failure, Fallible, SlBytes, SlEngineConfig, SlError, SlSink, Status,
};
use crate::cause::{is_out_of_memory, one_line};
use crate::component::names_wasi_3;
use crate::engine::compiler_of;
use crate::features::explain;
use crate::rename::renamed;

/// As compiling for an engine of this configuration does (component.rs).
fn compile(config: &SlEngineConfig, wasm: &[u8]) -> Fallible<Vec<u8>> {
    let wasm = &*renamed(wasm);
    let with = |concurrent| compiler_of(config, concurrent)?.precompile_component(wasm);
    let mut code = Err(wasmtime::Error::msg("not tried"));
    if !names_wasi_3(wasm) {
        code = with(false);
    }
    if code.is_err() {
        code = with(true);
    }
    code.map_err(|error| failure(wasm, &error))
}

/// A lack of memory does not make the component invalid.
fn failure(wasm: &[u8], error: &wasmtime::Error) -> Failure {
    let cause = one_line(error);
    if is_out_of_memory(error) {
        return Failure(Status::UNAVAILABLE, cause);
    }
    Failure(Status::INVALID_ARGUMENT, explain(wasm, &cause))
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_compile(
    config: *const SlEngineConfig,
    wasm: SlBytes,
    sink: SlSink,
    err: *mut SlError,
) -> Status {
    // A panic becomes an error; it is not printed.
    std::panic::set_hook(Box::new(|_| {}));
    // SAFETY: the header's contract: valid pointers, borrowed for this call.
    unsafe {
        ffi_guard(err, || {
            let code = compile(&*config, wasm.get())?;
            if code.is_empty() {
                return fail(Status::INTERNAL, "no code");
            }
            sink.write(&code);
            Ok(())
        })
    }
}
