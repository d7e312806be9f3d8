//! Waiting for what no event announces.

use std::time::{Duration, Instant};

/// For what takes milliseconds on an idle machine; a busy one is given time before it is called broken.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// The first value that `look` finds. Fails after [`LONG`], naming `what`.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {LONG:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Waits until `holds`.
pub(crate) fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}
