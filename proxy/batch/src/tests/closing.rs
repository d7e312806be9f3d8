//! The end of a Batcher: what waits is run, and nobody waits for ever.

use crate::backend::BackendError;
use crate::batcher::Policy;
use crate::fixtures::{answered, held, policy, request};

fn shutting_down(outcome: Result<Vec<u32>, BackendError>) -> bool {
    matches!(outcome, Err(BackendError::Unavailable { detail }) if detail.contains("shutting down"))
}

#[tokio::test(start_paused = true)]
async fn closing_flushes_what_waits_and_ends_every_task() {
    let (batcher, mut runs, around) = held(policy());
    let tickets: Vec<_> = (0..6).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    batcher.close();
    around.tasks.close();
    for expected in [vec![0, 1, 2, 3], vec![4, 5]] {
        let run = runs.next().await;
        assert_eq!(run.rows(), expected);
        run.echo();
    }
    for (tag, ticket) in (0..).zip(tickets) {
        assert_eq!(answered(ticket).await, Ok(vec![tag]));
    }
    around.tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_just_before_the_end_are_run() {
    // The loop learns of the arrival and of the end at the same moment, and may look at either first.
    for _ in 0..64 {
        let (batcher, mut runs, around) = held(policy());
        runs.none().await;
        let ticket = batcher.submit(request(1), 1).unwrap();
        drop(batcher);
        runs.next().await.echo();
        assert_eq!(answered(ticket).await, Ok(vec![1]));
        around.tasks.close();
        around.tasks.wait().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_clone_to_go_ends_the_task() {
    let (batcher, mut runs, around) = held(policy());
    let clone = batcher.clone();
    drop(batcher);
    let ticket = clone.submit(request(1), 1).unwrap();
    runs.next().await.echo();
    assert_eq!(answered(ticket).await, Ok(vec![1]));
    drop(clone);
    around.tasks.close();
    around.tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_after_the_end_is_told_so_at_once() {
    let (batcher, _runs, around) = held(policy());
    batcher.close();
    around.tasks.close();
    around.tasks.wait().await;
    assert!(shutting_down(answered(batcher.submit(request(1), 1).unwrap()).await));
    assert_eq!((batcher.rows_waiting(), batcher.backlog()), (0, std::time::Duration::ZERO));
}

#[test]
fn whoever_waits_when_the_runtime_ends_is_told_so() {
    let ends = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (batcher, running, waiting) = ends.block_on(async {
        let (batcher, mut runs, _around) = held(policy());
        let running = batcher.submit(request(0), 1).unwrap();
        let _run = runs.next().await;
        (batcher.clone(), running, batcher.submit(request(1), 1).unwrap())
    });
    drop(ends);
    let lives = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(lives.block_on(async { shutting_down(answered(running).await) && shutting_down(answered(waiting).await) }));
    assert_eq!(batcher.rows_waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_still_taken_apart_after_the_end() {
    let (batcher, mut runs, around) = held(Policy { queue_rows: 10, ..policy() });
    let tickets: Vec<_> = (0..2).map(|tag| batcher.submit(request(tag), 1).unwrap()).collect();
    let run = runs.next().await;
    drop(batcher);
    run.fail(crate::fixtures::failed("one of you"));
    runs.next().await.echo();
    runs.next().await.echo();
    for (tag, ticket) in (0..).zip(tickets) {
        assert_eq!(answered(ticket).await, Ok(vec![tag]));
    }
    around.tasks.close();
    around.tasks.wait().await;
}
