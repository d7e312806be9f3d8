//! Finished lines on their way to stderr, through one bounded buffer and one thread.
//!
//! Nobody who writes a line waits for a disk or a pipe. The thread lingers for [`LINGER`] after the first line of a batch and then writes
//! what is there in one call: a waking and a system call per line would cost more than the request that the line is about. When the
//! reader of stderr is too slow, at most [`CAPACITY`] bytes wait; a line that finds no room is dropped and counted, and the next batch
//! that gets through says how many are missing.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::timestamp::Timestamp;

/// Bytes that may wait: some 2,000 request lines, a second of a busy sidecar. There are two such buffers, one being filled and one being
/// written.
const CAPACITY: usize = 1 << 20;

/// How long a line may wait for company.
const LINGER: Duration = Duration::from_millis(20);

/// How long [`Lines::flush`] waits for a reader of stderr that has stopped: an exit is not held up for its sake.
const LONGEST_FLUSH: Duration = Duration::from_secs(2);

/// The buffer that writers of lines and the thread share.
#[derive(Debug, Default)]
pub(super) struct Lines {
    state: Mutex<State>,
    /// To the thread: there are lines, or they are in a hurry.
    wake: Condvar,
    /// To whoever flushes: a batch is out.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes ever taken in, and bytes that the thread is done with.
    taken: u64,
    done: u64,
    /// The thread shall not linger.
    hurry: bool,
    closed: bool,
}

impl Lines {
    /// Starts the thread. It ends after [`Lines::close`], when everything is written.
    pub(super) fn start(sink: impl Write + Send + 'static) -> std::io::Result<Arc<Self>> {
        let lines = Arc::new(Lines::default());
        let thread = lines.clone();
        std::thread::Builder::new().name("forebay-log".into()).spawn(move || thread.write_batches(sink))?;
        Ok(lines)
    }

    /// Takes one line, with its line feed. Never blocks on the sink.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if state.closed || state.waiting.len() + line.len() > CAPACITY {
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.taken += line.len() as u64;
        let half_full = !state.hurry && state.waiting.len() > CAPACITY / 2;
        state.hurry |= half_full;
        drop(state);
        if first || half_full {
            self.wake.notify_one();
        }
    }

    /// Lines that found no room, came too late, or could not be written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns when every line taken so far is written, or after [`LONGEST_FLUSH`].
    pub(super) fn flush(&self) {
        let mut state = self.state.lock();
        let until = state.taken;
        state.hurry = true;
        self.wake.notify_one();
        self.written.wait_while_for(&mut state, |state| state.done < until, LONGEST_FLUSH);
    }

    /// Lets the thread end when everything is written; later lines are dropped.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.flush();
    }

    fn write_batches(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        let mut told = 0;
        while self.next_batch(&mut batch) {
            let (taken, lines) = (batch.len() as u64, batch.iter().filter(|byte| **byte == b'\n').count() as u64);
            let dropped = self.dropped();
            if dropped > told {
                batch.extend_from_slice(missing(dropped - told).as_bytes());
            }
            match sink.write_all(&batch).and_then(|()| sink.flush()) {
                Ok(()) => told = dropped,
                Err(_) => _ = self.dropped.fetch_add(lines, Ordering::Relaxed),
            }
            batch.clear();
            self.state.lock().done += taken;
            self.written.notify_all();
        }
    }

    /// Waits for lines and swaps them into the empty `batch`; false when there are none and never will be.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.state.lock();
        self.wake.wait_while(&mut state, |state| state.waiting.is_empty() && !state.closed);
        self.wake.wait_while_for(&mut state, |state| !state.hurry && !state.closed, LINGER);
        state.hurry = false;
        std::mem::swap(&mut state.waiting, batch);
        !batch.is_empty()
    }
}

fn missing(lines: u64) -> String {
    let now = Timestamp::now();
    format!(r#"{{"timestamp":"{now}","level":"warn","message":"log lines were dropped","target":"forebay::log","lines":{lines}}}"#) + "\n"
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A sink that others can read.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A sink whose reader has stopped until the test lets it go on.
    struct Stuck {
        started: SyncSender<()>,
        go_on: Receiver<()>,
        paper: Paper,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.started.send(()).ok();
            self.go_on.recv().ok();
            self.paper.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_once_and_in_order() {
        let paper = Paper::default();
        let lines = Lines::start(paper.clone()).unwrap();
        let expected: String = (0..10_000).map(|i| format!("line {i}\n")).collect();
        for line in expected.split_inclusive('\n') {
            lines.push(line.as_bytes());
        }
        lines.flush();
        assert_eq!(paper.text(), expected);
        assert_eq!(lines.dropped(), 0);
    }

    #[test]
    fn lines_of_many_threads_are_never_torn() {
        let paper = Paper::default();
        let lines = Lines::start(paper.clone()).unwrap();
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let line = name.repeat(99) + "\n";
                let lines = &lines;
                scope.spawn(move || (0..500).for_each(|_| lines.push(line.as_bytes())));
            }
        });
        lines.close();
        let text = paper.text();
        assert_eq!(text.lines().count(), 2000);
        assert!(text.lines().all(|line| line.len() == 99 && line.chars().all(|c| line.starts_with(c))));
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_nobodys_time() {
        let (started, has_started) = sync_channel(0);
        let (let_go, go_on) = sync_channel(0);
        let paper = Paper::default();
        let lines = Lines::start(Stuck { started, go_on, paper: paper.clone() }).unwrap();
        lines.push(b"first\n");
        has_started.recv().unwrap();

        let line = [b"x".repeat(1023).as_slice(), b"\n"].concat();
        (0..CAPACITY / line.len() + 7).for_each(|_| lines.push(&line));
        assert_eq!(lines.dropped(), 7);

        drop((has_started, let_go));
        lines.close();
        let text = paper.text();
        assert_eq!(text.lines().count(), 1 + CAPACITY / line.len() + 1);
        assert!(text.ends_with("\"lines\":7}\n"), "the last line says what is missing");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::start(Broken).unwrap();
        lines.push(b"one\n");
        lines.push(b"two\n");
        lines.flush();
        assert_eq!(lines.dropped(), 2);
    }

    #[test]
    fn after_the_close_a_line_is_dropped_and_counted() {
        let lines = Lines::start(std::io::sink()).unwrap();
        lines.close();
        lines.push(b"late\n");
        assert_eq!(lines.dropped(), 1);
    }
}
