//! One pass over a backup: everything is checked, down to whether each customer's events add up to a state.

use std::collections::HashSet;
use std::io::Read;

use super::format::{Counts, FormatError, Frame, FrameReader, Header};
use crate::clock::UnixMillis;
use crate::id::CustomerId;
use crate::journal::{Piece, Recovery, Space, read_record};
use crate::tenant::State;
use crate::tenant::audit::{AuditEntry, audit_sequence};
use crate::tenant::recovery::{Recovered, Recovering};
use crate::tenant::vault;

/// What a pass does with the customers that it reads. A customer may turn out not to count, then what came of it has to be dropped.
pub(super) trait Sink {
    /// Why it does not go on.
    type Error: From<FormatError>;

    /// Whether the customer that begins is to be read; the number counts all beginnings in the backup from 0.
    fn begins(&mut self, number: u64) -> bool;

    /// A row or record of the customer. Returns whether the row counts as part of the customer's state.
    ///
    /// # Errors
    /// Its own.
    fn piece(&mut self, customer: CustomerId, piece: &Piece) -> Result<bool, Self::Error>;

    /// The customer is whole.
    ///
    /// # Errors
    /// Its own.
    fn whole(&mut self, customer: Loaded) -> Result<(), Self::Error>;
}

/// A customer that was read.
pub(super) struct Loaded {
    pub(super) customer: CustomerId,
    pub(super) number: u64,
    pub(super) folded: u64,
    pub(super) state: Box<State>,
}

/// A customer that is being read.
struct Loading {
    customer: CustomerId,
    number: u64,
    folded: u64,
    last: u64,
    read_up_to: u64,
    rows: u64,
    is_wanted: bool,
    replay: Recovering<fn(Recovered)>,
    /// What was read of it makes no sense. That is nobody's fault if it is abandoned: a fold came between, and it was read in half.
    fault: Option<FormatError>,
}

/// Reads a whole backup.
///
/// # Errors
/// [`FormatError`] for what is wrong with the backup, or the sink's.
pub(super) fn load<S: Sink>(backup: impl Read, sink: &mut S) -> Result<(Header, Counts), S::Error> {
    let mut frames = FrameReader::begin(backup)?;
    let (at, first) = frames.next_frame()?;
    let Frame::Header(header) = first else {
        return Err(damaged(at, "it does not begin with a header".to_owned()).into());
    };
    let mut pass = Pass::default();
    loop {
        let (at, frame) = frames.next_frame()?;
        if let Frame::End(counts, _) = frame {
            pass.check_end(counts).map_err(|what| damaged(at, what))?;
            return Ok((header, counts));
        }
        pass.frame(at, frame, sink)?;
    }
}

fn damaged(at: u64, what: String) -> FormatError {
    FormatError::Damaged { at, what }
}

#[derive(Default)]
struct Pass {
    loading: Option<Loading>,
    begun: u64,
    counts: Counts,
    known: HashSet<CustomerId>,
}

impl Pass {
    fn check_end(&self, counts: Counts) -> Result<(), String> {
        match &self.loading {
            Some(loading) => Err(format!("customer {} has no end", loading.customer)),
            None if counts != self.counts => Err("it counts something else than what it ends".to_owned()),
            None => Ok(()),
        }
    }

    fn frame<S: Sink>(&mut self, at: u64, frame: Frame, sink: &mut S) -> Result<(), S::Error> {
        let wrong = |what: &str| damaged(at, what.to_owned());
        match (frame, self.loading.take()) {
            (Frame::Customer { customer, folded, last }, None) => {
                if self.known.contains(&customer) {
                    return Err(wrong("a customer comes twice").into());
                }
                let number = self.begun;
                self.begun += 1;
                self.loading = Some(Loading {
                    customer,
                    number,
                    folded,
                    last,
                    read_up_to: folded,
                    rows: 0,
                    is_wanted: sink.begins(number),
                    fault: None,
                    replay: Recovering::new(customer, UnixMillis::default(), false, usize::MAX, drop::<Recovered>),
                });
            }
            (Frame::Piece(piece), Some(mut loading)) => {
                if loading.is_wanted {
                    let counts = sink.piece(loading.customer, &piece)?;
                    if loading.fault.is_none()
                        && let Err(what) = loading.take(&piece, counts)
                    {
                        let customer = loading.customer;
                        loading.fault = Some(damaged(at, format!("customer {customer}: {what}")));
                    }
                }
                self.loading = Some(loading);
            }
            (Frame::Abandoned, Some(_)) => {}
            (Frame::CustomerEnd { rows }, Some(mut loading)) => {
                if let Some(fault) = loading.fault.take() {
                    return Err(fault.into());
                }
                if loading.is_wanted && (rows != loading.rows || loading.read_up_to != loading.last) {
                    return Err(wrong("rows or events of a customer are missing").into());
                }
                self.counts.customers += 1;
                self.counts.rows += rows;
                self.counts.events += loading.last.saturating_sub(loading.folded);
                self.known.insert(loading.customer);
                if loading.is_wanted {
                    let whole = loading.end().map_err(|what| damaged(at, what))?;
                    sink.whole(whole)?;
                }
            }
            _ => return Err(wrong("it stands in the wrong place").into()),
        }
        Ok(())
    }
}

impl Loading {
    fn end(self) -> Result<Loaded, String> {
        let customer = self.customer;
        let state = self.replay.into_state();
        let state = state.map_err(|what| format!("customer {customer}: {what}"))?;
        if state.sequence() != self.last {
            let (known, last) = (state.sequence(), self.last);
            return Err(format!("customer {customer} ends at event {known} instead of {last}"));
        }
        Ok(Loaded {
            customer,
            number: self.number,
            folded: self.folded,
            state,
        })
    }

    fn take(&mut self, piece: &Piece, counts: bool) -> Result<(), String> {
        match piece {
            Piece::Row { space, key, value } => {
                self.rows += 1;
                match space {
                    Space::Row => self.replay.row(key, value),
                    Space::Vault if !vault::is_backed_up(key) => Err("it holds a private key".to_owned()),
                    Space::Vault if counts => self.replay.secret(key, value),
                    Space::Vault => Ok(()),
                    Space::Audit => match (audit_sequence(key), serde_json::from_slice::<AuditEntry>(value)) {
                        (Some(_), Ok(_)) => Ok(()),
                        _ => Err("an audit entry makes no sense".to_owned()),
                    },
                }
            }
            Piece::Record { last_sequence, value } => {
                let replay = &mut self.replay;
                let last = read_record(value, self.read_up_to, self.folded, |sequence, event| {
                    let told = |reason| format!("event {sequence}: {reason}");
                    replay.event(sequence, event).map_err(told)
                })?;
                if last != *last_sequence {
                    return Err(format!(
                        "a record that ends at {last} says that it ends at {last_sequence}"
                    ));
                }
                self.read_up_to = last;
                Ok(())
            }
        }
    }
}
