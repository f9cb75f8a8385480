// SPDX-License-Identifier: Apache-2.0
//! Calls that C answers later: a waker, woken once from any thread, and the
//! future that a guest's fiber sleeps on meanwhile.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::instance;

#[derive(Default)]
struct State {
    woken: bool,
    waiting: Option<Waker>,
}

/// `struct sl_bridge_waker`: C's half.
pub struct CallWaker(Mutex<State>);

/// `struct sl_bridge_wait`: lives on the stack while a host function runs, for this
/// guest.
pub struct Wait {
    taken: Option<Arc<CallWaker>>,
    guest: *const instance::State,
}

impl Wait {
    pub fn of(guest: &instance::State) -> Wait {
        Wait { taken: None, guest }
    }

    /// What to wait for, where C took a waker.
    pub fn woken(self) -> Option<Woken> {
        self.taken.map(Woken)
    }
}

/// Ready once C woke its waker.
pub struct Woken(Arc<CallWaker>);

impl Future for Woken {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0 .0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.woken {
            return Poll::Ready(());
        }
        match &mut state.waiting {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

/// # Safety
/// `wait` is what the host function that runs was given.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_waker_take(wait: *mut Wait) -> *const CallWaker {
    let waker = Arc::new(CallWaker(Mutex::new(State::default())));
    // SAFETY: it lives as long as the host function runs, on this thread.
    unsafe { (*wait).taken = Some(waker.clone()) };
    Arc::into_raw(waker)
}

/// # Safety
/// `waker` came from `sl_bridge_waker_take` and was not woken before.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_waker_wake(waker: *const CallWaker) {
    // SAFETY: the one reference that sl_bridge_waker_take gave away.
    let waker = unsafe { Arc::from_raw(waker) };
    let waiting = {
        let mut state = waker.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.woken = true;
        state.waiting.take()
    };
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

/// # Safety
/// As above.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_wait_free_ms(wait: *const Wait) -> i64 {
    // SAFETY: the guest outlives its host function, on this thread.
    let left = unsafe { (*(*wait).guest).may_block() };
    i64::try_from(left.as_millis()).unwrap_or(i64::MAX)
}

/// # Safety
/// While a host function runs, on its thread.
#[no_mangle]
pub unsafe extern "C" fn sl_bridge_block(
    run: unsafe extern "C" fn(*mut c_void),
    context: *mut c_void,
) {
    // SAFETY: the caller's own function.
    tokio::task::block_in_place(|| unsafe { run(context) })
}
