"""ONNX models that lie about themselves, or that would never end: refused in the project's words, nothing believed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import netc
from netc.compiler.importer.read import read
from netc.grammar.diagnostics import NetError

FLOAT = TensorProto.FLOAT


def model(nodes: list[onnx.NodeProto], *initializers: TensorProto, opset: int = 18, **more: object) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", FLOAT, ["N", "M"])], list(initializers),
    )  # fmt: skip
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6 if opset < 13 else 8, **more
    )


def product(w: TensorProto) -> onnx.ModelProto:
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], w)


def weight(**fields: object) -> TensorProto:
    return TensorProto(**{"name": "w", "data_type": FLOAT, "dims": [4, 4], **fields})


def outside(location: str, dims: tuple[int, ...] = (4, 4), dtype: int = FLOAT, **place: str) -> onnx.ModelProto:
    made = TensorProto(name="w", data_type=dtype, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **place}.items():
        made.external_data.add(key=key, value=value)
    return product(made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.bin").write_bytes(b"\0" * 64)
    (tmp_path / "in" / "w.bin").write_bytes(b"\0" * 64)
    (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "out.bin")
    os.mkfifo(tmp_path / "in" / "pipe.bin")
    with (tmp_path / "in" / "sparse.bin").open("wb") as f:
        f.truncate(1 << 40)
    return tmp_path / "in"


EXTERNAL = [
    (outside("w\0.bin"), "names no plain file inside the model's folder: `w?.bin`"),
    (outside("../out.bin"), "names no plain file inside the model's folder: `../out.bin`"),
    (outside("/dev/zero"), "names no plain file"),
    (outside("link.bin"), "names no plain file"),
    (outside("pipe.bin"), "names no plain file"),
    (outside("."), "names no plain file"),
    (outside("a" * 9999), "names no plain file"),
    (outside("w.bin", offset="abc"), "the data of `w` lies at `abc`, which is no place in a file"),
    (outside("w.bin", offset="-4"), "lies at `-4`"),
    (outside("w.bin", offset="4"), "does not lie within its file"),
    (outside("w.bin", length="999"), "the tensor `w` has 999 bytes; its shape [4, 4] has 64"),
    (outside("w.bin", dtype=TensorProto.STRING), "is text, which cannot lie in another file"),
    (outside("sparse.bin", dims=(4, 1 << 36)), "takes more than half of the memory here"),
]


@pytest.mark.parametrize(("content", "message"), EXTERNAL)
def test_external_data_is_not_believed(folder: Path, content: onnx.ModelProto, message: str) -> None:
    (folder / "m.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(NetError) as e:
        netc.grad(folder / "m.onnx", external_data=True)
    assert message in str(e.value)
    assert "`m.onnx`: " in str(e.value)


def test_tensors_may_not_share_a_file_over_and_over(folder: Path) -> None:
    content = outside("w.bin")
    content.graph.initializer.append(content.graph.initializer[0])
    content.graph.initializer[1].name = "v"
    (folder / "m.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(NetError, match="the data of `v` does not lie within its file, or is that of other tensors too"):
        netc.grad(folder / "m.onnx", external_data=True)


def test_a_file_of_a_terabyte_and_a_pipe_are_not_read(folder: Path) -> None:
    with pytest.raises(NetError, match="an ONNX file has at most 2,147,483,648"):
        netc.grad(folder / "sparse.bin")
    with pytest.raises(NetError, match="there is no file"):
        netc.grad(folder / "pipe.bin")


def sparse(dims: list[int], at: int) -> onnx.ModelProto:
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])])
    held = onnx.SparseTensorProto(dims=dims)
    held.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    held.indices.CopyFrom(numpy_helper.from_array(np.array([at], np.int64)))
    made.graph.sparse_initializer.append(held)
    return made


def functions(count: int, calls: int = 2) -> onnx.ModelProto:
    """Functions of which each calls the one before `calls` times."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    made = [helper.make_function("own", "f0", ["v0"], ["v1"], [helper.make_node("Sin", ["v0"], ["v1"])], opsets)]
    for k in range(1, count):
        nodes = [helper.make_node(f"f{k - 1}", [f"v{i}"], [f"v{i + 1}"], domain="own") for i in range(calls)]
        made.append(helper.make_function("own", f"f{k}", ["v0"], [f"v{calls}"], nodes, opsets))
    content = model([helper.make_node(f"f{count - 1}", ["x"], ["y"], domain="own")])
    content.functions.extend(made)
    content.opset_import.append(helper.make_opsetid("own", 1))
    return content


def calling_itself() -> onnx.ModelProto:
    content = functions(1)
    content.functions[0].node[0].CopyFrom(helper.make_node("f0", ["v0"], ["v1"], domain="own"))
    return content


def without_result() -> onnx.ModelProto:
    content = functions(1)
    content.functions[0].output[0] = "nothing"
    return content


LYING = [
    (without_result(), "Graph output 'y' is not an output of any node"),
    (product(weight(raw_data=b"\0" * 999)), "the tensor `w` has 999 bytes; its shape [4, 4] has 64"),
    (product(weight(float_data=[1.0])), "the tensor `w` has 1 values; its shape [4, 4] has 16"),
    (product(weight(dims=[4, 1 << 40])), "the tensor `w` has 0 values; its shape [4, 1099511627776] has 4,398,046,511,104"),
    (product(weight(dims=[1 << 62, 1 << 62], raw_data=b"")), "the tensor `w` has 0 bytes"),
    (product(weight(data_type=99, raw_data=b"\0" * 64)), "the tensor `w` has the dtype 99, which ONNX does not have"),
    (product(weight(dims=[-4, -4], raw_data=b"\0" * 64)), "the tensor `w` has the shape [-4, -4]"),
    (sparse([1 << 20, 1 << 20], 3), "is sparse of the shape [1048576, 1048576]"),
    (sparse([4, 4], 99), "has an index outside its shape [4, 4]"),
    (functions(40), "of the model, written out, has 262,144 nodes"),
    (functions(60, calls=1), "functions of the model call one another more than 50 deep"),
    (calling_itself(), "the function `f0` of the model calls itself"),
    (model([helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["x", "a"], ["b"])]), "topologically sorted"),
    (model([helper.make_node("Relu", ["x"], ["y"])] * 2), "single static assignment"),
    (model([helper.make_node("Add", ["x", "nothing"], ["y"])]), "'nothing'"),
    (model([helper.make_node("Relu", ["x"], ["z"])]), "'y'"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), LYING)
def test_a_model_that_lies_is_refused(content: onnx.ModelProto, message: str) -> None:
    with pytest.raises(NetError) as e:
        netc.grad(content)
    assert message in str(e.value)


@pytest.mark.parametrize("word", ["MatMul", "axes of x", "a note", "the graph", "weight"])
def test_names_and_notes_are_text(tmp_path: Path, word: str) -> None:
    """Of an operator, a dimension, a node, the graph, an initializer: which other places hold is looked at in one way."""
    content = product(numpy_helper.from_array(np.ones((4, 4), np.float32), "weight"))
    content.graph.name = "the graph"
    content.graph.node[0].doc_string = "a note"
    content.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "axes of x"
    whole = content.SerializeToString()
    assert word.encode() in whole
    (tmp_path / "m.onnx").write_bytes(whole.replace(word.encode(), b"\xe6" * len(word)))
    with pytest.raises(NetError, match="in the model is not UTF-8"):
        netc.grad(tmp_path / "m.onnx")


def test_changed_and_cut_bytes_are_refused(tmp_path: Path) -> None:
    content = product(numpy_helper.from_array(np.ones((4, 4), np.float32), "w"))
    content.graph.input[0].type.tensor_type.elem_type = 96
    with pytest.raises(NetError, match="Invalid tensor data type 96"):
        netc.grad(content)
    content.graph.input[0].type.tensor_type.elem_type = FLOAT
    whole = content.SerializeToString()
    for end in range(0, len(whole), 7):
        (tmp_path / "m.onnx").write_bytes(whole[:end])
        with pytest.raises(NetError):
            netc.grad(tmp_path / "m.onnx")


def numbers(name: str, value: object) -> TensorProto:
    return numpy_helper.from_array(np.array(value, np.int64), name)


ONE = numpy_helper.from_array(np.ones(1, np.float32), "k")
MANY = numpy_helper.from_array(np.ones(4000, np.float32), "k")
GROWING: dict[str, Callable[[], tuple[onnx.NodeProto, list[TensorProto]]]] = {
    "Expand": lambda: (helper.make_node("Expand", ["k", "s"], ["e"]), [ONE, numbers("s", [1 << 20, 1 << 20])]),
    "Tile": lambda: (helper.make_node("Tile", ["k", "s"], ["e"]), [ONE, numbers("s", [1 << 40])]),
    "Pad": lambda: (helper.make_node("Pad", ["k", "s"], ["e"]), [ONE, numbers("s", [1 << 40, 0])]),
    "Range": lambda: (
        helper.make_node("Range", ["a", "b", "c"], ["e"]), [numbers("a", 0), numbers("b", 1 << 40), numbers("c", 1)]
    ),
    "HannWindow": lambda: (helper.make_node("HannWindow", ["s"], ["e"]), [numbers("s", 1 << 40)]),
    "Einsum": lambda: (helper.make_node("Einsum", ["k"] * 4, ["e"], equation="a,b,c,d->abcd"), [MANY]),
}  # fmt: skip


@pytest.mark.parametrize("operator", GROWING)
def test_constants_that_would_grow_are_not_computed(operator: str) -> None:
    node, given = GROWING[operator]()
    total = [
        helper.make_node("Cast", ["e"], ["f"], to=FLOAT), helper.make_node("ReduceSum", ["f"], ["r"], keepdims=0),
        helper.make_node("Mul", ["x", "r"], ["y"]),
    ]  # fmt: skip
    made = netc.grad(model([node, *total], *given))
    assert operator in {n.op_type for n in made.graph.node}


def loop(opset: int, turns: int) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Sin", ["s"], ["r"])], "b",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("s", FLOAT, ["N", 4])],
        [value("d", TensorProto.BOOL, []), value("r", FLOAT, ["N", 4])],
    )  # fmt: skip
    true = numpy_helper.from_array(np.array(True), "t")
    return model([helper.make_node("Loop", ["n", "t", "x"], ["y"], body=body)], numbers("n", turns), true, opset=opset)


def test_an_old_model_with_a_loop_is_compared_and_one_without_end_is_refused() -> None:
    assert read(loop(11, 3), external_data=False).opset == 18
    with pytest.raises(
        NetError, match="the model runs longer than 1 s, too long to be raised from its opset and compared"
    ):
        read(loop(11, 1 << 62), external_data=False)


def test_an_old_model_of_large_sizes_is_not_run() -> None:
    large = model([helper.make_node("Relu", ["x"], ["y"])], opset=11)
    large.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 40
    with pytest.raises(
        NetError, match="raised from opset 11 to 18, the model is too large for its results to be compared"
    ):
        read(large, external_data=False)


def nested(depth: int, tag: str = "") -> onnx.GraphProto:
    """A branch whose If holds a branch whose If ..."""
    result = helper.make_tensor_value_info(f"y{tag}", FLOAT, ["N", 4])
    if not depth:
        return helper.make_graph([helper.make_node("Sin", ["x"], [f"y{tag}"])], f"g{tag}", [], [result])
    other = helper.make_graph(
        [helper.make_node("Tanh", ["x"], [f"e{tag}"])], f"e{tag}", [], [helper.make_tensor_value_info(f"e{tag}", FLOAT, ["N", 4])]
    )  # fmt: skip
    inner = helper.make_node("If", ["c"], [f"o{tag}"], then_branch=nested(depth - 1, f"{tag}t"), else_branch=other)
    return helper.make_graph([inner, helper.make_node("Exp", [f"o{tag}"], [f"y{tag}"])], f"g{tag}", [], [result])


def size(graph: onnx.GraphProto) -> int:
    return sum(1 + sum(size(a.g) for a in n.attribute if a.HasField("g")) for n in graph.node)


def derivative_of_nested(depth: int) -> int:
    graph = nested(depth)
    graph.input.append(helper.make_tensor_value_info("x", FLOAT, ["N", 4]))
    graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return size(netc.grad(content, wrt=["x"]).graph)


def test_derivatives_of_nested_branches_do_not_double() -> None:
    sizes = [derivative_of_nested(d) for d in (4, 8, 16)]
    assert sizes[1] < 4 * sizes[0]
    assert sizes[2] < 4 * sizes[1]


def growing(depth: int, tag: str = "") -> list[onnx.NodeProto]:
    """Loops within one another whose states change their shapes."""
    value, n = helper.make_tensor_value_info, f"{tag}L"
    inner = growing(depth - 1, n) if depth else []
    last = f"o{n}L" if depth else f"s{n}"
    body = helper.make_graph(
        [
            helper.make_node("Identity", [f"c{n}"], [f"d{n}"]), *inner,
            helper.make_node("Concat", [last, f"s{n}"], [f"q{n}"], axis=0),
        ],
        f"l{n}", [value(f"i{n}", 7, []), value(f"c{n}", 9, []), value(f"s{n}", FLOAT, ["A", "B"])],
        [value(f"d{n}", 9, []), value(f"q{n}", FLOAT, ["C", "B"])],
    )  # fmt: skip
    return [helper.make_node("Loop", ["n", "", f"s{tag}" if tag else "x"], [f"o{n}"], body=body)]


def test_bodies_of_nested_loops_are_built_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    from netc.compiler.importer.replay import Replay, rebuilt

    built: list[str] = []
    real = Replay.body
    monkeypatch.setattr(
        Replay, "body", lambda self, op, graph, *rest: built.append(graph.name) or real(self, op, graph, *rest)
    )
    made = model([*growing(12), helper.make_node("Relu", ["oL"], ["y"])], numbers("n", 2))
    rebuilt(read(made, external_data=False))
    assert len(built) < 13 * 13


def test_a_negative_dimension_and_two_opsets_are_refused() -> None:
    """Found by mutants: the first was drawn as the shape of an input, the second looked up no schema."""
    old = model([helper.make_node("Relu", ["x"], ["y"])], opset=7)
    old.graph.input[0].type.tensor_type.shape.dim[1].dim_value = -4
    two = model([helper.make_node("Relu", ["x"], ["y"])])
    two.opset_import.add(domain="ai.onnx", version=0)
    for content, message in ((old, "`x` of the model has a dimension of -4"), (two, "imports opsets 0 and 18 of the")):
        with pytest.raises(NetError) as e:
            netc.grad(content)
        assert message in str(e.value)
