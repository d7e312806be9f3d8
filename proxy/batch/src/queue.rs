//! Waiting rows, as data: no task, no clock, no lock.
//!
//! Parts of requests wait in lanes, one lane per merge key, so that different keys never close each other's batch. [`Queue::take`]
//! forms the batch at the moment when the backend can run it and not before: it opens the lane whose head has waited longest and fills
//! the batch in order of arrival. A part is never cut: who joins a queue has at most as many rows as a batch may have.
//!
//! Every operation takes time logarithmic in what waits, because a stranger decides how many keys there are and who leaves.
//!
//! Invariant, checked by `Queue::check` in tests: the rows counted are the rows that wait, and every lane is known by its head.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::RangeInclusive;

/// One part that waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
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

/// Parts of one merge key in order of arrival. Never empty.
type Lane<T> = BTreeMap<PartId, Waiting<T>>;

/// Rows that wait for one model.
#[derive(Debug)]
pub(crate) struct Queue<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// The lane of each part that has waited longest in its lane.
    heads: BTreeMap<PartId, K>,
    rows: usize,
    capacity: usize,
    next_id: u64,
}

impl<K: Eq + Hash + Clone, T> Queue<K, T> {
    /// `capacity` is the most rows that may wait.
    pub(crate) fn new(capacity: usize) -> Self {
        Queue { lanes: HashMap::new(), heads: BTreeMap::new(), rows: 0, capacity, next_id: 0 }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Whether `rows` more would find room. An empty queue takes any request, or one larger than the queue could never run.
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
        let part = Waiting { rows, item };
        match self.lanes.entry(key) {
            Entry::Occupied(mut lane) => {
                lane.get_mut().insert(id, part);
            }
            Entry::Vacant(lane) => {
                self.heads.insert(id, lane.key().clone());
                lane.insert(Lane::from([(id, part)]));
            }
        }
        self.check();
        id
    }

    /// Takes back those parts of `ids` that still wait, all of one key.
    pub(crate) fn withdraw(&mut self, key: &K, ids: RangeInclusive<PartId>) -> Batch<T> {
        let mut back = Batch { parts: Vec::new(), rows: 0, full: false };
        let Some(lane) = self.lanes.get_mut(key) else { return back };
        let head = lane.first_key_value().map(|(&id, _)| id);
        while let Some((&id, _)) = lane.range(ids.clone()).next() {
            back.extend(lane.remove(&id));
        }
        if let Some(head) = head.filter(|id| !lane.contains_key(id)) {
            self.heads.remove(&head);
            self.close_or_keep(key.clone());
        }
        self.rows -= back.rows;
        self.check();
        back
    }

    /// Forms a batch of at most `max_rows` rows from the lane whose head has waited longest; `None` when nothing waits.
    pub(crate) fn take(&mut self, max_rows: usize) -> Option<Batch<T>> {
        let (_, key) = self.heads.pop_first()?;
        let lane = self.lanes.get_mut(&key)?;
        let mut batch = Batch { parts: Vec::new(), rows: 0, full: false };
        while let Some(head) = lane.first_entry() {
            if !batch.parts.is_empty() && batch.rows.saturating_add(head.get().rows) > max_rows {
                batch.full = true;
                break;
            }
            batch.extend(Some(head.remove()));
        }
        batch.full |= batch.rows >= max_rows;
        self.rows -= batch.rows;
        self.close_or_keep(key);
        self.check();
        Some(batch)
    }

    /// The lane has lost its head: it is known by the next one, or gone.
    fn close_or_keep(&mut self, key: K) {
        match self.lanes.get(&key).and_then(Lane::first_key_value) {
            Some((&head, _)) => {
                self.heads.insert(head, key);
            }
            None => {
                self.lanes.remove(&key);
            }
        }
    }

    /// Looks at everything, so only at every 1,024th arrival.
    fn check(&self) {
        #[cfg(test)]
        if self.next_id.is_multiple_of(1024) {
            assert_eq!(self.rows, self.lanes.values().flat_map(BTreeMap::values).map(|part| part.rows).sum::<usize>());
            assert_eq!(self.heads.len(), self.lanes.len());
            for (head, key) in &self.heads {
                assert_eq!(self.lanes[key].keys().next(), Some(head), "a lane is known by another head than it has");
            }
        }
    }
}

impl<T> Batch<T> {
    fn extend(&mut self, part: Option<Waiting<T>>) {
        self.rows += part.as_ref().map_or(0, |part| part.rows);
        self.parts.extend(part);
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
        assert_eq!(items(&queue.withdraw(&"k", a..=a)), ['a']);
        assert_eq!(queue.withdraw(&"k", a..=a).rows, 0);
        assert_eq!(items(&queue.take(4).unwrap()), ['b']);
        assert_eq!(queue.rows(), 0);
    }

    #[test]
    fn whoever_follows_a_head_that_left_does_not_inherit_its_place() {
        let mut queue = Queue::new(10);
        let a = queue.push("k1", 1, 'a');
        queue.push("k2", 1, 'b');
        queue.push("k1", 1, 'c');
        queue.withdraw(&"k1", a..=a);
        assert_eq!(items(&queue.take(4).unwrap()), ['b']);
        assert_eq!(items(&queue.take(4).unwrap()), ['c']);
    }

    #[test]
    fn parts_that_wait_between_others_leave_together() {
        let mut queue = Queue::new(10);
        queue.push("k", 1, 'a');
        let first = queue.push("k", 2, 'b');
        let last = queue.push("k", 2, 'c');
        queue.push("k", 1, 'd');
        let back = queue.withdraw(&"k", first..=last);
        assert_eq!((items(&back), back.rows, queue.rows()), (vec!['b', 'c'], 4, 2));
        assert_eq!(items(&queue.take(4).unwrap()), ['a', 'd']);
    }

    #[test]
    fn an_empty_queue_takes_a_request_that_is_larger_than_itself_and_a_waiting_one_does_not() {
        let mut queue = Queue::new(3);
        assert_eq!(queue.has_room(5), Ok(()));
        queue.push("k", 1, 'a');
        assert_eq!(queue.has_room(5), Err(Full { rows_waiting: 1 }));
        assert_eq!(queue.has_room(usize::MAX), Err(Full { rows_waiting: 1 }));
    }

    proptest! {
        #[test]
        fn every_part_leaves_once_in_order_of_its_key_and_the_longest_waiting_key_goes_first(
            steps in prop::collection::vec((0u8..4, 0usize..3, 1usize..5), 1..200),
        ) {
            let mut queue = Queue::new(usize::MAX);
            // Of each key, what waits: id, rows and a number that the item carries.
            let mut waiting: [Vec<(PartId, usize, usize)>; 3] = Default::default();
            for (number, (step, key, rows)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        let oldest = (0..3).filter(|&k| !waiting[k].is_empty()).min_by_key(|&k| waiting[k][0].0);
                        let batch = queue.take(4);
                        prop_assert_eq!(batch.is_some(), oldest.is_some());
                        let (Some(batch), Some(oldest)) = (batch, oldest) else { continue };
                        let expected: Vec<_> = waiting[oldest].drain(..batch.parts.len()).collect();
                        prop_assert_eq!(items(&batch), expected.iter().map(|w| w.2).collect::<Vec<_>>());
                        prop_assert_eq!(batch.rows, expected.iter().map(|w| w.1).sum::<usize>());
                        prop_assert!(batch.rows <= 4);
                        prop_assert!(waiting[oldest].first().is_none_or(|next| batch.rows + next.1 > 4), "one more would have fitted");
                    }
                    1 => {
                        let at = number.checked_rem(waiting[key].len());
                        let Some(at) = at else { continue };
                        let (id, _, item) = waiting[key].remove(at);
                        prop_assert_eq!(items(&queue.withdraw(&key, id..=id)), vec![item]);
                        prop_assert_eq!(queue.withdraw(&key, id..=id).rows, 0);
                    }
                    _ => waiting[key].push((queue.push(key, rows, number), rows, number)),
                }
                prop_assert_eq!(queue.rows(), waiting.iter().flatten().map(|w| w.1).sum::<usize>());
                prop_assert_eq!(queue.is_empty(), waiting.iter().all(Vec::is_empty));
            }
        }
    }
}
