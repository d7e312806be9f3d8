//! Threads that run a model, one replica each.
//!
//! A session of ONNX Runtime is not to be run from two threads, and a run blocks: so each replica has a thread of its own, and callers of any
//! async runtime wait on a channel. Batches go to whichever worker is free, in the order in which they came. A batch whose caller has left
//! is not run. Dropping [`Workers`] lets the threads finish what was submitted and end by themselves.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use forebay_protocol::{InferRequest, Tensor};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::model::{Model, RunError};

/// Batches that may wait per worker. The batcher submits no more than one per worker; the rest is for callers that have no batcher.
/// When it is full, a submission is refused as [`RunError::Unavailable`].
const WAITING_PER_WORKER: usize = 4;

type Outcome = Result<Vec<Tensor>, RunError>;

struct Job {
    request: InferRequest,
    answer: oneshot::Sender<Outcome>,
}

/// The running threads of one model.
pub(crate) struct Workers {
    jobs: SyncSender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one thread per replica.
    pub(crate) fn start<M: Model>(name: &str, replicas: Vec<M>) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(replicas.len().saturating_mul(WAITING_PER_WORKER));
        let waiting = Arc::new(Mutex::new(waiting));
        let threads = replicas
            .into_iter()
            .map(|replica| {
                let waiting = Arc::clone(&waiting);
                Builder::new().name(format!("model {name}")).spawn(move || work(replica, &waiting))
            })
            .collect::<io::Result<_>>()?;
        Ok(Workers { jobs, threads })
    }

    /// Hands a batch over at once; the future waits for its answer. Dropping the future withdraws a batch that has not begun.
    pub(crate) fn run(&self, request: InferRequest) -> impl Future<Output = Outcome> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let submitted = self.jobs.try_send(Job { request, answer }).map_err(|error| match error {
            TrySendError::Full(_) => RunError::Unavailable { detail: "too many batches wait for it" },
            TrySendError::Disconnected(_) => RunError::Unavailable { detail: "its workers have ended" },
        });
        async move {
            submitted?;
            answered.await.unwrap_or(Err(RunError::Unavailable { detail: "its worker ended" }))
        }
    }

    /// Waits until everything that was submitted is answered and the threads have ended.
    pub(crate) fn close(self) {
        drop(self.jobs);
        for thread in self.threads {
            // A thread only ends by returning: panics of a model are caught where it is run.
            let _ = thread.join();
        }
    }
}

/// A worker's life: until no caller is left and nothing waits.
fn work(mut replica: impl Model, waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, so that one idle worker sleeps on the channel and the others on the lock; a job wakes one of them.
        let next = waiting.lock().recv();
        let Ok(job) = next else { return };
        if job.answer.is_closed() {
            continue;
        }
        // The caller may leave meanwhile: then nobody is there to be told.
        let _ = job.answer.send(run_caught(&mut replica, &job.request));
    }
}

/// A panic below costs one batch, not the worker.
fn run_caught(replica: &mut impl Model, request: &InferRequest) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| replica.run(request)))
        .unwrap_or_else(|_| Err(RunError::Failed { detail: "its run panicked; the log has the place".to_owned() }))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Reports each run and waits until it is let go.
    struct Held {
        begun: mpsc::Sender<String>,
        go: Arc<Mutex<Receiver<Outcome>>>,
    }

    impl Model for Held {
        fn run(&mut self, request: &InferRequest) -> Outcome {
            self.begun.send(request.model.clone()).unwrap();
            self.go.lock().recv().expect("the test lets every run go")
        }
    }

    struct Fixture {
        workers: Workers,
        begun: Receiver<String>,
        go: mpsc::Sender<Outcome>,
    }

    fn held(replicas: usize) -> Fixture {
        let (begun_sender, begun) = mpsc::channel();
        let (go, go_receiver) = mpsc::channel();
        let go_receiver = Arc::new(Mutex::new(go_receiver));
        let replicas = (0..replicas).map(|_| Held { begun: begun_sender.clone(), go: Arc::clone(&go_receiver) }).collect();
        Fixture { workers: Workers::start("held", replicas).unwrap(), begun, go }
    }

    fn batch(name: &str) -> InferRequest {
        InferRequest { model: name.into(), version: None, id: None, parameters: vec![], inputs: vec![], outputs: vec![] }
    }

    #[tokio::test]
    async fn batches_run_in_the_order_in_which_they_came() {
        let fixture = held(1);
        let first = fixture.workers.run(batch("first"));
        let second = fixture.workers.run(batch("second"));
        fixture.go.send(Ok(vec![])).unwrap();
        fixture.go.send(Err(RunError::Failed { detail: "second".into() })).unwrap();
        assert_eq!(first.await, Ok(vec![]));
        assert_eq!(second.await, Err(RunError::Failed { detail: "second".into() }));
        assert_eq!(fixture.begun.iter().take(2).collect::<Vec<_>>(), ["first", "second"]);
    }

    #[tokio::test]
    async fn two_workers_run_at_the_same_time() {
        let fixture = held(2);
        let both = [fixture.workers.run(batch("first")), fixture.workers.run(batch("second"))];
        // Both have begun, and neither was let go.
        let mut begun: Vec<String> = fixture.begun.iter().take(2).collect();
        begun.sort();
        assert_eq!(begun, ["first", "second"]);
        both.iter().for_each(|_| fixture.go.send(Ok(vec![])).unwrap());
        for answer in both {
            answer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn dropping_answers_what_was_submitted_and_ends_the_threads() {
        let Fixture { workers, begun, go } = held(2);
        let answers = [workers.run(batch("a")), workers.run(batch("b")), workers.run(batch("c"))];
        drop(workers);
        // Either worker may be the one that is let go first.
        answers.iter().for_each(|_| go.send(Ok(vec![])).unwrap());
        for answer in answers {
            assert_eq!(answer.await, Ok(vec![]));
        }
        // Ends only when every replica, and with it every thread's sender, is gone.
        assert_eq!(begun.iter().count(), 3);
    }

    #[tokio::test]
    async fn a_batch_whose_caller_left_is_not_run() {
        let fixture = held(1);
        let first = fixture.workers.run(batch("first"));
        assert_eq!(fixture.begun.recv().unwrap(), "first");
        drop(fixture.workers.run(batch("left")));
        let third = fixture.workers.run(batch("third"));
        fixture.go.send(Ok(vec![])).unwrap();
        fixture.go.send(Ok(vec![])).unwrap();
        first.await.unwrap();
        third.await.unwrap();
        assert_eq!(fixture.begun.recv().unwrap(), "third");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let fixture = held(1);
        let running = fixture.workers.run(batch("running"));
        fixture.begun.recv().unwrap();
        let waiting: Vec<_> = (0..WAITING_PER_WORKER).map(|_| fixture.workers.run(batch("waiting"))).collect();
        let refused = fixture.workers.run(batch("refused")).await;
        assert_eq!(refused, Err(RunError::Unavailable { detail: "too many batches wait for it" }));
        for _ in 0..=WAITING_PER_WORKER {
            fixture.go.send(Ok(vec![])).unwrap();
        }
        running.await.unwrap();
        for answer in waiting {
            answer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn closing_answers_what_was_submitted() {
        let fixture = held(2);
        let answers: Vec<_> = (0..4).map(|_| fixture.workers.run(batch("late"))).collect();
        for _ in 0..4 {
            fixture.go.send(Ok(vec![])).unwrap();
        }
        tokio::task::spawn_blocking(|| fixture.workers.close()).await.unwrap();
        for answer in answers {
            assert_eq!(answer.await, Ok(vec![]));
        }
    }

    #[tokio::test]
    async fn a_panic_costs_one_batch_and_not_the_worker() {
        struct Clumsy;
        impl Model for Clumsy {
            fn run(&mut self, request: &InferRequest) -> Outcome {
                assert_ne!(request.model, "bad");
                Ok(vec![])
            }
        }
        let workers = Workers::start("clumsy", vec![Clumsy]).unwrap();
        assert!(matches!(workers.run(batch("bad")).await, Err(RunError::Failed { .. })));
        assert_eq!(workers.run(batch("good")).await, Ok(vec![]));
    }
}
