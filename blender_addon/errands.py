"""What this Blender has asked of a node: files that are sent, jobs that are followed, results that are fetched.

Hears a client's replies and says what follows from them.  Never touches bpy, and never waits.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from retac_shared.client import Client
from retac_shared.inbox import Failed, Fetched, Moved, Reply, Sent
from retac_shared.jobs import ENDED, JobStatus, Part
from retac_shared.messages import Parts, Refused, Status
from retac_shared.order import Order

from .wording import for_artists

WANTED = {
    "solve": ("track.npz", "mesh.npz", "texture.png", "words.json"),
    "line": ("speech.wav", "timing.json", "motion.npz"),
    "dub": ("speech.wav", "timing.json", "motion.npz", "video.mp4", "report.html"),
}  # goal -> the parts that are fetched, those that the node made; of a dub also those in FOLDERS
FOLDERS = ("frames/", "mattes/")
PREVIEW = "preview/"
SAFE = re.compile(r"[\w][\w .()+-]*(/[\w][\w .()+-]*)?")  # a part's name that is written to disk
AHEAD = 4  # previews that are fetched at a time, so that they never stand in a result's way

Stamp = tuple[Path, int, int]  # a file as it is at a moment: path, bytes, time of its last change
State = Literal["sending", "submitting", "queued", "running", "fetching", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Asked:
    """A job as it is asked for; the .blend keeps it."""

    job: str
    order: Mapping[str, Any]  # fields of an Order, but for the files
    files: Mapping[str, Path]  # field of an Order -> the file that is sent for it
    folder: Path  # where the results go
    label: str = ""
    submitted: bool = False  # the node has said that it knows it


@dataclass(frozen=True)
class News:
    job: str
    what: Literal["moved", "submitted", "preview", "ended"]
    path: Path | None = None  # of a preview


@dataclass
class Errand:
    asked: Asked
    digests: dict[str, str] = field(default_factory=dict)  # field of the order -> sha256 of the file the node has
    sending: dict[int, str] = field(default_factory=dict)  # request -> field of the order
    stamps: dict[str, Stamp] = field(default_factory=dict)  # field of the order -> the file as it was when it was sent
    moved: dict[int, Moved] = field(default_factory=dict)
    request: int = 0  # the Submit that waits for its answer
    watch: int = 0
    status: JobStatus | None = None
    known: int = 0  # parts that the node told of
    parts: dict[str, Part] = field(default_factory=dict)
    fetching: dict[int, str] = field(default_factory=dict)  # request -> part
    previews: deque[Part] = field(default_factory=deque)
    here: dict[str, Path] = field(default_factory=dict)
    error: str = ""
    stopped: bool = False  # cancelled before the node heard of it
    told: bool = False  # that it ended

    @property
    def goal(self) -> str:
        return str(self.asked.order.get("goal", "dub"))

    @property
    def state(self) -> State:
        if self.error or self.stopped:
            return "failed" if self.error else "cancelled"
        if self.status is None:
            return "sending" if self.sending else "submitting"
        if self.status.state == "done":
            return "done" if self.complete() else "fetching"
        return self.status.state

    @property
    def fraction(self) -> float:
        if self.state in ("sending", "fetching"):
            size = sum(moved.size for moved in self.moved.values())
            return sum(moved.done for moved in self.moved.values()) / size if size else 0.0
        return self.status.fraction if self.status else 0.0

    @property
    def words(self) -> str:
        """What it is at, for the artist."""
        state, status = self.state, self.status
        if state == "failed":
            return for_artists(self.error or (status.error if status else ""))
        if state == "queued" and status:
            return f"{status.ahead} before it" if status.ahead else "next"
        if state == "running" and status:
            return " ".join(filter(None, (status.stage, status.doing)))
        return {"sending": "sending files", "submitting": "asking the node", "fetching": "fetching the result"}.get(
            state, ""
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the node wants the artist to know of the result."""
        return tuple(for_artists(warning) for warning in self.status.warnings) if self.status else ()

    def wanted(self) -> list[Part]:
        names = WANTED[self.goal]
        return [part for name, part in self.parts.items() if name in names or name.startswith(FOLDERS)]

    def complete(self) -> bool:
        """Tells whether all that the node made for it is here."""
        assert self.status is not None
        return self.known >= self.status.parts and all(part.name in self.here for part in self.wanted())


class Errands:
    """All errands at one node.  `news` is what its owner should look at, oldest first."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.all: dict[str, Errand] = {}
        self.news: deque[News] = deque()
        self.owners: dict[int, Errand] = {}  # request -> whose
        self.digests: dict[Stamp, str] = {}  # -> sha256

    # ---- what the owner wants

    def begin(self, asked: Asked) -> None:
        """Asks for a job, or follows one that was asked for before."""
        errand = self.all[asked.job] = Errand(asked)
        if asked.submitted:
            self.follow(errand)
        else:
            self.send(errand)

    def cancel(self, job: str) -> None:
        errand = self.all[job]
        if errand.status is not None:
            self.client.cancel(job)
        elif not errand.error:
            if errand.request or errand.watch:
                self.client.cancel(job)  # the node may have heard of it
            errand.stopped = True
            self.end(errand)

    def resume(self, job: str) -> None:
        """Has an ended job go on, or asks for it anew where the node never had it."""
        old = self.all[job]
        if old.status is None and not old.asked.submitted:
            self.begin(old.asked)
            return
        old.error, old.stopped, old.told, old.status = "", False, False, None
        old.request = self.mine(old, self.client.resume(job))

    def forget(self, job: str) -> None:
        """Follows it no more; it goes on at the node."""
        if (errand := self.all.pop(job, None)) is not None:
            self.leave(errand)

    # ---- what is said

    def mine(self, errand: Errand, request: int) -> int:
        self.owners[request] = errand
        return request

    def send(self, errand: Errand) -> None:
        errand.error = ""
        for name, path in errand.asked.files.items():
            errand.stamps[name] = stamp(path)
            request = self.mine(errand, self.client.upload(path, self.digests.get(errand.stamps[name], "")))
            errand.sending[request] = name

    def submit(self, errand: Errand) -> None:
        try:
            order = Order(**errand.asked.order, **errand.digests)
        except (ValueError, TypeError) as error:
            self.fail(errand, str(error))
            return
        asked = errand.asked
        errand.request = self.mine(errand, self.client.submit(order, asked.job, asked.label[:200]))

    def follow(self, errand: Errand) -> None:
        self.leave(errand)
        errand.known = 0
        errand.watch = self.mine(errand, self.client.watch(errand.asked.job))

    def leave(self, errand: Errand) -> None:
        """Ends what is open for it; its requests are nobody's from then on."""
        for request in [request for request, owner in self.owners.items() if owner is errand]:
            del self.owners[request]
            if request != errand.request:
                self.client.drop(request)
        errand.watch = errand.request = 0
        errand.sending.clear()
        errand.fetching.clear()
        errand.previews.clear()
        errand.moved.clear()

    # ---- what is heard

    def hear(self, reply: Reply) -> None:
        """Takes a reply of the client; one that answers no errand is passed over."""
        errand = self.owners.get(getattr(reply, "request", 0))
        if errand is None:
            return
        if isinstance(reply, Moved):
            errand.moved[reply.request] = reply
        elif isinstance(reply, Sent):
            self.sent(errand, reply)
        elif isinstance(reply, Status):
            self.heard(errand, reply)
        elif isinstance(reply, Parts):
            self.told(errand, reply)
        elif isinstance(reply, Fetched):
            self.fetched(errand, reply)
        elif isinstance(reply, Refused | Failed):
            self.refused(errand, reply)
        self.news.append(News(errand.asked.job, "moved"))

    def sent(self, errand: Errand, reply: Sent) -> None:
        del self.owners[reply.request]
        name = errand.sending.pop(reply.request)
        errand.moved.pop(reply.request, None)
        errand.digests[name] = reply.sha256
        self.digests[errand.stamps[name]] = reply.sha256
        if not errand.sending:
            self.submit(errand)

    def heard(self, errand: Errand, reply: Status) -> None:
        errand.status = reply.status
        if reply.request == errand.request:
            errand.request = 0
            del self.owners[reply.request]
            self.news.append(News(errand.asked.job, "submitted"))
            self.follow(errand)
        elif reply.status.state in ENDED:
            self.look(errand)
        else:
            errand.told = False

    def told(self, errand: Errand, reply: Parts) -> None:
        errand.known = reply.first + len(reply.parts)
        for part in reply.parts:
            if not SAFE.fullmatch(part.name):
                continue
            if errand.parts.get(part.name) != part:
                errand.here.pop(part.name, None)
            errand.parts[part.name] = part
            if part.name.startswith(PREVIEW):
                errand.previews.append(part)
            elif part.name not in errand.here and part in errand.wanted():
                self.fetch(errand, part)
        self.fetch_previews(errand)
        self.look(errand)

    def fetched(self, errand: Errand, reply: Fetched) -> None:
        del self.owners[reply.request]
        name = errand.fetching.pop(reply.request)
        errand.here[name] = reply.path
        if name.startswith(PREVIEW):
            self.news.append(News(errand.asked.job, "preview", reply.path))
            self.fetch_previews(errand)
        self.look(errand)

    def refused(self, errand: Errand, reply: Refused | Failed) -> None:
        self.owners.pop(reply.request, None)
        name = errand.fetching.pop(reply.request, "")
        if name.startswith(PREVIEW):
            return
        if reply.request == errand.watch and errand.status is None:
            self.leave(errand)  # the node does not know the job: another node, or one that lost its folder
            self.send(errand)
            return
        self.fail(errand, reply.sentence)

    # ---- what follows

    def fetch(self, errand: Errand, part: Part) -> None:
        target = errand.asked.folder / part.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(errand, f"{target.parent} cannot be made ({error.strerror}); choose another folder for results")
            return
        errand.fetching[self.mine(errand, self.client.download(part.sha256, target))] = part.name

    def fetch_previews(self, errand: Errand) -> None:
        under_way = sum(name.startswith(PREVIEW) for name in errand.fetching.values())
        while errand.previews and under_way < AHEAD:
            self.fetch(errand, errand.previews.popleft())
            under_way += 1

    def look(self, errand: Errand) -> None:
        """Tells when it has ended and all of it is here."""
        status = errand.status
        if status is None or status.state not in ENDED or (status.state == "done" and not errand.complete()):
            return
        self.end(errand)

    def fail(self, errand: Errand, sentence: str) -> None:
        errand.error = sentence
        self.end(errand)

    def end(self, errand: Errand) -> None:
        self.leave(errand)
        if not errand.told:
            errand.told = True
            self.news.append(News(errand.asked.job, "ended"))


def stamp(path: Path) -> Stamp:
    """Names a file as it is now: the same stamp means the same bytes."""
    try:
        held = path.stat()
    except OSError:
        return path, -1, 0
    return path, held.st_size, held.st_mtime_ns
