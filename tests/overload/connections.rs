//! Ten thousand connections that want everything and give nothing.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::Client;
use crate::{Customer, get, rounds, start};

const CONNECTIONS: usize = 10_000;
/// What the program may take for them, beside what it takes alone.
const KIB_PER_CONNECTION_MAX: usize = 64;
/// What the program takes alone: the store's cache among it.
const KIB_ALONE_MAX: usize = 192 * 1_024;

/// What a connection does.
#[derive(Clone, Copy)]
enum Habit {
    /// Nothing.
    Idle,
    /// Sends its head byte by byte.
    SlowHead,
    /// Sends its body byte by byte.
    SlowBody,
    /// Asks on and on, and never reads an answer.
    NeverReads,
    /// Sends as many requests at once as the system takes.
    Pipeline,
}

const HABITS: [Habit; 10] = [
    Habit::Idle,
    Habit::SlowHead,
    Habit::SlowBody,
    Habit::NeverReads,
    Habit::Idle,
    Habit::SlowHead,
    Habit::SlowBody,
    Habit::Pipeline,
    Habit::Idle,
    Habit::Idle,
];

struct Connection {
    stream: TcpStream,
    habit: Habit,
}

impl Connection {
    fn open(address: SocketAddr, habit: Habit, customer: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut connection = Self { stream, habit };
        match habit {
            Habit::Idle => {}
            Habit::SlowHead => connection.push(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Padding: "),
            Habit::SlowBody => {
                let head = "POST /tokens/introspect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
                let head = format!(
                    "{head}Authorization: Bearer {}\r\nContent-Length: 60000\r\n\r\n{{",
                    crate::ADMIN
                );
                connection.push(head.as_bytes());
            }
            Habit::NeverReads => {
                let request = format!("GET /keys/public/{customer} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                connection.push(request.repeat(200).as_bytes());
            }
            Habit::Pipeline => connection.push(
                "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    .repeat(20_000)
                    .as_bytes(),
            ),
        }
        connection
    }

    /// Sends what the system takes now; a server that has had enough may close.
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                // It would have to wait, or the server has closed.
                Err(_) => return,
            }
        }
    }

    fn go_on(&mut self) {
        match self.habit {
            Habit::Idle => {}
            Habit::SlowHead | Habit::SlowBody => self.push(b"x"),
            Habit::NeverReads | Habit::Pipeline => self.push(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        }
    }
}

/// Lets this process, and those that it starts, open as many files as it may.
fn raise_file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.map_or(usize::MAX, |limit| limit.try_into().unwrap())
}

/// The most memory that a process has had, in KiB.
fn high_water_kib(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_stays_bounded_under_ten_thousand_connections() {
    let files = raise_file_limit();
    let count = CONNECTIONS.min(files.saturating_sub(500));
    assert!(count >= 1_000, "only {files} files may be open");
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("AUTH_SERVER_HEADER_TIMEOUT_SECONDS", "300"),
        ("AUTH_SERVER_BODY_TIMEOUT_SECONDS", "300"),
        ("AUTH_SERVER_IDLE_TIMEOUT_SECONDS", "3600"),
    ];
    let program = start(&directory.path().join("data"), &settings);
    let address = program.address;
    let customer = Customer::new(address);
    let alone = high_water_kib(program.child.id());
    let mut connections: Vec<Connection> = HABITS
        .iter()
        .cycle()
        .take(count)
        .map(|habit| Connection::open(address, *habit, &customer.id))
        .collect();
    let mut client = Client::open(address).unwrap();
    for _ in 0..rounds() {
        connections.iter_mut().for_each(Connection::go_on);
        // Whoever behaves is served.
        assert_eq!(customer.mint_agent(&mut client).status, 200);
        assert_eq!(get(&mut client, crate::ADMIN, "/ready").status, 200);
    }
    let most = high_water_kib(program.child.id());
    println!("{alone} KiB alone, {most} KiB with {count} connections");
    assert!(alone <= KIB_ALONE_MAX, "{alone} KiB");
    assert!(most <= KIB_ALONE_MAX + count * KIB_PER_CONNECTION_MAX, "{most} KiB");
    drop(connections);
    let mut client = Client::open(address).unwrap();
    assert_eq!(customer.mint_agent(&mut client).status, 200, "and after it");
}

#[test]
fn connections_beyond_the_limit_wait_until_another_ends() {
    const LIMIT: usize = 4;
    /// Long enough for an answer, were one to come.
    const UNANSWERED: Duration = Duration::from_millis(500);
    let directory = tempfile::tempdir().unwrap();
    let limit = LIMIT.to_string();
    let settings = [
        ("AUTH_SERVER_WORKERS", "2"),
        ("AUTH_SERVER_CONNECTIONS_MAX", &limit),
        ("AUTH_SERVER_IDLE_TIMEOUT_SECONDS", "3600"),
    ];
    let program = start(&directory.path().join("data"), &settings);
    let ask = |client: &mut Client| client.exchange("GET /health", &[], "").map(|answer| answer.status);
    let mut served: Vec<Client> = (0..LIMIT).map(|_| Client::open(program.address).unwrap()).collect();
    for client in &mut served {
        assert_eq!(ask(client).unwrap(), 200);
    }
    // The system takes the connection; the program does not.
    let mut waiting = Client::open(program.address).unwrap();
    waiting.stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    assert!(ask(&mut waiting).is_err(), "one too many is served");
    // Its neighbours do not feel it.
    assert_eq!(ask(&mut served[0]).unwrap(), 200);
    served.pop();
    waiting.stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(waiting.read_head().unwrap().status, 200, "it was only put off");
}
