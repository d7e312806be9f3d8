"""The short forms that older clients use, and whose they are when they are switched off."""

import base64

import numpy as np
import pytest

SETOSA = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
VIRGINICA = {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5}


def post(session, forebay, path, **body):
    return session.post(f"{forebay.api}{path}", timeout=60, **body)


def text(digits, number):
    return base64.b64encode(digits.files[number].read_bytes()).decode()


def test_predict_takes_a_picture(quickstart, session, digits):
    answer = post(session, quickstart, "/predict", data=digits.files[0].read_bytes(), headers={"content-type": "image/png"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["class"] == str(np.argmax(digits.probabilities[0]))


def test_predict_takes_named_features(runtime_models, session):
    for flower, name in ((SETOSA, "setosa"), (VIRGINICA, "virginica")):
        answer = post(session, runtime_models, "/predict", json=flower)
        assert answer.status_code == 200, answer.text
        assert answer.json()["class"] == name
        assert answer.json()["probability"] > 0.5


@pytest.mark.parametrize(
    ("flower", "pointer"),
    [
        ({**SETOSA, "petal_width": "wide"}, "/petal_width"),
        ({**SETOSA, "colour": 3}, "/colour"),
        ({name: value for name, value in SETOSA.items() if name != "petal_width"}, ""),
    ],
)
def test_a_wrong_feature_is_named(runtime_models, session, flower, pointer):
    answer = post(session, runtime_models, "/predict", json=flower)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["pointer"] == pointer


def test_every_element_of_a_batch_has_its_own_outcome(quickstart, session, digits):
    broken = base64.b64encode(b"not a picture").decode()
    answer = post(session, quickstart, "/batch-predict", json=[{"image": text(digits, 0)}, {"image": broken}, {"image": text(digits, 2)}])
    assert answer.status_code == 200, answer.text
    first, second, third = answer.json()
    assert first["class"] == str(np.argmax(digits.probabilities[0]))
    assert third["class"] == str(np.argmax(digits.probabilities[2]))
    assert second["status"] in (400, 415)
    assert second["detail"]


def test_a_batch_of_features_is_answered_in_order(runtime_models, session):
    answer = post(session, runtime_models, "/batch-predict", json=[SETOSA, {"sepal_length": 1}, VIRGINICA])
    assert answer.status_code == 200, answer.text
    first, second, third = answer.json()
    assert (first["class"], third["class"]) == ("setosa", "virginica")
    assert second["status"] == 400


def test_infer_takes_base64(quickstart, session, digits):
    answer = post(session, quickstart, "/infer", json={"image": text(digits, 3)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["class"] == str(np.argmax(digits.probabilities[3]))


def test_model_info_describes_the_default_model(quickstart, session):
    answer = session.get(f"{quickstart.api}/model-info", timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "digits"
    assert [tensor["name"] for tensor in answer.json()["inputs"]] == ["image"]


def test_health_and_metrics_are_answered(quickstart, session):
    assert session.get(f"{quickstart.api}/health", timeout=60).status_code == 200
    metrics = session.get(f"{quickstart.api}/metrics", timeout=60)
    assert metrics.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "forebay_build_info" in metrics.text
    # The question itself is in flight: gauges are as fresh here as on the admin listener.
    assert "\nforebay_requests_in_flight 1\n" in metrics.text
