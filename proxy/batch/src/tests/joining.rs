//! What runs together, when, and in what order.

use std::time::Duration;

use futures_util::future::join_all;

use crate::batcher::{Batcher, Policy};
use crate::fixtures::{Judge, answered, at_most, echo, held, keyed, policy, request, rows_request, surroundings, tags};

#[tokio::test(start_paused = true)]
async fn a_lone_request_leaves_at_once() {
    let (batcher, mut runs, _around) = held(policy());
    let began = tokio::time::Instant::now();
    let ticket = batcher.submit(request(7), 1).unwrap();
    let run = runs.next().await;
    assert_eq!((run.rows(), began.elapsed()), (vec![7], Duration::ZERO));
    run.echo();
    let answer = ticket.await.unwrap();
    assert_eq!(answer.timing.batch_rows, 1);
    assert_eq!(batcher.rows_waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn rows_wait_only_while_the_backend_is_busy_and_then_leave_together() {
    let (batcher, mut runs, _around) = held(policy());
    let first = batcher.submit(request(0), 1).unwrap();
    let running = runs.next().await;
    let waiting: Vec<_> = (1..=3).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    runs.none().await;
    assert_eq!(batcher.rows_waiting(), 3);
    running.echo();
    let together = runs.next().await;
    assert_eq!(together.rows(), [1, 2, 3]);
    together.echo();
    assert_eq!(answered(first).await, Ok(vec![0]));
    for (tag, answer) in (1..).zip(join_all(waiting).await) {
        let answer = answer.unwrap();
        assert_eq!((tags(&answer.response.outputs[0]), answer.timing.batch_rows), (vec![tag], 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_its_rows_and_the_rest_is_next() {
    let (batcher, mut runs, _around) = held(policy());
    let _first = batcher.submit(request(0), 1).unwrap();
    let running = runs.next().await;
    let _waiting: Vec<_> =
        [(2, 1), (1, 2), (2, 3), (4, 4)].map(|(rows, tag)| batcher.submit(rows_request(rows, tag), rows).unwrap()).into();
    running.echo();
    for expected in [vec![1, 1, 2], vec![3, 3], vec![4; 4]] {
        let run = runs.next().await;
        assert_eq!(run.rows(), expected);
        run.echo();
    }
    runs.none().await;
}

#[tokio::test(start_paused = true)]
async fn different_keys_wait_side_by_side() {
    let (batcher, mut runs, _around) = held(policy());
    let _first = batcher.submit(request(0), 1).unwrap();
    let running = runs.next().await;
    let _waiting: Vec<_> = (1..=6).map(|tag| batcher.submit(keyed(tag, i64::from(tag % 2)), 1).unwrap()).collect();
    running.echo();
    for expected in [[1, 3, 5], [2, 4, 6]] {
        let run = runs.next().await;
        assert_eq!(run.rows(), expected);
        run.echo();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_a_batch_runs_in_parts_and_is_answered_whole() {
    let (batcher, mut runs, _around) = held(policy());
    let whole = rows_request(10, 5);
    let ticket = batcher.submit(whole.clone(), 10).unwrap();
    for rows in [4, 4, 2] {
        let run = runs.next().await;
        assert_eq!(run.rows(), vec![5; rows]);
        run.echo();
    }
    let answer = ticket.await.unwrap();
    assert_eq!(answer.response.outputs, echo(&whole).outputs);
}

#[tokio::test(start_paused = true)]
async fn parts_that_end_out_of_order_are_joined_in_order() {
    let (batcher, mut runs, _around) = held(Policy { concurrency: at_most(2), ..policy() });
    let whole = rows_request(8, 5);
    let ticket = batcher.submit(whole.clone(), 8).unwrap();
    let (first, second) = (runs.next().await, runs.next().await);
    second.echo();
    runs.none().await;
    first.echo();
    assert_eq!(ticket.await.unwrap().response.outputs, echo(&whole).outputs);
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_batch_dimension_is_served_one_by_one() {
    let (batcher, mut runs, _around) = held(Policy { joins: false, ..policy() });
    // What such a model calls its first dimension is not rows.
    let tickets: Vec<_> = (0..3).map(|tag| batcher.submit(rows_request(9, tag), 1).unwrap()).collect();
    for tag in 0..3 {
        let run = runs.next().await;
        assert_eq!(run.rows(), vec![tag; 9]);
        runs.none().await;
        run.echo();
    }
    for (tag, ticket) in (0..).zip(tickets) {
        assert_eq!(answered(ticket).await, Ok(vec![tag; 9]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_two_batches_has_two_while_enough_rows_wait() {
    let (batcher, mut runs, _around) = held(Policy { concurrency: at_most(2), ..policy() });
    let _tickets: Vec<_> = (0..10).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    let (first, second) = (runs.next().await, runs.next().await);
    assert_eq!((first.rows(), second.rows()), (vec![0, 1, 2, 3], vec![4, 5, 6, 7]));
    runs.none().await;
    second.echo();
    let third = runs.next().await;
    assert_eq!(third.rows(), [8, 9]);
    let _late = batcher.submit(request(10), 1).unwrap();
    first.echo();
    assert_eq!(runs.next().await.rows(), [10]);
}

#[tokio::test(start_paused = true)]
async fn each_answer_has_the_id_of_its_own_request() {
    let (batcher, mut runs, _around) = held(policy());
    let named = |tag: u32| forebay_protocol::InferRequest { id: Some(format!("id-{tag}")), ..request(tag) };
    let tickets: Vec<_> = (0..4).map(|tag| batcher.submit(named(tag), 1).unwrap()).collect();
    let run = runs.next().await;
    assert_eq!(run.batch.id, None);
    run.echo();
    for (tag, ticket) in (0..).zip(tickets) {
        assert_eq!(ticket.await.unwrap().response.id, Some(format!("id-{tag}")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_says_when_to_come_back_and_twice_the_backlog_says_twice_as_long() {
    let mut told = Vec::new();
    for queue_rows in [100, 200] {
        let (batcher, mut runs, _around) = held(Policy { queue_rows, ..policy() });
        let _running = batcher.submit(request(0), 1).unwrap();
        let _run = runs.next().await;
        let _waiting: Vec<_> = (0..queue_rows).map(|_| batcher.submit(request(1), 1).unwrap()).collect();
        let full = batcher.submit(request(2), 1).unwrap_err();
        assert_eq!(full.rows_waiting, queue_rows);
        assert_eq!(batcher.rows_waiting(), queue_rows, "a refused request leaves nothing behind");
        assert_eq!(batcher.backlog(), full.retry_after);
        told.push(full.retry_after);
    }
    assert!(told[0] > Duration::ZERO);
    assert_eq!(told[1], told[0] * 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_come_back_follows_what_the_backend_takes() {
    let (batcher, _around) = {
        let (batcher, _runs, around) = held(Policy { max_rows: at_most(32), ..policy() });
        (batcher, around)
    };
    let learn = |took| (0..500).for_each(|_| batcher.shared().service_time.lock().learn(32, Duration::from_millis(took)));
    let told = |batcher: &crate::Batcher| batcher.shared().time_for(320).as_secs_f64();
    learn(16);
    assert!((told(&batcher) - 0.160).abs() < 0.001, "ten batches of 16 ms");
    learn(32);
    assert!((told(&batcher) - 0.320).abs() < 0.001, "ten batches of 32 ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_arrival_is_overlooked_whatever_the_threads_do() {
    // Each caller waits for its answer before it asks again, so the queue is empty most of the time and every arrival must wake the loop.
    const CALLERS: u32 = 8;
    const EACH: u32 = 1_000;
    for concurrency in [1, 3] {
        let judge = Judge::new(|_| Ok(()));
        let batcher = Batcher::start("m", Policy { concurrency: at_most(concurrency), ..policy() }, judge.clone(), &surroundings());
        let callers = (0..CALLERS).map(|caller| {
            let batcher = batcher.clone();
            tokio::spawn(async move {
                for tag in (0..EACH).map(|i| caller * EACH + i) {
                    let ticket = batcher.submit(request(tag), 1).unwrap();
                    match tag % 7 {
                        0 => drop(ticket),
                        _ => assert_eq!(answered(ticket).await, Ok(vec![tag])),
                    }
                }
            })
        });
        join_all(callers).await.into_iter().for_each(Result::unwrap);
        let mut ran: Vec<u32> = judge.asked.lock().iter().flatten().copied().collect();
        ran.sort_unstable();
        assert!(ran.windows(2).all(|pair| pair[0] < pair[1]), "a row ran twice");
        assert!((0..CALLERS * EACH).filter(|tag| tag % 7 != 0).all(|tag| ran.binary_search(&tag).is_ok()));
    }
}
