"""Makes the models that only tests serve, with their manifests. Run it with the packages of ../../models/requirements.txt.

identity_*   one per datatype of the protocol: `y` is `x`, of any two dimensions
doubled      no batch dimension: three numbers, each times two
sums         two inputs, two outputs
finite       an identity whose manifest forbids NaN and infinities
iris         four named columns to three classes, as scores that still want a softmax
area         two named features, each an input of its own
fragile      fails at run time when a row's index is not in its table of ten
parsed       texts to numbers; fails at run time on a text that is none, and so on the empty one
ragged       answers with as many rows as the batch has numbers above zero
sequence     answers with a sequence, which the protocol has no word for
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

HERE = pathlib.Path(__file__).resolve().parent

DATATYPES = {
    "bool": T.BOOL,
    "uint8": T.UINT8, "uint16": T.UINT16, "uint32": T.UINT32, "uint64": T.UINT64,
    "int8": T.INT8, "int16": T.INT16, "int32": T.INT32, "int64": T.INT64,
    "fp16": T.FLOAT16, "bf16": T.BFLOAT16, "fp32": T.FLOAT, "fp64": T.DOUBLE,
    "bytes": T.STRING,
}

tensor = helper.make_tensor_value_info


def write(name, manifest, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    model = helper.make_model(graph, producer_name="forebay", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    folder = HERE / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "manifest.yaml").write_text(manifest)


def identities():
    for name, kind in DATATYPES.items():
        write(
            f"identity_{name}",
            f"# {name.upper()} in, the same out.\nmax_rows: 32\n",
            [helper.make_node("Identity", ["x"], ["y"])],
            [tensor("x", kind, ["batch", "columns"])],
            [tensor("y", kind, ["batch", "columns"])],
        )


def shapes():
    write(
        "doubled",
        "# Three numbers, each doubled; there is no batch dimension.\n",
        [helper.make_node("Add", ["x", "x"], ["y"])],
        [tensor("x", T.FLOAT, [3])],
        [tensor("y", T.FLOAT, [3])],
    )
    write(
        "sums",
        "# Two inputs, two outputs.\nmax_rows: 16\n",
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        [tensor("a", T.FLOAT, ["batch", 4]), tensor("b", T.FLOAT, ["batch", 4])],
        [tensor("sum", T.FLOAT, ["batch", 4]), tensor("difference", T.FLOAT, ["batch", 4])],
    )
    write(
        "finite",
        "# NaN and infinities are refused before they reach the model.\nmax_rows: 32\nfinite: true\n",
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", T.FLOAT, ["batch", 4])],
        [tensor("y", T.FLOAT, ["batch", 4])],
    )


def features():
    iris = load_iris()
    fitted = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
    write(
        "iris",
        "# Fisher's iris by logistic regression.\n"
        "max_rows: 64\n"
        "finite: true\n"
        "features:\n"
        "  columns:\n"
        "    input: flower\n"
        "    names: [sepal_length, sepal_width, petal_length, petal_width]\n"
        "classes:\n"
        "  output: scores\n"
        "  softmax: true\n"
        "  labels: [setosa, versicolor, virginica]\n",
        [helper.make_node("Gemm", ["flower", "weight", "bias"], ["scores"], transB=1)],
        [tensor("flower", T.FLOAT, ["batch", 4])],
        [tensor("scores", T.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(fitted.coef_.astype(np.float32), "weight"),
            numpy_helper.from_array(fitted.intercept_.astype(np.float32), "bias"),
        ],
    )
    write(
        "area",
        "# Two features, each an input of its own.\n"
        "max_rows: 16\n"
        "features:\n"
        "  inputs:\n"
        "    width: w\n"
        "    height: h\n",
        [helper.make_node("Mul", ["w", "h"], ["area"])],
        [tensor("w", T.FLOAT, ["batch", 1]), tensor("h", T.FLOAT, ["batch", 1])],
        [tensor("area", T.FLOAT, ["batch", 1])],
    )


def misbehaving():
    write(
        "fragile",
        "# One row with an index outside 0 to 9 fails the whole run.\nmax_rows: 32\n",
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        [tensor("index", T.INT64, ["batch"])],
        [tensor("value", T.FLOAT, ["batch"])],
        [numpy_helper.from_array(np.arange(10, dtype=np.float32) * 10, "table")],
    )
    write(
        "parsed",
        "# Texts to numbers; one text that is no number fails the whole run.\nmax_rows: 32\n",
        [helper.make_node("Cast", ["text"], ["number"], to=T.FLOAT)],
        [tensor("text", T.STRING, ["batch"])],
        [tensor("number", T.FLOAT, ["batch"])],
    )
    write(
        "ragged",
        "# As many rows come out as numbers above zero went in.\nmax_rows: 32\n",
        [
            helper.make_node("Greater", ["x", "zero"], ["above"]),
            helper.make_node("Compress", ["x", "above"], ["y"], axis=0),
        ],
        [tensor("x", T.FLOAT, ["batch"])],
        [tensor("y", T.FLOAT, ["some"])],
        [numpy_helper.from_array(np.zeros(1, np.float32), "zero")],
    )
    write(
        "sequence",
        "# The output is a sequence of tensors: no datatype of the protocol.\n",
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [tensor("x", T.FLOAT, ["batch", 4])],
        [helper.make_tensor_sequence_value_info("y", T.FLOAT, None)],
    )


if __name__ == "__main__":
    identities()
    shapes()
    features()
    misbehaving()
