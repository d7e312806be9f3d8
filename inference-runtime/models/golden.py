"""Makes the golden file of a model version: what it answers to a request today, so that nothing that answers otherwise is ever served.

    python golden.py REPOSITORY/MODEL/VERSION/model.onnx REQUEST.json

REQUEST.json is a request of the Open Inference Protocol, `{"inputs": [{"name", "datatype", "shape", "data"}]}`, with rows that are like
real ones. golden.json is written beside the model. Needs the packages of requirements.txt.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime

DATATYPES = {
    "BOOL": np.bool_, "BYTES": np.object_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
}
NAMES = {np.dtype(kind): name for name, kind in DATATYPES.items()}


def main(model, request):
    asked = json.loads(pathlib.Path(request).read_text())
    inputs = {i["name"]: np.array(i["data"], DATATYPES[i["datatype"]]).reshape(i["shape"]) for i in asked["inputs"]}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = [
        {"name": name, "datatype": NAMES[value.dtype], "shape": list(value.shape), "data": value.ravel().tolist()}
        for name, value in zip(names, session.run(names, inputs))
    ]
    file = pathlib.Path(model).with_name("golden.json")
    file.write_text(json.dumps({"request": {"inputs": asked["inputs"]}, "response": {"outputs": outputs}}) + "\n")
    print(file)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
