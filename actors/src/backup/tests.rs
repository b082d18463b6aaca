//! What a backup holds, and what is refused when it is read.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::format::{Frame, FrameReader, FrameWriter};
use super::restore::{RestoreError, check, restore};
use super::*;
use crate::clock::SystemClock;
use crate::journal::{Events, FaultyStore, OfflineWriter, Store};
use crate::tenant::audit::AuditEntry;
use crate::tenant::folding::rows::FoldedRow;

fn customer(number: u8) -> CustomerId {
    CustomerId::from_bytes([number; 16])
}

fn header() -> Header {
    Header {
        taken_at: UnixMillis::new(5),
        program: "test".to_owned(),
    }
}

/// A backup of these frames, with an end that counts them as they should be counted.
fn of_frames(frames: &[Frame], counts: Counts) -> Vec<u8> {
    let mut writer = FrameWriter::begin(Vec::new(), header()).unwrap();
    frames.iter().for_each(|frame| writer.frame(frame).unwrap());
    writer.finish(counts).unwrap()
}

fn suspended(sequence: u64) -> String {
    format!(r#"{{"at":{sequence},"event":{{"customer_suspended":{{}}}}}}"#)
}

/// A record of one event.
fn record(sequence: u64, event: &str) -> Frame {
    let event = event.as_bytes();
    let length = u32::try_from(event.len()).unwrap();
    let value = [
        &sequence.to_be_bytes()[..],
        &1_u32.to_be_bytes(),
        &length.to_be_bytes(),
        event,
    ];
    Frame::Piece(Piece::Record {
        last_sequence: sequence,
        value: value.concat(),
    })
}

fn begin(number: u8, last: u64) -> Frame {
    Frame::Customer {
        customer: customer(number),
        folded: 0,
        last,
    }
}

fn row(space: Space, key: &[u8], value: &[u8]) -> Frame {
    Frame::Piece(Piece::Row {
        space,
        key: key.to_vec(),
        value: value.to_vec(),
    })
}

const END: Frame = Frame::CustomerEnd { rows: 0 };

fn counts(customers: u64, rows: u64, events: u64) -> Counts {
    Counts {
        customers,
        rows,
        events,
    }
}

/// Restores into a fresh directory; when that is refused, nothing is there.
fn refused(bytes: &[u8]) -> String {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let error = restore(&data, None, &mut Cursor::new(bytes), &SystemClock).unwrap_err();
    assert!(matches!(error, RestoreError::Backup(_)), "{error}");
    assert!(!data.exists(), "nothing was written");
    error.to_string()
}

fn row_without_a_head() -> Frame {
    Frame::Piece(Piece::Row {
        space: Space::Row,
        key: FoldedRow::Key(1).key(),
        value: b"{}".to_vec(),
    })
}

#[test]
fn a_customer_that_was_abandoned_does_not_count() {
    let frames = [
        begin(1, 2),
        record(1, &suspended(1)),
        Frame::Abandoned,
        begin(1, 2),
        // A fold came between, so what was read does not fit together.
        row_without_a_head(),
        Frame::Abandoned,
        begin(1, 1),
        record(1, &suspended(1)),
        END,
        begin(2, 1),
        Frame::Abandoned,
    ];
    let bytes = of_frames(&frames, counts(1, 0, 1));
    assert_eq!(check(&mut bytes.as_slice()).unwrap(), (header(), counts(1, 0, 1)));
    let place = tempfile::tempdir().unwrap();
    let report = restore(place.path(), None, &mut Cursor::new(bytes), &SystemClock).unwrap();
    assert_eq!(report.customers.len(), 1);
    let journal = StoppedJournal::open(crate::data_dir::DataDir::lock(place.path()).unwrap()).unwrap();
    assert_eq!(journal.tenants(None, 9).unwrap(), [customer(1)]);
    let mut names = Vec::new();
    let visit = |_, event: &[u8]| {
        names.push(String::from_utf8(event.to_vec()).unwrap());
        Ok::<_, ReadError>(crate::journal::Visit::Next)
    };
    journal.events(customer(1), visit).unwrap();
    assert_eq!(names.len(), 2);
    let rows = journal.rows(customer(1), Space::Row, None).unwrap();
    assert!(rows.is_empty(), "what was abandoned is not written: {rows:?}");
    assert!(names[1].contains("customer_restored"), "{names:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let one = counts(1, 0, 1);
    let cases: [(&str, Vec<Frame>, Counts); 10] = [
        ("missing field", vec![begin(1, 1), record(1, "{}"), END], one),
        ("does not fit", vec![begin(1, 1), record(1, OF_NO_TOKEN), END], one),
        (
            "are missing",
            vec![begin(1, 2), record(1, &suspended(1)), END],
            counts(1, 0, 2),
        ),
        (
            "are missing",
            vec![begin(1, 0), Frame::CustomerEnd { rows: 1 }],
            counts(1, 1, 0),
        ),
        (
            "2 is next",
            vec![begin(1, 3), record(1, &suspended(1)), record(3, &suspended(3)), END],
            counts(1, 0, 3),
        ),
        (
            "private key",
            vec![
                begin(1, 0),
                row(Space::Vault, &[1; 17], b"x"),
                Frame::CustomerEnd { rows: 1 },
            ],
            counts(1, 1, 0),
        ),
        ("comes twice", vec![begin(1, 0), END, begin(1, 0), END], counts(2, 0, 0)),
        ("wrong place", vec![END], counts(0, 0, 0)),
        ("has no end", vec![begin(1, 0)], counts(0, 0, 0)),
        (
            "counts something else",
            vec![begin(1, 1), record(1, &suspended(1)), END],
            counts(2, 0, 1),
        ),
    ];
    for (expected, frames, counts) in cases {
        let told = refused(&of_frames(&frames, counts));
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

/// An event that is one, and does not fit a customer of whom nothing is known.
const OF_NO_TOKEN: &str = r#"{"at":1,"event":{"token_revoked":{"jti":"00000000-0000-0000-0000-000000000001"}}}"#;

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let frames = [begin(1, 1), record(1, &suspended(1)), END];
    let bytes = of_frames(&frames, counts(1, 0, 1));
    for at in 0..bytes.len() {
        for bit in [1_u8, 0x80] {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            assert!(check(&mut flipped.as_slice()).is_err(), "byte {at}");
        }
        assert!(check(&mut &bytes[..at]).is_err(), "cut after {at}");
    }
    // Whole frames lost, doubled or moved.
    let mut offsets = vec![12];
    let mut reader = FrameReader::begin(bytes.as_slice()).unwrap();
    while let Ok((at, frame)) = reader.next_frame() {
        offsets.push(usize::try_from(at).unwrap());
        if matches!(frame, Frame::End(..)) {
            break;
        }
    }
    offsets.dedup();
    for pair in offsets.windows(2) {
        let lost = [&bytes[..pair[0]], &bytes[pair[1]..]].concat();
        assert!(check(&mut lost.as_slice()).is_err(), "without the frame at {}", pair[0]);
        let doubled = [&bytes[..pair[1]], &bytes[pair[0]..]].concat();
        assert!(
            check(&mut doubled.as_slice()).is_err(),
            "with the frame at {} twice",
            pair[0]
        );
    }
}

/// The checksums of the frames are no proof: whoever changes one can make them anew, frame by frame.
#[test]
fn an_end_with_the_digest_of_something_else_is_refused() {
    let mut bytes = Vec::new();
    let mut writer = FrameWriter::begin(&mut bytes, header()).unwrap();
    for frame in [
        begin(1, 1),
        record(1, &suspended(1)),
        END,
        Frame::End(counts(1, 0, 1), [7; 32]),
    ] {
        writer.frame(&frame).unwrap();
    }
    let told = refused(&bytes);
    assert!(told.contains("digest"), "{told}");
}

/// A backup that is another one when it is read for the second time.
struct Changing {
    now: Cursor<Vec<u8>>,
    then: Vec<u8>,
}

impl Read for Changing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.now.read(buffer)
    }
}

impl Seek for Changing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.now = Cursor::new(std::mem::take(&mut self.then));
        self.now.seek(to)
    }
}

#[test]
fn a_backup_that_changes_while_it_is_restored_leaves_nothing_behind() {
    let one = [begin(1, 1), record(1, &suspended(1)), END];
    let two = [&one[..], &[begin(2, 1), record(1, &suspended(1)), END]].concat();
    let (one, two) = (of_frames(&one, counts(1, 0, 1)), of_frames(&two, counts(2, 0, 2)));
    let place = tempfile::tempdir().unwrap();
    let cut = two[..two.len() / 2].to_vec();
    for (first, then) in [(&one, two.clone()), (&two, one.clone()), (&two, cut)] {
        let mut backup = Changing {
            now: Cursor::new(first.clone()),
            then,
        };
        let error = restore(place.path(), None, &mut backup, &SystemClock).unwrap_err();
        assert!(matches!(error, RestoreError::Backup(_)), "{error}");
        let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    restore(place.path(), None, &mut Cursor::new(two), &SystemClock).unwrap();
}

fn audit_row(writer: &mut OfflineWriter, sequence: u64, action: &str) {
    let entry = AuditEntry {
        id: format!("aud_{sequence}_{action}"),
        at: UnixMillis::new(9),
        actor: "management".to_owned(),
        action: action.to_owned(),
        target: "it".to_owned(),
        reason: None,
        request_id: None,
        before: None,
        after: None,
    };
    let row = entry.row(sequence).unwrap();
    writer
        .row(customer(1), Space::Audit, &row.key, &row.value.unwrap())
        .unwrap();
}

/// The audit may run ahead of what is read of the events: what belongs to a later one is left out.
#[test]
fn private_keys_and_audit_entries_of_later_events_stay_out() {
    let store = FaultyStore::new();
    let journal = StoppedJournal::with_store(Arc::clone(&store) as Arc<dyn Store>).unwrap();
    let mut writer = journal.writer();
    writer.meta(customer(1), 0).unwrap();
    let mut events = Events::new();
    events.push(suspended(1).as_bytes());
    writer.events(customer(1), 1, &events).unwrap();
    writer
        .row(customer(1), Space::Vault, &[1; 17], b"a private key")
        .unwrap();
    writer.row(customer(1), Space::Vault, &[2], b"a secret").unwrap();
    audit_row(&mut writer, 1, "customer.suspended");
    audit_row(&mut writer, 2, "permission.denied");
    audit_row(&mut writer, 2, "customer.resumed");
    writer.commit().unwrap();
    let mut bytes = Vec::new();
    assert_eq!(take(&journal, UnixMillis::new(5), &mut bytes).unwrap(), counts(1, 3, 1));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("a secret") && !text.contains("a private key"));
    assert!(text.contains("customer.suspended") && text.contains("permission.denied"));
    assert!(!text.contains("customer.resumed"));
}
