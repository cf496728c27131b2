"""Changes the serialised graph of Kokoro: pitch and pace in, or its first part alone.  Never runs it.

ONNX is protocol buffers: ModelProto.graph is field 7; GraphProto has node 1, initializer 5, input 11, output 12;
NodeProto has input 1 and output 2.  A message is a row of fields, each a number, a kind and a payload.
"""

import struct
from collections.abc import Iterator

LENGTHS = b"/encoder/Clip_output_0"  # (1, tokens) frames
CONTOUR = b"/encoder/Reshape_output_0"  # (1, 2 * frames) Hz, what the decoder's sound source follows
FLOATS = b"\n\x08\x08\x01\x12\x04\n\x02"  # TypeProto: a float tensor of one dimension, whose field follows
ONE, ANY = b"\x08\x01", b"\x12\x00"  # Dimension: of size 1; of a size without a name
SPEED = b"\n\x05speed\x12\n"  # ValueInfoProto: the pace of the line
VOICED = 30.0  # Hz; the contour lies near 7 where nothing is voiced, and from 10 on the decoder hums

Field = tuple[int, bytes]  # number and payload


def with_pitch(model: bytes) -> bytes:
    """Adds to the serialised graph the inputs `pitch` and `spread` for CONTOUR.

    Where it is voiced it becomes pitch * contour ** spread; each is (1,) or (2 * frames,).  `speed` may then be (1,) or
    (tokens,).

    In protocol buffers a message written after another of the same field is merged into it, so what is new can follow
    the file as it is.  The node that made CONTOUR is renamed in place, with a name of the same length, and what
    is made of it takes its name.
    """
    raw = CONTOUR[:-1] + b"r"
    made, renamed = field(2, CONTOUR), field(2, raw)  # NodeProto.output
    assert model.count(made) == 1, f"{model.count(made)} nodes make {CONTOUR!r}"
    lowest = b"\x08\x01\x10\x01" + field(8, b"lowest") + field(9, struct.pack("<f", VOICED))  # TensorProto: one float
    nodes = (
        node(b"Greater", (raw, b"lowest"), b"voiced"),
        node(b"Pow", (raw, b"spread"), b"spread_contour"),
        node(b"Mul", (b"spread_contour", b"pitch"), b"moved_contour"),
        node(b"Where", (b"voiced", b"moved_contour", raw), CONTOUR),
    )
    inputs = [field(11, field(1, name) + field(2, FLOATS + ANY)) for name in (b"pitch", b"spread")]
    patch = b"".join(field(1, each) for each in nodes) + field(5, lowest) + b"".join(inputs)
    return by_token(model).replace(made, renamed) + field(7, patch)


def node(kind: bytes, inputs: tuple[bytes, ...], output: bytes) -> bytes:
    """Writes a NodeProto, named after what it makes."""
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(3, output + b"_node") + field(4, kind)


def by_token(model: bytes) -> bytes:
    """Lets `speed`, by which the lengths of all tokens are divided, have one value a token."""
    assert model.count(SPEED + FLOATS + ONE) == 1, "the graph has another input `speed`"
    return model.replace(SPEED + FLOATS + ONE, SPEED + FLOATS + ANY)


def leading_to(model: bytes, output: bytes) -> bytes:
    """Keeps of the serialised graph what leads to LENGTHS or CONTOUR: a fifth of the bytes, a thirtieth of the work."""
    whole = list(fields(by_token(model)))
    return model_of(whole, [*needed(graph_of(whole), {output}), (12, field(1, output))])


def graph_of(whole: list[Field]) -> list[Field]:
    return [part for number, payload in whole if number == 7 for part in fields(payload)]


def needed(graph: list[Field], outputs: set[bytes]) -> list[Field]:
    """Keeps the nodes, initializers and inputs of a graph that lead to the outputs."""
    wanted, kept = set(outputs), []
    for number, payload in reversed(graph):  # nodes stand after those they read
        if number == 1 and wanted.intersection(named(payload, 2)):
            wanted.update(named(payload, 1))
            kept.append((number, payload))
    kept.reverse()
    kept += [part for part in graph if part[0] == 5 and wanted.intersection(named(part[1], 8))]  # TensorProto.name
    kept += [part for part in graph if part[0] == 11 and wanted.intersection(named(part[1], 1))]  # ValueInfoProto.name
    return kept


def model_of(whole: list[Field], graph: list[Field]) -> bytes:
    """Writes a model with this graph and the operator sets of another."""
    body = b"".join(field(*part) for part in [*graph, (2, b"part")])  # a graph has a name
    return b"".join(field(*part) for part in whole if part[0] == 8) + b"\x08\x08" + field(7, body)  # IR 8


def named(message: bytes, number: int) -> list[bytes]:
    return [payload for found, payload in fields(message) if found == number]


def fields(message: bytes) -> Iterator[Field]:
    """Gives the delimited fields of a message; numbers are passed over."""
    return ((number, value) for number, value in parts(message) if isinstance(value, bytes))


def numbers(message: bytes, number: int) -> list[int]:
    """Gives the whole numbers of a field."""
    return [value for found, value in parts(message) if found == number and isinstance(value, int)]


def parts(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == 2:
            size, at = varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        elif kind == 0:
            value, at = varint(message, at)
            yield tag >> 3, value
        else:
            at += {1: 8, 5: 4}[kind]


def varint(message: bytes, at: int) -> tuple[int, int]:
    """Reads a number, seven bits a byte, the lowest first; gives it and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def field(number: int, payload: bytes) -> bytes:
    """Writes a delimited field."""
    return bytes([number << 3 | 2]) + count(len(payload)) + payload


def count(value: int) -> bytes:
    """Writes a number, seven bits a byte, the lowest first."""
    written = b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])
