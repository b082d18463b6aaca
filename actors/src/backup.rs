//! Backups: all customers of a store as a stream, taken while it serves or while it is stopped, and read back into an empty directory.
//!
//! A customer in a backup is what it was after one of its events, and nothing of a later one. Customers are each at a moment of their
//! own: no rule spans two of them. Private keys are not in a backup, for a restoration revokes every key.
//!
//! - `format`: frames, checksums, the end
//! - [`restore`]: reading it back, and what has to be recorded before anybody is served

mod format;
mod loading;
pub mod restore;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

pub use format::{Counts, FormatError, Header};

use crate::clock::UnixMillis;
use crate::id::CustomerId;
use crate::journal::{Export, ExportError, Journal, OpenError, Piece, ReadError, Space, StoppedJournal};
use crate::limits::{EXPORT_ATTEMPTS_MAX, SCAN_ROWS_MAX};
use crate::tenant::{audit, vault};
use format::{Frame, FrameWriter};

/// Why a backup was not taken. What was written of it is of no use, and is refused when it is read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] crate::data_dir::DataDirError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store is damaged, or could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Where it is written to does not take it.
    #[error("the backup cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A customer was folded again and again while it was being read.
    #[error("customer {0} changes too fast to be read at one moment; try again")]
    Unsteady(CustomerId),
}

/// What a backup is taken of.
pub trait Source {
    /// The next customers behind this one, in the order of their ids.
    ///
    /// # Errors
    /// [`ReadError`]
    fn customers(&self, after: Option<CustomerId>) -> Result<Vec<CustomerId>, ReadError>;

    /// A customer, to be read at one moment; `None` if it is gone.
    ///
    /// # Errors
    /// [`ReadError`]
    fn customer(&self, customer: CustomerId) -> Result<Option<Export>, ReadError>;
}

impl Source for Journal {
    fn customers(&self, after: Option<CustomerId>) -> Result<Vec<CustomerId>, ReadError> {
        self.tenants(after, SCAN_ROWS_MAX)
    }

    fn customer(&self, customer: CustomerId) -> Result<Option<Export>, ReadError> {
        self.export(customer)
    }
}

impl Source for StoppedJournal {
    fn customers(&self, after: Option<CustomerId>) -> Result<Vec<CustomerId>, ReadError> {
        self.tenants(after, SCAN_ROWS_MAX)
    }

    fn customer(&self, customer: CustomerId) -> Result<Option<Export>, ReadError> {
        self.export(customer)
    }
}

/// Writes a backup. Keeps no more of it in memory than a page of rows; waits for the disk.
///
/// # Errors
/// [`BackupError`]
pub fn take(source: &impl Source, taken_at: UnixMillis, out: impl Write) -> Result<Counts, BackupError> {
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let mut taking = Taking {
        writer: FrameWriter::begin(out, Header { taken_at, program })?,
        counts: Counts::default(),
    };
    let mut after = None;
    loop {
        let customers = source.customers(after)?;
        let Some(last) = customers.last() else { break };
        after = Some(*last);
        for customer in customers {
            taking.customer(source, customer)?;
        }
    }
    let Taking { writer, counts } = taking;
    writer.finish(counts)?;
    Ok(counts)
}

struct Taking<W> {
    writer: FrameWriter<W>,
    counts: Counts,
}

impl<W: Write> Taking<W> {
    fn customer(&mut self, source: &impl Source, customer: CustomerId) -> Result<(), BackupError> {
        for _ in 0..EXPORT_ATTEMPTS_MAX {
            let Some(mut export) = source.customer(customer)? else {
                return Ok(());
            };
            let (folded, last) = (export.folded(), export.last());
            self.writer.frame(&Frame::Customer { customer, folded, last })?;
            match self.pieces(&mut export)? {
                Ok(rows) => {
                    self.writer.frame(&Frame::CustomerEnd { rows })?;
                    self.counts.customers += 1;
                    self.counts.rows += rows;
                    self.counts.events += last.saturating_sub(folded);
                    return Ok(());
                }
                Err(Unfit::Erased) => {
                    self.writer.frame(&Frame::Abandoned)?;
                    return Ok(());
                }
                Err(Unfit::Folded) => self.writer.frame(&Frame::Abandoned)?,
            }
        }
        Err(BackupError::Unsteady(customer))
    }

    /// Writes the rows and records; returns how many rows there were.
    fn pieces(&mut self, export: &mut Export) -> Result<Result<u64, Unfit>, BackupError> {
        let mut rows = 0;
        loop {
            let page = match export.next_page() {
                Ok(page) if page.is_empty() => return Ok(Ok(rows)),
                Ok(page) => page,
                Err(ExportError::Folded) => return Ok(Err(Unfit::Folded)),
                Err(ExportError::Erased) => return Ok(Err(Unfit::Erased)),
                Err(ExportError::Read(error)) => return Err(error.into()),
            };
            for piece in page {
                if let Piece::Row { space, key, value } = &piece {
                    let belongs = match space {
                        Space::Row => true,
                        Space::Vault => vault::is_backed_up(key),
                        Space::Audit => audit::is_part_of(export.last(), key, value),
                    };
                    if !belongs {
                        continue;
                    }
                    rows += 1;
                }
                self.writer.frame(&Frame::Piece(piece))?;
            }
        }
    }
}

/// Why what was read of a customer is of no use.
enum Unfit {
    Folded,
    Erased,
}

/// Takes a backup of a stopped store.
///
/// # Errors
/// [`BackupError`]; `Locked` while a service holds the directory.
pub fn take_stopped(data_dir: &std::path::Path, taken_at: UnixMillis, out: impl Write) -> Result<Counts, BackupError> {
    let data_dir = crate::data_dir::DataDir::lock_existing(data_dir)?;
    take(&StoppedJournal::open(data_dir)?, taken_at, out)
}
