//! As much of HTTP/1.1 as the load generator and its servers speak, without input or output of its own.

mod head;
mod reader;

pub use head::{Framing, Head, HttpError, Start};
pub use reader::{Filled, Message, Reader};
