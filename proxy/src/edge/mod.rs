//! Connections of clients: accepted, counted, guarded, told apart as HTTP/1.1 or HTTP/2, and served request by request.

mod chunks;
mod connection;
mod count;
mod farewell;
mod guard;
mod head;
mod http1;
mod http2;
mod left;
mod listener;
mod phase;
mod seam;
mod socket;

pub(crate) use chunks::BadChunk;
pub(crate) use connection::Connection;
pub(crate) use count::Connections;
pub(crate) use head::check as check_head;
pub(crate) use left::{broken, left, poll_again};
pub(crate) use listener::{Edge, accept};
pub(crate) use socket::{Listener, Socket};
