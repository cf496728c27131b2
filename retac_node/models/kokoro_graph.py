"""Changes the graph of Kokoro: pitch and pace in, its sound computed in floats, or its first part alone.  Never runs it.

The published graph rounds what goes into each convolution to 8 bits, and unrolls it in memory.  In floats the sound is
cleaner, and of pictures one line high onnxruntime computes them faster.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from retac_node.data import F32

LENGTHS = "/encoder/Clip_output_0"  # (1, tokens) frames
CONTOUR = "/encoder/Reshape_output_0"  # (1, 2 * frames) Hz, what the decoder's sound source follows
VOICED = 30.0  # Hz; the contour lies near 7 where nothing is voiced, and from 10 on the decoder hums
GENERATOR = "/generator/"  # what makes the samples: nine tenths of the work and a tenth of the weights
NORMED = re.compile(GENERATOR + r".*/adain\d\.\d/Add_3_output_0$")  # the end of a normalisation by the style
ACROSS = {"pads": 0, "kernel_shape": 1, "dilations": 1, "strides": 1}  # a convolution's values across its one line


def speaking(published: bytes) -> bytes:
    """Gives the serialised graph with the inputs `pitch` and `spread` for CONTOUR and the generator in floats.

    Where it is voiced CONTOUR becomes pitch * contour ** spread; each is (1,) or (2 * frames,).  `speed` may be (1,) or
    (tokens,).
    """
    model = opened(published)
    move_contour(model.graph)
    in_floats(model.graph)
    return closed(model)


def leading_to(published: bytes, output: str) -> bytes:
    """Keeps of the serialised graph what leads to LENGTHS or CONTOUR: a fifth of the bytes, a thirtieth of the work."""
    model = opened(published)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=output))
    return closed(model)


def opened(published: bytes) -> ModelProto:
    """Parses the graph and lets `speed`, by which the lengths of all tokens are divided, have one value a token."""
    model = onnx.load_model_from_string(published)
    (speed,) = (each for each in model.graph.input if each.name == "speed")
    speed.CopyFrom(helper.make_tensor_value_info("speed", TensorProto.FLOAT, ["paces"]))
    return model


def closed(model: ModelProto) -> bytes:
    """Serialises the model without what its outputs do not need."""
    graph = model.graph
    wanted, nodes = {each.name for each in graph.output}, list[NodeProto]()
    for node in reversed(graph.node):  # they stand after those they read
        if wanted.intersection(node.output):
            wanted.update(node.input)
            nodes.append(node)
    replace(graph.node, reversed(nodes))
    replace(graph.initializer, (each for each in graph.initializer if each.name in wanted))
    replace(graph.input, (each for each in graph.input if each.name in wanted))
    return model.SerializeToString()


def replace(field: Any, kept: Iterable[Any]) -> None:
    """Fills a repeated field anew."""
    messages = list(kept)
    del field[:]
    field.extend(messages)


def move_contour(graph: GraphProto) -> None:
    """Puts between CONTOUR and what reads it a factor and a range for it."""
    raw = CONTOUR + "_raw"
    (place,) = (at for at, node in enumerate(graph.node) if CONTOUR in node.output)
    graph.node[place].output[0] = raw
    moved = (
        helper.make_node("Greater", [raw, "lowest"], ["voiced"]),
        helper.make_node("Pow", [raw, "spread"], ["spread_contour"]),
        helper.make_node("Mul", ["spread_contour", "pitch"], ["moved_contour"]),
        helper.make_node("Where", ["voiced", "moved_contour", raw], [CONTOUR]),
    )
    for node in reversed(moved):
        graph.node.insert(place + 1, node)
    graph.initializer.append(numpy_helper.from_array(np.array([VOICED], np.float32), "lowest"))
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [name]) for name in ("pitch", "spread"))


def in_floats(graph: GraphProto) -> None:
    """Replaces the generator's convolutions of whole numbers by floats, and each of its normalisations by one node.

    What prepared them is left without a reader.
    """
    makers = {name: node for node in graph.node for name in node.output}
    readers = {name: node for node in graph.node for name in node.input}
    stored = {each.name: each for each in graph.initializer}
    for name, value in (("line_axis", 2), ("flat", -1)):  # the axis that a picture has and a sound has not; a shape
        graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    nodes, done = list[NodeProto](), set[str]()
    for node in graph.node:
        if node.op_type == "ConvInteger" and GENERATOR in node.output[0]:
            result = scaled(node, readers)
            weights, made = convolution(node, result, makers, stored)
            graph.initializer.append(weights)
            nodes += made
            done.add(result)
        elif NORMED.search(node.output[0]):
            nodes += normed(node, makers)
        elif node.output[0] not in done:
            nodes.append(node)
    replace(graph.node, nodes)


def scaled(convolution: NodeProto, readers: dict[str, NodeProto]) -> str:
    """Gives the name of what a convolution of whole numbers becomes once bias and scale are applied."""
    last = readers[convolution.output[0]]
    while last.op_type != "Mul":
        last = readers[last.output[0]]
    return last.output[0]


def convolution(
    old: NodeProto, result: str, makers: dict[str, NodeProto], stored: dict[str, TensorProto]
) -> tuple[TensorProto, list[NodeProto]]:
    """Gives the weights and the nodes that make `result` in floats."""
    rounded, weights, _, zero = old.input
    parts = (stored[name] for name in (weights, zero, weights.replace("_quantized", "_scale")))
    kernel = numpy_helper.from_array(in_a_line(*map(numpy_helper.to_array, parts)), f"{result}_weights")
    wide, high = f"{result}_wide", f"{result}_high"
    values = {each.name: helper.get_attribute_value(each) for each in old.attribute}
    for name, value in ACROSS.items():
        values[name] = [side for along in values[name] for side in (value, along)]
    return kernel, [
        helper.make_node("Unsqueeze", [makers[rounded].input[0], "line_axis"], [wide]),  # (1, C, N) -> (1, C, 1, N)
        helper.make_node("Conv", [wide, kernel.name, *bias(old, makers)], [high], **values),
        helper.make_node("Squeeze", [high, "line_axis"], [result]),
    ]


def normed(last: NodeProto, makers: dict[str, NodeProto]) -> list[NodeProto]:
    """Gives the nodes that do at once what ten did: normalise each channel, with scale and shift by the style."""
    product, shift = last.input
    scale, divided = makers[product].input
    sound = makers[makers[divided].input[0]].input[0]
    result = last.output[0]
    flat = [f"{result}_scale", f"{result}_shift"]
    made = [
        helper.make_node("Reshape", [each, "flat"], [name]) for each, name in zip((scale, shift), flat, strict=True)
    ]
    return [*made, helper.make_node("InstanceNormalization", [sound, *flat], [result])]


def bias(old: NodeProto, makers: dict[str, NodeProto]) -> list[str]:
    """Gives the name of the float bias, which the graph turns into whole numbers for each run; none where none is."""
    name = old.output[0].replace("_output_quantized", "_reshape")
    if name not in makers:
        return []
    while name in makers:
        name = makers[name].input[0]
    return [name]


def in_a_line(kept: np.ndarray, zero: np.ndarray, scale: np.ndarray) -> F32:
    """Gives the kernel (outputs, inputs, 1, taps) in floats of one of whole numbers (outputs, inputs, taps)."""
    return ((kept.astype(np.float32) - zero) * scale)[:, :, None].astype(np.float32)
