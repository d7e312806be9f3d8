"""Makes the model `digits`: trains a small CNN on scikit-learn's handwritten digits and writes all that ships with it.

    python3 -m venv /tmp/train && /tmp/train/bin/pip install -r ../requirements.txt && /tmp/train/bin/python train.py

Written beside this file: 1/model.onnx, 1/golden.json, holdout/*.png and holdout.csv. Seed and split are fixed. Two machines may still
differ in the last bits of the weights, as their BLAS adds in another order; the golden file is made from the very model that it checks.

A picture reaches the model as its samples (0 to 16) times 1/16. The graph then divides each picture by its own brightest sample, so that
a pale one, or one with samples up to 255, is read like those that it was trained on.
"""

import json
import pathlib
import struct
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20261125
EPOCHS = 60
BATCH = 64
SCALE = 1 / 16


# -- the network, forwards and backwards --------------------------------------------------------------------------------------------

def patches(x):
    """[n, c, 8, 8] to [n, 64, c*9]: the 3 by 3 neighbourhood of every sample, zeros beyond the edge."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, h * w, c * 9)


def unpatches(columns, shape):
    """The transpose of `patches`: every neighbourhood's gradient added where its samples came from."""
    n, c, h, w = shape
    grid = columns.reshape(n, h, w, c, 3, 3).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, c, h + 2, w + 2), columns.dtype)
    for dy in range(3):
        for dx in range(3):
            padded[:, :, dy:dy + h, dx:dx + w] += grid[:, :, dy, dx]
    return padded[:, :, 1:-1, 1:-1]


def convolve(x, weight, bias):
    n, _, h, w = x.shape
    columns = patches(x)
    out = columns @ weight.reshape(len(weight), -1).T + bias
    return out.transpose(0, 2, 1).reshape(n, len(weight), h, w), columns


def convolve_back(gradient, columns, weight, shape):
    flat = gradient.reshape(*gradient.shape[:2], -1).transpose(0, 2, 1)
    d_weight = np.tensordot(flat, columns, axes=([0, 1], [0, 1])).reshape(weight.shape)
    return unpatches(flat @ weight.reshape(len(weight), -1), shape), d_weight, flat.sum((0, 1))


def he(rng, *shape):
    return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)


def initial(rng):
    return {
        "conv1_w": he(rng, 16, 1, 3, 3), "conv1_b": np.zeros(16, np.float32),
        "conv2_w": he(rng, 32, 16, 3, 3), "conv2_b": np.zeros(32, np.float32),
        "dense_w": he(rng, 48, 512), "dense_b": np.zeros(48, np.float32),
        "class_w": he(rng, 10, 48), "class_b": np.zeros(10, np.float32),
    }


def gradients(p, x, target, rng):
    """Gradients of the mean cross entropy over one batch, with a quarter of the dense layer dropped out."""
    n = len(x)
    a, a_columns = convolve(x, p["conv1_w"], p["conv1_b"])
    a_out = np.maximum(a, 0)
    b, b_columns = convolve(a_out, p["conv2_w"], p["conv2_b"])
    b_out = np.maximum(b, 0)
    blocks = b_out.reshape(n, 32, 4, 2, 4, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, 32, 4, 4, 4)
    chosen = blocks.argmax(-1)[..., None]
    pooled = np.take_along_axis(blocks, chosen, -1)[..., 0].reshape(n, 512)
    d = pooled @ p["dense_w"].T + p["dense_b"]
    keep = (rng.random(d.shape) < 0.75).astype(np.float32) / 0.75
    d_out = np.maximum(d, 0) * keep
    scores = d_out @ p["class_w"].T + p["class_b"]
    probabilities = np.exp(scores - scores.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)

    g = {}
    back = (probabilities - target) / n
    g["class_w"], g["class_b"] = back.T @ d_out, back.sum(0)
    back = back @ p["class_w"] * keep * (d > 0)
    g["dense_w"], g["dense_b"] = back.T @ pooled, back.sum(0)
    spread = np.zeros_like(blocks)
    np.put_along_axis(spread, chosen, (back @ p["dense_w"]).reshape(n, 32, 4, 4)[..., None], -1)
    spread = spread.reshape(n, 32, 4, 4, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(b.shape)
    back, g["conv2_w"], g["conv2_b"] = convolve_back(spread * (b > 0), b_columns, p["conv2_w"], a.shape)
    _, g["conv1_w"], g["conv1_b"] = convolve_back(back * (a > 0), a_columns, p["conv1_w"], x.shape)
    return g


# -- training -----------------------------------------------------------------------------------------------------------------------

def shifted(x, rng):
    """Every picture moved by up to one sample in each direction."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moved = np.empty_like(x)
    for i, (dy, dx) in enumerate(rng.integers(0, 3, (len(x), 2))):
        moved[i] = padded[i, :, dy:dy + 8, dx:dx + 8]
    return moved


def train(x, y, rng):
    """Adam with a rate that falls along a cosine; weight decay keeps the answers from being surer than they should be."""
    p = initial(rng)
    first = {k: np.zeros_like(v) for k, v in p.items()}
    second = {k: np.zeros_like(v) for k, v in p.items()}
    targets = np.eye(10, dtype=np.float32)[y]
    steps = EPOCHS * -(-len(x) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start:start + BATCH]
            g = gradients(p, shifted(x[rows], rng), targets[rows], rng)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for k in p:
                first[k] += 0.1 * (g[k] - first[k])
                second[k] += 0.001 * (g[k] ** 2 - second[k])
                move = first[k] / (1 - 0.9**step) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
                p[k] -= (rate * (move + (1e-2 * p[k] if k.endswith("_w") else 0))).astype(np.float32)
    return p


# -- export -------------------------------------------------------------------------------------------------------------------------

def graph(p):
    faintest = numpy_helper.from_array(np.full((1, 1, 1, 1), SCALE, np.float32), "faintest")
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["brightest"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Max", ["brightest", "faintest"], ["reference"]),
        helper.make_node("Div", ["image", "reference"], ["even"]),
        helper.make_node("Conv", ["even", "conv1_w", "conv1_b"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Conv", ["relu1", "conv2_w", "conv2_b"], ["conv2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node("MaxPool", ["relu2"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense_w", "dense_b"], ["dense"], transB=1),
        helper.make_node("Relu", ["dense"], ["relu3"]),
        helper.make_node("Gemm", ["relu3", "class_w", "class_b"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "digits",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
            [faintest] + [numpy_helper.from_array(v, k) for k, v in p.items()],
        ),
        producer_name="forebay",
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def png(samples):
    """An 8-bit grey PNG whose samples are those given, 0 to 16, unscaled."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape
    rows = b"".join(b"\0" + bytes(row) for row in samples.astype(np.uint8))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def tensor(name, array):
    return {"name": name, "datatype": "FP32", "shape": list(array.shape), "data": [float(v) for v in array.ravel()]}


def main():
    digits = load_digits()
    pictures, labels = digits.images, digits.target
    kept, held = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=SEED, stratify=labels)
    held.sort()
    x = (pictures * SCALE).astype(np.float32)[:, None]
    even = x / np.maximum(x.max((1, 2, 3), keepdims=True), SCALE)
    model = graph(train(even[kept], labels[kept], np.random.default_rng(SEED)))

    version = HERE / "1"
    version.mkdir(exist_ok=True)
    (version / "model.onnx").write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(str(version / "model.onnx"), providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"image": x[held]})
    right = int((probabilities.argmax(1) == labels[held]).sum())
    print(f"{right} of {len(held)} held-out pictures are read right ({right / len(held):.2%}); "
          f"{(version / 'model.onnx').stat().st_size} bytes")

    one_of_each = [int(np.flatnonzero(labels[held] == c)[0]) for c in range(10)]
    golden = {
        "request": {"inputs": [tensor("image", x[held][one_of_each])]},
        "response": {"outputs": [tensor("probabilities", probabilities[one_of_each])]},
    }
    (version / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")

    folder = HERE / "holdout"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for index in held:
        (folder / f"{index:04}.png").write_bytes(png(pictures[index]))
    lines = ["file,label"] + [f"{index:04}.png,{labels[index]}" for index in held]
    (HERE / "holdout.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
