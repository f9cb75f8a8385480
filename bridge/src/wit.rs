// SPDX-License-Identifier: Apache-2.0
//! WIT: check packages, generate C bindings, make core modules components.

use std::collections::BTreeMap;
use std::ffi::c_void;

use wit_bindgen_core::Files;
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup, WorldId};

use crate::abi::{
    fail, ffi_guard, slice, Failure, Fallible, SlBytes, SlComponentize, SlError, SlSink,
    SlWasmKind, SlWitFile, Status,
};
use crate::component::kind_of;
use crate::features::defect_of;

fn wrong(message: impl Into<String>) -> Failure {
    Failure(Status::INVALID_ARGUMENT, message.into())
}

/// The first lines of an error, as one; the rest draws the source.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The files of each folder are a package.
///
/// # Safety
/// The files are valid for this call.
unsafe fn groups(files: &[SlWitFile]) -> Fallible<Vec<UnresolvedPackageGroup>> {
    let mut folders: BTreeMap<&str, SourceMap> = BTreeMap::new();
    for file in files {
        // SAFETY: the caller's promise.
        let (path, text) = unsafe { (file.path.text("a path")?, file.text.text("a WIT file")?) };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push_str(path, text);
    }
    folders
        .into_values()
        .map(|map| {
            map.parse().map_err(|(map, error)| {
                let mut resolve = Resolve::default();
                resolve.push_source_map(map);
                wrong(flat(&resolve.render_error(&error.into())))
            })
        })
        .collect()
}

/// # Safety
/// The files are valid for this call.
unsafe fn resolve(files: &[SlWitFile]) -> Fallible<(Resolve, Vec<PackageId>)> {
    // SAFETY: the caller's promise.
    let mut groups = unsafe { groups(files)? };
    let mut resolve = Resolve::default();
    let Some(main) = groups.pop() else {
        return fail(Status::INVALID_ARGUMENT, "there are no WIT files");
    };
    if let Err(error) = resolve.push_groups(main, groups) {
        let error = error.into();
        return Err(wrong(flat(&resolve.render_error(&error))));
    }
    let packages = resolve.packages.iter().map(|(id, _)| id).collect();
    Ok((resolve, packages))
}

fn select(resolve: &Resolve, packages: &[PackageId], world: &str) -> Fallible<WorldId> {
    // "slight:slight/command" is found whatever the version.
    if let Some((package, name)) = world.split_once('/') {
        let name = name.split('@').next().unwrap_or(name);
        for (_, candidate) in resolve.packages.iter() {
            let id = format!("{}:{}", candidate.name.namespace, candidate.name.name);
            if id == package {
                if let Some(world) = candidate.worlds.get(name) {
                    return Ok(*world);
                }
            }
        }
    } else {
        let found: Vec<_> =
            packages.iter().filter_map(|id| resolve.packages[*id].worlds.get(world)).collect();
        // WASI's own go behind those of the files.
        let own = |id: &&PackageId| resolve.packages[**id].name.namespace != "wasi";
        let found: Vec<_> = match found.len() {
            0 | 1 => found,
            _ => packages
                .iter()
                .filter(own)
                .filter_map(|id| resolve.packages[*id].worlds.get(world))
                .collect(),
        };
        match found.as_slice() {
            [one] => return Ok(**one),
            [] => {}
            _ => {
                return Err(wrong(format!(
                    "several packages have a world {world}; name it as namespace:package/{world}"
                )))
            }
        }
    }
    let mut known = Vec::new();
    for (_, package) in resolve.packages.iter() {
        for name in package.worlds.keys() {
            known.push(format!("{}:{}/{name}", package.name.namespace, package.name.name));
        }
    }
    Err(wrong(format!("there is no world {world}; there are: {}", known.join(", "))))
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_wit_check(
    files: *const SlWitFile,
    count: usize,
    world: SlBytes,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid for this call.
    unsafe {
        ffi_guard(err, || {
            let (resolve, packages) = resolve(slice(files, count))?;
            match world.text("a world's name")? {
                "" => Ok(()),
                world => select(&resolve, &packages, world).map(|_| ()),
            }
        })
    }
}

type FileFn = unsafe extern "C" fn(*mut c_void, SlBytes, SlBytes, *mut SlError) -> Status;

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_bindgen_c(
    files: *const SlWitFile,
    count: usize,
    world: SlBytes,
    visit: FileFn,
    context: *mut c_void,
    err: *mut SlError,
) -> Status {
    let mut visited = Status::OK;
    // SAFETY: the header's contract: valid for this call.
    let status = unsafe {
        ffi_guard(err, || {
            let (mut resolve, packages) = resolve(slice(files, count))?;
            let world = select(&resolve, &packages, world.text("a world's name")?)?;
            let mut files = Files::default();
            wit_bindgen_c::Opts::default()
                .build()
                .generate(&mut resolve, world, &mut files)
                .map_err(|error| wrong(flat(&format!("{error:#}"))))?;
            for (name, content) in files.iter() {
                visited = visit(context, SlBytes::of(name.as_bytes()), SlBytes::of(content), err);
                if visited != Status::OK {
                    break;
                }
            }
            Ok(())
        })
    };
    if status == Status::OK {
        visited
    } else {
        status
    }
}

fn check_core(core: &[u8]) -> Fallible<()> {
    match kind_of(core) {
        // The encoder takes it for valid.
        SlWasmKind::CORE_MODULE => match defect_of(core) {
            Some(defect) => Err(wrong(format!("not a valid module: {defect}"))),
            None => Ok(()),
        },
        SlWasmKind::COMPONENT => Err(wrong("it is a component already; nothing is to be done")),
        SlWasmKind::TEXT => {
            Err(wrong("it is the text format; assemble it first, with wasm-tools parse"))
        }
        _ => Err(wrong("it is not a WebAssembly module")),
    }
}

/// # Safety
/// `request` is valid for this call.
unsafe fn componentize(request: &SlComponentize) -> Fallible<Vec<u8>> {
    use wasi_preview1_component_adapter_provider as adapter;

    // SAFETY: the caller's promise.
    let (mut core, files, world) = unsafe {
        (
            request.core.get().to_vec(),
            slice(request.files, request.file_count),
            request.world.text("a world's name")?,
        )
    };
    check_core(&core)?;
    if !world.is_empty() {
        // SAFETY: the caller's promise.
        let (resolve, packages) = unsafe { resolve(files)? };
        let world = select(&resolve, &packages, world)?;
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut core, &resolve, world, encoding)
            .map_err(|error| wrong(flat(&format!("{error:#}"))))?;
    }
    let command = exports_start(&core);
    let adapter_bytes = if command {
        adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    let encoded = (|| {
        wit_component::ComponentEncoder::default()
            .validate(true)
            .realloc_via_memory_grow(made_by_go(&core))
            .module(&core)?
            .adapter(adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter_bytes)?
            .encode()
    })();
    encoded.map_err(|error| {
        wrong(format!(
            "{}; a module names its world when NAME_component_type.o of `slight bindgen` is \
             linked in, or by --world",
            flat(&format!("{error:#}"))
        ))
    })
}

/// The sections, with their numbers: WebAssembly Core 2.0, 5.5.2. Ends where
/// one is broken.
fn sections(core: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = core.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&id, rest) = at.split_first()?;
        let (len, rest) = leb128(rest)?;
        let body = rest.get(..len)?;
        at = rest.get(len..)?;
        Some((id, body))
    })
}

/// Whether the module has an export `_start`, as the preview 1 ABI names the
/// entry of a command. The section's grammar: WebAssembly Core 2.0, 5.5.10.
fn exports_start(core: &[u8]) -> bool {
    const EXPORTS: u8 = 7;
    sections(core)
        .filter(|(id, _)| *id == EXPORTS)
        .any(|(_, body)| names(body).is_some_and(|names| names.contains(&b"_start".as_slice())))
}

/// Go's linker leaves a custom section of this name. Its allocator is not up
/// before its runtime is, so that the adapter must not call it at the start.
fn made_by_go(core: &[u8]) -> bool {
    const CUSTOM: u8 = 0;
    const NAME: &[u8] = b"\x0ago:buildid";
    sections(core).any(|(id, body)| id == CUSTOM && body.starts_with(NAME))
}

fn names(body: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut at) = leb128(body)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let (len, rest) = leb128(at)?;
        names.push(rest.get(..len)?);
        let (_, rest) = leb128(rest.get(len..)?.get(1..)?)?; // past the kind
        at = rest;
    }
    Some(names)
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_componentize(
    request: *const SlComponentize,
    sink: SlSink,
    err: *mut SlError,
) -> Status {
    // SAFETY: the header's contract: valid for this call.
    unsafe {
        ffi_guard(err, || {
            sink.write(&componentize(&*request)?);
            Ok(())
        })
    }
}
