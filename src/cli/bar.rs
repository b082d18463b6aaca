//! How far a long command has come, shown while standard error is a terminal.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts customers.
pub(super) fn customers(count: u64) -> ProgressBar {
    with_style(ProgressBar::new(count), "{wide_bar} {pos}/{len} customers")
}

/// A bar that counts bytes.
pub(super) fn bytes(count: u64) -> ProgressBar {
    with_style(ProgressBar::new(count), "{wide_bar} {bytes}/{total_bytes}")
}

fn with_style(bar: ProgressBar, template: &'static str) -> ProgressBar {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A file whose bytes are counted as they are read, and again when they are read again.
pub(super) struct Counted<'b, F> {
    file: F,
    bar: &'b ProgressBar,
}

impl<'b, F> Counted<'b, F> {
    pub(super) const fn new(file: F, bar: &'b ProgressBar) -> Self {
        Self { file, bar }
    }
}

impl<F: Read> Read for Counted<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

impl<F: Seek> Seek for Counted<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
