// SPDX-License-Identifier: Apache-2.0
//! WIT: check packages, generate C bindings, make core modules components.

use std::collections::{BTreeMap, HashSet};
use std::ffi::c_void;

use wit_bindgen_core::Files;
use wit_parser::{
    PackageName, Resolve, SourceMap, UnresolvedPackage, UnresolvedPackageGroup, WorldId,
};

use crate::abi::{
    fail, ffi_guard, slice, Failure, Fallible, SlBytes, SlComponentize, SlError, SlSink,
    SlWasmKind, SlWitFile, Status,
};
use crate::component::kind_of;
use crate::features::defect_of;
use crate::sections::{leb128, sections};

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

fn push(mut groups: Vec<UnresolvedPackageGroup>, features: &[&str]) -> Fallible<Resolve> {
    let mut resolve = Resolve::default();
    resolve.features.extend(features.iter().map(|feature| feature.to_string()));
    let Some(main) = groups.pop() else {
        return fail(Status::INVALID_ARGUMENT, "there are no WIT files");
    };
    if let Err(error) = resolve.push_groups(main, groups) {
        let error = error.into();
        return Err(wrong(flat(&resolve.render_error(&error))));
    }
    Ok(resolve)
}

fn packages(groups: &[UnresolvedPackageGroup]) -> impl Iterator<Item = &UnresolvedPackage> {
    groups.iter().flat_map(|group| std::iter::once(&group.main).chain(&group.nested))
}

/// The package of a world, and the name of the world in it. "command" is found where one
/// package alone has it, "slight:slight/command" where one version of the package is there.
fn select(groups: &[UnresolvedPackageGroup], world: &str) -> Fallible<(PackageName, String)> {
    let (package, name) = world.split_once('/').map_or((None, world), |(p, n)| (Some(p), n));
    let (name, version) = name.split_once('@').map_or((name, None), |(n, v)| (n, Some(v)));
    let asked = |id: &PackageName| {
        package.is_none_or(|asked| asked == format!("{}:{}", id.namespace, id.name))
            && version
                .is_none_or(|asked| id.version.as_ref().is_some_and(|v| v.to_string() == asked))
    };
    let all: Vec<_> = packages(groups)
        .flat_map(|package| package.worlds.iter().map(|(_, world)| (&package.name, &world.name)))
        .collect();
    let mut found = all.clone();
    found.retain(|(id, world)| *world == name && asked(id));
    if package.is_none() && found.len() > 1 {
        // WASI's own go behind those of the files.
        found.retain(|(id, _)| id.namespace != "wasi");
    }
    let list = |worlds: &[(&PackageName, &String)]| {
        worlds.iter().map(|(id, world)| id.interface_id(world)).collect::<Vec<_>>().join(", ")
    };
    match found.as_slice() {
        [(id, world)] => Ok(((*id).clone(), world.to_string())),
        [] => Err(wrong(format!("there is no world {world}; there are: {}", list(&all)))),
        _ => {
            Err(wrong(format!("several packages have a world {world}; name one: {}", list(&found))))
        }
    }
}

/// Leave out what the package does not use: the bindings have other names as soon as two
/// versions of a package are there.
fn keep_reachable(groups: &mut Vec<UnresolvedPackageGroup>, package: &PackageName) {
    let mut used = HashSet::from([package.clone()]);
    loop {
        let before = used.len();
        for group in groups.iter() {
            // A file is read as a whole: with a package that is nested comes the file's own.
            if group.nested.iter().any(|nested| used.contains(&nested.name)) {
                used.insert(group.main.name.clone());
            }
        }
        let deps = packages(groups)
            .filter(|package| used.contains(&package.name))
            .flat_map(|package| package.foreign_deps.keys().cloned())
            .collect::<Vec<_>>();
        used.extend(deps);
        if used.len() == before {
            break;
        }
    }
    groups.retain(|group| used.contains(&group.main.name));
    for group in groups {
        group.nested.retain(|nested| used.contains(&nested.name));
    }
}

/// "a,b" as a list. Each must gate something: a name that is wrong would bind too little.
///
/// # Safety
/// The files are valid for this call.
unsafe fn features<'a>(files: &[SlWitFile], text: &'a str) -> Fallible<Vec<&'a str>> {
    let list: Vec<_> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut gates = HashSet::new();
    for file in files {
        // SAFETY: the caller's promise.
        let text = unsafe { file.text.text("a WIT file")? };
        for gate in text.split("@unstable").skip(1) {
            let gate: String = gate.chars().filter(|c| !c.is_whitespace()).collect();
            if let Some((name, _)) =
                gate.strip_prefix("(feature=").and_then(|gate| gate.split_once(')'))
            {
                gates.insert(name.to_string());
            }
        }
    }
    match list.iter().find(|name| !gates.contains(**name)) {
        Some(name) => Err(wrong(format!("no item of the WIT is @unstable(feature = {name})"))),
        None => Ok(list),
    }
}

/// The packages that a world needs, and the world.
///
/// # Safety
/// The files are valid for this call.
unsafe fn resolve(
    files: &[SlWitFile],
    world: &str,
    features: &[&str],
) -> Fallible<(Resolve, WorldId)> {
    // SAFETY: the caller's promise.
    let mut groups = unsafe { groups(files)? };
    let (package, name) = select(&groups, world)?;
    keep_reachable(&mut groups, &package);
    let resolve = push(groups, features)?;
    let found = resolve.package_names.get(&package).map(|id| &resolve.packages[*id]);
    match found.and_then(|package| package.worlds.get(&name).copied()) {
        Some(world) => Ok((resolve, world)),
        None => Err(wrong(format!(
            "the world {} is @unstable; name its feature by --features",
            package.interface_id(&name)
        ))),
    }
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
            let files = slice(files, count);
            match world.text("a world's name")? {
                "" => push(groups(files)?, &[]).map(|_| ()),
                world => resolve(files, world, &[]).map(|_| ()),
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
    features_list: SlBytes,
    visit: FileFn,
    context: *mut c_void,
    err: *mut SlError,
) -> Status {
    let mut visited = Status::OK;
    // A panic becomes an error; it is not printed.
    std::panic::set_hook(Box::new(|_| {}));
    // SAFETY: the header's contract: valid for this call.
    let status = unsafe {
        ffi_guard(err, || {
            let files = slice(files, count);
            let features = features(files, features_list.text("a feature's name")?)?;
            let (mut resolve, world) = resolve(files, world.text("a world's name")?, &features)?;
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
    let (mut core, files, world, list) = unsafe {
        (
            request.core.get().to_vec(),
            slice(request.files, request.file_count),
            request.world.text("a world's name")?,
            request.features.text("a feature's name")?,
        )
    };
    check_core(&core)?;
    if !world.is_empty() {
        // SAFETY: the caller's promise.
        let (resolve, world) = unsafe { resolve(files, world, &features(files, list)?)? };
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

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_componentize(
    request: *const SlComponentize,
    sink: SlSink,
    err: *mut SlError,
) -> Status {
    // A panic becomes an error; it is not printed.
    std::panic::set_hook(Box::new(|_| {}));
    // SAFETY: the header's contract: valid for this call.
    unsafe {
        ffi_guard(err, || {
            sink.write(&componentize(&*request)?);
            Ok(())
        })
    }
}
