//! The head of a request or an answer, reduced to what this crate asks of it.

/// Fields in a head; Envoy and Forebay send fewer than twenty.
const FIELDS: usize = 64;

/// What came is not HTTP/1.1 as this crate reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("the head does not parse")]
    Head,
    #[error("content-length is not a number")]
    Length,
    #[error("a chunk of the body does not parse")]
    Chunk,
    #[error("the connection ended within a message")]
    Truncated,
    #[error("the message is larger than allowed")]
    TooLarge,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Request { method: String, path: String },
    Answer { status: u16 },
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(usize),
    Chunked,
    /// An answer without length ends with its connection.
    UntilClose,
}

/// One parsed head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub start: Start,
    pub framing: Framing,
    /// Whether another message may follow on this connection.
    pub keep_alive: bool,
    /// Bytes of JSON before the tensors (`inference-header-content-length` of the binary tensor extension).
    pub json_length: Option<usize>,
    pub request_id: Option<String>,
}

impl Head {
    /// Status of an answer; 0 for a request.
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Answer { status } => status,
            Start::Request { .. } => 0,
        }
    }

    /// Reads the head of a request from the start of `bytes`; `None` while it is incomplete. Returns its length too.
    pub fn request(bytes: &[u8]) -> Result<Option<(Head, usize)>, HttpError> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(length) = request.parse(bytes).map_err(|_| HttpError::Head)? else { return Ok(None) };
        let (method, path) = (request.method.unwrap_or("").to_owned(), request.path.unwrap_or("").to_owned());
        let head = Head::new(Start::Request { method, path }, Framing::Length(0), request.version, request.headers)?;
        Ok(Some((head, length)))
    }

    /// Reads the head of an answer from the start of `bytes`; `None` while it is incomplete. Returns its length too.
    pub fn answer(bytes: &[u8]) -> Result<Option<(Head, usize)>, HttpError> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = answer.parse(bytes).map_err(|_| HttpError::Head)? else { return Ok(None) };
        let status = answer.code.unwrap_or(0);
        // RFC 9112, section 6.3: these never have a body, whatever their fields say.
        let bodiless = status / 100 == 1 || status == 204 || status == 304;
        let mut head = Head::new(Start::Answer { status }, Framing::UntilClose, answer.version, answer.headers)?;
        if bodiless {
            head.framing = Framing::Length(0);
        }
        head.keep_alive &= head.framing != Framing::UntilClose;
        Ok(Some((head, length)))
    }

    fn new(start: Start, unframed: Framing, version: Option<u8>, fields: &[httparse::Header<'_>]) -> Result<Head, HttpError> {
        let mut head = Head { start, framing: unframed, keep_alive: version == Some(1), json_length: None, request_id: None };
        for field in fields {
            head.take(field.name, field.value)?;
        }
        Ok(head)
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), HttpError> {
        let number = || std::str::from_utf8(value).ok().and_then(|v| v.trim().parse().ok()).ok_or(HttpError::Length);
        let says = |word: &str| value.to_ascii_lowercase().windows(word.len()).any(|w| w == word.as_bytes());
        if name.eq_ignore_ascii_case("content-length") {
            // RFC 9112, section 6.3: chunked wins over a length.
            if self.framing != Framing::Chunked {
                self.framing = Framing::Length(number()?);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if says("chunked") {
                self.framing = Framing::Chunked;
            }
        } else if name.eq_ignore_ascii_case("connection") {
            self.keep_alive = if says("close") { false } else { self.keep_alive || says("keep-alive") };
        } else if name.eq_ignore_ascii_case("inference-header-content-length") {
            self.json_length = Some(number()?);
        } else if name.eq_ignore_ascii_case("x-request-id") {
            self.request_id = Some(String::from_utf8_lossy(value).into_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Head {
        Head::answer(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn framing_follows_the_standard() {
        assert_eq!(answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").framing, Framing::Length(5));
        assert_eq!(answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: Chunked\r\n\r\n").framing, Framing::Chunked);
        assert_eq!(answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n").framing, Framing::Chunked);
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n").framing, Framing::Length(0));
        let unframed = answer("HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!((unframed.framing, unframed.keep_alive), (Framing::UntilClose, false));
    }

    #[test]
    fn connections_are_kept_unless_told_otherwise() {
        assert!(answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").keep_alive);
        assert!(!answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: Close\r\n\r\n").keep_alive);
        assert!(!answer("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").keep_alive);
    }

    #[test]
    fn a_head_that_is_not_all_there_is_waited_for() {
        assert_eq!(Head::request(b"POST /x HTTP/1.1\r\nhost: a\r\n"), Ok(None));
        assert_eq!(Head::request(b"\0\0\r\n\r\n"), Err(HttpError::Head));
    }
}
