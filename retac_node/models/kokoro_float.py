"""Lets Kokoro's generator compute in floats: its int8 weights times their scale, whole.  Never runs it, never trains it.

The published graph rounds what goes into each convolution to 8 bits and unrolls it in memory; in floats, as a picture
one line high, onnxruntime has a faster way, and the sound is cleaner.
"""

import struct
from dataclasses import dataclass

import numpy as np

from retac_node.data import F32
from retac_node.models.kokoro_graph import (
    Field,
    count,
    field,
    fields,
    graph_of,
    model_of,
    named,
    needed,
    node,
    numbers,
    varint,
)

PART = b"/generator/"  # of the graph: nine tenths of the work and a tenth of the weights
HIGH = {b"pads": 0, b"kernel_shape": 1, b"dilations": 1, b"strides": 1}  # the values of a convolution across one line
LINE = b"line_axis"  # the axis that a picture has and a sound has not
INTS = b"\xa0\x01\x07"  # AttributeProto.type: a list of whole numbers


@dataclass(frozen=True)
class Node:
    inputs: list[bytes]
    output: bytes
    kind: bytes
    attributes: list[bytes]


def in_floats(model: bytes) -> bytes:
    """Replaces in the serialised graph the convolutions of whole numbers in PART, and what prepares them, by floats."""
    whole = list(fields(model))
    graph = graph_of(whole)
    every = [node_of(payload) if number == 1 else None for number, payload in graph]
    makers = {each.output: each for each in every if each}
    readers = {name: each for each in every if each for name in each.inputs}
    tensors = {named(payload, 8)[0]: payload for number, payload in graph if number == 5}
    changed: list[Field] = [(5, b"\x08\x01\x10\x07" + field(8, LINE) + field(9, struct.pack("<q", 2)))]
    done = set()
    for part, each in zip(graph, every, strict=True):
        if each and each.kind == b"ConvInteger" and PART in each.output:
            result = scaled(each, readers)
            changed += convolution(each, result, makers, tensors)
            done.add(result)
        elif each is None or each.output not in done:
            changed.append(part)
    outputs = [part for part in graph if part[0] == 12]
    return model_of(whole, [*needed(changed, {named(payload, 1)[0] for _, payload in outputs}), *outputs])


def node_of(payload: bytes) -> Node:
    return Node(named(payload, 1), named(payload, 2)[0], named(payload, 4)[0], named(payload, 5))


def scaled(convolution: Node, readers: dict[bytes, Node]) -> bytes:
    """Gives the name of what a convolution of whole numbers becomes once bias and scale are applied."""
    last = readers[convolution.output]
    while last.kind != b"Mul":
        last = readers[last.output]
    return last.output


def convolution(old: Node, result: bytes, makers: dict[bytes, Node], tensors: dict[bytes, bytes]) -> list[Field]:
    """Gives the nodes and the tensor that make `result` in floats."""
    rounded, stored, _, zero = old.inputs
    kernel = weights(tensors[stored], tensors[zero], tensors[stored.replace(b"_quantized", b"_scale")])
    wide, high, name = result + b"_line", result + b"_high", result + b"_weights"
    inputs = [wide, name, *bias(old, makers)]
    attributes = b"".join(field(5, in_a_line(each)) for each in old.attributes)
    made = [
        node(b"Unsqueeze", (makers[rounded].inputs[0], LINE), wide),  # (1, C, N) -> (1, C, 1, N)
        node(b"Conv", tuple(inputs), high) + attributes,
        node(b"Squeeze", (high, LINE), result),
    ]
    return [(5, tensor(name, kernel)), *((1, each) for each in made)]


def bias(old: Node, makers: dict[bytes, Node]) -> list[bytes]:
    """Gives the name of the float bias, which the graph turns into whole numbers for each run; none where none is."""
    added = old.output.replace(b"_output_quantized", b"_reshape")
    if added not in makers:
        return []
    while added in makers:
        added = makers[added].inputs[0]
    return [added]


def weights(stored: bytes, zero: bytes, scale: bytes) -> F32:
    """Gives the kernel (outputs, inputs, 1, taps) in floats."""
    shape = numbers(stored, 1)
    kept = np.frombuffer(named(stored, 9)[0], np.uint8).astype(np.float32)
    nothing, _ = varint(named(zero, 5)[0], 0)
    one = np.frombuffer(named(scale, 9)[0], np.float32)
    return ((kept - nothing) * one).reshape(shape[0], shape[1], 1, shape[2])


def in_a_line(attribute: bytes) -> bytes:
    """Gives an attribute of a convolution along a line as that of one over a picture one line high."""
    name = named(attribute, 1)[0]
    if name not in HIGH:
        return attribute
    values = numbers(attribute, 8)
    both = [HIGH[name], values[0]] * len(values)  # one before, or one before and one after: both ends are alike
    return field(1, name) + b"".join(b"\x40" + bytes([value]) for value in both) + INTS


def tensor(name: bytes, values: F32) -> bytes:
    """Writes a TensorProto of floats."""
    shape = b"".join(b"\x08" + count(each) for each in values.shape)
    return shape + b"\x10\x01" + field(8, name) + field(9, values.astype("<f4").tobytes())
