//! `listen.cors:` which web pages of other origins may call (Fetch standard, section 3.3).

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::tree::form::{Scalar, list};
use crate::tree::{Keys, Mistake};
use crate::units::duration;

/// Cross-Origin Resource Sharing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins, or one `*`.
    pub origins: Vec<String>,
    /// Request headers that scripts may set.
    pub headers: Vec<String>,
    /// How long a browser may remember a preflight. Default 10 min.
    pub max_age: Duration,
}

impl Cors {
    pub(crate) fn example() -> Self {
        Cors {
            origins: vec!["https://app.example.com".to_owned()],
            headers: ["authorization", "content-type", "x-api-key", "x-request-id"].map(str::to_owned).to_vec(),
            max_age: Duration::from_secs(600),
        }
    }

    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let cors = Cors {
            origins: keys.required("origins", list(Origin, String::new), from.origins, "Exact origins, or one *."),
            headers: keys.key("headers", list(HeaderName, String::new), from.headers, "Request headers that scripts may set."),
            max_age: keys.key("max_age", duration(Duration::ZERO), from.max_age, "How long a browser may remember a preflight."),
        };
        if cors.origins.is_empty() {
            keys.refuse("origins", Mistake::new("is empty", "name an origin, or leave cors out"));
        }
        if cors.origins.len() > 1 && cors.origins.iter().any(|origin| origin == "*") {
            keys.refuse("origins", Mistake::new("has * beside other origins", "* is all of them; keep it alone or leave it out"));
        }
        cors
    }
}

/// `*`, or an origin as browsers send it (RFC 6454, section 6.2): compared byte by byte, so nothing may follow the port.
struct Origin;

impl Scalar for Origin {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Mistake> {
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let exact = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_' | ':' | '[' | ']');
        match authority {
            Some(authority) if !authority.is_empty() && authority.chars().all(exact) => Ok(text.to_owned()),
            None if text == "*" => Ok(text.to_owned()),
            _ => Err(Mistake::new(
                "is not an origin",
                "write scheme, host and port in small letters, without a path: https://app.example.com, or *",
            )),
        }
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": r"^(\*|https?://[a-z0-9.\-_:\[\]]+)$" })
    }
}

/// A field name (RFC 9110, section 5.6.2), in small letters.
struct HeaderName;

impl Scalar for HeaderName {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Mistake> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if !text.is_empty() && text.chars().all(token) {
            return Ok(text.to_ascii_lowercase());
        }
        Err(Mistake::new("is not the name of a header", "write one name such as content-type"))
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": r"^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$" })
    }
}
