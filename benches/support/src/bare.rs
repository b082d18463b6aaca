//! What bounds everything else, measured alone.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_actors::crypto::keys::SigningKey;

use crate::latency::Latencies;

/// How long each is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Bytes of what an agent token's signature covers, about.
const SIGNED_BYTES: usize = 700;
/// Bytes and times that are written and synced.
const SYNCED_BYTES: usize = 4_096;
const SYNCS: usize = 400;

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// ES256 signatures with a kept key that one core makes in a second.
pub fn signatures_per_second() -> f64 {
    let (key, _) = SigningKey::generate().expect("a key");
    let message = [b'x'; SIGNED_BYTES];
    per_second(|| {
        black_box(key.sign(&message).expect("a signature"));
    })
}

/// ES256 signatures that one core verifies in a second.
pub fn verifications_per_second() -> f64 {
    let (key, public) = SigningKey::generate().expect("a key");
    let public = public.verifying().expect("a key");
    let message = [b'x'; SIGNED_BYTES];
    let signature = key.sign(&message).expect("a signature");
    per_second(|| assert!(black_box(public.verify(&message, &signature))))
}

fn per_second(mut once: impl FnMut()) -> f64 {
    let (mut done, started) = (0_u32, Instant::now());
    while started.elapsed() < MEASURED {
        for _ in 0..100 {
            once();
        }
        done += 100;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// `fdatasync` of 4 KiB that were appended to a file in this directory.
pub fn syncs(directory: &Path) -> Latencies {
    let path = directory.join("bare");
    let mut file = File::create(&path).expect("a file");
    let once = |_| {
        file.write_all(&[7; SYNCED_BYTES]).expect("written");
        let started = Instant::now();
        file.sync_data().expect("synced");
        started.elapsed()
    };
    let latencies = (0..SYNCS).map(once).collect();
    std::fs::remove_file(&path).expect("removed");
    latencies
}
