// SPDX-License-Identifier: Apache-2.0
//! Components that are called: `slight:mq/handler` and `slight:pubsub/handler`, an
//! instance for each message.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, ComponentType, Lift, Lower};

use crate::abi::{End, SlBytes, SlMqMessage, SlPubsubEvent};
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
        Ok((Ok(()),)) => Outcome::new(End::Returned, 0, ""),
        Ok((Err(Failure::Retry(why)),)) => Outcome::new(End::Retry, 0, why),
        Ok((Err(Failure::Reject(why)),)) => Outcome::new(End::Rejected, 0, why),
        Err(error) => Outcome::of(&error),
    }
}

/// Call one function of a fresh instance.
async fn call<P>(linked: &Linked, index: Option<&ComponentExportIndex>, params: P) -> Outcome
where
    P: ComponentNamedList + Lower + Send + Sync,
{
    let Some(index) = index else {
        return Outcome::new(End::Failed, 0, "the component exports no such handler");
    };
    let mut store = match linked.store(linked.settings()) {
        Ok(store) => store,
        Err(failure) => return Outcome::new(End::Failed, 0, failure.1),
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

/// What C has borrowed to this call until done is called.
struct Borrowed<T: 'static>(SlBytes, &'static T);

// SAFETY: read only, by one thread at a time.
unsafe impl<T> Send for Borrowed<T> {}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_handle_message(
    program: *const Program,
    resource: SlBytes,
    message: *const SlMqMessage,
    done: DoneFn,
    context: *mut c_void,
) {
    // SAFETY: the header's contract: both live until done is called.
    let (linked, borrowed) = unsafe { ((&*program).0.clone(), Borrowed(resource, &*message)) };
    let runner = linked.clone();
    let run = async move {
        let borrowed = borrowed;
        // SAFETY: as above; C promises UTF-8.
        let params = unsafe { (text(borrowed.0), Delivery::of(borrowed.1)) };
        call(&runner, runner.exports.mq.as_ref(), params).await
    };
    begin(&linked, run, Done { done, context });
}

/// # Safety
/// See slight_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_program_handle_event(
    program: *const Program,
    resource: SlBytes,
    event: *const SlPubsubEvent,
    done: DoneFn,
    context: *mut c_void,
) {
    // SAFETY: the header's contract: both live until done is called.
    let (linked, borrowed) = unsafe { ((&*program).0.clone(), Borrowed(resource, &*event)) };
    let runner = linked.clone();
    let run = async move {
        let borrowed = borrowed;
        // SAFETY: as above; C promises UTF-8.
        let params = unsafe { (text(borrowed.0), Event::of(borrowed.1)) };
        call(&runner, runner.exports.pubsub.as_ref(), params).await
    };
    begin(&linked, run, Done { done, context });
}

fn begin(linked: &Arc<Linked>, run: impl Future<Output = Outcome> + Send + 'static, done: Done) {
    let runner = linked.clone();
    let run = async move { fairly(&runner, runner.settings().timeout, run).await };
    start(linked, Box::pin(run) as Pin<Box<dyn Future<Output = Outcome> + Send>>, done);
}
