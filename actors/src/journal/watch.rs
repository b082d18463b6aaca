//! Watches that the store comes back from what it is asked: over a damaged tree of pages sled can run in a circle, and takes more memory
//! with each round. Nobody can stop a thread, so then the process has to end.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use super::shared::lock;

/// How many looks each thread's call has lasted for. Looks and not time: while the whole process is paused, nobody looks.
type Waiting = Arc<Mutex<HashMap<ThreadId, u32>>>;

/// How often to look within the limit.
const LOOKS: u32 = 4;

/// Watches until it is dropped.
pub(super) struct Watch {
    waiting: Waiting,
    _stop: Sender<()>,
}

impl Watch {
    /// Starts the thread that calls `give_up` when one call has lasted for `limit`, or up to a quarter longer.
    pub(super) fn start(limit: Duration, give_up: fn()) -> io::Result<Self> {
        let waiting = Waiting::default();
        let (stop, stopped) = channel();
        let watched = Arc::clone(&waiting);
        let watch = move || {
            while stopped.recv_timeout(limit / LOOKS) == Err(RecvTimeoutError::Timeout) {
                let mut watched = lock(&watched);
                watched.values_mut().for_each(|looks| *looks += 1);
                if watched.values().any(|looks| *looks > LOOKS) {
                    give_up();
                }
            }
        };
        std::thread::Builder::new().name("watch".to_owned()).spawn(watch)?;
        Ok(Self { waiting, _stop: stop })
    }

    /// Makes a call that is watched.
    pub(super) fn over<T>(&self, call: impl FnOnce() -> T) -> T {
        let _call = Call::begin(&self.waiting);
        call()
    }
}

/// A call on its way; it ends also by a panic.
struct Call<'a>(&'a Waiting);

impl<'a> Call<'a> {
    fn begin(waiting: &'a Waiting) -> Self {
        lock(waiting).insert(std::thread::current().id(), 0);
        Self(waiting)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        lock(self.0).remove(&std::thread::current().id());
    }
}

/// Ends the process: whatever was acknowledged is on disk.
pub(super) fn end_the_process() {
    tracing::error!(
        "the store does not come back from a call, as happens with a damaged one: the process ends; `countersign verify-store` tells more"
    );
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn a_call_that_does_not_come_back_is_given_up() {
        static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);
        fn count() {
            GIVEN_UP.fetch_add(1, Ordering::SeqCst);
        }
        let watch = Watch::start(SHORT, count).expect("a thread");
        watch.over(|| {
            while GIVEN_UP.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn calls_that_come_back_are_not_however_many() {
        let watch = Watch::start(Duration::from_secs(3_600), || panic!("nothing to give up")).expect("a thread");
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            watch.over(|| panic!("on purpose"));
        }));
        assert!(caught.is_err());
        assert_eq!(watch.over(|| lock(&watch.waiting).len()), 1);
        assert!(lock(&watch.waiting).is_empty());
    }
}
