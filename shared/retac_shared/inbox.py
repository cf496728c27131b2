"""What a client's thread has for its owner: replies in order, the newest of a kind standing for those before it.

Never grows beyond what its owner asked for: a job has one Status here at a time, a watch one Parts, a transfer one Moved.
"""

import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Literal

from retac_shared.messages import Jobs, Metrics, Parts, Refused, Status, Welcome


@dataclass(frozen=True)
class Link:
    """How it stands with the node."""

    state: Literal["connecting", "connected", "refused"]
    sentence: str = ""  # why it is not connected
    welcome: Welcome | None = None  # what the node said of itself


@dataclass(frozen=True)
class Moved:
    """How far a transfer is."""

    request: int
    done: int  # bytes
    size: int


@dataclass(frozen=True)
class Sent:
    """The node has the file."""

    request: int
    sha256: str


@dataclass(frozen=True)
class Fetched:
    """The file is here, whole and right."""

    request: int
    path: Path


@dataclass(frozen=True)
class Failed:
    """The transfer cannot go on, for a reason on this side."""

    request: int
    sentence: str


Reply = Status | Parts | Jobs | Metrics | Refused | Link | Moved | Sent | Fetched | Failed


class Inbox:
    def __init__(self) -> None:
        self.replies: dict[Hashable, Reply] = {}  # in order
        self.filled = Condition()

    def put(self, reply: Reply) -> None:
        with self.filled:
            name = key(reply)
            before = self.replies.get(name)
            if isinstance(before, Parts) and isinstance(reply, Parts):
                self.replies[name] = joined(before, reply)
            else:
                self.replies.pop(name, None)  # the newest comes after what came before it
                self.replies[name] = reply
            self.filled.notify_all()

    def take(self, seconds: float | None = 0.0) -> Reply | None:
        """Gives the oldest reply; waits for one for that long, None: for ever."""
        with self.filled:
            if not self.filled.wait_for(lambda: self.replies, seconds):
                return None
            return self.replies.pop(next(iter(self.replies)))

    def drain(self, seconds: float) -> Iterator[Reply]:
        """Gives the replies that are here, one at least, until that much time is spent."""
        end = time.perf_counter() + seconds
        while (reply := self.take()) is not None:
            yield reply
            if time.perf_counter() >= end:
                return


def key(reply: Reply) -> Hashable:
    if isinstance(reply, Status):
        return Status, reply.status.job, reply.request
    return type(reply), None if isinstance(reply, Link) else reply.request


def joined(before: Parts, after: Parts) -> Parts:
    """Gives the parts of both; `after` goes on where `before` ends, or tells some of it again."""
    known = max(0, after.first - before.first)
    return Parts(before.request, before.first, before.parts[:known] + after.parts)
