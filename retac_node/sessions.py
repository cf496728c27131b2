"""One client's visit: what it waits for, and what is to be sent to it next.  Bounded in all it holds; knows no socket.

Answers are kept in order.  A watch holds no messages: it knows what it has told, and what is new is looked up when the
client can take it, so a thousand changes behind a slow line are one Status.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retac_shared.jobs import Part
from retac_shared.messages import CHUNK, PAGE, Chunk, Message, Parts, Refused, Status

from retac_node.blobs import Blobs
from retac_node.errors import Refused as Forbidden
from retac_node.jobs import Job, Jobs

MAX_ANSWERS = 512  # that a client has not taken; it is dropped beyond
MAX_GETS = 16  # that wait
TURN = 8  # chunks that one client is sent before it is another's turn

Send = Callable[[Message, Any], bool]  # a message and its bytes; False: the line is full


@dataclass
class Watching:
    job: Job
    parts: int  # told
    told: tuple[int, int] = (-1, -1)  # the Status told last: change, and how many jobs were ahead


@dataclass
class Getting:
    request: int
    sha256: str
    at: int
    end: int
    size: int


@dataclass
class Putting:
    sha256: str
    size: int
    granted: int  # bytes up to here may come


@dataclass(eq=False)
class Session:
    peer: bytes
    key: str  # the client's public key; "" without keys
    owner: str
    role: str
    heard: float = field(default_factory=time.monotonic)
    beaten: float = field(default_factory=time.monotonic)  # when it was last told that the node is there
    answers: deque[Message] = field(default_factory=deque)
    watches: dict[int, Watching] = field(default_factory=dict)  # by request
    fresh: dict[int, None] = field(default_factory=dict)  # requests of watches that may have news, in order
    gets: deque[Getting] = field(default_factory=deque)
    puts: dict[int, Putting] = field(default_factory=dict)
    mistakes: int = 0  # messages that were none

    @property
    def sees(self) -> str | None:
        """Whose jobs it sees; None: everybody's."""
        return None if self.role == "admin" else self.owner

    @property
    def waits(self) -> bool:
        return bool(self.answers or self.fresh or self.gets)

    def answer(self, message: Message) -> None:
        self.answers.append(message)

    def pump(self, jobs: Jobs, blobs: Blobs, send: Send) -> bool:
        """Sends what there is as far as the line takes it, and a turn of chunks.  False: the line is full."""
        while self.answers:
            if not send(self.answers[0], None):
                return False
            self.answers.popleft()
        for request in list(self.fresh):
            if request in self.watches and not self.show(request, self.watches[request], jobs, send):
                return False
            self.fresh.pop(request, None)
        return all(self.chunk(blobs, send) for _ in range(TURN) if self.gets)

    def show(self, request: int, watch: Watching, jobs: Jobs, send: Send) -> bool:
        """Tells the parts and the state of a job, where they are news."""
        while watch.parts < watch.job.parts:
            page: tuple[Part, ...] = jobs.parts(watch.job, watch.parts, PAGE)
            if not page or not send(Parts(request, watch.parts, page), None):
                return not page
            watch.parts += len(page)
        status = jobs.status(watch.job)
        news = status.change, status.ahead
        if news != watch.told and not send(Status(request, status), None):
            return False
        watch.told = news
        return True

    def chunk(self, blobs: Blobs, send: Send) -> bool:
        """Sends the next piece of a file; the files asked for take turns."""
        get = self.gets[0]
        try:
            data = blobs.read(get.sha256, get.at, min(CHUNK, get.end - get.at))
        except Forbidden as error:
            self.gets.popleft()
            self.answer(Refused(get.request, str(error)))
            return True
        if not send(Chunk(get.request, get.at, get.size), data):  # an empty one where the file has no more
            return False
        self.gets.popleft()
        get.at += len(data)
        if data and get.at < get.end:
            self.gets.append(get)
        return True
