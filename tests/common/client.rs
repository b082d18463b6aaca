//! One connection to a server, said on it exactly what a test wants said. Shared by all tests that speak HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    pub(crate) buffer: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Client {
    /// Connects; a test that waits for what never comes fails instead of hanging.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends `METHOD /path` with `Host: localhost`, further header lines and a body, and reads the answer.
    pub(crate) fn exchange(&mut self, line: &str, headers: &[&str], body: impl AsRef<[u8]>) -> io::Result<Answer> {
        let body = body.as_ref();
        let mut text = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        self.stream.write_all(&[text.as_bytes(), body].concat())?;
        let mut answer = self.read_head()?;
        if !line.starts_with("HEAD") {
            self.read_body(&mut answer)?;
        }
        Ok(answer)
    }

    /// Reads an answer without its body.
    pub(crate) fn read_head(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill_some()?;
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).map_err(|_| broken("the head is not UTF-8"))?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.map(|line| line.split_once(": ").ok_or_else(|| broken("a header has no colon")));
        let headers = headers.map(|pair| pair.map(|(name, value)| (name.to_lowercase(), value.to_owned())));
        Ok(Answer {
            status: status.ok_or_else(|| broken("there is no status"))?,
            headers: headers.collect::<io::Result<_>>()?,
            body: Vec::new(),
        })
    }

    /// Reads the body that belongs to a head.
    pub(crate) fn read_body(&mut self, answer: &mut Answer) -> io::Result<()> {
        let announced = answer.header("content-length");
        let length = announced.map_or(Ok(0), |length| length.parse().map_err(|_| broken("no length")))?;
        while self.buffer.len() < length {
            self.fill_some()?;
        }
        answer.body = self.buffer.drain(..length).collect();
        Ok(())
    }

    fn fill_some(&mut self) -> io::Result<()> {
        let mut part = [0; 4_096];
        match self.stream.read(&mut part)? {
            0 => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the connection was closed without a whole answer",
            )),
            read => {
                self.buffer.extend_from_slice(&part[..read]);
                Ok(())
            }
        }
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
