"""Train a digits model in PyTorch and write it as an exported program and as ONNX.

Run as ``python models/digits_torch/make_model.py`` with scikit-learn. The parts that need PyTorch
and ONNX run in the environments that ``edgeserve convert`` makes for such sources. It writes
``model.pt2``, ``model.onnx`` and, as ``convert`` makes them of these, ``pytorch.float.tflite`` and
``onnx.float.tflite``. Seeds are fixed; another CPU may round the training differently.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
DIGITS = HERE.parent / "digits"
SEED = 21
EPOCHS = 40
BATCH = 64
SCORES = "scores"


def main() -> None:
    """Everything, from the data set to the float models."""
    from edgeserve.convert.environment import ONNX, PYTORCH, python_for
    from models.digits.make_model import load_samples

    def ignore(fraction: float | None, message: str) -> None:
        print(message)

    with tempfile.TemporaryDirectory() as folder:
        (x, y), _ = load_samples()
        np.savez(Path(folder) / "train.npz", x=np.moveaxis(x, -1, 1), y=y)
        for environment, part in ((PYTORCH, "pytorch"), (ONNX, "onnx")):
            python = python_for(environment, ignore)
            subprocess.run([str(python), "-P", __file__, part, folder], check=True)
        for source in ("model.pt2", "model.onnx"):
            write_float(HERE / source, Path(folder) / source)


def write_float(source: Path, work_dir: Path) -> None:
    """The float model that ``convert`` makes of a source, beside it."""
    from edgeserve.convert.conversion import convert_source

    work_dir.mkdir()
    converted = convert_source(
        source,
        calibration=DIGITS / "calibration.npz",
        trust_source=False,
        work_dir=work_dir,
        progress=lambda fraction, message: None,
    )
    assert converted.float_tflite is not None
    kind = {".pt2": "pytorch", ".onnx": "onnx"}[source.suffix]
    (HERE / f"{kind}.float.tflite").write_bytes(converted.float_tflite)


def make_pytorch(folder: Path) -> None:
    """Trains, writes ``model.pt2`` here and ``weights.npz`` into ``folder``."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.Conv2d(8, 16, 1),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 2 * 2, 10),
        nn.Softmax(dim=1),
    )
    train(torch, model, folder)
    model.eval()
    example = (torch.zeros(2, 1, 8, 8),)
    open_batch = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model, example, dynamic_shapes=open_batch)
    torch.export.save(program, str(HERE / "model.pt2"))
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    np.savez(folder / "weights.npz", **state)


def train(torch: Any, model: Any, folder: Path) -> None:
    """Adam over the logarithms of the model's scores; prints the accuracy on held-out samples."""
    with np.load(folder / "train.npz") as data:
        x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            scores = model(x[rows]).clamp_min(1e-9)
            torch.nn.functional.nll_loss(scores.log(), y[rows]).backward()
            optimizer.step()
    with np.load(DIGITS / "test.npz") as data:
        held_out = torch.from_numpy(np.moveaxis(data["x"], -1, 1).copy())
        right = model(held_out).argmax(1).numpy() == data["y"]
    print(f"held-out accuracy {right.mean():.4f}")


def make_onnx(folder: Path) -> None:
    """Writes ``model.onnx`` here: the same network with the weights in ``folder``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    with np.load(folder / "weights.npz") as data:
        weights = [numpy_helper.from_array(data[name], name) for name in data.files]

    def value(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    low, high = (
        numpy_helper.from_array(np.array(limit, np.float32), name)
        for name, limit in (("low", 0), ("high", 6))
    )
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "0.weight", "0.bias"], ["c0"], **same),
        node("Clip", ["c0", "low", "high"], ["r0"]),
        node("Conv", ["r0", "2.weight", "2.bias"], ["c1"], strides=[2, 2], group=8, **same),
        node("Conv", ["c1", "3.weight", "3.bias"], ["c2"], kernel_shape=[1, 1]),
        node("LeakyRelu", ["c2"], ["r2"], alpha=0.1),
        node("MaxPool", ["r2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "7.weight", "7.bias"], ["logits"], transB=1),
        node("Softmax", ["logits"], [SCORES], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [value("image", ["batch", 1, 8, 8])],
        [value(SCORES, ["batch", 10])],
        [*weights, low, high],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(HERE / "model.onnx"))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.path.insert(0, str(HERE.parents[1]))
        main()
    else:
        {"pytorch": make_pytorch, "onnx": make_onnx}[sys.argv[1]](Path(sys.argv[2]))
