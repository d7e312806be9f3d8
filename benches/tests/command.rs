//! The program as people start it: exit codes, messages, files, and the smoke test of everything together.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_forebay-load");

/// A serving command, killed on drop.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn new(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = format!("http://{}", line.trim().strip_prefix("listening on ").unwrap());
        Serving { child, url }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn run(url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM).args(["run", url, "--quiet"]).args(arguments).output().unwrap();
    (output.status.code(), told(&output))
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_exit_code_tells_right_failed_and_wrong_apart() {
    let accelerator = Serving::new(&["accelerator", "--base", "100us", "--per-row", "10us", "--max-rows", "2"]);
    let short = ["--rate", "100", "--duration", "100ms"];
    let (code, told) = run(&accelerator.url, &[&short[..], &["--rows", "2"]].concat());
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = run(&accelerator.url, &[&short[..], &["--rows", "3"]].concat());
    assert_eq!(code, Some(3), "{told}");
    let other = Serving::new(&["static"]);
    let (code, told) = run(&other.url, &short);
    assert_eq!(code, Some(4), "{told}");
    let (code, told) = run(&other.url, &[&short[..], &["--unjudged"]].concat());
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_workload_file_is_followed_and_its_results_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(folder.path().join("w.csv"), "20,40").unwrap();
    let server = Serving::new(&["static"]);
    let (workload, json, plot) = (file("w.csv"), file("r.json"), file("r.svg"));
    let arguments = ["--body", "get", "--arrivals", "fixed", "--workload", &workload, "--json", &json, "--plot", &plot];
    let (code, told) = run(&server.url, &arguments);
    assert_eq!(code, Some(0), "{told}");
    let report: forebay_load::report::Report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(report.timeline.iter().map(|second| second.due).collect::<Vec<_>>(), [20, 40]);
    assert!(Path::new(&plot).is_file());
}

#[test]
fn a_bad_workload_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.csv");
    std::fs::write(&path, "20\n30,many").unwrap();
    let (code, told) = run("http://127.0.0.1:1", &["--workload", path.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(told.contains("w.csv: line 2, column 4: `many`"), "{told}");
}

/// Needs `forebay` beside this program (`cargo build -p forebay`) and Envoy (`make setup-tests`); both are named when missing.
#[test]
fn the_bench_works_from_end_to_end() {
    let results = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut bench = Command::new(PROGRAM);
    bench.current_dir(root).args(["bench", "--smoke", "--results"]).arg(results.path());
    let output = bench.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let findings = std::fs::read(results.path().join("findings.json")).unwrap();
    let findings: Vec<forebay_load::bench::Finding> = serde_json::from_slice(&findings).unwrap();
    assert_eq!(findings.len(), 8, "{}", told(&output));
}

/// Needs `forebay` beside this program, and curl.
#[test]
fn what_a_build_is_guided_by_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut work = Command::new(root.join("tools/work.sh"));
    let output = work.arg(Path::new(PROGRAM).with_file_name("forebay")).args([PROGRAM, "--smoke"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}
