//! What an attack costs others: the memory of the proxy, and the answers of a good client that goes on asking.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::support::{Connection, request};
use super::target::Target;

/// Requests of the good client before the attack: enough that the 99th percentile is not simply the slowest.
const CALM: usize = 200;

/// Between two requests of the good client during the attack, so that it takes no processor from it.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the good client waited, request by request.
#[derive(Debug, Default)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The wait that this share of the requests did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn slowest(&self) -> Duration {
        self.quantile(1.0)
    }
}

/// What was seen of a proxy while it was attacked.
#[derive(Debug, Default)]
pub(crate) struct Meanwhile {
    /// Bytes of memory at the height, over those before.
    pub(crate) grown: u64,
    /// Before the attack.
    pub(crate) calm: Waits,
    pub(crate) waits: Waits,
    pub(crate) failed: Vec<String>,
}

/// Runs `attack` while a good client asks for `paths` in turn.
pub(crate) fn meanwhile(target: &Target, paths: &[&str], attack: impl FnOnce()) -> Meanwhile {
    let mut good = Good { target, paths, connection: Connection::open(&target.http1), failed: Vec::new() };
    let calm = Waits((0..CALM).map(|at| good.ask(at)).collect());
    assert!(good.failed.is_empty(), "before the attack: {:?}", good.failed);
    let before = target.memory.now();
    target.memory.forget_peak();
    let over = AtomicBool::new(false);
    let (waits, failed) = std::thread::scope(|scope| {
        let good = scope.spawn(|| good.ask_until(&over));
        {
            let _over = Over(&over);
            attack();
        }
        good.join().unwrap()
    });
    Meanwhile { grown: target.memory.peak().saturating_sub(before), calm, waits, failed }
}

/// Says on drop that the attack is over, also when it failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A client that asks one thing after another on a connection of its own.
struct Good<'a> {
    target: &'a Target,
    paths: &'a [&'a str],
    connection: Connection,
    failed: Vec<String>,
}

impl Good<'_> {
    /// Asks for one of the paths; how long the answer took.
    fn ask(&mut self, at: usize) -> Duration {
        let path = self.paths[at % self.paths.len()];
        let asked = Instant::now();
        let answered = self.connection.try_send(request("GET", path, &[], b"")).and_then(|()| self.connection.try_answer());
        let took = asked.elapsed();
        if !answered.as_ref().is_ok_and(|answer| answer.status == 200) {
            self.failed.push(format!("{path}: {answered:?}"));
            self.connection = Connection::open(&self.target.http1);
        }
        took
    }

    fn ask_until(mut self, over: &AtomicBool) -> (Waits, Vec<String>) {
        let mut waits = Vec::new();
        while !over.load(Ordering::SeqCst) {
            waits.push(self.ask(waits.len()));
            std::thread::sleep(PAUSE);
        }
        (Waits(waits), self.failed)
    }
}
