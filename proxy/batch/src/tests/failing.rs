//! Batches that fail: who is told, who is answered, and in how many runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::backend::{Backend, BackendError, Permit, Running};
use crate::batcher::{Batcher, Policy};
use crate::fixtures::{Judge, answered, at_most, echo, failed, held, policy, request, rows_of, surroundings};

fn refused(status: u16) -> BackendError {
    BackendError::Refused { status, detail: "not like this".into() }
}

/// Sends `n` requests as one batch to a backend that fails every run with one of `culprits` in it: each one's outcome, and the runs.
async fn judged(n: u32, culprits: &'static [u32], error: BackendError) -> (Vec<Result<Vec<u32>, BackendError>>, usize) {
    let judge = Judge::new(move |rows| match rows.iter().any(|row| culprits.contains(row)) {
        true => Err(error.clone()),
        false => Ok(()),
    });
    let batcher = Batcher::start("m", Policy { max_rows: at_most(32), ..policy() }, judge.clone(), &surroundings());
    let tickets: Vec<_> = (0..n).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    let outcomes = join_all(tickets.into_iter().map(answered)).await;
    let asked = judge.asked.lock();
    assert_eq!(asked[0].len(), n as usize, "all run together first");
    (outcomes, asked.len())
}

#[tokio::test(start_paused = true)]
async fn only_the_culprit_fails_wherever_it_is() {
    const EACH: [u32; 32] = {
        let mut each = [0; 32];
        let mut i = 0;
        while i < 32 {
            each[i] = i as u32;
            i += 1;
        }
        each
    };
    for error in [failed("crash"), refused(400)] {
        for (culprit, only) in EACH.iter().zip(EACH.chunks(1)) {
            let (outcomes, runs) = judged(32, only, error.clone()).await;
            for (tag, outcome) in (0..).zip(outcomes) {
                assert_eq!(outcome, if tag == *culprit { Err(error.clone()) } else { Ok(vec![tag]) });
            }
            assert!(runs <= 11, "{runs} runs for culprit {culprit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_culprits_fail_alone_and_together_cost_little_more_than_one_run_each() {
    for culprits in [&[0, 31][..], &[0, 1, 2, 3, 4, 5, 6, 7], &[1, 5, 9, 13, 17, 21, 25, 29]] {
        let (outcomes, runs) = judged(32, culprits, failed("crash")).await;
        for (tag, outcome) in (0..).zip(outcomes) {
            assert_eq!(outcome, if culprits.contains(&tag) { Err(failed("crash")) } else { Ok(vec![tag]) });
        }
        assert!(runs <= 32 + 12, "{runs}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_backend_is_gone_or_late_nothing_is_run_again() {
    let gone = BackendError::Unavailable { detail: "gone".into() };
    for error in [gone, BackendError::TimedOut, refused(401), refused(404)] {
        let (outcomes, runs) = judged(8, &[3], error.clone()).await;
        assert!(outcomes.into_iter().all(|outcome| outcome == Err(error.clone())));
        assert_eq!(runs, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_request_that_fails_is_not_run_again() {
    let (outcomes, runs) = judged(1, &[0], failed("crash")).await;
    assert_eq!((outcomes, runs), (vec![Err(failed("crash"))], 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_taken_apart_though_nobody_else_comes() {
    // The loop must not sit on the only slot while the queue is empty.
    let (batcher, mut runs, _around) = held(policy());
    let tickets: Vec<_> = (0..2).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    runs.next().await.fail(failed("one of you"));
    let began = tokio::time::Instant::now();
    runs.next().await.echo();
    runs.next().await.echo();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(join_all(tickets.into_iter().map(answered)).await, [Ok(vec![0]), Ok(vec![1])]);
}

#[tokio::test(start_paused = true)]
async fn what_runs_again_takes_turns_with_the_batches_that_wait() {
    let (batcher, mut runs, _around) = held(policy());
    let _poisoned: Vec<_> = (0..4).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    let run = runs.next().await;
    let _waiting: Vec<_> = (10..18).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    runs.none().await;
    run.fail(failed("one of you"));
    for expected in [vec![10, 11, 12, 13], vec![0, 1], vec![14, 15, 16, 17], vec![2, 3]] {
        let run = runs.next().await;
        assert_eq!(run.rows(), expected);
        run.echo();
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_ends_and_gives_its_permit_back() {
    let (batcher, mut runs, _around) = held(policy());
    let late = batcher.submit(request(0), 1).unwrap();
    let _never_answered = runs.next().await;
    let next = batcher.submit(request(1), 1).unwrap();
    assert_eq!(answered(late).await, Err(BackendError::TimedOut));
    runs.next().await.echo();
    assert_eq!(answered(next).await, Ok(vec![1]));
}

/// Panics, before or while it runs, when a poisoned row is in the batch.
struct Panics {
    early: bool,
}

impl Backend for Panics {
    fn run(&self, batch: forebay_protocol::InferRequest, permit: Permit) -> Running {
        let poisoned = rows_of(&batch).contains(&13);
        assert!(!(poisoned && self.early), "poison");
        Box::pin(async move {
            let _permit = permit;
            assert!(!poisoned, "poison");
            Ok(echo(&batch))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_panics_fails_only_the_row_that_made_it() {
    for early in [true, false] {
        let batcher = Batcher::start("m", policy(), Arc::new(Panics { early }), &surroundings());
        let tickets: Vec<_> = (12..16).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
        for (tag, outcome) in (12..).zip(join_all(tickets.into_iter().map(answered)).await) {
            match tag {
                13 => assert!(matches!(outcome, Err(BackendError::Failed { .. }))),
                _ => assert_eq!(outcome, Ok(vec![tag])),
            }
        }
    }
}

/// Answers with one row too few.
struct Short;

impl Backend for Short {
    fn run(&self, batch: forebay_protocol::InferRequest, permit: Permit) -> Running {
        let mut response = echo(&batch);
        response.outputs[0] = response.outputs[0].slice_rows(1, response.outputs[0].rows()).unwrap();
        Box::pin(async move {
            drop(permit);
            Ok(response)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_too_few_rows_is_nobodys_answer() {
    let batcher = Batcher::start("m", policy(), Arc::new(Short), &surroundings());
    let tickets: Vec<_> = (0..4).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    for outcome in join_all(tickets.into_iter().map(answered)).await {
        assert!(matches!(outcome, Err(BackendError::Failed { detail }) if detail.contains("0 rows for a batch of 1")));
    }
}
