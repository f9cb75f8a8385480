// SPDX-License-Identifier: Apache-2.0
//! Guests that compute for long. A guest starts on the runtime's threads, which also
//! serve sockets and timers. Once it has used its time there, it continues in the
//! background: on as many threads of a lower priority, where the programs take turns,
//! one time slice of one guest each. However many guests loop, the runtime's threads
//! are free for those that need little time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wasmtime::UpdateDeadline;

use crate::catch_unwind::CatchUnwind;

/// The processor time that a guest may use on the runtime's threads.
const FOREGROUND: Duration = Duration::from_millis(1);
/// A guest that has waited this many times as long as it computed gets its full time
/// again.
const FORGIVEN: u32 = 20;
/// Ticks of the clock after which a guest on the runtime's threads yields.
pub const SLICE_TICKS: u64 = 2;
/// The same in the background, where the clock is fast.
const BACKGROUND_SLICE_TICKS: u64 = 10;
/// The nice value of the background's threads: a tenth of the weight of the runtime's.
const NICE: i32 = 10;

/// The clock stays fast for this many ticks after a guest has used up its slice.
const BUSY_TICKS: u64 = 100;

static TICKS: AtomicU64 = AtomicU64::new(BUSY_TICKS);
/// When a guest last used up its slice.
static LAST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The tick at which the guest on this thread was resumed.
    static BEGUN: Cell<Option<u64>> = const { Cell::new(None) };
    /// The guest has yielded since.
    static GAVE_WAY: Cell<bool> = const { Cell::new(false) };
    /// A host call asks to be moved off this thread.
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static IN_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// The epoch has advanced.
pub fn note_tick() {
    TICKS.fetch_add(1, SeqCst);
}

pub fn gave_way_lately() -> bool {
    TICKS.load(SeqCst).saturating_sub(LAST.load(SeqCst)) < BUSY_TICKS
}

/// Whether this thread is one of the background's.
pub fn is_background() -> bool {
    IN_BACKGROUND.get()
}

/// Awaited by a host call that computes for long. Afterwards the guest is in the
/// background, unless it is a command, which stays where it is.
pub async fn to_background() {
    let mut asked = false;
    std::future::poll_fn(|_| {
        if asked || is_background() || BEGUN.get().is_none() {
            return Poll::Ready(());
        }
        asked = true;
        ASKED.set(true); // who moves it polls it again there
        Poll::Pending
    })
    .await;
}

/// What a guest does when its deadline, in ticks, has passed. The deadline may date from
/// before the guest waited for something; then its slice is not over yet.
pub fn on_deadline() -> UpdateDeadline {
    if is_background() {
        return UpdateDeadline::Yield(BACKGROUND_SLICE_TICKS);
    }
    let used = BEGUN.get().map_or(SLICE_TICKS, |begun| TICKS.load(SeqCst).saturating_sub(begun));
    if used < SLICE_TICKS {
        return UpdateDeadline::Continue(SLICE_TICKS - used);
    }
    GAVE_WAY.set(true);
    LAST.store(TICKS.load(SeqCst), SeqCst);
    UpdateDeadline::Yield(SLICE_TICKS)
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// --- Threads ----------------------------------------------------------------

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A guest in the background.
struct Task {
    /// None once it is over.
    work: Mutex<Option<Work>>,
    state: AtomicU8,
    cancelled: AtomicBool,
    program: usize,
    background: Weak<Background>,
}

const WAITING: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// It was woken while it ran.
const WOKEN: u8 = 3;

impl Task {
    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Its next turn, on a thread of the background.
    fn run(self: Arc<Self>) {
        self.state.store(RUNNING, SeqCst);
        let waker = Waker::from(self.clone());
        {
            let mut work = locked(&self.work);
            let over = match &mut *work {
                Some(_) if self.cancelled.load(SeqCst) => true,
                Some(future) => future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready(),
                None => true,
            };
            if over {
                drop(work.take());
                return;
            }
        }
        if !self.change(RUNNING, WAITING) {
            self.state.store(QUEUED, SeqCst);
            self.enqueue();
        } else if self.cancelled.load(SeqCst) {
            self.end();
        }
    }

    fn enqueue(self: Arc<Self>) {
        if let Some(background) = self.background.upgrade() {
            background.push(self);
        }
    }

    /// Drop the work: at once, or if it is running, after its slice.
    fn cancel(&self) {
        self.cancelled.store(true, SeqCst);
        if let Ok(mut work) = self.work.try_lock() {
            let work = work.take();
            drop(work);
        }
    }

    fn end(&self) {
        let work = locked(&self.work).take();
        drop(work);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        loop {
            match self.state.load(SeqCst) {
                WAITING if self.change(WAITING, QUEUED) => return self.enqueue(),
                RUNNING if self.change(RUNNING, WOKEN) => return,
                QUEUED | WOKEN => return,
                _ => {}
            }
        }
    }
}

/// The guests that wait for a thread, by program. Programs take turns.
#[derive(Default)]
struct Queue {
    programs: VecDeque<(usize, VecDeque<Arc<Task>>)>,
    threads: usize,
    idle: usize,
    ending: bool,
}

impl Queue {
    fn push(&mut self, task: Arc<Task>) {
        let program = task.program;
        match self.programs.iter_mut().find(|(of, _)| *of == program) {
            Some((_, tasks)) => tasks.push_back(task),
            None => self.programs.push_back((program, VecDeque::from([task]))),
        }
    }

    fn pop(&mut self) -> Option<Arc<Task>> {
        let (program, mut tasks) = self.programs.pop_front()?;
        let task = tasks.pop_front();
        if !tasks.is_empty() {
            self.programs.push_back((program, tasks));
        }
        task
    }
}

/// The threads of the background, started when they are first needed.
pub struct Background {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Guests in the background.
    guests: AtomicUsize,
    runtime: Handle,
    max_threads: usize,
}

impl Background {
    pub fn new(runtime: Handle) -> Arc<Background> {
        let max_threads = runtime.metrics().num_workers();
        Arc::new(Background {
            queue: Mutex::default(),
            changed: Condvar::new(),
            guests: AtomicUsize::new(0),
            runtime,
            max_threads,
        })
    }

    pub fn is_used(&self) -> bool {
        self.guests.load(SeqCst) > 0
    }

    fn push(self: &Arc<Self>, task: Arc<Task>) {
        let mut queue = locked(&self.queue);
        if queue.ending {
            drop(queue);
            return task.end();
        }
        queue.push(task);
        if queue.idle > 0 {
            self.changed.notify_one();
        } else if queue.threads < self.max_threads {
            let background = self.clone();
            let thread = std::thread::Builder::new().name("slight-busy".into());
            // If no thread can be started, the running ones do the work.
            if thread.spawn(move || background.serve()).is_ok() {
                queue.threads += 1;
            }
        }
    }

    fn serve(&self) {
        // SAFETY: numbers only; on Linux it is this thread's. Without a lower
        // priority the turns are still fair.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
        IN_BACKGROUND.set(true);
        // What a guest starts or waits for belongs to the runtime.
        let _entered = self.runtime.enter();
        let mut queue = locked(&self.queue);
        while !queue.ending {
            match queue.pop() {
                Some(task) => {
                    drop(queue);
                    task.run();
                    queue = locked(&self.queue);
                }
                None => {
                    queue.idle += 1;
                    queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.idle -= 1;
                }
            }
        }
        queue.threads -= 1;
        self.changed.notify_all();
    }

    /// No guest gets another turn.
    pub fn begin_end(&self) {
        let mut queue = locked(&self.queue);
        queue.ending = true;
        let programs = std::mem::take(&mut queue.programs);
        drop(queue);
        self.changed.notify_all();
        for task in programs.into_iter().flat_map(|(_, tasks)| tasks) {
            task.end();
        }
    }

    /// Wait for the threads, after begin_end.
    pub fn end(&self, longest: Duration) {
        let queue = locked(&self.queue);
        drop(self.changed.wait_timeout_while(queue, longest, |queue| queue.threads > 0));
    }
}

// --- Guests -----------------------------------------------------------------

/// Counts a guest of the background.
struct Counted(Arc<Background>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, SeqCst);
    }
}

/// A guest's work, wherever it runs. Dropping it ends the guest: at once, or if it is
/// running in the background, after its slice.
pub struct Fair<T> {
    place: Place<T>,
    program: usize,
    background: Arc<Background>,
    used: Used,
}

enum Place<T> {
    Foreground(Pin<Box<dyn Future<Output = T> + Send>>),
    Background(Arc<Task>, oneshot::Receiver<std::thread::Result<T>>),
    Over,
}

/// What a guest has used on the runtime's threads. It is measured from when it first
/// gave way, or where others compute for long too.
struct Used {
    is_measured: bool,
    time: Duration,
    last: Option<Instant>,
}

impl Used {
    fn before(&mut self, others: bool) -> Option<Duration> {
        self.is_measured |= others;
        if !self.is_measured {
            return None;
        }
        if self.last.is_some_and(|last| last.elapsed() > self.time * FORGIVEN) {
            self.time = Duration::ZERO;
        }
        Some(thread_time())
    }

    fn after(&mut self, before: Option<Duration>) {
        if let Some(before) = before {
            self.time += thread_time().saturating_sub(before);
            self.last = Some(Instant::now());
        }
    }
}

impl<T: Send + 'static> Fair<T> {
    /// program: whose guests take turns with those of others.
    pub fn new(
        background: &Arc<Background>,
        program: usize,
        work: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Fair<T> {
        Fair {
            place: Place::Foreground(work),
            program,
            background: background.clone(),
            used: Used { is_measured: false, time: Duration::ZERO, last: None },
        }
    }

    /// End it, and wait until it has ended.
    pub async fn cancel(mut self) {
        if let Place::Background(task, ended) = std::mem::replace(&mut self.place, Place::Over) {
            task.cancel();
            let _ = ended.await;
        }
    }

    fn poll_foreground(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let Place::Foreground(work) = &mut self.place else {
            return Poll::Pending;
        };
        let before = self.used.before(self.background.is_used());
        BEGUN.set(Some(TICKS.load(SeqCst)));
        GAVE_WAY.set(false);
        ASKED.set(false);
        let polled = work.as_mut().poll(context);
        BEGUN.set(None);
        self.used.after(before);
        if polled.is_ready() {
            self.place = Place::Over;
        } else if ASKED.get() {
            self.move_to_background();
        } else if GAVE_WAY.get() {
            self.used.is_measured = true;
            if self.used.time >= FOREGROUND {
                self.move_to_background();
            }
        }
        polled
    }

    fn move_to_background(&mut self) {
        let Place::Foreground(work) = std::mem::replace(&mut self.place, Place::Over) else {
            return;
        };
        let (sender, receiver) = oneshot::channel();
        self.background.guests.fetch_add(1, SeqCst);
        let counted = Counted(self.background.clone());
        let work = async move {
            let _counted = counted;
            let _ = sender.send(CatchUnwind::pinned(work).await);
        };
        let task = Arc::new(Task {
            work: Mutex::new(Some(Box::pin(work))),
            state: AtomicU8::new(QUEUED),
            cancelled: AtomicBool::new(false),
            program: self.program,
            background: Arc::downgrade(&self.background),
        });
        self.place = Place::Background(task.clone(), receiver);
        self.background.push(task);
    }
}

impl<T: Send + 'static> Future for Fair<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if let Poll::Ready(output) = this.poll_foreground(context) {
            return Poll::Ready(output);
        }
        let Place::Background(_, receiver) = &mut this.place else {
            return Poll::Pending;
        };
        match Pin::new(receiver).poll(context) {
            Poll::Ready(Ok(ended)) => {
                this.place = Place::Over;
                match ended {
                    Ok(output) => Poll::Ready(output),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            // The engine ends.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for Fair<T> {
    fn drop(&mut self) {
        if let Place::Background(task, _) = &self.place {
            task.cancel();
        }
    }
}
