"""Messages to frames and back, and what is no message."""

import random
import typing

import msgspec
import pytest
from retac_shared import messages, wire
from retac_shared.jobs import JobStatus, Part
from retac_shared.messages import CHUNK, Chunk, Hello, Put, Submit, ToClient, ToNode
from retac_shared.order import Order
from retac_shared.wire import BadMessage, decode, encode

STATUS = JobStatus(
    "a" * 32, "shot 7", "ann", "dub", "running", 3, 17, 1.5, "render", "frames", 0.25, warnings=("dark",)
)
SAMPLES = [
    Hello(1, "retac 0.1.0"),
    Submit(1, "0" * 32, Order("f" * 64, text="Hello.", start=0.5, end=2.0, frames=True), "shot 7", -3),
    messages.Watch(2, "0" * 32, 5),
    messages.Unwatch(2),
    messages.Cancel(3, "0" * 32),
    messages.Resume(4, "0" * 32),
    messages.List(5, 12.5),
    Put(6, "0" * 64, 1 << 40),
    messages.Get(7, "0" * 64, 3, messages.WINDOW),
    messages.Ask(8),
    messages.Beat(),
]
ANSWERS = [
    messages.Welcome(1, "retac 0.1.0", "ann", "admin", ("cpu", "cuda:0"), 1 << 32),
    messages.Status(1, STATUS),
    messages.Parts(2, 4, (Part("video.mp4", "0" * 64, 9),)),
    messages.Jobs(3, (STATUS,), True),
    messages.Credit(6, 0, messages.WINDOW),
    messages.Done(6),
    messages.Metrics(8, {"retac_jobs": 3.0}),
    messages.Refused(0, "no"),
    messages.Beat(),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_what_a_client_says_arrives(message):
    assert decode(encode(message), ToNode) == (message, b"")


@pytest.mark.parametrize("message", ANSWERS, ids=lambda message: type(message).__name__)
def test_what_a_node_says_arrives(message):
    assert decode(encode(message), ToClient) == (message, b"")


def test_there_is_a_sample_of_every_message():
    for union, samples in ((ToNode, SAMPLES), (ToClient, ANSWERS)):
        assert {type(sample) for sample in samples} | {Chunk} == set(typing.get_args(union))


@pytest.mark.parametrize("size", [0, 1, CHUNK])
def test_a_chunks_bytes_are_a_frame_that_is_not_copied(size):
    data = bytearray(size)
    message, payload = decode(encode(Chunk(1, 0, size), data), ToNode)
    assert (message, len(payload)) == (Chunk(1, 0, size), size)
    data[:1] = b"x"[:size]
    assert payload == data


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"\xc1"],
        [bytes(wire.HEADER + 1)],
        encode(Hello(1, "x"), b"bytes"),
        encode(Chunk(1, 0, 5)),
        encode(Chunk(1, 0, 5), bytes(CHUNK + 1)),
        [*encode(Chunk(1, 0, 5), b"1"), b"2"],
        [b"\x91" * 100_000],
        [b"\xdd\xff\xff\xff\xff"],
        [b"\xdf\xff\xff\xff\xff\xa4type"],
        [b"\xdb\xff\xff\xff\xff"],
        [msgspec.msgpack.encode({"type": "Hello", "version": 1, "application": "x", "more": 1})],
        [msgspec.msgpack.encode({"type": "Hello", "version": True, "application": "x"})],
        [msgspec.msgpack.encode({"type": "Nothing"})],
        [msgspec.msgpack.encode({"type": "Ask", "request": -1})],
        [msgspec.msgpack.encode({"type": "Ask", "request": 1 << 53})],
        [msgspec.msgpack.encode({"type": "Put", "request": 1, "sha256": "0" * 64 + "\n", "size": 1})],
        [msgspec.msgpack.encode({"type": "Put", "request": 1, "sha256": "../" * 21 + "a", "size": 1})],
        [msgspec.msgpack.encode({"type": "Submit", "request": 1, "job": "0" * 32, "order": {"clip": "x"}})],
    ],
)
def test_what_is_no_message_is_said_to_be_none(frames):
    with pytest.raises(BadMessage):
        decode(frames, ToNode)


def test_mutated_messages_are_messages_or_bad_ones():
    draw = random.Random(7)
    for _ in range(20_000):
        header = bytearray(encode(draw.choice(SAMPLES))[0])
        for _ in range(draw.randrange(1, 4)):
            header[draw.randrange(len(header))] = draw.randrange(256)
        try:
            message, _ = decode([bytes(header[: draw.randrange(len(header) + 1)])], ToNode)
        except BadMessage:
            continue
        assert isinstance(message, ToNode)
