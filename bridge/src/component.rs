// SPDX-License-Identifier: Apache-2.0
//! Components: compile, load compiled code, list imports and exports.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use crate::abi::{
    fail, ffi_guard, ffi_guard_or, Failure, Fallible, SlBytes, SlError, SlExtern, SlSink,
    SlWasmKind, Status,
};
use crate::cause::one_line;
use crate::engine::Engine;
use crate::features::explain;
use crate::pool::Needs;
use crate::rename::renamed;
use crate::sections::sections;

/// A component in the engine that compiles. A program loads it into an engine with a
/// pool.
pub struct Component {
    pub compiled: wasmtime::component::Component,
    needs: Needs,
    /// The file that it was loaded from.
    file: Option<OwnedFd>,
}

impl Component {
    fn new(
        engine: &Engine,
        compiled: wasmtime::component::Component,
        file: Option<OwnedFd>,
    ) -> Fallible<Component> {
        let needs = Needs::of(compiled.resources_required());
        if needs.memory > engine.max_memory {
            let (needed, most) = (needs.memory, engine.max_memory);
            return fail(
                Status::TOO_LARGE,
                format!(
                    "it needs {needed} bytes of memory at its start, more than the {most} bytes \
                     that it may have"
                ),
            );
        }
        engine.note_needs(needs);
        Ok(Component { compiled, needs, file })
    }

    /// The elements that each of its tables may have; at least those that it starts with.
    pub fn max_elements(&self, engine: &Engine) -> usize {
        usize::try_from(self.needs.elements.max(engine.max_elements())).unwrap_or(usize::MAX)
    }

    /// The same in an engine that can instantiate it.
    pub fn pooled(&self, engine: &Engine) -> Fallible<wasmtime::component::Component> {
        use wasmtime::component::Component as Compiled;

        let concurrent = self.compiled.engine().get_concurrency_support();
        let pool = engine.pooled(concurrent)?;
        let defect = |error: wasmtime::Error| Failure(Status::INTERNAL, one_line(&error));
        if let Some(file) = &self.file {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            // SAFETY: as when it was loaded, from the same file.
            if let Ok(component) = unsafe { Compiled::deserialize_file(pool, path) } {
                return Ok(component);
            }
        }
        let code = self.compiled.serialize().map_err(defect)?;
        // SAFETY: it was just made by the engine.
        unsafe { Compiled::deserialize(pool, code) }.map_err(defect)
    }
}

pub fn kind_of(wasm: &[u8]) -> SlWasmKind {
    if let Some(version) = wasm.strip_prefix(b"\0asm") {
        return match version.get(..4) {
            Some([1, 0, 0, 0]) => SlWasmKind::CORE_MODULE,
            Some([_, 0, 1, 0]) => SlWasmKind::COMPONENT,
            _ => SlWasmKind::NOT_WASM,
        };
    }
    let head = String::from_utf8_lossy(wasm.get(..4096).unwrap_or(wasm));
    let code = head.lines().map(str::trim_start).find(|l| !l.is_empty() && !l.starts_with(";;"));
    match code {
        Some(line) if line.starts_with("(module") || line.starts_with("(component") => {
            SlWasmKind::TEXT
        }
        _ => SlWasmKind::NOT_WASM,
    }
}

/// WASI 0.3 ("wasi:cli/run@0.3.0") has asynchronous functions, which only one of the
/// engines knows. The name may also stand in data: then the component is compiled for
/// more than it needs.
pub fn names_wasi_3(wasm: &[u8]) -> bool {
    const MARK: &[u8] = b"@0.3.";
    const OWNER: &[u8] = b"wasi:";
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b":/-".contains(byte);
    wasm.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).any(|(at, _)| {
        // The byte before the name is its length, and may look like a part of it.
        let before = wasm[..at].rsplit(|byte| !is_of_name(byte)).next().unwrap_or_default();
        before.windows(OWNER.len()).any(|window| window == OWNER)
    })
}

fn compile(engine: &Engine, wasm: &[u8]) -> Fallible<Component> {
    use wasmtime::component::Component as Compiled;

    let wasm = &*renamed(wasm);
    let mut compiled = Err(wasmtime::Error::msg("not tried"));
    if !names_wasi_3(wasm) {
        compiled = Compiled::from_binary(engine.compiler(false)?, wasm);
    }
    // It may have asynchronous functions of its own.
    if compiled.is_err() {
        compiled = Compiled::from_binary(engine.compiler(true)?, wasm);
    }
    match compiled {
        Ok(component) => Component::new(engine, component, None),
        Err(error) => fail(Status::INVALID_ARGUMENT, explain(wasm, &one_line(&error))),
    }
}

/// The engine that the code was compiled for.
///
/// # Safety
/// The code is one of ours, and nobody changes it while it is in use.
unsafe fn load_by(
    engine: &Engine,
    load: impl Fn(&wasmtime::Engine) -> wasmtime::Result<wasmtime::component::Component>,
) -> Fallible<wasmtime::component::Component> {
    load(engine.compiler(false)?)
        .or_else(|_| {
            load(engine.compiler(true).map_err(|failure| wasmtime::Error::msg(failure.1))?)
        })
        .map_err(|error| Failure(Status::INVALID_ARGUMENT, one_line(&error)))
}

fn load(engine: &Engine, fd: c_int) -> Fallible<Component> {
    use wasmtime::component::Component as Compiled;

    if fd < 0 {
        return fail(Status::INVALID_ARGUMENT, "no descriptor of compiled code");
    }
    // SAFETY: it is open as long as this call lasts (slight_bridge.h).
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    // Wasmtime wants a path; this one leads to the file that is open.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    // SAFETY: the caller vouches for who wrote the file, and can (slight_bridge.h).
    let mapped = unsafe { load_by(engine, |engine| Compiled::deserialize_file(engine, &path)) };
    if let Ok(component) = mapped {
        return Component::new(engine, component, fd.try_clone_to_owned().ok());
    }
    let code = fd.try_clone_to_owned().map(File::from).and_then(|file| {
        let mut code = vec![0; file.metadata()?.len() as usize];
        file.read_exact_at(&mut code, 0)?;
        Ok(code)
    });
    match code {
        // SAFETY: as above.
        Ok(code) => unsafe {
            let component = load_by(engine, |engine| Compiled::deserialize(engine, &code))?;
            Component::new(engine, component, None)
        },
        Err(error) => fail(Status::UNAVAILABLE, format!("the compiled code: {error}")),
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_wasm_kind_of(wasm: SlBytes) -> SlWasmKind {
    // SAFETY: borrowed for this call.
    ffi_guard_or(SlWasmKind::NOT_WASM, || kind_of(unsafe { wasm.get() }))
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_component_compile(
    engine: *mut Engine,
    wasm: SlBytes,
    out: *mut *mut Component,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid pointers, borrowed for this call.
    unsafe {
        ffi_guard(err, || {
            *out = Box::into_raw(Box::new(compile(&*engine, wasm.get())?));
            Ok(())
        })
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_component_serialize(
    component: *const Component,
    sink: SlSink,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid pointers, borrowed for this call.
    unsafe {
        ffi_guard(err, || match (*component).compiled.serialize() {
            Ok(bytes) => {
                sink.write(&bytes);
                Ok(())
            }
            Err(error) => fail(Status::INTERNAL, one_line(&error)),
        })
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_component_load(
    engine: *mut Engine,
    fd: c_int,
    out: *mut *mut Component,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid pointers, a descriptor that is open.
    unsafe {
        ffi_guard(err, || {
            *out = Box::into_raw(Box::new(load(&*engine, fd)?));
            Ok(())
        })
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_component_free(component: *mut Component) {
    if !component.is_null() {
        // SAFETY: it came from compile or load, and this is its end.
        ffi_guard_or((), || drop(unsafe { Box::from_raw(component) }));
    }
}

type ExternFn = unsafe extern "C" fn(*mut c_void, *const SlExtern);

/// "wasi:cli/run@0.2.3" to "wasi:cli", "run", "0.2.3".
pub fn split_name(name: &str) -> Option<(&str, &str, &str)> {
    let (package, rest) = name.split_once('/')?;
    if !package.contains(':') {
        return None;
    }
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    Some((package, interface, version))
}

/// # Safety
/// `visit` may be called with `context`.
unsafe fn tell(name: &str, is_instance: bool, visit: ExternFn, context: *mut c_void) {
    let (package, interface, version) = split_name(name).unwrap_or(("", name, ""));
    let item = SlExtern {
        name: SlBytes::of(name.as_bytes()),
        package: SlBytes::of(package.as_bytes()),
        interface: SlBytes::of(interface.as_bytes()),
        version: SlBytes::of(version.as_bytes()),
        is_instance,
    };
    // SAFETY: the caller's promise.
    unsafe { visit(context, &item) }
}

/// The imports, or else the exports, that stand in the file before anything is broken in
/// it.
///
/// # Safety
/// `visit` may be called with `context`.
unsafe fn tell_all(wasm: &[u8], exports: bool, visit: ExternFn, context: *mut c_void) {
    use wasmparser::{
        BinaryReader, ComponentExportSectionReader as Exports, ComponentExternalKind as Kind,
        ComponentImportSectionReader as Imports,
    };

    const IMPORTS: u8 = 10;
    const EXPORTS: u8 = 11;
    for (id, body) in sections(wasm) {
        let mut items = Vec::new();
        let reader = BinaryReader::new(body, 0);
        match id {
            IMPORTS if !exports => {
                let imports = Imports::new(reader).into_iter().flatten().map_while(Result::ok);
                items.extend(imports.map(|item| (item.name.name, item.ty.kind())));
            }
            EXPORTS if exports => {
                let exports = Exports::new(reader).into_iter().flatten().map_while(Result::ok);
                items.extend(exports.map(|item| (item.name.name, item.kind)));
            }
            _ => {}
        }
        for (name, kind) in items {
            // SAFETY: the caller's promise.
            unsafe { tell(name, kind == Kind::Instance, visit, context) }
        }
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_wasm_imports(
    wasm: SlBytes,
    visit: ExternFn,
    context: *mut c_void,
) {
    // SAFETY: borrowed for this call; visit and context as the header says.
    ffi_guard_or((), || unsafe { tell_all(wasm.get(), false, visit, context) })
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_wasm_exports(
    wasm: SlBytes,
    visit: ExternFn,
    context: *mut c_void,
) {
    // SAFETY: borrowed for this call; visit and context as the header says.
    ffi_guard_or((), || unsafe { tell_all(wasm.get(), true, visit, context) })
}
