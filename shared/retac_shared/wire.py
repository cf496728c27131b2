"""Messages to frames and back: a msgpack header, and for a Chunk its bytes as they are.  Never touches a socket."""

from collections.abc import Sequence
from typing import Any

import msgspec

from retac_shared.messages import CHUNK, Chunk, Message, ToClient, ToNode

HEADER = 1 << 18  # bytes, at most


class BadMessage(ValueError):
    """The frames are not a message of the protocol."""


encode_header = msgspec.msgpack.Encoder().encode
DECODERS = {kind: msgspec.msgpack.Decoder(kind) for kind in (ToNode, ToClient)}


def encode(message: Message, payload: Any = None) -> list[Any]:
    """Gives the frames of a message; `payload` is a Chunk's, bytes or anything with the buffer protocol."""
    header = encode_header(message)
    return [header] if payload is None else [header, payload]


def decode(frames: Sequence[Any], union: Any) -> tuple[Any, memoryview]:
    """Gives a message of the union ToNode or ToClient, and its bytes, empty but for a Chunk.  Raises BadMessage."""
    if not 1 <= len(frames) <= 2 or len(frames[0]) > HEADER:
        raise BadMessage("a message is a header of 256 KiB at most, and one frame of bytes for a chunk")
    try:
        message = DECODERS[union].decode(frames[0])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadMessage(f"the header cannot be read: {error}") from error
    payload = memoryview(frames[1]) if len(frames) == 2 else memoryview(b"")
    if isinstance(message, Chunk) != (len(frames) == 2) or len(payload) > CHUNK:
        raise BadMessage("a chunk, and nothing else, has one frame of bytes, 1 MiB at most")
    return message, payload
