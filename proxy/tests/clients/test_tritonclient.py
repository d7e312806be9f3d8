"""tritonclient[http], the protocol's most used client, works against Forebay."""

import concurrent.futures

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def client(quickstart):
    with triton.InferenceServerClient(quickstart.address, concurrency=8, network_timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def runtime_client(runtime_models):
    with triton.InferenceServerClient(runtime_models.address, network_timeout=60) as client:
        yield client


def tensor(name, array, datatype, binary=True):
    value = triton.InferInput(name, array.shape, datatype)
    value.set_data_from_numpy(array, binary_data=binary)
    return value


def picture(digits, rows=slice(0, 4), binary=True):
    return [tensor("image", digits.inputs[rows], "FP32", binary)]


def test_health_and_metadata_are_answered(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("letters")
    server = client.get_server_metadata()
    assert server["name"] == "forebay"
    assert {"binary_tensor_data", "classification", "parameters"} <= set(server["extensions"])
    for model in (client.get_model_metadata("digits"), client.get_model_metadata("digits", "1")):
        assert model["name"] == "digits"
        assert model["versions"] == ["1"]
        assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
        assert model["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]


def test_a_model_configuration_is_refused_in_words(client):
    with pytest.raises(InferenceServerException) as refusal:
        client.get_model_config("digits")
    assert "config" in refusal.value.message()


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_inference_in_json_and_in_binary(client, digits, binary_in, binary_out):
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary_out)]
    result = client.infer("digits", picture(digits, binary=binary_in), outputs=wanted, request_id="one")
    np.testing.assert_allclose(result.as_numpy("probabilities"), digits.probabilities[:4], atol=1e-5)
    answer = result.get_response()
    assert answer["id"] == "one"
    assert answer["model_name"] == "digits"
    assert answer["model_version"] == "1"


def test_outputs_come_in_binary_when_nothing_else_is_asked(client, digits):
    result = client.infer("digits", picture(digits))
    assert "binary_data_size" in result.get_output("probabilities")["parameters"]
    np.testing.assert_allclose(result.as_numpy("probabilities"), digits.probabilities[:4], atol=1e-5)


@pytest.mark.parametrize("out", [None, "gzip", "deflate"])
@pytest.mark.parametrize("into", [None, "gzip", "deflate"])
def test_both_ways_may_be_compressed(client, digits, into, out):
    result = client.infer(
        "digits", picture(digits, slice(0, 16)), request_compression_algorithm=into, response_compression_algorithm=out
    )
    np.testing.assert_allclose(result.as_numpy("probabilities"), digits.probabilities[:16], atol=1e-5)


def test_requests_in_flight_get_their_own_answers(client, digits):
    pending = [client.async_infer("digits", picture(digits, slice(row, row + 1)), request_id=str(row)) for row in range(64)]
    for row, one in enumerate(pending):
        result = one.get_result()
        assert result.get_response()["id"] == str(row)
        np.testing.assert_allclose(result.as_numpy("probabilities"), digits.probabilities[row : row + 1], atol=1e-5)


def test_callers_at_once_get_their_own_answers(quickstart, digits):
    def ask(row):
        with triton.InferenceServerClient(quickstart.address, network_timeout=60) as client:
            return client.infer("digits", picture(digits, slice(row, row + 1))).as_numpy("probabilities")

    with concurrent.futures.ThreadPoolExecutor(16) as callers:
        answers = np.concatenate(list(callers.map(ask, range(64))))
    np.testing.assert_allclose(answers, digits.probabilities[:64], atol=1e-5)


def test_classification_names_the_best(client, digits):
    wanted = [triton.InferRequestedOutput("probabilities", class_count=3)]
    classes = client.infer("digits", picture(digits), outputs=wanted).as_numpy("probabilities")
    assert classes.shape == (4, 3)
    for row, probabilities in zip(classes, digits.probabilities):
        for text, index in zip(row, np.argsort(-probabilities)):
            value, number, label = text.decode().split(":")
            assert float(value) == pytest.approx(probabilities[index], abs=1e-5)
            assert (number, label) == (str(index), str(index))


NUMBERS = {
    "BOOL": np.array([[True, False, True]]),
    "UINT8": np.array([[0, 1, 255]], np.uint8),
    "UINT16": np.array([[0, 1, 65535]], np.uint16),
    "UINT32": np.array([[0, 1, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 1, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, 0, 127]], np.int8),
    "INT16": np.array([[-32768, 0, 32767]], np.int16),
    "INT32": np.array([[-(2**31), 0, 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), 0, 2**63 - 1]], np.int64),
    "FP16": np.array([[-1.5, 0, 65504]], np.float16),
    "BF16": np.array([[-1.5, 0, 3.0e38]], ml_dtypes.bfloat16),
    "FP32": np.array([[-1.1, 0, 3.4e38]], np.float32),
    "FP64": np.array([[-1.1, 5e-324, 1.7976931348623157e308]], np.float64),
    "BYTES": np.array([["", "a", "häß \U0001f600"]], np.object_),
}


def as_bytes(array):
    return [value.encode() if isinstance(value, str) else value for value in array.ravel()]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_every_datatype_comes_back_as_it_went(runtime_client, datatype, binary):
    sent = NUMBERS[datatype]
    # The client itself sends BF16 in binary only.
    value = tensor("x", sent, datatype, binary or datatype == "BF16")
    wanted = [triton.InferRequestedOutput("y", binary_data=binary or datatype == "BF16")]
    result = runtime_client.infer(f"identity_{datatype.lower()}", [value], outputs=wanted)
    assert result.get_output("y")["datatype"] == datatype
    back = result.as_numpy("y")
    assert back.shape == sent.shape
    if datatype == "BYTES":
        assert as_bytes(back) == as_bytes(sent)
    else:
        np.testing.assert_array_equal(back, sent)


def test_two_inputs_and_one_of_two_outputs(runtime_client):
    a, b = np.float32([[1, 2, 3, 4]]), np.float32([[4, 3, 2, 1]])
    inputs = [tensor("a", a, "FP32"), tensor("b", b, "FP32", binary=False)]
    both = runtime_client.infer("sums", inputs)
    np.testing.assert_array_equal(both.as_numpy("sum"), a + b)
    np.testing.assert_array_equal(both.as_numpy("difference"), a - b)
    one = runtime_client.infer("sums", inputs, outputs=[triton.InferRequestedOutput("difference")])
    assert one.as_numpy("sum") is None
    np.testing.assert_array_equal(one.as_numpy("difference"), a - b)


def test_a_model_without_a_batch_dimension_is_served(runtime_client):
    sent = np.float32([1, 2, 3])
    np.testing.assert_array_equal(runtime_client.infer("doubled", [tensor("x", sent, "FP32")]).as_numpy("y"), sent * 2)


def test_mistakes_reach_the_caller_as_our_words(client, digits):
    wrong_shape = [tensor("image", digits.inputs[:1, :, :4], "FP32")]
    wrong_type = [tensor("image", digits.inputs[:1].astype(np.float64), "FP64")]
    unknown = [tensor("picture", digits.inputs[:1], "FP32")]
    for inputs, model, words in (
        (wrong_shape, "digits", "/inputs/0/shape/2: 4 here, the model takes 8"),
        (wrong_type, "digits", "FP64"),
        (unknown, "digits", "picture"),
        (picture(digits), "letters", "letters"),
    ):
        with pytest.raises(InferenceServerException) as mistake:
            client.infer(model, inputs)
        assert words in mistake.value.message()
        assert mistake.value.status() in ("400", "404")


def test_one_callers_failing_row_is_its_own(runtime_models):
    """The whole run of `fragile` fails for an index over 9; the others' rows of the same batch are answered all the same."""

    def ask(index):
        with triton.InferenceServerClient(runtime_models.address, network_timeout=60) as client:
            return client.infer("fragile", [tensor("index", np.array([index]), "INT64")]).as_numpy("value").item()

    with concurrent.futures.ThreadPoolExecutor(16) as callers:
        pending = [callers.submit(ask, index) for index in [*range(10), 99] * 8]
    for index, one in zip([*range(10), 99] * 8, pending):
        if index == 99:
            with pytest.raises(InferenceServerException):
                one.result()
        else:
            assert one.result() == index * 10
