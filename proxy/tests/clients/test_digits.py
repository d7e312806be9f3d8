"""The model that ships with the source answers through the API as it does in Python."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits


def predict(session, forebay, picture, **options):
    answer = session.post(f"{forebay.api}/v1/predict", timeout=60, **(options or {"data": picture, "headers": {"content-type": "image/png"}}))
    assert answer.status_code == 200, answer.text
    return answer.json()


def agrees(prediction, probabilities):
    """Class and every listed probability are the reference's."""
    order = np.argsort(-probabilities)
    assert prediction["class"] == str(order[0])
    assert prediction["probability"] == pytest.approx(probabilities[order[0]], abs=1e-5)
    for place, listed in enumerate(prediction["top_k"]):
        assert listed["probability"] == pytest.approx(probabilities[order[place]], abs=1e-5)
        assert listed["probability"] == pytest.approx(probabilities[int(listed["class"])], abs=1e-5)


def test_the_pictures_are_the_data_set_bit_for_bit(digits):
    data = load_digits()
    for file, samples, label in zip(digits.files, digits.samples, digits.labels):
        number = int(file.stem)
        assert (samples == data.images[number]).all()
        assert label == data.target[number]


def test_every_held_out_picture_is_answered_as_python_answers_it(quickstart, session, digits):
    right = 0
    for file, label, probabilities in zip(digits.files, digits.labels, digits.probabilities):
        prediction = predict(session, quickstart, file.read_bytes())
        agrees(prediction, probabilities)
        right += prediction["class"] == str(label)
    assert right / len(digits.files) >= 0.97


def test_every_way_to_send_a_picture_gives_the_same_answer(quickstart, session, digits):
    for file, probabilities in zip(digits.files[:20], digits.probabilities):
        picture = file.read_bytes()
        text = base64.b64encode(picture).decode()
        for options in (
            {"files": {"image": (file.name, picture, "image/png")}},
            {"files": {"file": (file.name, picture, "application/octet-stream")}},
            {"json": {"image": text}},
            {"json": {"image": f"data:image/png;base64,{text}"}},
            {"data": picture, "headers": {"content-type": "application/octet-stream"}},
        ):
            agrees(predict(session, quickstart, picture, **options), probabilities)


def test_a_jpeg_of_another_size_and_colour_is_read_too(quickstart, session, digits):
    right = 0
    for samples, label in zip(digits.samples[:50], digits.labels):
        picture = io.BytesIO()
        Image.fromarray(samples * 15).convert("RGB").resize((64, 64), Image.Resampling.NEAREST).save(picture, "JPEG", quality=95)
        answer = predict(session, quickstart, None, data=picture.getvalue(), headers={"content-type": "image/jpeg"})
        right += answer["class"] == str(label)
    assert right >= 45


def test_a_prediction_says_who_made_it(quickstart, session, digits):
    answer = session.post(
        f"{quickstart.api}/v1/predict",
        data=digits.files[0].read_bytes(),
        headers={"content-type": "image/png", "x-request-id": "mine-1"},
        timeout=60,
    )
    body = answer.json()
    assert body["model"] == "digits"
    assert body["version"] == "1"
    assert body["request_id"] == "mine-1" == answer.headers["x-request-id"]
    assert body["inference_time_ms"] > 0
    assert len(body["top_k"]) == 3
    assert "dur=" in answer.headers["server-timing"]


def test_more_pictures_than_a_batch_holds_are_answered_whole(quickstart, session, digits):
    tensor = {"name": "image", "datatype": "FP32", "shape": list(digits.inputs.shape), "data": digits.inputs.ravel().tolist()}
    answer = session.post(f"{quickstart.api}/v2/models/digits/infer", json={"inputs": [tensor]}, timeout=60)
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    assert output["shape"] == list(digits.probabilities.shape)
    np.testing.assert_allclose(np.reshape(output["data"], output["shape"]), digits.probabilities, atol=1e-5)
