//! The course of one simulation: a clock, a heap of events, and a model of who waits that is kept without asking the queue.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ops::RangeInclusive;

use forebay_protocol::{InferRequest, Tensor};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::fixtures::{echo, rows_request};
use crate::queue::{PartId, Queue};
use crate::split::Groups;
use crate::stitch;

use super::Scenario;

pub(super) type Micros = u64;

pub(super) const MAX_ROWS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Refused,
    Left,
    Failed,
    Answered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(usize),
    Leaves(usize),
    Ends(usize),
}

/// One part of a request: whose, which, and its rows.
struct Part {
    owner: usize,
    index: usize,
    request: InferRequest,
}

/// A request that is not settled.
struct Open {
    whole: InferRequest,
    key: u32,
    arrived: Micros,
    poisoned: bool,
    ids: RangeInclusive<PartId>,
    answers: Vec<Option<Vec<Tensor>>>,
}

/// A batch on its way, with the group of it that runs.
struct Job {
    groups: Groups<Part>,
    running: Vec<Part>,
}

pub(super) struct Simulation {
    scenario: Scenario,
    random: SmallRng,
    now: Micros,
    events: BinaryHeap<Reverse<(Micros, Event)>>,
    queue: Queue<u32, Part>,
    /// Every waiting part in order of arrival, known without asking the queue.
    waiting: BTreeSet<(usize, usize)>,
    open: HashMap<usize, Open>,
    fates: Vec<Fate>,
    jobs: HashMap<usize, Job>,
    again: VecDeque<Job>,
    free: usize,
    /// Whether the next free slot is for a batch that runs again.
    turn_of_again: bool,
    tally: Tally,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: usize,
    pub(super) rows_accepted: usize,
    pub(super) rows_taken: usize,
    pub(super) rows_withdrawn: usize,
    pub(super) batches: usize,
    pub(super) latencies: Vec<Micros>,
}

impl Simulation {
    pub(super) fn run(scenario: Scenario, seed: u64) -> Tally {
        let mut simulation = Simulation {
            scenario,
            random: SmallRng::seed_from_u64(seed),
            now: 0,
            events: BinaryHeap::from([Reverse((0, Event::Arrives(0)))]),
            queue: Queue::new(scenario.capacity),
            waiting: BTreeSet::new(),
            open: HashMap::new(),
            fates: vec![Fate::Open; scenario.requests],
            jobs: HashMap::new(),
            again: VecDeque::new(),
            free: scenario.slots,
            turn_of_again: false,
            tally: Tally::default(),
        };
        while let Some(Reverse((at, event))) = simulation.events.pop() {
            simulation.now = at;
            match event {
                Event::Arrives(request) => simulation.arrive(request),
                Event::Leaves(request) => simulation.leave(request),
                Event::Ends(job) => simulation.end(job),
            }
            simulation.fill_slots();
            simulation.check();
        }
        simulation.account()
    }

    /// Exponential, so that what arrives one by one is a Poisson process.
    fn after(&mut self, mean: Micros) -> Micros {
        let uniform: f64 = self.random.random_range(f64::EPSILON..1.0);
        self.now + (-uniform.ln() * mean as f64) as Micros
    }

    fn arrive(&mut self, first: usize) {
        let next = (first + self.scenario.burst).min(self.scenario.requests);
        (first..next).for_each(|request| self.submit(request));
        if next < self.scenario.requests {
            let at = self.after(self.scenario.gap);
            self.events.push(Reverse((at, Event::Arrives(next))));
        }
    }

    fn submit(&mut self, owner: usize) {
        let rows = self.random.random_range(1..=self.scenario.largest);
        let key = self.random.random_range(0..self.scenario.keys);
        if self.queue.has_room(rows).is_err() {
            assert!(self.queue.rows() + rows > self.scenario.capacity, "refused though there was room");
            self.fates[owner] = Fate::Refused;
            return;
        }
        self.tally.rows_accepted += rows;
        let whole = rows_request(rows, owner as u32);
        let parts = rows.div_ceil(MAX_ROWS);
        let mut ids = None;
        let counts: Vec<usize> = (0..parts).map(|index| MAX_ROWS.min(rows - index * MAX_ROWS)).collect();
        for (index, request) in stitch::parts(&whole, &counts).unwrap().into_iter().enumerate() {
            let id = self.queue.push(key, counts[index], Part { owner, index, request });
            ids = Some(ids.map_or(id, |ids: RangeInclusive<PartId>| *ids.start())..=id);
            self.waiting.insert((owner, index));
        }
        let poisoned = self.random.random_bool(self.scenario.poison);
        let open = Open { whole, key, arrived: self.now, poisoned, ids: ids.unwrap(), answers: vec![None; parts] };
        self.open.insert(owner, open);
        if self.random.random_bool(self.scenario.leavers) {
            let at = self.after(20_000);
            self.events.push(Reverse((at, Event::Leaves(owner))));
        }
    }

    fn leave(&mut self, owner: usize) {
        if let Some(open) = self.open.remove(&owner) {
            self.settle(owner, Fate::Left);
            self.withdraw(&open);
        }
    }

    fn withdraw(&mut self, open: &Open) {
        let back = self.queue.withdraw(&open.key, open.ids.clone());
        self.tally.rows_withdrawn += back.rows;
        for part in back.parts {
            assert!(self.waiting.remove(&(part.item.owner, part.item.index)), "a part was withdrawn that did not wait");
        }
    }

    fn settle(&mut self, owner: usize, fate: Fate) {
        assert_eq!(self.fates[owner], Fate::Open, "request {owner} is settled twice, now as {fate:?}");
        self.fates[owner] = fate;
    }

    /// What the dispatcher and the runs do with free slots: batches that wait and batches that run again take turns.
    fn fill_slots(&mut self) {
        while self.free > 0 {
            self.turn_of_again = !self.turn_of_again;
            let again = if self.turn_of_again || self.queue.is_empty() { self.again.pop_front() } else { None };
            match again {
                Some(job) => self.start(job),
                None if !self.queue.is_empty() => {
                    let parts = self.take();
                    self.start(Job { groups: Groups::new(parts), running: Vec::new() });
                }
                None if self.again.is_empty() => return,
                None => {}
            }
        }
    }

    fn take(&mut self) -> Vec<Part> {
        let batch = self.queue.take(MAX_ROWS).unwrap();
        assert!(batch.rows <= MAX_ROWS);
        self.tally.rows_taken += batch.rows;
        self.tally.batches += 1;
        let parts: Vec<Part> = batch.parts.into_iter().map(|waiting| waiting.item).collect();
        let key = self.open[&parts[0].owner].key;
        let oldest = self.waiting.first().copied();
        assert_eq!(oldest, Some((parts[0].owner, parts[0].index)), "the longest waiting part must lead");
        assert!(parts.windows(2).all(|pair| (pair[0].owner, pair[0].index) < (pair[1].owner, pair[1].index)), "out of order");
        for part in &parts {
            assert_eq!(self.open[&part.owner].key, key, "keys were mixed");
            assert!(self.waiting.remove(&(part.owner, part.index)), "a part left twice");
        }
        if !batch.full && self.scenario.keys == 1 {
            assert!(self.queue.is_empty(), "a batch left with room while rows of its key waited");
        }
        parts
    }

    /// Starts the next group of a batch, if anybody still waits for one.
    fn start(&mut self, mut job: Job) {
        while let Some(mut group) = job.groups.next() {
            group.retain(|part| self.open.contains_key(&part.owner));
            if !group.is_empty() {
                let rows: usize = group.iter().map(|part| part.request.rows()).sum();
                job.running = group;
                self.free -= 1;
                self.tally.runs += 1;
                let (id, took) = (self.tally.runs, 8_000 + 250 * rows as Micros);
                self.events.push(Reverse((self.now + took, Event::Ends(id))));
                self.jobs.insert(id, job);
                return;
            }
        }
    }

    fn end(&mut self, id: usize) {
        let mut job = self.jobs.remove(&id).unwrap();
        self.free += 1;
        let group = std::mem::take(&mut job.running);
        // A part whose caller left meanwhile may still be the poison.
        if group.iter().any(|part| self.open.get(&part.owner).is_some_and(|open| open.poisoned)) {
            if let Some(culprit) = job.groups.failed(group)
                && let Some(open) = self.open.remove(&culprit.owner)
            {
                assert!(open.poisoned, "an innocent request failed");
                self.settle(culprit.owner, Fate::Failed);
                self.withdraw(&open);
            }
        } else {
            self.answer(&group);
        }
        self.again.push_back(job);
    }

    fn answer(&mut self, group: &[Part]) {
        let joined = stitch::join(&group.iter().map(|part| &part.request).collect::<Vec<_>>()).unwrap();
        let answers = stitch::cut(&echo(&joined), joined.rows(), group.iter().map(|part| part.request.rows())).unwrap();
        for (part, answer) in group.iter().zip(answers) {
            let Some(open) = self.open.get_mut(&part.owner) else { continue };
            assert!(open.answers[part.index].replace(answer.outputs).is_none(), "a part was answered twice");
            if open.answers.iter().all(Option::is_some) {
                let open = self.open.remove(&part.owner).unwrap();
                let outputs = stitch::join_outputs(&open.answers).unwrap();
                assert_eq!(outputs, echo(&open.whole).outputs, "answered with another's rows");
                self.tally.latencies.push(self.now - open.arrived);
                self.settle(part.owner, Fate::Answered);
            }
        }
    }

    fn check(&self) {
        assert!(self.free == 0 || self.queue.is_empty(), "rows wait though the backend is free");
        assert_eq!(self.queue.is_empty(), self.waiting.is_empty());
        assert!(self.queue.rows() <= self.scenario.capacity.max(self.scenario.largest));
    }

    /// Everything has come to rest: nobody is forgotten and no row is missing.
    fn account(self) -> Tally {
        assert_eq!((self.queue.rows(), self.open.len(), self.jobs.len(), self.free), (0, 0, 0, self.scenario.slots));
        assert!(self.fates.iter().all(|fate| *fate != Fate::Open), "a request has no outcome");
        let tally = self.tally;
        assert_eq!(tally.rows_accepted, tally.rows_taken + tally.rows_withdrawn, "rows were lost or doubled");
        assert_eq!(tally.latencies.len(), self.fates.iter().filter(|fate| **fate == Fate::Answered).count());
        tally
    }
}
