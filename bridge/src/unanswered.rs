// SPDX-License-Identifier: Apache-2.0
//! Imports that nobody answers, of a component that may have such: a call of them traps.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::{Error, Result};

use crate::abi::{Failure, Fallible, Status};
use crate::cause::one_line;
use crate::instance::State;

fn unanswered(name: &str) -> Error {
    Error::msg(format!("nobody answers {name}: the manifest has unanswered = \"trap\""))
}

fn link_item(
    linker: &mut LinkerInstance<'_, State>,
    engine: &wasmtime::Engine,
    (name, full_name): (&str, String),
    item: &ComponentItem,
) -> Result<()> {
    match item {
        ComponentItem::ComponentFunc(function) if function.async_() => {
            linker.func_new_concurrent(name, move |_, _, _, _| {
                let error = unanswered(&full_name);
                Box::pin(async move { Err(error) })
            })
        }
        ComponentItem::ComponentFunc(_) => {
            linker.func_new(name, move |_, _, _, _| Err(unanswered(&full_name)))
        }
        ComponentItem::ComponentInstance(instance) => {
            let mut inner = linker.instance(name)?;
            for (name, item) in instance.exports(engine) {
                let inner_name = format!("{full_name}#{name}");
                link_item(&mut inner, engine, (name, inner_name), &item.ty)?;
            }
            Ok(())
        }
        ComponentItem::Resource(_) => {
            linker.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))
        }
        _ => Ok(()),
    }
}

/// Link the imports with these names.
pub fn link(linker: &mut Linker<State>, component: &Component, names: &[&str]) -> Fallible<()> {
    let engine = component.engine();
    for (name, item) in component.component_type().imports(engine) {
        if names.contains(&name) {
            link_item(&mut linker.root(), engine, (name, name.to_owned()), &item.ty).map_err(
                |error| Failure(Status::NOT_FOUND, format!("{name}: {}", one_line(&error))),
            )?;
        }
    }
    Ok(())
}
