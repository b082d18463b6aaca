//! Requests over kept connections (HTTP/1.1), from one thread or from a few.
//!
//! [`Flood`] keeps every connection busy: the next request leaves as soon as the last one is answered, so it measures throughput.
//! [`paced`] follows a schedule, whatever comes back: a latency counts from the moment at which the request was to leave, so that a
//! server that stalls is charged for everyone who would have come meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::latency::Latencies;
use crate::process::Served;

/// Room for an answer.
const ANSWER_BYTES: usize = 16 * 1024;
/// Connections of a paced load: as many as ever wait at one time.
const PACED_CONNECTIONS: u32 = 32;

/// Writes the next request, head and body, into an empty buffer. Called from several threads.
pub type Requests = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests that were answered with 200.
    pub done: u64,
    /// Requests that were answered otherwise.
    pub refused: u64,
    /// Time that was measured.
    pub seconds: f64,
    /// Processor time that the server used meanwhile.
    pub used: Duration,
    /// Times of the requests that were answered with 200.
    pub latencies: Latencies,
}

impl Outcome {
    /// Requests that were answered with 200 in a second.
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
    pub fn per_second(&self) -> f64 {
        self.done as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Microseconds of processor time that the server used for one request, whatever its answer.
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
    pub fn processor_micros(&self) -> f64 {
        self.used.as_secs_f64() * 1e6 / (self.done + self.refused).max(1) as f64
    }

    /// Adds another part of the same load: a later one, or that of another connection at the same time.
    fn merge(&mut self, other: &Self) {
        self.used += other.used;
        self.done += other.done;
        self.refused += other.refused;
        self.latencies.add(&other.latencies);
    }

    /// Adds a later run.
    pub fn add(&mut self, later: &Self) {
        self.merge(later);
        self.seconds += later.seconds;
    }

    fn note(&mut self, status: u16, took: Duration) {
        if status == 200 {
            self.done += 1;
            self.latencies.record(took);
        } else {
            self.refused += 1;
        }
    }
}

/// The text of a request with a JSON body.
pub fn post(buffer: &mut Vec<u8>, path: &str, body: &str) {
    let length = body.len();
    write!(
        buffer,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("memory");
}

/// The same requests over and over, in turn.
pub fn in_turn(requests: Vec<Vec<u8>>) -> Requests {
    let next = AtomicU64::new(0);
    Arc::new(move |buffer| {
        let turn = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        buffer.extend_from_slice(requests.get(turn % requests.len()).expect("a request"));
    })
}

/// Where the answer that begins here ends, once its head is there, and its status.
fn answer_end(bytes: &[u8]) -> Option<(usize, u16)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let is_length = |line: &&str| line.len() > 15 && line.as_bytes()[..15].eq_ignore_ascii_case(b"content-length:");
    let length: usize = text.split("\r\n").find(is_length)?[15..].trim().parse().ok()?;
    Some((head + 4 + length, status))
}

impl Served {
    /// Keeps `connections` busy from a thread of its own for `warm_up`, then for `measured`, and tells of the latter.
    pub fn busy(&self, connections: usize, requests: &Requests, warm_up: Duration, measured: Duration) -> Outcome {
        let flood = Flood::begin(self.address, connections, requests);
        std::thread::sleep(warm_up);
        let used = self.process().processor_time();
        let outcome = flood.measure(measured);
        Outcome {
            used: self.process().processor_time().saturating_sub(used),
            ..outcome
        }
    }
}

/// A closed load that runs until it is dropped.
pub struct Flood {
    measuring: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Outcome>>,
}

impl Flood {
    /// Connects and begins.
    pub fn begin(address: SocketAddr, connections: usize, requests: &Requests) -> Self {
        let (measuring, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags = (Arc::clone(&measuring), Arc::clone(&stop));
        let requests = Arc::clone(requests);
        let body = move || run(address, connections, &requests, &flags);
        Self {
            measuring,
            stop,
            thread: Some(std::thread::spawn(body)),
        }
    }

    /// Tells what is done from now on for this long, and ends.
    pub fn measure(mut self, measured: Duration) -> Outcome {
        self.measuring.store(true, Ordering::Relaxed);
        let started = Instant::now();
        std::thread::sleep(measured);
        let seconds = started.elapsed().as_secs_f64();
        self.measuring.store(false, Ordering::Relaxed);
        Outcome {
            seconds,
            ..self.end().unwrap_or_default()
        }
    }

    fn end(&mut self) -> Option<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        Some(self.thread.take()?.join().expect("the load ran to its end"))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.end();
    }
}

type Flags = (Arc<AtomicBool>, Arc<AtomicBool>);

fn run(address: SocketAddr, connections: usize, requests: &Requests, flags: &Flags) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..connections {
            callers.spawn(busy(address, Arc::clone(requests), flags.clone()));
        }
        let mut outcome = Outcome::default();
        for part in callers.join_all().await {
            outcome.merge(&part);
        }
        outcome
    })
}

async fn busy(address: SocketAddr, requests: Requests, (measuring, stop): Flags) -> Outcome {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let (mut request, mut answer) = (Vec::new(), Vec::with_capacity(ANSWER_BYTES));
    let mut outcome = Outcome::default();
    while !stop.load(Ordering::Relaxed) {
        request.clear();
        requests(&mut request);
        let started = Instant::now();
        stream.write_all(&request).await.expect("sent");
        answer.clear();
        let status = loop {
            assert_ne!(stream.read_buf(&mut answer).await.expect("an answer"), 0, "kept open");
            match answer_end(&answer) {
                Some((end, status)) if answer.len() >= end => break status,
                _ => {}
            }
        };
        if measuring.load(Ordering::Relaxed) {
            outcome.note(status, started.elapsed());
        }
    }
    outcome
}

/// Sends `per_second` requests a second for `measured`, evenly, from threads that wait for their turn.
pub fn paced(address: SocketAddr, per_second: u32, requests: &Requests, measured: Duration) -> Outcome {
    let started = Instant::now() + Duration::from_millis(20);
    let gap = Duration::from_secs(1) / per_second;
    let threads: Vec<_> = (0..PACED_CONNECTIONS)
        .map(|number| {
            let requests = Arc::clone(requests);
            let schedule = move |turn: u32| {
                let due = gap * (number + turn * PACED_CONNECTIONS);
                (due < measured).then(|| started + due)
            };
            std::thread::spawn(move || scheduled(address, &requests, schedule))
        })
        .collect();
    let mut outcome = Outcome {
        seconds: measured.as_secs_f64(),
        ..Outcome::default()
    };
    for thread in threads {
        outcome.merge(&thread.join().expect("the load ran to its end"));
    }
    outcome
}

fn scheduled(address: SocketAddr, requests: &Requests, schedule: impl Fn(u32) -> Option<Instant>) -> Outcome {
    let mut connection = Connection::open(address);
    let (mut outcome, mut turn) = (Outcome::default(), 0);
    while let Some(due) = schedule(turn) {
        turn += 1;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = connection.exchange(|request| requests(request));
        outcome.note(status, due.elapsed());
    }
    outcome
}

/// One kept connection of a thread that waits for its answers.
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            request: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// Sends what `write` puts into the buffer and gives the answer's status.
    pub fn exchange(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u16 {
        self.request.clear();
        write(&mut self.request);
        self.stream.write_all(&self.request).expect("sent");
        self.answer.clear();
        let mut part = [0; ANSWER_BYTES];
        loop {
            let read = self.stream.read(&mut part).expect("an answer");
            assert_ne!(read, 0, "kept open");
            self.answer.extend_from_slice(part.get(..read).unwrap_or_default());
            match answer_end(&self.answer) {
                Some((end, status)) if self.answer.len() >= end => return status,
                _ => {}
            }
        }
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        let head = self.answer.windows(4).position(|window| window == b"\r\n\r\n");
        head.and_then(|end| self.answer.get(end + 4..)).unwrap_or_default()
    }
}
