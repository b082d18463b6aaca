//! The form of a backup: frames, each with a checksum that goes on from the one before, and an end that counts and digests them all.
//!
//! ```text
//! backup:   "csbackup" | version u32 | frame*
//! frame:    kind u8 | length u32 | payload | crc32 u32
//! header:   JSON
//! customer: id [16] | folded u64 | last u64
//! row:      space u8 | length u32 | key | value
//! record:   last sequence u64 | value
//! end of a customer: rows u64
//! abandoned: (the customer's frames before it do not count)
//! end:      customers u64 | rows u64 | events u64 | SHA-256 of all bytes before this frame
//! ```
//!
//! Numbers are big-endian. A checksum begins where the one before ended, so that no frame can be lost, doubled or moved unnoticed.

use std::io::{self, ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::crypto::digest::RunningSha256;
use crate::id::CustomerId;
use crate::journal::{Piece, Space};
use crate::limits::BACKUP_FRAME_BYTES_MAX;

const MAGIC: &[u8; 8] = b"csbackup";
/// The version that this program writes, and the only one it reads.
const VERSION: u32 = 1;

const HEADER: u8 = 1;
const CUSTOMER: u8 = 2;
const ROW: u8 = 3;
const RECORD: u8 = 4;
const CUSTOMER_END: u8 = 5;
const ABANDONED: u8 = 6;
const END: u8 = 7;

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file cannot be read.
    #[error("the backup cannot be read: {0}")]
    Io(io::Error),
    /// It is something else.
    #[error("this is no backup")]
    Foreign,
    /// Another version of the program wrote it.
    #[error("the backup has version {found}, this program reads version {VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
    /// It ends early.
    #[error("the backup is not whole: it ends after {at} bytes")]
    Truncated {
        /// Bytes up to the end.
        at: u64,
    },
    /// It is not what it was a moment ago.
    #[error("the backup was changed while it was being read")]
    Changed,
    /// It was changed, or written wrongly.
    #[error("the backup is damaged in the frame at byte {at}: {what}")]
    Damaged {
        /// Bytes before the frame.
        at: u64,
        /// What is wrong.
        what: String,
    },
}

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// When it was taken.
    pub taken_at: UnixMillis,
    /// The version of the program that took it.
    pub program: String,
}

/// How much a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Customers.
    pub customers: u64,
    /// Rows: folded state, sealed secrets, audit entries.
    pub rows: u64,
    /// Events.
    pub events: u64,
}

/// What follows in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Header(Header),
    Customer {
        customer: CustomerId,
        folded: u64,
        last: u64,
    },
    Piece(Piece),
    CustomerEnd {
        rows: u64,
    },
    Abandoned,
    End(Counts, [u8; 32]),
}

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Header(_) => HEADER,
            Self::Customer { .. } => CUSTOMER,
            Self::Piece(Piece::Row { .. }) => ROW,
            Self::Piece(Piece::Record { .. }) => RECORD,
            Self::CustomerEnd { .. } => CUSTOMER_END,
            Self::Abandoned => ABANDONED,
            Self::End(..) => END,
        }
    }

    fn write_payload(&self, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Header(header) => serde_json::to_writer(to, header)?,
            Self::Customer { customer, folded, last } => {
                to.extend_from_slice(customer.as_bytes());
                numbers(to, &[*folded, *last]);
            }
            Self::Piece(Piece::Row { space, key, value }) => {
                to.push(space.tag());
                to.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
                to.extend_from_slice(key);
                to.extend_from_slice(value);
            }
            Self::Piece(Piece::Record { last_sequence, value }) => {
                numbers(to, &[*last_sequence]);
                to.extend_from_slice(value);
            }
            Self::CustomerEnd { rows } => numbers(to, &[*rows]),
            Self::Abandoned => {}
            Self::End(counts, digest) => {
                numbers(to, &[counts.customers, counts.rows, counts.events]);
                to.extend_from_slice(digest);
            }
        }
        Ok(())
    }

    fn parse(kind: u8, payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
        let frame = match kind {
            HEADER => return serde_json::from_slice(payload).ok().map(Self::Header),
            CUSTOMER => Self::Customer {
                customer: CustomerId::from_bytes(take(&mut rest)?),
                folded: number(&mut rest)?,
                last: number(&mut rest)?,
            },
            ROW => {
                let [tag] = take(&mut rest)?;
                let length = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
                let (key, value) = rest.split_at_checked(length)?;
                let (key, value) = (key.to_vec(), value.to_vec());
                let space = Space::of_tag(tag)?;
                return Some(Self::Piece(Piece::Row { space, key, value }));
            }
            RECORD => {
                let last_sequence = number(&mut rest)?;
                let value = rest.to_vec();
                return Some(Self::Piece(Piece::Record { last_sequence, value }));
            }
            CUSTOMER_END => Self::CustomerEnd {
                rows: number(&mut rest)?,
            },
            ABANDONED => Self::Abandoned,
            END => {
                let (customers, rows, events) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
                let counts = Counts {
                    customers,
                    rows,
                    events,
                };
                Self::End(counts, take(&mut rest)?)
            }
            _ => return None,
        };
        rest.is_empty().then_some(frame)
    }
}

fn numbers(to: &mut Vec<u8>, numbers: &[u64]) {
    numbers
        .iter()
        .for_each(|number| to.extend_from_slice(&number.to_be_bytes()));
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

/// The bytes before a frame's payload.
fn head(kind: u8, length: u32) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [kind, a, b, c, d]
}

fn checksum(seed: u32, head: [u8; 5], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&head);
    hasher.update(payload);
    hasher.finalize()
}

/// Writes frames.
pub(super) struct FrameWriter<W> {
    out: W,
    checksum: u32,
    digest: RunningSha256,
    payload: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a backup.
    pub(super) fn begin(out: W, header: Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            checksum: 0,
            digest: RunningSha256::new(),
            payload: Vec::new(),
        };
        writer.put(MAGIC)?;
        writer.put(&VERSION.to_be_bytes())?;
        writer.frame(&Frame::Header(header))?;
        Ok(writer)
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        frame.write_payload(&mut payload)?;
        let length = u32::try_from(payload.len()).ok();
        let length = length.filter(|_| payload.len() <= BACKUP_FRAME_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other("a record is larger than a backup can hold"))?;
        let head = head(frame.kind(), length);
        self.checksum = checksum(self.checksum, head, &payload);
        self.put(&head)?;
        self.put(&payload)?;
        self.put(&self.checksum.to_be_bytes())?;
        payload.shrink_to(64 * 1024);
        self.payload = payload;
        Ok(())
    }

    /// Ends the backup; gives back where it was written to.
    pub(super) fn finish(mut self, counts: Counts) -> io::Result<W> {
        let digest = std::mem::take(&mut self.digest).finish();
        self.frame(&Frame::End(counts, digest))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads frames, and checks each before it is given out.
pub(super) struct FrameReader<R> {
    from: R,
    at: u64,
    checksum: u32,
    digest: RunningSha256,
}

impl<R: Read> FrameReader<R> {
    /// Begins to read a backup.
    pub(super) fn begin(from: R) -> Result<Self, FormatError> {
        let mut reader = Self {
            from,
            at: 0,
            checksum: 0,
            digest: RunningSha256::new(),
        };
        let mut magic = [0; MAGIC.len()];
        let mut version = [0; 4];
        if reader.fill(&mut magic).is_err() || magic != *MAGIC {
            return Err(FormatError::Foreign);
        }
        reader.fill(&mut version)?;
        match u32::from_be_bytes(version) {
            VERSION => Ok(reader),
            found => Err(FormatError::Version { found }),
        }
    }

    /// The next frame, with the number of bytes before it. The last one is [`Frame::End`]: by then all that came before is known to be
    /// whole, and that nothing follows.
    pub(super) fn next_frame(&mut self) -> Result<(u64, Frame), FormatError> {
        let at = self.at;
        let damaged = |what: &str| FormatError::Damaged {
            at,
            what: what.to_owned(),
        };
        let mut head = [0; 5];
        let before = self.digest.clone();
        self.fill(&mut head)?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > BACKUP_FRAME_BYTES_MAX {
            return Err(damaged("it is longer than a frame can be"));
        }
        let mut payload = vec![0; length];
        self.fill(&mut payload)?;
        let mut stored = [0; 4];
        self.fill(&mut stored)?;
        self.checksum = checksum(self.checksum, head, &payload);
        if self.checksum != u32::from_be_bytes(stored) {
            return Err(damaged("the checksum is wrong"));
        }
        let frame = Frame::parse(kind, &payload).ok_or_else(|| damaged("it makes no sense"))?;
        if let Frame::End(_, digest) = &frame {
            if *digest != before.finish() {
                return Err(damaged("the digest of all before it is wrong"));
            }
            if self.from.read(&mut [0]).map_err(FormatError::Io)? != 0 {
                return Err(damaged("something follows the end"));
            }
        }
        Ok((at, frame))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        let at = self.at;
        self.from.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => FormatError::Truncated { at },
            _ => FormatError::Io(error),
        })?;
        self.digest.update(buffer);
        self.at += buffer.len() as u64;
        Ok(())
    }
}
