//! Waiting rows, as data: no task, no clock, no lock.
//!
//! Parts of requests wait in lanes, one lane per merge key, so that different keys never close each other's batch. [`Queue::take`]
//! forms the batch at the moment when the backend can run it and not before: it opens the lane whose head has waited longest and fills
//! the batch in order of arrival. A part is never cut: who joins a queue has at most as many rows as a batch may have.
//!
//! Invariant, checked by [`Queue::check`] in tests and debug builds: the rows counted are the rows that wait.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// One part that waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    id: PartId,
    rows: usize,
    pub(crate) item: T,
}

/// Names a waiting part; ids grow in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartId(u64);

/// The queue has no room for that many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) rows_waiting: usize,
}

/// Parts that run together.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    pub(crate) parts: Vec<Waiting<T>>,
    pub(crate) rows: usize,
    /// Whether the next part of the same key did not fit, or the last row did.
    pub(crate) full: bool,
}

/// Rows that wait for one model.
#[derive(Debug)]
pub(crate) struct Queue<K, T> {
    lanes: HashMap<K, VecDeque<Waiting<T>>>,
    rows: usize,
    capacity: usize,
    next_id: u64,
}

impl<K: Eq + Hash + Clone, T> Queue<K, T> {
    /// `capacity` is the most rows that may wait.
    pub(crate) fn new(capacity: usize) -> Self {
        Queue { lanes: HashMap::new(), rows: 0, capacity, next_id: 0 }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whether `rows` more would find room. An empty queue takes any part, or a part larger than the queue could never run.
    pub(crate) fn has_room(&self, rows: usize) -> Result<(), Full> {
        if self.rows > 0 && self.rows.saturating_add(rows) > self.capacity {
            return Err(Full { rows_waiting: self.rows });
        }
        Ok(())
    }

    /// Adds a part of `rows` rows behind all others of its key. Ask [`Queue::has_room`] first.
    pub(crate) fn push(&mut self, key: K, rows: usize, item: T) -> PartId {
        let id = PartId(self.next_id);
        self.next_id += 1;
        self.rows += rows;
        self.lanes.entry(key).or_default().push_back(Waiting { id, rows, item });
        self.check();
        id
    }

    /// Takes a part back before it runs. `None` when it is no longer waiting.
    pub(crate) fn withdraw(&mut self, key: &K, id: PartId) -> Option<T> {
        let lane = self.lanes.get_mut(key)?;
        let at = lane.binary_search_by_key(&id, |w| w.id).ok()?;
        let part = lane.remove(at)?;
        if lane.is_empty() {
            self.lanes.remove(key);
        }
        self.rows -= part.rows;
        self.check();
        Some(part.item)
    }

    /// Forms a batch of at most `max_rows` rows from the lane whose head has waited longest; `None` when nothing waits.
    pub(crate) fn take(&mut self, max_rows: usize) -> Option<Batch<T>> {
        let key = self.lanes.iter().min_by_key(|(_, lane)| lane.front().map(|w| w.id)).map(|(key, _)| key.clone())?;
        let lane = self.lanes.get_mut(&key)?;
        let mut batch = Batch { parts: Vec::new(), rows: 0, full: false };
        while let Some(head) = lane.front() {
            if !batch.parts.is_empty() && batch.rows + head.rows > max_rows {
                batch.full = true;
                break;
            }
            let Some(part) = lane.pop_front() else { break };
            batch.rows += part.rows;
            batch.parts.push(part);
        }
        batch.full |= batch.rows >= max_rows;
        if lane.is_empty() {
            self.lanes.remove(&key);
        }
        self.rows -= batch.rows;
        self.check();
        Some(batch)
    }

    fn check(&self) {
        debug_assert!(self.lanes.values().all(|lane| !lane.is_empty()), "an empty lane was kept");
        #[cfg(test)]
        if self.next_id.is_multiple_of(1024) {
            assert_eq!(self.rows, self.lanes.values().flatten().map(|w| w.rows).sum::<usize>());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items<T: Copy>(batch: &Batch<T>) -> Vec<T> {
        batch.parts.iter().map(|p| p.item).collect()
    }

    #[test]
    fn a_lone_part_leaves_at_once() {
        let mut queue = Queue::new(10);
        queue.push("k", 1, 'a');
        let batch = queue.take(32).unwrap();
        assert_eq!((items(&batch), batch.rows, batch.full), (vec!['a'], 1, false));
        assert!(queue.is_empty());
    }

    #[test]
    fn keys_wait_side_by_side_and_the_longest_waiting_goes_first() {
        let mut queue = Queue::new(10);
        for (key, item) in [("k1", 'a'), ("k2", 'b'), ("k1", 'c'), ("k2", 'd')] {
            queue.push(key, 1, item);
        }
        assert_eq!(items(&queue.take(32).unwrap()), ['a', 'c']);
        assert_eq!(items(&queue.take(32).unwrap()), ['b', 'd']);
    }

    #[test]
    fn a_part_that_does_not_fit_opens_the_next_batch() {
        let mut queue = Queue::new(100);
        for (rows, item) in [(3, 'a'), (2, 'b'), (1, 'c')] {
            queue.push("k", rows, item);
        }
        let first = queue.take(4).unwrap();
        assert_eq!((items(&first), first.full), (vec!['a'], true));
        assert_eq!(items(&queue.take(4).unwrap()), ['b', 'c']);
    }

    #[test]
    fn a_full_queue_says_how_much_waits() {
        let mut queue = Queue::new(3);
        queue.push("k", 2, 'a');
        assert_eq!(queue.has_room(2), Err(Full { rows_waiting: 2 }));
        assert_eq!(queue.has_room(1), Ok(()));
    }

    #[test]
    fn a_withdrawn_part_never_runs() {
        let mut queue = Queue::new(10);
        let a = queue.push("k", 1, 'a');
        queue.push("k", 1, 'b');
        assert_eq!(queue.withdraw(&"k", a), Some('a'));
        assert_eq!(queue.withdraw(&"k", a), None);
        assert_eq!(items(&queue.take(4).unwrap()), ['b']);
        assert_eq!(queue.rows(), 0);
    }

    proptest! {
        #[test]
        fn every_part_leaves_once_in_order_of_its_key_and_within_the_limit(
            steps in prop::collection::vec((0u8..4, 0usize..3, 1usize..5), 1..200),
        ) {
            let mut queue = Queue::new(usize::MAX);
            let mut expected: HashMap<usize, Vec<PartId>> = HashMap::new();
            let mut left: HashMap<usize, Vec<PartId>> = HashMap::new();
            let mut take = |queue: &mut Queue<usize, usize>, max: usize| {
                let Some(batch) = queue.take(max) else { return };
                let key = batch.parts[0].item;
                assert!(batch.rows <= max.max(batch.parts[0].rows));
                assert!(batch.parts.iter().all(|p| p.item == key), "keys were mixed");
                left.entry(key).or_default().extend(batch.parts.iter().map(|p| p.id));
            };
            for (step, key, rows) in steps {
                match step {
                    0 => take(&mut queue, 4),
                    1 => {
                        if let Some(id) = expected.get_mut(&key).and_then(Vec::pop)
                            && queue.withdraw(&key, id).is_none()
                        {
                            expected.entry(key).or_default().push(id);
                        }
                    }
                    _ => {
                        let id = queue.push(key, rows, key);
                        expected.entry(key).or_default().push(id);
                    }
                }
            }
            while !queue.is_empty() {
                take(&mut queue, 4);
            }
            expected.retain(|_, ids| !ids.is_empty());
            prop_assert_eq!(queue.rows(), 0);
            prop_assert_eq!(left, expected);
        }
    }
}
