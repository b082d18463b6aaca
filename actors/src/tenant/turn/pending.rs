//! Where an answer goes.

use tokio::sync::oneshot;

use crate::error::Failure;
use crate::permits::Permit;

/// Where an answer goes. One that is dropped unanswered says so itself.
pub(crate) struct Pending<R> {
    answer: Option<oneshot::Sender<Result<R, Failure>>>,
    /// Whether it has been handed to the journal.
    pub(super) appended: bool,
    /// Held until just before the answer leaves.
    permit: Option<Permit>,
}

impl<R> Pending<R> {
    pub(crate) fn new(permit: Permit) -> (Self, oneshot::Receiver<Result<R, Failure>>) {
        let (answer, answered) = oneshot::channel();
        (
            Self {
                answer: Some(answer),
                appended: false,
                permit: Some(permit),
            },
            answered,
        )
    }

    pub(crate) fn complete(mut self, result: Result<R, Failure>) {
        self.send(result);
    }

    fn send(&mut self, result: Result<R, Failure>) {
        // First, so that who calls again as soon as it is answered does not meet its own permit.
        drop(self.permit.take());
        if let Some(answer) = self.answer.take() {
            // A caller that has gone away needs no answer.
            let _ = answer.send(result);
        }
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        let failure = if self.appended {
            Failure::Indeterminate
        } else {
            Failure::Interrupted
        };
        self.send(Err(failure));
    }
}
