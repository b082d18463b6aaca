use proptest::prelude::*;

use super::*;

type Stored = Vec<(Vec<u8>, Vec<u8>)>;

fn stored(value: &[u8]) -> Stored {
    let mut batch = WriteBatch::default();
    put_chunks(&mut batch, &mut Vec::new(), b"row", value);
    batch
        .changes()
        .map(|(key, value)| (key.to_vec(), value.unwrap().to_vec()))
        .collect()
}

/// Reads one row back from its chunks.
fn read(chunks: &Stored) -> Result<Vec<u8>, Damage> {
    let mut assembler = Assembler::default();
    let mut row = None;
    for (key, value) in chunks {
        if let Some(whole) = assembler.push(key, value)? {
            assert_eq!((whole.key, row), (b"row".as_slice(), None));
            row = Some(whole.value.to_vec());
        }
    }
    assembler.finish()?;
    row.ok_or(Damage::TooShort)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| u8::try_from(index * 31 % 251).unwrap())
        .collect()
}

#[test]
fn every_length_at_the_edge_of_a_chunk_is_read_back() {
    let two = FIRST_MAX + CONTINUATION_MAX;
    let edges = [
        0,
        1,
        FIRST_MAX - 1,
        FIRST_MAX,
        FIRST_MAX + 1,
        4_095,
        4_096,
        4_097,
        two - 1,
        two,
        two + 1,
        100_000,
    ];
    for length in edges {
        let chunks = stored(&bytes(length));
        assert_eq!(chunks.len(), chunks_of(length), "{length}");
        assert!(
            chunks.iter().all(|(_, value)| value.len() <= CHUNK_BYTES_MAX),
            "{length}"
        );
        assert_eq!(read(&chunks), Ok(bytes(length)));
    }
}

#[test]
fn every_flipped_bit_of_a_value_is_noticed() {
    for length in [0, 1, 40, 4_097] {
        let chunks = stored(&bytes(length));
        for chunk in 0..chunks.len() {
            for bit in 0..chunks[chunk].1.len() * 8 {
                let mut damaged = chunks.clone();
                damaged[chunk].1[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&damaged).is_err(), "bit {bit} of chunk {chunk} of {length}");
            }
        }
    }
}

#[test]
fn every_truncation_of_a_value_is_noticed() {
    for length in [0, 1, 40, 4_097, 9_000] {
        let chunks = stored(&bytes(length));
        for chunk in 0..chunks.len() {
            for left in 0..chunks[chunk].1.len() {
                let mut damaged = chunks.clone();
                damaged[chunk].1.truncate(left);
                assert!(read(&damaged).is_err(), "{left} bytes of chunk {chunk} of {length}");
            }
            let mut lost = chunks.clone();
            lost.remove(chunk);
            assert!(read(&lost).is_err(), "chunk {chunk} of {length} lost");
        }
    }
}

#[test]
fn chunks_of_two_writes_do_not_pass_for_one_value() {
    let (old, new) = (stored(&[1; 9_000]), stored(&[2; 9_000]));
    let mixed = vec![new[0].clone(), old[1].clone(), new[2].clone()];
    assert_eq!(read(&mixed), Err(Damage::Checksum));
}

#[test]
fn a_value_under_another_key_is_noticed() {
    let mut chunks = stored(b"value");
    chunks[0].0 = b"raw\0\0".to_vec();
    assert_eq!(read(&chunks), Err(Damage::Checksum));
    let mut batch = WriteBatch::default();
    put_sealed(&mut batch, b"key", b"value");
    let (_, value) = batch.changes().next().unwrap();
    assert_eq!(open_sealed(b"key", value.unwrap()), Ok(b"value".as_slice()));
    assert_eq!(open_sealed(b"kez", value.unwrap()), Err(Damage::Checksum));
}

#[test]
fn a_later_version_is_named() {
    let mut chunks = stored(b"value");
    chunks[0].1[0] = 2;
    assert_eq!(read(&chunks), Err(Damage::Version(2)));
}

#[test]
fn a_record_without_events_or_with_the_wrong_count_is_refused() {
    assert_eq!(Record::parse(&record_header(1, 0)).unwrap_err(), Damage::Events);
    let mut value = record_header(1, 2).to_vec();
    value.extend_from_slice(Events::one(b"only one").bytes());
    assert_eq!(Record::parse(&value).unwrap_err(), Damage::Events);
    let mut value = record_header(u64::MAX, 2).to_vec();
    value.extend_from_slice(Events::one(b"a").bytes());
    value.extend_from_slice(Events::one(b"b").bytes());
    assert_eq!(Record::parse(&value).unwrap_err(), Damage::Events);
}

proptest! {
    #[test]
    fn events_are_read_back_with_their_sequence(
        first in 1_u64..1_000_000,
        list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 1..30),
    ) {
        let mut events = Events::new();
        for event in &list {
            events.push(event);
        }
        let mut value = record_header(first, events.len()).to_vec();
        value.extend_from_slice(events.bytes());
        let value = read(&stored(&value)).unwrap();
        let record = Record::parse(&value).unwrap();
        prop_assert_eq!(record.last_sequence, first + list.len() as u64 - 1);
        let read: Vec<_> = record.events().map(|(sequence, event)| (sequence, event.to_vec())).collect();
        let written: Vec<_> = (first..).zip(list).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn what_is_no_record_is_refused_or_read_whole(value in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(record) = Record::parse(&value) {
            prop_assert_eq!(record.events().count() as u64, record.last_sequence - record.first_sequence + 1);
        }
    }

    #[test]
    fn any_value_is_read_back(value in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        prop_assert_eq!(read(&stored(&value)), Ok(value));
    }
}
