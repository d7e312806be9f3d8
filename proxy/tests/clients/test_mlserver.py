"""Forebay as a sidecar of MLServer: a server of the Open Inference Protocol that others wrote, with scikit-learn behind it."""

import concurrent.futures
import json
import signal

import joblib
import numpy as np
import pytest
import requests
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from running import EXAMPLES, Forebay, Process, ROOT, free_port, until

INPUT = {"name": "flowers", "datatype": "FP64", "shape": [-1, 4]}
# MLServer answers with the first alone unless the second is asked for.
OUTPUTS = [{"name": "predict", "datatype": "INT64", "shape": [-1, 1]}, {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]}]


class MlServer:
    """MLServer with the model `iris`. It cannot take port 0, so the ports are chosen here and kept over a restart."""

    def __init__(self, folder):
        self.flowers = load_iris().data
        fitted = LogisticRegression(max_iter=1000).fit(self.flowers, load_iris().target)
        self.classes = fitted.predict(self.flowers)
        self.probabilities = fitted.predict_proba(self.flowers)
        self._folder = folder
        self.port = free_port()
        (folder / "iris").mkdir()
        joblib.dump(fitted, folder / "iris" / "model.joblib")
        settings = {
            "name": "iris",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib", "version": "v1"},
            "inputs": [INPUT],
            "outputs": OUTPUTS,
        }
        (folder / "iris" / "model-settings.json").write_text(json.dumps(settings))
        (folder / "settings.json").write_text(
            json.dumps(
                {
                    "host": "127.0.0.1",
                    "http_port": self.port,
                    "grpc_port": free_port(),
                    "metrics_port": free_port(),
                    "parallel_workers": 0,
                    "use_structured_logging": False,
                }
            )
        )
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.process = Process([ROOT / ".cache" / "venv" / "bin" / "mlserver", "start", "."], cwd=self._folder)
        until(lambda: self.process.find("Uvicorn running|model 'iris'") and self._ready(), otherwise=self.process.said)

    def _ready(self):
        try:
            return requests.get(f"{self.address}/v2/models/iris/ready", timeout=60).ok
        except requests.ConnectionError:
            return False

    def kill(self):
        self.process.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory):
    server = MlServer(tmp_path_factory.mktemp("mlserver"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def sidecar(mlserver):
    """examples/sidecar.yaml, with the ports of this run."""
    changes = {
        "listen.api": "127.0.0.1:0",
        "listen.admin": "127.0.0.1:0",
        "models.iris.backend": mlserver.address,
        "upstream": mlserver.address,
    }
    with Forebay(EXAMPLES / "sidecar.yaml", *(word for key, value in changes.items() for word in ("--set", f"{key}={value}"))) as forebay:
        yield forebay.when_ready()


def ask(sidecar, flowers, output="predict"):
    body = {
        "inputs": [{**INPUT, "shape": list(flowers.shape), "data": flowers.ravel().tolist()}],
        "outputs": [{"name": output}],
    }
    return requests.post(f"{sidecar.api}/v2/models/iris/infer", json=body, timeout=60)


def answered(answer):
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    return np.reshape(output["data"], output["shape"])


def test_many_callers_share_batches_and_get_their_own_answers(sidecar, mlserver):
    before = sidecar.metric("forebay_batch_rows_count", model="iris"), sidecar.metric("forebay_batch_rows_sum", model="iris")
    with concurrent.futures.ThreadPoolExecutor(32) as callers:
        rows = np.arange(len(mlserver.flowers)).repeat(4)
        answers = list(callers.map(lambda row: answered(ask(sidecar, mlserver.flowers[row : row + 1])).item(), rows))
    assert (np.array(answers) == mlserver.classes[rows]).all()
    batches = sidecar.metric("forebay_batch_rows_count", model="iris") - before[0]
    assert sidecar.metric("forebay_batch_rows_sum", model="iris") - before[1] == len(rows)
    # How many share one is a race between these callers and MLServer; that they do is not.
    assert batches < len(rows)


def test_callers_who_ask_for_different_outputs_each_get_theirs(sidecar, mlserver):
    def either(row):
        wanted, expected = (("predict", mlserver.classes[row]), ("predict_proba", mlserver.probabilities[row]))[row % 2]
        np.testing.assert_allclose(answered(ask(sidecar, mlserver.flowers[row : row + 1], wanted)).squeeze(), expected, atol=1e-12)

    with concurrent.futures.ThreadPoolExecutor(16) as callers:
        list(callers.map(either, range(len(mlserver.flowers))))


def test_a_caller_who_names_no_output_gets_what_mlserver_gives(sidecar, mlserver):
    body = {"inputs": [{**INPUT, "shape": [1, 4], "data": mlserver.flowers[0].tolist()}]}
    answer = requests.post(f"{sidecar.api}/v2/models/iris/infer", json=body, timeout=60)
    assert answered(answer).item() == mlserver.classes[0]


def test_a_request_of_many_rows_is_answered_whole(sidecar, mlserver):
    assert (answered(ask(sidecar, mlserver.flowers)).ravel() == mlserver.classes).all()


def test_what_is_not_declared_is_mlservers(sidecar, mlserver):
    path = "/v2/docs"
    assert requests.get(f"{sidecar.api}{path}", timeout=60).content == requests.get(f"{mlserver.address}{path}", timeout=60).content


def test_a_wrong_shape_is_refused_before_it_reaches_the_batch(sidecar):
    answer = ask(sidecar, np.zeros((1, 3)))
    assert answer.status_code == 400
    assert answer.json()["pointer"] == "/inputs/0/shape/1"


def test_a_dead_backend_is_503_at_once_and_comes_back_by_itself(sidecar, mlserver):
    mlserver.kill()
    answer = ask(sidecar, mlserver.flowers[:1])
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.elapsed.total_seconds() < 2
    until(lambda: not sidecar.ready(), otherwise=sidecar.said)
    assert sidecar.metric("forebay_model_ready", model="iris") == 0
    assert ask(sidecar, mlserver.flowers[:1]).status_code == 503

    mlserver.start()
    sidecar.when_ready()
    assert answered(ask(sidecar, mlserver.flowers[:1])).item() == mlserver.classes[0]
    assert sidecar.metric("forebay_model_ready", model="iris") == 1
