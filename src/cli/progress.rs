//! A sign of life on standard error while something takes long; nothing at all where nobody looks.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::ProgressBar;

const TICK: Duration = Duration::from_millis(120);

/// Shown until it is dropped. Hidden unless standard error is a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Starts to show what is being done.
    pub(super) fn start(what: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Shows something else.
    pub(super) fn tell(&self, what: impl Into<Cow<'static, str>>) {
        self.0.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
