"""What several files share: a running Forebay per configuration, and the digits with their reference answers."""

import csv
import dataclasses

import numpy as np
import onnxruntime
import pytest
import requests
from PIL import Image

from running import MODELS, TEST_MODELS, Forebay, write_config


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory):
    """What `make run` serves, but for the ports and the limits."""
    config = write_config(tmp_path_factory.mktemp("quickstart"), models={"digits": {"repository": str(MODELS)}}, short_forms=True)
    with Forebay(config) as forebay:
        yield forebay.when_ready()


@pytest.fixture(scope="session")
def runtime_models(tmp_path_factory):
    """The runtime's test models, `iris` being the default; `sequence` is left out, as it cannot be served."""
    names = sorted(folder.name for folder in TEST_MODELS.iterdir() if (folder / "manifest.yaml").exists() and folder.name != "sequence")
    models = {name: {"repository": str(TEST_MODELS)} for name in names}
    config = write_config(tmp_path_factory.mktemp("test-models"), models=models, default_model="iris", short_forms=True)
    with Forebay(config) as forebay:
        yield forebay.when_ready()


@pytest.fixture
def session():
    """One keep-alive connection."""
    with requests.Session() as session:
        yield session


@dataclasses.dataclass
class Digits:
    """The held-out pictures and what Python's ONNX Runtime says of them."""

    files: list
    labels: np.ndarray
    samples: np.ndarray  # uint8 [n, 8, 8], as decoded
    inputs: np.ndarray  # float32 [n, 1, 8, 8], as the manifest scales them
    probabilities: np.ndarray  # float32 [n, 10]


@pytest.fixture(scope="session")
def digits():
    folder = MODELS / "digits"
    with open(folder / "holdout.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files = [folder / "holdout" / row["file"] for row in rows]
    samples = np.stack([np.asarray(Image.open(file)) for file in files])
    inputs = (samples[:, None].astype(np.float32)) / 16
    reference = onnxruntime.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    (probabilities,) = reference.run(["probabilities"], {"image": inputs})
    return Digits(files, np.array([int(row["label"]) for row in rows]), samples, inputs, probabilities)
