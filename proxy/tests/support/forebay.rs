//! The binary under test as a child process with a configuration of its own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Answer, get};
use super::memory::Memory;
use super::wait::{LONG, until, until_true};

/// Lines of one of the child's outputs so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// What a Forebay is started with.
#[derive(Debug)]
pub(crate) struct Starting {
    folder: TempDir,
    arguments: Vec<String>,
}

impl Starting {
    /// Sets one value over the file, as `--set` does.
    pub(crate) fn set(mut self, assignment: &str) -> Self {
        self.arguments.extend(["--set".to_owned(), assignment.to_owned()]);
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(self) -> Forebay {
        let config = self.folder.path().join("forebay.yaml");
        let mut child = Command::new(binary())
            .args(["run", "--config"])
            .arg(&config)
            .args(&self.arguments)
            .env("ORT_DYLIB_PATH", onnx_runtime())
            .env_remove("FOREBAY_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, out_reader) = collect(child.stdout.take().unwrap());
        let (stderr, err_reader) = collect(child.stderr.take().unwrap());
        let readers = vec![out_reader, err_reader];
        let mut forebay = Forebay { child, folder: self.folder, config, stdout, stderr, readers, api: String::new(), admin: String::new() };
        forebay.api = forebay.announced("API");
        forebay.admin = forebay.announced("admin");
        forebay
    }
}

/// Forebay as cargo built it for this test, or the one that `FOREBAY_BIN` names.
fn binary() -> OsString {
    std::env::var_os("FOREBAY_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_forebay").into())
}

/// Where ONNX Runtime is: as the environment says, else where `make setup` puts it.
fn onnx_runtime() -> PathBuf {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH") {
        return path.into();
    }
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/onnxruntime");
    let versions = std::fs::read_dir(&cache).into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("libonnxruntime.so")).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("ONNX Runtime is missing from {}; install it: make setup", cache.display()))
}

fn collect(output: impl Read + Send + 'static) -> (Lines, JoinHandle<()>) {
    let lines = Lines::default();
    let into = lines.clone();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            into.lock().unwrap().push(line);
        }
    });
    (lines, reader)
}

/// A running Forebay; killed on drop.
#[derive(Debug)]
pub(crate) struct Forebay {
    child: Child,
    folder: TempDir,
    config: PathBuf,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<JoinHandle<()>>,
    /// `127.0.0.1:PORT`, or `unix:/path`: what [`super::Connection::open`] takes.
    pub(crate) api: String,
    pub(crate) admin: String,
}

impl Forebay {
    /// With both listeners on ports that the system chooses.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::with(yaml).start()
    }

    /// For more than a configuration alone.
    pub(crate) fn with(yaml: &str) -> Starting {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("forebay.yaml"), yaml).unwrap();
        Starting { folder, arguments: Vec::new() }.set("listen.api=127.0.0.1:0").set("listen.admin=127.0.0.1:0")
    }

    fn announced(&mut self, what: &str) -> String {
        until(&format!("the line that says where {what} is"), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status} before it listened:\n{}", self.said());
            }
            let lines = self.stdout.lock().unwrap();
            let url = lines.iter().find_map(|line| line.trim().strip_prefix(what)?.strip_prefix(' ').map(str::trim))?;
            Some(url.strip_prefix("http://").unwrap_or(url).to_owned())
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the configuration in one step, as a careful editor does.
    pub(crate) fn write_config(&self, yaml: &str) {
        let new = self.folder.path().join("forebay.yaml.new");
        std::fs::write(&new, yaml).unwrap();
        std::fs::rename(&new, &self.config).unwrap();
    }

    /// A page of the admin listener, such as `/ready?verbose`.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        get(&self.admin, path)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.admin("/ready").status == 200
    }

    pub(crate) fn when_ready(self) -> Self {
        until_true("Forebay is ready", || self.is_ready());
        self
    }

    /// The sum of the samples of `name` that carry all of `labels`; 0 when there is none.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let text = self.admin("/metrics").text();
        let samples = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let own = labels.is_empty() || labels.starts_with('{');
            (own && wanted.iter().all(|label| labels.contains(label))).then(|| value.parse::<f64>().unwrap())
        });
        samples.sum()
    }

    /// Resident memory right now.
    pub(crate) fn rss_bytes(&self) -> u64 {
        Memory::of(self.pid()).now()
    }

    /// Resident memory when it was most.
    pub(crate) fn peak_rss_bytes(&self) -> u64 {
        Memory::of(self.pid()).peak()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name} failed");
    }

    /// Its exit status, and how long it took from now on. Fails when it has not ended `within`.
    pub(crate) fn wait_exit(&mut self, within: Duration) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let took = began.elapsed();
                self.readers.drain(..).for_each(|reader| reader.join().unwrap());
                return (status, took);
            }
            assert!(began.elapsed() < within, "still running after {within:?}:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The lines of its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// The lines of its log that are about a request, parsed.
    pub(crate) fn request_lines(&self) -> Vec<Value> {
        let lines = self.log().into_iter().map(|line| serde_json::from_str::<Value>(&line).expect(&line));
        lines.filter(|line| line["target"] == "forebay::request").collect()
    }

    /// The end of everything it wrote, for messages.
    pub(crate) fn said(&self) -> String {
        let (out, err) = (self.stdout.lock().unwrap(), self.stderr.lock().unwrap());
        let last = err.len().saturating_sub(30);
        [&out[..], &err[last..]].concat().join("\n")
    }
}

impl Drop for Forebay {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}
