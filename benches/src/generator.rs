//! Sends requests when they are due, whatever the answers do, and records what comes back.
//!
//! One thread writes, reads and keeps time, so that the generator costs little of the machine that it shares with what it measures. In an
//! open loop a slow server does not slow the requests: they are due when the schedule says, and are counted from then.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::arrivals::Schedule;
use crate::clock;
use crate::connection::{Broke, Connection, Fault, Flight};
use crate::payload::Payload;
use crate::reactor::{Reactor, Ready, Wait};
use crate::record::Record;
use crate::target::Target;

/// How often timeouts are looked for and progress is told.
const LOOK: Duration = Duration::from_millis(250);
/// A wait is ended by the kernel up to a thousandth late; a long one is cut so that the last part is short.
const LONG_WAIT: Duration = Duration::from_millis(10);
const LAST_PART: Duration = Duration::from_millis(1);

/// A connection that was idle for longer is not used again: the server may be about to close it, and a request sent then fails through nobody's
/// fault.
const IDLE_AT_MOST: Duration = Duration::from_secs(20);

/// When requests are sent.
#[derive(Debug)]
pub enum Pace {
    /// When the schedule says.
    Open(Box<Schedule>),
    /// By so many callers, each of whom asks again as soon as it was answered.
    Closed { callers: usize, duration: Duration },
}

/// What to do.
#[derive(Debug)]
pub struct Plan {
    /// Asked in turn.
    pub targets: Vec<Target>,
    pub pace: Pace,
    /// Most connections to one target.
    pub connections: usize,
    pub timeout: Duration,
    /// Poll clock and sockets without ever sleeping: exact, at the price of a core.
    pub spin: bool,
}

/// Told about every quarter of a second.
pub trait Watch {
    fn look(&mut self, record: &mut Record, in_flight: usize, now: Instant);
}

/// Requests and connections of one target.
#[derive(Default)]
struct Lane {
    /// Idle connections and since when, the warmest last.
    free: Vec<(usize, Instant)>,
    /// Requests for which no connection was free, with the moment at which they were due.
    waiting: VecDeque<(u64, Instant)>,
    open: usize,
}

/// The next request, written out before it is due, so that writing it out makes none late.
#[derive(Default)]
struct Ahead {
    number: u64,
    /// Empty when it is not written out.
    bytes: Vec<u8>,
}

struct Generator<'a> {
    plan: Plan,
    payload: &'a mut dyn Payload,
    reactor: Reactor,
    connections: Vec<Option<Connection>>,
    lanes: Vec<Lane>,
    record: Record,
    numbers: u64,
    ahead: Ahead,
    in_flight: usize,
    /// Until when callers of a closed loop ask again.
    asking_until: Option<Instant>,
}

/// Carries the plan out; returns when every request was answered or given up.
pub fn run(plan: Plan, payload: &mut dyn Payload, watch: &mut dyn Watch) -> io::Result<Record> {
    clock::sharpen_timers();
    let start = Instant::now();
    let lanes = plan.targets.iter().map(|_| Lane::default()).collect();
    let mut generator = Generator {
        payload,
        reactor: Reactor::new()?,
        connections: Vec::new(),
        lanes,
        record: Record::new(start).map_err(io::Error::other)?,
        numbers: 0,
        ahead: Ahead::default(),
        in_flight: 0,
        asking_until: None,
        plan,
    };
    generator.start_callers(start);
    generator.drive(start, watch)?;
    Ok(generator.record)
}

impl Generator<'_> {
    fn start_callers(&mut self, start: Instant) {
        if let Pace::Closed { callers, duration } = self.plan.pace {
            self.asking_until = Some(start + duration);
            for _ in 0..callers {
                self.submit(start);
            }
        }
    }

    fn drive(&mut self, start: Instant, watch: &mut dyn Watch) -> io::Result<()> {
        let mut next = self.next_due(start);
        let mut look = start + LOOK;
        loop {
            let now = Instant::now();
            while let Some(due) = next.filter(|due| *due <= now) {
                self.submit(due);
                next = self.next_due(start);
            }
            if now >= look {
                self.give_up_late(now);
                watch.look(&mut self.record, self.in_flight, now);
                look = now + LOOK;
            }
            if next.is_none() && self.in_flight == 0 && self.asking_until.is_none_or(|until| now >= until) {
                return Ok(());
            }
            if next.is_some() {
                self.write_ahead();
            }
            let until = next.map_or(look, |due| due.min(look));
            self.reactor.wait(self.patience(until))?;
            let mut position = 0;
            while let Some(ready) = self.reactor.ready(position) {
                position += 1;
                self.serve(ready);
            }
        }
    }

    fn next_due(&mut self, start: Instant) -> Option<Instant> {
        match &mut self.plan.pace {
            Pace::Open(schedule) => schedule.next().map(|after| start + after),
            Pace::Closed { .. } => None,
        }
    }

    fn write_ahead(&mut self) {
        if self.ahead.bytes.is_empty() || self.ahead.number != self.numbers {
            self.ahead.bytes.clear();
            self.ahead.number = self.numbers;
            self.payload.write(self.target_of(self.numbers), self.numbers, &mut self.ahead.bytes);
        }
    }

    fn patience(&self, until: Instant) -> Wait {
        let left = until.saturating_duration_since(Instant::now());
        if self.plan.spin {
            Wait::Not
        } else if left > LONG_WAIT {
            Wait::AtMost(left - LAST_PART)
        } else {
            Wait::AtMost(left)
        }
    }

    /// Takes a request that is due: it is sent now, or as soon as a connection is free.
    fn submit(&mut self, due: Instant) {
        let number = self.numbers;
        self.numbers += 1;
        self.in_flight += 1;
        self.record.due(due);
        let target = self.target_of(number);
        self.forget_stale(target);
        let Some(lane) = self.lanes.get_mut(target) else { return };
        if let Some((slot, _)) = lane.free.pop() {
            self.send(slot, number, due);
        } else if lane.open < self.plan.connections {
            match self.connect(target) {
                Ok(slot) => self.send(slot, number, due),
                Err(_) => self.failed(due, Fault::Connect),
            }
        } else {
            lane.waiting.push_back((number, due));
        }
    }

    /// Closes all idle connections if even the warmest was idle for too long.
    fn forget_stale(&mut self, target: usize) {
        let warmest = self.lanes.get(target).and_then(|lane| lane.free.last()).map(|(_, since)| *since);
        if warmest.is_some_and(|since| since.elapsed() > IDLE_AT_MOST) {
            while let Some((slot, _)) = self.lanes.get_mut(target).and_then(|lane| lane.free.pop()) {
                self.forget(slot, target);
            }
        }
    }

    fn target_of(&self, number: u64) -> usize {
        usize::try_from(number).unwrap_or(0) % self.lanes.len().max(1)
    }

    fn connect(&mut self, target: usize) -> io::Result<usize> {
        let slot = self.connections.iter().position(Option::is_none).unwrap_or(self.connections.len());
        let address = self.plan.targets.get(target).map(|t| t.address).ok_or(io::ErrorKind::NotFound)?;
        let connection = Connection::open(address, target, u64::try_from(slot).unwrap_or(u64::MAX), &self.reactor)?;
        match self.connections.get_mut(slot) {
            Some(place) => *place = Some(connection),
            None => self.connections.push(Some(connection)),
        }
        if let Some(lane) = self.lanes.get_mut(target) {
            lane.open += 1;
        }
        Ok(slot)
    }

    fn send(&mut self, slot: usize, number: u64, due: Instant) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else {
            return self.failed(due, Fault::Connect);
        };
        let target = connection.target;
        let outbox = connection.outbox();
        if self.ahead.number == number && !self.ahead.bytes.is_empty() {
            std::mem::swap(outbox, &mut self.ahead.bytes);
        } else {
            self.payload.write(target, number, outbox);
        }
        let flight = Flight { number, due, written: Instant::now() };
        self.record.written(flight);
        if let Err(broke) = connection.send(flight, &self.reactor) {
            self.close(slot, target, broke);
        }
    }

    fn serve(&mut self, ready: Ready) {
        let Ok(slot) = usize::try_from(ready.key) else { return };
        if ready.readable {
            self.receive(slot);
        }
        if ready.writable
            && let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut)
            && let (target, Err(broke)) = (connection.target, connection.flush(&self.reactor))
        {
            self.close(slot, target, broke);
        }
    }

    fn receive(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        let target = connection.target;
        let (now, keep) = match connection.receive() {
            Ok(None) => return,
            Err(broke) => return self.close(slot, target, broke),
            Ok(Some(answered)) => {
                let status = answered.answer.head.status();
                let verdict = (status == 200).then(|| self.payload.judge(answered.flight.number, &answered.answer));
                self.record.answered(answered.flight, status, verdict, answered.at);
                (answered.at, answered.keep)
            }
        };
        self.in_flight -= 1;
        self.reuse(slot, target, keep, now);
        self.ask_again(now);
    }

    /// Gives a connection that was answered its next request.
    fn reuse(&mut self, slot: usize, target: usize, keep: bool, now: Instant) {
        if !keep {
            self.forget(slot, target);
            return self.serve_waiting(target);
        }
        let Some(lane) = self.lanes.get_mut(target) else { return };
        match lane.waiting.pop_front() {
            Some((number, due)) => self.send(slot, number, due),
            None => lane.free.push((slot, now)),
        }
    }

    fn ask_again(&mut self, now: Instant) {
        if self.asking_until.is_some_and(|until| now < until) {
            self.submit(now);
        }
    }

    fn close(&mut self, slot: usize, target: usize, Broke { flight, fault }: Broke) {
        self.forget(slot, target);
        if let Some(flight) = flight {
            self.failed(flight.due, fault);
        }
        self.serve_waiting(target);
    }

    fn failed(&mut self, due: Instant, fault: Fault) {
        self.record.fault(due, fault);
        self.in_flight -= 1;
    }

    fn forget(&mut self, slot: usize, target: usize) {
        if let Some(place) = self.connections.get_mut(slot) {
            *place = None;
        }
        if let Some(lane) = self.lanes.get_mut(target) {
            lane.free.retain(|(free, _)| *free != slot);
            lane.open = lane.open.saturating_sub(1);
        }
    }

    /// A connection went away: one that waits may have a new one.
    fn serve_waiting(&mut self, target: usize) {
        let Some((number, due)) = self.lanes.get_mut(target).and_then(|lane| lane.waiting.pop_front()) else { return };
        match self.connect(target) {
            Ok(slot) => self.send(slot, number, due),
            Err(_) => self.failed(due, Fault::Connect),
        }
    }

    fn give_up_late(&mut self, now: Instant) {
        let timeout = self.plan.timeout;
        let late = |due: Instant| now.saturating_duration_since(due) > timeout;
        for slot in 0..self.connections.len() {
            let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { continue };
            if connection.flight.is_some_and(|flight| late(flight.due)) {
                let target = connection.target;
                let broke = connection.broke(Fault::Timeout);
                self.close(slot, target, broke);
            }
        }
        for lane in 0..self.lanes.len() {
            while let Some((_, due)) = self.lanes.get_mut(lane).and_then(|l| l.waiting.pop_front_if(|(_, due)| late(*due))) {
                self.failed(due, Fault::NeverSent);
            }
        }
        self.replace_callers(now);
    }

    /// Callers whose requests failed ask again; only now, or a server that is gone would be asked in a tight loop.
    fn replace_callers(&mut self, now: Instant) {
        if let Pace::Closed { callers, .. } = self.plan.pace
            && self.asking_until.is_some_and(|until| now < until)
        {
            for _ in self.in_flight..callers {
                self.submit(now);
            }
        }
    }
}
