"""Model files that mean harm: each must be refused with one sentence, soon, in little memory, touching nothing.

    python bench/hostile_models.py [NAME ...]     (two minutes on 1 core)

Every file is made in a temporary folder and loaded with `eyebright.load` in a fresh child. The child's peak memory is
measured above what it has with its imports done, and so is that of its own children (an ONNX Runtime process with
nothing loaded), in MiB. A secret lies beside the models: none may give scores that depend on it, so loading at all is
a miss. Exits with 1 where a bar was missed.
"""

import base64
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper, numpy_helper

MEMORY_MIB = 512
TIME_S = 35
SIDE = 8
LABELS = 3


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        raise SystemExit(child(sys.argv[2]))
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2], Path(sys.argv[3]))
        return
    chosen = sys.argv[1:]
    missed = tried = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "inside").mkdir()
        (folder / "secret.bin").write_bytes(np.ones(192 * LABELS, np.float32).tobytes())
        idle = loaded(folder / "inside" / "absent.onnx")
        honest = folder / "inside" / "honest.onnx"
        honest.write_bytes(model().SerializeToString())
        end = loaded(honest)
        idle["child_mib"] = end["child_mib"]
        print(f"{'an honest model':34}{end['said']}  ({end['s']:.2f} s; memory below is above its own)")
        missed += end["said"] != "loaded"
        for name in MODELS:
            if chosen and name not in chosen:
                continue
            path = folder / "inside" / "model.onnx"
            # in a process of its own: a child starts with the peak of the process that starts it
            subprocess.run([sys.executable, __file__, "--make", name, str(path)], check=True)
            end = loaded(path)
            own, childs = (max(end[key] - idle[key], 0) for key in ("own_mib", "child_mib"))
            said = end["said"].replace(str(path), "FILE").replace(place, "FOLDER")
            refused = end["refused"] or (name in MAY_LOAD and end["said"] == "loaded")
            fine = refused and "\n" not in said and max(own, childs) <= MEMORY_MIB and end["s"] <= TIME_S
            missed, tried = missed + (not fine), tried + 1
            print(
                f"{name:34}{end['s']:7.2f} s {own:6.0f} {childs:6.0f} MiB  {'' if fine else 'MISSED '}{said}",
                flush=True,
            )
            with contextlib.suppress(FileNotFoundError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    print(f"{tried} files, bars missed: {missed}")
    raise SystemExit(bool(missed))


def make(name: str, path: Path) -> None:
    made = MODELS[name](path)
    if isinstance(made, ModelProto):
        made = made.SerializeToString()
    if isinstance(made, bytes):
        path.write_bytes(made)


def loaded(path: Path) -> dict[str, Any]:
    try:
        command = [sys.executable, __file__, "--child", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * TIME_S)
    except subprocess.TimeoutExpired:
        return {"refused": False, "said": "no end", "s": 2 * TIME_S, "own_mib": 0, "child_mib": 0}
    if done.returncode:
        return {"refused": False, "said": f"died with {done.returncode}", "s": 0, "own_mib": 1e6, "child_mib": 0}
    noise = " (and noise on stderr)" if done.stderr else ""
    end: dict[str, Any] = json.loads(done.stdout)
    return {**end, "said": end["said"] + noise, "refused": end["refused"] and not noise}


def child(path: str) -> int:
    import onnxruntime  # noqa: F401

    import eyebright
    from eyebright.errors import BadModelFile
    from eyebright.recognize import load

    began = time.perf_counter()
    refused, said = False, "loaded"
    try:
        load(path)
    except BadModelFile as error:
        refused, said = True, str(error)
    except eyebright.EyebrightError as error:
        said = f"{type(error).__name__}: {error}"
    own, below = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    end = {"refused": refused, "said": said, "s": time.perf_counter() - began, "own_mib": own, "child_mib": below}
    print(json.dumps(end))
    return 0


# an honest model, and what can be done to it ------------------------------------------------------------------------

METADATA: dict[str, Any] = {
    "format": 1,
    "name": "hostile",
    "task": "single",
    "labels": [{"id": name, "label": name} for name in ("a", "b", "c")],
    "input": {"size": SIDE},
    "golden": {
        "tolerance": 0.05,
        "same_top": False,
        "pictures": [
            {
                "seed": base64.b64encode(bytes(3)).decode(),
                "height": 1,
                "width": 1,
                "repeat": SIDE,
                "scores": [round(1 / 3, 6)] * 3,
            }
        ],
    },
}


def model(
    extra: list[onnx.NodeProto] | None = None,
    into: str | None = None,
    initializers: list[TensorProto] | None = None,
    opsets: list[tuple[str, int]] | None = None,
    name: str = "image",
    outputs: tuple[str, ...] = ("scores",),
    metadata: dict[str, Any] | bytes | None = METADATA,
    functions: list[onnx.FunctionProto] | None = None,
) -> ModelProto:
    """image -> flat -> weights -> softmax; `extra` nodes give a tensor `into` whose largest value joins the logits."""
    weights = numpy_helper.from_array(np.zeros((SIDE * SIDE * 3, LABELS), np.float32), "weights")
    nodes = [
        helper.make_node("Cast", [name], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["first"]),
        *(extra or []),
    ]
    if into:
        nodes += [helper.make_node("ReduceMax", [into], ["top"], keepdims=0)]
        nodes += [helper.make_node("Mul", ["top", "nothing"], ["little"])]
        nodes += [helper.make_node("Add", ["first", "little"], ["logits"])]
    else:
        nodes += [helper.make_node("Identity", ["first"], ["logits"])]
    nodes += [helper.make_node("Softmax", ["logits"], [outputs[0]])]
    nothing = numpy_helper.from_array(np.zeros((), np.float32), "nothing")
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", None]) for output in outputs],
        [weights, nothing, *(initializers or [])],
    )
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(*opset) for opset in opsets or [("", 18)]],
        ir_version=8,
        functions=functions or [],
    )
    if metadata is not None:
        text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
        return told(made, text)
    return made


def told(made: ModelProto, text: bytes) -> ModelProto:
    entry = made.metadata_props.add()
    entry.key, entry.value = "eyebright", text.decode("utf-8", "replace")
    return made


def changed(**parts: Any) -> ModelProto:
    return model(metadata={**METADATA, **parts})


def golden(**parts: Any) -> ModelProto:
    picture = {**METADATA["golden"]["pictures"][0], **parts}
    return changed(golden={**METADATA["golden"], "pictures": [picture]})


def outside(location: str, length: int = 192 * LABELS * 4) -> TensorProto:
    tensor = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=[192, LABELS])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def reads(location: str) -> ModelProto:
    return model(into="secret", initializers=[outside(location)])


def linked(path: Path, link: Callable[[Path, Path], None]) -> ModelProto:
    there = path.with_name("weights.bin")
    there.unlink(missing_ok=True)
    link(path.parent.parent / "secret.bin", there)
    return reads("weights.bin")


def in_constant() -> ModelProto:
    node = helper.make_node("Constant", [], ["secret"])
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=outside("../secret.bin")))
    return model([node], "secret")


def branch(nodes: list[onnx.NodeProto], output: str, initializers: list[TensorProto] | None = None) -> GraphProto:
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "branch", [], [value], initializers or [])


def condition() -> TensorProto:
    return numpy_helper.from_array(np.array(True), "yes")


def in_branch() -> ModelProto:
    graph = branch([helper.make_node("Identity", ["secret"], ["out"])], "out", [outside("../secret.bin")])
    node = helper.make_node("If", ["yes"], ["taken"], then_branch=graph, else_branch=graph)
    return model([node], "taken", [condition()])


def nested(depth: int) -> ModelProto:
    graph = branch([helper.make_node("Identity", ["nothing"], ["out"])], "out")
    for _ in range(depth):
        graph = branch([helper.make_node("If", ["yes"], ["out"], then_branch=graph, else_branch=graph)], "out")
        if graph.ByteSize() > 20_000_000:
            break
    return model([helper.make_node("If", ["yes"], ["x"], then_branch=graph, else_branch=graph)], "x", [condition()])


def deep(depth: int) -> bytes:
    """Graphs in attributes in nodes in graphs, written by hand: a recursive parser would run out of stack."""
    body = b""
    for _ in range(depth):
        for key in (b"\x32", b"\x2a", b"\x0a"):  # attribute.g, node.attribute, graph.node
            body = key + varint(len(body)) + body
    return model().SerializeToString() + b"\x3a" + varint(len(body)) + body


def function(tensor: TensorProto | None) -> ModelProto:
    node = helper.make_node("Constant", [], ["y"])
    value = tensor if tensor is not None else numpy_helper.from_array(np.zeros(1, np.float32))
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=value))
    made = helper.make_function("mine", "f", [], ["y"], [node], [helper.make_opsetid("", 18)])
    call = helper.make_node("f", [], ["y"], domain="mine")
    return model([call], "y", opsets=[("", 18), ("mine", 1)], functions=[made])


def loop(kind: str) -> ModelProto:
    value = helper.make_tensor_value_info
    if kind == "Loop":
        body = helper.make_graph(
            [
                helper.make_node("Concat", ["state", "state"], ["next"], axis=0),
                helper.make_node("Identity", ["go"], ["on"]),
            ],
            "body",
            [
                value("i", TensorProto.INT64, []),
                value("go", TensorProto.BOOL, []),
                value("state", TensorProto.FLOAT, None),
            ],
            [value("on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
        )
        node = helper.make_node("Loop", ["often", "yes", "flat"], ["much"], body=body)
        return model([node], "much", [condition(), numpy_helper.from_array(np.array(1 << 40), "often")])
    body = helper.make_graph(
        [helper.make_node("Identity", ["row"], ["out"])],
        "body",
        [value("row", TensorProto.FLOAT, None)],
        [value("out", TensorProto.FLOAT, None)],
    )
    return model([helper.make_node("Scan", ["flat"], ["much"], body=body, num_scan_inputs=1)], "much")


def whole(*sizes: int) -> TensorProto:
    return numpy_helper.from_array(np.array(sizes, np.int64), "sizes")


def one_value(name: str, value: float = 1) -> TensorProto:
    return numpy_helper.from_array(np.array([value], np.float32), name)


def doubling(constant: bool, times: int) -> ModelProto:
    """2 ^ times numbers, found by the optimizer before it runs (constant) or while it runs."""
    nodes, at = [], "one" if constant else "flat"
    for step in range(times):
        nodes.append(helper.make_node("Concat", [at, at], [f"twice{step}"], axis=0))
        at = f"twice{step}"
    return model(nodes, at, [one_value("one")])


def many_small(times: int) -> ModelProto:
    """Each is 64 MiB, and all are needed at once: no one step looks large."""
    nodes = [helper.make_node("ConstantOfShape", ["sizes"], [f"part{at}"]) for at in range(times)]
    nodes.append(helper.make_node("Sum", [f"part{at}" for at in range(times)], ["all"]))
    return model(nodes, "all", [whole(1 << 24)])


def outer() -> ModelProto:
    row = numpy_helper.from_array(np.ones((1, 40_000), np.float32), "row")
    column = numpy_helper.from_array(np.ones((40_000, 1), np.float32), "column")
    return model([helper.make_node("Mul", ["row", "column"], ["much"])], "much", [row, column])


def work_bomb() -> ModelProto:
    """Little memory, no end: matrix products one after another."""
    square = numpy_helper.from_array(np.ones((1024, 1024), np.float32) / 1024, "square")
    nodes = [helper.make_node("ReduceMax", ["flat"], ["shade"], keepdims=0)]
    nodes += [helper.make_node("Mul", ["square", "shade"], ["product0"])]
    nodes += [helper.make_node("MatMul", [f"product{at}", "square"], [f"product{at + 1}"]) for at in range(15_000)]
    return model(nodes, "product15000", [square])


def resize() -> ModelProto:
    scales = numpy_helper.from_array(np.array([1, 30_000, 30_000, 1], np.float32), "scales")
    return model([helper.make_node("Resize", ["float", "", "scales"], ["much"], mode="nearest")], "much", [scales])


def tensor(dims: list[int], raw: bytes = b"\0" * 16) -> ModelProto:
    claims = TensorProto(name="claims", data_type=TensorProto.FLOAT, dims=dims, raw_data=raw)
    return model(into="claims", initializers=[claims])


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def key_of_33_bits() -> bytes:
    """A tensor whose `external_data` hides behind a bit that a parser of 32-bit keys drops."""
    entry = field(1, b"location") + field(2, b"../secret.bin")
    hidden = varint(1 << 32 | 13 << 3 | 2) + varint(len(entry)) + entry + varint(1 << 32 | 14 << 3) + b"\1"
    return TensorProto(name="secret", data_type=1, dims=[1], raw_data=bytes(4)).SerializeToString() + hidden


def whole_file() -> bytes:
    return model().SerializeToString()


def nan_scores() -> ModelProto:
    zero = numpy_helper.from_array(np.zeros((), np.float32), "zero")
    return model([helper.make_node("Div", ["zero", "zero"], ["nan"])], "nan", [zero])


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", whole_file())


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 << 30)


def sparse_after(path: Path) -> None:
    """A whole model, then 900 MB of a field that nobody knows."""
    with path.open("wb") as file:
        data = whole_file() + varint(1000 << 3 | 2) + varint(900_000_000)
        file.write(data)
        file.truncate(len(data) + 900_000_000)


def nodes_of(count: int, constants: bool = False) -> bytes:
    node = helper.make_node("Identity", ["a"], ["b"]).SerializeToString()
    item = field(5, field(8, b"t") + b"\x10\x01\x08\x00") if constants else field(1, node)
    return whole_file() + field(7, item * count)


Make = Callable[[Path], "ModelProto | bytes | None"]
MODELS: dict[str, Make] = {
    "external data": lambda path: linked(path, lambda secret, there: there.write_bytes(secret.read_bytes()) and None),
    "external data, ..": lambda path: reads("../secret.bin"),
    "external data, absolute": lambda path: reads(str(path.parent.parent / "secret.bin")),
    "external data, symlink": lambda path: linked(path, lambda secret, there: there.symlink_to(secret)),
    "external data, hard link": lambda path: linked(path, lambda secret, there: there.hardlink_to(secret)),
    "external data, memory address": lambda path: reads("*/_ORT_MEM_ADDR_/*"),
    "external data in a constant": lambda path: in_constant(),
    "external data in a branch": lambda path: in_branch(),
    "external data in a function": lambda path: function(outside("../secret.bin")),
    "custom domain": lambda path: model([helper.make_node("f", ["flat"], ["y"], domain="evil")], "y"),
    "com.microsoft operator": lambda path: model(
        [helper.make_node("Gelu", ["flat"], ["y"], domain="com.microsoft")],
        "y",
        opsets=[("", 18), ("com.microsoft", 1)],
    ),
    "custom domain imported": lambda path: model(opsets=[("", 18), ("evil", 1)]),
    "ai.onnx.ml label encoder": lambda path: model(
        [
            helper.make_node(
                "LabelEncoder", ["flat"], ["y"], domain="ai.onnx.ml", keys_floats=[0.0], values_floats=[1.0]
            )
        ],
        "y",
        opsets=[("", 18), ("ai.onnx.ml", 99)],
    ),
    "loop without end": lambda path: loop("Loop"),
    "scan": lambda path: loop("Scan"),
    "branches, 12 deep": lambda path: nested(12),
    "graphs, 10^5 deep": lambda path: deep(5_000),
    "functions": lambda path: function(None),
    "10^6 operations": lambda path: nodes_of(1_000_000),
    "10^6 tensors": lambda path: nodes_of(1_000_000, constants=True),
    "tensor of 2^40, 16 bytes": lambda path: tensor([1 << 20, 1 << 20]),
    "tensor of 2^63 x 2": lambda path: tensor([(1 << 63) - 1, 2]),
    "negative size": lambda path: tensor([-4]),
    "two negative sizes": lambda path: tensor([-2, -2]),
    "zero and huge size": lambda path: tensor([0, 1 << 40], b""),
    "ConstantOfShape, 4 GB": lambda path: model(
        [helper.make_node("ConstantOfShape", ["sizes"], ["much"])], "much", [whole(1 << 30)]
    ),
    "Expand, 4 GB": lambda path: model(
        [helper.make_node("Expand", ["first", "sizes"], ["much"])], "much", [whole(1 << 28, 1, 3)]
    ),
    "Tile, 4 GB": lambda path: model(
        [helper.make_node("Tile", ["flat", "sizes"], ["much"])], "much", [whole(1 << 12, 1 << 11)]
    ),
    "Range, 8 GB": lambda path: model(
        [helper.make_node("Range", ["from", "to", "step"], ["much"]), helper.make_node("Cast", ["much"], ["f"], to=1)],
        "f",
        [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("from", 0), ("to", 1 << 30), ("step", 1))],
    ),
    "Resize, 170 GB": lambda path: resize(),
    "Pad, 8 GB": lambda path: model(
        [helper.make_node("Pad", ["flat", "sizes"], ["much"])], "much", [whole(0, 1 << 31, 0, 0)]
    ),
    "doubling, at run time": lambda path: doubling(False, 26),
    "doubling, by the optimizer": lambda path: doubling(True, 31),
    "outer product, 6 GB": lambda path: outer(),
    "12 constants of 64 MiB": lambda path: many_small(12),
    "work without end": lambda path: work_bomb(),
    "truncated": lambda path: whole_file()[:-400],
    "random bytes": lambda path: np.random.default_rng(0).bytes(100_000),
    "pickle": lambda path: b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "torch archive": lambda path: zipped(path),
    "empty": lambda path: b"",
    "one byte": lambda path: b"\x08",
    "key of 33 bits": lambda path: whole_file() + field(7, field(5, key_of_33_bits())),
    "ONNX Runtime's own format inside": lambda path: b"\x12\x7f" + b"\0\0ORTM".ljust(127, b"x") + whole_file(),
    "TensorFlow Lite inside": lambda path: b"\x12\x7f" + b"\0\0TFL3".ljust(127, b"x") + whole_file(),
    "overlong varints": lambda path: whole_file() + b"\x08" + b"\x80" * 9 + b"\x01" + b"\x08" + b"\x80" * 100 + b"\x01",
    "10^7 empty fields": lambda path: whole_file() + b"\x08\x00" * 10_000_000,
    "10^7 empty metadata entries": lambda path: whole_file() + b"\x72\x00" * 10_000_000,
    "10^6 packed zero sizes": lambda path: nodes_of(1) + field(7, field(5, field(1, b"\0" * 50_000_000))),
    "two graphs": lambda path: whole_file() + field(7, model().graph.SerializeToString()),
    "the node of the 2nd graph": lambda path: whole_file() + field(7, field(1, field(4, b"If"))),
    "group fields": lambda path: whole_file() + b"\x0b" * 1000 + b"\x0c" * 1000,
    "name of 100 MB": lambda path: whole_file() + field(7, field(1, field(3, b"x" * 100_000_000))),
    "graph name of 100 MB": lambda path: whole_file() + field(7, field(2, b"x" * 100_000_000)),
    "name that is no text": lambda path: whole_file() + field(7, field(1, field(3, b"\xff\xfe"))),
    "training steps": lambda path: whole_file() + field(20, b""),
    "metadata, 10^5 deep": lambda path: model(metadata=b'{"format":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "metadata of 50 MB": lambda path: model(metadata=b'{"format":1,"name":"' + b"x" * 50_000_000 + b'"}'),
    "metadata of 7 MB of labels": lambda path: changed(labels=[{"id": str(i), "label": "x"} for i in range(200_000)]),
    "metadata twice": lambda path: told(model(), json.dumps({**METADATA, "task": "multi"}).encode()),
    "metadata missing": lambda path: model(metadata=None),
    "metadata is no JSON": lambda path: model(metadata=b"hello"),
    "metadata of wrong types": lambda path: changed(labels={"a": 1}),
    "format 2": lambda path: changed(format=2),
    "format 10^400": lambda path: model(metadata=b'{"format":1' + b"0" * 400 + b"}"),
    "scores of NaN in the golden": lambda path: golden(scores=[float("nan")] * 3),
    "unknown key": lambda path: changed(colour="red"),
    "two labels of one id": lambda path: changed(labels=[{"id": "a", "label": "a"}] * 3),
    "hierarchy in a circle": lambda path: changed(
        hierarchy=[{"id": "x", "label": "x", "parent": "y"}, {"id": "y", "label": "y", "parent": "x"}]
    ),
    "golden of another size": lambda path: golden(repeat=SIDE + 1),
    "golden of bad base64": lambda path: golden(seed="!!!!"),
    "golden of too many bytes": lambda path: golden(seed=base64.b64encode(bytes(3000)).decode()),
    "golden that is wrong": lambda path: golden(scores=[0.9, 0.05, 0.05]),
    "input of 4096, golden of 4096": lambda path: model(
        metadata={
            **METADATA,
            "input": {"size": 4096},
            "golden": {**METADATA["golden"], "pictures": [{**METADATA["golden"]["pictures"][0], "repeat": 4096}]},
        }
    ),
    "no image": lambda path: model(name="input"),
    "no scores": lambda path: model(outputs=("output",)),
    "scores of another count": lambda path: changed(
        labels=METADATA["labels"][:2],
        golden={**METADATA["golden"], "pictures": [{**METADATA["golden"]["pictures"][0], "scores": [0.5, 0.5]}]},
    ),
    "scores of NaN": lambda path: nan_scores(),
    "a folder": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": lambda path: os.mkfifo(path),
    "a sparse file of 2 GB": sparse,
    "a model and 900 MB": sparse_after,
}

MAY_LOAD = {"12 constants of 64 MiB"}
"""A runtime that frees each in time keeps within the bounds."""


if __name__ == "__main__":
    main()
