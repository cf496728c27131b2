"""Changes the serialised graph of Kokoro: times out and pitch in, or its lengths alone.  Never runs it.

ONNX is protocol buffers: ModelProto.graph is field 7; GraphProto has node 1, initializer 5, input 11, output 12;
NodeProto has input 1 and output 2.  A message is a row of fields, each a number, a kind and a payload.
"""

from collections.abc import Iterator

LENGTHS = b"/encoder/Clip_output_0"  # (1, tokens) frames
CONTOUR = b"/encoder/Reshape_output_0"  # (1, 2 * frames) Hz, what the decoder's sound source follows

Field = tuple[int, bytes]  # number and payload


def with_pitch_and_times(model: bytes) -> bytes:
    """Adds to the serialised graph the output LENGTHS and the input `pitch`, a factor (1,) on CONTOUR.

    In protocol buffers a message written after another of the same field is merged into it, so what is new can follow
    the file as it is.  The node that made CONTOUR is renamed in place, with a name of the same length, and a product
    takes its name.
    """
    raw = CONTOUR[:-1] + b"r"
    made, renamed = field(2, CONTOUR), field(2, raw)  # NodeProto.output
    assert model.count(made) == 1, f"{model.count(made)} nodes make {CONTOUR!r}"
    product = field(1, raw) + field(1, b"pitch") + field(2, CONTOUR) + field(3, b"pitch_factor") + field(4, b"Mul")
    one_float = field(1, b"\x08\x01" + field(2, field(1, b"\x08\x01")))  # TypeProto: a float tensor of shape (1,)
    patch = field(1, product) + field(11, field(1, b"pitch") + field(2, one_float)) + field(12, field(1, LENGTHS))
    return model.replace(made, renamed) + field(7, patch)


def lengths_alone(model: bytes) -> bytes:
    """Keeps of the serialised graph what leads to LENGTHS: a sixth of the bytes and a fiftieth of the work."""
    whole = list(fields(model))
    graph = [part for number, payload in whole if number == 7 for part in fields(payload)]
    wanted, kept = {LENGTHS}, []
    for number, payload in reversed(graph):  # nodes stand after those they read
        if number == 1 and wanted.intersection(named(payload, 2)):
            wanted.update(named(payload, 1))
            kept.append((number, payload))
    kept.reverse()
    kept += [part for part in graph if part[0] == 5 and wanted.intersection(named(part[1], 8))]  # TensorProto.name
    kept += [part for part in graph if part[0] == 11 and wanted.intersection(named(part[1], 1))]  # ValueInfoProto.name
    kept += [(2, b"lengths"), (12, field(1, LENGTHS))]  # a graph has a name
    body = b"".join(field(number, payload) for number, payload in kept)
    return b"".join(field(*part) for part in whole if part[0] == 8) + b"\x08\x08" + field(7, body)  # opsets, IR 8


def named(message: bytes, number: int) -> list[bytes]:
    return [payload for found, payload in fields(message) if found == number]


def fields(message: bytes) -> Iterator[Field]:
    """Gives the delimited fields of a message; numbers are passed over."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == 2:
            size, at = varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        elif kind == 0:
            _, at = varint(message, at)
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
    size, length = len(payload), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload
