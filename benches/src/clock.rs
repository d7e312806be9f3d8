//! Waiting until an exact moment.
//!
//! The kernel may end a sleep 50 µs late by default (its timer slack), and a virtual machine adds to that. So a thread that must be exact
//! asks for sharp timers, sleeps until shortly before the moment, and spins the rest.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// What is spun: more than a woken sleep is late on a quiet machine, little enough not to be felt by who shares the core.
const SPUN: Duration = Duration::from_micros(80);

/// Asks the kernel to end this thread's sleeps as exactly as it can. Where it refuses, sleeps are late by its default slack, and the
/// lateness that is reported shows it.
pub fn sharpen_timers() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// Returns at `moment`, as exactly as the scheduler allows; at once when it has passed.
pub fn sleep_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if left > SPUN {
        std::thread::sleep(left - SPUN);
    }
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}
