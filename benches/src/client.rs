//! One question at a time, blocking: for references, statistics and readiness, never for what is measured.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::http::{Filled, HttpError, Reader};
use crate::payload::Head;
use crate::target::Target;

/// Longest wait for any part of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("cannot talk to {host}: {source}")]
    Io { host: String, source: io::Error },
    #[error("what {host} answered is not HTTP: {source}")]
    Http { host: String, source: HttpError },
}

/// Status and body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub body: Vec<u8>,
}

/// GETs `path`, whatever path the target names.
pub fn get(target: &Target, path: &str) -> Result<Answered, AskError> {
    bodiless(target, "GET", path)
}

/// POSTs nothing to `path`, whatever path the target names.
pub fn post(target: &Target, path: &str) -> Result<Answered, AskError> {
    bodiless(target, "POST", path)
}

fn bodiless(target: &Target, method: &str, path: &str) -> Result<Answered, AskError> {
    let target = Target { path: None, ..target.clone() };
    let fields = ["connection: close".to_owned()];
    let head = Head { method, path, content_type: "", json_length: None, fields: &fields };
    ask(&target, &head.write(&target, 0))
}

/// Sends a whole request on a connection of its own.
pub fn ask(target: &Target, request: &[u8]) -> Result<Answered, AskError> {
    let io = |source| AskError::Io { host: target.host.clone(), source };
    let http = |source| AskError::Http { host: target.host.clone(), source };
    let mut socket = TcpStream::connect_timeout(&target.address, PATIENCE).map_err(io)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(io)?;
    socket.write_all(request).map_err(io)?;
    let mut reader = Reader::of_answers();
    loop {
        let ended = reader.fill(&mut OneRead(&socket)).map_err(io)? == Filled::Ended;
        if let Some(answer) = reader.next(ended).map_err(http)? {
            return Ok(Answered { status: answer.head.status(), body: answer.body.to_vec() });
        }
        if ended {
            return Err(http(HttpError::Truncated));
        }
    }
}

/// Reads at most less than a reader asks for, so that it does not block for more than has come.
struct OneRead<'a>(&'a TcpStream);

impl io::Read for OneRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().saturating_sub(1);
        match self.0.read(buffer.get_mut(..most).unwrap_or_default()) {
            // A read timeout shows as WouldBlock, which a reader takes for "nothing yet".
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            read => read,
        }
    }
}
