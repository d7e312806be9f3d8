//! Notices that a file of the configuration changed, or that someone asks for a reload with SIGHUP.
//!
//! It looks once a second instead of being told. A change of configuration is in no hurry, and looking works wherever files do: over
//! bind mounts, network and overlay file systems, when Kubernetes swaps the symbolic links of a ConfigMap, when an editor puts a new
//! file in the old one's place. inotify misses some of these, has to watch folders to see the others, and runs out of watches.
//!
//! A change counts once two looks in a row saw the same, so that a file is not read while it is being written. A file that vanished or
//! appeared has changed, and so has one whose permissions did: it may be readable now.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Between two looks: one `stat` per file.
const EVERY: Duration = Duration::from_secs(1);

/// What there is to load anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A file changed and has come to rest.
    Files,
    /// SIGHUP: load, whatever the files look like.
    Asked,
}

/// Watches a list of files, which is replaced after each load.
#[derive(Debug)]
pub(crate) struct Watcher {
    files: Vec<PathBuf>,
    seen: Seen,
    looks: Interval,
    hangup: Signal,
}

impl Watcher {
    /// Begins with the files as they are now. To miss nothing, begin before the first load with what is known: the file's own path.
    /// From then on SIGHUP no longer ends the process. Must be called on a tokio runtime with time and signals.
    pub(crate) fn new(files: Vec<PathBuf>) -> std::io::Result<Self> {
        Self::with_signal(SignalKind::hangup(), files)
    }

    fn with_signal(kind: SignalKind, files: Vec<PathBuf>) -> std::io::Result<Self> {
        let hangup = signal(kind)?;
        let mut looks = interval_at(Instant::now() + EVERY, EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let seen = Seen::new(look(&files));
        Ok(Watcher { files, seen, looks, hangup })
    }

    /// Replaces the list, after a load that read these files. For a file that was watched before, what counts is how it looked when the
    /// change was reported: if it changed during the load, that is reported next.
    pub(crate) fn watch(&mut self, files: Vec<PathBuf>) {
        let reported: Vec<Print> = files.iter().map(|file| self.reported(file).unwrap_or_else(|| Print::of(file))).collect();
        self.seen = Seen::new(reported);
        self.files = files;
    }

    /// Waits for the next change. Dropping it midway loses none.
    pub(crate) async fn changed(&mut self) -> Change {
        loop {
            tokio::select! {
                Some(()) = self.hangup.recv() => {
                    self.seen = Seen::new(look(&self.files));
                    return Change::Asked;
                }
                _ = self.looks.tick() => {
                    if self.seen.observe(look(&self.files)) == Observed::Changed {
                        return Change::Files;
                    }
                }
            }
        }
    }

    fn reported(&self, file: &Path) -> Option<Print> {
        self.files.iter().zip(&self.seen.reported).find(|(watched, _)| *watched == file).map(|(_, print)| *print)
    }
}

fn look(files: &[PathBuf]) -> Vec<Print> {
    files.iter().map(|file| Print::of(file)).collect()
}

/// What tells one state of a file from another. `None`: there is none that can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print(Option<FileState>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    /// Cannot be set by whoever copies a file with its times.
    changed: (i64, i64),
}

impl Print {
    /// Of what a path leads to, through symbolic links.
    fn of(file: &Path) -> Self {
        Print(std::fs::metadata(file).ok().map(|meta| FileState {
            device: meta.dev(),
            inode: meta.ino(),
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }))
    }
}

/// What was reported, and what differs from it but may still be moving.
#[derive(Debug)]
struct Seen<P = Vec<Print>> {
    reported: P,
    moving: Option<P>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observed {
    Same,
    /// Different, but not twice the same.
    Moving,
    /// Different and at rest. It is said once.
    Changed,
}

impl<P: PartialEq> Seen<P> {
    fn new(reported: P) -> Self {
        Seen { reported, moving: None }
    }

    fn observe(&mut self, now: P) -> Observed {
        if now == self.reported {
            self.moving = None;
            Observed::Same
        } else if self.moving.as_ref() == Some(&now) {
            *self = Seen::new(now);
            Observed::Changed
        } else {
            self.moving = Some(now);
            Observed::Moving
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_change_is_reported_once_when_it_has_come_to_rest() {
        use Observed::{Changed, Moving, Same};
        let cases: [(&str, &[Observed]); 5] = [
            ("aaa", &[Same, Same, Same]),
            ("bbbb", &[Moving, Changed, Same, Same]),
            ("bcdd", &[Moving, Moving, Moving, Changed]),
            ("baba", &[Moving, Same, Moving, Same]),
            ("bbaa", &[Moving, Changed, Moving, Changed]),
        ];
        for (looks, expected) in cases {
            let mut seen = Seen::new('a');
            let observed: Vec<Observed> = looks.chars().map(|look| seen.observe(look)).collect();
            assert_eq!(observed, expected, "{looks}");
        }
    }

    /// A signal reaches every watcher of the process: those of other tests listen to another one.
    fn watcher(files: Vec<PathBuf>) -> Watcher {
        Watcher::with_signal(SignalKind::user_defined2(), files).unwrap()
    }

    /// Nothing was reported in ten looks. Time is paused: no time passes.
    async fn is_quiet(watcher: &mut Watcher) -> bool {
        timeout(10 * EVERY, watcher.changed()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn every_way_to_change_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("forebay.yaml");
        let other = folder.path().join("other.yaml");
        let mut watcher = watcher(vec![file.clone()]);
        let changes: [(&str, &dyn Fn()); 5] = [
            ("it appears", &|| fs::write(&file, "a").unwrap()),
            ("it is written in place", &|| fs::write(&file, "ab").unwrap()),
            ("another is put in its place", &|| {
                fs::write(&other, "ba").unwrap();
                fs::rename(&other, &file).unwrap();
            }),
            ("its permissions change", &|| fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap()),
            ("it vanishes", &|| fs::remove_file(&file).unwrap()),
        ];
        for (name, change) in changes {
            assert!(is_quiet(&mut watcher).await, "before {name}");
            change();
            assert_eq!(timeout(10 * EVERY, watcher.changed()).await, Ok(Change::Files), "{name}");
        }
    }

    /// As kubelet does: the files are links into a folder that is itself a link, which is swapped.
    #[tokio::test(start_paused = true)]
    async fn a_config_map_that_is_swapped_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("forebay.yaml"), "same").unwrap();
        }
        symlink("1", path("..data")).unwrap();
        symlink("..data/forebay.yaml", path("forebay.yaml")).unwrap();

        let mut watcher = watcher(vec![path("forebay.yaml")]);
        assert!(is_quiet(&mut watcher).await);
        symlink("2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert_eq!(watcher.changed().await, Change::Files);
        assert!(is_quiet(&mut watcher).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_the_load_is_reported_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("forebay.yaml");
        let keys = folder.path().join("keys.yaml");
        fs::write(&file, "a").unwrap();
        fs::write(&keys, "k").unwrap();
        let mut watcher = watcher(vec![file.clone()]);
        fs::write(&file, "changed while it was loaded").unwrap();
        watcher.watch(vec![file, keys.clone()]);
        assert_eq!(watcher.changed().await, Change::Files);
        assert!(is_quiet(&mut watcher).await);
        fs::write(&keys, "kk").unwrap();
        assert_eq!(watcher.changed().await, Change::Files);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_no_longer_used_is_no_longer_watched() {
        let folder = tempfile::tempdir().unwrap();
        let (file, unused) = (folder.path().join("a"), folder.path().join("b"));
        let mut watcher = watcher(vec![file.clone(), unused.clone()]);
        watcher.watch(vec![file]);
        fs::write(&unused, "b").unwrap();
        assert!(is_quiet(&mut watcher).await);
    }

    /// Real time: the signal comes from another process, and the test waits for nothing else.
    #[tokio::test]
    async fn a_hangup_asks_for_a_load() {
        let mut watcher = Watcher::new(Vec::new()).unwrap();
        let status = std::process::Command::new("sh").arg("-c").arg(format!("kill -HUP {}", std::process::id())).status().unwrap();
        assert!(status.success());
        assert_eq!(watcher.changed().await, Change::Asked);
    }
}
