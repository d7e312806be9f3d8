//! Waits for many sockets at once, with a timeout that is exact to microseconds.
//!
//! One thread owns a reactor and everything that it watches. Readiness is level-triggered: what was not read is told again.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Events taken in one wait; more are told by the next.
const EVENTS: usize = 256;

/// What is wanted of a socket beside reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    Read,
    /// The last write was cut short, or a connection is being made.
    ReadAndWrite,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Interest::Read => epoll::EventFlags::IN,
            Interest::ReadAndWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        }
    }
}

/// How long to wait when nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Look and return: for who polls.
    Not,
    AtMost(Duration),
    Forever,
}

/// One socket that is ready, by the key under which it was added.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub key: u64,
    /// Data, an end or an error can be read.
    pub readable: bool,
    pub writable: bool,
}

/// A set of watched sockets.
#[derive(Debug)]
pub struct Reactor {
    epoll: OwnedFd,
    ready: Vec<Ready>,
}

impl Reactor {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Reactor { epoll, ready: Vec::with_capacity(EVENTS) })
    }

    pub fn add(&self, socket: impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key), interest.flags())?)
    }

    pub fn change(&self, socket: impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(key), interest.flags())?)
    }

    /// Fills [`Reactor::ready`] with what is ready now or within `wait`.
    pub fn wait(&mut self, wait: Wait) -> io::Result<()> {
        let timeout = match wait {
            Wait::Not => Some(Timespec { tv_sec: 0, tv_nsec: 0 }),
            Wait::AtMost(time) => Some(timespec(time)),
            Wait::Forever => None,
        };
        self.ready.clear();
        let mut events = [const { MaybeUninit::uninit() }; EVENTS];
        let found: &[epoll::Event] = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((found, _)) => found,
            Err(Errno::INTR) => &[],
            Err(error) => return Err(error.into()),
        };
        let readable = epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        self.ready.extend(found.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            Ready { key: data.u64(), readable: flags.intersects(readable), writable: flags.contains(epoll::EventFlags::OUT) }
        }));
        Ok(())
    }

    /// What the last [`Reactor::wait`] found, by position; `None` after the last.
    pub fn ready(&self, position: usize) -> Option<Ready> {
        self.ready.get(position).copied()
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) }
}
