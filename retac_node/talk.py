"""A command's talk with a render node: asks, waits for the answer, and shows what happens meanwhile.

Knows no job of its own; what is asked for is in remote.py.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any, TypeVar

from retac_shared.access import BadAddress
from retac_shared.client import Client
from retac_shared.inbox import Failed, Fetched, Link, Moved, Reply, Sent
from retac_shared.jobs import JobStatus, Part
from retac_shared.messages import Jobs, Metrics, Parts, Status
from retac_shared.messages import Refused as NodeRefused

from retac_node.engine.events import Event, Progress, Warned
from retac_node.errors import BadInput, Refused
from retac_node.progress import Show
from retac_node.stopping import on_stop

PATIENCE = 15.0  # seconds for the first connection
WAITED = 0.5  # seconds between two looks at the link
HAND = 64  # downloads asked for at a time
JOB = 32  # digits of a job's number

Answer = TypeVar("Answer", bound=Reply)


@dataclass
class Talk:
    client: Client
    show: Show
    as_json: bool
    quiet: bool = False  # tells nothing of how things go on
    link: Link = field(default_factory=lambda: Link("connecting"))
    warned: set[str] = field(default_factory=set)
    stopped: Flag = field(default_factory=Flag)  # Ctrl-C was pressed

    # ---- hearing

    def hear(self) -> Reply | None:
        """Waits a moment for a reply.

        Raises Refused where the node wants no talk, BadInput for a file of ours, and KeyboardInterrupt here alone: one
        that tears a waiting thread out of its lock can be lost, or leave the lock behind.
        """
        reply = self.client.next(WAITED)
        if self.stopped.is_set():
            raise KeyboardInterrupt
        if isinstance(reply, Failed):
            raise BadInput(reply.sentence)
        if not isinstance(reply, Link):
            return reply
        if self.link.state == "connected" and reply.state != "connected":
            self.event(Progress("node", 0.0, 0.0, f"{reply.sentence}; trying again"))
        self.link = reply
        if reply.state == "refused":
            raise Refused(reply.sentence)
        return None

    def connect(self) -> None:
        """Raises BadInput where no node answers, Refused where it wants no talk."""
        end = time.monotonic() + PATIENCE
        while self.link.state != "connected":
            self.hear()
            if time.monotonic() > end:
                raise BadInput(
                    f"{self.link.sentence or 'no node answers'}; check the address, the key, and that it runs"
                )

    def answer(self, request: int, kind: type[Answer], meanwhile: Callable[[Reply], None] = lambda _: None) -> Answer:
        """Waits for the answer to a request.  Raises Refused with the node's sentence."""
        while True:
            reply = self.hear()
            if isinstance(reply, NodeRefused) and reply.request == request:
                raise Refused(reply.sentence)
            if isinstance(reply, kind) and reply.request == request:  # type: ignore[union-attr]
                return reply
            if reply is not None:
                meanwhile(reply)

    # ---- questions

    def jobs(self, limit: int) -> Iterator[JobStatus]:
        """Gives the jobs that this client may see, the newest first."""
        before = 0.0
        while limit > 0:
            page = self.answer(self.client.list(before), Jobs)
            yield from page.jobs[:limit]
            limit -= len(page.jobs)
            if not page.more or not page.jobs:
                return
            before = page.jobs[-1].created

    def find(self, text: str) -> str:
        """Gives the number of the job that begins with these digits.  Raises BadInput."""
        digits = text.lower()
        if not digits or set(digits) - set("0123456789abcdef") or len(digits) > JOB:
            raise BadInput(f"'{text}' is not the number of a job; see: retac jobs")
        if len(digits) == JOB:
            return digits
        found = [status.job for status in self.jobs(10_000) if status.job.startswith(digits)]
        if len(found) != 1:
            raise BadInput(f"{len(found)} jobs have a number that begins with {text}; see: retac jobs")
        return found[0]

    def metrics(self) -> dict[str, float]:
        return self.answer(self.client.ask(), Metrics).values

    def watch(self, job: str, until: Callable[[JobStatus], bool]) -> tuple[JobStatus, list[Part]]:
        """Shows a job until that holds and all the parts made by then are known.  Raises Refused."""
        parts: list[Part] = []
        request = self.client.watch(job)
        status: JobStatus | None = None
        while status is None or not until(status) or len(parts) < status.parts:
            reply = self.hear()
            if isinstance(reply, NodeRefused) and reply.request == request:
                raise Refused(reply.sentence)
            if isinstance(reply, Parts) and reply.request == request:
                parts[reply.first :] = reply.parts
            if isinstance(reply, Status) and reply.request == request:
                status = reply.status
                self.tell(status)
        self.client.drop(request)
        return status, parts

    def tell(self, status: JobStatus) -> None:
        for sentence in status.warnings:
            if sentence not in self.warned:
                self.warned.add(sentence)
                self.event(Warned(status.stage, sentence))
        doing = f"{status.ahead} jobs before this one" if status.state == "queued" else status.doing
        self.event(Progress(status.stage or status.state, status.fraction, status.fraction, doing))

    # ---- files

    def upload(self, path: Path) -> str:
        """Has the node have the file; gives its sha256.  Raises Refused."""
        return self.answer(self.client.upload(path), Sent, self.moved("sending", path.name)).sha256

    def fetch(self, wanted: Mapping[Path, Part]) -> None:
        """Fetches files that are not there yet, a handful at a time.  Raises Refused."""
        missing = [(path, part) for path, part in wanted.items() if not there(path, part)]
        for at in range(0, len(missing), HAND):
            hand = missing[at : at + HAND]
            asked = {self.client.download(part.sha256, path): path for path, part in hand}
            while asked:
                reply = self.hear()
                if isinstance(reply, NodeRefused) and reply.request in asked:
                    raise Refused(reply.sentence)
                if isinstance(reply, Fetched):
                    del asked[reply.request]
                if isinstance(reply, Moved) and reply.request in asked:
                    self.moved("fetching", asked[reply.request].name)(reply)

    def moved(self, doing: str, name: str) -> Callable[[Reply], None]:
        def tell(reply: Reply) -> None:
            if isinstance(reply, Moved) and reply.size:
                self.event(Progress(doing, reply.done / reply.size, 0.0, name))

        return tell

    # ---- printing

    def line(self, event: str, values: dict[str, Any], text: str) -> None:
        print(json.dumps({"event": event, **values}) if self.as_json else text, flush=True)

    def event(self, event: Event) -> None:
        if not self.quiet:
            self.show.event(event)


def there(path: Path, part: Part) -> bool:
    """Tells whether the file is at its place already."""
    if not path.is_file() or path.stat().st_size != part.size:
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == part.sha256


@contextmanager
def talk_with(address: str, key: Path | None, show: Show, as_json: bool) -> Iterator[Talk]:
    """Opens a talk.  Raises BadInput, Refused."""
    try:
        client = Client(address, key)
    except BadAddress as error:
        raise BadInput(str(error)) from error
    talk = Talk(client, show, as_json)
    with on_stop(talk.stopped.set), client:
        talk.connect()
        yield talk
