"""The older protocol: `POST /v1/models/{m}:predict` with `instances`."""

import numpy as np
import pytest

SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]


def predict(session, forebay, model, body, status=200):
    answer = session.post(f"{forebay.api}/v1/models/{model}:predict", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_list_of_instances_is_answered_in_order(runtime_models, session):
    scores = predict(session, runtime_models, "iris", {"instances": [SETOSA, VIRGINICA, SETOSA]})["predictions"]
    assert [int(np.argmax(row)) for row in scores] == [0, 2, 0]
    assert scores[0] == scores[2]


def test_digits_are_read_here_too(quickstart, session, digits):
    answers = predict(session, quickstart, "digits", {"instances": digits.inputs[:5].tolist()})["predictions"]
    np.testing.assert_allclose(answers, digits.probabilities[:5], atol=1e-5)


def test_two_inputs_are_named_in_each_instance(runtime_models, session):
    instances = [{"a": [1, 2, 3, 4], "b": [4, 3, 2, 1]}, {"a": [0, 0, 0, 0], "b": [1, 1, 1, 1]}]
    answers = predict(session, runtime_models, "sums", {"instances": instances})["predictions"]
    assert answers == [
        {"sum": [5, 5, 5, 5], "difference": [-3, -1, 1, 3]},
        {"sum": [1, 1, 1, 1], "difference": [-1, -1, -1, -1]},
    ]


def test_text_goes_in_and_out(runtime_models, session):
    answers = predict(session, runtime_models, "identity_bytes", {"instances": [["a", "häß"], ["", "b"]]})["predictions"]
    assert answers == [["a", "häß"], ["", "b"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"instances": [SETOSA, [1, 2, 3]]}, "/instances/1"),
        ({"instances": [SETOSA, [1, 2, 3, "four"]]}, "/instances/1/3"),
        ({"instances": []}, "/instances"),
        ({"instances": 5}, "/instances"),
        ({}, ""),
    ],
)
def test_a_mistake_is_named_where_it_was_made(runtime_models, session, body, pointer):
    problem = predict(session, runtime_models, "iris", body, status=400)
    assert problem["pointer"] == pointer
    assert problem["status"] == 400
    assert problem["error"].endswith(problem["detail"])


def test_an_unknown_model_is_404(runtime_models, session):
    assert "letters" in predict(session, runtime_models, "letters", {"instances": [[1]]}, status=404)["detail"]
