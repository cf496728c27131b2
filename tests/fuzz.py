"""Messages that no client would send, seeded, thrown at a node while a good client is served.

`python -m tests.fuzz COUNT` throws that many at a node of its own and prints what became of it; with ADDRESS SEED COUNT
it only throws.
"""

import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import zmq
from retac_shared import messages, wire
from retac_shared.messages import CHUNK, VERSION, WINDOW
from retac_shared.order import Order

from tests.fake_node import FakeNode, Plain

EACH = 40  # messages of a connection, before another is opened
PAUSE = 0.01  # seconds between two questions of the good client
RAW = 500  # messages between two connections of bare bytes
WIDE = (0, 1, 2, 255, 65535, (1 << 31) - 1, (1 << 32), (1 << 53) - 1, 1 << 53, (1 << 63) - 1, -1, -(1 << 40))

Draw = random.Random


# ---- one message


def good(draw: Draw) -> list[Any]:
    """A message as the protocol has it, with values that may be anything."""
    job, sha256, request = f"{draw.getrandbits(128):032x}", f"{draw.getrandbits(256):064x}", draw.randrange(1 << 20)
    offset = draw.choice([0, 1, CHUNK, WINDOW, (1 << 53) - 1])
    made: list[tuple[Any, Any]] = [
        (messages.Hello(draw.choice([VERSION, 0, 99]), "fuzz" * draw.randrange(50)), None),
        (messages.Submit(request, job, Order(sha256, text="Hello.", goal="line"), "x" * draw.randrange(200)), None),
        (messages.Watch(request, job, offset), None),
        (messages.Unwatch(request), None),
        (messages.Cancel(request, job), None),
        (messages.Resume(request, job), None),
        (messages.List(request, draw.choice([0.0, float("nan"), float("inf"), -1e300, 1e300])), None),
        (messages.Put(request, sha256, offset), None),
        (messages.Get(request, sha256, offset, draw.choice([1, CHUNK, WINDOW])), None),
        (messages.Ask(request), None),
        (messages.Beat(), None),
        (messages.Chunk(request, offset, offset), draw.randbytes(draw.choice([0, 1, 4096]))),
    ]
    return wire.encode(*draw.choice(made))


def upload(draw: Draw) -> Iterator[list[Any]]:
    """A file that is begun, and goes wrong."""
    sha256, request, size = f"{draw.getrandbits(256):064x}", draw.randrange(1 << 20), draw.randrange(1, 20_000)
    yield wire.encode(messages.Put(request, sha256, size))
    for _ in range(draw.randrange(4)):
        yield wire.encode(messages.Chunk(request, draw.choice([0, size, size - 1]), size), draw.randbytes(size))


def noise(draw: Draw) -> list[Any]:
    return [draw.randbytes(draw.choice([0, 1, 7, 100, 3000])) for _ in range(draw.randrange(1, 5))]


def truncated(draw: Draw) -> list[Any]:
    frames = good(draw)
    return [frames[0][: draw.randrange(len(frames[0]))], *frames[1:]]


def mutated(draw: Draw) -> list[Any]:
    frames = good(draw)
    header = bytearray(frames[0])
    for _ in range(draw.randrange(1, 6)):
        header[draw.randrange(len(header))] = draw.randrange(256)
    return [bytes(header), *frames[1:]]


def rebuilt(draw: Draw) -> list[Any]:
    """A message with one field of another value or kind."""
    frames = good(draw)
    fields = msgspec.msgpack.decode(frames[0])
    values = [*WIDE, 1.5, "", "\x00", "../../etc/passwd", "é" * 300, b"raw", None, True, [], [[]], {}, {"a": {}}]
    fields[draw.choice([*fields, "more"])] = draw.choice(values)
    return [msgspec.msgpack.encode(fields), *frames[1:]]


def oversized(draw: Draw) -> list[Any]:
    kind = draw.randrange(4)
    if kind == 0:
        return [bytes(wire.HEADER + draw.randrange(1, 5000))]
    if kind == 1:
        return [b"\x91" * draw.choice([1000, 200_000])]
    if kind == 2:
        return [draw.choice([b"\xdd", b"\xdf", b"\xdb", b"\xc6"]) + b"\xff\xff\xff\xff" + bytes(20)]
    return wire.encode(messages.Chunk(1, 0, 1 << 40), bytes(CHUNK + draw.choice([-1, 0, 1, 100])))


KINDS: tuple[tuple[Callable[[Draw], list[Any]], int], ...] = (
    (good, 20), (noise, 20), (truncated, 20), (mutated, 25), (rebuilt, 25), (oversized, 1),
)  # fmt: skip


# ---- throwing


def throw(address: str, seed: int, count: int) -> None:
    """Sends that many, over one connection after the other; hears what comes back."""
    draw = Draw(seed)
    context, sent = zmq.Context(), 0
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    makers, weights = zip(*KINDS, strict=True)
    while sent < count:
        line = context.socket(zmq.DEALER)
        line.linger, line.sndtimeo, line.rcvhwm = 0, 2000, 1000
        line.connect(address)
        if draw.random() < 0.8:
            line.send_multipart(wire.encode(messages.Hello(VERSION, "fuzz")))
        thrown = [draw.choices(makers, weights)[0](draw) for _ in range(EACH)]
        for frames in (*thrown, *upload(draw)):
            with suppress(zmq.Again):
                line.send_multipart(frames)
            sent += 1
        until = time.monotonic() + 5
        line.send_multipart(wire.encode(messages.Hello(VERSION, "fuzz")))
        while time.monotonic() < until and line.poll(20):  # let it arrive, and take what is answered
            with suppress(zmq.Again):
                while True:
                    line.recv_multipart(zmq.NOBLOCK)
        line.close()
        if sent % RAW < EACH:
            with suppress(OSError), socket.create_connection((host, int(port)), 5) as raw:
                raw.sendall(draw.randbytes(draw.choice([1, 64, 5000])))
    context.destroy(0)


# ---- what becomes of the node


@dataclass
class Outcome:
    alive: bool
    asked: int  # questions of the good client, each answered
    p50: float  # seconds that an answer took
    p99: float
    worst: float
    grown: int  # bytes of the node's memory, from a tenth of the way to the end
    held: int  # bytes of the node's memory at the end
    log: int  # bytes


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def storm(folder: Path, count: int, seed: int = 1, throwers: int = 2) -> Outcome:
    """Throws `count` messages at a node and asks it as a good client would; raises where that one is not answered."""
    with FakeNode(folder) as node:
        client = Plain(node.address)
        job = client.submit(Order(client.put(b"a clip"), goal="solve"))
        client.follow(job)
        asked_during(client, node.address, [(seed, count // 10)])  # what it takes to be warm
        before = resident(node.process.pid)
        taken = asked_during(client, node.address, [(seed + n, count // throwers) for n in range(1, throwers + 1)])
        again = client.submit(Order(client.put(b"another clip"), text="Still here."))
        assert client.follow(again)[0].state == "done"
        after, log = resident(node.process.pid), (node.home / "log").stat().st_size
        cut = statistics.quantiles(taken, n=100)
        return Outcome(
            node.process.poll() is None, len(taken), cut[49], cut[98], max(taken), after - before, after, log
        )


def asked_during(client: Plain, address: str, shares: list[tuple[int, int]]) -> list[float]:
    """Has (seed, count) thrown by a process each; gives how many seconds each answer took meanwhile."""
    command, taken = [sys.executable, "-m", "tests.fuzz", address], []
    running = [subprocess.Popen([*command, str(seed), str(count)]) for seed, count in shares]
    while any(one.poll() is None for one in running) or len(taken) < 2:
        began = time.perf_counter()
        answer = client.ask(messages.Ask)
        assert isinstance(answer, messages.Metrics), answer
        taken.append(time.perf_counter() - began)
        time.sleep(PAUSE)
    assert [one.returncode for one in running] == [0] * len(running)
    return taken


def main() -> None:
    if len(sys.argv) == 4:
        throw(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        told = storm(Path(folder), count)
        seconds = time.perf_counter() - began
    print(
        f"{count} messages in {seconds:.0f} s; the node lives: {told.alive}; {told.asked} questions answered meanwhile"
    )
    print(
        f"answers: median {told.p50 * 1e3:.1f} ms, 99 % within {told.p99 * 1e3:.1f} ms, worst {told.worst * 1e3:.1f} ms"
    )
    print(
        f"memory: {told.held / 1e6:.0f} MB, {told.grown / 1e6:+.1f} MB since a tenth of it; log {told.log / 1e3:.0f} kB"
    )


if __name__ == "__main__":
    main()
