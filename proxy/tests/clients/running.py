"""Processes that a test starts: Forebay itself, and whatever else has to run beside it.

Forebay takes port 0 and says where it listens, so tests never choose its ports. Every wait has an end, and shows the process's own
words when it is reached.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODELS = ROOT / "inference-runtime" / "models"
TEST_MODELS = ROOT / "inference-runtime" / "tests" / "models"
EXAMPLES = ROOT / "mesh-config" / "examples"

# Loading a model and a debug build's first batch are slow on a busy machine; what is ready sooner is not waited for.
START = 60


def binary():
    """Forebay as `cargo test --workspace` leaves it, or the one that FOREBAY_BIN names."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = pathlib.Path(os.environ.get("FOREBAY_BIN", target / "debug" / "forebay"))
    assert path.exists(), f"{path} is missing; build it: cargo build --workspace"
    return path


def environment():
    """This process's, with the runtime library that set-up fetched."""
    found = sorted((ROOT / ".cache" / "onnxruntime").glob("*/libonnxruntime.so"))
    assert found or "ORT_DYLIB_PATH" in os.environ, "ONNX Runtime is missing; fetch it: make setup"
    return {"ORT_DYLIB_PATH": str(found[-1]) if found else "", **os.environ}


def until(holds, within=START, otherwise=lambda: ""):
    """Waits for a state that no event announces. Fails with `otherwise()` when it has not come."""
    end = time.monotonic() + within
    while not (value := holds()):
        assert time.monotonic() < end, f"did not happen within {within} s {otherwise()}"
        time.sleep(0.01)
    return value


def free_port():
    """For servers that cannot take port 0 and say which they got."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Process:
    """A child, what it wrote, and its end."""

    def __init__(self, command, **options):
        self.lines = []
        self.child = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **options
        )
        self._readers = [threading.Thread(target=self._read, args=(pipe,), daemon=True) for pipe in (self.child.stdout, self.child.stderr)]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe):
        for line in pipe:
            self.lines.append(line.rstrip("\n"))

    def said(self):
        return "\n".join(["", *self.lines[-40:]])

    def find(self, pattern):
        """The first match in what was written so far."""
        assert self.child.poll() is None, f"ended with {self.child.returncode}{self.said()}"
        return next((match for line in list(self.lines) if (match := re.search(pattern, line))), None)

    def stop(self, how=signal.SIGTERM):
        """Ends it and returns its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(how)
        try:
            code = self.child.wait(START)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise
        for reader in self._readers:
            reader.join(START)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)


class Forebay(Process):
    """A running Forebay. `api` and `admin` are its base addresses, `address` is the API's host and port."""

    def __init__(self, config, *more):
        super().__init__([binary(), "run", "--config", config, *more], env=environment())
        try:
            self.api = self._announced("API")
            self.admin = self._announced("admin")
        except BaseException:
            self.stop(signal.SIGKILL)
            raise
        self.address = self.api.removeprefix("http://")

    def _announced(self, what):
        return until(lambda: self.find(rf"^\s*{what}\s+(http://\S+)"), otherwise=self.said).group(1)

    def ready(self):
        return requests.get(f"{self.admin}/ready", timeout=START).status_code == 200

    def when_ready(self):
        until(self.ready, otherwise=self.said)
        return self

    def metric(self, name, **labels):
        """The sum of a family's samples that carry these labels."""
        text = requests.get(f"{self.admin}/metrics", timeout=START).text
        samples = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(value) for having, value in samples if all(label in having for label in wanted))

    def peak_memory(self):
        """The most bytes that it ever had in memory (VmHWM)."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


def write_config(folder, **sections):
    """A config file with port 0 for both listeners. JSON is YAML."""
    file = folder / "forebay.yaml"
    listen = {"api": "127.0.0.1:0", "admin": "127.0.0.1:0", **sections.pop("listen", {})}
    file.write_text(json.dumps({"listen": listen, **sections}, indent=2))
    return file
