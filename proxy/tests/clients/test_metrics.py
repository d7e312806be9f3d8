"""Prometheus' own tool reads what Forebay exposes."""

import re
import shutil
import subprocess

import pytest
import requests

from running import ROOT


@pytest.fixture(scope="module")
def exposition(quickstart, digits):
    """/metrics after some of everything: answers, refusals, a batch."""
    session = requests.Session()
    for file in digits.files[:5]:
        session.post(f"{quickstart.api}/v1/predict", data=file.read_bytes(), headers={"content-type": "image/png"}, timeout=60)
    session.post(f"{quickstart.api}/v1/predict", data=b"not a picture", headers={"content-type": "image/png"}, timeout=60)
    session.post(f"{quickstart.api}/v2/models/letters/infer", json={}, timeout=60)
    answer = session.get(f"{quickstart.admin}/metrics", timeout=60)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def test_promtool_finds_nothing_to_say(exposition):
    promtool = shutil.which("promtool") or ROOT / ".cache" / "bin" / "promtool"
    check = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True, text=True)
    assert (check.returncode, check.stdout + check.stderr) == (0, "")


def test_every_family_has_a_help_text_and_our_name(exposition):
    families = re.findall(r"^# TYPE (\S+) ", exposition, re.MULTILINE)
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", exposition, re.MULTILINE))
    assert families
    for family in families:
        assert family.startswith(("forebay_", "process_"))
        assert len(helps[family]) > 10
    assert any(family.startswith("process_") for family in families)


@pytest.mark.parametrize(
    "family",
    [
        "forebay_requests_total",
        "forebay_request_duration_seconds",
        "forebay_requests_in_flight",
        "forebay_queue_rows",
        "forebay_batch_rows",
        "forebay_batch_fill_ratio",
        "forebay_queue_wait_seconds",
        "forebay_batch_run_seconds",
        "forebay_batches_total",
        "forebay_limiter_verdicts_total",
        "forebay_model_ready",
        "forebay_config_info",
        "forebay_build_info",
    ],
)
def test_what_an_operator_asks_for_is_there(exposition, family):
    assert re.search(rf"^# TYPE {family} ", exposition, re.MULTILINE)


def test_refusals_are_counted_by_reason(quickstart, exposition):
    assert quickstart.metric("forebay_requests_total", code="404", reason="unknown_model") >= 1
    assert quickstart.metric("forebay_requests_total", route="digits", code="200") >= 5
    assert quickstart.metric("forebay_model_ready", model="digits") == 1
