"""What a client and its node are talking about: open requests, watches, files.  Never touches a socket.

An open request is one that has no answer yet; a watch is open until it is ended.  `open_all` says again, to a node that
does not know us any more, all that is open: every command may be sent twice.
"""

import itertools
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from retac_shared.follower import Follower
from retac_shared.inbox import Failed, Inbox, Moved, Reply
from retac_shared.messages import (
    Chunk,
    Credit,
    Done,
    Jobs,
    Message,
    Metrics,
    Parts,
    Refused,
    Status,
    Unwatch,
    Watch,
)
from retac_shared.transfers import Download, Outgoing, Upload


@dataclass(frozen=True)
class Send:
    """Wish of the owner: a message."""

    request: int
    message: Message


@dataclass(frozen=True)
class SendFile:
    request: int
    path: Path
    sha256: str


@dataclass(frozen=True)
class FetchFile:
    request: int
    sha256: str
    target: Path


@dataclass(frozen=True)
class Drop:
    """Wish of the owner: no more of this watch or this file."""

    request: int


Wish = Send | SendFile | FetchFile | Drop


TOLD = 0.05  # seconds between two Moved of downloads
FILES = 4  # under way at a time; the others wait


class Conversation:
    """One thread's.  What is to be said stands in `out`, what the owner should know goes to the inbox."""

    def __init__(self, inbox: Inbox, numbers: "itertools.count[int]") -> None:
        self.inbox, self.numbers = inbox, numbers
        self.follower = Follower()
        self.out: deque[Outgoing] = deque()
        self.open: dict[int, Message] = {}  # request -> what was asked
        self.uploads: dict[int, Upload] = {}
        self.downloads: dict[int, Download] = {}
        self.told = 0.0  # when it was last told how far a file is
        self.waiting: deque[SendFile | FetchFile] = deque()

    # ---- the owner's wishes

    def wish(self, wish: Wish) -> None:
        if isinstance(wish, Send):
            self.open[wish.request] = wish.message
            self.out.append((wish.message, None))
        elif isinstance(wish, Drop):
            self.drop(wish.request)
        else:
            self.waiting.append(wish)

    def begin(self, wish: SendFile | FetchFile) -> None:
        try:
            if isinstance(wish, SendFile):
                upload = Upload(wish.request, wish.path, wish.sha256, self.follower)
                self.uploads[wish.request] = upload
                self.out.extend(upload.open())
            else:
                if any(wish.target == other.target for other in self.downloads.values()):
                    raise OSError(0, "it is being fetched already")
                download = Download(wish.request, wish.sha256, wish.target, self.follower, self.numbers.__next__)
                self.downloads[wish.request] = download
                self.out.extend(download.open())
        except OSError as error:
            path = wish.path if isinstance(wish, SendFile) else wish.target
            self.end(wish.request, Failed(wish.request, worded(path, error)))

    def drop(self, request: int) -> None:
        if isinstance(self.open.get(request), Watch):
            self.out.append((Unwatch(request), None))
        self.waiting = deque(wish for wish in self.waiting if wish.request != request)
        self.end(request)

    def end(self, request: int, last: Reply | None = None) -> None:
        """Ends a request; `last` is its answer."""
        self.open.pop(request, None)
        transfer = self.uploads.pop(request, None) or self.downloads.pop(request, None)
        if transfer is not None:
            transfer.close()
        if last is not None:
            self.inbox.put(last)

    def lost(self) -> None:
        """Forgets what was to be said to a node that is gone."""
        self.out.clear()
        for upload in self.uploads.values():
            upload.open()  # without a credit

    def open_all(self) -> None:
        """Says all that is open, to a node that knows nothing of it."""
        self.out.clear()
        self.out.extend((message, None) for message in self.open.values())
        for upload in self.uploads.values():
            self.out.extend(upload.open())
        for download in self.downloads.values():
            self.out.extend(download.open())

    # ---- what the node says

    def hear(self, message: Any, payload: memoryview) -> None:
        if isinstance(message, Chunk):
            self.hear_chunk(message, payload)
        elif isinstance(message, Credit | Done):
            self.hear_upload(message)
        elif isinstance(message, Refused):
            self.refused(message)
        elif isinstance(message, Status | Parts | Jobs | Metrics):
            self.hear_answer(message)

    def hear_answer(self, message: Status | Parts | Jobs | Metrics) -> None:
        asked = self.open.get(message.request)
        if asked is None:
            return
        if not isinstance(asked, Watch):
            self.end(message.request, message)
        elif isinstance(message, Parts):
            self.hear_parts(asked, message)
        else:
            self.inbox.put(message)

    def hear_parts(self, watch: Watch, message: Parts) -> None:
        """Passes on the parts that are new, and remembers how many there are, should the watch be said again."""
        new = message.parts[max(0, watch.parts - message.first) :]
        if message.first <= watch.parts and new:
            self.inbox.put(Parts(watch.request, watch.parts, new))
            self.open[watch.request] = msgspec.structs.replace(watch, parts=watch.parts + len(new))

    def hear_upload(self, message: Credit | Done) -> None:
        upload = self.uploads.get(message.request)
        if upload is None:
            return
        reply = upload.take(message)
        if isinstance(reply, Moved):
            self.inbox.put(reply)
        elif reply is not None:
            self.end(message.request, reply)

    def hear_chunk(self, chunk: Chunk, payload: memoryview) -> None:
        for download in self.downloads.values():
            if chunk.request in download.asked:
                try:
                    self.out.extend(download.take(chunk, payload))
                    self.moved(download)
                except OSError as error:
                    self.end(download.request, Failed(download.request, worded(download.target, error)))
                return

    def moved(self, download: Download) -> None:
        """Tells how far a file is, not more often than one looks."""
        if time.monotonic() - self.told > TOLD or download.position == download.size:
            self.told = time.monotonic()
            self.inbox.put(download.moved())

    def refused(self, message: Refused) -> None:
        for download in self.downloads.values():
            if message.request in download.asked:
                message = msgspec.structs.replace(message, request=download.request)
                break
        if any(message.request in held for held in (self.open, self.uploads, self.downloads)):
            self.end(message.request, message)

    # ---- files

    def tick(self) -> None:
        """Moves the files on: what a digest was waited for, what credit allows, what is finished, what is next."""
        for upload in list(self.uploads.values()):
            try:
                self.out.extend(upload.tick())
                self.out.extend(upload.chunks())
            except OSError as error:
                self.end(upload.request, Failed(upload.request, worded(upload.path, error)))
        for download in list(self.downloads.values()):
            try:
                if (reply := download.tick()) is not None:
                    self.end(download.request, reply)
                elif download.size is None and not download.asked:
                    self.out.extend(download.open())
            except OSError as error:
                self.end(download.request, Failed(download.request, worded(download.target, error)))
        while self.waiting and len(self.uploads) + len(self.downloads) < FILES:
            self.begin(self.waiting.popleft())

    def reading(self) -> bool:
        """Tells whether a digest is waited for."""
        waiting = any(not upload.sha256 for upload in self.uploads.values())
        return waiting or any(download.position == download.size for download in self.downloads.values())

    def close(self) -> None:
        for request in [*self.uploads, *self.downloads]:
            self.end(request)
        self.follower.close()


def worded(path: Path, error: OSError) -> str:
    return (
        f"{path} cannot be read or written ({error.strerror}); check the path, its permissions and the room on its disk"
    )
