"""Makes PyTorch and ONNX models for ``test_foreign_sources.py``: ``python FILE PART FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def make_pytorch(folder: Path) -> None:
    """Exported programs that ``convert`` refuses, and one whose extents are open."""
    import torch
    from torch import nn

    class Ids(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4)

        def forward(self, ids: Any) -> Any:
            return self.table(ids).sum(1)

    class Branch(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.cond(x.sum() > 0, lambda x: x + 1.0, lambda x: x - 1.0, (x,))

    class Open(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1, stride=2)
            self.dense = nn.Linear(8, 4)

        def forward(self, image: Any) -> Any:
            return self.dense(torch.relu(self.conv(image)).mean((2, 3)))

    class Counter(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(4))

        def forward(self, x: Any) -> Any:
            self.total.add_(x[0])
            return x + self.total

    class Fixed(Open):
        """Writes the example's batch into the graph."""

        def forward(self, image: Any) -> Any:
            rows = torch.relu(self.conv(image)).mean((2, 3))
            return self.dense(rows.view(rows.size(0), -1))

    class Baked(Open):
        def forward(self, image: Any) -> Any:
            rows = torch.relu(self.conv(image)).mean((2, 3))
            return self.dense(rows + torch.ones(rows.size(0), 8).cumsum(0).mul(0.01))

    class Mixed(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x - x.mean(0, keepdim=True)

    class Pair(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

    class Sort(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.linalg.svdvals(x)

    def save(name: str, model: Any, *example: Any, **options: Any) -> None:
        program = torch.export.export(model, example, **options)
        torch.export.save(program, str(folder / f"{name}.pt2"))

    dim = torch.export.Dim
    extents = {0: dim("n"), 2: dim("h", min=4, max=64), 3: dim("w", min=4, max=64)}
    save("ids", Ids().eval(), torch.zeros(1, 5, dtype=torch.int64))
    save("training", nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), torch.rand(2, 1, 8, 8))
    save("counter", Counter().eval(), torch.rand(1, 4))
    save("batch", Sort().eval(), torch.rand(2, 8))
    save("branch", Branch().eval(), torch.rand(1, 4))
    save("sort", Sort().eval(), torch.rand(1, 8, 8, 1))
    image = torch.rand(2, 3, 16, 16)
    save("fixed", Fixed().eval(), image)
    save("baked", Baked().eval(), image)
    save("mixed", Mixed().eval(), torch.rand(4, 8))
    save("pair", Pair().eval(), torch.rand(4, 8), torch.rand(1, 8))
    save("open", Open().eval(), image, dynamic_shapes=(extents,))


def make_onnx(folder: Path) -> None:
    """ONNX files that ``convert`` refuses, and one whose extents are open."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    node, value = helper.make_node, helper.make_tensor_value_info

    def weights(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)

    def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> Any:
        graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    def save(name: str, made: Any) -> None:
        (folder / f"{name}.onnx").write_bytes(made.SerializeToString())

    floats = TensorProto.FLOAT
    scores = value("scores", floats, ["n", 4])
    ids = value("ids", TensorProto.INT64, [1, 5])
    gather = [node("Gather", ["table", "ids"], ["rows"])]
    save("ids", model(gather, [ids], [value("rows", floats, [1, 5, 4])], [weights("table", 10, 4)]))
    nodes = [
        node("Conv", ["image", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "v", "d"], ["scores"], transB=1),
    ]
    image = [value("image", floats, ["n", 3, "h", "w"])]
    constants = [weights("w", 8, 3, 3, 3), weights("b", 8), weights("v", 4, 8), weights("d", 4)]
    whole = model(nodes, image, [scores], constants)
    save("open", whole)
    (folder / "cut.onnx").write_bytes(whole.SerializeToString()[:400])
    save(
        "unknown",
        model(
            [node("MyOwnOp", ["x"], ["y"])],
            [value("x", floats, [1, 4])],
            [value("y", floats, [1, 4])],
            [],
        ),
    )
    made = helper.make_graph([node("Neg", ["x"], ["y"])], "inner", [], [value("y", floats, [1, 4])])
    branch = node("If", ["flag"], ["z"], then_branch=made, else_branch=made)
    flag = numpy_helper.from_array(np.array(True), "flag")
    save(
        "branch",
        model([branch], [value("x", floats, [1, 4])], [value("z", floats, [1, 4])], [flag]),
    )
    (folder.parent / "secret.bin").write_bytes(b"\0" * 4096)
    (folder / "link.bin").symlink_to(folder.parent / "secret.bin")
    for name, location in (
        ("outside", "../secret.bin"),
        ("absolute", "/etc/hostname"),
        ("link", "link.bin"),
        ("missing", "gone.bin"),
    ):
        spoiled = onnx.ModelProto()
        spoiled.CopyFrom(whole)
        tensor = spoiled.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        save(name, spoiled)


if __name__ == "__main__":
    {"pytorch": make_pytorch, "onnx": make_onnx}[sys.argv[1]](Path(sys.argv[2]))
