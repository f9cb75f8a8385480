// SPDX-License-Identifier: Apache-2.0
//! Calls of the exports `slight:mq/handler` and `slight:pubsub/handler`, in a fresh
//! instance for each delivery.

use std::ffi::c_void;
use std::sync::Arc;

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, ComponentType, Lift, Lower};

use crate::abi::{End, SlBytes, SlDelivery, SlHandler};
use crate::attributes::text;
use crate::mq::Delivery;
use crate::program::{Linked, Program};
use crate::pubsub::Event;
use crate::run::{fairly, not_started, start, Done, DoneFn, Outcome};

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Failure {
    #[component(name = "retry")]
    Retry(String),
    #[component(name = "reject")]
    Reject(String),
}

type Handled = (Result<(), Failure>,);

fn outcome_of(handled: wasmtime::Result<Handled>) -> Outcome {
    match handled {
        Ok((Ok(()),)) => Outcome::new(End::RETURNED, 0, ""),
        Ok((Err(Failure::Retry(why)),)) => Outcome::new(End::RETRY, 0, why),
        Ok((Err(Failure::Reject(why)),)) => Outcome::new(End::REJECTED, 0, why),
        Err(error) => Outcome::of(&error),
    }
}

/// Call one function of a fresh instance.
async fn call<P>(linked: &Linked, index: Option<&ComponentExportIndex>, params: P) -> Outcome
where
    P: ComponentNamedList + Lower + Send + Sync,
{
    let Some(index) = index else {
        return Outcome::new(End::FAILED, 0, "the component exports no such handler");
    };
    let mut store = match linked.store(linked.settings()) {
        Ok(store) => store,
        Err(failure) => return Outcome::new(End::FAILED, 0, failure.1),
    };
    let instance = match linked.pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(error) => return not_started(&error),
    };
    match instance.get_typed_func::<P, Handled>(&mut store, index) {
        Ok(handle) => outcome_of(handle.call_async(&mut store, params).await),
        Err(error) => Outcome::of(&error),
    }
}

/// What C has lent to this call until done is called.
struct Borrowed(SlBytes, &'static SlDelivery);

// SAFETY: read only, by one thread at a time.
unsafe impl Send for Borrowed {}

async fn handle(linked: Arc<Linked>, handler: SlHandler, borrowed: Borrowed) -> Outcome {
    let exports = &linked.exports;
    // SAFETY: the header's contract: both live until done is called, and are UTF-8
    // where they are text.
    unsafe {
        let resource = text(borrowed.0);
        match handler {
            SlHandler::MQ => {
                call(&linked, exports.mq.as_ref(), (resource, Delivery::of(borrowed.1))).await
            }
            _ => call(&linked, exports.pubsub.as_ref(), (resource, Event::of(borrowed.1))).await,
        }
    }
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_handle(
    program: *const Program,
    handler: SlHandler,
    resource: SlBytes,
    delivery: *const SlDelivery,
    done: DoneFn,
    context: *mut c_void,
) {
    // SAFETY: the header's contract: both live until done is called.
    let (linked, borrowed) = unsafe { ((&*program).0.clone(), Borrowed(resource, &*delivery)) };
    let runner = linked.clone();
    let run = async move {
        let timeout = runner.settings().timeout;
        fairly(&runner, timeout, handle(runner.clone(), handler, borrowed)).await
    };
    start(&linked, run, Done { done, context });
}
