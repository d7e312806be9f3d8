//! How a failed batch is taken apart until only the culprits fail, as data: what runs next, and what a failure means.
//!
//! A group that failed is halved by requests, first half first. One culprit among n costs at most 2·⌈log₂ n⌉ more runs, and two are found
//! by halving as well. With many culprits halving is a detour to running every request alone, so after [`Groups::patience`] failed groups the
//! rest runs alone at once: never more than n + 2·log₂ n + 2 runs.
//!
//! Promise: a request that would be answered alone is answered, whatever runs beside it. So there is no giving up while a row may be at
//! fault: a backend that fails everything costs about as many runs as it would without batching, which the callers' own time limits.

/// What is left to run of one batch.
#[derive(Debug)]
pub(crate) struct Groups<T> {
    /// Last in, first out.
    left: Vec<Vec<T>>,
    failed: u32,
    patience: u32,
}

impl<T> Groups<T> {
    pub(crate) fn new(batch: Vec<T>) -> Self {
        let patience = 2 * batch.len().max(1).ilog2() + 2;
        Groups { left: vec![batch], failed: 0, patience }
    }

    /// The parts to run next; `None` when the batch is through. May be empty if the batch was.
    pub(crate) fn next(&mut self) -> Option<Vec<T>> {
        self.left.pop()
    }

    /// `group` failed and one of its parts may be the culprit. Some: it was this one, and the others run again in smaller company.
    pub(crate) fn failed(&mut self, mut group: Vec<T>) -> Option<T> {
        if group.len() <= 1 {
            return group.pop();
        }
        self.failed += 1;
        if self.failed >= self.patience {
            self.left.push(group);
            self.left = std::mem::take(&mut self.left).into_iter().flat_map(alone).collect();
            return None;
        }
        let second = group.split_off(group.len().div_ceil(2));
        self.left.extend([second, group]);
        None
    }

    /// Every part that has not run to its end; no row is at fault.
    pub(crate) fn abandon(self) -> impl Iterator<Item = T> {
        self.left.into_iter().rev().flatten()
    }
}

/// The parts of a group, each on its own, to be popped in their order.
fn alone<T>(group: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    group.into_iter().rev().map(|part| vec![part])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs `n` requests of which `culprits` fail every run they are in: who was answered, who was failed, and in how many runs.
    fn run(n: usize, is_culprit: impl Fn(usize) -> bool) -> (Vec<usize>, Vec<usize>, usize) {
        let mut groups = Groups::new((0..n).collect());
        let (mut answered, mut failed, mut runs) = (Vec::new(), Vec::new(), 0);
        while let Some(group) = groups.next() {
            runs += 1;
            match group.iter().any(|&i| is_culprit(i)) {
                true => failed.extend(groups.failed(group)),
                false => answered.extend(group),
            }
        }
        (answered, failed, runs)
    }

    fn log2_up(n: usize) -> usize {
        n.next_power_of_two().ilog2() as usize
    }

    #[test]
    fn one_culprit_is_found_wherever_it_is_in_at_most_two_runs_per_halving() {
        for n in 1..=32 {
            for culprit in 0..n {
                let (answered, failed, runs) = run(n, |i| i == culprit);
                assert_eq!(failed, [culprit], "of {n}");
                assert_eq!(answered, (0..n).filter(|&i| i != culprit).collect::<Vec<_>>(), "of {n}, order kept");
                assert!(runs <= 1 + 2 * log2_up(n), "{culprit} of {n} took {runs} runs");
            }
        }
    }

    #[test]
    fn two_culprits_are_found_by_halving() {
        for n in 2..=32 {
            for (first, second) in (0..n).flat_map(|a| (0..a).map(move |b| (b, a))) {
                let (answered, failed, runs) = run(n, |i| i == first || i == second);
                assert_eq!((failed, answered.len()), (vec![first, second], n - 2));
                assert!(runs <= 1 + 4 * log2_up(n), "{first} and {second} of {n} took {runs} runs");
            }
        }
    }

    #[test]
    fn when_all_fail_each_fails_alone_and_soon() {
        for n in 1..=64 {
            let (answered, failed, runs) = run(n, |_| true);
            assert_eq!((answered, failed), (vec![], (0..n).collect::<Vec<_>>()));
            assert!(runs <= n + 2 * log2_up(n) + 2, "{n} took {runs} runs");
        }
    }

    #[test]
    fn what_is_abandoned_comes_in_its_order() {
        let mut groups = Groups::new((0..8).collect());
        let whole = groups.next().unwrap();
        assert_eq!(groups.failed(whole), None);
        assert_eq!(groups.abandon().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn only_culprits_fail_and_everybody_else_is_answered(culprits in prop::collection::vec(any::<bool>(), 1..=64)) {
            let n = culprits.len();
            let (answered, failed, runs) = run(n, |i| culprits[i]);
            let (guilty, innocent): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| culprits[i]);
            prop_assert_eq!((answered, failed), (innocent, guilty));
            prop_assert!(runs <= n + 2 * log2_up(n) + 2, "{} runs for {}", runs, n);
        }
    }
}
