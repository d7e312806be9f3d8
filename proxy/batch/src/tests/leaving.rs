//! Callers who leave: their rows do not run, and nobody else notices.

use std::future::poll_fn;
use std::task::Poll;

use crate::batcher::Policy;
use crate::fixtures::{answered, at_most, failed, held, keyed, policy, request, rows_request};

#[tokio::test(start_paused = true)]
async fn a_caller_who_left_costs_no_row() {
    let (batcher, mut runs, _around) = held(policy());
    let _first = batcher.submit(request(0), 1).unwrap();
    let running = runs.next().await;
    let mut waiting: Vec<_> = (1..=5).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    drop(waiting.remove(1));
    assert_eq!(batcher.rows_waiting(), 4);
    running.echo();
    let run = runs.next().await;
    assert_eq!(run.rows(), [1, 3, 4, 5], "the place is another's");
    run.echo();
    for (tag, ticket) in [1, 3, 4, 5].into_iter().zip(waiting) {
        assert_eq!(answered(ticket).await, Ok(vec![tag]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_left_before_anything_ran_is_never_seen_by_the_backend() {
    let (batcher, mut runs, _around) = held(policy());
    drop(batcher.submit(request(0), 1).unwrap());
    runs.none().await;
    let ticket = batcher.submit(request(1), 1).unwrap();
    let run = runs.next().await;
    assert_eq!(run.rows(), [1]);
    run.echo();
    assert_eq!(answered(ticket).await, Ok(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_while_its_rows_run_disturbs_nobody() {
    let (batcher, mut runs, _around) = held(policy());
    let stays = batcher.submit(request(0), 1).unwrap();
    let leaves = batcher.submit(request(1), 1).unwrap();
    let run = runs.next().await;
    assert_eq!(run.rows(), [0, 1]);
    drop(leaves);
    run.echo();
    assert_eq!(answered(stays).await, Ok(vec![0]));
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_a_part_runs_withdraws_the_other_parts() {
    let (batcher, mut runs, _around) = held(policy());
    let large = batcher.submit(rows_request(12, 1), 12).unwrap();
    let run = runs.next().await;
    let other = batcher.submit(request(2), 1).unwrap();
    assert_eq!(batcher.rows_waiting(), 9);
    drop(large);
    assert_eq!(batcher.rows_waiting(), 1);
    run.echo();
    let run = runs.next().await;
    assert_eq!(run.rows(), [2]);
    run.echo();
    assert_eq!(answered(other).await, Ok(vec![2]));
}

#[tokio::test(start_paused = true)]
async fn when_one_part_fails_the_other_parts_do_not_run() {
    let (batcher, mut runs, _around) = held(policy());
    let large = batcher.submit(rows_request(12, 1), 12).unwrap();
    runs.next().await.fail(failed("bad"));
    runs.none().await;
    assert_eq!(answered(large).await, Err(failed("bad")));
    assert_eq!(batcher.rows_waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_part_is_told_at_once_and_the_parts_that_wait_do_not_run() {
    let (batcher, mut runs, _around) = held(Policy { concurrency: at_most(2), ..policy() });
    let large = batcher.submit(rows_request(16, 1), 16).unwrap();
    let (first, second) = (runs.next().await, runs.next().await);
    assert_eq!(batcher.rows_waiting(), 8);
    let outcome = tokio::spawn(answered(large));
    first.fail(failed("bad"));
    assert_eq!(outcome.await.unwrap(), Err(failed("bad")));
    assert_eq!(batcher.rows_waiting(), 0);
    second.echo();
    runs.none().await;
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_was_looked_at_withdraws_as_well() {
    let (batcher, mut runs, _around) = held(policy());
    let _first = batcher.submit(request(0), 1).unwrap();
    let _running = runs.next().await;
    let mut ticket = Box::pin(batcher.submit(request(1), 1).unwrap());
    assert!(poll_fn(|cx| Poll::Ready(ticket.as_mut().poll(cx))).await.is_pending());
    drop(ticket);
    assert_eq!(batcher.rows_waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_left_the_group_that_runs_again_is_not_run_again() {
    let (batcher, mut runs, _around) = held(policy());
    let mut tickets: Vec<_> = (0..4).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    let run = runs.next().await;
    drop(tickets.remove(0));
    run.fail(failed("one of you"));
    let again = runs.next().await;
    assert_eq!(again.rows(), [1]);
    again.echo();
    runs.next().await.echo();
    for (tag, ticket) in (1..).zip(tickets) {
        assert_eq!(answered(ticket).await, Ok(vec![tag]));
    }
}

#[tokio::test(start_paused = true)]
async fn room_that_a_caller_leaves_is_anothers() {
    let (batcher, mut runs, _around) = held(Policy { queue_rows: 2, ..policy() });
    let _first = batcher.submit(request(0), 1).unwrap();
    let _running = runs.next().await;
    let waiting = [batcher.submit(keyed(1, 1), 1).unwrap(), batcher.submit(keyed(2, 2), 1).unwrap()];
    assert_eq!(batcher.submit(request(3), 1).unwrap_err().rows_waiting, 2);
    drop(waiting);
    assert!(batcher.submit(request(3), 1).is_ok());
}
