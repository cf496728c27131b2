"""What the node and a worker tell each other, and the pair of sockets between them.  Messages are msgpack, never pickle.

The node's end never waits: a worker that does not read, or stops in the middle of a message, holds nobody up.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from retac_shared.order import Order

LENGTH = struct.Struct("!I")
LARGEST = 1 << 24  # bytes of a message
READ = 1 << 18  # bytes at a time


class PipeMessage(Struct, frozen=True, tag=True):
    pass


# ---- to a worker


class Start(PipeMessage, frozen=True):
    job: str
    order: Order
    files: dict[str, str]  # sha256 -> path
    have: tuple[str, ...]  # names of the parts that are made already


class Shoot(Start, frozen=True):
    """A dub whose files are put where they belong by the worker itself: one shot of a batch."""

    video: str  # where the finished file goes
    frames: str  # folder of the PNG sequence; "" when not asked for
    mattes: str
    recipe: str  # what the shot's record says that it was made from


class Stop(PipeMessage, frozen=True):
    """Give up at the next tick."""


class GiveWay(PipeMessage, frozen=True):
    """Give up before the next task."""


# ---- from a worker


class Ready(PipeMessage, frozen=True):
    pass


class Working(PipeMessage, frozen=True):
    """A task was begun."""

    stage: str


class Told(PipeMessage, frozen=True):
    stage: str
    doing: str
    fraction: float


class Warned(PipeMessage, frozen=True):
    sentence: str


class Made(PipeMessage, frozen=True):
    name: str
    sha256: str
    path: str


class Ended(PipeMessage, frozen=True):
    how: str  # "done", "gave way", "stopped", "refused": the user's to mend, "broken": to be tried again, "failed"
    error: str = ""
    trace: str = ""  # where in our code, for the log
    ran: int = 0  # tasks
    cached: int = 0


UNHARMED = ("done", "gave way", "refused")  # ends after which a worker is as good as before

ToWorker = Start | Shoot | Stop | GiveWay
ToPool = Ready | Working | Told | Warned | Made | Ended


class Closed(Exception):
    """The other end is gone."""


class Pipe:
    """One end.  `incoming` is the union of the messages that come to it."""

    def __init__(self, end: socket.socket, incoming: Any) -> None:
        self.end = end
        self.decode = msgspec.msgpack.Decoder(incoming).decode
        self.encode = msgspec.msgpack.Encoder().encode
        self.rest = bytearray()

    def send(self, message: PipeMessage) -> None:
        """Raises Closed where the other end is gone, or does not read and this end does not wait."""
        body = self.encode(message)
        try:
            self.end.sendall(LENGTH.pack(len(body)) + body)
        except OSError as error:
            raise Closed from error

    def receive(self) -> Iterator[Any]:
        """Yields the messages that are whole; on a blocking end after waiting for some bytes.  Raises Closed."""
        try:
            data = self.end.recv(READ)
        except BlockingIOError:
            return
        except OSError as error:
            raise Closed from error
        if not data:
            raise Closed
        self.rest += data
        yield from self.whole()

    def whole(self) -> Iterator[Any]:
        while len(self.rest) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self.rest)
            if size > LARGEST:
                raise Closed
            if len(self.rest) < LENGTH.size + size:
                return
            body = bytes(self.rest[LENGTH.size : LENGTH.size + size])
            del self.rest[: LENGTH.size + size]
            try:
                yield self.decode(body)
            except msgspec.MsgspecError as error:
                raise Closed from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.end.close()


def pair(incoming: Any) -> tuple[Pipe, socket.socket]:
    """Gives the node's end, which never waits, and the socket to hand to the worker."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Pipe(ours, incoming), theirs
